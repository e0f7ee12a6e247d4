"""MLflowTracker and processes: fluent runs, ends of processes, forks, forgotten trackers."""

import os
import subprocess
import warnings
from pathlib import Path

import pytest

from peak_fast.data import synthetic
from peak_fast.engine.engine import BacktestEngine
from peak_fast.tracking import MLflowTracker, log_backtest
from peak_fast.tracking.stores import template
from tests.tracking_fakes import fake_result
from tests.tracking_mlflow import run_script
from tests.tracking_stores import segments_of, spool_files

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
        template.create_database(tmp_path / "other.db", str(tmp_path))
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
assert not {{"mlflow", "sqlalchemy", "ssl", "http.client"}} & set(sys.modules)
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
    from peak_fast.tracking.spool import segment, window

    monkeypatch.setattr(segment, "ROTATE_BYTES", 20_000)
    monkeypatch.setattr(window, "SIZE", 1 << 14)
    monkeypatch.setattr(segment, "_room", 1 << 14)
    bars = synthetic(400)
    tracker = MLflowTracker("sqlite:///mine.db", experiment)
    engine = BacktestEngine(tracker=tracker)
    for n in range(30):
        with tracker.start_run(f"run {n}"):
            engine.run(bars, "ma_crossover", {"fast": 5 + n, "slow": 60})
    assert len(segments_of(spool_dir)) > 1
    tracker.flush()
    assert len(segments_of(spool_dir)) <= 1
    tracker.close()
    runs = reader_of(tracker.tracking_uri).runs(experiment)
    assert {run.name: run.params["strategy.params.fast"] for run in runs} == {
        f"run {n}": str(5 + n) for n in range(30)
    }
    assert all(len(list(Path(run.artifact_uri).rglob("*.png"))) == 1 for run in runs)
