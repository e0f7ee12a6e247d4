"""Dates and times in text, and calendar or epoch numbers, to microseconds of the Unix epoch.

Nothing is guessed from one row. The order of day and month is decided by the whole column (a part above 12 can
be no month), the unit of an epoch holds for the whole column, and what is left open is refused with the option
that settles it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data.checks import MISSING_TIME, describe
from peak_fast.data.date_parts import Parts, read_parts
from peak_fast.data.time_numbers import calendar_text, check_years, number_times
from peak_fast.data.time_zones import check_zone, localise
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl

DATE_ORDERS = ("dmy", "mdy", "ymd")

_DAY_US = 86_400_000_000
_WORDS = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}
# Days from 1970-01-01 to the first of each month from January 1900 to January 2101.
_MONTH_STARTS = (
    np.arange("1900-01", "2101-02", dtype="M8[M]").astype("M8[D]").astype(np.int64).astype(np.int32)
)


def parse_times(
    texts: pl.Series, label: str, date_order: str | None = None, time_zone: str | None = None
) -> tuple[IntArray, str | None, list[str]]:
    """Times of a text column.

    Parameters
    ----------
    texts
        Polars String series; null and empty text mean a missing time.
    label
        Column name for messages.
    date_order
        "dmy", "mdy" or "ymd": the order in which day, month and year are written. None: decided by the column.
    time_zone
        Zone of times without an offset, such as "America/New_York". None: they are taken as UTC.

    Returns
    -------
    tuple
        int64 microseconds UTC (the least int64 where the time is missing), the zone ("UTC" where the text has
        offsets, None where nothing names a zone), and notes on what was decided.

    Raises
    ------
    DataError
        A value that is no time, day and month that cannot be told apart, years outside 1900 to 2100, times with
        and without an offset, or a local hour that repeats while no zone is named.
    ConfigError
        An unknown ``date_order`` or ``time_zone``.
    """
    _check_options(date_order, time_zone)
    if _is_clean(texts):
        return _present_times(texts, label, date_order, time_zone, None)
    texts = texts.str.strip_chars(" \t\r\n\"'")
    present = texts.is_not_null() & (texts != "")
    rows = None
    if not present.all():
        rows = np.flatnonzero(present.to_numpy())
        texts = texts.filter(present)
    if len(texts) == 0:
        return np.full(present.len(), MISSING_TIME, dtype=np.int64), None, []
    found, zone, notes = _present_times(texts, label, date_order, time_zone, rows)
    if rows is None:
        return found, zone, notes
    result = np.full(present.len(), MISSING_TIME, dtype=np.int64)
    result[rows] = found
    return result, zone, notes


def _is_clean(texts: pl.Series) -> bool:
    """Whether no text is missing or empty, and blanks and quotes around them need no look."""
    if len(texts) == 0 or texts.null_count() or not texts[0] or texts[0] != texts[0].strip(" \t\r\n\"'"):
        return False
    lengths = texts.str.len_bytes()
    return bool(lengths.min() == lengths.max())


def _check_options(date_order: str | None, time_zone: str | None) -> None:
    if date_order is not None and date_order not in DATE_ORDERS:
        raise ConfigError(f"date_order: got {date_order!r}; expected 'dmy', 'mdy' or 'ymd'")
    if time_zone is not None:
        check_zone(time_zone)


def _present_times(
    texts: pl.Series, label: str, date_order: str | None, time_zone: str | None, rows: IntArray | None
) -> tuple[IntArray, str | None, list[str]]:
    import polars as pl

    first = texts[0]
    if first.lstrip("-").replace(".", "", 1).isdigit() and not calendar_text(first, date_order):
        numbers = texts.cast(pl.Int64, strict=False)
        if numbers.null_count():
            numbers = texts.cast(pl.Float64, strict=False)
        _refuse_null(numbers, texts, label, rows)
        return number_times(numbers.to_numpy(), label, time_zone, date_order)
    texts, notes = _as_usual(texts)
    parts = read_parts(texts)
    if parts is None or parts.bad is not None:
        raise _not_a_time(texts, label, 0 if parts is None else parts.bad or 0, rows)
    order, more = _date_order(parts, label, date_order, texts)
    notes += more
    local = _combine(parts, order, texts, label, rows, notes)
    return _instants(local, parts, texts, label, time_zone, notes, rows)


def _as_usual(texts: pl.Series) -> tuple[pl.Series, list[str]]:
    """Months as their first day, and the dash between 20240131 and 14:30 as a blank."""
    first = texts[0]
    if re.match(r"^[0-9]{8}-[0-9]{2}:", first):
        return texts.str.replace("-", " ", literal=True), []
    if re.match(r"^[0-9]{4}[-/][0-9]{2}$", first):
        whole = texts.str.replace(r"^([0-9]{4}[-/][0-9]{2})$", "${1}-01")
        return whole, [f"months such as {first!r} are taken as their first day"]
    return texts, []


def _refuse_null(numbers: pl.Series, texts: pl.Series, label: str, rows: IntArray | None) -> None:
    if numbers.null_count():
        raise _not_a_time(texts, label, int(numbers.is_null().arg_max() or 0), rows)


def _not_a_time(texts: pl.Series, label: str, row: int, rows: IntArray | None) -> DataError:
    shown = row if rows is None else int(rows[row])
    other = "" if row == 0 else f" in the form of {describe(texts[0])}"
    return DataError(
        f"column {label!r}: row {shown} is {describe(texts[row])}, which is not a date or time{other}; expected one "
        "form throughout, for example '2024-01-31', '2024-01-31T14:30:00+00:00', '31.01.2024 14:30' or an epoch; "
        f"{'name another column with timestamp=' if row == 0 else 'correct that row, or remove it'}"
    )


def _date_order(parts: Parts, label: str, wanted: str | None, texts: pl.Series) -> tuple[str, list[str]]:
    """The order of the three numbers, proven by the column or named by the user, and a note on it."""
    a, b, _ = parts.numbers
    if 0 in parts.widths:  # a month name leaves nothing open
        return _order_beside_name(parts, label, wanted, texts)
    possible = [order for order in DATE_ORDERS if _fits(order, parts)]
    if parts.widths == (4, 2, 2) and "ymd" in possible:
        possible = ["ymd"]
    if wanted is not None:
        if wanted in possible or (not possible and wanted == _only_width(parts)):
            return wanted, []
        raise _other_order(label, wanted, possible, texts)
    if len(possible) == 1:
        order = possible[0]
        if order == "ymd" and parts.widths[0] == 4:
            return order, []
        row = int(np.argmax((b if order == "mdy" else a) > 12))
        return order, [f"dates are {_WORDS[order].replace(' ', '-')} ({texts[row]!r} can be nothing else)"]
    if not possible:
        return _only_width(parts), []
    if possible == ["dmy", "mdy"] and bool((a == b).all()):
        return "dmy", []
    raise _open_order(label, possible, texts)


def _open_order(label: str, possible: list[str], texts: pl.Series) -> DataError:
    choice = " or ".join(f"date_order={order!r}" for order in possible)
    return DataError(
        f"column {label!r}: {texts[0]!r} can be read as {_listed([_WORDS[order] for order in possible])}, and no row "
        f"has a part above 12 to tell day from month; pass {choice}"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


def _order_beside_name(
    parts: Parts, label: str, wanted: str | None, texts: pl.Series
) -> tuple[str, list[str]]:
    """The order of dates whose month is a name: only a year of two digits leaves it open which number is the day."""
    first, _, last = parts.numbers
    if parts.widths[0] == 0:
        possible = ["mdy"]
    elif parts.widths[2] == 4:
        possible = ["dmy"]
    elif parts.widths[0] == 4 or int(first.max()) > 31:
        possible = ["ymd"]
    else:
        possible = ["dmy"] if int(last.max()) > 31 else ["dmy", "ymd"]
    if wanted == "ymd" and "ymd" not in possible:
        raise _other_order(label, wanted, possible, texts)
    if wanted is not None and possible == ["ymd"] and wanted != "ymd":
        raise _other_order(label, wanted, possible, texts)
    if len(possible) == 1 or wanted is not None:
        order = "ymd" if wanted == "ymd" else possible[0]
        if wanted in (None, order):
            return order, []
        return order, [f"date_order={wanted!r} was passed over: the name of the month says {order}"]
    # From bar to bar the day changes, the year hardly ever.
    changes = [int(np.count_nonzero(np.diff(part))) for part in (first, last)]
    if changes[0] > changes[1]:
        return "dmy", [
            f"dates are day-first (the first number of {texts[0]!r} changes from row to row, the last one less)"
        ]
    raise DataError(
        f"column {label!r}: {texts[0]!r} can be read as day first or year first, and no row has a number above 31 to "
        "tell them apart; pass date_order='dmy' or date_order='ymd'"
    )


def _only_width(parts: Parts) -> str:
    """The order to report a wrong row in, where no order fits every row."""
    if parts.widths[0] == 4:
        return "ymd"
    return "mdy" if int(np.count_nonzero(parts.numbers[1] > 12)) > parts.numbers[1].size // 2 else "dmy"


def _fits(order: str, parts: Parts) -> bool:
    """Whether every row is a possible date in an order; a year needs its four digits where one part has them."""
    by_letter = dict(zip(order, parts.numbers, strict=True))
    wide = dict(zip(order, parts.widths, strict=True))["y"] == 4
    if 4 in parts.widths and not wide:
        return False
    if wide and (by_letter["y"].min() < 1900 or by_letter["y"].max() > 2100):
        return False
    month, day = by_letter["m"], by_letter["d"]
    return bool(month.min() >= 1 and month.max() <= 12 and day.min() >= 1 and day.max() <= 31)


def _other_order(label: str, wanted: str, possible: list[str], texts: pl.Series) -> DataError:
    orders = _listed([repr(order) for order in possible]) if len(possible) > 1 else repr("".join(possible))
    fits = (
        f"the column fits date_order={orders}"
        if possible
        else "some rows fit no order of day, month and year"
    )
    return DataError(
        f"column {label!r}: date_order={wanted!r} does not fit dates such as {texts[0]!r}; {fits}"
    )


def _combine(
    parts: Parts, order: str, texts: pl.Series, label: str, rows: IntArray | None, notes: list[str]
) -> IntArray:
    """Microseconds of the clock on the wall; refuses the first row that is no date."""
    by_letter = dict(zip(order, parts.numbers, strict=True))
    year, month, day = by_letter["y"], by_letter["m"], by_letter["d"]
    if dict(zip(order, parts.widths, strict=True))["y"] != 4:
        year = np.where(year >= 100, year, np.where(year >= 69, year + 1900, year + 2000))
        notes.append(f"years of two digits are taken as 1969 to 2068 ({texts[0]!r} is {int(year[0])})")
    valid = (year >= 1900) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1)
    index = (
        np.where(valid, (year - 1900) * 12 + month - 1, 0)
        if not valid.all()
        else (year - 1900) * 12 + month - 1
    )
    starts = _MONTH_STARTS[index]
    days = starts + (day - 1)
    valid &= days < _MONTH_STARTS[index + 1]
    if parts.clock_us is not None:
        valid &= parts.clock_us >= 0
    if not valid.all():
        raise _no_such_date(int((~valid).argmax()), year, texts, label, order, rows)
    local: IntArray = days.astype(np.int64) * _DAY_US
    if parts.clock_us is not None:
        local += parts.clock_us
    return local


def _no_such_date(
    row: int, year: Any, texts: pl.Series, label: str, order: str, rows: IntArray | None
) -> DataError:
    shown = row if rows is None else int(rows[row])
    if int(year[row]) < 100:
        return _not_a_time(texts, label, row, rows)
    if not 1900 <= int(year[row]) <= 2100:
        return DataError(
            f"column {label!r}: row {shown} is {texts[row]!r}, outside the years 1900 to 2100; correct or drop it"
        )
    return DataError(
        f"column {label!r}: row {shown} is {texts[row]!r}, which is no date ({_WORDS[order]}) or no time of day; "
        "correct or drop it"
    )


def _instants(
    local: IntArray,
    parts: Parts,
    texts: pl.Series,
    label: str,
    time_zone: str | None,
    notes: list[str],
    rows: IntArray | None,
) -> tuple[IntArray, str | None, list[str]]:
    """Instants in UTC from local times and what stands behind them."""
    zone = parts.zone
    if zone is None:
        time_us, named, more = localise(local, label, time_zone)
        return time_us, named, notes + more
    if isinstance(zone, str):
        return _one_zone(local, zone, label, time_zone, notes)
    if zone.null_count():
        row = int(zone.is_null().arg_max() or 0)
        with_one = int(zone.is_not_null().arg_max() or 0)
        shown = row if rows is None else int(rows[row])
        raise DataError(
            f"column {label!r} mixes timestamps with and without a time zone ({texts[with_one]!r}, row {shown} "
            f"{texts[row]!r}); give all of them one, or remove it from all (times without a zone are taken as UTC)"
        )
    kinds = zone.unique().sort().to_list()
    if len(kinds) == 1:
        return _one_zone(local, kinds[0], label, time_zone, notes)
    result = local.copy()
    for kind in kinds:
        offset = _offset_us(kind)
        if offset is None:
            if time_zone is None:
                raise _not_an_offset(kind, label)
            time_us, named, more = localise(local, label, time_zone)
            return time_us, named, [*notes, *more, _ignored(kinds, time_zone)]
        result[(zone == kind).to_numpy()] -= offset
    return result, time_zone or "UTC", notes


def _one_zone(
    local: IntArray, zone: str, label: str, time_zone: str | None, notes: list[str]
) -> tuple[IntArray, str | None, list[str]]:
    offset = _offset_us(zone)
    if offset is not None:
        return local - offset, time_zone or "UTC", notes
    if time_zone is None and "/" in zone:
        time_zone = zone
        notes = [*notes, f"times are in {zone}, which stands behind them"]
    elif time_zone is None:
        raise _not_an_offset(zone, label)
    elif time_zone != zone:
        notes = [*notes, _ignored([zone], time_zone)]
    time_us, named, more = localise(local, label, time_zone)
    return time_us, named, notes + more


def _ignored(kinds: list[str], time_zone: str) -> str:
    return f"times are read in {time_zone} as asked; {', '.join(map(repr, kinds))} behind them is not used"


def _not_an_offset(zone: str, label: str) -> DataError:
    return DataError(
        f"column {label!r}: {zone!r} behind the time is not an offset, and such short names mean several zones; name "
        "the time zone, for example time_zone='America/New_York'"
    )


def _offset_us(zone: str) -> int | None:
    """Microseconds ahead of UTC; None where the text is a name."""
    text = zone.upper().replace(" ", "").removeprefix("UTC").removeprefix("GMT").removeprefix("Z")
    if not text:
        return 0
    if text[0] not in "+-":
        return None
    digits = text[1:].replace(":", "")
    minutes = (
        int(digits[:2]) * 60 + int(digits[2:] or 0)
        if len(digits) != 3
        else int(digits[0]) * 60 + int(digits[1:])
    )
    return (minutes if text[0] == "+" else -minutes) * 60_000_000


def join_date_and_time(dates: pl.Series, times: pl.Series) -> pl.Series:
    """One text per row from a column of dates and one of times of day.

    Parameters
    ----------
    dates
        Text, integers such as 20240131, or dates. Midnight behind each date ("2024-01-31 00:00:00") is left out.
    times
        Text such as "09:30", integers such as 93000 (their leading zeros are put back), hours from 0 to 24, or
        times.

    Returns
    -------
    polars.Series
        String series under the name of ``dates``, for :func:`parse_times`; null where either is.
    """
    import polars as pl

    days = dates if dates.dtype == pl.String else dates.cast(pl.String)
    days = days.str.strip_chars(" \"'").str.replace(r"[T ]00:00(:00(\.0+)?)?$", "")
    clock = times if times.dtype == pl.String else times.cast(pl.String)
    clock = clock.str.strip_chars(" \"'").str.replace(r"^0 days ", "")
    if len(clock) and clock.str.contains(r"^[0-9]+$").all():
        clock = _padded(clock)
    return pl.select(pl.concat_str([days, clock], separator=" ")).to_series().rename(dates.name)


def _padded(clock: pl.Series) -> pl.Series:
    """Digits with their leading zeros: hours from 0 to 24, or HHMM, HHMMSS, HHMMSSmmm."""
    import polars as pl

    longest = clock.str.len_bytes().max()
    if longest <= 2 and clock.cast(pl.Int64).max() <= 24:  # type: ignore[operator]
        return clock.str.zfill(2) + ":00"
    return clock.str.zfill(4 if longest <= 4 else 6 if longest <= 6 else 9)  # type: ignore[operator]


__all__ = ["DATE_ORDERS", "check_years", "join_date_and_time", "number_times", "parse_times"]
