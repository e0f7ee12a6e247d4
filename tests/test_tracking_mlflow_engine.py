"""Backtests that the engine logs into real MLflow stores."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast.data import synthetic
from peak_fast.engine.engine import BacktestEngine
from peak_fast.orders.block import BUY, CLOSE, FRACTION, POSITION
from peak_fast.settings.order_rules import OrderRules
from peak_fast.strategies.blocks import OrderBlock
from peak_fast.tracking import (
    MLflowTracker,
    NoopTracker,
    TrackingWarning,
    log_backtest,
    log_backtest_metadata,
)
from peak_kernels.orders.place import place_limit
from tests.tracking_fakes import fake_result
from tests.tracking_mlflow import PNG


def test_the_engine_logs_into_the_open_run(tracker, read, uri, reader_of):
    bars = synthetic(600, seed=2)
    engine = BacktestEngine(tracker=tracker)
    with tracker.start_run():
        result = engine.run(bars, "ma_crossover", {"fast": 10, "slow": 40})
    (run,) = read(tracker)
    assert run.status == "FINISHED"
    assert run.name.startswith("ma_crossover-")
    finite = {
        name: float(value)
        for name, value in result.stats.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }
    given = {name: finite.pop(name) for name in ("bars", "initial_cash", "periods_per_year")}
    assert run.metrics == pytest.approx(finite)
    assert float(run.params["data.bars"]) == given["bars"]
    assert float(run.params["settings.initial_cash"]) == given["initial_cash"]
    assert float(run.params["periods_per_year"]) == given["periods_per_year"]
    assert run.params["strategy.params.fast"] == "10"
    assert run.params["settings.initial_cash"] == "100000.0"
    assert run.params["data.hash"] == bars.hash
    assert run.tags["fill_rule"] == result.metadata["fill_rule"]
    assert [(d.name, d.digest) for d in run.datasets] == [(bars.name, bars.hash)]
    assert json.loads(run.datasets[0].profile)["num_rows"] == 600
    root = Path(run.artifact_uri)
    assert (root / "plots/equity_curve.png").read_bytes().startswith(PNG)
    summary = json.loads((root / "reports/trades_summary.json").read_text())
    assert summary["counts"]["total"] == len(result.trades)
    assert summary["totals"]["net_pnl"] == pytest.approx(result.trades["net_pnl"].sum())
    assert set(summary["by_exit_reason"]) == set(result.trades["exit_reason"].unique())
    assert "ma_crossover" in (root / "reports/backtest_report.txt").read_text()


def dips(i, bars, params, memory, account, orders):
    """Bid below every other close, with a target."""
    if i % 2 == 0 and account[POSITION] == 0.0:
        place_limit(orders, BUY, 100.0, bars[CLOSE, i] * 0.99, tag=3, take_profit=0.03, exit_unit=FRACTION)


def test_a_block_that_places_orders_is_logged(tracker, read):
    engine = BacktestEngine(tracker=tracker, order_book=OrderRules(fee_rate=0.001))
    with tracker.start_run():
        result = engine.run(synthetic(600, seed=2), OrderBlock(dips, name="dips"))
    (run,) = read(tracker)
    assert result.stats["closed_trades"] > 5
    assert run.metrics["final_equity"] == pytest.approx(result.equity[-1])
    assert run.metrics["total_orders"] == result.orders.height
    assert run.params["settings.targets"] == "orders" and run.params["strategy.name"] == "dips"
    assert run.params["settings.order_book.rules.fee_rate"] == "0.001"
    root = Path(run.artifact_uri)
    assert (root / "plots/equity_curve.png").read_bytes().startswith(PNG)
    summary = json.loads((root / "reports/trades_summary.json").read_text())
    assert summary["totals"]["net_pnl"] == pytest.approx(result.trades["net_pnl"].sum())
    closed = result.trades.filter(pl.col("exit_reason") != "open")  # the summary is of closed trades
    assert set(summary["by_exit_reason"]) == set(closed["exit_reason"].unique())


def test_the_engine_starts_no_run(tracker, read):
    engine = BacktestEngine(tracker=tracker)
    engine.run(synthetic(200), "ma_crossover", {"fast": 5, "slow": 20})
    engine.run_vectorized(synthetic(200), long_every_other_month)
    assert read(tracker) == []


def long_every_other_month(frame, params):
    return np.where(np.arange(len(frame)) % 40 < 20, 1, 0)


def test_every_way_to_run_is_logged(tracker, read):
    engine = BacktestEngine(tracker=tracker)
    frame = synthetic(200).to_polars()
    for name, run in (
        ("pipeline", lambda: engine.run(frame, long_every_other_month)),
        ("realistic", lambda: engine.run_realistic(frame, long_every_other_month, {}, fee_bps=5.0)),
        ("vectorized", lambda: engine.run_vectorized(frame, long_every_other_month)),
    ):
        with tracker.start_run(name):
            run()
    runs = {run.name: run for run in read(tracker)}
    assert set(runs) == {"pipeline", "realistic", "vectorized"}
    for run in runs.values():
        assert run.params["strategy.name"] == "long_every_other_month"
        assert run.params["data.bars"] == "200" and "bars" not in run.metrics
        assert len(list(Path(run.artifact_uri).rglob("*.*"))) == 3


@pytest.mark.parametrize(
    ("artifacts", "expected"),
    [
        ("full", ["plots/equity_curve.png", "reports/backtest_report.txt", "reports/trades_summary.json"]),
        ("light", ["reports/backtest_report.txt", "reports/trades_summary.json"]),
        ("none", []),
    ],
)
def test_kinds_of_artifacts(uri, experiment, artifacts, expected, read, reader_of, engine_result):
    tracker = MLflowTracker(uri, experiment, artifacts=artifacts)
    with tracker.start_run() as run_id:
        log_backtest(tracker, engine_result)
    assert read(tracker)[0].metrics["sharpe"] == pytest.approx(engine_result.stats["sharpe"])
    assert reader_of(uri).artifacts(str(run_id)) == expected
    tracker.close()


def test_several_backtests_in_one_run(tracker, read, uri, reader_of):
    bars = synthetic(300)
    engine = BacktestEngine(tracker=tracker)
    with tracker.start_run("several") as run_id:
        first = engine.run(bars, "ma_crossover", {"fast": 5, "slow": 20})
        second = engine.run(bars, "ma_crossover", {"fast": 8, "slow": 30})
    (run,) = read(tracker)
    assert run.name == "several"
    assert run.params["strategy.params.fast"] == "5"
    history = reader_of(uri).history(str(run_id), "final_equity")
    assert history == [(0, first.stats["final_equity"]), (1, second.stats["final_equity"])]
    files = reader_of(uri).artifacts(str(run_id))
    assert "plots/equity_curve.png" in files
    assert "backtest_2/plots/equity_curve.png" in files


def test_metadata_alone(tracker, read, uri, reader_of, engine_result):
    with tracker.start_run() as run_id:
        log_backtest_metadata(tracker, engine_result)
    (run,) = read(tracker)
    assert run.params["strategy.params.slow"] == "40"
    assert run.metrics["total_trades"] == engine_result.stats["total_trades"]
    assert reader_of(uri).artifacts(str(run_id)) == []


def test_the_bundle_when_asked(tracker, read, uri, reader_of, engine_result):
    with tracker.start_run() as run_id:
        log_backtest(tracker, engine_result, bundle=True)
    read(tracker)
    files = reader_of(uri).artifacts(str(run_id))
    assert "bundle/result.json" in files
    assert "bundle/trades.parquet" in files


def test_results_in_bulk(tracker, read):
    bars = synthetic(300)
    engine = BacktestEngine()
    results = [engine.run(bars, "ma_crossover", {"fast": n, "slow": 50}) for n in range(5, 15)]
    with tracker.start_run("parent") as parent:
        ids = tracker.log_results(results, run_names=[f"fast {n}" for n in range(5, 15)])
    runs = {run.run_id: run for run in read(tracker)}
    assert len(runs) == 11
    for run_id, result in zip(ids, results, strict=True):
        assert runs[run_id].metrics["final_equity"] == result.stats["final_equity"]
        assert runs[run_id].name == f"fast {result.params['fast']}"
        assert runs[run_id].tags["mlflow.parentRunId"] == str(parent)
        assert runs[run_id].status == "FINISHED"


def test_runs_in_bulk(tracker, read):
    frame = pl.DataFrame(
        {
            "fast": range(700),
            "metrics.sharpe": np.linspace(-1.0, 2.0, 700),
            "tags.kind": ["child"] * 700,
            "run_name": [f"config {i}" for i in range(700)],
        }
    )
    parent = str(tracker.start_run("sweep"))
    tracker.end_run()
    ids = tracker.log_runs(frame, parent_run_id=parent, params=["fast"], common_tags={"sweep": "yes"})
    runs = {run.run_id: run for run in read(tracker)}
    assert set(runs) == {parent, *ids}
    for i, run_id in enumerate(ids):
        run = runs[run_id]
        assert (run.name, run.params, run.status) == (f"config {i}", {"fast": str(i)}, "FINISHED")
        assert run.metrics == {"sharpe": pytest.approx(np.linspace(-1.0, 2.0, 700)[i])}
        assert run.tags["mlflow.parentRunId"] == parent
        assert run.tags["sweep"] == "yes"
        assert run.tags["kind"] == "child"


def test_a_failing_result_is_one_warning(tracker, read):
    from peak_fast.tracking import backtest

    class Broken:
        bars = None

        @property
        def equity(self):
            raise ValueError("broken on purpose")

    backtest._warned.clear()
    with tracker.start_run("goes on"):
        with pytest.warns(TrackingWarning, match="broken on purpose"):
            log_backtest(tracker, Broken())
        log_backtest(tracker, Broken())
        tracker.log_metrics({"after": 1.0})
    assert read(tracker)[0].metrics == {"after": 1.0}


def test_a_tracker_that_raises_never_stops_a_backtest():
    from peak_fast.tracking import backtest

    class Raises:
        def get_run_id(self):
            raise RuntimeError("no store today")

    backtest._warned.clear()
    engine = BacktestEngine(tracker=Raises())
    with pytest.warns(TrackingWarning, match="no store today"):
        result = engine.run(synthetic(100), "ma_crossover", {"fast": 5, "slow": 20})
    assert result.stats["bars"] == 100


def test_any_tracker_of_the_protocol_gets_everything(tmp_path):
    class Recording(NoopTracker):
        """Has only the protocol's methods; remembers their calls."""

        log_result = log_result_values = None
        __slots__ = ("calls",)

        def __init__(self):
            self.calls = {}

        def get_run_id(self):
            return "run"

        def log_params(self, params):
            self.calls["params"] = params

        def log_metrics(self, metrics, step=None):
            self.calls["metrics"] = metrics

        def set_tags(self, tags):
            self.calls["tags"] = tags

        def log_figure(self, figure, artifact_file, artifact_path=None):
            self.calls[f"{artifact_path}/{artifact_file}"] = figure

        def log_text(self, text, artifact_file):
            self.calls[artifact_file] = text

        def log_artifact(self, path, artifact_path=None):
            self.calls["bundle"] = sorted(file.name for file in Path(path).iterdir())

    tracker, result = Recording(), fake_result(200)
    log_backtest(tracker, result, bundle=True)
    assert tracker.calls["params"]["strategy.params.fast"] == "10"
    assert tracker.calls["metrics"]["sharpe"] == 1.1
    assert tracker.calls["tags"]["metric.profit_factor"] == "inf"
    assert tracker.calls["plots/equity_curve.png"].startswith(PNG)
    assert json.loads(tracker.calls["reports/trades_summary.json"])["counts"]["total"] == 20
    assert tracker.calls["bundle"] == ["trades.parquet"]
