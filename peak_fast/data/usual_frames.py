"""Frames of the usual form, read in a few microseconds: the bars that `Bars.from_frame` makes of them.

A run of some thousand bars takes less time than asking a frame for all that it could be.  A frame has the usual form
if it is a DataFrame of Polars or pandas, its names leave nothing to decide, its columns are numbers beside datetimes,
and no value needs a repair or a word.  Of every other one this knows nothing: the ordinary way reads or refuses it.

Values are looked at in each call, those of immutable frames too: the memory below a Polars frame may belong to an
array that somebody writes to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from peak_fast.data.bars import Bars
from peak_fast.data.checks import FIRST_TIME, LAST_TIME
from peak_fast.data.dialects import by_header
from peak_fast.data.known_values import FEW, MOST, Found, bars_of, columns_of, known_bars
from peak_fast.data.late_frames import kept_pandas
from peak_fast.data.names import Plain, plain_names
from peak_fast.data.times import microseconds
from peak_kernels.arrays import IntArray
from peak_kernels.entries import are_clean

# The one object that stands for native float64; other instances take the longer way.
_FLOAT64 = np.dtype(np.float64)
_INT64, _DATETIME = np.dtype(np.int64), np.dtype("M8[us]")
_PLAIN = 0x0101  # of an array's flags: C-contiguous and aligned
_NONE = np.empty(0)


class Place(NamedTuple):
    """Names in the usual form, the numbers of their columns (prices and volume; times), and whether these are all."""

    names: Plain
    numbers: tuple[int, ...]
    time: int | None
    whole: bool


def usual_bars(frame: Any, name: str | None) -> Bars | None:
    """Bars of a frame in the usual form; None: the ordinary way has to look at it."""
    kind = type(frame)
    if kind.__name__ != "DataFrame":
        return None
    package = kind.__module__.partition(".")[0]
    keep: Callable[[], Any]
    if package == "polars":
        place, keep = _place(tuple(frame.columns)), frame.clone
        found = None if place is None else _of_polars(frame, place)
    elif package == "pandas":
        place, keep = _place_of_index(frame.columns), partial(kept_pandas, frame)
        found = None if place is None else _of_pandas(frame, place)
    else:
        return None
    if found is None:
        return None
    name = name or "bars"
    if found.arrays[0].size <= FEW:
        return known_bars(frame, found, keep, name)
    columns = columns_of(found.arrays)
    times: IntArray = columns.time_us  # type: ignore[assignment]
    volume = _NONE if columns.volume is None else columns.volume
    if not are_clean(columns[:4], volume, times, FIRST_TIME, LAST_TIME):
        return None
    return bars_of(found, columns, keep(), name)


@lru_cache(maxsize=512)
def _place(names: tuple[Any, ...]) -> Place | None:
    """Where the columns stand; None where names have more to say, or are the header of a known form."""
    if set(map(type, names)) != {str}:
        return None
    found = plain_names(names)
    if found is None or by_header(names) is not None:
        return None
    numbers = (*found.prices, *([] if found.volume is None else [found.volume]))
    time = None if found.time is None else names.index(found.time)
    whole = len(numbers) + (time is not None) == len(names)
    return Place(found, tuple(names.index(name) for name in numbers), time, whole)


# The names that were asked about last, by their identity; of a frame that is run again they are the same object, which
# nobody changes.
_known_names: dict[int, tuple[Any, Place | None]] = {}


def _place_of_index(names: Any) -> Place | None:
    known = _known_names.get(id(names))
    if known is None or known[0] is not names:
        if len(_known_names) >= MOST:
            _known_names.clear()
        known = _known_names[id(names)] = names, _place(tuple(names.tolist()))
    return known[1]


def _of_polars(frame: Any, place: Place) -> Found | None:
    if place.time is None:
        return None
    times = frame.to_series(place.time)
    dtype = times.dtype
    if type(dtype).__name__ != "Datetime":
        return None
    column = _reader(frame)
    arrays = [column(at) for at in place.numbers]
    said = (place.names.read_from, dtype.time_zone, place.names.time)
    return _found(arrays, column(place.time), said, place.whole)


def _reader(frame: Any) -> Callable[[int], Any]:
    """A column of a Polars frame as an array, by its number.

    Where it has one piece and no nulls, its memory, by names that are not public: of as many small columns the public
    way takes a tenth of a backtest.
    """
    own: Any = getattr(frame, "_df", None)
    if not hasattr(own, "to_series"):
        return lambda at: frame.to_series(at).to_numpy()

    def column(at: int) -> Any:
        series = own.to_series(at)
        try:
            found = None if series.null_count() else series.to_numpy_view()
        except AttributeError:
            found = None
        return frame.to_series(at).to_numpy() if found is None else found

    return column


def _of_pandas(frame: Any, place: Place) -> Found | None:
    manager: Any = getattr(frame, "_mgr", None)
    index = frame.index
    if not hasattr(manager, "blklocs") or (type(index).__name__ == "RangeIndex") != (place.time is not None):
        return None
    # Columns out of the blocks that hold them: by its name one takes twenty times as long.
    blocks, numbers, rows = manager.blocks, manager.blknos, manager.blklocs

    def column(at: int) -> Any:
        values = blocks[numbers[at]].values
        return values[rows[at]] if values.ndim == 2 else values

    if place.time is None:
        times, label = index, index.name
        time = times.asi8 if type(times).__name__ == "DatetimeIndex" else None
    else:
        times, label = blocks[numbers[place.time]].values, place.names.time
        time = (
            times.asi8[rows[place.time]]
            if type(times).__name__ == "DatetimeArray" and times.ndim == 2
            else None
        )
    if time is None:
        return None
    unit, zone = times.unit, getattr(times.dtype, "tz", None)
    label = "index" if label is None else str(label)
    said = (place.names.read_from, None if zone is None else str(zone), label)
    arrays = [column(at) for at in place.numbers]
    return _found(arrays, time if unit == "us" else time.view(f"M8[{unit}]"), said, False)


def _found(arrays: list[Any], time: Any, said: Any, whole: bool) -> Found | None:
    """The columns where all are numbers that the kernels can read, or can be made so without a word."""
    few = 0 < time.size <= FEW
    for at, values in enumerate(arrays):
        if type(values) is not np.ndarray:
            return None
        if few and at == 4 and values.dtype == _INT64 and values.flags.num & _PLAIN == _PLAIN:
            # What few values are is compared as it is, and converted once.
            said = (*said, values.dtype.str)
        elif values.dtype is not _FLOAT64 or values.flags.num & _PLAIN != _PLAIN:
            if values.dtype.kind not in ("f" if at < 4 else "fiu") or (at < 4 and values.dtype != _FLOAT64):
                return None
            arrays[at], whole = np.require(values, np.float64, ["C_CONTIGUOUS", "ALIGNED"]), False
    if not time.size:
        return None
    if time.dtype != _INT64 and time.dtype != _DATETIME:
        if few and time.dtype.isnative:
            said = (*said, time.dtype.str)
        else:
            time, whole = microseconds(time), False
    arrays.append(time if time.flags.num & _PLAIN == _PLAIN else time.copy())
    return Found(arrays, said, whole)
