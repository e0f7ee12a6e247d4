"""What tests of whole sweeps share: bars, a grid worth comparing, how to run and to compare."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    Bars,
    Sweep,
    synthetic,
)
from peak_fast.metrics.catalog import METRICS

ROOT = Path(__file__).resolve().parent.parent


ALL = METRICS


def run(sweep, **options):
    return sweep.run(**{"progress": False, **options})


def same(one, other):
    """Equal frames with NaN equal to itself: bit for bit, the signs of zeros apart."""
    assert one.equals(other, null_equal=True), (one, other)


def gappy(bars, seed):
    """The same bars with some of them missing."""
    rng = np.random.default_rng(seed)
    frame = bars.to_polars()
    gone = pl.Series(rng.random(len(bars)) < 0.08)
    return Bars.from_frame(
        frame.with_columns(
            *[
                pl.when(gone).then(None).otherwise(pl.col(c)).alias(c)
                for c in ("open", "high", "low", "close")
            ]
        ),
        name=bars.name,
    )


# What must not matter


GRID = {
    "fast": range(2, 22),
    "slow": range(10, 60, 3),
    "stop_loss": [None, 0.03],
    "allow_short": [False, True],
}


SOME = ("total_return", "sharpe", "max_drawdown", "total_trades", "ulcer_index")


@pytest.fixture(scope="module")
def bars():
    return synthetic(1500, seed=21)


@pytest.fixture(scope="module")
def reference(bars):
    """The plain way: one thread."""
    return run(Sweep("ma_crossover", GRID, bars, metrics=SOME, blocks=True), threads=1).frame
