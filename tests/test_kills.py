"""kill -9 before any line that writes a file: the old or the new is there, and the same call goes on."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")

import peak_fast as pf
from tests.damaged_files import FORMATS, files_of, portfolio, result, sweep
from tests.killed_work import WRITERS

ROOT = Path(__file__).parent.parent
READ = {
    "sweep": "sweep store",
    "saved sweep": "saved sweep",
    "portfolio": "saved portfolio",
    "study": "study journal",
}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


def run(kind, folder, last):
    command = [sys.executable, "-m", "tests.killed_work", kind, str(folder), str(last)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def prepare(kind, folder):
    """What is there before the work that is killed."""
    if kind == "save":
        result(seed=3).save(folder)
    elif kind == "study":
        folder.mkdir()


def check(kind, folder, expected, where):
    """What is there after the kill, and what the same call makes of it."""
    if kind == "save":
        found = pf.BacktestResult.load(folder)
        assert found.hash in (result(seed=3).hash, result(seed=5).hash), where
        result(seed=5).save(folder)
        assert pf.BacktestResult.load(folder).hash == result(seed=5).hash, where
        assert len(files_of(folder)) == 7, where  # leftovers are gone
        return
    if kind == "sweep":
        sweep(folder)
    elif kind == "saved sweep":
        save_if_not_there(folder)
    elif kind == "portfolio" and not any(folder.glob("result.json")):
        portfolio().save(folder)
    assert FORMATS[READ[kind]].read(folder) == expected, where
    assert not [path for path in files_of(folder) if path.name.endswith((".tmp", "damaged-1"))], where


def save_if_not_there(folder):
    try:
        pf.SweepResult.load(folder)
    except pf.PeakFastError:
        sweep(None).save(folder)


def kill_many(kind, tmp_path, count, seed):
    whole = tmp_path / "whole"
    prepare(kind, whole)
    done = run(kind, whole, 0)
    assert done.returncode == 0, done.stderr
    lines = int(done.stdout)
    assert lines > 30
    expected = None if kind == "save" else FORMATS[READ[kind]].read(whole)
    chance, killed = random.Random(seed), 0
    for number in range(count):
        folder = tmp_path / str(number)
        prepare(kind, folder)
        last = 1 + int((number + chance.random()) * lines / count)  # one in each stretch of the work
        done = run(kind, folder, last)
        killed += done.returncode == -signal.SIGKILL
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        check(kind, folder, expected, f"{kind}, killed at line {last} of {lines}")
    assert killed >= 0.8 * count  # lines of other threads are not always as many


@pytest.mark.parametrize("kind", WRITERS)
def test_killed_work_goes_on(kind, tmp_path):
    kill_many(kind, tmp_path, 1 if kind == "study" else 3, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", WRITERS)
def test_work_killed_fifty_times_goes_on(kind, tmp_path):
    kill_many(kind, tmp_path, 50, 2)
