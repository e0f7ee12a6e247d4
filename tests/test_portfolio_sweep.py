"""Sweeps and studies of portfolios: rules' parameters and settings, row by row the bits of single runs."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    ConfigError,
    Costs,
    Param,
    PortfolioRules,
    Rank,
    Rebalance,
    StoreError,
    StrategyError,
    Study,
    Sweep,
    strategy,
    synthetic,
)
from peak_fast.portfolio import Momentum, Slots, Volatility, WeightFunction
from peak_fast.sweep import evaluate

PANEL = synthetic(400, assets=12, seed=3, missing=0.02)
COSTS = Costs.from_bps(10, slippage_bps=5)
METRICS = ["final_equity", "sharpe", "max_drawdown", "total_trades", "ulcer_index"]
RULE = Rank(Momentum("lookback", 2), top="top", weighting=1.0 / Volatility("lookback"), rebalance="month_end")


def monthly(frame, params):
    """Equal weights of the first assets, on the first bar of each month."""
    first = frame.filter(pl.col("timestamp").dt.day() <= 7, pl.col("symbol") < f"A{params['count']:02d}")
    return first.select("timestamp", "symbol", weight=0.9 / pl.len().over("timestamp"))


FUNCTION = WeightFunction(monthly, schema=(Param("count", "int", 3, low=1, high=12),))
FRAME = pl.DataFrame({"timestamp": PANEL.timestamp[[20, 200]], "A00": [0.5, 0.2], "A01": [0.3, 0.0]})
LONG = FRAME.unpivot(index="timestamp", variable_name="symbol", value_name="weight")
CALENDAR = Rank(Momentum(20), top=3, rebalance=Rebalance("every", buffer="stay"))


@strategy(
    schema=(Param("every", "int", 5, low=1, high=50), Param("share", "float", 0.05, low=0.0, high=0.08)),
    memory=1,
)
def dips(i, bars, params, memory, account, want):
    """Equal shares of what fell since the last time, more of them while the account is below its start."""
    memory[0] += 1.0
    if memory[0] >= params[0] and i >= 5:
        memory[0] = 0.0
        for asset in range(want.size):
            fell = bars[3, asset, i] < bars[3, asset, i - 5]
            want[asset] = params[1] if fell or account[1] < 100_000.0 else 0.0


KINDS = {
    "rule": (RULE, {"lookback": [5, 20, 60], "top": [1, 3, 12]}),
    "rule and settings": (RULE, {"lookback": [20, 60], "top": [3], "fee_bps": [0.0, 25.0], "band": [0.0, 0.02]}),
    "calendar": (CALENDAR, {"every": ["week", "month_end"], "stay": [0, 2]}),
    "slots": (Slots("ma_crossover", slots=4), {"fast": [5, 10], "slow": [20, 40]}),
    "block": (dips, {"every": [1, 2, 3, 5, 8], "share": [0.03, 0.05, 0.08], "fee_bps": [0.0, 20.0]}),
    "function": (FUNCTION, {"count": [2, 5], "slippage_bps": [0.0, 10.0]}),
    "wide frame": (FRAME, {"fee_bps": [0.0, 10.0], "cash_buffer": [0.0, 0.1]}),
    "long frame": (LONG, {"fill_at": ["close", "next_open"]}),
    "array": (np.where(np.arange(400)[:, None] < 200, 1 / 12, 0.05) * np.ones((1, 12)), {"initial_cash": [1e4, 1e6]}),
    "pair": (([10, 300], np.full((2, 12), 0.05)), {"min_trade": [0.0, 1000.0]}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_has_the_bits_of_a_single_run(kind):
    what, grid = KINDS[kind]
    sweep = Sweep(what, grid, PANEL, costs=COSTS, metrics=METRICS)
    result = sweep.run(threads=2, progress=False)
    frame = result.frame
    assert len(frame) == np.prod([len(values) for values in grid.values()])
    assert frame["final_equity"].n_unique() == len(frame)
    for row in frame.iter_rows(named=True):
        single = sweep.rerun({name: row[name] for name in grid})
        assert [single.stats[name] for name in METRICS] == [row[name] for name in METRICS]
    assert frame.equals(sweep.run(threads=1, progress=False).frame)
    best = result.best() if hasattr(result, "best") else None
    assert best is None or best.stats["final_equity"] in frame["final_equity"].to_list()


def test_rows_are_those_of_the_engine():
    frame = (
        Sweep(RULE, {"lookback": [20], "top": [3, 5], "fee_bps": [3.0]}, PANEL, metrics=METRICS)
        .run(progress=False)
        .frame
    )
    engine = BacktestEngine(costs=Costs.from_bps(3))
    for row in frame.iter_rows(named=True):
        single = engine.run(PANEL, RULE, {"lookback": 20, "top": row["top"]})
        assert [single.stats[name] for name in METRICS] == [row[name] for name in METRICS]
    rules = (
        Sweep(RULE, {"top": [3]}, PANEL, portfolio=PortfolioRules.rule("C"), metrics=METRICS)
        .run(progress=False)
        .frame
    )
    same = BacktestEngine(portfolio=PortfolioRules.rule("C")).run(PANEL, RULE, {"top": 3})
    assert rules["final_equity"][0] == same.stats["final_equity"] != frame["final_equity"][0]


def test_costs_of_a_row_are_those_of_the_engine():
    costs = {"fee_rate": 0.002, "slippage_bps": 30.0, "slippage_abs": 0.5, "fee_fixed": 3.0}
    row = Sweep(FRAME, {name: [value] for name, value in costs.items()}, PANEL).run(progress=False).frame
    single = BacktestEngine(costs=Costs(rate=0.002, slippage_bps=30.0, slippage_abs=0.5, fixed=3.0))
    assert row["total_return"][0] == single.run(PANEL, FRAME).stats["total_return"]


def test_the_order_of_the_grid_does_not_matter():
    one = (
        Sweep(RULE, {"lookback": [5, 20, 60], "top": [1, 3]}, PANEL, metrics=METRICS)
        .run(progress=False)
        .frame
    )
    two = (
        Sweep(RULE, {"top": [3, 1], "lookback": [60, 5, 20]}, PANEL, metrics=METRICS)
        .run(progress=False)
        .frame
    )
    names = ["lookback", "top", *METRICS]
    assert one.select(names).sort(names).equals(two.select(names).sort(names))


def test_a_store_goes_on_where_it_stopped(tmp_path):
    sweep = Sweep(RULE, {"lookback": [5, 20, 60], "top": [1, 3]}, PANEL, metrics=METRICS)
    whole = sweep.run(progress=False).frame
    first = sweep.run(store=tmp_path / "store", progress=False)
    again = Sweep(RULE, {"lookback": [5, 20, 60], "top": [1, 3]}, PANEL, metrics=METRICS).run(
        store=tmp_path / "store", progress=False
    )
    assert first.frame.equals(whole) and again.frame.equals(whole)
    other = Rank(Momentum("lookback", 3), top="top")
    with pytest.raises(StoreError, match="strategy"):
        Sweep(other, {"lookback": [5, 20, 60], "top": [1, 3]}, PANEL, metrics=METRICS).run(
            store=tmp_path / "store", progress=False
        )
    members = PANEL.with_universe(pl.DataFrame({"symbol": ["A00", "A01"], "from": ["2000-01-01"] * 2}))
    with pytest.raises(StoreError, match="data"):
        Sweep(RULE, {"lookback": [5, 20, 60], "top": [1, 3]}, members, metrics=METRICS).run(
            store=tmp_path / "store", progress=False
        )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_store(kind, tmp_path):
    what, grid = KINDS[kind]
    first = Sweep(what, grid, PANEL, metrics=METRICS).run(store=tmp_path / "store", progress=False)
    again = Sweep(what, grid, PANEL, metrics=METRICS).run(store=tmp_path / "store", progress=False)
    assert again.frame.equals(first.frame)


class Recorder:
    """Keeps the tables and values that a tracker is told."""

    def __init__(self):
        self.tables, self.metrics, self.runs, self.run_id = {}, {}, [], None

    def get_run_id(self):
        return self.run_id

    def start_run(self, name=None, **options):
        self.run_id = "run"

    def end_run(self, *args, **options):
        self.run_id = None

    def log_table(self, table, place):
        self.tables[place] = table

    def log_metrics(self, metrics, step=None):
        self.metrics.update(metrics)

    def log_runs(self, rows, **options):
        self.runs = rows

    def __getattr__(self, name):
        return lambda *args, **options: None


@pytest.mark.parametrize("kind", ["rule", "slots", "function", "wide frame"])
def test_a_tracker_gets_the_table_and_the_curves_of_the_best(kind):
    what, grid = KINDS[kind]
    tracker = Recorder()
    sweep = Sweep(what, grid, PANEL, metrics=METRICS)
    result = sweep.run(progress=False, tracker=tracker, keep_curves="best:2")
    assert tracker.tables["sweep/table.parquet"].equals(result.frame)
    assert tracker.tables["sweep/curves.parquet"].height == 2 * len(PANEL)
    assert tracker.metrics["best_sharpe"] == result.top(1)["sharpe"][0]
    assert len(tracker.runs) == len(result.frame)


def test_several_panels():
    panels = {"early": PANEL.slice(0, 200), "late": PANEL.slice(200)}
    sweep = Sweep(RULE, {"lookback": [10], "top": [2, 4]}, panels, metrics=METRICS)
    frame = sweep.run(progress=False).frame
    assert frame["data"].to_list() == ["early", "early", "late", "late"]
    row = frame.row(3, named=True)
    single = BacktestEngine().run(panels["late"], RULE, {"lookback": 10, "top": 4})
    assert single.stats["final_equity"] == row["final_equity"]


def test_curves_of_the_best():
    result = Sweep(RULE, {"lookback": [5, 20], "top": [1, 3]}, PANEL, metrics=METRICS).run(progress=False)
    curves = result.curves(2)
    assert len(curves) == 800 and curves["config"].n_unique() == 2


def test_evaluate_takes_columns():
    found = evaluate(RULE, PANEL, {"lookback": [5, 20], "top": [3, 3]}, metrics=["sharpe"], costs=COSTS)
    frame = (
        Sweep(RULE, {"lookback": [5, 20], "top": [3]}, PANEL, costs=COSTS, metrics=["sharpe"])
        .run(progress=False)
        .frame
    )
    assert found["sharpe"].tolist() == frame["sharpe"].to_list()


@pytest.mark.parametrize(
    ("error", "said", "make"),
    [
        (StrategyError, "a rule such as Rank", lambda: Sweep("ema_crossover", {"fast": [5]}, PANEL)),
        (ConfigError, "did you mean 'top'", lambda: Sweep(RULE, {"topp": [5]}, PANEL)),
        (ConfigError, "even number", lambda: Sweep(RULE, {"top": [5]}, PANEL, blocks=3)),
        (ConfigError, "got both", lambda: Sweep(RULE, {"top": [5]}, {"a": PANEL, "b": synthetic(100)})),
        (ConfigError, "fee_bps", lambda: Sweep(RULE, {"fee_bps": [-5.0]}, PANEL).run(progress=False)),
    ],
)
def test_what_cannot_be_is_refused(error, said, make):
    with pytest.raises(error, match=said):
        make()


def test_an_error_names_the_configuration():
    def broken(frame, params):
        return frame.select("timestamp", "symbol", weight=pl.lit(params["size"]))

    rule = WeightFunction(broken, schema=(Param("size", "float", 0.01, low=0.0, high=5.0),))
    with pytest.raises(Exception, match=r"in the configuration size=4\.0"):
        Sweep(rule, {"size": [0.01, 4.0]}, PANEL).run(progress=False)


# Studies


def test_a_study_finds_what_a_sweep_finds():
    pytest.importorskip("optuna")
    grid = {"lookback": [5, 20, 60], "top": [1, 3, 6]}
    frame = Sweep(RULE, grid, PANEL, costs=COSTS, metrics=METRICS).run(progress=False).frame
    study = Study(RULE, PANEL, space=grid, objectives="sharpe:max", sampler="grid", costs=COSTS, seed=1)
    result = study.run()
    assert result.best_value == frame["sharpe"].max() and len(result.frame) == 9
    assert study.best_result().stats["sharpe"] == result.best_value


STUDIES = {
    "rule": (RULE, {"lookback": (5, 60), "top": (1, 6)}),
    "rule and settings": (RULE, {"top": (1, 6), "fee_bps": (0.0, 20.0), "short_cash": ["scale", "cut_last"]}),
    "function": (FUNCTION, {"count": (1, 12)}),
    "slots": (Slots("ma_crossover", slots=4), {"fast": (5, 15), "slow": (20, 60)}),
    "frame": (FRAME, {"band": (0.0, 0.1)}),
}


@pytest.mark.parametrize("what", [FRAME, monthly], ids=["frame", "function"])
def test_the_best_result_has_the_settings_of_the_trial(what):
    pytest.importorskip("optuna")
    rule = WeightFunction(lambda frame, params: monthly(frame, {"count": 4})) if callable(what) else what
    study = Study(
        rule,
        PANEL,
        space={"fee_bps": [3.0, 40.0]},
        objectives="total_return:max",
        sampler="grid",
        costs=COSTS,
    )
    assert study.run().best_params == {"fee_bps": 3.0}
    best = study.best_result()
    assert best.stats["total_return"] == study.result.best_value
    assert best.metadata["settings"]["costs"]["rate"] == 3e-4


@pytest.mark.parametrize("what", [object(), 3.0, [1.0, 2.0], (1, 2, 3)])
def test_what_is_no_weights_is_refused_at_once(what):
    for make in (
        lambda: Sweep(what, {"fee_bps": [1.0]}, PANEL),
        lambda: Study(what, PANEL, space={"fee_bps": (0, 9)}),
    ):
        with pytest.raises(StrategyError, match="what to hold: expected a frame of weights"):
            make()


@pytest.mark.parametrize("what", ["weights.csv", Path("folder/weights.parquet")])
def test_a_file_of_weights_is_to_be_read_first(what):
    with pytest.raises(StrategyError, match=r"read the file first, .*weights\.") as raised:
        BacktestEngine().run(PANEL, what)
    assert "Slots" not in str(raised.value)


@pytest.mark.parametrize("kind", STUDIES)
def test_studies_of_each_kind(kind, tmp_path):
    pytest.importorskip("optuna")
    what, space = STUDIES[kind]
    storage = f"journal://{tmp_path}/study.log"
    options = {
        "objectives": "total_return:max",
        "costs": COSTS,
        "seed": 2,
        "storage": storage,
        "study_name": "s",
    }
    tracker = Recorder()
    study = Study(what, PANEL, space=space, tracker=tracker, **options)
    result = study.run(6)
    assert study.best_result().stats["total_return"] == result.best_value
    assert tracker.metrics["best_total_return"] == result.best_value
    again = Study(what, PANEL, space=space, **options).run(8)
    assert len(again.frame) == 8 and again.best_value >= result.best_value


def test_a_study_over_stretches_and_panels():
    pytest.importorskip("optuna")
    panels = {"one": PANEL, "two": synthetic(400, assets=5, seed=9)}
    study = Study(RULE, panels, space={"lookback": [5, 20], "top": [2]}, segments=2, sampler="grid")
    assert len(study.run().frame) == 2
    assert study.best_result("two").panel is panels["two"]
