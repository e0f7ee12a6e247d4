"""MLflowTracker against real stores: what is in them, not only that nothing was raised."""

import json
import logging
import math
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast._strategy import OrderBlock
from peak_fast.data import synthetic
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError, MissingDependencyError, TrackingError
from peak_fast.order_block import BUY, CLOSE, FRACTION, POSITION, place_limit
from peak_fast.orders import OrderRules
from peak_fast.tracking import (
    MLflowTracker,
    NoopTracker,
    TrackingWarning,
    build_tracker_from_config,
    filestore,
    log_backtest,
    log_backtest_metadata,
    proven,
    selftest,
)
from peak_fast.tracking.bulk import BulkStore
from peak_fast.tracking.client import ClientStore, RunIds
from peak_fast.tracking.database import SqliteDatabase, connect
from peak_fast.tracking.stores import Store
from peak_fast.tracking.sync import sync
from tests.tracking_fakes import fake_result
from tests.tracking_stores import segments_of, spool_files, use_spool

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory, tested_bulk):
    """One spool and one database for most tests; they tell themselves apart by their experiment."""
    folder = tmp_path_factory.mktemp("integration")
    with pytest.MonkeyPatch.context() as patch:
        use_spool(patch, folder / "spool", tested_bulk)
        patch.chdir(folder)
        keeper = MLflowTracker(f"sqlite:///{folder}/mlflow.db", "keeper")
        keeper.start_run()
        yield folder
        keeper.close()


@pytest.fixture
def uri(module_folder):
    return f"sqlite:///{module_folder}/mlflow.db"


@pytest.fixture(params=["background", "sync"])
def tracker(request, uri, experiment):
    made = MLflowTracker(uri, experiment, mode=request.param)
    yield made
    made.close()


@pytest.fixture
def read(uri, reader_of):
    """``read(tracker)``: flush, then the runs of its experiment."""

    def runs(tracker):
        tracker.flush()
        return reader_of(uri).runs(tracker.experiment_name)

    return runs


def run_script(code, folder, **environment):
    """Run Python code in a process of its own; its standard output."""
    outcome = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return outcome


# --- what is in the store --------------------------------------------------------------------------------------


def test_self_test_accepts_this_mlflow(module_folder):
    assert selftest.verdict().problem is None
    assert selftest.mlflow_version()


def test_the_package_brings_the_verdict_of_this_version(tmp_path, monkeypatch, tested_bulk):
    """Where nothing is known yet, no self-test runs for a version that it passed here."""
    tested = json.loads((tested_bulk / "verdict.json").read_text())
    content = json.loads(Path(proven.__file__).with_suffix(".json").read_text())
    assert content["sources"] == selftest.sources(), "run python -m peak_fast.tracking.proven"
    if selftest.mlflow_version() not in content["mlflow"]:
        pytest.skip(f"tested here with MLflow {content['mlflow']}")
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path))
    monkeypatch.setattr(selftest.subprocess, "run", lambda *_, **__: pytest.fail("a self-test was started"))
    found = selftest.verdict()
    assert (found.revision, found.problem) == (tested["revision"], None)
    assert selftest.verdict() == found
    assert proven.installed_revision() == proven.revision() == found.revision
    dump = proven.dump(selftest.cache_folder() / found.template)
    assert dump == Path(proven.__file__).with_suffix(".sql").read_text()


def test_an_unproven_version_runs_the_self_test(tmp_path, monkeypatch, tested_bulk):
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path))
    monkeypatch.setenv("PEAK_FAST_SELFTEST", "1")
    started = []

    def start(command, **options):
        started.append(command[-1])
        shutil.copytree(tested_bulk, selftest.cache_folder())
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(selftest.subprocess, "run", start)
    assert selftest.verdict().problem is None
    assert started == ["peak_fast.tracking.selftest"]


