"""Sweeps run: data sets, functions and blocks, checks before anything runs, grids of all kinds."""

import logging
import math

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Costs,
    Grid,
    KellyFraction,
    Param,
    RiskPerTrade,
    Stops,
    Sweep,
    VolatilityTarget,
    synthetic,
)
from peak_fast.errors import ConfigError, StrategyError, SweepError
from peak_fast.strategies.blocks import Block
from peak_fast.strategies.functions import SignalStrategy
from peak_fast.strategies.registry import resolve
from peak_fast.sweep.run import batch as batch_module
from peak_fast.sweep.run.budget import parse_memory
from tests.sweep_cases import ALL, gappy, run, same

# Data sets


def test_several_data_sets():
    data = {
        "one": synthetic(300, seed=1),
        "two": synthetic(450, seed=2),
        "three": gappy(synthetic(200, seed=3), 4),
    }
    sweep = Sweep("momentum", {"period": [5, 9], "allow_short": [True]}, data, metrics=ALL)
    table = run(sweep).frame
    assert table.select("data", "period").rows() == [(name, p) for name in data for p in (5, 9)]
    for name, each in data.items():
        alone = run(Sweep("momentum", {"period": [5, 9], "allow_short": [True]}, each, metrics=ALL)).frame
        same(table.filter(pl.col("data") == name).select(ALL), alone.select(ALL))
    best = sweep.rerun({"data": "two", "period": 5, "allow_short": True})
    assert len(best.bars) == 450 and best.symbol == "two"


def test_a_frame_and_a_dict_of_one():
    each = synthetic(200, seed=1)
    expected = run(Sweep("momentum", {"period": [5]}, each)).frame
    same(run(Sweep("momentum", {"period": [5]}, each.to_polars())).frame, expected)
    same(run(Sweep("momentum", {"period": [5]}, {"only": each})).frame, expected)
    frame = each.to_polars()
    arrays = {name: frame[name].to_numpy() for name in frame.columns}
    same(run(Sweep("momentum", {"period": [5]}, arrays)).frame, expected)


def test_no_data():
    with pytest.raises(ConfigError, match="at least one set of bars"):
        Sweep("momentum", {"period": [5]}, {})


# Strategies that are not rules


def above_average(df, params):
    """Side of the close against its average: targets."""
    close = df["close"]
    return (close > close.rolling_mean(params["period"])).cast(pl.Float64).fill_null(0.0) * params.get(
        "side", 1
    )


def tally(i, bars, params, memory, account):
    memory[0] += bars[3, i]
    if i >= params[0]:
        memory[0] -= bars[3, i - int(params[0])]
    return 1.0 if bars[3, i] * params[0] > memory[0] else 0.0


@pytest.mark.parametrize(
    "item",
    [
        above_average,
        SignalStrategy(above_average, name="targets"),
        SignalStrategy(above_average, name="weights", returns="weights"),
        Block(tally, name="tally", memory=1, schema=(Param("period", "int", 5, low=2, high=99),)),
    ],
    ids=["function", "targets", "weights", "block"],
)
def test_functions_and_blocks_sweep(item, caplog):
    each = synthetic(300, seed=14)
    grid = {"period": [3, 8, 21], "trailing": [None, 0.05]}
    sweep = Sweep(item, grid, each, metrics=ALL, costs=Costs(rate=0.001))
    with caplog.at_level(logging.INFO, "peak_fast"):
        table = run(sweep).frame
    assert len(table) == 6 and table["total_return"].n_unique() == 6
    for config, row in enumerate(table.iter_rows(named=True)):
        stats = sweep.rerun(sweep.grid[config]).stats
        for metric in ALL:
            assert row[metric] == stats[metric] or math.isnan(stats[metric]), metric
        engine = BacktestEngine(costs=Costs(rate=0.001), stops=Stops(trailing=row["trailing"]))
        assert engine.run(each, item, {"period": row["period"]}).stats["sharpe"] == row["sharpe"]
    lines = [record.message for record in caplog.records]
    if isinstance(item, Block):
        assert lines == []
    else:
        [line] = lines
        assert "called once a configuration, 6 times, on one thread" in line
        assert "RuleStrategy" in line and "@strategy" in line


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_tiles_of_blocks_change_no_bit(threads, monkeypatch):
    each = synthetic(700, seed=15)
    item = Block(tally, name="tally", memory=1, schema=(Param("period", "int", 5, low=2, high=99),))
    grid = {
        "period": range(2, 60),
        "stop_loss": [None, 0.02],
        "trailing": [None, 0.04],
        "max_drawdown_limit": [None, 0.05],
    }
    sweep = Sweep(item, grid, each, metrics=ALL, costs=Costs(rate=0.001), blocks=True)
    expected = run(sweep, threads=1).frame
    assert expected["total_return"].n_unique() > 200
    monkeypatch.setattr(batch_module, "_TILE_BARS", 700 * 9)
    monkeypatch.setattr(batch_module, "SMALLEST_TILE_BARS", 700)
    same(run(sweep, threads=threads).frame, expected)
    for config in range(0, len(expected), 29):
        row = expected.row(config, named=True)
        stats = sweep.rerun(sweep.grid[config]).stats
        for metric in ALL:
            assert row[metric] == stats[metric] or math.isnan(stats[metric]), metric


