"""Tracking while callers and writers are killed; torn and damaged spools; two processes."""

import random
import subprocess
import sys
import time
import uuid

import pytest

from peak_fast.tracking import MLflowTracker, log_backtest, spool
from peak_fast.tracking.caller.launch import start_writer
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool.segment import SegmentWriter
from tests.tracking_callers import check_complete, header, kill_and_read, posix, start_caller
from tests.tracking_fakes import FakeBars, fake_result
from tests.tracking_stores import segments_of, spool_files

# --- kill -9 ---------------------------------------------------------------------------------------------------


@posix
@pytest.mark.slow
def test_kill_9_of_the_caller_at_twenty_random_moments(spool_dir, tmp_path, experiment, reader_of):
    generator = random.Random(20)
    uri = f"sqlite:///{tmp_path}/killed.db"
    ended = {}
    for n in range(20):
        process = start_caller(tmp_path, uri, experiment, name=f"kill{n}", after="time.sleep(0.005)")
        ended[n] = kill_and_read(process, generator.uniform(0.0, 0.15))
    waiting = sync(dry_run=True)
    assert sum(len(store.orphans) for store in waiting.stores) <= 20
    report = sync()
    assert report.ok, str(report)
    assert sync().stores == []
    runs = reader_of(uri).runs(experiment)
    for n, numbers in ended.items():
        check_complete([run for run in runs if run.name.startswith(f"kill{n}-")], numbers, f"kill{n}")
    assert {run.status for run in runs} <= {"FINISHED", "KILLED"}
    assert spool_files(spool_dir) == []


@posix
@pytest.mark.slow
@pytest.mark.parametrize("path", ["bulk", "client"])
def test_kill_9_of_the_writer_at_random_moments(
    spool_dir, tmp_path, experiment, reader_of, monkeypatch, path
):
    generator = random.Random(21)
    monkeypatch.setenv("PEAK_FAST_BULK", "1" if path == "bulk" else "0")
    uri = f"sqlite:///{tmp_path}/writer.db"
    n_runs = 120 if path == "bulk" else 25
    tracker = MLflowTracker(uri, experiment)
    bars = FakeBars(200)
    for i in range(n_runs):
        with tracker.start_run(f"run-{i}"):
            tracker.log_params({"number": i})
            tracker.log_metrics({"value": float(i)})
            log_backtest(tracker, fake_result(bars=bars, fast=i % 10, n_trades=5))
            for step in range(3):
                tracker.log_metrics({"curve": float(i + step)}, step=step)
    folder, home = tracker._channel.folder, str(tmp_path)
    longest = 0.8 if path == "bulk" else 5.0
    for _ in range(5 if path == "bulk" else 3):
        process = start_writer(folder, uri, home)
        time.sleep(generator.uniform(0.1, longest))
        process.kill()
        process.wait()
    tracker.close()
    runs = reader_of(uri).runs(experiment)
    check_complete(runs, range(n_runs))
    assert len(runs) == n_runs
    for run in runs[:5]:
        points = reader_of(uri).history(run.run_id, "curve")
        assert [step for step, _ in points] == [0, 1, 2], "a point is there twice"
    assert spool_files(spool_dir) == []


@posix
@pytest.mark.slow
def test_kill_9_in_sync_mode_marks_the_run_killed(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/sync.db"
    process = start_caller(tmp_path, uri, experiment, mode="sync", after="time.sleep(0.01)")
    ended = kill_and_read(process, 0.5)
    report = sync()
    assert report.ok
    runs = reader_of(uri).runs(experiment)
    check_complete(runs, ended)
    killed = {run.run_id for run in runs if run.status == "KILLED"}
    assert killed == set(report.stores[0].orphans) if report.stores else not killed


@posix
def test_an_orphan_ends_as_killed_when_the_next_tracker_starts(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/next.db"
    code = (
        "import os, signal; from peak_fast.tracking import MLflowTracker\n"
        f"t = MLflowTracker({uri!r}, {experiment!r}); t.start_run('orphan'); t.log_metrics({{'a': 1.0}})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert len(segments_of(spool_dir)) == 1
    MLflowTracker(uri, experiment)
    deadline = time.monotonic() + 60
    while segments_of(spool_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    run = reader_of(uri).run(experiment)
    assert (run.status, run.metrics) == ("KILLED", {"a": 1.0})


def test_a_torn_tail_loses_only_itself(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/torn.db"
    writer = SegmentWriter(spool.store_folder(uri), header(tmp_path, experiment))
    for i in range(3):
        run_id = uuid.uuid4().hex
        writer.append(spool.Kind.START, (run_id, 10 + i, f"run {i}", None, {}, False))
        writer.append(spool.Kind.METRICS, (run_id, 11, {"value": float(i)}, 0, {}))
        writer.append(spool.Kind.END, (run_id, 12, "FINISHED"))
    writer.close(abandon=True)
    data = writer.paths.segment.read_bytes()
    writer.paths.segment.write_bytes(data[: writer.offset - 7])
    assert sync().ok
    runs = {run.name: run for run in reader_of(uri).runs(experiment)}
    assert {name: run.metrics["value"] for name, run in runs.items()} == {
        f"run {i}": float(i) for i in range(3)
    }
    assert [runs[f"run {i}"].status for i in range(3)] == ["FINISHED", "FINISHED", "KILLED"]


def test_a_damaged_spool_is_put_aside(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/damaged.db"
    writer = SegmentWriter(spool.store_folder(uri), header(tmp_path, experiment))
    offsets = []
    for i in range(3):
        run_id = uuid.uuid4().hex
        offsets.append(writer.offset)
        writer.append(spool.Kind.START, (run_id, 10 + i, f"run {i}", None, {}, False))
    writer.close(abandon=True)
    data = bytearray(writer.paths.segment.read_bytes())
    data[offsets[1] + 30] ^= 255
    writer.paths.segment.write_bytes(data)
    report = sync()
    assert report.ok and not report.complete
    assert writer.paths.segment.name in str(report) and "damaged" in str(report)
    assert [run.name for run in reader_of(uri).runs(experiment)] == ["run 0", "run 2"]
    assert [path.suffix for path in spool_files(spool_dir)] == [".damaged", ".rejected"]


# --- several processes -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_with_one_database(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/both.db"
    callers = [start_caller(tmp_path, uri, experiment, name=name, n=200) for name in ("left", "right")]
    for caller in callers:
        caller.stdout.read()
        assert caller.wait(timeout=120) == 0
        caller.stdout.close()
    deadline = time.monotonic() + 60
    while segments_of(spool_dir) and time.monotonic() < deadline:
        time.sleep(0.1)
    runs = reader_of(uri).runs(experiment)
    assert len(runs) == 400
    for name in ("left", "right"):
        check_complete([run for run in runs if run.name.startswith(name)], range(200), name)
    assert spool_files(spool_dir) == []


def test_two_sync_processes_with_one_database(spool_dir, tmp_path, experiment, reader_of):
    uri = f"sqlite:///{tmp_path}/sync.db"
    callers = [
        start_caller(tmp_path, uri, experiment, name=name, n=15, mode="sync") for name in ("left", "right")
    ]
    for caller in callers:
        caller.stdout.read()
        assert caller.wait(timeout=120) == 0
        caller.stdout.close()
    runs = reader_of(uri).runs(experiment)
    assert len(runs) == 30
    for name in ("left", "right"):
        check_complete([run for run in runs if run.name.startswith(name)], range(15), name)
