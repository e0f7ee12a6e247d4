"""Figures, their targets, and how they are timed: shared by ``peak-fast bench`` and the repository's benches.

A record is::

    {"name": "engine/5000/time", "label": "...", "params": {...}, "unit": "s", "samples": [...],
     "median": ..., "min": ..., "max": ..., "target": {"limit": 0.0006, "relation": "<=", "source": "...",
     "ratio": ..., "verdict": "met"}, "guard": false, "note": "..."}

``target`` and ``note`` are optional; ``guard`` marks ratios that ``make bench-check`` compares with its
baseline.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

SCHEMA = 1
TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
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
    collect: bool = True,
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
    collect
        Collect garbage once before the first sample.

    Returns
    -------
    dict
        Name to ``rounds`` samples in seconds.  Every second round runs in reverse order.
    """
    for function in variants.values():
        for _ in range(warm_up):
            function()
    if collect:
        gc.collect()
    samples: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            begin = clock()
            variants[name]()
            samples[name].append(clock() - begin)
    return samples


def ratios(samples: list[float], reference: list[float]) -> list[float]:
    """Sample by sample, because both of a round were taken within moments of each other."""
    return [value / base for value, base in zip(samples, reference, strict=True)]


def significant(value: float, digits: int = 3) -> str:
    """Plain decimal notation with ``digits`` significant digits and thousands separators."""
    if value != value:
        return "n/a"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    return text if "e" not in text else f"{value:.{digits + 4}f}".rstrip("0")


def seconds(value: float) -> str:
    """A time in the unit that keeps it between 1 and 1000: ``0.00081`` becomes ``810 us``."""
    for size, unit in TIME_UNITS:
        if abs(value) >= size:
            return f"{significant(value / size)} {unit}"
    return f"{significant(value / 1e-9)} ns"


def figure(value: float, unit: str) -> str:
    """One value with its unit, as it is printed in tables."""
    if unit == "s":
        return seconds(value)
    if unit == "ratio":
        return f"{significant(value)}x"
    if unit == "%":
        return f"{value:+.1f} %"
    return f"{significant(value)} {unit}"
