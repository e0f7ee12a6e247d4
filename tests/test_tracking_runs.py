"""Runs of an MLflowTracker: which one is active, whose id is asked for, where it lies, and spools of other versions."""

import base64
import json
import threading
import warnings
import zlib
from pathlib import Path

import pytest

from peak_fast import BacktestEngine, MLflowTracker, Study, Sweep, synthetic
from peak_fast.errors import ConfigError
from peak_fast.metrics.catalog import METRICS
from peak_fast.tracking import RunHandle, TrackingWarning, spool
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool import layout
from peak_fast.tracking.spool.segment import SegmentWriter
from peak_kernels import slots as t
from tests.tracking_callers import header
from tests.tracking_segments import read_runs
from tests.tracking_stores import segments_of

BARS = synthetic(300, seed=7)


# --- a run is open, and another one begins ---------------------------------------------------------------------


def test_forgotten_ends_do_not_merge_backtests(uri, experiment, read):
    """Each backtest lands in the run that was started for it, and each forgotten end is told."""
    tracker = MLflowTracker(uri, experiment, artifacts="none")
    engine, expected = BacktestEngine(tracker=tracker), {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for fast in (5, 10, 15):
            tracker.start_run(f"fast {fast}")
            expected[f"fast {fast}"] = engine.run(BARS, "ma_crossover", {"fast": fast, "slow": 30}).stats[
                "sharpe"
            ]
    tracker.end_run()
    assert [item.category for item in caught] == [TrackingWarning] * 2
    assert all(Path(item.filename) == Path(__file__) for item in caught), "the warning names the user's line"
    runs = {run.name: run for run in read(tracker)}
    assert {name: run.metrics["sharpe"] for name, run in runs.items()} == expected
    assert {run.status for run in runs.values()} == {"FINISHED"}
    tracker.close()


@pytest.mark.parametrize("name", [None, "windows"])
def test_a_block_in_which_nothing_was_recorded_says_so(uri, experiment, read, name):
    """A sweep that was not given the tracker records nothing; one that was, does."""
    grid = {"fast": [5, 8], "slow": [20, 30]}
    words = (
        f"nothing was recorded in the run{f' {name!r}' if name else ''} of this block; .*Sweep.run.tracker="
    )
    with (
        pytest.warns(TrackingWarning, match=words) as told,
        MLflowTracker(uri, experiment, run_name=name) as tracker,
    ):
        Sweep("ma_crossover", grid, BARS).run(progress=False)
    assert [Path(item.filename) for item in told] == [Path(__file__)], "one warning, at the user's line"
    with MLflowTracker(uri, experiment, run_name=name) as tracker:
        Sweep("ma_crossover", grid, BARS).run(progress=False, tracker=tracker)
    empty = [run for run in read(tracker) if not run.params and not run.metrics]
    assert [run.status for run in empty] == ["FINISHED"]


def test_nested_runs_end_with_their_parent_when_another_run_begins(uri, experiment, read):
    tracker = MLflowTracker(uri, experiment)
    tracker.start_run("parent")
    tracker.start_run("child", nested=True)
    with pytest.warns(
        TrackingWarning, match="'child' was open and ends as FAILED, the run 'parent' was open and ends"
    ):
        tracker.start_run("other")
    tracker.end_run()
    assert not tracker.active
    assert {run.name: run.status for run in read(tracker)} == {
        "parent": "FINISHED",
        "child": "FAILED",
        "other": "FINISHED",
    }
    tracker.close()


def test_a_block_ends_what_was_started_inside_and_nothing_else(uri, experiment, read):
    tracker = MLflowTracker(uri, experiment)
    with tracker.start_run("outer"):
        with tracker:  # no run of its own: one is open, and another block ends it
            tracker.start_run("inner", nested=True)
            tracker.log_metrics({"x": 1.0})
        assert tracker.active
        tracker.log_metrics({"y": 2.0})
    assert {run.name: run.metrics for run in read(tracker)} == {"outer": {"y": 2.0}, "inner": {"x": 1.0}}
    tracker.start_run("before")
    with tracker:
        tracker.log_metrics({"z": 3.0})
    assert not tracker.active
    assert {run.status for run in read(tracker)} == {"FINISHED"}
    tracker.close()


def test_a_named_run_is_a_child_of_the_users_own(
    mlflow_module, uri, experiment, reader_of, module_folder, monkeypatch
):
    """Only a run without a name joins, and only once: no two backtests in one run without a word."""
    mlflow = mlflow_module
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(experiment)
        try:
            with mlflow.start_run(run_name="theirs") as run:
                tracker = MLflowTracker(uri, experiment, artifacts="none")
                engine = BacktestEngine(tracker=tracker)
                for name in (None, None, "named"):
                    with tracker.start_run(name):
                        engine.run(BARS, "ma_crossover")
                tracker.flush()
        finally:
            mlflow.set_tracking_uri(None)
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    runs = reader_of(uri).runs(experiment)
    assert len(runs) == 3
    theirs = next(found for found in runs if found.name == "theirs")
    assert theirs.run_id == run.info.run_id and "sharpe" in theirs.metrics
    children = [found for found in runs if found is not theirs]
    assert {child.tags["mlflow.parentRunId"] for child in children} == {run.info.run_id}
    assert "named" in {child.name for child in children}
    tracker.close()


def test_an_end_in_another_thread_ends_its_run_alone(uri, experiment, read):
    tracker = MLflowTracker(uri, experiment)
    handle = tracker.start_run("of the main thread")

    def work():
        with tracker.start_run("of the thread"), handle:
            pass
        assert not tracker.active

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not tracker.active
    assert {run.name for run in read(tracker)} == {"of the main thread", "of the thread"}
    tracker.close()


# --- ids -------------------------------------------------------------------------------------------------------


def test_a_loop_that_asks_for_no_id_starts_no_writer(spool_dir, tmp_path, experiment, monkeypatch):
    from peak_fast.tracking.caller import launch

    monkeypatch.setattr("peak_fast.tracking.caller.background.INTERVAL", 0.0)
    tracker = MLflowTracker(f"sqlite:///{tmp_path}/quick.db", experiment)
    started, start = [], launch.start_writer

    def noted(folder, *others, **named):
        started.append(folder)  # also those of trackers that other tests hold open
        return start(folder, *others, **named)

    monkeypatch.setattr(launch, "start_writer", noted)
    for number in range(5):
        with tracker.start_run(f"run {number}") as run:
            tracker.log_metrics({"x": 1.0})
        assert isinstance(run, str) and run and tracker.active is False
    made = tracker.log_runs({"metrics.x": [1.0, 2.0]})
    assert len(made) == 2
    assert tracker._channel.folder not in started
    tracker.close()
    assert tracker._channel.folder in started


def test_a_handle_is_text(uri, experiment):
    tracker = MLflowTracker(uri, experiment)
    with tracker.start_run("text") as run:
        run_id = tracker.get_run_id()
        assert run == run_id and (run != run_id) is False and hash(run) == hash(run_id)
        assert run[:8] == run_id[:8] and run + "/x" == run_id + "/x" == "".join((str(run), "/x"))
        assert "x/" + run == "x/" + run_id and run.upper() == run_id.upper() and len(run) == 32
        assert {run: 1}[run_id] == 1 and f"{run:>40}" == f"{run_id:>40}" and bool(run)
        assert run_id in str(run).split() and list(run) == list(run_id)
    tracker.close()
    assert RunHandle("plain") == "plain" and RunHandle("plain").run_id == "plain" and not RunHandle("")


# --- where artifacts lie ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", ["1", "0"])
def test_artifacts_lie_beside_the_database(spool_dir, tmp_path, experiment, reader_of, monkeypatch, bulk):
    """Not in whatever folder was current; also where MLflow's client makes the experiment."""
    monkeypatch.setenv("PEAK_FAST_BULK", bulk)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with MLflowTracker("sqlite:///../store/mlflow.db", experiment) as tracker:
        BacktestEngine(tracker=tracker).run(BARS, "ma_crossover")
    (run,) = reader_of(f"sqlite:///{tmp_path}/elsewhere/../store/mlflow.db").runs(experiment)
    place = Path(run.artifact_uri)
    assert place.is_absolute() and (place / "reports/backtest_report.txt").exists()
    assert place.resolve().is_relative_to((tmp_path / "store" / "mlruns").resolve())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_demo_says_where_to_click(spool_dir, tmp_path, capsys, reader_of):
    from peak_fast.cli.demo import _say_where, _tracker

    class Console:
        def print(self, text, **options):
            print(text)

    tracker = _tracker(tmp_path)
    result = Sweep("ma_crossover", {"fast": range(2, 6), "slow": range(20, 24)}, BARS).run(tracker=tracker)
    assert len(result) == 16
    _say_where(tracker, Console())
    text = capsys.readouterr().out
    assert "mlflow ui --backend-store-uri sqlite:///" in text and "http://127.0.0.1:5000" in text
    assert "Model training" in text and f"'{tracker.experiment_name}'" in text
    runs = {run.name: run for run in reader_of(tracker.tracking_uri).runs(tracker.experiment_name)}
    assert "'sweep ma_crossover'" in text and "sweep ma_crossover" in runs
    tracker.close()


# --- what is no store, and no tracker --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("sqllite:///mlflow.db", "did you mean 'sqlite'"),
        ("postgres://ann:secret@db/x", "did you mean 'postgresql'"),
        ("htp://host:5000", "did you mean 'http'"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite://mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:mlflow.db", "sqlite:///mlflow.db"),
        ("s3://bucket/runs", "known:"),
    ],
)
def test_a_uri_that_cannot_work_is_refused_at_once(tmp_path, monkeypatch, wrong, hint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=hint) as caught:
        MLflowTracker(wrong)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", wrong)
    with pytest.raises(ConfigError, match=hint):
        MLflowTracker()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", ["mlflow", 1, MLflowTracker])
