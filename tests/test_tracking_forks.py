"""A fork beside threads that record: the child's locks are new before anything can wait for them."""

import os
import threading
import time
import warnings

import pytest

from peak_fast.tracking import MLflowTracker, spool
from peak_fast.tracking.caller import background
from tests.tracking_segments import read_runs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def forked(work, timeout=30.0):
    """Exit code of a child that does some work; one that hangs is killed, which is -9."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads run: that is the matter here
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, 9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def tracker(spool_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    made = MLflowTracker(f"sqlite:///{tmp_path}/m.db", "forks")
    yield made
    made._channel.drop()
    background.unwatch(made._channel)


@pytest.mark.parametrize("used", [False, True], ids=["before its first run", "between runs"])
def test_a_lock_that_a_thread_holds_is_free_in_the_child(tracker, used):
    if used:
        tracker.start_run("parent")
    held, done = threading.Event(), threading.Event()

    def hold():
        with tracker._channel.lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def work():
        assert not tracker.active
        tracker.start_run("child")
        tracker.log_metrics({"x": 1.0})
        tracker.end_run()

    try:
        assert forked(work) == 0
    finally:
        done.set()
        thread.join()
    if used:
        tracker.end_run()
    tracker._channel.drop()
    runs = read_runs(tracker._channel.folder)
    assert runs["child"].metrics[0][:2] == ("x", 1.0)
    assert set(runs) == ({"child", "parent"} if used else {"child"})


def test_handlers_that_were_registered_before_may_record(spool_dir, tmp_path):
    """In a fresh interpreter: a handler from before the first tracker, in the child of a fork beside a busy thread."""
    import subprocess
    import sys

    code = f"""
import os, threading, warnings
warnings.simplefilter("ignore")
from peak_fast.tracking import MLflowTracker
trackers = []
def in_child():
    trackers[0].start_run("handler")
    trackers[0].end_run()
tracker = MLflowTracker("sqlite:///{tmp_path}/m.db", "forks")
os.register_at_fork(after_in_child=in_child)
trackers.append(tracker)
def busy():
    while True:
        with tracker.start_run("busy"):
            tracker.log_metrics({{"x": 1.0}})
threading.Thread(target=busy, daemon=True).start()
codes = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0)
    codes.append(os.waitpid(child, 0)[1])
os._exit(max(codes))
"""
    environment = {**os.environ, "PEAK_FAST_SPOOL_DIR": str(spool_dir), "PEAK_FAST_WRITER_INTERVAL": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=120)
    assert done.returncode == 0
    names = [
        head[2]
        for path in spool_dir.glob("*/*.seg")
        for record in spool.read_records(path)
        for head in [record.head]
        if record.kind == spool.Kind.START
    ]
    assert names.count("handler") == 20 and "busy" in names
