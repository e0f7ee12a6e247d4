"""Timestamps: any column to int64 microseconds UTC, and bars per year from the times of the bars."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.checks import MISSING_TIME, describe
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import IntArray

DAY_US = 86_400_000_000
_LONGEST_DAY_US = DAY_US + 3_600_000_000

# The times asked about last and their answer, replaced as one: a frame that is run again has new arrays of the same
# times, and to compare them costs a tenth of the answer.  Of more times than this it is no longer so.
_FEW = 16_384
_last_asked: tuple[bytes, float] = (b"", 252.0)

_ACCEPTED = "expected datetimes, dates, ISO 8601 strings or epoch integers"


def time_from_array(values: NDArray[Any], label: str) -> tuple[IntArray, str | None]:
    """Microseconds UTC and the time zone's name from a numpy array of datetimes or dates.

    Raises
    ------
    DataError
        The type is not a time, or a value cannot be read.
    """
    kind = values.dtype.kind
    if kind == "M":
        return microseconds(values), None
    if kind == "O":
        return _from_objects(values, label)
    raise DataError(
        f"column {label!r} cannot be read as timestamps (its type is {values.dtype}); {_ACCEPTED}"
    )


def microseconds(values: NDArray[Any]) -> IntArray:
    """Microseconds of an array of datetimes; of one that counts these already its own memory.

    Nanoseconds are rounded down.
    """
    unit = np.datetime_data(values.dtype)
    if unit == ("ns", 1) and values.dtype.isnative:
        # NumPy divides whole numbers four times as fast as datetimes.
        counts = values.view(np.int64)
        found = np.floor_divide(counts, 1000)
        if values.size and counts.min() == MISSING_TIME:
            found[counts == MISSING_TIME] = MISSING_TIME
        return found
    if unit != ("us", 1) or not values.dtype.isnative:
        values = values.astype("M8[us]")
    return values.view(np.int64)


def _from_objects(values: NDArray[Any], label: str) -> tuple[IntArray, str | None]:
    """Python datetimes, dates or strings (one of them throughout)."""
    items: list[Any] = values.tolist()
    first = next((item for item in items if item is not None and item == item), None)
    if isinstance(first, np.datetime64):
        return microseconds(np.array(items, dtype="M8[us]")), None
    if isinstance(first, date):
        return _from_python_dates(items, label)
    raise DataError(f"column {label!r}: {describe(first)} cannot be read as a timestamp; {_ACCEPTED}")


def _from_python_dates(items: list[Any], label: str) -> tuple[IntArray, str | None]:
    time_us = np.empty(len(items), dtype=np.int64)
    zones: set[str | None] = set()
    for row, item in enumerate(items):
        if item is None or item != item:
            time_us[row] = MISSING_TIME
            continue
        if not isinstance(item, date):
            raise DataError(f"column {label!r}: row {row} is {describe(item)}, not a datetime; {_ACCEPTED}")
        value = item if isinstance(item, datetime) else datetime(item.year, item.month, item.day)
        if value.tzinfo is not None:
            zones.add(str(value.tzinfo))
            value = value.astimezone(UTC).replace(tzinfo=None)
        else:
            zones.add(None)
        time_us[row] = int(np.datetime64(value, "us").astype(np.int64))
    if len(zones) > 1 and None in zones:
        raise DataError(
            f"column {label!r} mixes timestamps with and without a time zone; give all of them one, "
            "or remove it from all (times without a zone are taken as UTC)"
        )
    return time_us, zones.pop() if len(zones) == 1 else "UTC"


def periods_per_year(time_us: IntArray) -> float:
    """Bars per year, inferred from the times of the bars.

    Let ``step`` be the median distance between bars.

    * ``step`` up to 25 hours (daily, also over a change of the clocks, and intraday): *bars per
      trading day* x *trading days per year*. A
      weekday trades regularly if it carries at least a quarter of the bars of the busiest weekday (so an FX
      week that opens late on Sunday has five). Trading days per year are 365 if Saturday and Sunday both
      trade, 312 if six weekdays do, else 252. Bars per trading day is the number of bars divided by the
      number of dates on regular weekdays, the first and the last date left out if there are more than three
      (they may be partial); with three dates or fewer it is the count of the fullest date. Daily bars
      therefore give 252 or 365.
    * 5 to 9 days: 52. 26 to 33 days: 12. 85 to 95 days: 4. 350 to 380 days: 1.
    * Any other step: ``(bars - 1) / years`` between the first and the last bar, a year being 365.25 days.

    Parameters
    ----------
    time_us
        Strictly increasing int64 microseconds UTC. With one bar the answer is 252.
    """
    global _last_asked
    if time_us.size < 2:
        return 252.0
    if time_us.size > _FEW:
        return _periods_per_year(time_us)
    asked, (known, answer) = time_us.tobytes(), _last_asked
    if asked != known:
        answer = _periods_per_year(time_us)
        _last_asked = (asked, answer)
    return answer


def _periods_per_year(time_us: IntArray) -> float:
    # So many steps longer than a day there can be at most; of intraday bars this spares looking at each.
    longer = int(time_us[-1] - time_us[0]) // _LONGEST_DAY_US
    if 2 * longer < time_us.size - 1:
        return _daily_or_intraday(time_us)
    steps = np.diff(time_us)
    if 2 * int(np.count_nonzero(steps <= _LONGEST_DAY_US)) > steps.size:
        return _daily_or_intraday(time_us)
    days = float(np.median(steps)) / DAY_US
    for shortest, longest, per_year in ((5, 9, 52.0), (26, 33, 12.0), (85, 95, 4.0), (350, 380, 1.0)):
        if shortest <= days <= longest:
            return per_year
    years = float(time_us[-1] - time_us[0]) / DAY_US / 365.25
    return float(steps.size / years)


def year_remark(time_us: IntArray) -> str | None:
    """What the times cannot show about the bars of a year, in words; None where they show it.

    Days without a weekend between them cannot tell whether weekends trade; on three dates or fewer no date is
    known to be whole.
    """
    if time_us.size < 2:
        return "one bar does not show how many bars a year has: 252 are assumed (periods_per_year= says it)"
    if time_us[-1] - time_us[0] >= 9 * DAY_US and _has_dates(time_us, 4):
        return None
    if 2 * int(np.count_nonzero(np.diff(time_us) <= _LONGEST_DAY_US)) <= time_us.size - 1:
        return None  # weekly bars and the like, whose year follows from their step
    dates, counts = _bars_per_date(time_us)
    first, last = int(dates[0]), int(dates[-1])
    weekend = any((day + 3) % 7 >= 5 for day in range(first + 1, last)) or (
        np.isin((dates + 3) % 7, (5, 6)).any() and last > first
    )
    partial = counts is not None and dates.size <= 3
    if weekend and not partial:
        return None
    unknown = "how many bars a day has" if partial else "whether weekends trade"
    unknown += " or whether weekends trade" if partial and not weekend else ""
    return (
        f"{time_us.size} bars on {dates.size} dates do not show {unknown}: {periods_per_year(time_us):,.0f} bars a "
        "year are assumed (periods_per_year= says it)"
    )


def _has_dates(time_us: IntArray, count: int) -> bool:
    """Whether the bars lie on at least ``count`` dates; only as many are looked up."""
    at = 0
    for _ in range(count):
        if at >= time_us.size:
            return False
        midnight = (int(time_us[at]) // DAY_US + 1) * DAY_US
        at = int(np.searchsorted(time_us, midnight))
    return True


def _daily_or_intraday(time_us: IntArray) -> float:
    dates, counts = _bars_per_date(time_us)
    weekdays = dates + 3  # 1970-01-01 was a Thursday; Monday is 0.
    weekdays -= weekdays // 7 * 7  # several times faster than numpy's integer remainder
    per_weekday = np.bincount(weekdays, weights=counts, minlength=7)
    regular = 4.0 * per_weekday >= per_weekday.max()
    if regular[5] and regular[6]:
        days_per_year = 365.0
    else:
        days_per_year = 312.0 if int(np.count_nonzero(regular)) == 6 else 252.0
    if counts is None:
        return days_per_year
    trading_dates = int(np.count_nonzero(regular[weekdays[1:-1]])) if dates.size > 3 else 0
    if trading_dates == 0:
        return float(counts.max()) * days_per_year
    return float(counts[1:-1].sum()) / trading_dates * days_per_year


def _bars_per_date(time_us: IntArray) -> tuple[IntArray, IntArray | None]:
    """UTC dates (days since 1970) that carry bars, and the number of bars on each (None: one everywhere)."""
    first = int(time_us[0]) // DAY_US
    last = int(time_us[-1]) // DAY_US
    if (last - first) * 8 < time_us.size:
        # Many bars per date: looking the midnights up is far cheaper than dividing every timestamp.
        midnights = np.arange(first, last + 2, dtype=np.int64) * DAY_US
        counts = np.diff(np.searchsorted(time_us, midnights)).astype(np.int64)
        traded = counts > 0
        return np.arange(first, last + 1, dtype=np.int64)[traded], counts[traded]
    dates = time_us // DAY_US
    changes = dates[1:] != dates[:-1]
    if changes.all():
        return dates, None
    starts = np.flatnonzero(np.append(True, changes))
    return dates[starts], np.diff(np.append(starts, dates.size)).astype(np.int64)


def time_of_day(text: str | None) -> int | None:
    """Microseconds after midnight."""
    if text is None:
        return None
    try:
        hour, minute, second = (*map(int, text.split(":")), 0)[:3]
    except (ValueError, AttributeError, TypeError):
        hour = minute = second = -1
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and text.count(":") in (1, 2)):
        raise ConfigError(f"session_end must look like '17:00' or '17:00:00', got {text!r}")
    return (hour * 3600 + minute * 60 + second) * 1_000_000
