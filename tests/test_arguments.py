"""Wrong arguments of public callables: one error of the package's own that says what was expected and what came."""

import inspect
import math
import re

import numpy as np
import polars as pl
import pytest

import peak_fast as pf
from peak_fast.errors import ConfigError, PeakFastError, StrategyError
from peak_fast.indicators import functions as indicators
from peak_fast.metrics import returns as metrics
from peak_fast.params.constraints import Constraint

BARS = pf.synthetic(60, seed=1)
CLOSE = BARS.close
NOTHING = object()
# What no argument takes that is a number, text, list, dict or path.
STRANGERS = (NOTHING, len, b"x", 1j, {1: 2}.keys)
NUMBER = pf.Param("a", "int", 1, 0, 5)


def cross(**changes):
    parts = {"name": "x", "enter_long": pf.Above(pf.Row("close"), pf.Row("sma", 5))} | changes
    return pf.RuleStrategy(**parts)


@pytest.fixture(scope="module")
def swept():
    return pf.Sweep("ma_crossover", {"fast": [3, 5], "slow": [9, 12]}, BARS).run(progress=False)


CALLS = {
    "Param(default)": (
        lambda: pf.Param("a", "int"),
        "expected a default; got none; write Param('a', 'int', <default>",
    ),
    "Param(choices)": (lambda: pf.Param("a", "choice", 1, choices=3), "expected choices as a list; got 3"),
    "Param(choices text)": (
        lambda: pf.Param("a", "choice", "b", choices="bc"),
        "expected choices as a list; got 'bc'",
    ),
    "Param(when)": (lambda: pf.Param("a", "int", 1, when="b"), "expected when as a dict; got 'b'"),
    "Param(log)": (lambda: pf.Param("a", "int", 1, 1, 5, log="no"), "expected log=True or False; got 'no'"),
    "Param.grid": (lambda: NUMBER.grid("3"), "a grid of at least one value; got n='3'"),
    "Param.grid(nan)": (lambda: NUMBER.grid(math.nan), "a grid of at least one value; got n=nan"),
    "Param.parse": (lambda: NUMBER.parse(3), "expected text to read; got 3 (int)"),
    "Param.is_active": (
        lambda: pf.Param("a", "int", 1, when={"b": 1}).is_active({}),
        "expected a dict with 'b'; got {}",
    ),
    "synthetic(n)": (
        lambda: pf.synthetic("a"),
        "n: expected a whole number from 1 to 1,099,511,627,776; got 'a'",
    ),
    "synthetic(nan)": (lambda: pf.synthetic(math.nan), "n: expected a whole number from 1"),
    "synthetic(seed)": (lambda: pf.synthetic(9, seed=-1), "seed: expected a whole number from 0"),
    "synthetic(freq)": (
        lambda: pf.synthetic(9, None),
        "freq: expected a whole number and one of s, m, h, d, w; got None",
    ),
    "synthetic(start)": (lambda: pf.synthetic(9, start=3), "start: expected ISO 8601; got 3"),
    "sample": (lambda: pf.sample(None), "no sample data for None; known: 'AAPL'"),
    "load": (lambda: pf.load(None), "path: expected a path; got None; write for example 'prices.parquet'"),
    "from_toml": (lambda: pf.BacktestConfig.from_toml(3), "path: expected a path; got 3"),
    "Row(kind)": (lambda: pf.Row("smaa", 5), "no indicator row 'smaa'; did you mean 'sma'?"),
    "Row(args)": (
        lambda: pf.Row("sma", None),
        "Row('sma'): expected numbers or names of parameters; got None",
    ),
    "Row(count)": (lambda: pf.Row("sma"), "indicator row 'sma' takes 1 arguments; got 0"),
    "Above": (
        lambda: pf.Above(pf.Row("close"), 20),
        "Above: expected two rows; got 20; write Above(Row('close')",
    ),
    "RuleStrategy(name)": (lambda: cross(name=""), "RuleStrategy.name: expected a name; got ''"),
    "RuleStrategy(rule)": (lambda: cross(leave_long="close < sma"), "expected conditions; got 'close < sma'"),
    "RuleStrategy(schema)": (
        lambda: cross(schema=("a",)),
        "expected a schema of Param objects; got str: 'a'",
    ),
    "strategy(function)": (lambda: pf.strategy(3), "strategy: expected a function; got 3; write @strategy"),
    "strategy(memory)": (
        lambda: pf.strategy(memory=-1)(lambda i, bars, params, memory, account: 0.0),
        "Block.memory: expected a whole number of at least 0; got -1",
    ),
    "strategy(returns)": (
        lambda: pf.strategy(returns="sides")(lambda df, params: 0),
        "expected what it returns; got 'sides'; known: 'signals', 'targets', 'weights'",
    ),
    "signal function": (
        lambda: pf.BacktestEngine().run(BARS, lambda df: df),
        "expected a function of (df, params); it does not take two arguments",
    ),
    "signal function(None)": (
        lambda: pf.BacktestEngine().run_realistic(BARS, None),
        "SignalStrategy.function: expected a function; got None",
    ),
    "Grid.full": (
        lambda: pf.Grid.full(["a"]),
        "values: expected a dict such as {'fast': [10, 20]}; got list",
    ),
    "Grid.random(n)": (
        lambda: pf.Grid.random({"a": (1, 9)}, 1.5),
        "positive whole number of configurations; got n=1.5",
    ),
    "Grid.random(seed)": (
        lambda: pf.Grid.random({"a": (1, 9)}, 2, "x"),
        "seed: expected a whole number of at least 0",
    ),
    "Grid.sobol(seed)": (
        lambda: pf.Grid.sobol({"a": (1, 9)}, 2, -1),
        "seed: expected a whole number of at least 0",
    ),
    "Grid.random(schema)": (
        lambda: pf.Grid.random({"a": (1, 9)}, 2, schema=3),
        "expected a schema of Param objects; got",
    ),
    "Sweep(metrics)": (
        lambda: pf.Sweep("momentum", {"period": [5]}, BARS, metrics="sharpe"),
        "metrics: expected a list such as ['sharpe', 'total_return']; got 'sharpe'",
    ),
    "Sweep(setting)": (
        lambda: pf.Sweep("momentum", {"stop_loss": ["a"]}, BARS).run(progress=False),
        "stop_loss: expected numbers, or None for 'not set'; got ['a']",
    ),
    "Sweep(constraint)": (
        lambda: pf.Sweep("momentum", {"period": [5]}, BARS, constraint="period"),
        "expected a comparison in 'period'; got the number 'period' alone; write for example 'period > 0'",
    ),
    "Sweep.run(tracker)": (
        lambda: pf.Sweep("momentum", {"period": [5]}, BARS).run(tracker="mlflow"),
        "tracker: expected a tracker, or None; got 'mlflow'",
    ),
    "Sweep.run(resume)": (
        lambda: pf.Sweep("momentum", {"period": [5]}, BARS).run(resume="yes"),
        "expected resume as True, False or 'restart'; got 'yes'",
    ),
    "Sweep.run(store)": (
        lambda: pf.Sweep("momentum", {"period": [5]}, BARS).run(store=3),
        "store: expected a path; got 3",
    ),
    "Sweep.rerun": (
        lambda: pf.Sweep("momentum", {"period": [5]}, {"a": BARS, "b": BARS}).rerun({"data": "c"}),
        "data: got 'c'; known: 'a', 'b'",
    ),
    "Study(space)": (
        lambda: pf.Study("momentum", BARS, space=[1]),
        "space: expected a dict such as {'fast': (5, 60)}",
    ),
    "Study(feasible)": (
        lambda: pf.Study("momentum", BARS, feasible="total_trades"),
        "got the number 'total_trades' alone; write for example 'total_trades > 0'",
    ),
    "Study(feasible type)": (
        lambda: pf.Study("momentum", BARS, feasible=3),
        "feasible: expected a list such as",
    ),
    "Study(metrics)": (
        lambda: pf.Study("momentum", BARS, metrics="sharpe"),
        "metrics: expected a list such as",
    ),
    "Study(tracker)": (
        lambda: pf.Study("momentum", BARS, tracker=3),
        "tracker: expected a tracker, or None; got 3",
    ),
    "Study.run(timeout)": (
        lambda: pf.Study("momentum", BARS).run(timeout=math.inf),
        "expected a positive timeout",
    ),
    "Study.run(n_trials)": (
        lambda: pf.Study("momentum", BARS).run("9"),
        "expected a positive number of trials; got '9'",
    ),
    "artifacts": (
        lambda: pf.log_backtest_artifacts("mlflow", None),
        "tracker: expected a tracker, or None; got 'mlflow'",
    ),
    "constraint": (
        lambda: Constraint("fast < 'a'").holds({"fast": 3}),
        "expected numbers compared with numbers and texts with texts; got \"fast < 'a'\"",
    ),
    "sar": (
        lambda: indicators.sar(CLOSE, CLOSE, "a"),
        "expected 0 <= step <= limit; got step='a', limit=0.2",
    ),
    "bollinger": (lambda: indicators.bollinger(CLOSE, 5, "a"), "deviations: expected a number; got 'a'"),
    "bollinger(average)": (
        lambda: indicators.bollinger(CLOSE, average=3),
        "average: expected the name of an average; got 3",
    ),
    "sma": (lambda: indicators.sma(CLOSE, 10**30), "period: expected a whole number of at least 1, got 1000"),
    "sharpe": (lambda: metrics.sharpe([0.1], 252, "a"), "risk_free: expected an annual rate above -1"),
    "martin_ratio": (
        lambda: metrics.martin_ratio([0.1, -0.1], 252, "a"),
        "risk_free: expected an annual rate (0.03 is 3 %)",
    ),
    "psr": (
        lambda: metrics.probabilistic_sharpe_ratio([0.1, 0.2], math.nan),
        "benchmark_sharpe: expected a Sharpe ratio; got nan",
    ),
    "calmar": (lambda: metrics.calmar([0.1], "a"), "periods_per_year: expected a positive number, got 'a'"),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    call, message = CALLS[name]
    with pytest.raises(PeakFastError, match=re.escape(message)):
        call()


RESULTS = {
    "top": (lambda r: r.top(descending="yes"), "descending: expected True, False or None; got 'yes'"),
    "best": (lambda r: r.best(radius="a"), "expected a radius of at least 1; got 'a'"),
    "by": (lambda r: r.top(1, np.zeros((2, 2))), "expected a metric of this sweep"),
    "plateau(n)": (lambda r: r.plateau(n=-1), "a positive whole number of rows, or None for all; got n=-1"),
    "plateau(share)": (
        lambda r: r.plateau(min_coverage=math.nan),
        "min_coverage: expected a share from 0 to 1; got nan",
    ),
    "params_of": (lambda r: r.params_of("a"), "config: expected the number of a configuration; got 'a'"),
    "rerun": (lambda r: r.rerun("a"), "params: expected a dict such as {'fast': 10, 'slow': 50}; got 'a'"),
    "heatmap(x)": (lambda r: r.heatmap(3), "expected a parameter of the sweep; got 3"),
    "heatmap(log)": (lambda r: r.heatmap(log="a"), "log: expected True, False or None; got 'a'"),
    "heatmap(path)": (
        lambda r: r.heatmap(path=3),
        "path: expected a path; got 3; write for example 'heatmap.png'",
    ),
    "save": (lambda r: r.save(None), "path: expected a path; got None; write for example 'table.parquet'"),
    "load": (lambda r: pf.SweepResult.load(3), "path: expected a path; got 3; write for example 'my_sweep'"),
    "to_duckdb": (
        lambda r: r.to_duckdb(3),
        "path: expected a path; got 3; write for example 'results.duckdb'",
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_calls_of_a_sweeps_result(swept, name):
    call, message = RESULTS[name]
    if name.startswith("heatmap"):
        pytest.importorskip("matplotlib")
    with pytest.raises(ConfigError, match=re.escape(message)):
        call(swept)


@pytest.mark.parametrize("path", [None, 3, "", b"x"])
def test_places_of_results(path):
    result = pf.BacktestEngine().run(BARS, "momentum")
    for call in (result.save, pf.BacktestResult.load):
        with pytest.raises(
            ConfigError, match=r"folder: expected a path; got .*; write for example 'my_result'"
        ):
            call(path)


@pytest.mark.parametrize("function", [pf.synthetic, pf.sample, pf.load, pf.Grid.random, pf.Costs.from_bps])
@pytest.mark.parametrize("stranger", STRANGERS, ids=[type(item).__name__ for item in STRANGERS])
def test_strangers_in_every_place(function, stranger):
    """Whatever is put in the place of whichever argument without a truth value of its own: no bare TypeError."""
    usual = {"n": 9, "symbol": "AAPL", "path": "nowhere.csv", "space": {"a": (1, 9)}}
    given = {name: usual[name] for name in inspect.signature(function).parameters if name in usual}
    for name in (name for name in given if name not in ("adjust", "constraint")):
        with pytest.raises(PeakFastError):
            function(**given | {name: stranger})


def test_a_bare_boolean_parameter_is_a_condition():
    flags = pf.Grid.full({"on": [True, False], "n": [1, 2]}, "on and n > 1")
    assert flags[0] == {"on": True, "n": 2} and len(flags) == 1
    assert Constraint("not on").flags == ("on",)
    with pytest.raises(StrategyError, match="the number 'n' alone"):
        pf.Grid.full({"on": [True, False], "n": [1, 2]}, "on and n")


def test_a_type_error_inside_a_signal_function_stays_what_it_is():
    def broken(df, params):
        return len(3)

    with pytest.raises(TypeError, match="has no len"):
        pf.BacktestEngine().run(BARS, broken)


def test_long_values_are_cut_in_messages():
    with pytest.raises(ConfigError) as caught:
        pf.load(pl.DataFrame({"a": range(1000)}))
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)