def test_mlflow_makes_the_tables_that_the_package_brings(tmp_path, monkeypatch, mlflow_module):
    if proven.installed_revision() != proven.revision():
        pytest.skip("the installed MLflow has another schema")
    path = tmp_path / "theirs.db"
    ClientStore(f"sqlite:///{path}").prepare()
    assert proven.dump(path) == Path(proven.__file__).with_suffix(".sql").read_text()


def test_self_test_sees_a_difference(tmp_path, monkeypatch, tested_bulk):
    """A bulk path that writes one value differently must be refused."""
    original = BulkStore._insert_values

    def wrong(self, updates):
        for update in updates:
            update.params = {key: value + "!" for key, value in update.params.items()}
        original(self, updates)

    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path))
    monkeypatch.setattr(BulkStore, "_insert_values", wrong)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = selftest.run(tmp_path / "verdict")
    assert found.problem is not None
    assert "params" in found.problem


def test_sql_stores_take_the_bulk_path(uri, module_folder):
    store = Store(uri, str(module_folder))
    assert store.path == "bulk"
    assert not store.chooses_ids
    store.close()


def test_run_ids_of_sql_stores_are_ours(tracker, read):
    run_id = tracker.start_run("ours")
    tracker.end_run()
    assert [run.run_id for run in read(tracker)] == [str(run_id)]


def test_the_client_can_go_on_with_our_run(tracker, read, uri, reader_of):
    """What MLflow's own client writes into a run of ours is kept, and ours beside it."""
    run_id = str(tracker.start_run("both"))
    tracker.log_metrics({"ours": 1.0})
    tracker.flush()
    client = reader_of(uri).client
    client.log_metric(run_id, "theirs", 2.0)
    client.log_param(run_id, "p", "theirs")
    client.set_tag(run_id, "t", "theirs")
    tracker.log_params({"p": "ours", "q": 1})
    tracker.log_metrics({"ours": 3.0}, step=1)
    tracker.end_run()
    (run,) = read(tracker)
    assert run.metrics == {"ours": 3.0, "theirs": 2.0}
    assert run.params == {"p": "theirs", "q": "1"}
    assert run.tags["t"] == "theirs"
    assert run.status == "FINISHED"


def test_latest_metric_is_that_of_the_last_step(tracker, read, uri, reader_of):
    with tracker.start_run() as run_id:
        for step in (3, 1, 2):
            tracker.log_metrics({"m": float(step)}, step=step)
    (run,) = read(tracker)
    assert run.metrics["m"] == 3.0
    assert reader_of(uri).history(str(run_id), "m") == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_runs_can_be_searched_in_the_store(tracker, read, uri, reader_of):
    for sharpe in (0.5, 1.5, 2.5):
        with tracker.start_run(f"s{sharpe}"):
            tracker.log_metrics({"sharpe": sharpe})
            tracker.log_params({"group": "a" if sharpe > 1 else "b"})
    assert len(read(tracker)) == 3
    client = reader_of(uri).client
    found = client.get_experiment_by_name(tracker.experiment_name)
    hits = client.search_runs(
        [found.experiment_id], "metrics.sharpe > 1 and params.group = 'a'", order_by=["metrics.sharpe DESC"]
    )
    assert [run.info.run_name for run in hits] == ["s2.5", "s1.5"]


def test_source_and_versions_are_tags(tracker, read):
    import platform

    with tracker.start_run():
        pass
    tags = read(tracker)[0].tags
    assert tags["version.python"] == platform.python_version()
    assert tags["version.numpy"] == np.__version__
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.user"]


def test_tracker_tags_are_on_every_run(uri, experiment, read):
    tracker = MLflowTracker(uri, experiment, tags={"team": "quant"})
    with tracker.start_run(tags={"x": 1}):
        pass
    with tracker.start_run():
        pass
    assert [run.tags["team"] for run in read(tracker)] == ["quant", "quant"]
    assert {run.tags.get("x") for run in read(tracker)} == {"1", None}
    tracker.close()


