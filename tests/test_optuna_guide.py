"""The commands and the code of docs/OPTUNA_GUIDE.md and docs/params.md run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("optuna")

ROOT = Path(__file__).resolve().parent.parent
GUIDE, PARAMS = ROOT / "docs" / "OPTUNA_GUIDE.md", ROOT / "docs" / "params.md"


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.S | re.M)


def run_shell(text, folder):
    """Run a bash block with the ``peak-fast`` of this interpreter."""
    tool = f'"{sys.executable}" -c "from peak_fast.cli import main; main()"'
    script = f'set -e\npeak-fast() {{ {tool} "$@"; }}\n{text}'
    environment = {**os.environ, "COLUMNS": "160", "PYTHONWARNINGS": "error::DeprecationWarning:peak_fast"}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )


def test_params_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in blocks(PARAMS, "python"):
        exec(compile(block, str(PARAMS), "exec"), scope)
    shown = capsys.readouterr().out
    assert "| `rate` | float | `0.01` | 0.0001 to 1.0, log |" in shown
    (messages,) = blocks(PARAMS, "text")
    for line in messages.splitlines():
        assert line.removesuffix(", ...") in shown


def test_guide_from_top_to_bottom(tmp_path, monkeypatch):
    """Shell and Python blocks in the order of the page: the Python code reads what commands left."""
    pytest.importorskip("mlflow")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path / "spool"))
    scope, outputs = {}, []
    for language, block in re.findall(r"^```(bash|python)\n(.*?)^```$", GUIDE.read_text(), re.S | re.M):
        if language == "python":
            exec(compile(block, str(GUIDE), "exec"), scope)
        else:
            done = run_shell(block, tmp_path)
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            outputs.append(done.stdout)
    assert all("Best: trial" in output for output in outputs)
    written = {path.name for path in (tmp_path / "study_out").iterdir()}
    tables = {"trials.parquet", "front.parquet", "best.json", "summary.txt"}
    assert written == tables | {"history.png", "importance.png", "slice.png", "front.png"}
    assert len(pl.read_parquet(tmp_path / "study_out" / "trials.parquet")) == 300
    check_shared_study(tmp_path)
    # The page's last reader ends with its process; here the process goes on.
    scope["stored"]._storage._backend.engine.dispose()


def check_shared_study(folder):
    import optuna

    from peak_fast.studies.storage.storage import open_storage

    storage = open_storage(f"journal://{folder}/study.log").storage
    trials = optuna.load_study(study_name="shared", storage=storage).trials
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert len(complete) == 200
    assert len({tuple(trial.params.items()) for trial in complete}) == 200


def test_an_existing_study_needs_resume(tmp_path):
    command = (
        "peak-fast optimize --data AAPL --strategy ma_crossover --trials 12 --sampler random "
        "--storage sqlite:///s.db"
    )
    assert run_shell(command, tmp_path).returncode == 0
    again = run_shell(command, tmp_path)
    assert again.returncode == 2
    assert "resume it (resume=True, --resume)" in again.stderr
    resumed = run_shell(f"{command} --resume".replace("--trials 12", "--trials 20"), tmp_path)
    assert "20 complete" in resumed.stdout
