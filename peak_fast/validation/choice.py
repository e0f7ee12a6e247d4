"""The figure by which a strategy, or the best of a grid, is judged in each world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import whole
from peak_fast.metrics import higher_is_better
from peak_fast.sweep import check_metrics
from peak_kernels.arrays import FloatArray

_MOST_TRADES = 10**9


@dataclass(frozen=True, slots=True)
class Choice:
    """An objective, and how many closed trades a configuration needs to count.

    Attributes
    ----------
    objective
        Name of a metric.
    min_trades
        Configurations with fewer trades count as if the metric were NaN.
    """

    objective: str
    min_trades: int = 0

    @classmethod
    def of(cls, objective: Any, min_trades: Any) -> Choice:
        """Checked.

        Raises
        ------
        ConfigError
            An unknown metric, or no number of trades.
        """
        (name,) = check_metrics([objective])
        return cls(name, whole("min_trades", min_trades, 0, _MOST_TRADES, "0 takes all"))

    @property
    def metrics(self) -> tuple[str, ...]:
        """What has to be computed."""
        trades = ("total_trades",) if self.min_trades and self.objective != "total_trades" else ()
        return (self.objective, *trades)

    @property
    def sign(self) -> float:
        """1.0 where more is better."""
        return 1.0 if higher_is_better(self.objective) else -1.0

    def best(self, values: FloatArray) -> tuple[float, int]:
        """Figure and place of the best configuration; ``(NaN, -1)`` where none counts.

        Parameters
        ----------
        values
            float64[configurations, metrics], in the order of `metrics`.
        """
        column = values[:, 0] * self.sign
        if self.min_trades:
            column = np.where(values[:, -1] >= self.min_trades, column, math.nan)
        if len(column) == 1:
            return (float(values[0, 0]), 0) if column[0] == column[0] else (math.nan, -1)
        ranked = np.where(column != column, -math.inf, column)
        place = int(ranked.argmax())
        return (float(values[place, 0]), place) if column[place] == column[place] else (math.nan, -1)

    def at_least(self, world: FloatArray, real: float) -> Any:
        """Which worlds are as good as the real figure or better; NaN is worse than any number and as good as NaN."""
        mine = np.where(np.isnan(world), -math.inf, world * self.sign)
        return mine >= (-math.inf if math.isnan(real) else real * self.sign)
