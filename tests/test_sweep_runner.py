"""Sweeps run: rows equal single runs, nothing but the grid matters, resume, kills, trackers, memory."""

import itertools
import logging
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    Bars,
    Costs,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    Grid,
    KellyFraction,
    Param,
    RiskLimits,
    RiskPerTrade,
    Stops,
    Sweep,
    VolatilityTarget,
    synthetic,
)
from peak_fast import metrics as m
from peak_fast._slots import SIZINGS, VARIABLE
from peak_fast._strategy import Block, SignalStrategy, resolve
from peak_fast.errors import ConfigError, StoreError, StrategyError, SweepError
from peak_fast.params import validate_params
from peak_fast.strategies import NAMES
from peak_fast.sweep import batch as batch_module
from peak_fast.sweep import evaluate
from peak_fast.sweep import runner as runner_module
from peak_kernels import types as t
from tests.sweep_process import make_sweep

ROOT = Path(__file__).resolve().parent.parent
ALL = t.METRICS


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


@st.composite
def parameters(draw, item):
    """Valid parameters of a strategy."""

    def value(param):
        if param.kind == "bool":
            return draw(st.booleans())
        if param.kind == "int":
            return draw(st.integers(param.low, min(param.high, 40)))
        return draw(st.integers(0, 8)) / 8 * (param.high - param.low) + param.low

    for _ in range(20):
        found = {param.name: value(param) for param in item.schema}
        try:
            return validate_params(item.schema, found, constraints=item.constraints)
        except (StrategyError, ConfigError):
            continue
    return {param.name: param.default for param in item.schema}


OPTIONAL = st.one_of(st.none(), st.floats(0.004, 0.1))
SETTINGS = {
    "stop_loss": OPTIONAL,
    "take_profit": OPTIONAL,
    "trailing": OPTIONAL,
    "fee_rate": st.floats(0, 0.01),
    "fee_bps": st.floats(0, 40),
    "fee_fixed": st.floats(0, 20),
    "fee_minimum": st.floats(0, 20),
    "fee_per_unit": st.floats(0, 0.05),
    "slippage_bps": st.floats(0, 40),
    "slippage_abs": st.floats(0, 0.05),
    "max_position": st.one_of(st.none(), st.floats(0.1, 1.5)),
    "max_drawdown_limit": st.one_of(st.none(), st.floats(0.02, 0.4)),
    "daily_loss_limit": st.one_of(st.none(), st.floats(0.01, 0.1)),
    "leverage": st.sampled_from([0.5, 1.0, 2.0]),
    "initial_cash": st.sampled_from([500.0, 100_000.0]),
    "size": st.floats(0.05, 1.5),
}
# Settings of the sizings that estimate.
SIZED = {
    "size_window": st.integers(2, 30),
    "size_min_trades": st.integers(1, 5),
    "size_fallback": st.floats(0, 1),
    "size_min_fraction": st.floats(0, 0.3),
    "size_max_fraction": st.floats(0.1, 1.5),
}
SIZING_SETTINGS = {
    "size_window": VolatilityTarget,
    "size_min_trades": KellyFraction,
    "size_fallback": VolatilityTarget | KellyFraction,
    "size_min_fraction": KellyFraction,
    "size_max_fraction": VolatilityTarget | KellyFraction,
}


@st.composite
def engines(draw):
    """Settings of an engine."""
    stops = Stops(
        stop_loss=draw(OPTIONAL),
        take_profit=draw(OPTIONAL),
        trailing=draw(OPTIONAL),
        watermark=draw(st.sampled_from(["extreme", "close", "high", "low"])),
    )
    sizings = [
        FractionOfEquity(fraction=0.7),
        FractionOfEquity(),
        FixedUnits(units=30),
        FixedValue(value=5000),
    ]
    if stops.stop_loss is not None:
        sizings.append(RiskPerTrade(risk=0.02, min_value=100))
    sizings += [VolatilityTarget(window=5, fallback=0.2), KellyFraction(share=2.0, min_trades=2)]
    return {
        "execution": Execution(
            fill_at=draw(st.sampled_from(["next_open", "close"])),
            both_hit=draw(st.sampled_from(["stop_first", "target_first", "nearest_to_open"])),
            entry_bar_stops=draw(st.booleans()),
            lot_size=draw(st.sampled_from([0.0, 1.0])),
        ),
        "costs": draw(
            st.sampled_from(
                [Costs(), Costs(rate=0.001, maker_rate=0.0, slippage_bps=5), Costs(fixed=2, minimum=3)]
            )
        ),
        "stops": stops,
        "sizing": draw(st.sampled_from(sizings)),
        "risk_limits": draw(
            st.sampled_from(
                [RiskLimits(), RiskLimits(max_drawdown=0.1), RiskLimits(daily_loss=0.02, max_position=0.8)]
            )
        ),
        "risk_free": draw(st.sampled_from([0.0, 0.03])),
    }


