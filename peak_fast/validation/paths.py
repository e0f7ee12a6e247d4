"""Monte Carlo of one result: what its account might have done with the same returns, or trades, in other orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, whole, wrong
from peak_fast.columns import as_float_array
from peak_fast.errors import did_you_mean
from peak_fast.guard import guarded, guarded_class
from peak_fast.sweep import Team, cut, default_threads
from peak_fast.validation.jobs import checked_threads
from peak_fast.validation.steps import account_returns, trade_returns
from peak_fast.validation.worlds import checked_seed
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.entries import walk_paths

if TYPE_CHECKING:
    import polars as pl

KINDS = ("returns", "trades")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_PATHS = 10_000_000
_MOST_STEPS = 100_000_000
_POINTS = 200
_TILE = 256


@guarded_class()
@dataclass(frozen=True)
class MonteCarloResult:
    """Paths that an account might have taken.

    Attributes
    ----------
    paths, of, block, steps, ruin, seed
        What was asked for: number of paths, "returns" or "trades", mean length of blocks, steps of a path.
    total_return, max_drawdown
        float64[paths]: fractions; drawdowns are at most 0.
    lowest
        float64[paths]: smallest equity on the way, over the first.
    under_water
        float64[paths]: longest time below an earlier high, in steps.
    probability_of_loss
        Share of paths that end below their start.
    risk_of_ruin
        Share of paths whose equity falls to ``1 - ruin`` of the start, or below, at some step.
    real_return, real_drawdown
        The same of the result itself.
    notes
        What was passed over.
    """

    paths: int
    of: str
    block: float
    steps: int
    ruin: float
    seed: int
    total_return: FloatArray
    max_drawdown: FloatArray
    lowest: FloatArray
    under_water: FloatArray
    probability_of_loss: float
    risk_of_ruin: float
    real_return: float
    real_drawdown: float
    notes: tuple[str, ...] = ()
    _points: IntArray = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    _curves: FloatArray = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    _initial: float = 1.0

    def error_of(self, share: float) -> float:
        """Standard error of a share of the paths."""
        return float(np.sqrt(share * (1.0 - share) / self.paths))

    def drawdown_quantile(self, probability: float) -> float:
        """Drawdown that a share of the paths does not exceed in depth: 0.95 gives one that 5 % go beyond."""
        if not is_number(probability) or not 0.0 <= probability <= 1.0:
            raise wrong("probability", "a fraction", probability, "0.95 is exceeded by one path in twenty")
        return -float(np.quantile(-self.max_drawdown, probability))

    @property
    def frame(self) -> pl.DataFrame:
        """One row a path: path, total_return, max_drawdown, lowest, under_water."""
        import polars as pl

        names = ("total_return", "max_drawdown", "lowest", "under_water")
        return pl.DataFrame({"path": np.arange(self.paths), **{name: getattr(self, name) for name in names}})

    def bands(self, quantiles: Sequence[float] = QUANTILES) -> pl.DataFrame:
        """Quantiles of the equity, in money, after some of the steps: columns step, q05, q25, ..."""
        import polars as pl

        places = as_float_array(quantiles, "quantiles")
        if not ((places >= 0.0) & (places <= 1.0)).all():
            raise wrong("quantiles", "fractions", list(quantiles), "write [0.05, 0.5, 0.95]")
        table = np.quantile(self._curves, places, axis=0) * self._initial
        names = [f"q{100.0 * place:02g}" for place in places.tolist()]
        start = {"step": np.append(0, self._points)}
        return pl.DataFrame(
            start | {name: np.append(self._initial, row) for name, row in zip(names, table, strict=True)}
        )

    def summary(self) -> str:
        """The paths in a few lines of text."""
        from peak_fast.validation.texts import monte_carlo_text

        return monte_carlo_text(self)

    def plot(self, *, path: str | Path | None = None) -> Any:
        """Bands of the equity over the steps, and the drawdowns, a Matplotlib figure (``path``: as a file, too)."""
        from peak_fast.report import drawn
        from peak_fast.validation.drawings import bands_figure

        return drawn(bands_figure(self), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the paths."""
        names = (
            "paths", "of", "block", "steps", "ruin", "seed", "probability_of_loss", "risk_of_ruin", "real_return",
            "real_drawdown",
        )  # fmt: skip
        found = {name: getattr(self, name) for name in names}
        depths = {f"drawdown_{100 * q:g}": self.drawdown_quantile(q) for q in (0.5, 0.95, 0.99)}
        return found | depths | {"notes": list(self.notes)}


