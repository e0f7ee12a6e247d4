"""Bars of what a run was given."""

from __future__ import annotations

import copy
from collections.abc import Callable
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
    usual = (_usual_bars or _loaded())(data, name)
    if usual is not None:
        return usual
    bars = Bars.from_frame(data, name=name)
    if "reverse" in bars.repaired:
        object.__setattr__(bars, "_turned", True)
    return bars


_usual_bars: Callable[[Any, str | None], Bars | None] | None = None


def _loaded() -> Callable[[Any, str | None], Bars | None]:
    """`usual_bars`, which a run of bars does not need; kept, because looking an import up takes its time."""
    global _usual_bars
    from peak_fast.data.usual_frames import usual_bars

    _usual_bars = usual_bars
    return usual_bars


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