def test_files_folders_and_large_files(tracker, read, uri, reader_of, tmp_path):
    (tmp_path / "results" / "deep").mkdir(parents=True)
    (tmp_path / "results" / "deep" / "a.txt").write_text("a")
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(700_000))
    content = large.read_bytes()
    with tracker.start_run() as run_id:
        tracker.log_artifact(tmp_path / "results", "out")
        tracker.log_artifact(large)
        large.write_bytes(b"changed after the call")
        tracker.log_artifact(tmp_path / "results" / "deep" / "a.txt", "../../escape")
    read(tracker)
    reader = reader_of(uri)
    assert reader.artifacts(str(run_id)) == ["_/_/escape/a.txt", "large.bin", "out/results/deep/a.txt"]
    assert Path(reader_of(uri).run(tracker.experiment_name).artifact_uri, "large.bin").read_bytes() == content


def test_figures_and_tables(tracker, read, uri, reader_of):
    matplotlib = pytest.importorskip("matplotlib.figure")
    figure = matplotlib.Figure()
    figure.subplots().plot([1, 2, 3])

    class Plotly:
        def to_html(self, **options):
            return "<html>interactive</html>"

        def to_image(self, **options):
            raise ValueError("no image engine")

    with tracker.start_run() as run_id:
        tracker.log_figure(figure, "mine", "plots")
        tracker.log_figure(Plotly(), "page.png")
        tracker.log_figure(PNG, "raw.png")
        tracker.log_table(pl.DataFrame({"x": [1, 2], "y": ["a", "b"]}), "t.json")
        tracker.log_table({"x": [1.5]}, "t.parquet")
        tracker.log_table([{"a": 1}], "t.csv")
        with pytest.warns(TrackingWarning, match="cannot be drawn"):
            tracker.log_figure(object(), "nothing.png")
        with pytest.warns(TrackingWarning, match="cannot be written"):
            tracker.log_table(pl.DataFrame({"x": [1]}), "t.xlsx")
    (run,) = read(tracker)
    root = Path(run.artifact_uri)
    assert reader_of(uri).artifacts(str(run_id)) == [
        "page.html",
        "plots/mine.png",
        "raw.png",
        "t.csv",
        "t.json",
        "t.parquet",
    ]
    assert (root / "plots/mine.png").read_bytes().startswith(PNG)
    assert (root / "page.html").read_text() == "<html>interactive</html>"
    assert json.loads((root / "t.json").read_text()) == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    assert pl.read_parquet(root / "t.parquet")["x"].to_list() == [1.5]
    assert (root / "t.csv").read_text() == "a\n1\n"


def test_changed_parameters_keep_their_first_value(tracker, read):
    with tracker.start_run():
        tracker.log_params({"a": 1})
        with pytest.warns(TrackingWarning, match="other values"):
            tracker.log_params({"a": 2, "b": 3})
        tracker.log_params({"a": 1})
    assert read(tracker)[0].params == {"a": "1", "b": "3"}


def test_one_warning_for_dropped_metrics(tracker, read):
    with tracker.start_run():
        with pytest.warns(TrackingWarning, match="no value"):
            tracker.log_metrics({"a": None, "b": 1.0})
        tracker.log_metrics({"a": None, "b": 2.0}, step=1)
        tracker.log_metrics({}, step=2)
        tracker.log_metrics(None)
    assert read(tracker)[0].metrics == {"b": 2.0}


def test_more_parameters_than_a_batch_takes(tracker, read):
    with tracker.start_run():
        tracker.log_params({f"p{i:04d}": i for i in range(1_234)})
        tracker.log_metrics({f"m{i:04d}": i for i in range(1_500)})
    (run,) = read(tracker)
    assert len(run.params) == 1_234
    assert len(run.metrics) == 1_500


