"""How much memory a sweep may take."""

from __future__ import annotations

import functools
import re
import time
from pathlib import Path

from peak_fast.errors import ConfigError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_memory(memory: str | int | None) -> int:
    """Bytes of a budget such as ``"2GB"``; None: a quarter of what is free.

    Raises
    ------
    ConfigError
        Not a size.
    """
    if memory is None:
        # Asked at most once a second: a small sweep takes hardly longer than the answer.
        return _available(int(time.monotonic())) // 4
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(memory))
    if match is None or match[2].upper() not in _UNITS or float(match[1]) <= 0.0:
        raise ConfigError(f"memory: expected a size such as '2GB' or a number of bytes; got {memory!r}")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def amount(size: float) -> str:
    """Bytes as people say them."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} KB"


_TIMES = (
    ("years", 31_557_600.0),
    ("days", 86_400.0),
    ("hours", 3_600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
)


def duration(seconds: float) -> str:
    """A time as people say it, in its largest unit."""
    for unit, length in _TIMES:
        if seconds >= 2.0 * length:
            return f"about {seconds / length:,.0f} {unit}"
    return "a few seconds"


def available_memory() -> int:
    """Bytes of free memory as the system tells it; 4 GB where it does not."""
    try:
        with Path("/proc/meminfo").open("rb", buffering=0) as file:
            beginning = file.read(256)
    except OSError:
        return 4 * 10**9
    found = re.search(rb"^MemAvailable:\s*(\d+)", beginning, re.MULTILINE)
    return int(found[1]) * 1024 if found else 4 * 10**9


@functools.lru_cache(maxsize=1)
def _available(second: int) -> int:
    """Free memory in this second."""
    return available_memory()
