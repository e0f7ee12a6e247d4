"""Columns of numbers as one text that a page can carry: whole numbers, differences, byte planes, deflate, base64.

A page's script undoes it with the browser's own ``DecompressionStream``.  A column holds about seven digits of its
largest value and three of its smallest: more than a screen shows.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_kernels.arrays import FloatArray

_MISSING = -(2**31)
_MOST = 2**31 - 2
_LEVEL = 4


def packed(columns: Mapping[str, Any], beside: Mapping[str, str] | None = None) -> str:
    """JSON text with ``columns`` (name, length, step, name beside) and ``bytes``, base64 of the deflated planes.

    Parameters
    ----------
    columns
        Arrays of numbers by name; NaN and infinities are "missing".
    beside
        Of columns that lie near an earlier one of the same length, its name: only what lies between them is kept.
    """
    heads, planes = [], []
    known: dict[str, tuple[NDArray[np.int32], float]] = {}
    for name, values in columns.items():
        near = (beside or {}).get(name)
        step = None if near is None else known[near][1]
        numbers, step = known[name] = _whole(np.asarray(values, dtype=np.float64), step)
        heads.append([name, int(numbers.size), step, near])
        planes.append(_planes(numbers if near is None else numbers - known[near][0]))
    body = base64.b64encode(zlib.compress(b"".join(planes), _LEVEL)).decode("ascii")
    return json.dumps({"columns": heads, "bytes": body})


def _whole(values: FloatArray, step: float | None) -> tuple[NDArray[np.int32], float]:
    """Values as multiples of a step, int32; the step."""
    known = np.isfinite(values)
    if not known.any():
        return np.full(values.size, _MISSING, dtype=np.int32), step or 1.0
    step = step or _step(np.abs(values[known]))
    numbers = np.full(values.size, _MISSING, dtype=np.int32)
    numbers[known] = np.clip(np.rint(values[known] / step), -_MOST, _MOST).astype(np.int32)
    return numbers, step


def _step(sizes: FloatArray) -> float:
    """A step of which the values are multiples where they have few decimals, else one too small to be seen."""
    largest = float(sizes.max())
    if largest == 0.0:
        return 1.0
    for step in (1.0, 0.01, 0.0001):
        scaled = sizes / step
        if largest / step < _MOST and np.abs(scaled - np.rint(scaled)).max() < 1e-6:
            return step
    positive = sizes[sizes > 0.0]
    fine = min(largest * 1e-6, float(positive.min()) * 1e-3)
    return float(10.0 ** math.floor(math.log10(max(fine, largest * 5e-9))))


def _planes(numbers: NDArray[np.int32]) -> bytes:
    """Differences of neighbours, the lowest bytes of all first, the highest last."""
    before = np.concatenate((np.zeros(1, np.int32), numbers[:-1]))
    with np.errstate(over="ignore"):
        differences = (numbers - before).astype("<i4")
    return np.ascontiguousarray(differences.view(np.uint8).reshape(-1, 4).T).tobytes()
