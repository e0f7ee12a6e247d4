"""One value that a store cannot hold: the rest of the run, and every later run, is recorded all the same."""

import socket
import warnings

import pytest

from peak_fast import BacktestEngine
from peak_fast.errors import ConfigError
from peak_fast.tracking import MLflowTracker, TrackingWarning, build_tracker_from_config
from peak_fast.tracking.caller import background
from tests.tracking_stores import segments_of, spool_files

MODES = ["background", "sync"]


@pytest.fixture
def file_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr("peak_fast.tracking.caller.mlflow._warned_file_store", True)
    return str(tmp_path / "mlruns")


def runs_by_name(reader_of, uri, experiment):
    return {run.name: run for run in reader_of(uri).runs(experiment)}


@pytest.mark.parametrize("mode", MODES)
def test_a_parameter_that_changes_later(spool_dir, file_store, experiment, reader_of, mode):
    tracker = MLflowTracker(file_store, experiment, mode=mode)
    with tracker.start_run("first"):
        tracker.log_params({"a": 1})
        tracker.get_run_id()
        with pytest.warns(TrackingWarning, match="other values"):
            tracker.log_params({"a": 2, "b": 3})
        tracker.log_metrics({"m": 1.0})
    with tracker.start_run("second"):
        tracker.log_metrics({"m": 2.0})
    tracker.close()
    runs = runs_by_name(reader_of, file_store, experiment)
    assert runs["first"].params == {"a": "1", "b": "3"}
    assert runs["first"].metrics == {"m": 1.0}
    assert runs["second"].metrics == {"m": 2.0}
    assert {run.status for run in runs.values()} == {"FINISHED"}
    assert spool_files(spool_dir) == []


@pytest.mark.parametrize("early", [True, False], ids=["known run", "new run"])
@pytest.mark.parametrize("kind", ["params", "metrics", "tags"])
def test_a_name_below_another_one(spool_dir, file_store, experiment, reader_of, kind, early):
    tracker = MLflowTracker(file_store, experiment)
    log = {"params": tracker.log_params, "metrics": tracker.log_metrics, "tags": tracker.set_tags}[kind]
    with tracker.start_run("odd"):
        if early:
            tracker.get_run_id()
        log({"loss": 1.0, "loss/train": 2.0, "fine": 3.0})
    with tracker.start_run("innocent"):
        tracker.log_metrics({"m": 1.0})
    with pytest.warns(TrackingWarning, match="does not take a part of run"):
        tracker.close()
    runs = runs_by_name(reader_of, file_store, experiment)
    assert {name: run.status for name, run in runs.items()} == {"odd": "FINISHED", "innocent": "FINISHED"}
    values = getattr(runs["odd"], kind)
    assert float(values["loss"]) == 1.0
    assert float(values["fine"]) == 3.0
    assert "loss/train' = 2.0" in runs["odd"].tags["peak_fast.refused"]
    assert "peak_fast.refused" not in runs["innocent"].tags


