"""Each kind of what a portfolio may hold, through each door: every door gives the numbers of the engine's run."""

import io
import itertools

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Costs,
    MLflowTracker,
    Param,
    PortfolioResult,
    Rank,
    Study,
    Sweep,
    strategy,
    synthetic,
)
from peak_fast.portfolio import Momentum, Slots, WeightFunction
from tests.tracking_stores import Reader

PANEL = synthetic(300, assets=6, seed=11)
COSTS = Costs.from_bps(10)
FILE = """
import polars as pl
from peak_fast import Param, Rank
from peak_fast.portfolio import Momentum, Slots, WeightFunction

rank = Rank(Momentum("lookback"), top="top", rebalance="month_end")
slots = Slots("ma_crossover", slots=3)


def monthly(frame, params):
    first = frame.filter(pl.col("timestamp").dt.day() <= 7, pl.col("symbol") < f"A{params['count']}")
    return first.select("timestamp", "symbol", weight=0.9 / pl.len().over("timestamp"))


function = WeightFunction(monthly, schema=(Param("count", "int", 3, low=1, high=6),))

"""
BLOCK = """
from peak_fast import strategy


@strategy
def block(i, bars, params, state, account, want):
    for asset in range(want.size):
        want[asset] = 0.9 / want.size
"""


def monthly(frame, params):
    """Equal weights of the first assets, on the first days of each month."""
    first = frame.filter(pl.col("timestamp").dt.day() <= 7, pl.col("symbol") < f"A{params['count']}")
    return first.select("timestamp", "symbol", weight=0.9 / pl.len().over("timestamp"))


def of_weights():
    return pl.DataFrame({"timestamp": PANEL.timestamp[[20, 150]], "A0": [0.5, 0.2], "A5": [0.3, 0.0]})


def of_rank():
    return Rank(Momentum("lookback"), top="top", rebalance="month_end")


def of_function():
    return WeightFunction(monthly, schema=(Param("count", "int", 3, low=1, high=6),))


def of_block():
    @strategy
    def block(i, bars, params, state, account, want):
        for asset in range(want.size):
            want[asset] = 0.9 / want.size

    return block


def of_slots():
    return Slots("ma_crossover", slots=3)


def of_orders():
    return pl.DataFrame(
        {
            "bar": [10, 10, 200],
            "symbol": ["A0", "A5", "A0"],
            "type": ["market"] * 3,
            "size": [10.0, 5.0, -10.0],
        }
    )


# What makes it, a grid for sweeps and studies, and how the command line names it.
KINDS = {
    "weights": (of_weights, {"fee_bps": [0.0, 20.0]}, "weights.csv"),
    "rank": (of_rank, {"lookback": [10, 40], "top": [1, 3]}, "rules.py:rank"),
    "function": (of_function, {"count": [2, 5]}, "rules.py:function"),
    "block": (of_block, {"fee_bps": [0.0, 20.0]}, "block.py"),
    "slots": (of_slots, {"fast": [5, 10], "slow": [20, 40], "allow_short": [False, True]}, "rules.py:slots"),
    "orders": (of_orders, {"fee_bps": [0.0, 20.0]}, "orders.csv"),
}
DOORS = ("run", "sweep", "study", "cli", "tracker", "saved")


def doors():
    return [pytest.param(kind, door, id=f"{kind}-{door}") for kind, door in itertools.product(KINDS, DOORS)]


def engine_of(row=None, tracker=None):
    costs = Costs.from_bps(row["fee_bps"]) if row and "fee_bps" in row else COSTS
    return BacktestEngine(costs=costs, tracker=tracker)


def rows_of(grid):
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def run_of(kind, row):
    """The engine's run of one row of a grid."""
    params = {name: value for name, value in row.items() if name != "fee_bps"}
    return engine_of(row).run(PANEL, KINDS[kind][0](), params)


def default_run(kind, tracker=None):
    return engine_of(tracker=tracker).run(PANEL, KINDS[kind][0]())


