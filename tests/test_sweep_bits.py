"""Threads, tiles, budgets, orders and subsets of a grid change no bit of a sweep's rows."""

import itertools
import math

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    RiskLimits,
    Sweep,
    synthetic,
)
from peak_fast.errors import SweepError
from peak_fast.metrics import returns as m
from peak_fast.sweep.run import batch as batch_module
from peak_fast.sweep.run import ranges as ranges_module
from tests.sweep_cases import ALL, GRID, SOME, gappy, run, same


def test_reference_is_worth_comparing(reference):
    assert len(reference) > 1000
    assert reference["total_return"].n_unique() > 900
    assert reference["total_trades"].min() > 0


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_change_no_bit(bars, reference, threads):
    same(run(Sweep("ma_crossover", GRID, bars, metrics=SOME, blocks=True), threads=threads).frame, reference)


@pytest.mark.parametrize(("tile", "chunk"), [(1500, 16_384), (1500 * 7, 100), (1500 * 1024, 333)])
@pytest.mark.parametrize("threads", [1, 2])
def test_tiles_and_chunks_change_no_bit(bars, reference, monkeypatch, tile, chunk, threads):
    monkeypatch.setattr(batch_module, "_TILE_BARS", tile)
    monkeypatch.setattr(ranges_module, "_CHUNK", chunk)
    same(run(Sweep("ma_crossover", GRID, bars, metrics=SOME, blocks=True), threads=threads).frame, reference)


@pytest.mark.parametrize("rows", [2, 3, 9])
def test_a_small_budget_for_rows_changes_no_bit(bars, reference, monkeypatch, rows):
    """Planes that hold a few rows only: configurations are halved until they fit, rows computed again."""
    monkeypatch.setattr(batch_module, "capacity_for", lambda *given: rows)
    sweep = Sweep("ma_crossover", GRID, bars, metrics=SOME, blocks=True)
    same(run(sweep, threads=2).frame, reference)


def test_the_memory_budget_changes_no_bit(bars, reference):
    sweep = Sweep("ma_crossover", GRID, bars, metrics=SOME, blocks=True)
    same(run(sweep, memory="1MB", threads=1).frame, reference)


@pytest.mark.parametrize("threads", [2, 3])
def test_rows_that_are_not_shared_change_no_bit(threads, monkeypatch):
    """Each thread has a plane of its own, of few rows."""
    data = gappy(synthetic(600, seed=8, freq="6h"), 3)
    grid = {
        "period": range(5, 30),
        "width": [0.5 + 0.1 * k for k in range(20)],
        "allow_short": [False, True],
        "daily_loss_limit": [None],
    }
    sweep = Sweep("bollinger", grid, data, metrics=SOME, blocks=True)
    expected = run(sweep, threads=1).frame
    assert expected["total_return"].n_unique() > 500
    monkeypatch.setattr(batch_module, "_SMALL_PLANE", threads * 20 * 640 * 8)
    same(run(sweep, threads=threads).frame, expected)


def test_a_row_that_does_not_fit_at_all(bars, monkeypatch):
    monkeypatch.setattr(batch_module, "capacity_for", lambda *given: 1)
    with pytest.raises(SweepError, match="one configuration needs 2 indicator rows of 1500 bars"):
        run(Sweep("ma_crossover", {"fast": [2, 3], "slow": [9]}, bars))


def test_the_order_of_the_grid_changes_no_bit(bars, reference):
    names = ["fast", "slow", "stop_loss", "allow_short"]
    shuffled = reference.sample(fraction=1.0, shuffle=True, seed=5)
    table = run(
        Sweep("ma_crossover", shuffled.select(names), bars, metrics=SOME, blocks=True), threads=2
    ).frame
    assert table["config"].to_list() != shuffled["config"].to_list()
    same(table.drop("config"), shuffled.drop("config"))


def test_a_subset_is_a_subset(bars, reference):
    few = reference.filter(pl.col("config") % 97 == 3)
    table = run(
        Sweep("ma_crossover", few.select("fast", "slow", "stop_loss", "allow_short"), bars, metrics=SOME)
    )
    same(table.frame.drop("config"), few.drop("config", "block_sum", "block_sumsq"))


def test_metrics_alone_or_together(bars, reference):
    """Without metrics that need a curve the kernel keeps none."""
    table = run(Sweep("ma_crossover", GRID, bars, metrics=["max_drawdown", "blocked_trades"])).frame
    assert table["max_drawdown"].to_list() == reference["max_drawdown"].to_list()
    assert table["blocked_trades"].sum() == 0


def test_limits_in_some_configurations_only():
    """Configurations with daily limits next to others, on bars with gaps, in one tile."""
    data = gappy(synthetic(400, seed=3, freq="6h"), 1)
    grid = {"period": [5, 20], "daily_loss_limit": [None, 0.01], "max_drawdown_limit": [None, 0.05]}
    together = run(Sweep("momentum", grid, data, metrics=ALL)).frame
    for row in together.iter_rows(named=True):
        limits = RiskLimits(daily_loss=row["daily_loss_limit"], max_drawdown=row["max_drawdown_limit"])
        stats = BacktestEngine(risk_limits=limits).run(data, "momentum", {"period": row["period"]}).stats
        for metric in ALL:
            assert row[metric] == stats[metric] or math.isnan(stats[metric]), metric
    assert together["total_return"].n_unique() > 4


def test_block_sums_are_those_of_the_returns(bars, reference):
    sweep = Sweep("ma_crossover", GRID, bars, metrics=SOME, blocks=True)
    for config in (0, 333, 1200):
        equity = sweep.rerun(sweep.grid[config]).equity
        returns = m.returns_from_equity(equity, 100_000.0)
        edges = [k * (len(bars) // 16) for k in range(17)]
        row = reference.row(config, named=True)
        sums = [returns[a:b].sum() for a, b in itertools.pairwise(edges)]
        squares = [(returns[a:b] ** 2).sum() for a, b in itertools.pairwise(edges)]
        np.testing.assert_allclose(np.array(row["block_sum"]), sums, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(np.array(row["block_sumsq"]), squares, rtol=1e-12)