# --- backtests -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine_result():
    return BacktestEngine().run(synthetic(600, seed=2), "ma_crossover", {"fast": 10, "slow": 40})


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
    assert run.metrics == pytest.approx(finite)
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
    assert set(summary["by_exit_reason"]) == set(result.trades["exit_reason"].unique())


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
        assert run.metrics["bars"] == 200.0
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


# --- fluent runs, processes, configuration ---------------------------------------------------------------------


def test_a_users_fluent_run_is_joined_and_not_ended(mlflow_module, uri, experiment, reader_of, module_folder):
    mlflow = mlflow_module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(experiment)
        try:
            with mlflow.start_run(run_name="theirs") as run:
                tracker = MLflowTracker(uri, experiment)
                with tracker:
                    assert tracker.get_run_id() == run.info.run_id
                    tracker.log_metrics({"ours": 1.0})
                    with tracker.start_run("child", nested=True) as child:
                        tracker.log_metrics({"inner": 2.0})
                assert mlflow.active_run().info.run_id == run.info.run_id
                tracker.flush()
                assert reader_of(uri).client.get_run(run.info.run_id).info.status == "RUNNING"
                mlflow.log_metric("theirs", 3.0)
                nested = MLflowTracker(uri, experiment).start_run("own child", nested=True)
                nested._owner.end_run()
                nested._owner.close()
            tracker.close()
        finally:
            mlflow.set_tracking_uri(None)
            os.environ.pop("MLFLOW_TRACKING_URI", None)
    runs = {run.name: run for run in reader_of(uri).runs(experiment)}
    assert runs["theirs"].metrics == {"ours": 1.0, "theirs": 3.0}
    assert runs["theirs"].status == "FINISHED"
    assert runs["child"].run_id == str(child)
    assert runs["child"].tags["mlflow.parentRunId"] == runs["theirs"].run_id
    assert runs["own child"].tags["mlflow.parentRunId"] == runs["theirs"].run_id


def test_a_fluent_run_of_another_store_is_left_alone(mlflow_module, uri, experiment, tmp_path, reader_of):
    mlflow = mlflow_module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        selftest.create_database(tmp_path / "other.db", str(tmp_path))
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/other.db")
        try:
            mlflow.set_experiment("elsewhere")
            with mlflow.start_run() as run, MLflowTracker(uri, experiment) as tracker:
                assert tracker.get_run_id() != run.info.run_id
        finally:
            mlflow.set_tracking_uri(None)
            os.environ.pop("MLFLOW_TRACKING_URI", None)
    tracker.close()
    assert len(reader_of(uri).runs(experiment)) == 1


SCRIPT = """
import sys
from peak_fast.tracking import MLflowTracker
tracker = MLflowTracker({uri!r}, {experiment!r}, mode={mode!r})
tracker.start_run("script")
tracker.log_metrics({{"a": 1.0}})
{end}
"""


@pytest.mark.parametrize("mode", ["background", "sync"])
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", "FINISHED"),
        ("sys.exit(3)", "FINISHED"),
        ("1 / 0", "FAILED"),
        ("raise KeyboardInterrupt", "KILLED"),
    ],
)
def test_the_end_of_the_process_ends_the_run(module_folder, uri, experiment, reader_of, mode, end, status):
    outcome = run_script(SCRIPT.format(uri=uri, experiment=experiment, mode=mode, end=end), module_folder)
    run = reader_of(uri).run(experiment)
    assert run.status == status, outcome.stderr
    assert run.metrics == {"a": 1.0}
    assert run.end is not None


