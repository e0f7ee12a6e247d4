"""Sums of returns by block of time: those of the single run's equity, at every door; metrics keep their bits."""

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Bars,
    ConfigError,
    Costs,
    Rank,
    RiskLimits,
    Stops,
    Sweep,
    SweepResult,
    strategy,
    synthetic,
)
from peak_fast.metrics import METRICS
from peak_fast.portfolio import Momentum
from peak_fast.settings import OrderBook
from tests.sweep_cases import run

GRID = {"fast": [5, 20], "slow": [30, 120]}


def sums_of(equity, initial, blocks):
    """Sums and sums of squares of the returns, by the words of docs/sweeps.md."""
    earlier = np.concatenate(([initial], equity[:-1]))
    returns = np.where(earlier > 0.0, equity / np.where(earlier > 0.0, earlier, 1.0) - 1.0, 0.0)
    length = len(equity) // blocks
    parts = returns[: length * blocks].reshape(blocks, length)
    return parts.sum(axis=1), (parts**2).sum(axis=1), np.abs(parts).sum(axis=1)


def check(sweep, blocks=16, initial=100_000.0):
    """Every row against its single run, and the metrics against a sweep without blocks."""
    table = run(sweep, threads=2).frame
    assert table["block_sum"].dtype == table["block_sumsq"].dtype == pl.Array(pl.Float64, blocks)
    for number, row in enumerate(table.iter_rows(named=True)):
        result = sweep.rerun(sweep.grid[number])
        sums, squares, size = sums_of(result.equity, initial, blocks)
        assert (np.abs(np.array(row["block_sum"]) - sums) <= 1e-12 * size).all()
        np.testing.assert_allclose(row["block_sumsq"], squares, rtol=1e-12)
    return table.drop("block_sum", "block_sumsq")


def both(strategy, grid, data, blocks=16, **settings):
    with_blocks = check(Sweep(strategy, grid, data, blocks=blocks, metrics=METRICS, **settings), blocks)
    without = run(Sweep(strategy, grid, data, metrics=METRICS, **settings)).frame
    assert with_blocks.equals(without, null_equal=True)


@pytest.mark.parametrize("bars", [16, 37, 127, 129, 1000, 5003])
@pytest.mark.parametrize("blocks", [2, 6, 16])
def test_blocks_of_any_length(bars, blocks):
    both(
        "ma_crossover",
        {"fast": [2, 3], "slow": [5, 9], "allow_short": [True, False]},
        synthetic(bars, seed=5),
        blocks,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"costs": Costs.from_bps(10, 5)},
        {"stops": Stops(trailing=0.03, take_profit=0.05)},
        {"risk_limits": RiskLimits(max_drawdown=0.1, daily_loss=0.02)},
        {"risk_free": 0.02},
    ],
    ids=lambda item: next(iter(item)),
)
def test_settings(settings):
    both("ma_crossover", GRID, synthetic(3_001, seed=6), **settings)


def test_a_position_that_is_held_all_the_time_through_calm_and_storm():
    """One stretch over all blocks, whose returns differ by a factor of 1e7, and a block in which nothing moves."""
    rng = np.random.default_rng(1)
    size = np.repeat([1e-2, 1e-9, 1e-2, 0.0, 1e-5], 400)
    close = 100.0 * np.cumprod(1.0 + size * rng.normal(size=2000))
    start = np.datetime64("2020-01-01")
    bars = Bars.from_frame(
        {"timestamp": start + np.arange(2000), "open": close, "high": close, "low": close, "close": close}
    )

    @strategy(name="hold_all")
    def hold(data, params):
        return np.ones(2000)

    for blocks in (4, 10, 20):
        check(Sweep(hold, {"x": [1]}, bars, blocks=blocks), blocks)
    row = run(Sweep(hold, {"x": [1]}, bars, blocks=20)).frame
    assert row["block_sumsq"][0][13:15].to_list() == [0.0, 0.0]


@pytest.mark.parametrize("threads", [1, 3])
def test_many_rows_in_tiles(threads):
    bars, grid = synthetic(700, seed=2), {"fast": list(range(2, 40)), "slow": list(range(50, 90))}
    table = run(Sweep("ema_crossover", grid, bars, blocks=16), threads=threads).frame
    for config in (0, 700, 1519):
        row = table.row(config, named=True)
        result = BacktestEngine().run(bars, "ema_crossover", {"fast": row["fast"], "slow": row["slow"]})
        np.testing.assert_allclose(row["block_sumsq"], sums_of(result.equity, 100_000.0, 16)[1], rtol=1e-12)


@strategy
def above_average(i, bars, params, memory, account):
    window = int(params[0])
    if i < window:
        return 0.0
    total = 0.0
    for k in range(i - window, i):
        total += bars[3, k]
    return 1.0 if bars[3, i] * window > total else 0.0


def test_compiled_blocks_and_functions():
    both(above_average, {"window": [10, 50]}, synthetic(1_003, seed=3), 6)

    @strategy(name="by_function")
    def rule(data, params):
        return (data["close"] > data["open"]).cast(int) * params["x"]

    both(rule, {"x": [1, 0]}, synthetic(503, seed=3), 4)


def test_through_the_order_book():
    both("momentum", {"period": [5, 30]}, synthetic(403, seed=4), 16, order_book=OrderBook())


def test_portfolios():
    panel = synthetic(303, assets=6, seed=3, missing=0.02)
    both(Rank(Momentum(20), top="top", rebalance="month_end"), {"top": [1, 2]}, panel, 8)


def test_several_data_sets_and_a_store(tmp_path):
    data = {"one": synthetic(400, seed=1), "two": synthetic(650, seed=2)}
    sweep = Sweep("ma_crossover", GRID, data, blocks=4)
    check(sweep, 4)
    stored = run(sweep, store=tmp_path / "store")
    again = run(Sweep("ma_crossover", GRID, data, blocks=4), store=tmp_path / "store")
    loaded = SweepResult.load(tmp_path / "store")
    assert stored.frame.equals(again.frame) and loaded.frame.equals(stored.frame)


@pytest.mark.parametrize("blocks", [1, 3, 22, -2, 4.0, "16"])
def test_blocks_are_an_even_number(blocks):
    with pytest.raises(ConfigError, match="blocks: expected an even number"):
        Sweep("ma_crossover", GRID, synthetic(300), blocks=blocks)


def test_blocks_need_bars():
    with pytest.raises(ConfigError, match="at least 16 bars"):
        Sweep("ma_crossover", GRID, synthetic(15), blocks=True)
