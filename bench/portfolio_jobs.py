"""Seeded prices and targets of the portfolio jobs that every engine of `bench_portfolio` runs.

* P1: 500 assets x 2,520 days; at each month's last day the 50 assets with the highest close[t-21] / close[t-147] - 1,
  2 % each (109 rebalances).
* P2: the same prices, pairs of lookback and number of names; scores and orderings are part of the work.
* P3: 20 assets x 1,000,000 minutes, equal weights every 1,440 bars (695 rebalances).

Needs NumPy alone, because the peers' environments read it too.  Tables are float64[bar, asset].
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CASH, FEE = 1_000_000.0, 0.001
SKIP, LOOKBACK, TOP = 21, 126, 50
NAMES = ("p1", "p3")


@dataclass(frozen=True)
class Prices:
    """Prices of a job: times ``datetime64[us]``, tables of opens, highs, lows and closes."""

    times: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray

    @property
    def symbols(self) -> list[str]:
        return [f"A{number:03d}" for number in range(self.close.shape[1])]


def walk(bars: int, assets: int, volatility: float, drift: float, seed: int, noise: float) -> tuple:
    """Open, high, low and close of geometric random walks; the same arguments give the same bits."""
    rng = np.random.default_rng(seed)
    each = rng.uniform(0.6, 1.4, assets) * volatility
    mean = rng.normal(drift, drift, assets)
    steps = rng.standard_normal((bars, assets)) * each + (mean - each * each / 2)
    close = 100 * np.exp(np.cumsum(steps, axis=0))
    before = np.vstack([np.full((1, assets), 100.0), close[:-1]])
    open_ = before * np.exp(rng.standard_normal((bars, assets)) * each * noise)
    wide = np.exp(np.abs(rng.standard_normal((bars, assets))) * each * noise)
    return open_, np.maximum(open_, close) * wide, np.minimum(open_, close) / wide, close


def make(name: str, small: bool = False) -> Prices:
    """Prices of ``p1`` (also those of P2) or ``p3``; ``small`` takes a tenth of the bars."""
    if name == "p1":
        days = np.busday_offset("2015-01-01", np.arange(2520), roll="forward").astype("M8[us]")
        made = Prices(days, *walk(2520, 500, 0.02, 0.0004, 7, 0.4))
    else:
        minutes = np.datetime64("2022-01-03T00:00", "us") + np.arange(1_000_000) * np.timedelta64(60, "s")
        made = Prices(minutes, *walk(1_000_000, 20, 0.0006, 1e-6, 11, 0.2))
    if not small:
        return made
    kept = len(made.times) // 10 if name == "p3" else 840
    return Prices(*(getattr(made, field)[:kept] for field in ("times", "open", "high", "low", "close")))


def month_ends(times: np.ndarray) -> np.ndarray:
    """Last bar of each month, never the last bar of all."""
    month = times.astype("M8[M]")
    return np.flatnonzero(month[1:] != month[:-1])


def ranked(prices: Prices, lookback: int = LOOKBACK, top: int = TOP) -> tuple[np.ndarray, np.ndarray]:
    """Deciding bars and weights of P1 and P2."""
    bars = month_ends(prices.times)
    bars = bars[bars >= lookback + SKIP]
    score = prices.close[bars - SKIP] / prices.close[bars - SKIP - lookback] - 1
    chosen = np.argpartition(-score, top - 1, axis=1)[:, :top]
    weights = np.zeros_like(score)
    np.put_along_axis(weights, chosen, 1.0 / top, axis=1)
    return bars, weights


def equal(prices: Prices) -> tuple[np.ndarray, np.ndarray]:
    """Deciding bars and weights of P3."""
    bars, assets = prices.close.shape
    rows = np.arange(0, bars - 1, 1440)
    return rows, np.full((len(rows), assets), 1.0 / assets)


def targets(name: str, prices: Prices) -> tuple[np.ndarray, np.ndarray]:
    """Deciding bars and weights of ``p1`` or ``p3``."""
    return ranked(prices) if name == "p1" else equal(prices)


def pairs(count: int) -> list[tuple[int, int]]:
    """P2's pairs of lookback 21..252 and names 10..100; ``count`` is a multiple of ten."""
    lookbacks = np.linspace(21, 252, count // 10).round().astype(int)
    return [(int(lookback), top) for lookback in lookbacks for top in range(10, 101, 10)]


def saved(name: str, small: bool = False) -> Path:
    """File with a job's prices, written on first use."""
    folder = Path(tempfile.gettempdir()) / "peak_fast_bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"portfolio_{name}{'_small' if small else ''}.npz"
    if not path.exists():
        made, part = make(name, small), path.with_suffix(".part.npz")
        np.savez(part, times=made.times, open=made.open, high=made.high, low=made.low, close=made.close)
        part.replace(path)
    return path


def read(path: str) -> Prices:
    """Prices of such a file."""
    with np.load(path) as found:
        return Prices(found["times"], found["open"], found["high"], found["low"], found["close"])