def test_the_callers_process_never_imports_mlflow(module_folder, uri, experiment, reader_of):
    code = f"""
import sys, threading, resource
from peak_fast.tracking import MLflowTracker
from peak_fast import BacktestEngine, data
bars = data.synthetic(1000)
engine = BacktestEngine()
engine.run(bars, "ma_crossover", {{"fast": 5, "slow": 20}})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tracker = MLflowTracker({uri!r}, {experiment!r})
engine.tracker = tracker
for i in range(200):
    with tracker.start_run():
        engine.run(bars, "ma_crossover", {{"fast": 5 + i % 10, "slow": 20}})
tracker.flush()
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
tracker.close()
assert "mlflow" not in sys.modules and "sqlalchemy" not in sys.modules
print(grown)
"""
    outcome = run_script(code, module_folder)
    assert outcome.returncode == 0, outcome.stderr
    assert float(outcome.stdout) <= 5.0
    assert len(reader_of(uri).runs(experiment)) == 200


def test_a_forked_child_has_runs_of_its_own(module_folder, uri, experiment, reader_of):
    code = f"""
import os
from peak_fast.tracking import MLflowTracker
tracker = MLflowTracker({uri!r}, {experiment!r})
tracker.start_run("parent")
child = os.fork()
if child == 0:
    assert tracker.get_run_id() is None
    tracker.log_metrics({{"lost": 1.0}})
    with tracker.start_run("child"):
        tracker.log_metrics({{"inner": 1.0}})
    tracker.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
tracker.log_metrics({{"outer": 2.0}})
tracker.close()
"""
    outcome = run_script(code, module_folder)
    assert outcome.returncode == 0, outcome.stderr
    runs = {run.name: run for run in reader_of(uri).runs(experiment)}
    assert {name: run.metrics for name, run in runs.items()} == {
        "parent": {"outer": 2.0},
        "child": {"inner": 1.0},
    }
    assert {run.status for run in runs.values()} == {"FINISHED"}


