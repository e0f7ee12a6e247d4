"""Data on which strategies are asked whether they look ahead, and lists of those that do and those that do not.

`LEAKS` maps names to ``(strategy, data, columns)``, where ``columns`` are the inputs whose later values matter;
`CLEAN` maps names to ``(strategy, data)``.  Data are keys of `DATA`.  Strategies are in `tests.lookahead_leaks` and
`tests.lookahead_clean`.
"""

import functools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast import Bars, synthetic
from peak_fast.data import Panel

pd = pytest.importorskip("pandas")
ROOT = Path(__file__).resolve().parent.parent
BARS = 900


@functools.cache
def polars_frame():
    """Hourly bars with two own columns: a score of every bar, and an estimate that is published now and then."""
    bars = synthetic(BARS, seed=3)
    times = pd.date_range("2024-01-01", periods=BARS, freq="h")
    rng = np.random.default_rng(5)
    score = pl.Series(np.cumsum(rng.normal(size=BARS)))
    known = np.arange(BARS) % 29 == 7
    estimate = [value if there else None for value, there in zip(bars.close * 1.01, known, strict=True)]
    return pl.DataFrame(
        {
            "timestamp": times, "open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close,
            "volume": bars.volume, "score": score, "estimate": estimate,
        }
    )  # fmt: skip


@functools.cache
def flat_frame():
    """Prices that stand still for long, so that averages are the price up to rounding."""
    close = np.repeat(100.0 + np.random.default_rng(1).normal(size=30).cumsum(), 50) * 1e4 / 3
    times = pd.date_range("2024-01-01", periods=close.size, freq="h")
    return pl.DataFrame({"timestamp": times, "open": close, "high": close, "low": close, "close": close})


@functools.cache
def panel():
    """Four assets, daily."""
    frames = {f"A{k}": synthetic(400, seed=k).to_polars() for k in range(4)}
    return Panel.from_frame(frames)


DATA = {
    "polars": polars_frame,
    "pandas": lambda: polars_frame().to_pandas(),
    "indexed": lambda: polars_frame().to_pandas().set_index("timestamp"),
    "lazy": lambda: polars_frame().lazy(),
    "arrow": lambda: polars_frame().to_arrow(),
    "dict": lambda: {name: polars_frame()[name].to_numpy() for name in ("timestamp", "open", "high", "low", "close")},
    "bars": lambda: Bars.from_frame(polars_frame()),
    "flat": flat_frame,
    "panel": panel,
}  # fmt: skip
LEAKS = {}
CLEAN = {}


def name_of(item):
    """Name of a strategy of any kind."""
    if isinstance(item, pl.Expr):
        return str(item)
    return getattr(item, "__name__", None) or item.name


def leak(data, *columns):
    """Put a strategy on the list of those that look ahead."""
    return lambda function: LEAKS.setdefault(name_of(function), (function, data, columns))[0]


def clean(data):
    """Put a strategy on the list of those that do not."""
    return lambda function: CLEAN.setdefault(name_of(function), (function, data))[0]


def sides(condition):
    """1 where a condition holds, else 0."""
    return np.asarray(condition).astype(int)


def features(close):
    """Lagged returns, float64[n, 3]."""
    change = np.diff(np.log(close), prepend=np.log(close[0]))
    return np.column_stack([np.concatenate([np.zeros(k), change[: change.size - k]]) for k in (1, 2, 3)])


def fitted(x, y):
    """Least squares."""
    return np.linalg.lstsq(x.T @ x + 1e-3 * np.eye(x.shape[1]), x.T @ y, rcond=None)[0]
