"""The smoke test script: six checks pass on a working installation, and a broken one is noticed."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("mlflow")
pytest.importorskip("PIL")

SCRIPT = ROOT / "scripts" / "smoke_test_mlflow.py"


def run_script(tmp_path, *arguments, prelude="", **extra):
    """Run the script in a new process; ``prelude`` is code that runs before it."""
    code = f"import runpy, sys\n{prelude}\nsys.argv = [{str(SCRIPT)!r}, *{list(arguments)!r}]\n"
    code += f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **extra}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=120,
    )


@pytest.mark.slow
def test_six_of_six(tmp_path):
    done = run_script(tmp_path)
    lines = [line for line in done.stdout.splitlines() if re.match("PASS|FAIL|Result", line)]
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:4] for line in lines] == ["PASS"] * 6 + ["Resu"]
    assert lines[-1] == "Result: 6/6"
    names = ("basics", "context manager", "artifact upload", "config builder", "engine", "backtest artifacts")
    assert [line[6:26].strip() for line in lines[:6]] == list(names)
    assert list(tmp_path.iterdir()) == [], "the script left files in the working folder"


@pytest.mark.slow
def test_a_store_that_loses_metrics_is_noticed(tmp_path):
    prelude = (
        "from mlflow import MlflowClient\n"
        "search = MlflowClient.search_runs\n"
        "def without_metrics(self, *args, **named):\n"
        "    runs = search(self, *args, **named)\n"
        "    for run in runs:\n"
        "        run.data.metrics.clear()\n"
        "    return runs\n"
        "MlflowClient.search_runs = without_metrics\n"
    )
    done = run_script(tmp_path, prelude=prelude)
    assert done.returncode == 1
    assert "Result: 4/6" in done.stdout
    assert re.search(r"FAIL  basics +RuntimeError: metrics in the store", done.stdout)
    assert re.search(r"FAIL  engine ", done.stdout)


def test_without_mlflow_it_says_what_to_install(tmp_path):
    done = run_script(tmp_path, prelude="sys.modules['mlflow'] = None")
    assert done.returncode == 2
    assert "pip install 'peak-fast[mlflow]'" in done.stdout
