"""Results of a sweep without a strategy: in memory, as a frame, stored, resumed."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from peak_fast.sweep.result import SweepResult
from peak_fast.sweep.store.store import SweepStore
from tests.sweep_fakes import METRICS, compute, fill, make_grid, make_key


@dataclass
class FakeRun:
    """What ``rerun`` gives: remembers its parameters and has a curve that depends on them."""

    params: dict

    @property
    def equity_curve(self):
        equity = 100.0 + np.arange(5) * self.params["fast"]
        return pl.DataFrame({"timestamp": np.arange(5), "equity": equity, "cash": equity})


def in_memory(grid=None, **columns):
    grid = make_grid() if grid is None else grid
    table = columns or compute(grid, 0, len(grid))
    metrics = [name for name in table if not name.startswith("block")]
    return SweepResult(table, grid, metrics, FakeRun, {"costs": {"rate": 0.001}})


@pytest.fixture(params=["memory", "frame", "stored", "resumed"])
def result(request, tmp_path):
    grid = make_grid()
    if request.param == "memory":
        return in_memory(grid)
    if request.param == "frame":
        return SweepResult(in_memory(grid).frame, grid, METRICS, FakeRun)
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=77) as store:
        fill(store, grid, [5, 2])
    if request.param == "resumed":
        store = SweepStore.open(tmp_path / "s", make_key(), grid)
    else:
        store = SweepStore.open(tmp_path / "s", make_key(), grid, resume="restart", tile_size=500)
    with store:
        fill(store, grid)
    return SweepResult(store, grid, METRICS, FakeRun)
