"""Fixtures of tests that read real MLflow stores: one spool and one database a file, a tracker in each mode."""

import os
import subprocess
import sys

import pytest

from peak_fast.data import synthetic
from peak_fast.engine.engine import BacktestEngine
from peak_fast.tracking import (
    MLflowTracker,
)
from tests.tracking_stores import use_spool

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory, empty_database):
    """One spool and one database for most tests; they tell themselves apart by their experiment."""
    folder = tmp_path_factory.mktemp("integration")
    with pytest.MonkeyPatch.context() as patch:
        use_spool(patch, folder / "spool", empty_database)
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


# --- backtests -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine_result():
    return BacktestEngine().run(synthetic(600, seed=2), "ma_crossover", {"fast": 10, "slow": 40})
