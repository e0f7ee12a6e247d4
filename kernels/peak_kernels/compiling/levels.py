"""Machine code that the package brings along, for levels of processors, and which of it counts here.

A wheel for Linux on x86-64 holds the object file of every entry for each level of the x86-64 psABI: ``v2`` (SSE4.2),
``v3`` (AVX2), ``v4`` (AVX-512).  The highest one that the processor has is used.  Levels differ in how many numbers an
instruction takes, never in a number: `emit` says why.

The code reads arrays, and calls nothing of Python, NumPy or Numba.  It counts for the sources that it was made from,
for the series of Numba and llvmlite that made it (code that is compiled here has to fit), and for the header of
Python's objects that it reads arrays by.  Which Python it is makes no difference otherwise.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from peak_kernels.compiling.cache import PACKAGE_DIR, source_stamp, version_of
from peak_kernels.compiling.layout import ARRAY_HEADER
from peak_kernels.compiling.linking import IS_PLAIN

LEVELS = ("v4", "v3", "v2")
"""From the highest to the lowest."""
COMPILED = "compiled"
"""Folder of the package with a folder for each level."""
VARIABLE = "PEAK_FAST_CPU_LEVEL"
"""Names the highest level that may be used, or `NONE`: no code of the package's."""
NONE = "none"

# What Linux calls the features that a level adds to the one below it.
_ADDED = {
    "v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
    "v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
# Settings of numba's that leave machine code as it is.
_IGNORED = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS")


@functools.cache
def processor() -> dict[str, str]:
    """What Linux says about the first processor, by the names of ``/proc/cpuinfo``; empty where it says nothing."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            first = file.read(8192).split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def best_level() -> str | None:
    """Highest level that this processor has; None: not even the lowest, or not known."""
    features = set(processor().get("flags", "").split())
    best = None
    for level in reversed(LEVELS):
        if not features.issuperset(_ADDED[level].split()):
            break
        best = level
    return best


def level() -> str | None:
    """Level whose code is used: the processor's, or a lower one that ``PEAK_FAST_CPU_LEVEL`` names; None: none."""
    best, asked = best_level(), os.environ.get(VARIABLE, "")
    if best is None or not IS_PLAIN or asked == NONE:
        return None
    if asked and asked not in LEVELS:
        _tell_unknown(asked, best)
    return max(best, asked, key=LEVELS.index) if asked in LEVELS else best


@functools.cache
def _tell_unknown(asked: str, best: str) -> None:
    """A line of the log, once."""
    import logging

    known = ", ".join(reversed(LEVELS))
    logging.getLogger("peak_kernels").warning(
        "%s: expected one of %s, or %s; got %r; the processor's own, %s, is used",
        VARIABLE,
        known,
        NONE,
        asked,
        best,
    )


def settings() -> dict[str, str]:
    """Numba's environment variables that machine code may depend on."""
    return {k: v for k, v in sorted(os.environ.items()) if k.startswith("NUMBA_") and k not in _IGNORED}


def package_facts() -> dict[str, Any]:
    """What code that the package brings along depends on; the level is its folder."""
    return {
        "sources": source_stamp(),
        "numba": _series("numba"),
        "llvmlite": _series("llvmlite"),
        "header": ARRAY_HEADER,
        "settings": settings(),
    }


def _series(distribution: str) -> str:
    """First two numbers of an installed version."""
    return ".".join(version_of(distribution).split(".")[:2])


def package_file(name: str) -> Path | None:
    """Object file of an entry that the package brings along for this processor; None where there is none."""
    chosen = level()
    if chosen is None:
        return None
    file = PACKAGE_DIR / COMPILED / chosen / f"{name}.object"
    return file if file.is_file() else None


def why_not(name: str) -> str | None:
    """Why an entry is compiled here, and not what the package brings along for it; None where that is used."""
    if not IS_PLAIN:
        return "the package brings machine code along for Linux on x86-64 only"
    if not (PACKAGE_DIR / COMPILED).is_dir():
        return "none came along: installed from source, or from the wheel for all platforms"
    if level() is None:
        asked = os.environ.get(VARIABLE)
        return f"{VARIABLE} is {NONE}" if asked == NONE else "this processor has less than x86-64-v2"
    file = package_file(name)
    if file is None:
        return f"there is no file of {name} for {level()}"
    try:
        with file.open("rb") as lines:
            made = json.loads(lines.readline())["facts"]
        here = package_facts()
        other = [f"{key} {made.get(key)}, here {here[key]}" for key in here if made.get(key) != here[key]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"the file of {name} is damaged"
    return f"it was made for {'; '.join(other)}" if other else None
