"""The ways to track that the specification shows, in one long-lived process, over every kind of store.

Everything is read back with MLflow's own client: after a tracker's block at once, after a loop with a flush.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest

from peak_fast import (
    BacktestEngine,
    MLflowTracker,
    NoopTracker,
    TrackingError,
    build_tracker_from_config,
    sample,
    synthetic,
)
from peak_fast.tracking import TrackingWarning
from tests.tracking_stores import free_port, use_spool, warm_writers

STORES = ("sqlite", "files", "http", "postgres")


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory, empty_database):
    """One spool for the module, as one process has."""
    root = tmp_path_factory.mktemp("specification")
    with pytest.MonkeyPatch.context() as patch:
        use_spool(patch, root / "spool", empty_database)
        patch.setenv("PEAK_FAST_WRITER_LINGER", "60")
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def keep_warm(long_lived):
    with warm_writers() as keep:
        yield keep


@pytest.fixture(params=STORES)
def uri(request, long_lived, keep_warm):
    if request.param == "sqlite":
        found = f"sqlite:///{long_lived}/mlflow.db"
    elif request.param == "files":
        found = str(long_lived / "mlruns-files")
    elif request.param == "http":
        found = request.getfixturevalue("server").uri
    else:
        found = request.getfixturevalue("postgres")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*file store.*")
        keep_warm(found)
    return found


@pytest.fixture
def stored(uri, reader_of, experiment):
    """``stored()``: what MLflow's client sees, by name; nothing is flushed."""
    where = Path(uri).as_uri() if uri.startswith("/") else uri

    def read():
        return {run.name: run for run in reader_of(where).runs(experiment)}

    return read


@pytest.fixture(autouse=True)
def old_stores_are_known():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*file store.*")
        yield


BARS = synthetic(300, seed=7)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "FINISHED"),
        (ValueError("boom"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(0), "FINISHED"),
    ],
)
def test_context_manager(uri, experiment, stored, error, status):
    """The block ends its run, and is left when the store has it; an error that is caught outside counts."""
    try:
        with MLflowTracker(
            tracking_uri=uri, experiment_name=experiment, auto_start_run=True, run_name="block"
        ) as tracker:
            result = BacktestEngine(tracker=tracker).run(BARS, "ma_crossover", {"fast": 5, "slow": 20})
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt, SystemExit):
        pass
    run = stored()["block"]
    assert run.status == status and run.end is not None
    assert run.metrics["sharpe"] == pytest.approx(result.stats["sharpe"])
    assert not tracker.active


def test_manual(uri, experiment, stored, reader_of):
    """``start_run``, ``try``, ``finally: end_run``."""
    tracker = MLflowTracker(tracking_uri=uri, experiment_name=experiment)
    run_id = tracker.start_run("manual")
    try:
        tracker.log_params({"window": 20})
        tracker.log_metrics({"sharpe": 1.5})
        tracker.set_tags({"kind": "manual"})
    finally:
        tracker.end_run()
    tracker.flush()
    run = stored()["manual"]
    assert (run.status, run.params, run.metrics) == ("FINISHED", {"window": "20"}, {"sharpe": 1.5})
    assert run.run_id == str(run_id) == run_id and run.tags["kind"] == "manual"
    reader = reader_of(Path(uri).as_uri() if uri.startswith("/") else uri)
    reader.client.set_tag(str(run_id), "reviewed", "yes")
    assert stored()["manual"].tags["reviewed"] == "yes"
    tracker.close()


def test_sweep_loop(uri, experiment, stored):
    tracker = MLflowTracker(tracking_uri=uri, experiment_name=experiment, artifacts="none")
    engine, expected = BacktestEngine(tracker=tracker), {}
    for fast in (5, 10, 15):
        with tracker.start_run(f"fast {fast}"):
            found = engine.run(BARS, "ma_crossover", {"fast": fast, "slow": 30})
        expected[f"fast {fast}"] = (str(fast), found.stats["total_return"])
    tracker.flush()
    runs = stored()
    assert {run.status for run in runs.values()} == {"FINISHED"}
    assert expected == {
        name: (run.params["strategy.params.fast"], run.metrics["total_return"]) for name, run in runs.items()
    }
    tracker.close()


def test_sweep_loop_inside_the_block(uri, experiment, stored):
    """The block's own run takes the first name: there is no run too many."""
    with MLflowTracker(uri, experiment, auto_start_run=True, artifacts="none") as tracker:
        engine = BacktestEngine(tracker=tracker)
        for fast in (5, 10):
            with tracker.start_run(f"fast {fast}"):
                engine.run(BARS, "ma_crossover", {"fast": fast, "slow": 30})
    runs = stored()
    assert {name: (run.status, run.params["strategy.params.fast"]) for name, run in runs.items()} == {
        "fast 5": ("FINISHED", "5"),
        "fast 10": ("FINISHED", "10"),
    }


def crossing(frame, params):
    """Long above the mean of some bars, short below."""
    close = np.asarray(frame["close"], dtype=float)
    window = params["window"]
    mean = np.convolve(close, np.ones(window) / window)[: len(close)]
    return np.where(np.arange(len(close)) < window, 0, np.sign(close - mean))


