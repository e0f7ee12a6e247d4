"""Frames that a function reads from outside: events, other markets.

They are inputs, too.  Where only the first bars are known, only their rows up to that time are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from peak_fast.data import package_of, temporal_columns
from peak_kernels.arrays import IntArray


class Outside(NamedTuple):
    """A frame, or a pandas series, with times."""

    name: str
    value: Any
    put: Callable[[Any], None]
    time_us: IntArray
    """Time of each row, microseconds UTC; those without a zone are taken as UTC."""

    def before(self, limit_us: int) -> Any:
        """Its rows before a time."""
        kept = self.time_us < limit_us
        if kept.all():
            return self.value
        return self.value[kept] if package_of(self.value) == "pandas" else self.value.filter(kept)


def outside_of(frames: list[tuple[str, Any, Callable[[Any], None]]]) -> list[Outside]:
    """Those of the frames that have times."""
    found = []
    for name, value, put in frames:
        times = _times(value)
        if times is not None:
            found.append(Outside(name, value, put, times))
    return found


def _times(value: Any) -> IntArray | None:
    package = package_of(value)
    if package == "pandas":
        column = value.index
        if getattr(column.dtype, "kind", "") != "M":
            names = temporal_columns(value) if type(value).__name__ == "DataFrame" else []
            column = value[names[0]].array if names else None
        if column is None:
            return None
        column = column.tz_convert("UTC").tz_localize(None) if column.tz is not None else column
        return np.asarray(column).astype("M8[us]").astype(np.int64)
    if package == "polars" and type(value).__name__ == "DataFrame":
        names = temporal_columns(value)
        return None if not names else value[names[0]].to_numpy().astype("M8[us]").astype(np.int64)
    return None
