"""A cluster of processes for tests that kill them, and the sweep that runs meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from peak_fast import Sweep, synthetic

ROOT = Path(__file__).parent.parent
COUNT = 240
SECONDS = 0.02
METRICS = ("total_return", "sharpe")


def waits(df, params):
    """A strategy whose work is time, so that kills fall into it on any machine."""
    time.sleep(params["seconds"])
    return np.sign((df["close"] - df["close"].shift(params["n"])).fill_null(0.0).to_numpy())


def sweep(count=COUNT, seconds=SECONDS):
    """The sweep whose table is known."""
    grid = {"n": range(1, count + 1), "seconds": [seconds]}
    return Sweep(waits, grid, synthetic(300, seed=4), metrics=METRICS)


class Numbers:
    """Work whose results are the numbers of its items, and that takes time; later ones wait for a file."""

    def __init__(self, seconds, waits_from=1 << 62, file=None):
        self.seconds, self.waits_from, self.file = seconds, waits_from, file

    def open(self, means):
        return self

    def rows(self, start, stop):
        time.sleep(self.seconds * (stop - start))
        if stop > self.waits_from:
            until(Path(self.file).exists, "a file that says go on")
        return np.arange(start, stop, dtype=float)[:, None]

    def notes(self):
        return []


class Cluster:
    """A scheduler and workers with nannies, each a process of its own that may be killed."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.file = folder / "scheduler.json"
        self._folder, self._workers = folder, workers
        self._processes: dict[str, subprocess.Popen] = {}

    def start_scheduler(self) -> None:
        """Start it, at the port that it had before."""
        port = "0" if not self.file.exists() else self._address().rpartition(":")[2]
        self.file.unlink(missing_ok=True)
        self._start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard",
                    "--scheduler-file", str(self.file))  # fmt: skip
        until(lambda: self.file.exists() and self.file.stat().st_size > 0, "the scheduler's file")

    def start_workers(self) -> None:
        """Start processes that start workers again when they die."""
        self._start("workers", "worker", "--scheduler-file", str(self.file), "--nworkers", str(self._workers),
                    "--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder / "work"))  # fmt: skip

    def _start(self, name: str, *arguments: str) -> None:
        log = (self._folder / f"{name}.log").open("ab")
        command = [sys.executable, "-m", "dask", *arguments]
        self._processes[name] = subprocess.Popen(
            command, cwd=self._folder, stdout=log, stderr=log, env=environment(), start_new_session=True
        )
        log.close()

    def _address(self) -> str:
        import json

        return json.loads(self.file.read_text())["address"]

    def kill(self, name: str) -> None:
        """kill -9, with all its children."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)

    def __enter__(self) -> Cluster:
        self._folder.mkdir(exist_ok=True)
        self.start_scheduler()
        self.start_workers()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._processes):
            self.kill(name)


@contextlib.contextmanager
def local_cluster(**options):
    """Workers of this machine; their end is not waited for longer than some seconds."""
    import distributed

    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", **options}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Creating scratch directories")  # a busy machine, no fault
        cluster = distributed.LocalCluster(**options, silence_logs="CRITICAL")
    try:
        yield cluster
    finally:
        with contextlib.suppress(TimeoutError):
            cluster.close(timeout=20)


def environment() -> dict[str, str]:
    """The checkout that is tested, also for processes that start elsewhere."""
    return os.environ | {
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}",
    }


def until(happens, what: str, seconds: float = 60.0) -> None:
    """Wait for something."""
    limit = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < limit, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)


if __name__ == "__main__":
    sweep().run(store=sys.argv[1], cluster=sys.argv[2], progress=False)
