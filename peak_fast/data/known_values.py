"""Bars of small frames that are run again and again: what follows from their values is found once.

A frame is looked up by its identity, and then all of its values are compared with a copy of those it had.  So it does
not matter who writes to it, or whether another frame has come to lie where one was.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from peak_fast.data.bars import Bars
from peak_fast.data.checks import Checked, Columns, values_are_clean
from peak_fast.data.times import microseconds
from peak_kernels.arrays import AnyArray
from peak_kernels.entries import are_same

# Of more bars a copy costs more than it spares.
FEW = 16_384
# Frames that are known at a time: they may be run in turn.
MOST = 16


class Found(NamedTuple):
    """Columns of a frame as they came, and what is said about them.

    ``arrays`` are prices, volume where there is one, and times: float64, and datetimes or whole numbers of
    microseconds.  ``said`` is the names of the columns by what they are, the zone of the times, the name of what
    held these, and the types of a volume and of times that are something else.  ``whole``: the frame holds nothing
    else, and nobody can write to it.
    """

    arrays: list[AnyArray]
    said: tuple[Any, ...]
    whole: bool


class Known(NamedTuple):
    """A frame (which this does not keep alive), the bars of its values, and the arrays these consist of."""

    frame: Any
    bars: Bars
    arrays: tuple[AnyArray, ...]
    found: Found


_known: dict[int, Known] = {}
_LOCK = threading.Lock()


def bars_of(found: Found, columns: Columns, source: Any, name: str) -> Bars:
    """Bars of columns that passed every check."""
    read_from, zone, label = found.said[:3]
    if "timestamp" not in read_from:
        read_from = {"timestamp": label, **read_from}
    return Bars._checked(Checked(columns, 0, {}, None), source, name, zone, read_from)


def columns_of(arrays: Sequence[AnyArray]) -> Columns:
    """Columns of what was found."""
    open_, high, low, close = arrays[:4]
    volume = arrays[4].astype(np.float64, copy=False) if len(arrays) == 6 else None
    times = arrays[-1]
    return Columns(open_, high, low, close, volume, microseconds(times) if times.dtype.kind == "M" else times)


def known_bars(frame: Any, found: Found, keep: Callable[[], Any], name: str) -> Bars | None:
    """Bars of at most `FEW` values, which are copied; they share all they know with those of the same values.

    Parameters
    ----------
    frame
        The user's own.
    found
        What was read from it.
    keep
        Gives the frame to keep for the user.
    name
        Of the bars.

    Returns
    -------
    Bars or None
        None where the values have to be looked at by the ordinary way.
    """
    known = _known.get(id(frame))
    if known is None or not _fits(known, found):
        columns = columns_of(found.arrays)
        if not values_are_clean(columns):
            return None
        known = _remember(frame, found, columns, keep() if found.whole else None, name)
    if found.whole and known.found.whole and name == known.bars.name:
        return known.bars
    return known.bars._of_frame(keep(), name)


def _fits(known: Known, found: Found) -> bool:
    arrays, old = found.arrays, known.arrays
    return (
        len(arrays) == len(old)
        and arrays[0].size == old[0].size
        and found.said == known.found.said
        and are_same(arrays, old)
    )


def _remember(frame: Any, found: Found, columns: Columns, source: Any, name: str) -> Known:
    kept = Columns(*(None if values is None else values.copy() for values in columns))  # type: ignore[arg-type]
    bars = bars_of(found, kept, source, name)
    bars.periods_per_year  # noqa: B018  it stays with the bars
    place = id(frame)

    def forget(gone: Any) -> None:
        """No lock: this may run anywhere, also while the lock is held."""
        other = _known.get(place)
        if other is not None and other.frame is gone:
            _known.pop(place, None)

    arrays = tuple(values for values in kept if values is not None)
    if len(found.said) > 3:
        arrays = (*arrays[:4], *(values.copy() for values in found.arrays[4:]))
    known = Known(weakref.ref(frame, forget), bars, arrays, found._replace(arrays=[]))
    with _LOCK, suppress(StopIteration, RuntimeError):
        _known.pop(place, None)
        _known[place] = known
        if len(_known) > MOST:
            del _known[next(iter(_known))]
    return known