@st.composite
def sweeps(draw):
    """(bars, strategy name, settings, table of configurations)."""
    name = draw(st.sampled_from(NAMES))
    item = resolve(name)
    bars = synthetic(
        draw(st.integers(2, 260)), seed=draw(st.integers(0, 999)), freq=draw(st.sampled_from(["1d", "6h"]))
    )
    if draw(st.booleans()):
        bars = gappy(bars, draw(st.integers(0, 99)))
    settings = draw(engines())
    varied = draw(st.lists(st.sampled_from(sorted(SETTINGS)), unique=True, max_size=4))
    if "fee_rate" in varied and "fee_bps" in varied:
        varied.remove("fee_bps")
    if isinstance(settings["sizing"], VolatilityTarget | KellyFraction):
        names = [n for n, kinds in SIZING_SETTINGS.items() if isinstance(settings["sizing"], kinds)]
        varied += draw(st.lists(st.sampled_from(names), unique=True))
    if isinstance(settings["sizing"], RiskPerTrade):
        varied = [n for n in varied if n not in ("stop_loss", "trailing")]
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        row = draw(parameters(item))
        rows.append({**row, **{n: draw({**SETTINGS, **SIZED}[n]) for n in varied}})
    return bars, name, settings, rows


def columns_of(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


@given(sweeps())
def test_a_row_is_the_single_run(case):
    """Every metric, exactly: all built-in strategies, settings of the engine and of the grid."""
    bars, name, settings, rows = case
    grid = pl.DataFrame(columns_of(rows)) if rows[0] else pl.DataFrame({"leverage": [1.0] * len(rows)})
    sweep = Sweep(name, grid, bars, metrics=ALL, **settings)
    table = run(sweep, threads=1).frame
    for config in range(len(table)):
        single = sweep.rerun(sweep.grid[config]).stats
        row = table.row(config, named=True)
        for metric in ALL:
            expected, found = float(single[metric]), row[metric]
            assert found == expected or (math.isnan(found) and math.isnan(expected)), (
                metric,
                found,
                expected,
            )


def test_a_row_is_what_a_user_would_run():
    """Against an engine whose settings are written by hand, not through the sweep's own rerun."""
    bars = synthetic(900, seed=6)
    grid = {
        "fast": [5, 9],
        "slow": [20, 33],
        "stop_loss": [None, 0.04],
        "fee_bps": [3, 12.5],
        "slippage_bps": [7],
    }
    table = run(Sweep("ma_crossover", grid, bars, metrics=ALL)).frame
    assert len(table) == 16
    for row in table.iter_rows(named=True):
        engine = BacktestEngine(
            costs=Costs.from_bps(row["fee_bps"], row["slippage_bps"]), stops=Stops(stop_loss=row["stop_loss"])
        )
        stats = engine.run(bars, "ma_crossover", {"fast": row["fast"], "slow": row["slow"]}).stats
        assert {name: row[name] for name in ALL} == {name: stats[name] for name in ALL}


def test_best_and_curves_are_full_results():
    bars = synthetic(500, seed=6)
    result = run(Sweep("momentum", {"period": range(5, 30)}, bars, metrics=("sharpe", "total_return")))
    best = result.best()
    top = result.top(1).row(0, named=True)
    assert (best.stats["sharpe"], best.stats["total_return"]) == (top["sharpe"], top["total_return"])
    assert best.params["period"] == top["period"]
    curves = result.curves(2)
    assert curves.filter(pl.col("config") == top["config"])["equity"].to_list() == best.equity.tolist()


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
    monkeypatch.setattr(runner_module, "_CHUNK", chunk)
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
        edges = [k * len(bars) // 16 for k in range(17)]
        row = reference.row(config, named=True)
        sums = [returns[a:b].sum() for a, b in itertools.pairwise(edges)]
        squares = [(returns[a:b] ** 2).sum() for a, b in itertools.pairwise(edges)]
        np.testing.assert_allclose(np.array(row["block_sum"]), sums, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(np.array(row["block_sumsq"]), squares, rtol=1e-9, atol=1e-18)


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
    with caplog.at_level(logging.INFO, "peak_fast.sweep"):
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
    monkeypatch.setattr(batch_module, "_SMALLEST_TILE_BARS", 700)
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
    assert seen == [kind for kind in kinds for _ in range(2)]


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
    with caplog.at_level(logging.INFO, "peak_fast.sweep"):
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
        assert runner_module.parse_memory("1.5 GB") == 1_500_000_000
        assert runner_module.parse_memory("2MiB") == 2 * 2**20
        assert runner_module.parse_memory(12345) == 12345
        assert runner_module.parse_memory(None) > 0

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
            ("fee_bps", -1.0, "numbers from 0 on"),
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


class TestEvaluate:
    def test_arrays_in_arrays_out(self):
        each = synthetic(400, seed=2)
        found = evaluate(
            "ma_crossover",
            each,
            {"fast": [3, 5], "slow": [9, 20], "stop_loss": [math.nan, 0.02]},
            metrics=("sharpe", "total_trades"),
            costs=Costs(rate=0.001),
            initial_cash=5000.0,
        )
        assert list(found) == ["sharpe", "total_trades"]
        for k, stop in enumerate([None, 0.02]):
            engine = BacktestEngine(costs=Costs(rate=0.001), stops=Stops(stop_loss=stop), initial_cash=5000)
            stats = engine.run(each, "ma_crossover", {"fast": [3, 5][k], "slow": [9, 20][k]}).stats
            assert (found["sharpe"][k], found["total_trades"][k]) == (stats["sharpe"], stats["total_trades"])

    def test_wrong_columns(self):
        each = synthetic(50, seed=2)
        with pytest.raises(ConfigError, match=r"columns: expected one length; got \[1, 2\]"):
            evaluate("momentum", each, {"period": [1, 2], "size": [1.0]})
        with pytest.raises(ConfigError, match="did you mean 'period'"):
            evaluate("momentum", each, {"perid": [1, 2]})

    def test_every_setting_name_is_taken(self):
        each = synthetic(120, seed=2)
        found = evaluate(
            "momentum",
            each,
            {name: [0.5] for name in VARIABLE if name != "fee_bps" and name not in SIZINGS} | {"period": [4]},
        )
        assert found["total_trades"][0] >= 0


# Store


class TestStore:
    GRID = {"fast": range(2, 32), "slow": range(40, 80)}  # noqa: RUF012

    def sweep(self, **changed):
        return Sweep(
            "ma_crossover",
            self.GRID,
            synthetic(300, seed=5),
            **{"metrics": ("sharpe", "max_drawdown"), **changed},
        )

    def test_a_stored_table_is_the_table(self, tmp_path):
        expected = run(self.sweep(blocks=True)).frame
        stored = run(self.sweep(blocks=True), store=tmp_path / "store")
        assert stored.is_stored
        same(stored.frame, expected)

    def test_resume_computes_what_is_missing_only(self, tmp_path, monkeypatch):
        folder = tmp_path / "store"
        expected = run(self.sweep(), store=folder).frame
        parts = sorted(folder.glob("part-*.parquet"))
        assert len(parts) >= 4
        before = {path: path.stat().st_mtime_ns for path in parts}
        parts[1].unlink()
        parts[3].unlink()
        counted = []
        original = runner_module._Runner.range
        monkeypatch.setattr(
            runner_module._Runner, "range", lambda *args: counted.append(args[2] - args[1]) or original(*args)
        )
        same(run(self.sweep(), store=folder).frame, expected)
        assert len(counted) == 2
        same(run(self.sweep(), store=folder).frame, expected)
        assert len(counted) == 2
        for k, path in enumerate(parts):
            assert (path.stat().st_mtime_ns == before[path]) == (k not in (1, 3))

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"costs": Costs(rate=0.002)}, r"settings\.costs\.rate \(0\.0 -> 0\.002\)"),
            ({"initial_cash": 5.0}, r"settings\.initial_cash"),
            ({"stops": Stops(stop_loss=0.1)}, r"settings\.stops\.stop_loss"),
            ({"metrics": ("sharpe",)}, r"metrics"),
            ({"blocks": True}, r"settings\.blocks"),
        ],
    )
    def test_changed_work_is_refused_by_name(self, tmp_path, changed, named):
        folder = tmp_path / "store"
        run(self.sweep(), store=folder)
        with pytest.raises(StoreError, match=f"changed: .*{named}.*resume='restart'"):
            run(self.sweep(**changed), store=folder)
        table = run(self.sweep(**changed), store=folder, resume="restart").frame
        same(table, run(self.sweep(**changed)).frame)

    def test_changed_data_strategy_and_defaults_are_refused(self, tmp_path):
        folder = tmp_path / "store"
        run(self.sweep(), store=folder)
        with pytest.raises(StoreError, match=r"changed: data"):
            run(
                Sweep("ma_crossover", self.GRID, synthetic(300, seed=6), metrics=("sharpe", "max_drawdown")),
                store=folder,
            )
        with pytest.raises(StoreError, match=r"changed: .*strategy"):
            run(
                Sweep("ema_crossover", self.GRID, synthetic(300, seed=5), metrics=("sharpe", "max_drawdown")),
                store=folder,
            )
        from dataclasses import replace

        item = resolve("ma_crossover")
        schema = (*item.schema[:2], replace(item.schema[2], default=True))
        with pytest.raises(StoreError, match=r"strategy\.defaults\.allow_short \(false -> true\)"):
            run(
                Sweep(
                    replace(item, schema=schema),
                    self.GRID,
                    synthetic(300, seed=5),
                    metrics=("sharpe", "max_drawdown"),
                ),
                store=folder,
            )

    def test_an_interrupted_call_says_how_to_go_on(self, tmp_path, caplog, monkeypatch):
        calls = []
        original = runner_module._Runner.range

        def interrupted(*args):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return original(*args)

        monkeypatch.setattr(runner_module._Runner, "range", interrupted)
        with caplog.at_level(logging.WARNING, "peak_fast.sweep"), pytest.raises(KeyboardInterrupt):
            run(self.sweep(), store=tmp_path / "store")
        assert "2 of 5 tiles are in" in caplog.text and "the same call continues there" in caplog.text
        assert len(list((tmp_path / "store").glob("part-*.parquet"))) == 2
        monkeypatch.undo()
        same(run(self.sweep(), store=tmp_path / "store").frame, run(self.sweep()).frame)


