"""Bars of small frames that are run again and again: what follows from their values is found once.

A frame is looked up by its identity, and then all of its values are compared with a copy of those it had.  So it does
not matter who writes to it, or whether another frame has come to lie where one was.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from peak_fast.data.bars import Bars
from peak_fast.data.checks import Checked, Columns, values_are_clean
from peak_kernels.arrays import AnyArray
from peak_kernels.entries import are_same

# Of more bars a copy costs more than it spares.
FEW = 16_384
# Frames that are known at a time: they may be run in turn.
MOST = 16


class Known(NamedTuple):
    """A frame (which this does not keep alive), the bars of its values, and the arrays these consist of."""

    frame: Any
    bars: Bars
    arrays: tuple[AnyArray, ...]


_known: dict[int, Known] = {}
_LOCK = threading.Lock()


def known_bars(
    frame: Any, columns: Columns, zone: str | None, read_from: Mapping[str, str], source: Any, name: str
) -> Bars | None:
    """Bars of the columns of a frame, which share all they know with those of the same values; None: not clean.

    Parameters
    ----------
    frame
        The user's own.
    columns
        At most `FEW` bars, with times; they are copied.
    zone, read_from, source, name
        See `Bars`.
    """
    arrays = tuple(values for values in columns if values is not None)
    known = _known.get(id(frame))
    if known is None or not _fits(known, arrays, zone, read_from):
        if not values_are_clean(columns):
            return None
        known = _remember(frame, columns, zone, read_from)
    return known.bars._of_frame(source, name)


def _fits(known: Known, arrays: tuple[AnyArray, ...], zone: str | None, read_from: Mapping[str, str]) -> bool:
    first, old = known.bars, known.arrays
    return (
        len(arrays) == len(old)
        and arrays[0].size == old[0].size
        and zone == first.time_zone
        and read_from == first._read_from
        and are_same(arrays, old)
    )


def _remember(frame: Any, columns: Columns, zone: str | None, read_from: Mapping[str, str]) -> Known:
    kept = Columns(*(None if values is None else values.copy() for values in columns))  # type: ignore[arg-type]
    bars = Bars._checked(Checked(kept, 0, {}, None), None, "bars", zone, read_from)
    bars.periods_per_year  # noqa: B018  it stays with the bars
    place = id(frame)

    def forget(gone: Any) -> None:
        """No lock: this may run anywhere, also while the lock is held."""
        found = _known.get(place)
        if found is not None and found.frame is gone:
            _known.pop(place, None)

    known = Known(weakref.ref(frame, forget), bars, tuple(values for values in kept if values is not None))
    with _LOCK, suppress(StopIteration, RuntimeError):
        _known.pop(place, None)
        _known[place] = known
        if len(_known) > MOST:
            del _known[next(iter(_known))]
    return known
