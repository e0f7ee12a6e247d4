"""Helpers of the tracking tests: spool folders, a server, and what is in a store."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from peak_fast.tracking import MLflowTracker, spool
from peak_fast.tracking.caller import background
from peak_fast.tracking.spool import URI_VARIABLE
from peak_fast.tracking.writer.writer import main as writer_main


def use_spool(patch, root, tested):
    """Make ``root`` the spool of this process and of those that it starts."""
    root.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (root / tested.name).symlink_to(tested, target_is_directory=True)
    patch.setenv("PEAK_FAST_SPOOL_DIR", str(root))
    patch.setenv("PEAK_FAST_WRITER_LINGER", "5")
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)


@contextlib.contextmanager
def warm_writers():
    """``keep(uri)`` holds a tracker of a store open, so that its writer process stays from test to test."""
    held = {}

    def keep(uri):
        if uri not in held:
            held[uri] = MLflowTracker(uri, "keep-warm")
            held[uri].start_run("keeper")
            # A writer that the background starts would find the environment of the test that runs just then.
            background.unwatch(held[uri]._channel)

    yield keep
    for tracker in held.values():
        tracker.close()


class WriterInThisProcess:
    """What the writer process of ``sync`` does, without the half second in which one starts."""

    def __init__(self, folder, uri, home, *, report):
        assert report
        self._said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(self._said):
            patch.setenv(URI_VARIABLE, uri)
            patch.setattr(sys, "stderr", sys.stderr)  # which the writer puts another one before
            patch.chdir(home)
            self.returncode = writer_main([str(folder), "--once", "--report"])

    def communicate(self):
        return self._said.getvalue().encode(), None


@dataclass
class SeenRun:
    """A run as the store shows it."""

    run_id: str
    name: str
    status: str
    params: dict
    metrics: dict
    tags: dict
    artifact_uri: str
    start: int
    end: int
    datasets: list = field(default_factory=list)


class Reader:
    """Reads a store through MLflow's client."""

    def __init__(self, mlflow, uri):
        self._environment = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_ALLOW_FILE_STORE": "true"}
        with self._quiet():
            self.client = mlflow.tracking.MlflowClient(uri)

    @contextlib.contextmanager
    def _quiet(self):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, value in self._environment.items():
                patch.setenv(name, value)
            yield

    def runs(self, experiment):
        """All runs of an experiment by name, oldest first; an experiment that does not exist has none."""
        with self._quiet():
            found = self.client.get_experiment_by_name(experiment)
            if found is None:
                return []
            runs = []
            token = None
            while True:
                page = self.client.search_runs(
                    [found.experiment_id], max_results=1000, order_by=["start_time ASC"], page_token=token
                )
                runs += page
                token = page.token
                if not token:
                    break
        return [_seen(run) for run in runs]

    def run(self, experiment):
        """The only run of an experiment."""
        runs = self.runs(experiment)
        assert len(runs) == 1, [run.name for run in runs]
        return runs[0]

    def history(self, run_id, key):
        """``(step, value)`` of a metric, by step."""
        with self._quiet():
            points = self.client.get_metric_history(run_id, key)
        return sorted((point.step, point.value) for point in points)

    def artifacts(self, run_id, path=None):
        """Paths of all artifact files of a run."""
        with self._quiet():
            return sorted(self._walk(run_id, path))

    def _walk(self, run_id, path):
        for entry in self.client.list_artifacts(run_id, path):
            if entry.is_dir:
                yield from self._walk(run_id, entry.path)
            else:
                yield entry.path

    def read(self, run_id, path, folder):
        """Bytes of an artifact."""
        with self._quiet():
            return Path(self.client.download_artifacts(run_id, path, str(folder))).read_bytes()


def _seen(run):
    return SeenRun(
        run.info.run_id,
        run.info.run_name,
        run.info.status,
        dict(run.data.params),
        dict(run.data.metrics),
        dict(run.data.tags),
        run.info.artifact_uri,
        run.info.start_time,
        run.info.end_time,
        [item.dataset for item in run.inputs.dataset_inputs],
    )


def free_port():
    """A TCP port that nobody uses just now."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Server:
    """A local ``mlflow server`` that can be stopped and started again on its port."""

    def __init__(self, folder, backend=None):
        self.folder = folder
        self.backend = backend or f"sqlite:///{folder / 'server.db'}"
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process = None

    def start(self):
        command = [sys.executable, "-P", "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", self.backend]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        environment = {
            **os.environ,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._await_answer()

    def _await_answer(self):
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            with (
                contextlib.suppress(OSError, urllib.error.URLError),
                urllib.request.urlopen(f"{self.uri}/health", timeout=2.0) as answer,
            ):
                if answer.status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def stop(self):
        """Kill the server and its workers at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait(timeout=20)
            self._process = None


class Front(BaseHTTPRequestHandler):
    """In front of a server: answers requests that hold a word with a status of its own, and hands on all others."""

    target, status, word = "", 400, b"forbidden-word"

    def handle_it(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.word in body or self.word.decode() in self.path:
            self.answer(self.status, b"<html>no</html>", "text/html")
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
        request = urllib.request.Request(
            self.target + self.path, data=body or None, headers=headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.answer(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
        except urllib.error.HTTPError as error:
            self.answer(error.code, error.read(), error.headers.get("Content-Type", ""))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_it

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def in_front(handler, server, **given):
    """The address of a :class:`Front` of a kind before a server."""
    kind = type("Handler", (handler,), {"target": server.uri, **given})
    front = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{front.server_address[1]}"
    front.shutdown()
    front.server_close()


def spool_files(root, patience=5.0):
    """What is left in a spool besides the self-test, locks and logs.

    The writer deletes a segment first and what belongs to it afterwards, so it gets a moment.
    """
    deadline = time.monotonic() + patience
    while (found := _spool_files(root)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _spool_files(root):
    kept = (".lock", ".log", ".json")
    # Sorted: each file system lists a folder in a sequence of its own.
    return sorted(
        path
        for folder in Path(root).iterdir()
        if not folder.is_symlink() and folder.is_dir() and not folder.name.startswith("mlflow-")
        for path in folder.iterdir()
        if path.suffix not in kept
    )


def segments_of(root):
    """All segment files below a spool root."""
    return [path for folder in Path(root).iterdir() if folder.is_dir() for path in spool.segments(folder)]
