"""A row of a sweep is the single run of its parameters and settings."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    Costs,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    RiskLimits,
    RiskPerTrade,
    Stops,
    Sweep,
    VolatilityTarget,
    synthetic,
)
from peak_fast.errors import ConfigError, StrategyError
from peak_fast.params.schema import validate_params
from peak_fast.settings.variable import VARIABLE
from peak_fast.strategies.builtin import NAMES
from peak_fast.strategies.registry import resolve
from peak_fast.sweep import evaluate
from tests.sweep_cases import ALL, gappy, run


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


# Name, value, what of the engine it is, and what it needs beside it to matter.
_VOLATILE, _KELLY = {"volatility": 0.15}, {"share": 0.3, "min_trades": 3, "max_fraction": 0.8}
EFFECTS = [
    ("stop_loss", 0.02, {"stops": Stops(stop_loss=0.02)}, {}),
    ("take_profit", 0.03, {"stops": Stops(take_profit=0.03)}, {}),
    ("trailing", 0.04, {"stops": Stops(trailing=0.04)}, {}),
    ("fee_rate", 0.002, {"costs": Costs(rate=0.002)}, {}),
    ("fee_bps", 7.0, {"costs": Costs.from_bps(7.0)}, {}),
    ("fee_fixed", 3.0, {"costs": Costs(fixed=3.0)}, {}),
    ("fee_minimum", 4.0, {"costs": Costs(minimum=4.0)}, {}),
    ("fee_per_unit", 0.05, {"costs": Costs(per_unit=0.05)}, {}),
    ("slippage_bps", 9.0, {"costs": Costs(slippage_bps=9.0)}, {}),
    ("slippage_abs", 0.07, {"costs": Costs(slippage_abs=0.07)}, {}),
    ("size", 0.6, {"sizing": FractionOfEquity(0.6)}, {}),
    (
        "size_window",
        7,
        {"sizing": VolatilityTarget(**_VOLATILE, window=7)},
        {"sizing": VolatilityTarget(**_VOLATILE)},
    ),
    (
        "size_min_trades",
        6,
        {"sizing": KellyFraction(**_KELLY | {"min_trades": 6})},
        {"sizing": KellyFraction(**_KELLY)},
    ),
    (
        "size_fallback",
        0.4,
        {"sizing": KellyFraction(**_KELLY, fallback=0.4)},
        {"sizing": KellyFraction(**_KELLY)},
    ),
    (
        "size_min_fraction",
        0.2,
        {"sizing": KellyFraction(**_KELLY, min_fraction=0.2)},
        {"sizing": KellyFraction(**_KELLY)},
    ),
    (
        "size_max_fraction",
        0.5,
        {"sizing": VolatilityTarget(**_VOLATILE, max_fraction=0.5)},
        {"sizing": VolatilityTarget(**_VOLATILE)},
    ),
    ("max_position", 0.5, {"risk_limits": RiskLimits(max_position=0.5)}, {}),
    ("max_drawdown_limit", 0.05, {"risk_limits": RiskLimits(max_drawdown=0.05)}, {}),
    ("daily_loss_limit", 0.01, {"risk_limits": RiskLimits(daily_loss=0.01)}, {}),
    (
        "leverage",
        2.0,
        {"execution": Execution(leverage=2.0), "sizing": FractionOfEquity(1.5)},
        {"sizing": FractionOfEquity(1.5)},
    ),
    ("initial_cash", 5000.0, {"initial_cash": 5000.0}, {}),
]


class TestSettings:
    """Each setting that a grid may name changes the run, and to what the engine with that setting gives."""

    def test_none_is_left_out(self):
        assert sorted(name for name, *_ in EFFECTS) == sorted(VARIABLE)

    @pytest.mark.parametrize(("name", "value", "alone", "base"), EFFECTS, ids=[row[0] for row in EFFECTS])
    def test_a_setting_is_the_engines(self, name, value, alone, base):
        each = synthetic(600, seed=2)
        params = {"fast": 4, "slow": 13, "allow_short": True}
        columns = {**{key: [number] for key, number in params.items()}, name: [value]}
        found = evaluate("ma_crossover", each, columns, metrics=ALL, **base)
        expected = BacktestEngine(**{**base, **alone}).run(each, "ma_crossover", params).stats
        without = BacktestEngine(**base).run(each, "ma_crossover", params).stats
        for metric in ALL:
            assert found[metric][0] == pytest.approx(expected[metric], rel=0, abs=0, nan_ok=True), metric
        assert found["total_trades"][0] > 0
        assert found["final_equity"][0] != without["final_equity"]
