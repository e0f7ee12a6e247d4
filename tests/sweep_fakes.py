"""A sweep without a strategy: deterministic numbers that tests can recompute. Light, for child processes."""

import numpy as np

from peak_fast.sweep.grid.grid import Grid
from peak_fast.sweep.store.key import StoreKey

METRICS = ["sharpe", "trades"]
GRID = {"fast": range(1, 21), "slow": range(5, 65, 2), "stop": [None, 0.05], "kind": ["ema", "sma"]}


class Clock:
    """A clock that tests move by hand; other programs have had ``others`` of its seconds."""

    def __init__(self):
        self.now, self.others = 1_000.0, 0.0

    def perf_counter(self):
        return self.now

    def process_time(self):
        return self.now - self.others


def make_grid():
    """1,620 configurations less those a constraint removes; one optional and one text parameter."""
    return Grid.full(GRID, "fast < slow")


def make_key(**changed):
    """Key of a store, with some parts changed."""
    parts = {
        "data": "0123456789abcdef",
        "strategy": {"name": "sma_cross", "source": "77aa"},
        "settings": {"costs": {"rate": 0.001, "fixed": 0.0}, "initial_cash": 100_000.0},
        "grid": make_grid().hash,
        "metrics": METRICS,
        "code_version": "0.1.0+1f2e",
    }
    return StoreKey(**{**parts, **changed})


def compute(grid, start, stop):
    """Deterministic numbers that depend on the parameters of each configuration alone."""
    columns = grid.columns(start, stop)
    stop_loss = np.nan_to_num(columns["stop"], nan=0.5)
    sharpe = np.sin(columns["fast"] * 1.7) * np.cos(columns["slow"] / 3.1) + stop_loss
    sharpe += 0.01 * (columns["kind"] == "ema")
    blocks = sharpe[:, None] * np.linspace(-1, 1, 16)
    trades = (columns["fast"] * 7919 + columns["slow"]) % 101
    return {"sharpe": sharpe, "trades": trades, "block_sum": blocks, "block_sumsq": blocks**2}


def fill(store, grid, tiles=None):
    """Compute and write tiles: those that are missing, or the given ones."""
    for tile in store.missing() if tiles is None else tiles:
        store.write(tile, compute(grid, *store.bounds(tile)))
