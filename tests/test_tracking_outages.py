"""Tracking while stores, disks and folders fail, and the command that records what was left."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from peak_fast.cli import app as cli
from peak_fast.errors import TrackingError
from peak_fast.tracking import MLflowTracker, TrackingWarning, log_backtest, spool
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool.segment import SegmentWriter
from peak_fast.tracking.stores.database import Database
from peak_fast.tracking.updates import StoreUnavailable
from tests.tracking_callers import header
from tests.tracking_fakes import FakeBars, fake_result
from tests.tracking_stores import Server, free_port, segments_of, spool_files

# --- stores that do not answer ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_server_killed_and_restarted(spool_dir, tmp_path, experiment, reader_of, mlflow_module):
    server = Server(tmp_path)
    shutil.copyfile(next(spool_dir.glob("mlflow-*/template.db")), tmp_path / "server.db")
    server.start()
    try:
        tracker = MLflowTracker(server.uri, experiment)
        with tracker.start_run("before"):
            tracker.log_metrics({"value": 1.0})
        tracker.start_run("through")
        tracker.log_metrics({"value": 2.0}, step=0)
        tracker.flush()
        server.stop()
        start = time.monotonic()
        tracker.log_metrics({"value": 3.0}, step=1)
        tracker.end_run()
        with tracker.start_run("while down"):
            tracker.log_metrics({"value": 4.0})
        assert time.monotonic() - start < 1.0
        with pytest.raises(TrackingError, match="nothing is lost"):
            tracker.flush()
        assert time.monotonic() - start < 60.0
        server.start()
        tracker.close()
        runs = {run.name: run for run in reader_of(server.uri).runs(experiment)}
        assert len(reader_of(server.uri).runs(experiment)) == 3
        assert {name: run.metrics["value"] for name, run in runs.items()} == {
            "before": 1.0,
            "through": 3.0,
            "while down": 4.0,
        }
        assert {run.status for run in runs.values()} == {"FINISHED"}
        assert reader_of(server.uri).history(runs["through"].run_id, "value") == [(0, 2.0), (1, 3.0)]
        assert spool_files(spool_dir) == []
    finally:
        server.stop()


def test_a_server_that_was_never_there(spool_dir, experiment):
    tracker = MLflowTracker(f"http://127.0.0.1:{free_port()}", experiment)
    start = time.monotonic()
    with tracker.start_run("waits"):
        tracker.log_metrics({"a": 1.0})
    assert time.monotonic() - start < 1.0
    with pytest.raises(TrackingError, match="peak-fast sync"):
        tracker.close()
    assert time.monotonic() - start < 60.0
    assert len(segments_of(spool_dir)) == 1
    report = sync()
    assert not report.ok
    assert "not synced" in str(report)
    assert len(segments_of(spool_dir)) == 1


@pytest.mark.parametrize("mode", ["background", "sync"])
def test_a_database_locked_for_ten_seconds(spool_dir, tmp_path, experiment, reader_of, mode):
    uri = f"sqlite:///{tmp_path}/locked.db"
    tracker = MLflowTracker(uri, experiment, mode=mode)
    with tracker.start_run("before"):
        pass
    tracker.flush()
    other = sqlite3.connect(tmp_path / "locked.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    seconds = 10.0 if mode == "background" else 2.0
    timer = threading.Timer(seconds, lambda: other.execute("COMMIT"))
    timer.start()
    start = time.monotonic()
    with tracker.start_run("locked"):
        tracker.log_metrics({"a": 1.0})
    blocked = time.monotonic() - start
    assert blocked < 1.0 if mode == "background" else blocked < 30.0
    tracker.close()
    assert time.monotonic() - start >= seconds - 0.5
    timer.join()
    other.close()
    assert {run.name for run in reader_of(uri).runs(experiment)} == {"before", "locked"}
    assert spool_files(spool_dir) == []


def test_sync_mode_goes_on_without_its_store(spool_dir, tmp_path, experiment, monkeypatch, reader_of):
    """The store is away for a while: one warning, nothing raised, nothing lost."""
    from peak_fast.tracking.caller import inprocess
    from peak_fast.tracking.updates import StoreUnavailable

    uri = f"sqlite:///{tmp_path}/away.db"
    tracker = MLflowTracker(uri, experiment, mode="sync")
    real, away = inprocess.open_store, [True]

    def store(*arguments):
        if away[0]:
            raise StoreUnavailable("gone fishing")
        return real(*arguments)

    monkeypatch.setattr(inprocess, "open_store", store)
    with pytest.warns(TrackingWarning, match="gone fishing"):
        tracker.start_run("patient")
    tracker.log_metrics({"a": 1.0})
    tracker.end_run()
    with pytest.raises(TrackingError, match="gone fishing"):
        tracker.flush()
    away[0] = False
    tracker.flush()
    run = reader_of(uri).run(experiment)
    assert (run.metrics, run.status) == ({"a": 1.0}, "FINISHED")
    tracker.close()


# --- disks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte; skips where none can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs Linux and root")
    outcome = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if outcome.returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_under_the_spool(small_disk, spool_dir, tmp_path, experiment, reader_of, monkeypatch):
    tested = next(spool_dir.glob("mlflow-*"))
    (small_disk / tested.name).symlink_to(tested, target_is_directory=True)
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(small_disk))
    uri = f"sqlite:///{tmp_path}/full.db"
    tracker = MLflowTracker(uri, experiment)
    bars = FakeBars(3_000)
    with pytest.warns(TrackingWarning, match="cannot be written"):
        for i in range(60):
            with tracker.start_run(f"run-{i}"):
                log_backtest(tracker, fake_result(bars=bars, fast=i, n_trades=50))
                tracker.log_metrics({"value": float(i)})
    with pytest.raises(TrackingError, match="wait in memory"):
        tracker.flush()
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    tracker.flush()
    tracker.close()
    runs = {run.name: run for run in reader_of(uri).runs(experiment)}
    assert {name: run.metrics["value"] for name, run in runs.items()} == {
        f"run-{i}": float(i) for i in range(60)
    }
    assert {run.status for run in runs.values()} == {"FINISHED"}


def test_a_full_disk_under_the_artifacts(small_disk, spool_dir, experiment, reader_of):
    """The artifact folder fills up: the spool keeps everything until there is room."""
    (small_disk / "mlruns").mkdir()
    (spool_dir.parent / "mlruns").symlink_to(small_disk / "mlruns", target_is_directory=True)
    tracker = MLflowTracker(f"sqlite:///{spool_dir.parent}/art.db", experiment)
    for i in range(4):
        with tracker.start_run(f"run-{i}"):
            tracker.log_text("x" * 400_000, "large.txt")
    with pytest.raises(TrackingError, match="artifact folder"):
        tracker.flush()
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    tracker.close()
    runs = reader_of(tracker.tracking_uri).runs(experiment)
    assert len(runs) == 4
    assert all(Path(run.artifact_uri, "large.txt").stat().st_size == 400_000 for run in runs)


def test_an_unwritable_cache_folder_stops_nothing(spool_dir, tmp_path, experiment, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(blocked / "spool"))
    tracker = MLflowTracker(f"sqlite:///{tmp_path}/none.db", experiment)
    with pytest.warns(TrackingWarning, match="PEAK_FAST_SPOOL_DIR"):
        tracker.start_run("nowhere")
    tracker.log_metrics({"a": 1.0})
    log_backtest(tracker, fake_result(100))
    tracker.end_run()
    with pytest.raises(TrackingError, match="nothing was recorded"):
        tracker.flush()


def test_sync_reports_what_lives(spool_dir, tmp_path, experiment):
    tracker = MLflowTracker(f"sqlite:///{tmp_path}/live.db", experiment)
    tracker.start_run("alive")
    report = sync(dry_run=True)
    assert report.dry_run
    (store,) = report.stores
    assert (store.segments, store.live, store.pending_runs, store.orphans) == (1, 1, 1, [])
    assert "would write 1 runs" in str(report)
    assert not (tmp_path / "live.db").exists()
    assert sync().ok
    assert (tmp_path / "live.db").exists()
    tracker.close()
    assert str(sync()) == "nothing to sync"


def sync_command(monkeypatch, capsys, *arguments):
    """Exit code, output and errors of ``peak-fast sync``."""
    monkeypatch.setattr(sys, "argv", ["peak-fast", "sync", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


def test_the_command_says_what_is_left(spool_dir, tmp_path, experiment, monkeypatch, capsys):
    """Exit code 1 for a store that is not there, and for a run that it refuses; 0 where all is well."""
    assert sync_command(monkeypatch, capsys) == (0, "nothing to sync\n", "")
    uri = f"http://127.0.0.1:{free_port()}"
    away = SegmentWriter(spool.store_folder(uri), header(tmp_path, experiment))
    away.append(spool.Kind.START, ("a" * 32, 1, "x", None, {}, False))
    away.close()
    code, out, error = sync_command(monkeypatch, capsys, "--dry-run")
    assert (code, error) == (0, "")
    assert "would write 1 runs" in out
    code, out, error = sync_command(monkeypatch, capsys)
    assert (code, out) == (1, "")
    assert f"{uri}: not synced:" in error
    away.paths.delete()
    uri = f"sqlite:///{tmp_path}/here.db"
    odd = SegmentWriter(spool.store_folder(uri), header(tmp_path, experiment))
    odd.append(spool.Kind.START, "no fields")
    odd.append(spool.Kind.START, ("a" * 32,))
    odd.close()
    code, out, error = sync_command(monkeypatch, capsys)
    assert (code, out) == (1, "")
    assert "2 updates refused for good, the first: : record at byte" in error
    assert sync_command(monkeypatch, capsys)[0] == 0


def test_credentials_are_asked_for(spool_dir, monkeypatch):
    uri = "postgresql://ann:s3cret@127.0.0.1:1/none"
    writer = SegmentWriter(spool.store_folder(uri), header("/", "e"))
    writer.append(spool.Kind.START, ("a" * 32, 1, "x", None, {}, False))
    writer.close(abandon=True)
    report = sync()
    assert "credentials" in report.stores[0].error
    assert "s3cret" not in str(report)
    named = sync(tracking_uri=uri)
    assert named.stores[0].error
    assert "s3cret" not in str(named)
    assert "credentials" not in named.stores[0].error
    with contextlib.suppress(OSError):
        shutil.rmtree(writer.paths.segment.parent)


def test_a_missing_driver_of_postgresql_is_named(monkeypatch):
    pytest.importorskip("sqlalchemy")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        StoreUnavailable, match=r"pip install psycopg2-binary and postgresql\+psycopg2://"
    ) as caught:
        Database("postgresql+psycopg://ann:s3cret@127.0.0.1:1/none")
    assert "s3cret" not in str(caught.value)


def test_channels_know_when_their_store_fails(spool_dir, experiment):
    tracker = MLflowTracker(f"http://127.0.0.1:{free_port()}", experiment)
    tracker.start_run("x")
    assert not tracker._channel.failing
    with pytest.raises(TrackingError):
        tracker.flush()
    assert tracker._channel.failing
    with pytest.raises(TrackingError):
        tracker.close()
