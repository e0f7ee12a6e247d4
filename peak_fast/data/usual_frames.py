"""Frames of the usual form, read in a few microseconds: the bars that `Bars.from_frame` makes of them.

A run of some thousand bars takes less time than asking a frame for all that it could be.  A frame has the usual form
if it is a DataFrame of Polars or pandas, its names leave nothing to decide, its columns are numbers beside datetimes,
and no value needs a repair or a word.  Of every other one this knows nothing: the ordinary way reads or refuses it.

Values are looked at in each call, those of immutable frames too: the memory below a Polars frame may belong to an
array that somebody writes to.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from peak_fast.data.bars import Bars
from peak_fast.data.checks import FIRST_TIME, LAST_TIME, Checked, Columns
from peak_fast.data.dialects import by_header
from peak_fast.data.known_values import FEW, known_bars
from peak_fast.data.names import Plain, plain_names
from peak_fast.data.times import microseconds
from peak_kernels.arrays import IntArray
from peak_kernels.entries import are_clean

# The one object that stands for native float64; other instances take the longer way.
_FLOAT64 = np.dtype(np.float64)
_NONE = np.empty(0)


class Place(NamedTuple):
    """Names in the usual form, and the numbers of their columns: of the prices, the volume, the times."""

    names: Plain
    prices: tuple[int, ...]
    volume: int | None
    time: int | None


class Found(NamedTuple):
    """Columns as they came, the zone of the times, and the name of what held these."""

    columns: Columns
    zone: str | None
    label: str


def usual_bars(frame: Any, name: str | None) -> Bars | None:
    """Bars of a frame in the usual form; None: the ordinary way has to look at it."""
    kind = type(frame)
    if kind.__name__ != "DataFrame":
        return None
    package = kind.__module__.partition(".")[0]
    if package == "polars":
        source = frame.clone()
        place = _place(tuple(frame.columns))
        found = None if place is None else _of_polars(source, place)
    elif package == "pandas":
        # Columns are read from the copy, which what the user writes from now on does not reach.
        source = frame.copy(deep=False)
        place = _place_of_index(frame.columns)
        found = None if place is None else _of_pandas(source, place)
    else:
        return None
    if found is None or place is None:
        return None
    read_from = place.names.read_from
    if place.time is None:
        read_from = {"timestamp": found.label, **read_from}
    columns = found.columns
    if columns.close.size <= FEW:
        return known_bars(frame, columns, found.zone, read_from, source, name or "bars")
    times: IntArray = columns.time_us  # type: ignore[assignment]
    volume = _NONE if columns.volume is None else columns.volume
    if not are_clean(columns[:4], volume, times, FIRST_TIME, LAST_TIME):
        return None
    return Bars._checked(Checked(columns, 0, {}, None), source, name or "bars", found.zone, read_from)


@lru_cache(maxsize=512)
def _place(names: tuple[Any, ...]) -> Place | None:
    """Where the columns stand; None where names have more to say, or are the header of a known form."""
    if set(map(type, names)) != {str}:
        return None
    found = plain_names(names)
    if found is None or by_header(names) is not None:
        return None
    prices = tuple(names.index(name) for name in found.prices)
    volume, time = (None if name is None else names.index(name) for name in (found.volume, found.time))
    return Place(found, prices, volume, time)


# The names that were asked about last; of a frame that is run again they are the same object, which nobody changes.
_last_names: tuple[Any, Place | None] = (None, None)


def _place_of_index(names: Any) -> Place | None:
    global _last_names
    known, place = _last_names
    if names is not known:
        place = _place(tuple(names.tolist()))
        _last_names = (names, place)
    return place


def _of_polars(frame: Any, place: Place) -> Found | None:
    if place.time is None:
        return None
    times = frame.to_series(place.time)
    dtype = times.dtype
    if type(dtype).__name__ != "Datetime":
        return None
    prices = [frame.to_series(at).to_numpy() for at in place.prices]
    volume = None if place.volume is None else frame.to_series(place.volume).to_numpy()
    return _found(prices, volume, microseconds(times.to_numpy()), dtype.time_zone, place.names.time)


def _of_pandas(frame: Any, place: Place) -> Found | None:
    column = getattr(frame, "_get_column_array", None)  # a column by its name takes twenty times as long
    index = frame.index
    counts_rows = type(index).__name__ == "RangeIndex"
    if column is None or counts_rows != (place.time is not None):
        return None
    times, label = (index, index.name) if place.time is None else (column(place.time), place.names.time)
    if type(times).__name__ not in ("DatetimeIndex", "DatetimeArray"):
        return None
    unit, zone = times.unit, getattr(times.dtype, "tz", None)
    time_us = times.asi8 if unit == "us" else microseconds(times.asi8.view(f"M8[{unit}]"))
    volume = None if place.volume is None else column(place.volume)
    prices = [column(at) for at in place.prices]
    label = "index" if label is None else str(label)
    return _found(prices, volume, time_us, None if zone is None else str(zone), label)


def _found(
    prices: list[Any], volume: Any, time_us: IntArray, zone: str | None, label: str | None
) -> Found | None:
    """The columns where all are numbers that the kernels can read, or can be made so without a word."""
    for at, values in enumerate(prices):
        if type(values) is not np.ndarray or values.dtype is not _FLOAT64:
            return None
        if not values.flags.c_contiguous or not values.flags.aligned:
            prices[at] = np.require(values, np.float64, ["C_CONTIGUOUS", "ALIGNED"])
    if volume is not None:
        if type(volume) is not np.ndarray or volume.dtype.kind not in "fiu":
            return None
        if volume.dtype is not _FLOAT64 or not volume.flags.c_contiguous or not volume.flags.aligned:
            volume = np.require(volume, np.float64, ["C_CONTIGUOUS", "ALIGNED"])
    if not prices[0].size:
        return None
    open_, high, low, close = prices
    return Found(Columns(open_, high, low, close, volume, time_us), zone, label or "index")
