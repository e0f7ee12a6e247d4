"""When funding is paid: a schedule, times of day, or moments, and the bars that they belong to.

A rate without times would be paid in every bar of a minute chart, where it is due three times a day.

>>> from peak_fast.data import Bars
>>> hours = {name: [10.0] * 48 for name in ("open", "high", "low", "close")}
>>> bars = Bars.from_frame({**hours, "timestamp": np.arange(48) * np.timedelta64(1, "h") + np.datetime64("2024-01-01")})
>>> np.flatnonzero(payments("8h", bars)).tolist()      # the bars that end at 08:00, 16:00, 24:00 ...
[7, 15, 23, 31, 39, 47]
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np

from peak_fast.data import Bars, Calendar, as_time, is_frame, sorted_times
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import IntArray

EVERY_BAR = "bar"
_DAY_US = 86_400_000_000
_UNITS = {"m": 60_000_000, "min": 60_000_000, "h": 3_600_000_000, "hours": 3_600_000_000, "d": _DAY_US}
_PERIOD = re.compile(r"(?:every )?(\d+) ?(min|m|hours|h|d)")
_WAYS = (
    "funding_times='8h' (every 8 hours from midnight UTC), times of day such as ['00:00', '08:00', '16:00'], the "
    "moments themselves, or 'bar' where every bar does pay"
)


def check_funding(funding: Any, times: Any, where: str = "") -> None:
    """Refuse a rate without times, times without a rate, and a schedule that cannot be read.

    Raises
    ------
    ConfigError
        One of these.
    """
    if times is None:
        if funding is not None and _is_constant(funding):
            raise ConfigError(
                f"{where}funding: one rate for all bars says nothing about when it is paid; expected {_WAYS}; or one "
                "value for each bar, NaN where nothing is paid"
            )
        return
    if funding is None:
        raise ConfigError(f"{where}funding_times has no effect without funding: give its rate")
    if not are_moments(times) and times != EVERY_BAR:
        offsets(times, where)


def _is_constant(funding: Any) -> bool:
    """Whether funding is one rate, other than zero, for each bar; a frame has a row for each of its times."""
    if is_frame(funding):
        return False
    try:
        values = np.asarray(funding, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    rows = np.atleast_2d(values)
    single = values.ndim == 0 or (values.ndim == 2 and rows.shape[1] == 1)
    if rows.shape[1] < 2 and not single:
        return False
    return bool(((rows == rows[:, :1]).all(axis=1) & (rows[:, 0] != 0.0)).any())


def are_moments(times: Any) -> bool:
    """Whether times are moments, not a schedule."""
    if isinstance(times, str):
        return False
    if not isinstance(times, list | tuple):
        return True
    return not all(isinstance(item, str) and re.fullmatch(r"\d+:\d+(:\d+)?", item.strip()) for item in times)


def offsets(times: Any, where: str = "") -> tuple[IntArray, int]:
    """A schedule as moments in a period: microseconds after its begin, and its length.

    Raises
    ------
    ConfigError
        It cannot be read.
    """
    if isinstance(times, str):
        found = _PERIOD.fullmatch(times.strip().lower())
        length = int(found[1]) * _UNITS[found[2]] if found else 0
        if length and (_DAY_US % length == 0 or length % _DAY_US == 0):
            return np.zeros(1, np.int64), length
        times = [times]
    marks = [mark for mark in map(_of_day, times) if mark is not None]
    if not marks or len(marks) < len(times):
        raise ConfigError(
            f"{where}funding_times: got {times if len(times) != 1 else times[0]!r}; expected {_WAYS}"
        )
    return np.array(sorted(set(marks)), np.int64), _DAY_US


def _of_day(text: Any) -> int | None:
    """Microseconds after midnight; None: no time of day."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", text.strip()) if isinstance(text, str) else None
    if not found:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    fits = hour < 24 and minute < 60 and second < 60
    return (hour * 3600 + minute * 60 + second) * 1_000_000 if fits else None


def bar_edges(bars: Bars) -> IntArray:
    """Begin of each bar, and the end of the last one; a bar whose stamp is its close begins with the one before."""
    time_us = bars.time_us
    step = int(np.median(np.diff(time_us))) if len(bars) > 1 else _DAY_US
    if getattr(bars, "stamp", "open") == "close":
        return np.concatenate(([time_us[0] - step], time_us))
    return np.concatenate((time_us, [time_us[-1] + step]))


def payments(times: Any, bars: Bars) -> IntArray:
    """How often a schedule pays in each bar: int64[n_bars]."""
    marks, length = offsets(times)
    passed = (bar_edges(bars)[:, None] - marks[None, :]) // length
    counts: IntArray = np.diff(passed.sum(axis=1))
    return counts


def bars_of_moments(times: Any, bars: Bars) -> tuple[IntArray, Calendar]:
    """Bar in which each moment lies, its end included (-1 or ``n_bars`` outside of all), and the moments.

    Raises
    ------
    DataError
        Times that cannot be read, or one that stands there twice.
    """
    moments, zone = as_time(times, "funding_times")
    moments = np.asarray(moments, np.int64)
    sorted_times(moments, "funding_times", DataError)
    place = np.searchsorted(bar_edges(bars), moments, side="left").astype(np.int64) - 1
    return place, Calendar(moments.size, moments, zone)


def identity_of(times: Any) -> Any:
    """Plain value that stands for funding times: the schedule, or a hash of the moments."""
    if times is None or not are_moments(times):
        return times if times is None or isinstance(times, str) else list(times)
    moments = np.ascontiguousarray(as_time(times, "funding_times")[0], np.int64)
    return hashlib.blake2b(moments, digest_size=16).hexdigest()