@guarded
def monte_carlo(
    result: Any,
    *,
    paths: int = 1000,
    of: str = "returns",
    block: float | None = None,
    steps: int | None = None,
    ruin: float = 0.5,
    seed: int = 0,
    threads: int | None = None,
) -> MonteCarloResult:
    """Draw the returns, or the trades, of a result again with replacement, and look at the paths.

    Parameters
    ----------
    result
        Result of a run; or returns of bars, float64[n] (``of="returns"`` alone).
    paths, seed, threads
        How many; a path is a function of the seed and its number.
    of
        ``"returns"``: of the account, bar by bar, in blocks of random lengths; ``"trades"``: net results over the
        equity before each trade, one after the other.
    block
        Mean length of blocks; None: of returns after Politis and White, 1 for trades.
    steps
        Bars, or trades, of a path; None: as many as the result has.
    ruin
        Share of the first equity whose loss is ruin.

    Raises
    ------
    ConfigError, DataError
        Input that cannot be used; a result without trades.
    """
    if of not in KINDS:
        raise wrong("of", "'returns' or 'trades'", of, did_you_mean(str(of), KINDS))
    if not is_number(ruin) or not 0.0 < ruin <= 1.0:
        raise wrong("ruin", "a fraction above 0", ruin, "0.5 is the loss of half of the first equity")
    paths = whole("paths", paths, 1, MOST_PATHS, "1000 give quantiles to about a percent")
    seed, threads = checked_seed(seed), checked_threads(threads)
    given = account_returns(result) if of == "returns" else trade_returns(result)
    length = _length(block, of, given.values)
    count = (
        given.values.size
        if steps is None
        else whole("steps", steps, 1, _MOST_STEPS, "None: as many as it has")
    )
    points = np.unique(np.linspace(1, count, min(count, _POINTS)).round().astype(np.int64))
    figures, curves = _walked(given.values, length, seed, points, paths, threads)
    final, lowest, deepest, longest = figures.T.copy()
    real = np.append(1.0, np.cumprod(np.maximum(1.0 + given.values, 0.0)))
    return MonteCarloResult(
        paths, of, length, count, float(ruin), seed, final - 1.0, deepest, lowest, longest,
        float((final < 1.0).mean()), float((lowest <= 1.0 - ruin).mean()), float(real[-1] - 1.0),
        float((real / np.maximum.accumulate(real)).min() - 1.0), given.notes, points, curves, given.initial,
    )  # fmt: skip


def _length(block: Any, of: str, values: FloatArray) -> float:
    """Mean length of blocks.

    Raises
    ------
    ConfigError
        Not a number from 1 to the number of values.
    """
    if block is None:
        from peak_fast.statistics import optimal_block_length

        return max(float(optimal_block_length(values)), 1.0) if of == "returns" and values.size > 9 else 1.0
    if not is_number(block) or not 1.0 <= block <= values.size:
        raise wrong("block", f"a number from 1 to {values.size:,}", block, "1 draws each step by itself")
    return float(block)


def _walked(
    values: FloatArray, length: float, seed: int, points: IntArray, paths: int, threads: int | None
) -> tuple[FloatArray, FloatArray]:
    """Figures and curves of all paths, on threads."""
    figures, curves, mean = np.empty((paths, 4)), np.empty((paths, points.size)), np.array([length])

    def work(bounds: tuple[int, int]) -> None:
        mine = slice(*bounds)
        walk_paths(values, mean, seed, bounds[0], points, figures[mine], curves[mine])

    count = threads or default_threads()
    with Team(count) as team:
        team.share(work, cut(paths, _TILE, 16, count))
    return figures, curves
