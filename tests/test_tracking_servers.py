"""Many runs through an MLflow server at once: each arrives once and whole, whatever the server does meanwhile."""

import importlib
import itertools
import os
import sys
import threading
import time

import pytest

from peak_fast.errors import TrackingError
from peak_fast.tracking import MLflowTracker
from peak_fast.tracking.stores.calls import CALLS
from tests.tracking_stores import Front, in_front, spool_files

THREADS, RUNS, STEPS = 4, 4, 3


KINDS = ("429 before", "500 before", "503 before", "500 after", "502 after", "closed after")


class _Moody(Front):
    """Each ninth request fails, before or after it was handed on, or the connection is closed without a word."""

    protocol_version = "HTTP/1.1"
    requests = itertools.count()

    def handle_it(self):
        turn, rest = divmod(next(self.requests), 9)
        self.kind = "" if rest or self.path == "/health" else KINDS[turn % len(KINDS)]
        if self.kind.endswith("before"):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            super().answer(int(self.kind[:3]), b"not now", "text/plain")
            return
        super().handle_it()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_it

    def answer(self, status, body, kind):
        if self.kind == "closed after":
            self.close_connection = True
            return
        super().answer(int(self.kind[:3]) if self.kind else status, body, kind)


def log_in_threads(tracker):
    """Runs of several threads, each with steps, parameters, tags and a file, and a child of each first one."""

    def work(number):
        for k in range(RUNS):
            with tracker.start_run(f"{number}-{k}", tags={"kind": "x"}):
                tracker.log_params({"number": number, "k": k})
                for step in range(STEPS):
                    tracker.log_metrics({"steps": 100.0 * number + k - step, f"at{step}": step}, step=step)
                tracker.log_text(f"{number} {k}", "notes/text.txt")
                if k == 0:
                    with tracker.start_run(f"{number}-child", nested=True):
                        tracker.log_metrics({"steps": float(number)})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def flush_until_done(tracker, meanwhile=lambda: None):
    """Flush; what the store did not take is taken later."""
    deadline = time.monotonic() + 120.0
    while True:
        try:
            return tracker.flush()
        except TrackingError:
            assert time.monotonic() < deadline
            meanwhile()


def check(reader, experiment, folder):
    """Each run is there once, with all that it got, in its order."""
    found = reader.runs(experiment)
    runs = {run.name: run for run in found}
    assert len(found) == len(runs) == THREADS * (RUNS + 1)
    assert {run.status for run in found} == {"FINISHED"}
    assert not any("peak_fast.refused" in run.tags for run in found)
    for number in range(THREADS):
        parent = runs[f"{number}-0"]
        assert runs[f"{number}-child"].tags["mlflow.parentRunId"] == parent.run_id
        for k in range(RUNS):
            run = runs[f"{number}-{k}"]
            assert (run.params, run.tags["kind"]) == ({"number": str(number), "k": str(k)}, "x")
            expected = [(step, 100.0 * number + k - step) for step in range(STEPS)]
            assert reader.history(run.run_id, "steps") == expected
            assert run.metrics["steps"] == expected[-1][1]
            assert reader.artifacts(run.run_id) == ["notes/text.txt"]
    assert reader.read(runs["1-2"].run_id, "notes/text.txt", folder) == b"1 2"


def test_what_holds_while_mlflow_is_called(monkeypatch):
    """The user's patience counts; nothing of ours is left behind."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    monkeypatch.delenv(name, raising=False)
    modules = dict(sys.modules)
    with CALLS:
        assert os.environ[name] == "20"
        for missing in ("dbruntime", "pyspark"):
            if missing not in modules and sys.modules.get(missing, CALLS) is None:
                with pytest.raises(ImportError):
                    importlib.import_module(missing)
    assert name not in os.environ and sys.modules == modules
    monkeypatch.setenv(name, "120")
    with CALLS:
        assert os.environ[name] == "120"
    assert os.environ[name] == "120"


@pytest.mark.slow
def test_a_server_that_fails_now_and_then(server, spool_dir, tmp_path, experiment, reader_of):
    requests = itertools.count()
    with in_front(_Moody, server, requests=requests) as uri:
        tracker = MLflowTracker(uri, experiment)
        log_in_threads(tracker)
        flush_until_done(tracker)
        tracker.close()
    assert next(requests) > 100
    check(reader_of(server.uri), experiment, tmp_path)
    assert spool_files(spool_dir) == []


@pytest.mark.slow
def test_many_threads_and_a_server_killed_in_the_middle(server, spool_dir, tmp_path, experiment, reader_of):
    tracker = MLflowTracker(server.uri, experiment)
    log_in_threads(tracker)
    before = _runs_there(server)

    def kill():
        while _runs_there(server) < before + THREADS:  # in the middle of a batch
            time.sleep(0.01)
        server.stop()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TrackingError, match="nothing is lost"):
        tracker.flush()
    killer.join()
    server.start()
    flush_until_done(tracker)
    tracker.close()
    check(reader_of(server.uri), experiment, tmp_path)
    assert spool_files(spool_dir) == []


def _runs_there(server):
    return sum(path.is_dir() for path in (server.folder / "artifacts").glob("*/*"))
