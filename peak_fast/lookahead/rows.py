"""What a strategy gave: rows of numbers over the bars, and where two runs differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from peak_kernels.arrays import FloatArray, IntArray

DECISION = "decision"
COLUMN = "column"
INNER = "inner"
"""Roles of rows: what is traded, what is returned or added to the frame beside it, what is computed on the way."""

SPREAD = 1e-6
MAGNITUDE = 1e-9
"""A change counts from these shares of a row's standard deviation and of its largest value on.

Rounding stays far below: sums of a million prices are right to 1e-10 of their size, and a rolling variance, whose
digits cancel, to some 1e-8 of its spread.  What later bars do to a row is of the size of the row itself, divided by the
number of bars at most: 1e-4 of its spread for the last of ten thousand."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of numbers.

    Parameters
    ----------
    values
        float64[n] or float64[n, k]: one for each bar; with ``bar_of`` one for each row of a long frame.
    loose
        Whether it is a working value: assigned in a loop, or by a helper that was called several times.
    bar_of
        int64[n]: bar of each value; None: they are the bars.
    """

    name: str
    role: str
    values: FloatArray
    loose: bool = False
    bar_of: IntArray | None = None


Rows = dict[str, Row]


class Difference(NamedTuple):
    """Where a row of one run differs from that of another."""

    name: str
    bar: int
    """The first bar."""
    before: float
    """Value there in the shorter or changed run."""
    after: float
    """Value in the run over all bars."""
    changed: Any
    """bool[n]: at which bars."""
    place: int
    """Number of the value that differs first."""

    @property
    def size(self) -> float:
        """Size of the change; NaN where one of the two is missing."""
        return abs(self.after - self.before)


def tolerance(values: FloatArray) -> float:
    """How much of a change is taken for rounding."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0
    return SPREAD * float(known.std()) + MAGNITUDE * float(np.abs(known).max())


def apart(one: FloatArray, other: FloatArray, floor: Any) -> Any:
    """Which of two arrays' values differ by more than ``floor``, or are missing in one of them."""
    with np.errstate(invalid="ignore"):
        far = np.abs(one - other) > floor
    return (far | (np.isnan(one) != np.isnan(other))) & (one != other)


def difference(whole: Row, other: Row, bars: int, floor: Any, ignored: Any = None) -> Difference | None:
    """The first difference before bar ``bars``, or None.

    Parameters
    ----------
    floor
        Size from which on a change counts: a number, or one for each value.
    ignored
        bool, like the values: which are no evidence.
    """
    a, b = whole.values, other.values
    if whole.bar_of is not None:
        if a.shape != b.shape:
            return None
        inside = whole.bar_of < bars
    else:
        count = min(bars, len(a), len(b))
        a, b, inside = a[:count], b[:count], None
        floor = floor[:count] if isinstance(floor, np.ndarray) else floor
        ignored = None if ignored is None else ignored[:count]
    far = apart(a, b, floor)
    if ignored is not None:
        far &= ~ignored
    if inside is not None:
        far &= inside if far.ndim == 1 else inside[:, None]
    if not far.any():
        return None
    return _first(whole, a, b, far)


def _first(whole: Row, a: FloatArray, b: FloatArray, far: Any) -> Difference:
    """The earliest of the values that differ."""
    hit = far if far.ndim == 1 else far.any(axis=1)
    bars = np.arange(hit.size) if whole.bar_of is None else whole.bar_of
    at = np.flatnonzero(hit)
    place = int(at[np.argmin(bars[at])])
    cell: Any = place if far.ndim == 1 else (place, int(np.argmax(far[place])))
    return Difference(whole.name, int(bars[place]), float(b[cell]), float(a[cell]), hit, place)


def as_numbers(values: Any) -> FloatArray | None:
    """A column of any library as float64, NaN where missing; None where it holds no numbers."""
    if hasattr(values, "to_numpy"):
        kind = getattr(values.dtype, "is_temporal", None)
        if kind is not None and kind():
            return None
        try:
            values = values.to_numpy()
        except Exception:
            return None
    array = np.asarray(values)
    if array.dtype.kind == "O":
        try:
            array = np.array([np.nan if item is None else item for item in array.tolist()], dtype=np.float64)
        except (TypeError, ValueError):
            return None
    return array.astype(np.float64) if array.dtype.kind in "biuf" else None


def changes_of(values: FloatArray) -> IntArray:
    """Bars at which a row has another value than before, int64, ascending."""
    row = (
        values
        if values.ndim == 1
        else np.nan_to_num(values, nan=0.0) @ np.sqrt(2.0 + np.arange(values.shape[1]))
    )
    before, after = row[:-1], row[1:]
    moved = (before != after) & ~(np.isnan(before) & np.isnan(after))
    found: IntArray = np.flatnonzero(moved) + 1
    return found
