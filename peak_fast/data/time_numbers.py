"""Numbers that are times: calendar integers (20240131, 202401311430, ...) and epochs in one unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.checks import MISSING_TIME
from peak_fast.data.time_zones import localise
from peak_fast.errors import DataError
from peak_kernels.arrays import IntArray

# 1900-01-01 and 2101-01-01 in microseconds of the Unix epoch.
FIRST_US = -2_208_988_800_000_000
END_US = 4_133_980_800_000_000

_DAY_US = 86_400_000_000


_CALENDARS = {
    8: "YYYYMMDD",
    10: "YYYYMMDDHH",
    12: "YYYYMMDDHHMM",
    14: "YYYYMMDDHHMMSS",
    17: "YYYYMMDDHHMMSSmmm",
}
_UNITS = (
    ("seconds", 100_000_000_000, 1_000_000),
    ("milliseconds", 100_000_000_000_000, 1_000),
    ("microseconds", 100_000_000_000_000_000, 1),
)


def calendar_text(text: str, date_order: str | None) -> bool:
    """Whether digits alone are a date whose order is open: 31012024, or 310124 with ``date_order``."""
    if not text.isdigit() or len(text) not in (6, 8):
        return False
    return date_order is not None or (len(text) == 8 and not 1900 <= int(text[:4]) <= 2100)


def check_years(time_us: IntArray, label: str) -> None:
    """Refuse times outside the years 1900 to 2100; missing times pass.

    Raises
    ------
    DataError
        The first such row, with its value.
    """
    if time_us.size == 0 or (time_us.min() >= FIRST_US and time_us.max() < END_US):
        return
    bad = ((time_us < FIRST_US) | (time_us >= END_US)) & (time_us != MISSING_TIME)
    if bad.any():
        row = int(bad.argmax())
        value = int(time_us[row])
        year = 1970 + value // 31_556_952_000_000
        raise DataError(
            f"column {label!r}: row {row} is in the year {year}, outside the years 1900 to 2100 "
            f"({int(np.count_nonzero(bad))} such rows); check the unit and the form of the column"
        )


def number_times(
    values: NDArray[Any], label: str, time_zone: str | None = None, date_order: str | None = None
) -> tuple[IntArray, str | None, list[str]]:
    """Times of a numeric column without missing values.

    Integers that all are dates of 8, 10, 12, 14 or 17 digits (years 1900 to 2100, months 1 to 12, ...) are calendar
    numbers: times on the wall, taken as UTC unless ``time_zone`` names their zone. All others are a Unix epoch in
    one unit: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, else nanoseconds. With
    ``date_order`` dates of six digits, alone or before HHMM or HHMMSS, are read, and days or months before the year.

    Parameters
    ----------
    values
        Integer or float array.
    label
        Column name for messages.
    time_zone
        Zone of calendar numbers; for an epoch it is the zone to show.
    date_order
        "dmy", "mdy" or "ymd" for calendar numbers whose order is open.

    Returns
    -------
    tuple
        int64 microseconds UTC, the zone or None, and notes.

    Raises
    ------
    DataError
        Numbers that are neither, or both; two units in one column, or years outside 1900 to 2100.
    """
    if values.dtype.kind == "f":
        return _from_floats(values, label, time_zone, date_order)
    if values.size == 0:
        return values.astype(np.int64), time_zone, []
    largest, least = int(values.max()), int(values.min())
    digits = len(str(largest))
    integers = values.astype(np.int64)
    if least > 0 and digits in _CALENDARS and len(str(least)) == digits:
        local = _calendar(integers, digits)
        if local is not None:
            time_us, zone, notes = localise(local, label, time_zone)
            note = [] if digits == 8 else [f"numbers of {digits} digits are read as {_CALENDARS[digits]}"]
            return time_us, zone, note + notes
    if least > 0:
        local = _short_calendar(integers, digits, date_order, label)
        if local is not None:
            time_us, zone, notes = localise(local, label, time_zone)
            return (
                time_us,
                zone,
                [f"numbers such as {int(integers[0])} are read as dates, {date_order}", *notes],
            )
    time_us = _epoch(integers, max(abs(largest), abs(least)), label)
    check_years(time_us, label)
    return time_us, time_zone, []


def _short_calendar(values: IntArray, digits: int, date_order: str | None, label: str) -> IntArray | None:
    """Times of dates with a year of two digits (alone, or before HHMM or HHMMSS), or with the year last; None: others.

    Raises
    ------
    DataError
        Nobody says the order, and the numbers would be an epoch as well.
    """
    if digits in (9, 11):
        digits += 1  # a leading zero that the number lost
    digits = 6 if digits == 5 else 8 if digits == 7 else digits
    if digits not in (6, 8, 10, 12):
        return None
    wide = digits == 8
    factor = 1 if wide else 10 ** (digits - 6)
    day, clock = np.divmod(values, factor)
    for order in ("ymd", "dmy", "mdy") if date_order is None else (date_order,):
        if wide:
            parts = {order[0]: day // 1_000_000, order[1]: day // 10_000 % 100, "y": day % 10_000}
            if order == "ymd":
                continue
        else:
            parts = {order[0]: day // 10_000, order[1]: day // 100 % 100, order[2]: day % 100}
            parts["y"] = parts["y"] + np.where(parts["y"] >= 69, 1900, 2000)
        whole = ((parts["y"] * 100 + parts["m"]) * 100 + parts["d"]) * factor + clock
        local = _calendar(whole, digits if wide else digits + 2)
        if local is None:
            continue
        if date_order is not None:
            return local
        if digits >= 10 and not _is_bar_epoch(values, digits):
            raise DataError(
                f"column {label!r}: {int(values[0])} may be a date with a year of two digits ({order}) or an epoch, "
                f"and every row reads both ways; pass date_order={order!r} for dates, or convert the epoch to datetimes"
            )
    return None


def _is_bar_epoch(values: IntArray, digits: int) -> bool:
    """Whether numbers are whole minutes of an epoch after 1990, as bars have."""
    unit = 1 if digits <= 10 else 1000
    return int(values.min()) // unit >= 631_152_000 and bool((values % (60 * unit) == 0).all())


def _calendar(values: IntArray, digits: int) -> IntArray | None:
    """Microseconds of the clock on the wall; None where one of the values is no date and time of day."""
    below = values
    millisecond = minute = second = hour = np.zeros(1, dtype=np.int64)
    if digits == 17:
        below, millisecond = np.divmod(below, 1000)
    if digits >= 14:
        below, second = np.divmod(below, 100)
    if digits >= 12:
        below, minute = np.divmod(below, 100)
    if digits >= 10:
        below, hour = np.divmod(below, 100)
    below, day = np.divmod(below, 100)
    year, month = np.divmod(below, 100)
    if year.min() < 1900 or year.max() > 2100 or month.min() < 1 or month.max() > 12 or day.min() < 1:
        return None
    if hour.max() > 23 or minute.max() > 59 or second.max() > 59:
        return None
    months = (year - 1970) * 12 + month - 1
    first = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    after = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    days: IntArray = first + day - 1
    clock_us = ((hour * 60 + minute) * 60 + second) * 1_000_000 + millisecond * 1_000
    return None if (days >= after).any() else days * _DAY_US + clock_us


def _epoch(integers: IntArray, largest: int, label: str) -> IntArray:
    if largest < 100_000_000:
        short = largest >= 10_100
        order = "pass date_order= if they are dates such as 240131 or 31012024, " if short else ""
        if 20_000 <= largest < 80_000:  # days of 1954 to 2119 as spreadsheets count them
            order += "add them to 1899-12-30 if they are days of a spreadsheet, "
        raise DataError(
            f"column {label!r}: integers up to {largest} are too small for an epoch in seconds (at least 1e8) and no "
            f"dates of the form 20240131; {order}convert them to datetimes, name the column that holds the time with "
            "timestamp=, rename this one if it only numbers the bars, or pass timestamp=False (bars without times)"
        )
    _refuse_two_units(integers, label)
    for _, limit, factor in _UNITS:
        if largest < limit:
            return integers * factor
    return integers // 1_000


def _refuse_two_units(integers: IntArray, label: str) -> None:
    """Refuse a column that goes from one unit to the next between two rows."""
    if integers.size < 2:
        return
    size = np.abs(integers)
    if int(size.min()) * 500 > int(size.max()):
        return
    small, large = np.minimum(size[1:], size[:-1]), np.maximum(size[1:], size[:-1])
    jumps = (small >= 100_000_000) & (large // 500 >= small)
    if jumps.any():
        row = int(jumps.argmax()) + 1
        raise DataError(
            f"column {label!r}: the unit of time changes at row {row}, from {int(integers[row - 1])} to "
            f"{int(integers[row])} (for example milliseconds, then microseconds); one column needs one unit: read the "
            "parts before and after that row from files of their own"
        )


def _from_floats(
    values: NDArray[Any], label: str, time_zone: str | None, date_order: str | None
) -> tuple[IntArray, str | None, list[str]]:
    finite = np.isfinite(values)
    if not finite.all():
        row = int((~finite).argmax())
        raise DataError(
            f"column {label!r}: row {row} is {values[row]!s}; every bar needs its time: drop or fill it"
        )
    if values.size and np.abs(values).max() >= 2.0**63:
        raise DataError(
            f"column {label!r}: {np.abs(values).max():g} is no time in any unit; check the column"
        )
    rounded = np.round(values)
    whole = rounded == values
    if values.size == 0 or whole.all() or np.abs(values).max() >= 1e11:
        return number_times(rounded.astype(np.int64), label, time_zone, date_order)
    # Seconds with a fraction are common; float64 holds them to better than a microsecond until the year 2242.
    number_times(np.abs(rounded).astype(np.int64), label)
    time_us: IntArray = np.round(values * 1e6).astype(np.int64)
    check_years(time_us, label)
    return time_us, time_zone, []