# Processes


def prepare(folder, scale=1):
    """A process that loads what a sweep needs."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep_process", str(folder), str(scale)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begin(process):
    """Let it sweep."""
    assert process.stdout.readline() == "ready\n", process.communicate()
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.fixture
def processes():
    """Processes of a test; none outlives it."""
    started = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to another process is POSIX")
def test_ctrl_c_stops_within_a_second_and_keeps_what_is_done(tmp_path, processes):
    folder = tmp_path / "store"
    process = prepare(folder, scale=100)
    processes.append(process)
    begin(process)
    end = time.monotonic() + 60
    while not list(folder.glob("part-*.parquet")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.005)
    # A second process is refused meanwhile, by the pid of the first.
    with pytest.raises(StoreError, match=rf"{process.pid}"):
        run(make_sweep(100), store=folder)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert float(out.split()[-1]) - sent < 1.0
    assert "the same call continues there" in err
    kept = pl.concat([pl.read_parquet(part) for part in sorted(folder.glob("part-*.parquet"))])
    assert 0 < len(kept) < len(make_sweep(100).grid)
    rows = kept.head(200)
    columns = {name: rows[name].to_numpy() for name in ("fast", "slow", "stop_loss")}
    sweep = make_sweep()
    found = evaluate(
        "ma_crossover", next(iter(sweep.data.values())), columns, metrics=sweep.metrics,
        costs=sweep.engine.costs, stops=sweep.engine.stops,
    )  # fmt: skip
    for name in sweep.metrics:
        assert found[name].tolist() == rows[name].to_list()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_killed_twenty_times_the_table_is_the_same(tmp_path, processes):
    expected = run(make_sweep()).frame
    began = time.perf_counter()
    run(make_sweep(), store=tmp_path / "timed")
    took = time.perf_counter() - began
    generator = random.Random(20)
    folder = tmp_path / "store"
    cut = 0
    processes += [prepare(folder), prepare(folder)]
    for kill in range(20):
        # The next ones load while this one is killed.
        process = processes[kill]
        processes.append(prepare(folder))
        begin(process)
        time.sleep(generator.uniform(0.0, took))
        process.kill()
        out, _ = process.communicate(timeout=30)
        if "done" in out:
            same(run(make_sweep(), store=folder).frame, expected)
            shutil.rmtree(folder)
        elif folder.exists() and 0 < len(list(folder.glob("part-*.parquet"))) < 10:
            cut += 1
    assert cut >= 3, "the kills must hit sweeps under way to prove anything"
    same(run(make_sweep(), store=folder).frame, expected)
    assert [path.name for path in folder.iterdir() if "tmp" in path.name] == []


# Tracker


class Recorder:
    """A tracker that writes down what it is told."""

    def __init__(self):
        self.calls = []
        self.run_id = None

    def get_run_id(self):
        return self.run_id

    def start_run(self, name):
        self.run_id = "parent"
        self.calls.append(("start_run", (name,), {}))

    def end_run(self, *args, **kwargs):
        self.run_id = None
        self.calls.append(("end_run", args, kwargs))

    def __getattr__(self, name):
        def note(*args, **kwargs):
            self.calls.append((name, args, kwargs))

        return note

    def named(self, name):
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


class TestTracker:
    def sweep(self, bars):
        return Sweep("ma_crossover", {"fast": range(2, 12), "slow": range(20, 30)}, bars)

    def test_parent_and_children(self, bars):
        tracker = Recorder()
        result = run(self.sweep(bars), tracker=tracker, keep_curves="best:3")
        names = [name for name, _, _ in tracker.calls]
        assert names[0] == "start_run" and names[-1] == "end_run"
        tables = {args[1]: args[0] for args, _ in tracker.named("log_table")}
        assert tables["sweep/table.parquet"].equals(result.frame)
        assert tables["sweep/top.json"].equals(result.top(100))
        assert tables["sweep/curves.parquet"].height == 3 * len(bars)
        [((figure, place), _)] = tracker.named("log_figure")
        assert place == "sweep/heatmap.png" and figure is not None
        metrics = tracker.named("log_metrics")[0][0][0]
        assert metrics["configurations"] == 100
        assert metrics["best_sharpe"] == result.top(1)["sharpe"][0]
        [((rows,), options)] = tracker.named("log_runs")
        assert len(rows) == 100
        assert options["parent_run_id"] == "parent"
        assert options["params"] == ["fast", "slow"]
        assert options["metrics"] == list(result.metrics)

    def test_a_run_that_is_open_already_stays_open(self, bars):
        tracker = Recorder()
        tracker.run_id = "mine"
        run(self.sweep(bars), tracker=tracker)
        assert tracker.named("start_run") == [] and tracker.named("end_run") == []
        assert tracker.named("log_runs")[0][1]["parent_run_id"] == "mine"

    def test_children_of_a_large_sweep_are_few(self):
        tracker = Recorder()
        sweep = Sweep(
            "momentum", {"period": range(2, 200), "size": np.linspace(0.1, 1, 20)}, synthetic(60, seed=1)
        )
        assert len(sweep.grid) > 2000
        result = run(sweep, tracker=tracker, keep_curves=None)
        [((rows,), _)] = tracker.named("log_runs")
        assert rows.drop("run_name").equals(result.top(20).select(rows.drop("run_name").columns))
        assert "sweep/curves.parquet" not in [args[1] for args, _ in tracker.named("log_table")]

    def test_a_broken_tracker_is_a_warning(self, bars):
        class Broken:
            def get_run_id(self):
                raise RuntimeError("out of order")

        with pytest.warns(RuntimeWarning, match="could not record this sweep.*out of order"):
            result = run(self.sweep(bars), tracker=Broken())
        assert len(result) == 100

    def test_wrong_number_of_curves(self, bars):
        with pytest.raises(
            ConfigError, match=r"keep_curves: expected 'best:10', a number or None; got 'all'"
        ):
            run(self.sweep(bars), tracker=Recorder(), keep_curves="all")


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