def through_run(kind, **_):
    """The run: something is bought and sold, nothing is lost between assets, and it runs again to the same bits."""
    result = default_run(kind)
    assert isinstance(result, PortfolioResult)
    assert result.fills.height > 0 and set(result.fills["symbol"]) <= set(PANEL.symbols)
    gained = result.equity[-1] - result.stats["initial_cash"]
    assert result.contributions["contribution"].sum() == pytest.approx(gained, rel=1e-9)
    assert result.stats["total_fees"] == pytest.approx(result.fills["fee"].sum(), rel=1e-12)
    assert default_run(kind).hash == result.hash


def through_sweep(kind, **_):
    what, grid, _ = KINDS[kind]
    metrics = ["final_equity", "sharpe", "total_trades"]
    frame = Sweep(what(), grid, PANEL, costs=COSTS, metrics=metrics).run(progress=False).frame
    assert len(frame) == len(rows_of(grid))
    for row in frame.iter_rows(named=True):
        single = run_of(kind, {name: row[name] for name in grid})
        assert [single.stats[name] for name in metrics] == [row[name] for name in metrics]
    assert frame["final_equity"].n_unique() > 1


def through_study(kind, **_):
    pytest.importorskip("optuna")
    what, grid, _ = KINDS[kind]
    study = Study(
        what(), PANEL, space=grid, objectives="total_return:max", sampler="grid", costs=COSTS, seed=1
    )
    found = study.run()
    each = [run_of(kind, row).stats["total_return"] for row in rows_of(grid)]
    assert found.best_value == max(each) and len(found.frame) == len(each)
    assert study.best_result().stats["total_return"] == max(each)


def through_cli(kind, tmp_path, command, **_):
    PANEL.to_polars().write_parquet(tmp_path / "long.parquet")
    (tmp_path / "rules.py").write_text(FILE)
    (tmp_path / "block.py").write_text(BLOCK)
    of_weights().write_csv(tmp_path / "weights.csv")
    of_orders().write_csv(tmp_path / "orders.csv")
    arguments = ("--data", "long.parquet", "--panel", "--strategy", KINDS[kind][2], "--fee-bps", "10")
    code, out, err = command("run", *arguments, "--out", "mine")
    assert (code, err) == (0, "")
    result = default_run(kind)
    assert f"{result.stats['total_return']:.2%}" in out
    assert PortfolioResult.load(tmp_path / "mine").hash == result.hash


def through_tracker(kind, tmp_path, mlflow_module, **_):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with MLflowTracker(uri, kind) as tracker, tracker.start_run(kind):
        result = default_run(kind, tracker)
    reader = Reader(mlflow_module, uri)
    run = reader.run(kind)
    assert run.status == "FINISHED" and run.params["strategy.name"] == result.strategy_name
    for name in ("final_equity", "total_fees", "turnover", "rebalances"):
        assert run.metrics[name] == result.stats[name]
    assert reader.artifacts(run.run_id) == [
        "plots/equity_curve.png", "plots/weights.png", "reports/backtest_report.txt", "reports/trades_summary.json",
        "reports/weights.parquet",
    ]  # fmt: skip
    held = pl.read_parquet(io.BytesIO(reader.read(run.run_id, "reports/weights.parquet", tmp_path)))
    for symbol in PANEL.symbols:
        stored = dict(held.filter(pl.col("symbol") == symbol).select("bar", "weight").iter_rows())
        wide = result.weights.filter(pl.col(symbol) != 0.0).select("bar", symbol)
        assert stored == dict(wide.iter_rows())


def through_saved(kind, tmp_path, **_):
    result = default_run(kind)
    loaded = PortfolioResult.load(result.save(tmp_path / "mine"))
    assert (loaded.hash, loaded.panel.hash) == (result.hash, PANEL.hash)
    assert np.array_equal(loaded.equity, result.equity)
    assert loaded.summary() == result.summary()
    for name in ("weights", "positions", "orders", "trades", "contributions", "rebalances"):
        assert getattr(loaded, name).equals(getattr(result, name)), name


THROUGH = {
    "run": through_run,
    "sweep": through_sweep,
    "study": through_study,
    "cli": through_cli,
    "tracker": through_tracker,
    "saved": through_saved,
}


@pytest.mark.parametrize(("kind", "door"), doors())
def test_what_is_held_goes_through_every_door(kind, door, tmp_path, command, spool_dir, mlflow_module):
    THROUGH[door](kind, tmp_path=tmp_path, command=command, mlflow_module=mlflow_module)
