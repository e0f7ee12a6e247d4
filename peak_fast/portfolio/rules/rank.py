"""Holding the best of many assets: :class:`Rank`.

>>> from peak_fast.portfolio import Momentum
>>> rule = Rank(Momentum("lookback", skip=21), top="top", rebalance="month_end")
>>> [parameter.name for parameter in rule.schema]
['lookback', 'top']
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from peak_fast.arguments import wrong
from peak_fast.data import Panel, fingerprint, is_frame
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.guard import guarded, guarded_class
from peak_fast.params import Param, validate_schema
from peak_fast.portfolio.rules.making import Maker
from peak_fast.portfolio.rules.momentum import Volatility
from peak_fast.portfolio.rules.rebalance import Rebalance
from peak_fast.portfolio.rules.references import check_reference, named
from peak_fast.portfolio.rules.scores import Constant, Score, as_score
from peak_fast.portfolio.rules.written import read_arguments
from peak_fast.portfolio.targets import TargetWeights
from peak_fast.strategies import complete_params

_WEIGHTINGS = ("equal", "score", "inverse_volatility")
_NUMBERS = ("top", "bottom", "long", "short", "cap", "group_cap")


@guarded_class()
@dataclass(frozen=True, slots=True)
class Rank:
    """Hold the assets with the highest scores, and short those with the lowest.

    Ranked are members of the universe that have a price and a score at the deciding bar.  Of equal scores the first in
    alphabetical order of the symbols is the better one, so results do not depend on the order of assets.  Every number
    may be the name of a parameter.

    Parameters
    ----------
    score
        What to rank by: `Momentum`, `Volatility`, a ``Row`` of any indicator, the name of a column, a Polars expression
        over the long frame (``.over("symbol")``), a frame of scores, a function of the parameters that returns one of
        these; sums, products and the like of them.  None: all are equal.
    top, bottom
        How many to hold and to short; below 1 the share of those ranked (one at least); None: all.
    within
        ``"groups"`` (the panel's, see `Panel.with_groups`), or a mapping of symbols to groups: ``top`` and ``bottom``
        are of each group.  Assets without a group are not ranked then.
    weighting
        ``"equal"``; ``"score"`` (in proportion to it; negative scores of longs, positive ones of shorts count as 0);
        ``"inverse_volatility"`` (of 63 bars); or any score, in proportion to its positive values.
    long, short
        What the weights of each side add up to, as fractions of the equity.
    cap, group_cap
        Largest weight of an asset and of a group; what is cut goes to the others in proportion, as far as they have
        room.
    spread
        ``"chosen"``: a side is spread over those chosen.  ``"top"``: each gets its part of ``top``, so that with fewer
        ranked some stays cash.
    need_price
        Whether an asset without a price at the deciding bar is left out; False: it is ranked by what was known before.
    rebalance
        When to decide: `Rebalance`, or what its ``when`` can be.
    """

    score: Any = None
    top: Any = None
    bottom: Any = 0
    within: Any = None
    weighting: Any = "equal"
    long: Any = 1.0
    short: Any = 1.0
    cap: Any = None
    group_cap: Any = None
    spread: str = "chosen"
    need_price: bool = True
    rebalance: Any = "month_end"
    name: str = "rank"
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "score", Constant(0.0) if self.score is None else as_score(self.score))
        put(self, "weighting", self._read_weighting())
        if not isinstance(self.rebalance, Rebalance):
            put(self, "rebalance", Rebalance(self.rebalance))
        for role in _NUMBERS:
            value = getattr(self, role)
            if value is not None:
                check_reference("Rank", role, value, whole=False)
        if not isinstance(self.spread, str) or self.spread not in ("chosen", "top"):
            remedy = did_you_mean(str(self.spread), ("chosen", "top"))
            raise wrong("Rank: spread", "'chosen' or 'top'", self.spread, remedy, StrategyError)
        if not isinstance(self.need_price, bool):
            raise wrong("Rank: need_price", "True or False", self.need_price, "True is usual", StrategyError)
        if not isinstance(self.name, str) or not self.name.strip():
            raise wrong("Rank.name", "a name", self.name, "name it as results shall show it", StrategyError)
        by_name = isinstance(self.within, str) and self.within == "groups"
        if not (self.within is None or by_name or isinstance(self.within, Mapping) or is_frame(self.within)):
            remedy = "give the panel its groups: panel.with_groups({...})"
            raise wrong(
                "Rank: within", "'groups' or a mapping of symbols", self.within, remedy, StrategyError
            )
        put(self, "schema", self._complete_schema())

    @classmethod
    @guarded
    def from_table(cls, table: Any) -> Rank:
        """The rule that a table ``[rank]`` of a settings file says (`BacktestConfig.rank`, or a dict like it).

        Raises
        ------
        StrategyError
            A text that is no score, or what `Rank` itself refuses.
        """
        said = table.said() if hasattr(table, "said") else table
        if not isinstance(said, Mapping):
            raise wrong(
                "Rank.from_table", "a table of settings", table, "pass BacktestConfig.rank", StrategyError
            )
        return cls(**read_arguments(said))

    def _read_weighting(self) -> Any:
        given = self.weighting
        if isinstance(given, str) and given in ("equal", "score"):
            return given
        if isinstance(given, str) and given == "inverse_volatility":
            return Constant(1.0) / Volatility(63)
        if isinstance(given, str) and not given.isidentifier():
            raise wrong(
                "Rank: weighting", f"one of {', '.join(_WEIGHTINGS)}, or a score", given,
                did_you_mean(given, _WEIGHTINGS), StrategyError,
            )  # fmt: skip
        return as_score(given)

    def _complete_schema(self) -> tuple[Param, ...]:
        """The schema as given, else what the rule's numbers name."""
        found = dict(self.score.references())
        if isinstance(self.weighting, Score):
            found.update(self.weighting.references())
        found.update(named(**{role: getattr(self, role) for role in _NUMBERS}))
        found.update(self.rebalance.references())
        if not self.schema:
            return validate_schema(tuple(found.values()), self.constraints)
        schema = validate_schema(self.schema, self.constraints)
        known = [parameter.name for parameter in schema]
        for name in found:
            if name not in known:
                raise StrategyError(
                    f"Rank {self.name!r} names the parameter {name!r}, which its schema does not have; "
                    f"{did_you_mean(name, known)}"
                )
        return schema

    def weights(self, panel: Panel, params: Mapping[str, Any]) -> TargetWeights:
        """Deciding bars and weights; parameters that are not given have their defaults.

        Raises
        ------
        StrategyError
            A parameter, group or column is missing.
        """
        return Maker(self, panel).weights(complete_params(self, params))

    def maker(self, panel: Panel, columns: Mapping[str, Any] | None = None) -> Maker:
        """What makes the weights of many sets of parameters and keeps what they share.

        Parameters
        ----------
        columns
            Values of parameters that will be asked for, by name: then orderings are made wide enough at once.
        """
        return Maker(self, panel, columns or {})

    @property
    def score_parameters(self) -> frozenset[str]:
        """Names of the parameters that scores depend on: those of the score and of the calendar."""
        when = self.rebalance.when
        return frozenset(self.score.references()) | ({when} if isinstance(when, str) else set())

    def fingerprint(self) -> str:
        """Hash of what the rule does."""
        within = fingerprint(self.within) if is_frame(self.within) else repr(self.within)
        when = self.rebalance.when
        dates = "" if isinstance(when, str | int) else str(list(when))
        parts = (
            self.name, self.score, self.top, self.bottom, within, self.weighting, self.long, self.short, self.cap,
            self.group_cap, self.spread, self.need_price, self.rebalance.text(), dates, self.rebalance.start,
            self.rebalance.band, self.rebalance.buffer,
        )  # fmt: skip
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    def identity(self) -> dict[str, Any]:
        """What it is, as plain values for a result's metadata; what is as usual is left out."""
        found = {
            "rule": type(self).__name__, "score": repr(self.score), "top": self.top, "bottom": self.bottom,
            "weighting": self.weighting if isinstance(self.weighting, str) else repr(self.weighting),
            "long": self.long, "short": self.short, "cap": self.cap, "group_cap": self.group_cap,
            "spread": self.spread, "within": "groups" if self.within is not None else None,
            "rebalance": self.rebalance.text(), "band": self.rebalance.band, "buffer": self.rebalance.buffer,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}