def test_a_name_too_long_for_a_file(spool_dir, file_store, experiment, reader_of):
    tracker = MLflowTracker(file_store, experiment, run_name="long")
    with pytest.warns(TrackingWarning, match="does not take a part of run"), tracker:
        tracker.log_params({"é" * 200: 1, "fine": 2})
    run = runs_by_name(reader_of, file_store, experiment)["long"]
    assert run.params == {"fine": "2"}
    assert "param" in run.tags["peak_fast.refused"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", [2**70, -(2**63) - 1, float("inf")])
def test_a_step_that_no_store_holds(spool_dir, tmp_path, experiment, reader_of, mode, step):
    uri = f"sqlite:///{tmp_path}/steps.db"
    tracker = MLflowTracker(uri, experiment, mode=mode)
    with tracker.start_run("big"), pytest.warns(TrackingWarning, match="64 bits; 0 is taken"):
        tracker.log_metrics({"m": 1.0}, step=step)
    with tracker.start_run("innocent"):
        tracker.log_metrics({"m": 1.0}, step=2**63 - 1)
    tracker.close()
    reader = reader_of(uri)
    runs = {run.name: run for run in reader.runs(experiment)}
    assert reader.history(runs["big"].run_id, "m") == [(0, 1.0)]
    assert reader.history(runs["innocent"].run_id, "m") == [(2**63 - 1, 1.0)]


@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED", "finished"])
def test_a_run_ends_with_a_status_of_ended_runs(spool_dir, tmp_path, experiment, reader_of, status):
    uri = f"sqlite:///{tmp_path}/ends.db"
    tracker = MLflowTracker(uri, experiment)
    tracker.start_run("ends")
    with pytest.warns(TrackingWarning, match="ends as FINISHED"):
        tracker.end_run(status)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.start_run("killed")
        tracker.end_run("KILLED")
    tracker.close()
    assert {run.name: run.status for run in reader_of(uri).runs(experiment)} == {
        "ends": "FINISHED",
        "killed": "KILLED",
    }


def test_one_parameter_twice_in_a_call(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/twice.db"
    with MLflowTracker(uri, experiment, run_name="twice") as tracker:
        with pytest.warns(TrackingWarning, match=r"filter\.window.*first ones stay"):
            tracker.log_params({"filter.window": 10, "filter": {"window": 20, "kind": "a"}})
        tracker.log_params({"other": 1, 1: "a", "1": "a"})
    assert runs_by_name(reader_of, uri, experiment)["twice"].params == {
        "filter.window": "10",
        "filter.kind": "a",
        "other": "1",
        "1": "a",
    }


def test_the_tag_of_a_figure_that_became_finite_says_its_step(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/tags.db"
    with MLflowTracker(uri, experiment, run_name="tags") as tracker:
        tracker.log_metrics({"a": float("inf"), "b": float("inf"), "c": 1.0}, step=0)
        tracker.flush()
        tracker.log_metrics({"a": 2.0, "c": float("nan")}, step=1)
    run = runs_by_name(reader_of, uri, experiment)["tags"]
    assert run.metrics["a"] == 2.0
    assert {key: run.tags[f"metric.{key}"] for key in "abc"} == {"a": "inf at step 0", "b": "inf", "c": "nan"}


@pytest.mark.parametrize(
    "config",
    [
        {"tracking": {"backend": "mlflow", "mlfow": {}}},
        {"enabeld": False, "backend": "mlflow"},
        {"tracking": {"enabled": False, "beckend": "noop"}},
    ],
)
def test_a_misspelt_name_of_the_section_is_refused(config):
    with pytest.raises(ConfigError, match="did you mean"):
        build_tracker_from_config(config)


def test_a_configuration_of_something_else_asks_for_nothing():
    assert not build_tracker_from_config({"costs": {"fee": 0.1}}).enabled


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_takes_connections_and_says_nothing(spool_dir, experiment, monkeypatch, mode):
    """Nobody waits for its answer longer than the look at its address does; the client is not tried at all."""
    monkeypatch.setattr("peak_fast.tracking.reach._ANSWER_TIMEOUT", 0.2)
    monkeypatch.setattr("peak_fast.tracking.caller.launch.confirm", lambda *_, **__: pytest.fail("waited"))
    monkeypatch.setattr("peak_fast.tracking.caller.inprocess.open_store", lambda *_: pytest.fail("waited"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        with (
            pytest.warns(TrackingWarning, match="does not answer") as told,
            MLflowTracker(f"http://127.0.0.1:{silent.getsockname()[1]}", experiment, mode=mode) as tracker,
        ):
            tracker.log_metrics({"a": 1.0})
    assert len(told) == 1
    assert len(segments_of(spool_dir)) == 1
    # Nobody answers there any more: without this the background and the end of the process would go on asking.
    tracker._channel.drop()
    background.unwatch(tracker._channel)


@pytest.mark.parametrize("call", ["log_params", "log_metrics", "set_tags"])
def test_what_is_no_mapping_is_told(spool_dir, tmp_path, call):
    with MLflowTracker(f"sqlite:///{tmp_path}/told.db") as tracker:
        with pytest.warns(TrackingWarning, match=f"{call}: expected a mapping.*int"):
            getattr(tracker, call)(5)
        getattr(tracker, call)(None)
        tracker.log_text("something", "note.txt")


def test_arguments_of_a_wrong_type_are_refused(spool_dir, tmp_path):
    uri = f"sqlite:///{tmp_path}/types.db"
    with pytest.raises(ConfigError, match="tracking_uri: expected a text or a path, got int"):
        MLflowTracker(5)
    with pytest.raises(ConfigError, match="tags: expected a mapping"):
        MLflowTracker(uri, tags=5)
    with pytest.raises(ConfigError, match="expected BacktestResult objects, got int"):
        MLflowTracker(uri).log_results([1])
    with pytest.raises(ConfigError, match="use_execution_pipeline: expected True or False"):
        BacktestEngine(use_execution_pipeline="no")
