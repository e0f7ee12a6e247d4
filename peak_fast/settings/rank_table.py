"""The table ``[rank]`` of a TOML file: arguments of `peak_fast.Rank`, whose score is a text.

>>> RankTable(score="Momentum(lookback, skip=21)", top=5).said()
{'score': 'Momentum(lookback, skip=21)', 'top': 5}
"""

from __future__ import annotations

from typing import Any

from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.settings.frozen import Settings


class RankTable(Settings):
    """``[rank]``: what a panel holds where ``--strategy rank`` names it; `Rank.from_table` is the rule.

    The names are those of `Rank`.  ``score`` and ``weighting`` may be texts such as
    ``"Momentum(lookback, skip=21) / Volatility(63)"``; ``rebalance`` may be a table with the names of `Rebalance`.
    """

    score: Any = None
    top: Any = None
    bottom: Any = None
    within: Any = None
    weighting: Any = None
    long: Any = None
    short: Any = None
    cap: Any = None
    group_cap: Any = None
    spread: Any = None
    need_price: Any = None
    rebalance: Any = None
    name: Any = None

    def said(self) -> dict[str, Any]:
        """What is given, by name."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


def read_rank(given: Any) -> RankTable:
    """The table of a dict.

    Raises
    ------
    ConfigError
        It is none, or has an unknown name.
    """
    if isinstance(given, RankTable):
        return given
    if not isinstance(given, dict):
        raise ConfigError(
            f"rank: expected a table of settings, such as {{'top': 5}}; got {type(given).__name__}"
        )
    for name in given:
        if name not in RankTable.model_fields:
            raise ConfigError(
                f"rank.{name}: no such setting; {did_you_mean(str(name), RankTable.model_fields)}"
            )
    return RankTable(**given)
