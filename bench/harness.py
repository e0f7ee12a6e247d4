"""What every bench shares: timing in interleaved rounds, fresh processes, and the one result format.

A result file (``bench/results/<bench>.json``) is one object::

    {"schema": 1, "bench": "engine", "question": "...", "command": "...",
     "date": "2026-01-31T12:00:00+00:00", "commit": "...", "scale": "full", "machine": {...},
     "versions": {...}, "load": [one-minute load at start, at end], "notes": ["..."], "records": [...]}

and a record is::

    {"name": "engine/5000/time", "label": "...", "params": {...}, "unit": "ms", "samples": [...],
     "median": ..., "min": ..., "max": ..., "target": {"limit": 0.6, "relation": "<=", "source": "...",
     "ratio": ..., "verdict": "met"}, "guard": false, "note": "..."}

``target`` and ``note`` are optional; ``guard`` marks ratios that ``bench-check`` compares with the baseline.
"""

from __future__ import annotations

import contextlib
import datetime
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
SCHEMA = 1
PACKAGES = (
    "peak-fast",
    "numba",
    "llvmlite",
    "numpy",
    "polars",
    "narwhals",
    "pydantic",
    "mlflow",
    "matplotlib",
)


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


def cpu_name() -> str:
    """Model name of the processor, as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system and Python of this machine."""
    memory = 0.0
    with contextlib.suppress(ValueError, OSError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that the figures depend on, where installed."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


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


def load_average() -> float | None:
    """Return the one-minute load, or None where the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


@dataclass
class Target:
    """A documented limit and where it is written."""

    limit: float
    source: str
    relation: str = "<="

    def judge(self, value: float) -> dict[str, Any]:
        """Return the target with its verdict; ``ratio`` is measured over limit."""
        if self.relation not in ("<=", ">="):
            raise ValueError(f"relation is {self.relation!r}; expected <= or >=")
        met = value <= self.limit if self.relation == "<=" else value >= self.limit
        return {
            "limit": self.limit,
            "relation": self.relation,
            "source": self.source,
            "ratio": value / self.limit if self.limit else None,
            "verdict": "met" if met else "missed",
        }


def make_record(
    name: str,
    samples: Iterable[float],
    unit: str,
    *,
    label: str = "",
    params: dict[str, Any] | None = None,
    target: Target | None = None,
    guard: bool = False,
    note: str = "",
) -> dict[str, Any]:
    """Return one record of the result format from the samples of one figure."""
    values = [float(value) for value in samples]
    if not values:
        raise ValueError(f"record {name!r} has no samples")
    if guard and unit != "ratio":
        raise ValueError(f"record {name!r} is guarded but its unit is {unit!r}: only ratios are guarded")
    median = statistics.median(values)
    record: dict[str, Any] = {
        "name": name,
        "label": label or name,
        "params": params or {},
        "unit": unit,
        "samples": values,
        "median": median,
        "min": min(values),
        "max": max(values),
        "guard": guard,
    }
    if target is not None:
        record["target"] = target.judge(median)
    if note:
        record["note"] = note
    return record


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


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file through a temporary name, so that no reader sees half of it."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def interleave(
    variants: dict[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Time the variants in turn, round after round, so that a slow spell of the machine hits all alike.

    Parameters
    ----------
    variants
        Name to a function without arguments.
    rounds
        Samples per variant.
    clock
        Seconds; ``time.process_time`` for CPU time.
    warm_up
        Calls of each variant before the first sample.

    Returns
    -------
    dict
        Name to ``rounds`` samples in seconds.  Every second round runs in reverse order.
    """
    for function in variants.values():
        for _ in range(warm_up):
            function()
    samples: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            gc.collect()
            begin = clock()
            variants[name]()
            samples[name].append(clock() - begin)
    return samples


def ratios(samples: list[float], reference: list[float]) -> list[float]:
    """Sample by sample, because both of a round were taken within moments of each other."""
    return [value / base for value, base in zip(samples, reference, strict=True)]


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
        Where it exits with another code than 0; the message ends with the last lines of its error output.
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
        tail = "\n".join(errors.read().strip().splitlines()[-8:])
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:3])} ... ended with {process.returncode}:\n{tail}")
    divisor = 1024**2 if sys.platform == "darwin" else 1024
    return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / divisor, output)


def run_snippet(code: str, env: dict[str, str] | None = None, timeout: float = 600.0) -> Finished:
    """Run Python source in a fresh interpreter of this environment."""
    return run_process([sys.executable, "-c", code], env=env, timeout=timeout)
