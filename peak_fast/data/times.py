"""Timestamps: any column to int64 microseconds UTC, and bars per year from the times of the bars."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.checks import MISSING_TIME, IntArray, describe
from peak_fast.errors import DataError

DAY_US = 86_400_000_000

_ACCEPTED = "expected datetimes, dates, ISO 8601 strings or epoch integers"
# Year-first forms besides ISO 8601; day-first and month-first cannot be told apart, so neither is guessed.
_FORMATS = (
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y.%m.%d %H:%M:%S",
    "%Y.%m.%d %H:%M",
    "%Y.%m.%d",
    "%Y%m%d %H%M%S",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d",
)


def time_from_array(values: NDArray[Any], label: str) -> tuple[IntArray, str | None]:
    """Microseconds UTC and the time zone's name from a numpy array of datetimes, integers or strings.

    Raises
    ------
    DataError
        The type is not a time, or a value cannot be read.
    """
    kind = values.dtype.kind
    if kind == "M":
        return _from_datetime64(values), None
    if kind in "iu":
        return _from_epoch(values, label), None
    if kind == "f":
        return _from_float_epoch(values, label), None
    if kind in "OUST":
        return _from_objects(values, label)
    raise DataError(
        f"column {label!r} cannot be read as timestamps (its type is {values.dtype}); {_ACCEPTED}"
    )


def _from_datetime64(values: NDArray[Any]) -> IntArray:
    unit = np.datetime_data(values.dtype)
    if unit != ("us", 1) or not values.dtype.isnative:
        values = values.astype("M8[us]")
    return values.view(np.int64)


def _from_epoch(values: NDArray[Any], label: str) -> IntArray:
    """Epoch integers; the unit (s, ms, us, ns) follows from the magnitude of the largest value."""
    if values.size == 0:
        return values.astype(np.int64)
    largest = max(abs(int(values.max())), abs(int(values.min())))
    if largest < 100_000_000:
        raise DataError(
            f"column {label!r}: integers up to {largest} are too small for an epoch in seconds (at least "
            "1e8); convert them to datetimes, or rename the column if it only numbers the bars"
        )
    integers = values.astype(np.int64)
    if largest < 100_000_000_000:
        return integers * 1_000_000
    if largest < 100_000_000_000_000:
        return integers * 1_000
    return integers if largest < 100_000_000_000_000_000 else integers // 1_000


def _from_float_epoch(values: NDArray[Any], label: str) -> IntArray:
    finite = np.isfinite(values)
    if not finite.all():
        row = int((~finite).argmax())
        raise DataError(
            f"column {label!r}: row {row} is {values[row]!s}; every bar needs its time: drop or fill it"
        )
    # Seconds with a fraction are common; float64 holds them to better than a microsecond until the year 2242.
    if values.size and np.abs(values).max() < 1e11:
        _from_epoch(np.abs(values).astype(np.int64), label)
        return np.round(values * 1e6).astype(np.int64)
    return _from_epoch(np.round(values).astype(np.int64), label)


def _from_objects(values: NDArray[Any], label: str) -> tuple[IntArray, str | None]:
    """Python datetimes, dates or strings (one of them throughout)."""
    items: list[Any] = values.tolist()
    first = next((item for item in items if item is not None and item == item), None)
    if isinstance(first, bytes):
        items = [item.decode() if isinstance(item, bytes) else item for item in items]
        first = first.decode()
    if isinstance(first, str):
        return parse_strings(items, label)
    if isinstance(first, np.datetime64):
        return _from_datetime64(np.array(items, dtype="M8[us]")), None
    if isinstance(first, int):
        return _from_epoch(np.array(items, dtype=np.int64), label), None
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


def parse_strings(values: Any, label: str) -> tuple[IntArray, str | None]:
    """Timestamps from text: ISO 8601 with or without an offset, or another year-first form.

    Parameters
    ----------
    values
        List of str or a Polars String series.
    label
        Column name for messages.

    Returns
    -------
    tuple
        int64 microseconds UTC, and "UTC" where the text carries offsets, else None.

    Raises
    ------
    DataError
        A value that cannot be read, or text with and without an offset mixed.
    """
    import polars as pl

    series = pl.Series(label, values, dtype=pl.String, strict=False).str.strip_chars()
    first = next((value for value in series if value is not None), None)
    form = None if first is None else _year_first_form(first)
    if form is not None:
        target = pl.Datetime("us") if "%H" in form else pl.Date
        parsed, zone = series.str.strptime(target, form, strict=False), None
    else:
        parsed, zone = _parse_iso(series, first)
    if parsed.null_count() > series.null_count():
        row = int((parsed.is_null() & series.is_not_null()).arg_max() or 0)
        raise DataError(
            f"column {label!r}: row {row} is {describe(series[row])}, which is not a date or time in the "
            f"form of {describe(first)}; expected one form throughout, ISO 8601 ('2024-01-31', "
            "'2024-01-31T14:30:00+00:00') or another that begins with the year"
        )
    return _from_datetime64(parsed.cast(pl.Datetime("us")).to_numpy()), zone


def _year_first_form(text: str) -> str | None:
    """Format of a date that begins with the year and is not ISO 8601 with separators, or None."""
    for form in _FORMATS:
        try:
            datetime.strptime(text, form)
        except ValueError:
            continue
        return form
    return None


def _parse_iso(series: Any, first: str | None) -> tuple[Any, str | None]:
    """Parse ISO 8601 text; null where that fails, or where only one of it and the first has an offset."""
    import polars as pl

    try:
        aware = first is not None and datetime.fromisoformat(first).tzinfo is not None
    except ValueError:
        return pl.Series(series.name, [None] * len(series), dtype=pl.Datetime("us")), None
    zone = "UTC" if aware else None
    try:
        if aware:
            text = series.str.replace(r"^(\S+) ", "${1}T")
            parsed = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
            parsed = parsed.dt.replace_time_zone(None)
        else:
            parsed = series.str.to_datetime(time_unit="us", strict=False)
    except pl.exceptions.ComputeError:  # no pattern found: the loop below knows all of ISO 8601
        parsed = None
    if parsed is None or parsed.null_count() > series.null_count():
        values = [_iso_or_none(value, aware) for value in series]
        parsed = pl.Series(series.name, values, dtype=pl.Datetime("us"))
    return parsed, zone


def _iso_or_none(text: str | None, aware: bool) -> datetime | None:
    """Naive UTC datetime of ISO 8601 text; None if it is something else or its offset is (not) there."""
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    if (value.tzinfo is not None) != aware:
        return None
    return value.astimezone(UTC).replace(tzinfo=None) if aware else value


def periods_per_year(time_us: IntArray) -> float:
    """Bars per year, inferred from the times of the bars.

    Let ``step`` be the median distance between bars.

    * ``step`` up to 1.5 days (daily and intraday): *bars per trading day* x *trading days per year*. A
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
    if time_us.size < 2:
        return 252.0
    steps = np.diff(time_us)
    if 2 * int(np.count_nonzero(steps <= DAY_US * 3 // 2)) > steps.size:
        return _daily_or_intraday(time_us)
    days = float(np.median(steps)) / DAY_US
    for shortest, longest, per_year in ((5, 9, 52.0), (26, 33, 12.0), (85, 95, 4.0), (350, 380, 1.0)):
        if shortest <= days <= longest:
            return per_year
    years = float(time_us[-1] - time_us[0]) / DAY_US / 365.25
    return float(steps.size / years)


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