def test_git_state_is_recorded(tmp_path, uri, experiment, reader_of, module_folder):
    def git(*arguments):
        return subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    git("init", "-b", "trunk")
    (tmp_path / "strategy.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    script = SCRIPT.format(uri=uri, experiment=experiment, mode="background", end="")
    run_script(script, tmp_path)
    (tmp_path / "strategy.py").write_text("x = 2\n")
    run_script(script, tmp_path)
    clean, dirty = reader_of(uri).runs(experiment)
    for run in (clean, dirty):
        assert run.tags["mlflow.source.git.commit"] == commit
        assert run.tags["mlflow.source.git.branch"] == "trunk"
    assert clean.tags["mlflow.source.git.dirty"] == "false"
    assert dirty.tags["mlflow.source.git.dirty"] == "true"


def test_a_forgotten_tracker_ends_its_runs(uri, experiment, reader_of):
    import gc

    tracker = MLflowTracker(uri, experiment)
    tracker.start_run("forgotten")
    tracker.log_metrics({"a": 1.0})
    del tracker
    gc.collect()
    other = MLflowTracker(uri, experiment)
    other.start_run("other")
    other.close()
    runs = {run.name: run for run in reader_of(uri).runs(experiment)}
    assert runs["forgotten"].status == "FINISHED"
    assert runs["forgotten"].metrics == {"a": 1.0}


def test_a_closed_tracker_can_be_used_again(tracker, read):
    with tracker.start_run("one"):
        pass
    tracker.close()
    with tracker.start_run("two"):
        log_backtest(tracker, fake_result(100))
    assert [run.name for run in read(tracker)] == ["one", "two"]


def test_nothing_is_left_in_the_spool(spool_dir, tmp_path, experiment):
    tracker = MLflowTracker("sqlite:///mine.db", experiment)
    assert not (tmp_path / "mine.db").exists()
    assert [path.name for path in spool_dir.iterdir() if not path.is_symlink()] == []
    with tracker.start_run():
        log_backtest(tracker, fake_result(100))
    assert len(segments_of(spool_dir)) == 1
    tracker.flush()
    assert len(segments_of(spool_dir)) == 1
    tracker.close()
    assert spool_files(spool_dir) == []


def test_large_spools_are_replaced(spool_dir, experiment, reader_of, monkeypatch):
    from peak_fast.tracking import segment, window

    monkeypatch.setattr(segment, "ROTATE_BYTES", 20_000)
    monkeypatch.setattr(window, "SIZE", 1 << 14)
    bars = synthetic(400)
    tracker = MLflowTracker("sqlite:///mine.db", experiment)
    engine = BacktestEngine(tracker=tracker)
    for n in range(30):
        with tracker.start_run(f"run {n}"):
            engine.run(bars, "ma_crossover", {"fast": 5 + n, "slow": 60})
    assert len(segments_of(spool_dir)) > 1
    tracker.flush()
    assert len(segments_of(spool_dir)) == 1
    tracker.close()
    runs = reader_of(tracker.tracking_uri).runs(experiment)
    assert {run.name: run.params["strategy.params.fast"] for run in runs} == {
        f"run {n}": str(5 + n) for n in range(30)
    }
    assert all(len(list(Path(run.artifact_uri).rglob("*.png"))) == 1 for run in runs)


def test_new_databases_look_like_mlflows_own(spool_dir, tmp_path, mlflow_module, reader_of, experiment):
    tracker = MLflowTracker(None, experiment)
    with tracker.start_run():
        pass
    tracker.close()
    assert tracker.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    client = reader_of(tracker.tracking_uri).client
    default = client.get_experiment("0")
    assert default.name == "Default"
    assert default.artifact_location == f"{tmp_path}/mlruns/0"
    ours = client.get_experiment_by_name(experiment)
    assert ours.artifact_location == f"{tmp_path}/mlruns/{ours.experiment_id}"


def test_a_deleted_experiment_says_so_and_loses_nothing(uri, experiment, reader_of):
    client = reader_of(uri).client
    number = client.create_experiment(experiment)
    client.delete_experiment(number)
    tracker = MLflowTracker(uri, experiment)
    tracker.start_run("waits")
    tracker.end_run()
    with pytest.raises(TrackingError, match="is deleted"):
        tracker.flush()
    client.restore_experiment(number)
    tracker.flush()
    assert reader_of(uri).run(experiment).name == "waits"
    tracker.close()


def test_a_deleted_run_is_refused_and_named(uri, experiment, reader_of):
    tracker = MLflowTracker(uri, experiment)
    run_id = str(tracker.start_run("deleted"))
    tracker.flush()
    reader_of(uri).client.delete_run(run_id)
    tracker.log_metrics({"late": 1.0})
    with pytest.raises(TrackingError, match="refused 1 updates for good"):
        tracker.flush()
    tracker.flush()
    tracker.close()


def test_auto_start(uri, experiment, reader_of):
    tracker = MLflowTracker(uri, experiment, auto_start_run=True, run_name="at once")
    assert tracker.get_run_id()
    tracker.log_metrics({"a": 1.0})
    tracker.close()
    run = reader_of(uri).run(experiment)
    assert (run.name, run.status) == ("at once", "FINISHED")


def test_logging_without_a_run_is_said_at_debug_level(uri, experiment, caplog):
    tracker = MLflowTracker(uri, experiment)
    with caplog.at_level(logging.DEBUG, logger="peak_fast.tracking"):
        tracker.log_metrics({"a": 1.0})
    assert "no active run" in caplog.text
    assert tracker.get_run_id() is None


def test_file_stores_go_on_working_with_one_warning(module_folder, experiment, reader_of, monkeypatch):
    from peak_fast.tracking import mlflow as module

    monkeypatch.setattr(module, "_warned_file_store", False)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.warns(TrackingWarning, match="migrate-filestore"):
        tracker = MLflowTracker("./mlruns", experiment, mode="sync")
    MLflowTracker("./mlruns", experiment)
    with tracker.start_run("old script"):
        tracker.log_metrics({"a": 1.0})
    assert reader_of(tracker.tracking_uri).run(experiment).metrics == {"a": 1.0}
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ
    tracker.close()


def test_artifacts_of_a_server_go_through_it(server, module_folder, experiment, reader_of, tmp_path):
    tracker = MLflowTracker(server.uri, experiment)
    with tracker.start_run("over http") as run_id:
        tracker.log_text("hello", "deep/er/hello.txt")
    store_id = tracker.store_run_id(run_id)
    assert store_id != run_id
    run = reader_of(server.uri).run(experiment)
    assert run.run_id == store_id
    assert run.tags["peak_fast.run_id"] == str(run_id)
    assert run.artifact_uri.startswith("mlflow-artifacts:")
    assert reader_of(server.uri).read(store_id, "deep/er/hello.txt", tmp_path) == b"hello"
    tracker.close()


def test_bulk_on_postgres(postgres, module_folder, experiment, reader_of):
    tracker = MLflowTracker(postgres, experiment)
    with tracker.start_run("first"):
        tracker.log_metrics({"a": 1.0})
    tracker.flush()
    database = connect(postgres)
    assert database is not None
    database.close()
    store = Store(postgres, str(module_folder))
    assert store.path == "bulk"
    store.close()
    frame = pl.DataFrame({"metrics.x": np.arange(600.0), "params.p": range(600)})
    tracker.log_runs(frame)
    tracker.close()
    runs = reader_of(postgres).runs(experiment)
    assert len(runs) == 601
    assert sum(run.metrics.get("x", 0.0) for run in runs) == sum(range(600))
    assert "secret-word" not in repr(tracker)


def test_credentials_stay_out_of_the_spool(postgres, module_folder, experiment):
    tracker = MLflowTracker(postgres, experiment)
    tracker.start_run("secret")
    tracker.flush()
    folder = tracker._channel.folder
    for path in folder.iterdir():
        assert b"secret-word" not in path.read_bytes(), path
    report = sync(dry_run=True)
    assert "secret-word" not in str(report)
    tracker.close()


def test_configurations(tmp_path, uri, experiment, module_folder):
    section = {"enabled": True, "backend": "mlflow", "mlflow": {"tracking_uri": uri, "experiment_name": "x"}}
    for config in ({"tracking": section}, section):
        tracker = build_tracker_from_config(config)
        assert isinstance(tracker, MLflowTracker)
        assert (tracker.tracking_uri, tracker.experiment_name) == (uri, "x")
    path = tmp_path / "config.toml"
    path.write_text(
        f'[tracking]\nbackend = "mlflow"\n[tracking.mlflow]\ntracking_uri = "{uri}"\nartifacts = "none"\n'
    )
    assert "artifacts='none'" in repr(build_tracker_from_config(path))
    from peak_fast.config import BacktestConfig

    model = BacktestConfig.model_validate({"tracking": section})
    assert isinstance(build_tracker_from_config(model), MLflowTracker)
    with pytest.warns(TrackingWarning, match="known: 'mlflow', 'noop'"):
        assert isinstance(build_tracker_from_config({"backend": "wandb"}), NoopTracker)
    with pytest.raises(ConfigError, match="did you mean 'artifacts'"):
        build_tracker_from_config({"backend": "mlflow", "mlflow": {"artefacts": "none"}})
    with pytest.raises(ConfigError, match="not valid TOML"):
        path.write_text("= 1")
        build_tracker_from_config(path)


@pytest.mark.parametrize("argument", [{"mode": "fast"}, {"artifacts": "some"}])
def test_wrong_arguments_are_named(uri, argument):
    with pytest.raises(ConfigError, match="known:"):
        MLflowTracker(uri, **argument)


def test_without_mlflow(tmp_path):
    code = """
import sys, importlib.abc
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mlflow":
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Hide())
import peak_fast.tracking as tracking
from peak_fast.errors import MissingDependencyError
try:
    tracking.MLflowTracker("sqlite:///x.db")
except MissingDependencyError as error:
    assert "peak-fast[mlflow]" in str(error)
    print("named")
"""
    outcome = run_script(code, tmp_path)
    assert outcome.stdout.strip() == "named", outcome.stderr
    assert issubclass(MissingDependencyError, ImportError)


def test_eight_trackers_in_eight_threads(uri, experiment, read):
    def work(number):
        tracker = MLflowTracker(uri, experiment, mode="sync" if number % 2 else "background")
        for i in range(6):
            with tracker.start_run(f"{number}-{i}"):
                tracker.log_metrics({"value": float(10 * number + i)})
        tracker.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tracker = MLflowTracker(uri, experiment)
    runs = {run.name: run for run in read(tracker)}
    assert {name: run.metrics["value"] for name, run in runs.items()} == {
        f"{n}-{i}": float(10 * n + i) for n in range(8) for i in range(6)
    }
    assert {run.status for run in runs.values()} == {"FINISHED"}


def test_updates_are_idempotent(tmp_path, tested_bulk, monkeypatch):
    """Applying the same updates again leaves every row of every table as it was."""
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tested_bulk.parent))
    path = tmp_path / "twice.db"
    selftest.create_database(path, str(tmp_path))
    store = BulkStore(SqliteDatabase(path), lambda update: [])
    snapshots = []
    for _ in range(2):
        for updates in selftest._updates(tmp_path):
            assert store.apply(updates) == []
        snapshots.append(selftest._rows(path, {}))
    store.close()
    assert snapshots[0] == snapshots[1]
    assert len(snapshots[0]["runs"]) == 3


