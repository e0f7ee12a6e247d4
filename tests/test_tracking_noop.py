"""The tracker that records nothing, and the light import of the package."""

import os
import pickle
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import peak_fast.tracking as tracking
from peak_fast.tracking import NoopTracker, Tracker, build_tracker_from_config, log_backtest
from peak_fast.tracking.backtest import log_backtest_metadata
from tests.tracking_fakes import fake_result


class Explosive:
    """Nothing may be asked of it."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was read")

    def __iter__(self):
        raise AssertionError("was iterated")


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The current folder, home and caches: all empty, so that any file made shows."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "PEAK_FAST_CACHE_DIR", "PEAK_FAST_SPOOL_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def call_everything(tracker, thing):
    tracker.start_run("a", nested=True, tags={"b": "c"})
    tracker.log_params(thing)
    tracker.log_metrics(thing, step=3)
    tracker.set_tags(thing)
    tracker.log_artifact("no such file", "folder")
    tracker.log_figure(thing, "x.png", "plots")
    tracker.log_text(thing, "x.txt")
    tracker.log_dict(thing, "x.json")
    tracker.log_table(thing, "x.parquet")
    tracker.log_result(thing, bundle=True)
    tracker.flush(timeout=1.0)
    tracker.end_run("FAILED")
    tracker.close()


def test_obeys_the_protocol():
    assert isinstance(NoopTracker(), Tracker)


def test_accepts_anything_and_looks_at_nothing():
    call_everything(NoopTracker(), Explosive())


def test_leaves_no_file(empty_folder):
    call_everything(NoopTracker(), Explosive())
    with NoopTracker() as tracker:
        log_backtest(tracker, fake_result(100))
    assert list(empty_folder.iterdir()) == []


def test_has_no_run_id():
    tracker = NoopTracker()
    handle = tracker.start_run("x")
    assert handle == ""
    assert tracker.get_run_id() is None
    assert not tracker.active


def test_names_are_empty():
    tracker = NoopTracker()
    assert tracker.tracking_uri == ""
    assert tracker.experiment_name == ""


def test_takes_the_arguments_of_other_trackers():
    tracker = NoopTracker("sqlite:///x.db", "name", auto_start_run=True, mode="sync")
    assert repr(tracker) == "NoopTracker()"


def test_block_returns_the_tracker_and_lets_errors_through():
    tracker = NoopTracker()
    with pytest.raises(ZeroDivisionError), tracker as inside:
        assert inside is tracker
        raise ZeroDivisionError


def test_run_handle_is_a_block():
    with NoopTracker().start_run("x") as run_id:
        assert run_id == ""
    with pytest.raises(KeyError), NoopTracker().start_run("x"):
        raise KeyError


def test_bulk_calls_return_no_ids():
    tracker = NoopTracker()
    assert tracker.log_runs(Explosive(), parent_run_id="x") == []
    assert tracker.log_results(Explosive()) == []


def test_holds_no_state():
    tracker = NoopTracker()
    with pytest.raises(AttributeError):
        tracker.anything = 1
    assert isinstance(pickle.loads(pickle.dumps(tracker)), NoopTracker)


def test_backtests_are_not_looked_at():
    log_backtest(NoopTracker(), Explosive())
    log_backtest(None, Explosive())
    log_backtest_metadata(NoopTracker(), Explosive())
    log_backtest_metadata(None, Explosive())


def test_costs_nothing():
    tracker, result = NoopTracker(), fake_result(100)
    n = 2_000
    costs = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(n):
            log_backtest(tracker, result)
        costs.append((time.perf_counter() - start) / n)
    assert min(costs) < 1e-6


def test_no_warning_no_thread():
    import threading

    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call_everything(NoopTracker(), Explosive())
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        {"tracking": None},
        {"tracking": {}},
        {"tracking": {"enabled": False, "backend": "mlflow"}},
        {"enabled": "false", "backend": "mlflow"},
        {"tracking": {"backend": "noop"}},
        {"tracking": {"backend": "none"}},
        {"something": "else"},
    ],
)
def test_configurations_without_tracking(config):
    assert isinstance(build_tracker_from_config(config), NoopTracker)


def test_importing_is_light():
    code = (
        "import sys, peak_fast, peak_fast.tracking as t; t.NoopTracker(); "
        "heavy = {'mlflow', 'polars', 'matplotlib', 'PIL', 'sqlalchemy', 'sqlite3'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_building_a_tracker_does_not_import_mlflow(empty_folder):
    code = (
        "import sys; from peak_fast.tracking import MLflowTracker; MLflowTracker('sqlite:///x.db'); "
        "assert 'mlflow' not in sys.modules and 'polars' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=empty_folder)
    assert not (empty_folder / "x.db").exists()


def test_exports():
    assert set(tracking.__all__) <= set(dir(tracking))
    for name in tracking.__all__:
        assert getattr(tracking, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tracking.nothing


def test_the_engine_asks_a_null_tracker_for_nothing(empty_folder):
    """Nothing is imported for it, and it is told nothing: one attribute is read."""
    code = """
import sys
from peak_fast import BacktestEngine, NoopTracker, synthetic

class Silent(NoopTracker):
    def log_result(self, result, *, bundle=False):
        raise SystemExit("the engine logged into a tracker without a run")

for tracker in (NoopTracker(), Silent()):
    BacktestEngine(tracker=tracker).run(synthetic(100, seed=1), "ma_crossover", {"fast": 2, "slow": 5})
assert "peak_fast.tracking.backtest" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=empty_folder, env=environment)
