"""kill -9 of the writer at random moments, over each kind of store and while one is made: nothing lost or doubled."""

import os
import random
import signal
import time

import pytest

from peak_fast.tracking import MLflowTracker, log_backtest
from peak_fast.tracking.caller import background
from peak_fast.tracking.caller.launch import start_writer
from tests.tracking_callers import check_complete, posix
from tests.tracking_fakes import FakeBars, fake_result
from tests.tracking_stores import spool_files

RUNS = 6
# Seconds within which a writer of each way is killed: it starts, makes the store, writes, and waits for more.
LONGEST = {"bulk": 1.0, "new": 5.0, "client": 6.0, "files": 5.0}


def kill_writers(way, rounds, seed, tmp_path, monkeypatch, reader_of, experiment):
    generator = random.Random(seed)
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    monkeypatch.setenv("PEAK_FAST_BULK", "0" if way == "client" else "1")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr("peak_fast.tracking.caller.mlflow._warned_file_store", True)
    if way == "new":  # nobody has made MLflow's empty database
        monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path / "fresh"))
    uri = str(tmp_path / "mlruns") if way == "files" else f"sqlite:///{tmp_path}/{way}.db"
    tracker = MLflowTracker(uri, experiment)
    channel, bars = tracker._channel, FakeBars(200)
    for number in range(rounds):
        for i in range(number * RUNS, (number + 1) * RUNS):
            with tracker.start_run(f"run-{i}"):
                tracker.log_params({"number": i})
                tracker.log_metrics({"value": float(i)})
                log_backtest(tracker, fake_result(bars=bars, fast=i % 10, n_trades=5))
                for step in range(3):
                    tracker.log_metrics({"curve": float(i + step)}, step=step)
        process = start_writer(channel.folder, channel.uri, channel.home)
        time.sleep(generator.uniform(0.05, LONGEST[way]))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    tracker.close(300.0)
    runs = reader_of(uri).runs(experiment)
    assert len(runs) == rounds * RUNS
    check_complete(runs, range(rounds * RUNS))
    for run in runs:
        points = reader_of(uri).history(run.run_id, "curve")
        assert [step for step, _ in points] == [0, 1, 2], "a point is there twice"
        assert len(reader_of(uri).artifacts(run.run_id)) == 3
    assert spool_files(tmp_path / ("fresh" if way == "new" else "spool")) == []


@posix
@pytest.mark.slow
@pytest.mark.parametrize("way", LONGEST)
def test_kills_of_the_writer(way, spool_dir, tmp_path, monkeypatch, reader_of, experiment):
    kill_writers(way, 4, 31, tmp_path, monkeypatch, reader_of, experiment)


@posix
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", LONGEST)
def test_many_kills_of_the_writer(way, seed, spool_dir, tmp_path, monkeypatch, reader_of, experiment):
    kill_writers(way, 12, seed, tmp_path, monkeypatch, reader_of, experiment)