def test_a_function_gets_what_a_single_run_gets():
    """Whole numbers stay whole next to None, and None is no NaN."""
    seen = []

    def looks(df, params):
        seen.append((params["period"], type(params["period"])))
        return np.zeros(len(df))

    run(Sweep(looks, {"period": [None, 3, 8], "stop_loss": [None, 0.1]}, synthetic(20, seed=1)))
    kinds = [(None, type(None)), (3, int), (8, int)]
    assert sorted(seen, key=str) == sorted((kind for kind in kinds for _ in range(2)), key=str)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda df, params: np.full(len(df), params["value"]), "returned 2.0 at bar 0; expected 1"),
        (lambda df, params: np.full(len(df), params["value"] * math.inf), "bar 0 is infinite"),
        (lambda df, params: np.zeros(len(df) - (params["value"] == 2)), "expected one value a bar"),
        (lambda df, params: ["buy"] * len(df), "not numeric"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_values_that_a_single_run_refuses(values, message, threads):
    with pytest.raises(StrategyError, match=message):
        run(Sweep(values, {"value": [1, 2]}, synthetic(50, seed=1)), threads=threads)


def test_many_calls_of_a_function_are_a_warning(caplog):
    grid = {"period": range(1000)}
    with caplog.at_level(logging.INFO, "peak_fast"):
        run(Sweep(lambda df, params: np.zeros(len(df)), grid, synthetic(20, seed=1)))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_an_error_in_a_function_is_the_users_error():
    def fails(df, params):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        run(Sweep(fails, {"period": [1, 2]}, synthetic(50, seed=1)))


# Checks


class TestChecks:
    def test_unknown_names_suggest(self):
        with pytest.raises((ConfigError, StrategyError), match="did you mean 'period'"):
            Sweep("momentum", {"perod": [5]}, synthetic(50, seed=1))
        with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
            Sweep("momentum", {"period": [5]}, synthetic(50, seed=1), metrics=["sharp"])
        with pytest.raises(ConfigError, match="distinct"):
            Sweep("momentum", {"period": [5]}, synthetic(50, seed=1), metrics=["sharpe", "sharpe"])

    def test_constraints(self):
        sweep = Sweep("ma_crossover", {"fast": [5, 30], "slow": [20, 40]}, synthetic(90, seed=1))
        assert [sweep.grid[k] for k in range(len(sweep.grid))] == [
            {"fast": 5, "slow": 20},
            {"fast": 5, "slow": 40},
            {"fast": 30, "slow": 40},
        ]
        fewer = Sweep(
            "ma_crossover",
            {"fast": [5, 30], "slow": [20, 40]},
            synthetic(90, seed=1),
            constraint="slow - fast > 12",
        )
        assert len(fewer.grid) == 2

    @pytest.mark.parametrize(
        ("name", "value"),
        [("stop_loss", 1.5), ("trailing", -0.1), ("size", 0.0), ("leverage", 0.0), ("fee_bps", math.inf)],
    )
    def test_settings_out_of_range(self, name, value):
        with pytest.raises(ConfigError, match=f"{name}.*{value}|{name}"):
            run(Sweep("momentum", {"period": [5], name: [value]}, synthetic(50, seed=1)))

    def test_settings_of_sizings(self):
        bars = synthetic(50, seed=1)
        for value in (1, 2.5):
            sweep = Sweep(
                "momentum", {"period": [5], "size_window": [value]}, bars, sizing=VolatilityTarget()
            )
            with pytest.raises(ConfigError, match=f"size_window: .*{value}.* in the grid is out of range"):
                run(sweep)
        with pytest.raises(
            ConfigError, match=r"size_window: the sizing KellyFraction has no such setting; expected"
        ):
            run(Sweep("momentum", {"period": [5], "size_window": [9]}, bars, sizing=KellyFraction()))

    def test_risk_sizing_needs_a_stop_in_every_configuration(self):
        sweep = Sweep(
            "momentum",
            {"period": [5], "stop_loss": [0.1, None]},
            synthetic(50, seed=1),
            sizing=RiskPerTrade(),
            stops=Stops(stop_loss=0.1),
        )
        with pytest.raises(ConfigError, match="needs a stop in every configuration"):
            run(sweep)

    def test_threads_and_memory(self):
        sweep = Sweep("momentum", {"period": [5]}, synthetic(50, seed=1))
        for threads in (0, 1.5, True):
            with pytest.raises(ConfigError, match=f"threads: expected at least 1; got {threads}"):
                run(sweep, threads=threads)
        for memory in ("much", "-2GB", 0, "2 XB", True):
            with pytest.raises(ConfigError, match="memory: expected a size such as '2GB'"):
                run(sweep, memory=memory)
        assert parse_memory("1.5 GB") == 1_500_000_000
        assert parse_memory("2MiB") == 2 * 2**20
        assert parse_memory(12345) == 12345
        assert parse_memory(None) > 0

    def test_ways_of_showing_and_keeping(self):
        sweep = Sweep("momentum", {"period": [5]}, synthetic(50, seed=1))
        with pytest.raises(
            ConfigError, match=r"progress: expected True, False or one of auto, bar.*; got 'loud'"
        ):
            sweep.run(progress="loud")
        with pytest.raises(ConfigError, match=r"keep_curves: expected 'best:10'.*; got 'worst:3'"):
            run(sweep, keep_curves="worst:3")
        with pytest.raises(SweepError, match=r"needs about \d\.\d KB .* more than the budget of 1\.0 KB"):
            run(sweep, memory="1KB")

    @pytest.mark.parametrize(
        ("name", "value", "wanted"),
        [
            ("stop_loss", 1.0, "fractions of the price"),
            ("size", 0.0, "numbers above 0"),
            ("fee_bps", -1.0, "numbers from 0 to below 10000"),
            ("slippage_abs", -1.0, "numbers from 0 on"),
        ],
    )
    def test_out_of_range_says_what_is_in_range(self, name, value, wanted):
        sweep = Sweep("momentum", {"period": [5], name: [0.5, value]}, synthetic(50, seed=1))
        with pytest.raises(
            ConfigError, match=f"{name}: {value} in the grid is out of range; expected {wanted}"
        ):
            run(sweep)

    def test_too_little_memory_says_so_before_anything_runs(self, tmp_path):
        sweep = Sweep(
            "momentum", {"period": range(2, 300), "size": np.linspace(0.1, 1, 300)}, synthetic(50, seed=1)
        )
        with pytest.raises(
            SweepError, match=r"needs about 3 MB .* more than the budget of 1 MB; raise memory"
        ):
            run(sweep, memory="1MB")
        # A store takes the rows as they are made, so there the same budget is enough.
        assert len(run(sweep, memory="1MB", store=tmp_path / "store", threads=1)) == len(sweep.grid)


def test_grids_of_all_kinds_run():
    each = synthetic(200, seed=1)
    schema = resolve("ma_crossover").schema
    for grid in (
        Grid.random(schema, 50, seed=3),
        {"fast": [4], "slow": [9, 12]},
        pl.DataFrame({"fast": [4, 5], "slow": [9, 12]}),
        [{"fast": 4, "slow": 9}],
    ):
        result = run(Sweep("ma_crossover", grid, each))
        assert 0 < len(result) <= 50
