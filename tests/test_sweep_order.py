"""Rows that the processor's cache cannot hold: configurations run in another order, the table stays as it is."""

import numpy as np
import pytest

from peak_fast import Stops, Sweep, synthetic
from peak_fast.strategies.registry import resolve
from peak_fast.sweep.run import rows as plans
from peak_fast.sweep.run.rows import RulePlan
from tests.sweep_cases import run, same

BARS = synthetic(400, seed=3)
SWEEPS = {
    "windows": ("ma_crossover", {"fast": range(3, 40), "slow": range(41, 60)}),
    "the other side": ("ma_crossover", {"slow": range(41, 90), "fast": range(3, 9)}),
    "short and long": ("ma_crossover", {"fast": range(3, 20), "slow": range(21, 30), "allow_short": [False, True]}),
    "settings": ("ema_crossover", {"fast": range(3, 7), "stop_loss": [None, 0.02], "slow": range(9, 20)}),
    "three rows": ("bollinger", {"period": range(5, 30), "width": [1.0, 1.5, 2.0]}),
    "one row": ("rsi_reversion", {"period": range(5, 30), "oversold": [30], "exit_level": [50]}),
}  # fmt: skip


def plan_of(name, grid):
    sweep = Sweep(name, grid, BARS)
    item = resolve(name)
    columns = sweep.grid.columns(0, len(sweep.grid))
    missing = {p.name: np.full(len(sweep.grid), p.default) for p in item.schema if p.name not in columns}
    return RulePlan(item, columns | missing, len(sweep.grid)), columns


@pytest.mark.parametrize(("name", "grid"), SWEEPS.values(), ids=SWEEPS)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_table_is_the_same(name, grid, threads, monkeypatch):
    def table():
        sweep = Sweep(name, grid, BARS, stops=Stops(take_profit=0.08), blocks=4)
        return run(sweep, threads=threads).frame

    expected = table()
    asked = []
    order = RulePlan.order
    monkeypatch.setattr(plans, "_LARGE_PLANE", 1)
    monkeypatch.setattr(RulePlan, "order", lambda *args: asked.append(order(*args)) or asked[-1])
    same(table(), expected)
    assert all(sorted(found) == list(range(len(found))) for found in asked) and asked


def test_rows_that_few_share_are_read_one_after_the_other():
    plan, columns = plan_of(*SWEEPS["windows"])
    order = plan.order(plans._LARGE_PLANE)
    assert columns["fast"][order].tolist() == sorted(columns["fast"].tolist())
    assert columns["slow"][order][:19].tolist() == list(range(41, 60))
    plan, columns = plan_of(*SWEEPS["the other side"])
    order = plan.order(plans._LARGE_PLANE)
    assert columns["slow"][order].tolist() == sorted(columns["slow"].tolist())
    assert columns["fast"][order][:6].tolist() == list(range(3, 9))


def test_small_planes_keep_the_order_of_the_grid():
    plan, _ = plan_of(*SWEEPS["windows"])
    assert plan.order(plans._LARGE_PLANE // 1000) is None
