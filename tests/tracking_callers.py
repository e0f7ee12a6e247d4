"""Processes that track and are killed, and what must be left of their runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


# A caller that says after each run, on its standard output, that the run has ended.
CALLER = """
import os, sys, time
sys.path.insert(0, {root!r})
from tests.tracking_fakes import FakeBars, fake_result
from peak_fast.tracking import MLflowTracker, log_backtest
tracker = MLflowTracker({uri!r}, {experiment!r}, mode={mode!r})
bars = FakeBars(200)
results = [fake_result(bars=bars, fast=i, n_trades=5) for i in range(10)]
print("ready", flush=True)
i = 0
while i < {n}:
    with tracker.start_run(f"{name}-{{i}}"):
        tracker.log_params({{"number": i}})
        tracker.log_metrics({{"value": float(i)}})
        log_backtest(tracker, results[i % 10])
        for step in range(3):
            tracker.log_metrics({{"curve": float(i + step)}}, step=step)
    print(i, flush=True)
    i += 1
    {after}
"""


def start_caller(folder, uri, experiment, *, name="run", n=10**9, mode="background", after="pass"):
    root = str(Path(__file__).parent.parent)
    code = CALLER.format(root=root, uri=uri, experiment=experiment, mode=mode, n=n, name=name, after=after)
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def kill_and_read(process, delay):
    """Kill a caller some time after it is ready; the numbers of the runs that it said had ended."""
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read().split("\n")
    process.wait()
    process.stdout.close()
    return [int(line) for line in said[:-1]]


def check_complete(runs, ended, name="run"):
    """Each ended run once, whole; a run more at most, which was killed."""
    names = [run.name for run in runs]
    assert len(names) == len(set(names)), "a run is there twice"
    by_name = {run.name: run for run in runs}
    for i in ended:
        run = by_name.pop(f"{name}-{i}")
        assert run.status == "FINISHED"
        assert run.params["number"] == str(i)
        assert run.params["strategy.params.fast"] == str(i % 10)
        assert run.metrics["value"] == float(i)
        assert run.metrics["curve"] == float(i + 2)
        assert run.metrics["sharpe"] == 1.1
        assert run.end is not None
        if run.artifact_uri.startswith("/"):
            assert len([path for path in Path(run.artifact_uri).rglob("*") if path.is_file()]) == 3
    assert len(by_name) <= 1
    for run in by_name.values():
        assert run.status in ("KILLED", "FINISHED")


def header(folder, experiment):
    return {
        "experiment": experiment,
        "folder": str(folder),
        "mode": "background",
        "user": "u",
        "source": "s",
        "tags": {},
    }
