"""Bars of what a run was given."""

from __future__ import annotations

import copy
from typing import Any

from peak_fast.data.bars import Bars
from peak_fast.data.dated import Dated


def given_bars(data: Any, name: str | None = None) -> Bars:
    """Bars as they are, or those of a frame; one whose newest row is first is put in order of time.

    The user of such a frame never sees the bars: whether an array or a number of a bar that comes beside it counts
    from the oldest or from the newest row, nobody says.  The bars therefore are marked
    (`peak_fast.data.matching.Calendar`), and `peak_fast.data.alignment` refuses what carries no times.

    Raises
    ------
    DataError
        The frame cannot be used.
    """
    if isinstance(data, Bars):
        return data
    from peak_fast.data.usual_frames import usual_bars

    usual = usual_bars(data, name)
    if usual is not None:
        return usual
    bars = Bars.from_frame(data, name=name)
    if "reverse" in bars.repaired:
        object.__setattr__(bars, "_turned", True)
    return bars


def is_panel(data: Any) -> bool:
    """Whether data are a `Panel`; asked of bars too, so its files are not imported for the answer."""
    return not isinstance(data, Bars) and isinstance(data, Dated)


def settled(bars: Bars) -> Bars:
    """Bars for what has been brought into their order already."""
    if not bars._turned:
        return bars
    bars = copy.copy(bars)
    object.__setattr__(bars, "_turned", False)
    return bars
