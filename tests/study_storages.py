"""Storages and worker processes of studies, and what must hold of their trials."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")

from tests.study_worker import open_study, surface  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


STATE = optuna.trial.TrialState


KINDS = ["sqlite", "journal"]


def address(kind, folder):
    return {"sqlite": f"sqlite:///{folder}/study.db", "journal": f"journal://{folder}/study.log"}[kind]


def start_worker(storage, trials, sampler, delay, *rest):
    arguments = [storage, str(trials), sampler, str(delay), *map(str, rest)]
    command = [sys.executable, "-m", "tests.study_worker", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(worker, timeout=90):
    out, err = worker.communicate(timeout=timeout)
    assert worker.returncode == 0, err
    return out.split()


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)


def by_state(study):
    return Counter(trial.state.name for trial in study.optuna.trials)


def check_values(study):
    for trial in study.optuna.trials:
        if trial.state == STATE.COMPLETE:
            assert trial.value == pytest.approx(float(surface(**trial.params)))
            assert trial.user_attrs["peak_fast:metrics"]["sharpe"] == pytest.approx(trial.value)


def complete_points(study):
    trials = study.optuna.get_trials(states=(STATE.COMPLETE,))
    return Counter((trial.params["fast"], trial.params["slow"]) for trial in trials)


def read_log(log):
    lines = Path(log).read_text().splitlines(keepends=True)
    return [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]


def check_two_workers_of_which_one_dies(storage, count, delay, sampler, tmp_path):
    """Kill one of two workers of a study; every trial is there exactly once.  Gives the study."""
    log = tmp_path / "log"
    victim = start_worker(storage, count, sampler, 0.0, log, 20)
    wait_for(lambda: (tmp_path / "log.hangs").exists())
    survivor = start_worker(storage, count, sampler, delay, log)
    wait_for(lambda: len({pid for pid, *_ in read_log(log)}) == 2)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert finish(survivor)[0] == "trials"
    study = open_study(storage, sampler)
    states = by_state(study)
    assert states["COMPLETE"] == count
    assert states["RUNNING"] == states["WAITING"] == 0
    check_values(study)
    if sampler == "grid":
        assert set(complete_points(study).values()) == {1}
    return study