def test_what_is_no_tracker_is_refused_at_once(wrong):
    space = {"fast": range(2, 6), "slow": range(20, 30)}
    with pytest.raises(ConfigError, match="tracker: expected a tracker"):
        BacktestEngine(tracker=wrong)
    with pytest.raises(ConfigError, match="tracker: expected a tracker"):
        Sweep("ma_crossover", space, BARS).run(tracker=wrong)
    with pytest.raises(ConfigError, match="tracker: expected a tracker"):
        Study("ma_crossover", BARS, tracker=wrong)


# --- spools of other versions ----------------------------------------------------------------------------------


def test_the_layout_names_every_slot_of_the_kernels():
    now = layout.current()
    assert [getattr(t, name) for name in now.slots] == list(range(t.N_STATE))
    assert (len(now.metrics), now.trades, now.width) == (len(METRICS), t.TRADE_COLUMNS, t.RECORD_WIDTH)
    assert layout.layout_of(layout.spooled()) == now


@pytest.mark.parametrize("number", [3, 4])
def test_a_spool_of_an_earlier_format_is_read(tmp_path, number):
    """Runs of every kind of record."""
    kept = json.loads((Path(__file__).parent / "spools" / f"format_{number}.json").read_text())
    path = tmp_path / f"{1:016x}-1-aaaaaa.seg"
    path.write_bytes(zlib.decompress(base64.b64decode("".join(kept["segment"]))))
    found = {}
    for name, update in read_runs(tmp_path).items():
        found[name] = {
            "params": update.params,
            "metrics": [list(item) for item in update.metrics],
            "end": list(update.end),
            "files": sorted(item.path for item in update.artifacts),
            "kept": {key: value for key, value in update.tags.items() if key in ("t", "k")},
        }
    assert found == kept["runs"]
    assert [run["end"][0] for run in found.values()] == ["FINISHED", "FAILED", "FINISHED", "KILLED"]


