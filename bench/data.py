"""Seeded synthetic bars that every bench and every peer runs on.

The walk carries cycles of about 240 bars, tuned so that the benched strategy (SMA 20/50, long only, 10 bps
fees, 5 bps slippage) roughly earns its costs: on a plain random walk the equity would fall to nothing in a
million bars, and engines that trade whole units would stop trading.  Prices are rounded to six decimals,
fine enough that two moving averages never tie and coarse enough for engines with fixed-point prices.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

START_US = 946_857_600_000_000  # 2000-01-03 00:00 UTC
MINUTE_US = 60_000_000
CYCLE_BARS = 240.0
CYCLE_AMPLITUDE = 0.0070
NOISE = 0.0010
DECIMALS = 6


@dataclass(frozen=True)
class BenchBars:
    """Columns of the synthetic bars, each ``float64[n]`` (``time_us``: ``int64[n]``, UTC microseconds)."""

    time_us: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def __len__(self) -> int:
        return len(self.close)

    def frame(self):
        """Return the bars as a Polars frame with the columns every engine of the bench reads."""
        import polars as pl

        columns = {name: getattr(self, name) for name in ("open", "high", "low", "close", "volume")}
        stamp = pl.Series("timestamp", self.time_us).cast(pl.Datetime("us"))
        return pl.DataFrame({"timestamp": stamp, **columns})


def make_bars(n: int, seed: int = 7) -> BenchBars:
    """Make ``n`` minute bars; the same ``n`` and seed give the same bits.

    Parameters
    ----------
    n
        Number of bars, at least 2.
    seed
        Seed of NumPy's PCG64.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    t = np.arange(n + 1, dtype=np.float64)
    rate = np.exp(0.3 * np.sin(2 * np.pi * t / 1_713.0) + 0.2 * np.sin(2 * np.pi * t / 7_919.0)) / CYCLE_BARS
    cycle = CYCLE_AMPLITUDE * np.sin(2 * np.pi * np.cumsum(rate))
    log_price = np.cumsum(rng.normal(0.0, NOISE, n + 1)) + cycle
    log_price -= np.linspace(log_price[0], log_price[-1], n + 1)  # no drift, so no size is favoured
    path = 100.0 * np.exp(log_price)
    close = path[1:]
    open_ = path[:-1] * np.exp(rng.normal(0.0, NOISE / 10, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, NOISE / 2, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, NOISE / 2, n)))
    rounded = [np.round(column, DECIMALS) for column in (open_, high, low, close)]
    volume = rng.integers(1_000, 100_000, n).astype(np.float64)
    time_us = START_US + MINUTE_US * np.arange(n, dtype=np.int64)
    return BenchBars(time_us, *rounded, volume)


def parquet(n: int, folder: Path | None = None) -> Path:
    """Path of a Parquet file with ``make_bars(n)``, written on first use."""
    folder = folder or Path(tempfile.gettempdir()) / "peak_fast_bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"bars_{n}_{CYCLE_AMPLITUDE}_{NOISE}.parquet"
    if not path.exists():
        part = path.with_suffix(".part")
        make_bars(n).frame().write_parquet(part, compression="zstd")
        part.replace(path)
    return path