@pytest.mark.parametrize("pipeline", [False, True])
def test_the_engine_logs_by_itself_in_both_modes(uri, experiment, stored, reader_of, pipeline):
    frame = sample("AAPL").to_polars().head(400)
    with MLflowTracker(tracking_uri=uri, experiment_name=experiment, auto_start_run=True) as tracker:
        engine = BacktestEngine(tracker=tracker, use_execution_pipeline=pipeline)
        result = engine.run_realistic(frame, crossing, {"window": 20}, symbol="AAPL")
    (run,) = stored().values()
    assert run.status == "FINISHED" and run.name.startswith("crossing-AAPL-")
    assert run.params["strategy.params.window"] == "20"
    assert run.metrics["final_equity"] == pytest.approx(result.stats["final_equity"])
    assert [dataset.name for dataset in run.datasets] == ["AAPL"]
    note = run.tags["mlflow.note.content"]
    assert note.startswith("**crossing** on **AAPL**") and "| sharpe |" in note
    where = Path(uri).as_uri() if uri.startswith("/") else uri
    assert len(reader_of(where).artifacts(run.run_id)) == 3


def test_config_builder(uri, experiment, stored, tmp_path):
    section = {
        "tracking_uri": uri,
        "experiment_name": experiment,
        "auto_start_run": True,
        "run_name": "built",
    }
    config = {"tracking": {"enabled": True, "backend": "mlflow", "mlflow": section}}
    with build_tracker_from_config(config) as tracker:
        BacktestEngine(tracker=tracker).run(BARS, "ma_crossover", {"fast": 5, "slow": 20})
    run = stored()["built"]
    assert run.status == "FINISHED" and "sharpe" in run.metrics
    assert isinstance(build_tracker_from_config({"tracking": {"enabled": False}}), NoopTracker)


def test_ids_are_mlflows_and_can_be_used_at_once(uri, experiment, stored, reader_of):
    """The run open or ended, one or many of them; nothing is flushed."""
    reader = reader_of(Path(uri).as_uri() if uri.startswith("/") else uri)
    tracker = MLflowTracker(uri, experiment, artifacts="none")
    handle = tracker.start_run("open")
    run_id = tracker.get_run_id()
    reader.client.set_tag(run_id, "by_hand", "yes")
    assert str(handle) == run_id and handle == run_id and f"{handle}" == run_id and handle.run_id == run_id
    with tracker.start_run("child", nested=True) as child:
        tracker.log_metrics({"depth": 2.0})
    tracker.end_run()
    assert reader.client.get_run(str(child)).info.run_name == "child"
    results = [BacktestEngine().run(BARS, "ma_crossover", {"fast": n, "slow": 30}) for n in (5, 6)]
    ids = tracker.log_results(results, run_names=["r5", "r6"], parent_run_id=run_id)
    assert len(ids) == 2
    assert [reader.client.get_run(one).info.run_name for one in ids] == ["r5", "r6"]
    rows = tracker.log_runs({"run_name": ["a", "b", "c"], "metrics.x": [1.0, 2.0, 3.0]}, parent_run_id=handle)
    assert reader.client.get_run(rows[2]).data.metrics == {"x": 3.0}
    tracker.flush()
    runs = stored()
    assert [runs[name].run_id for name in ("r5", "r6")] == ids
    assert [runs[name].run_id for name in "abc"] == list(rows)
    for name in ("child", "r5", "r6", "a", "b", "c"):
        assert runs[name].tags["mlflow.parentRunId"] == run_id == runs["open"].run_id, name
    assert runs["open"].tags["by_hand"] == "yes" and runs["open"].status == "FINISHED"
    tracker.close()


def test_an_id_can_be_asked_after_the_tracker_was_closed(uri, experiment, stored):
    tracker = MLflowTracker(uri, experiment)
    with tracker.start_run("gone") as handle:
        tracker.log_metrics({"x": 1.0})
    tracker.close()
    assert str(handle) == stored()["gone"].run_id


def test_a_deleted_experiment_is_said_and_nothing_is_lost(uri, experiment, stored, reader_of):
    client = reader_of(Path(uri).as_uri() if uri.startswith("/") else uri).client
    tracker = MLflowTracker(uri, experiment)
    tracker.start_run("first")
    tracker.log_metrics({"x": 1.0})
    tracker.flush()
    number = client.get_experiment_by_name(experiment).experiment_id
    client.delete_experiment(number)
    tracker.log_metrics({"x": 2.0}, step=1)  # a run that went away with its experiment
    tracker.end_run()
    with tracker.start_run("second"):
        tracker.log_metrics({"x": 3.0})
    with pytest.raises(TrackingError, match="is deleted; restore it"):
        tracker.flush()
    assert client.search_runs([number]) == []
    client.restore_experiment(number)
    tracker.close()
    runs = stored()
    assert {name: run.metrics["x"] for name, run in runs.items()} == {"first": 2.0, "second": 3.0}
    assert {run.status for run in runs.values()} == {"FINISHED"}


@pytest.mark.parametrize("mode", ["background", "sync"])
def test_a_dead_server_costs_a_warning_and_no_run(long_lived, experiment, mode):
    tracker = MLflowTracker(f"http://127.0.0.1:{free_port()}", experiment, mode=mode)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if mode == "background":
            handle = tracker.start_run("nobody")
            assert tracker.get_run_id() is None and tracker.get_run_id() is None
            assert str(handle) == "" and handle.run_id is None
            BacktestEngine(tracker=tracker).run(BARS, "ma_crossover")
            tracker.end_run()
            assert [item.category for item in caught] == [TrackingWarning]
        with tracker:
            BacktestEngine(tracker=tracker).run(BARS, "ma_crossover")
    assert {item.category for item in caught} == {TrackingWarning} and len(caught) <= 2
    assert "is not in" not in str(caught[-1].message) and "127.0.0.1" in str(caught[-1].message)
    with pytest.raises(TrackingError):
        tracker.close()
