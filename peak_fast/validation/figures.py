"""Figures of windows, from the sums of the stretches that they are made of (`peak_fast.sweep.stretch_sums`).

The formulas are those of docs/metrics.md, with the equity before the window as its start.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np

from peak_fast.sweep import PLANES
from peak_kernels.arrays import FloatArray

(SUM, SQUARES, DOWNSIDE, LAST, HIGH, LOW, WORST, TRADES, WINS, WON, LOST) = range(len(PLANES))

# Below that share of the squares a spread is rounding noise.
_NOISE = 1e-15


class Windowed:
    """Many configurations in one window.

    Parameters
    ----------
    sums
        float64[configurations, PLANES, stretches].
    window
        ``(start, stop)`` in stretches.
    bars
        Bars of the window.
    year, free
        Bars a year; risk-free rate of a bar.
    initial
        Equity before the first stretch of all.
    """

    def __init__(
        self,
        sums: FloatArray,
        window: tuple[int, int],
        bars: int,
        *,
        year: float,
        free: float,
        initial: float,
    ) -> None:
        start, stop = window
        self.parts = sums[:, :, start:stop]
        self.bars, self.year, self.free = bars, year, free
        self.begin = sums[:, LAST, start - 1] if start else np.full(len(sums), initial)

    def only(self, place: int) -> Windowed:
        """One of the configurations."""
        one = copy.copy(self)
        one.parts, one.begin = self.parts[place : place + 1], self.begin[place : place + 1]
        return one

    def total(self, plane: int) -> FloatArray:
        """Sum of a plane over the window: float64[configurations]."""
        total: FloatArray = self.parts[:, plane].sum(axis=1)
        return total

    def growth(self) -> FloatArray:
        """Equity at the end over that at the start; NaN where there was nothing left at the start."""
        return np.where(self.begin > 0.0, self.parts[:, LAST, -1] / self.begin, np.nan)

    def deviation(self) -> FloatArray:
        """Standard deviation of the returns of a bar, ddof 1; 0 where they are equal, NaN of one bar."""
        total, squares = self.total(SUM), self.total(SQUARES)
        spread = squares - total * total / self.bars
        if self.bars < 2:
            return np.full(len(total), np.nan)
        flat = spread <= _NOISE * squares
        return np.sqrt(np.where(flat, 0.0, spread) / (self.bars - 1))

    def drawdown(self) -> FloatArray:
        """Deepest fall below the highest equity of the window, its start among them: 0 or negative."""
        peak, worst = self.begin.copy(), np.ones(len(self.begin))
        for part in np.moveaxis(self.parts, 2, 0):
            worst = np.minimum(worst, np.minimum(part[:, WORST], part[:, LOW] / peak))
            peak = np.maximum(peak, part[:, HIGH])
        return worst - 1.0

    def mean(self) -> FloatArray:
        """Mean return of a bar."""
        return self.total(SUM) / self.bars


def _cagr(of: Windowed) -> FloatArray:
    growth = of.growth()
    with np.errstate(invalid="ignore"):
        return np.where(
            growth > 0.0, growth ** (of.year / of.bars) - 1.0, np.where(growth <= 0.0, -1.0, np.nan)
        )


def _sharpe(of: Windowed) -> FloatArray:
    deviation = of.deviation()
    flat = np.where(deviation > 0.0, deviation, np.nan)
    return (of.mean() - of.free) / flat * math.sqrt(of.year)


def _sortino(of: Windowed) -> FloatArray:
    downside: FloatArray = np.sqrt(of.total(DOWNSIDE) / of.bars)
    return _ratio((of.mean() - of.free) * np.sqrt(of.year), downside)


def _to_drawdown(value: FloatArray, of: Windowed) -> FloatArray:
    depth = -of.drawdown()
    return value / np.where(depth > 0.0, depth, np.nan)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotients, NaN for 0/0 and infinite for x/0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return numerator / denominator


SUMMED: dict[str, Callable[[Windowed], FloatArray]] = {
    "total_return": lambda of: of.growth() - 1.0,
    "cagr": _cagr,
    "volatility": lambda of: of.deviation() * np.sqrt(of.year),
    "sharpe": _sharpe,
    "sortino": _sortino,
    "max_drawdown": lambda of: of.drawdown(),
    "calmar": lambda of: _to_drawdown(_cagr(of), of),
    "recovery_factor": lambda of: _to_drawdown(of.growth() - 1.0, of),
    "closed_trades": lambda of: of.total(TRADES),
    "win_rate": lambda of: _ratio(of.total(WINS), of.total(TRADES)),
    "profit_factor": lambda of: _ratio(of.total(WON), of.total(LOST)),
    "expectancy": lambda of: _ratio(of.total(WON) - of.total(LOST), of.total(TRADES)),
}
"""Metrics of windows that the sums give; trades count where they close."""


class Joined(Windowed):
    """Configurations in stretches that need not follow one another: their returns, put one after the other.

    Parameters
    ----------
    parts
        float64[configurations, PLANES, stretches].
    begins
        Equity before each stretch: float64[configurations, stretches].
    """

    def __init__(self, parts: FloatArray, begins: FloatArray, bars: int, *, year: float, free: float) -> None:
        self.parts, self.begins, self.begin = parts, begins, begins[:, 0]
        self.bars, self.year, self.free = bars, year, free

    def only(self, place: int) -> Joined:
        """One of the configurations."""
        one = copy.copy(self)
        part = slice(place, place + 1)
        one.parts, one.begins, one.begin = self.parts[part], self.begins[part], self.begin[part]
        return one

    def growth(self) -> FloatArray:
        """Product of what the stretches made of the equity at their start."""
        with np.errstate(divide="ignore", invalid="ignore"):
            made = np.where(self.begins > 0.0, self.parts[:, LAST] / self.begins, np.nan)
        grown: FloatArray = np.prod(made, axis=1)
        return grown

    def drawdown(self) -> FloatArray:
        """Deepest fall of the joined curve below its highest equity so far, its start among them."""
        level, peak, worst = (np.ones(len(self.begins)) for _ in range(3))
        for number in range(self.parts.shape[2]):
            part, begin = self.parts[:, :, number], self.begins[:, number]
            worst = np.minimum(worst, np.minimum(part[:, WORST], level * part[:, LOW] / begin / peak))
            peak = np.maximum(peak, level * part[:, HIGH] / begin)
            level = level * part[:, LAST] / begin
        return worst - 1.0