@pytest.mark.parametrize("kind", ["earlier", "later"])
def test_a_spool_of_another_format_is_left_alone(kind, spool_dir, tmp_path, experiment, monkeypatch):
    uri = f"sqlite:///{tmp_path}/other.db"
    if kind == "earlier":
        kept = json.loads((Path(__file__).parent / "spools" / "format_1.json").read_text())
        path = spool.store_folder(uri) / f"{1:016x}-1-aaaaaa.seg"
        path.write_bytes(zlib.decompress(base64.b64decode("".join(kept["segment"]))))
    else:
        writer = SegmentWriter(spool.store_folder(uri), header(tmp_path, experiment))
        writer.append(spool.Kind.START, ("a" * 32, 1, "later", None, {}, False))
        writer.close()
        path = writer.paths.segment
        path.write_bytes(path.read_bytes().replace(b"PFR7", b"PFR8"))
    before = path.read_bytes()
    report = sync()
    named = "has format " + ("1 or 2" if kind == "earlier" else str(spool.FORMAT + 1))
    assert not report.ok and named in str(report) and path.name in str(report)
    assert path.read_bytes() == before and segments_of(spool_dir) == [path]
    with MLflowTracker(uri, experiment) as tracker:  # what this version writes goes on beside it
        tracker.log_metrics({"x": 1.0})
    assert path.read_bytes() == before and segments_of(spool_dir) == [path]
