"""Where the colours of a verdict change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from peak_fast.arguments import is_number, mapping, wrong
from peak_fast.guard import guarded_class, no_argument

Pair = tuple[float, float]


@guarded_class()
@dataclass(frozen=True)
class Thresholds:
    """For each question the figure from which on it is green, and the one from which on it is red.

    Attributes
    ----------
    walk_forward
        Efficiency: return in testing over return in training.
    overfitting
        Probability of backtest overfitting.
    deflated_sharpe
        Probability that the Sharpe ratio is above that of the best of so many worthless ones.
    data_snooping, permutation
        p-values of the superior predictive ability test, and of the whole selection in permuted worlds.
    sensitivity
        Median of the objective around the choice, as a share of the chosen one's.
    ambiguity
        Width of the bounds of the final equity as a share of the gain or loss.

    Raises
    ------
    ConfigError
        Something else than two different numbers.
    """

    walk_forward: Pair = (0.5, 0.0)
    overfitting: Pair = (0.25, 0.5)
    deflated_sharpe: Pair = (0.95, 0.5)
    data_snooping: Pair = (0.05, 0.2)
    permutation: Pair = (0.05, 0.2)
    sensitivity: Pair = (0.5, 0.0)
    ambiguity: Pair = (0.1, 0.5)

    def __post_init__(self) -> None:
        for one in fields(self):
            pair = getattr(self, one.name)
            if (
                not isinstance(pair, tuple | list)
                or len(pair) != 2
                or not all(_is_plain(value) for value in pair)
            ):
                raise wrong(one.name, "two numbers, of green and of red", pair, "such as (0.5, 0.0)")
            if pair[0] == pair[1]:
                raise wrong(one.name, "two different numbers", pair, "the first of green, the second of red")

    @classmethod
    def of(cls, given: Thresholds | Mapping[str, Any] | None) -> Thresholds:
        """Thresholds as they are, or of a dict of some of the fields.

        Raises
        ------
        ConfigError
            Another name, or a wrong value.
        """
        if isinstance(given, cls):
            return given
        chosen = mapping("thresholds", given or {}, "{'overfitting': (0.2, 0.5)}")
        known = [one.name for one in fields(cls)]
        for name in chosen:
            if name not in known:
                raise no_argument("thresholds", str(name), known)
        return cls(**chosen)


def _is_plain(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)