def test_a_call_costs_microseconds(uri, experiment, engine_result):
    """A generous bound for a busy machine; the figures are in docs/tracking.md."""
    tracker = MLflowTracker(uri, experiment, artifacts="none")
    costs = []
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(10):
            tracker.start_run()
            log_backtest(tracker, engine_result)
            tracker.end_run()
        costs.append((time.perf_counter() - start) / 10)
    tracker.close()
    assert min(costs) < 300e-6


@pytest.mark.parametrize("layout", ["known", "strange"])
def test_file_stores_hold_what_the_client_would_write(tmp_path, monkeypatch, mlflow_module, layout):
    """Values go straight into the folder of a new run; where MLflow does not read them there, through the client."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    if layout == "strange":
        monkeypatch.setattr(filestore, "_FOLDERS", ("params", "metrics", "labels"))
        monkeypatch.setattr(filestore, "run_folder", lambda run_id, artifacts: artifacts.parent)
        original = filestore.write_values
        monkeypatch.setattr(
            filestore,
            "write_values",
            lambda folder, *values: ((folder / "labels").mkdir(exist_ok=True), original(folder, *values)),
        )
    direct = ClientStore((tmp_path / "direct").as_uri())
    client = ClientStore((tmp_path / "client").as_uri())
    client._direct = False
    runs = []
    for number, store in enumerate((direct, client)):
        ids = RunIds(tmp_path / f"ids{number}")
        for updates in selftest._updates(tmp_path):
            updates[0].params = {**updates[0].params, "deep/b": "é\\n"}
            assert store.apply(updates, ids) == []
        found = {}
        for name in (f"{n:032x}" for n in range(1, 4)):
            run = store.read_run(ids.get(name))
            tags = {key: text for key, text in run.data.tags.items() if key != "mlflow.parentRunId"}
            metrics = {key: repr(value) for key, value in run.data.metrics.items()}
            points = [
                (p.value, p.step, p.timestamp)
                for p in store._client.get_metric_history(ids.get(name), "curve")
            ]
            info = (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time)
            inputs = [entry.dataset.digest for entry in run.inputs.dataset_inputs]
            found[name] = (run.data.params, metrics, tags, sorted(points), info, inputs)
        runs.append(found)
    assert runs[0] == runs[1]
    assert direct._direct is (layout == "known")
