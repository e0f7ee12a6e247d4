"""MLflowTracker against real stores: databases, file stores, servers, settings, many threads, cost of a call."""

import logging
import os
import threading
import time

import numpy as np
import polars as pl
import pytest

from peak_fast.errors import ConfigError, MissingDependencyError, TrackingError
from peak_fast.tracking import (
    MLflowTracker,
    NoopTracker,
    TrackingWarning,
    build_tracker_from_config,
    log_backtest,
)
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool.run_ids import RunIds
from peak_fast.tracking.stores import template
from peak_fast.tracking.stores.bulk import BulkStore
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.database import Database
from peak_fast.tracking.stores.filestore import FolderStore
from peak_fast.tracking.stores.stores import open_store
from scripts.prove_mlflow import made_up_runs, rows_of
from tests.tracking_mlflow import run_script


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
    with pytest.warns(TrackingWarning, match="refused 1 updates for good"):
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
    from peak_fast.tracking.caller import mlflow as module

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
        store_id = tracker.get_run_id()
    tracker.flush()
    run = reader_of(server.uri).run(experiment)
    assert run.run_id == store_id == str(run_id) != run.tags["peak_fast.run_id"]
    assert run.artifact_uri.startswith("mlflow-artifacts:")
    assert reader_of(server.uri).read(store_id, "deep/er/hello.txt", tmp_path) == b"hello"
    tracker.close()


def test_bulk_on_postgres(postgres, module_folder, experiment, reader_of):
    tracker = MLflowTracker(postgres, experiment)
    with tracker.start_run("first"):
        tracker.log_metrics({"a": 1.0})
    tracker.flush()
    store = open_store(postgres, str(module_folder))
    assert isinstance(store, BulkStore)
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
    from peak_fast.settings.config import BacktestConfig

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


def test_updates_are_idempotent(tmp_path, empty_database, monkeypatch):
    """Applying the same updates again leaves every row of every table as it was."""
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(empty_database.parent))
    path = tmp_path / "twice.db"
    template.create_database(path, str(tmp_path))
    store = BulkStore(Database(f"sqlite:///{path}"), f"sqlite:///{path}")
    snapshots = []
    for _ in range(2):
        for updates in made_up_runs(tmp_path):
            assert store.apply(updates) == []
        snapshots.append(rows_of(path, {}))
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


def test_file_stores_hold_what_the_client_would_write(tmp_path, monkeypatch, mlflow_module):
    """Values go straight into the folder of a new run; MLflow reads there what its client would have written."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    runs = []
    for number, kind in enumerate((FolderStore, ClientStore)):
        store = kind((tmp_path / kind.__name__).as_uri())
        ids = RunIds(tmp_path / f"ids{number}")
        for updates in made_up_runs(tmp_path):
            updates[0].params = {**updates[0].params, "deep/b": "é\\n"}
            assert store.apply(updates, ids) == []
        assert ids.empty == (kind is FolderStore)
        found = {}
        for name in (f"{n:032x}" for n in range(1, 4)):
            stored = ids.get(name) or name
            run = store._client.get_run(stored)
            tags = {key: text for key, text in run.data.tags.items() if key != "mlflow.parentRunId"}
            metrics = {key: repr(value) for key, value in run.data.metrics.items()}
            points = [
                (p.value, p.step, p.timestamp) for p in store._client.get_metric_history(stored, "curve")
            ]
            info = (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time)
            inputs = [entry.dataset.digest for entry in run.inputs.dataset_inputs]
            found[name] = (run.data.params, metrics, tags, sorted(points), info, inputs)
        runs.append(found)
    assert runs[0] == runs[1]
