"""What every bench shares: fresh processes and the one result format.

A result file (``bench/results/<bench>.json``) is one object::

    {"schema": 1, "bench": "engine", "question": "...", "command": "...",
     "date": "2026-01-31T12:00:00+00:00", "commit": "...", "scale": "full", "machine": {...},
     "versions": {...}, "load": [one-minute load at start, at end], "notes": ["..."], "records": [...]}

with records as described in :mod:`peak_fast.benchmarking.records`, which also times them.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peak_fast.benchmarking.records import (
    SCHEMA,
    Target,
    interleave,
    load_average,
    machine,
    make_record,
    ratios,
    versions,
    write_json,
)

__all__ = [
    "RESULTS",
    "ROOT",
    "SCHEMA",
    "Finished",
    "Recorder",
    "Target",
    "commit",
    "interleave",
    "make_record",
    "pick",
    "ratios",
    "run_process",
    "run_snippet",
    "scale",
    "write_json",
]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def scale() -> str:
    """``full`` (the default), or ``small`` for a quick look that keeps every code path.

    Taken from the environment variable ``PEAK_FAST_BENCH``.
    """
    value = os.environ.get("PEAK_FAST_BENCH", "full")
    if value not in ("full", "small"):
        raise ValueError(f"PEAK_FAST_BENCH is {value!r}; expected full or small")
    return value


def pick(full: Any, small: Any) -> Any:
    """Return ``full`` or ``small``, whichever the scale asks for."""
    return full if scale() == "full" else small


def commit() -> str:
    """Short hash of the checked-out commit, with ``+`` where files differ; empty outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short=10", "HEAD")
        return head + ("+" if head and git("status", "--porcelain", "-uno") else "")
    except OSError:
        return ""


@dataclass
class Recorder:
    """Collects the records of one bench and writes its result file."""

    bench: str
    question: str
    command: str
    records: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    extra_versions: dict[str, Any] = field(default_factory=dict)
    load_at_start: float | None = field(default_factory=load_average)

    def add(self, name: str, samples: Iterable[float], unit: str, **options: Any) -> dict[str, Any]:
        """Add one figure; see :func:`make_record`.  Names are unique within a bench."""
        full = f"{self.bench}/{name}"
        if any(record["name"] == full for record in self.records):
            raise ValueError(f"record {full!r} was added before")
        record = make_record(full, samples, unit, **options)
        self.records.append(record)
        return record

    def document(self) -> dict[str, Any]:
        """Return the whole result file as one object."""
        return {
            "schema": SCHEMA,
            "bench": self.bench,
            "question": self.question,
            "command": self.command,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "scale": scale(),
            "machine": machine(),
            "versions": {**versions(), **self.extra_versions},
            "load": [self.load_at_start, load_average()],
            "notes": self.notes,
            "records": self.records,
        }

    def write(self, folder: Path = RESULTS) -> Path:
        """Write the result file (temporary name, then rename) and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.bench}.json"
        write_json(path, self.document())
        return path


@dataclass(frozen=True)
class Finished:
    """A process that ran to its end."""

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    output: str


def run_process(
    arguments: list[str], env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 600.0
) -> Finished:
    """Run a command in a fresh process; its time is taken from start to exit, its memory from the kernel.

    Raises
    ------
    RuntimeError
        Where it exits with another code than 0; the message ends with the last lines that it wrote.
    """
    merged = {**os.environ, **(env or {})}
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=errors, text=True, env=merged, cwd=cwd or ROOT
        )
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        killer.cancel()
        seconds = time.perf_counter() - begin
        errors.seek(0)
        said = errors.read().strip() or output.strip()
        tail = "\n".join(said.splitlines()[-8:])
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:3])} ... ended with {process.returncode}:\n{tail}")
    divisor = 1024**2 if sys.platform == "darwin" else 1024
    return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / divisor, output)


def run_snippet(code: str, env: dict[str, str] | None = None, timeout: float = 600.0) -> Finished:
    """Run Python source in a fresh interpreter of this environment."""
    return run_process([sys.executable, "-c", code], env=env, timeout=timeout)
