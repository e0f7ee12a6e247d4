"""Bars of what a run was given."""

from __future__ import annotations

from typing import Any

from peak_fast.data.bars import Bars
from peak_fast.errors import DataError


def given_bars(data: Any, name: str | None = None) -> Bars:
    """Bars as they are, or those of a frame whose rows are in order of time.

    A frame with the newest row first is refused here, although :meth:`Bars.from_frame` reads it: values without
    times may come beside it (targets, rates, numbers of bars), and nobody says in which of the two orders they are.

    Raises
    ------
    DataError
        The frame cannot be used, or its rows are newest first.
    """
    if isinstance(data, Bars):
        return data
    bars = Bars.from_frame(data, name=name)
    if "reverse" in bars.repaired:
        raise DataError(
            "timestamp: the rows are newest first, and values given beside a frame may be in either order; sort the "
            "frame by time, or pass Bars.from_frame(frame), whose bars are in order of time"
        )
    return bars
