"""Which column or index level holds the times of the bars, and how it reads.

A frame has no times only where nothing in it could be one, or where the user says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.frames import Table
from peak_fast.data.kinds import package_of
from peak_fast.data.named_zones import with_named_zone, zone_in_name
from peak_fast.data.names import TIME_NAMES, UNNAMED, Names, fold, is_close_time, sounds_like_time
from peak_fast.data.options import ReadOptions, Stamp
from peak_fast.data.time_values import Times, read_time
from peak_fast.errors import DataError, did_you_mean

_DAY_US = 86_400_000_000
# Names of a column that may hold the time of day beside one of dates.
_CLOCK_NAMES = ("time", "timestamp", "timeofday", "hour", "clock", "tradetime", "bartime")
_DATE_NAMES = ("date", "day", "tradedate", "tradingday", "bardate", "dtyyyymmdd", "yyyymmdd")

_DATE = re.compile(
    r"^\s*[\"']?(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|(19|20)\d{6}([T _]?\d{2}:?\d{2}.*)?\s*$"
    r"|\d{1,2}[- /.](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\w{3,9}\.? \d{1,2},? \d{4}"
    r"|\d{4}([-/.]\d{1,2}|[-/. ]?q[1-4])\s*[\"']?$"
    r"|\d{4}[- /.](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"^\s*(?:0 days )?\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[ap]\.?m\.?)?\s*$", re.IGNORECASE)


class _Source(NamedTuple):
    """A column or level that may hold times."""

    label: str
    get: Callable[[], Any]


def find_times(table: Table, names: Names, options: ReadOptions) -> Times:
    """Times of a frame by what the user said, else the index, a name, a type, or the only column that fits.

    Raises
    ------
    DataError
        Several columns could be it, a named one is missing, or the values cannot be read.
    """
    if options.timestamp is False:
        known = [name for name in names.all if sounds_like_time(name)]
        passed_over = f"; not read: {', '.join(map(repr, known))}" if known else ""
        return Times(None, notes=(f"the bars have no times, as timestamp=False says{passed_over}",))
    wanted = options.timestamp if options.timestamp is not None else names.mapped.get("timestamp")
    notes: list[str] = []
    stamp: Stamp | None = None
    if wanted is not None:
        parts = [_named(table, names, name) for name in ((wanted,) if isinstance(wanted, str) else wanted)]
    else:
        parts, stamp = _found(table, names, notes)
    if not parts:
        return Times(None)
    if len(parts) == 1:
        partner = _partner(table, names, parts[0]) if wanted is None else None
        parts = parts if partner is None else partner
    for part in parts:
        options = with_named_zone(
            zone_in_name(part.label), f"the name of column {part.label!r}", options, notes
        )
    times = _read(parts, options)
    passed = [name for name in names.unused() if sounds_like_time(name)] if wanted is None else []
    if names.of(("year",)) and names.of(("month",)):  # parts that the times were joined from, with a note
        joined = [name for name in names.of(("day", "hour", "minute")) if name in passed]
        passed = [name for name in passed if name not in joined]
        made = {part.label for part in parts} == {"date", "time"} and bool(joined)
        times = times._replace(notes=tuple(note for note in times.notes if not (made and "joined" in note)))
    notes += [f"column {name!r} also holds times and was not used" for name in passed]
    if stamp is None and options.stamp == "open" and is_close_time(parts[0].label):
        notes.append(
            f"times of {parts[0].label!r} are taken as opens, as stamp='open' says; its name says closes"
        )
    return times._replace(stamp=stamp, notes=(*times.notes, *notes))


def _named(table: Table, names: Names, wanted: str) -> _Source:
    """The column or level that the user names."""
    if wanted in table.names:
        return _column(table, names, wanted)
    for level, get in table.levels:
        if level == wanted or (level is None and wanted == "index"):
            return _Source(wanted, get)
    known = [name or "index" for name, _ in table.levels]
    for level, get in table.levels:
        if level is not None and fold(level) == fold(wanted):
            return _Source(level, get)
    if fold(wanted) in {fold(name) for name in table.names}:
        found = names.exact(wanted, "timestamp: column")
        return _Source(found, lambda: table.get(found))
    raise DataError(f"timestamp column {wanted!r} is missing; {did_you_mean(wanted, [*known, *table.names])}")


def _column(table: Table, names: Names, name: str) -> _Source:
    names.take(name)
    return _Source(name, lambda: table.get(name))


def _found(table: Table, names: Names, notes: list[str]) -> tuple[list[_Source], Stamp | None]:
    """The source of times, and the stamp that its name says (None: nothing said)."""
    levels = [_Source(name or "index", get) for name, get in table.levels]
    fits = [level for level in levels if could_be_time(level.get())]
    clocks = [level for level in levels if fold(level.label) in _CLOCK_NAMES and _is_clock(level.get())]
    if len(fits) == len(clocks) == 1:
        return [fits[0], clocks[0]], None
    if len(fits) == 1:
        return fits, None
    if fits:
        raise _several([level.label for level in fits], "index levels")
    for level in levels:
        if fold(level.label) in TIME_NAMES and level.label not in ("t", "day", "start", "begin"):
            return [level], None  # named as a time: reading it says what is wrong with it
    named = [name for name in names.of(TIME_NAMES) if _is_named(table, name)]
    if named:
        return [_column(table, names, _finest(table, named))], None
    unused = names.unused()
    typed = [name for name in unused if is_temporal(table.get(name))]
    closes = [name for name in unused if is_close_time(name)]
    if closes and set(typed) <= set(closes):
        notes.append(f"times are those of {closes[0]!r}: the closes of the bars")
        return [_column(table, names, closes[0])], "close"
    if len(typed) > 1:
        raise _several(typed, "columns")
    fits_too = typed or [
        name for name in unused if could_be_time(table.get(name), named=fold(name) in UNNAMED)
    ]
    if len(fits_too) > 1:
        raise _several(fits_too, "columns")
    if not fits_too:
        _refuse_parts(table, names)
    if fits_too and not typed:
        _refuse_uncertain(table, fits_too[0])
        notes.append(f"times come from column {fits_too[0]!r}, the only one that reads as times")
    return [_column(table, names, name) for name in fits_too], None


def _refuse_parts(table: Table, names: Names) -> None:
    """Refuse a frame whose time stands in parts: columns of the year, the month, the day."""
    parts = names.of(("year", "month", "day", "hour", "minute"))
    parts += [name for name, _ in table.levels if name is not None and fold(name) in ("year", "month")]
    if any(fold(name) == "year" for name in parts):
        raise DataError(
            f"columns {parts} are parts of times; join them into one column, as load() does for files (pandas: "
            "pandas.to_datetime(frame[['year', 'month', 'day']])), or pass timestamp=False for no times"
        )


def _refuse_uncertain(table: Table, name: str) -> None:
    """Refuse rising numbers that could be an epoch or something else, where no name speaks for a time."""
    first = _first_values(table.get(name))
    numbers = not any(isinstance(value, str) for value in first) and not is_temporal(table.get(name))
    if not numbers or fold(name) in UNNAMED or not isinstance(first[0], int | float):
        return
    if re.search("time|date|stamp|epoch|unix|utc", name, re.IGNORECASE):
        return
    calendar = len(str(int(first[0]))) in (8, 10, 12, 14, 17) and str(int(first[0])).startswith(("19", "20"))
    if not calendar or len(str(int(first[0]))) == 10:
        raise DataError(
            f"column {name!r} rises like an epoch (row 0 is {first[0]}), and its name says nothing of a time; pass "
            f"timestamp={name!r}, or timestamp=False where the bars have no times"
        )


def _finest(table: Table, named: list[str]) -> str:
    """The first column of times, or another one where its dates repeat and the other holds the whole times."""
    first = _first_values(table.get(named[0]))
    if len(set(first)) == len(first):
        return named[0]
    for name in named[1:]:
        others = _first_values(table.get(name))
        if len(set(others)) == len(others) and could_be_time(table.get(name)):
            return name
    return named[0]


def _several(found: list[str], what: str) -> DataError:
    return DataError(f"several {what} hold times: {found}; say which one with timestamp=")


def _is_named(table: Table, name: str) -> bool:
    """Whether a column with a name of times is one; names that mean other things as well need the values, too."""
    return fold(name) not in ("t", "day", "start", "begin") or could_be_time(table.get(name))


def _partner(table: Table, names: Names, part: _Source) -> list[_Source] | None:
    """Date and time of day, where the found column is one of the two and the frame holds the other."""
    folded = fold(part.label)
    if folded not in _CLOCK_NAMES and folded not in _DATE_NAMES:
        return None
    first = _first_values(part.get())
    if folded in _DATE_NAMES and any(isinstance(value, str) and ":" in value for value in first):
        return None  # the time of day is in it already
    unused = names.unused()
    clocks = [name for name in names.of(_CLOCK_NAMES) if name in unused]
    dates = [name for name in names.of(_DATE_NAMES) if name in unused]
    if folded in _CLOCK_NAMES and dates and _is_clock(part.get()):
        return [_column(table, names, dates[0]), part]
    clock = next((name for name in clocks if _is_clock(table.get(name))), None)
    if folded in _DATE_NAMES and clock is not None:
        return [part, _column(table, names, clock)]
    if folded in _DATE_NAMES and len(set(first)) < len(first):  # dates that repeat have their clock somewhere
        texts = [name for name in unused if _is_text_clock(table.get(name))]
        texts = [name for name in texts if fold(name) == "minute"] or texts
        if len(texts) == 1:
            return [part, _column(table, names, texts[0])]
    return None


def _is_text_clock(values: Any) -> bool:
    """Whether a column is text such as 09:30."""
    first = _first_values(values)
    return bool(first) and all(isinstance(value, str) and _CLOCK.match(value) for value in first)


def _is_clock(values: Any) -> bool:
    """Whether a column holds times of day: by type, as text such as 09:30, or as numbers such as 93000."""
    if (
        type(getattr(values, "dtype", None)).__name__ == "Time"
        or str(getattr(values, "dtype", "")) == "time64[us]"
    ):
        return True
    first = _first_values(values)
    if not first:
        return False
    if all(isinstance(value, str) for value in first):
        return all(
            _CLOCK.match(value) or (value.strip().isdigit() and len(value.strip()) in (4, 6))
            for value in first
        )
    if all(type(value).__name__ == "time" for value in first):
        return True
    if all(isinstance(value, timedelta) for value in first):
        return all(timedelta(0) <= value < timedelta(days=1) for value in first)
    if all(isinstance(value, int) and not isinstance(value, bool) for value in first):
        return all(0 <= value <= 235_959 and value % 100 < 60 for value in first)
    return False


def _first_values(values: Any, most: int = 20) -> list[Any]:
    """The first values that are not missing, as Python objects."""
    head = values[: most * 5] if not hasattr(values, "iloc") else values.iloc[: most * 5]
    listed = head.to_list() if hasattr(head, "to_list") else np.asarray(head).tolist()
    kept = [value.decode() if isinstance(value, bytes) else value for value in listed]
    return [value for value in kept if value is not None and value == value and value != ""][:most]


def is_temporal(values: Any) -> bool:
    """Whether the type of a column says that it holds dates or datetimes."""
    dtype = getattr(values, "dtype", None)
    if package_of(values) == "polars":
        return type(dtype).__name__ in ("Datetime", "Date")
    kind = getattr(dtype, "kind", None)
    if kind == "M":
        return True
    text = str(dtype)
    return text.startswith(("period", "timestamp[", "date32", "date64"))


def could_be_time(values: Any, named: bool = False) -> bool:
    """Whether a column without a telling name reads as times: datetimes, dates as text, rising calendar numbers
    or epochs.

    Parameters
    ----------
    values
        Column or index level.
    named
        Whether numbers count although they do not rise.
    """
    if is_temporal(values):
        return True
    first = _first_values(values)
    if not first:
        return False
    if all(isinstance(value, str) for value in first):
        return all(_DATE.match(value) for value in first)
    if all(isinstance(value, np.datetime64) or hasattr(value, "month") for value in first):
        return True
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in first):
        return False
    return _numbers_could_be_time(np.asarray(first, dtype=np.float64), values, named)


def _numbers_could_be_time(first: NDArray[np.float64], values: Any, named: bool) -> bool:
    """Whether numbers are calendar integers, or an epoch from 1990 to 2100, that go one way throughout."""
    if first.min() < 10_000_000 or (first != np.round(first)).any():
        return False
    from peak_fast.data.time_numbers import number_times

    try:
        # Whether two-digit years or an epoch are meant is for the reading to ask.
        time_us = number_times(first.astype(np.int64), "", None, "ymd")[0]
    except DataError:
        return False
    if time_us.min() < 631_152_000_000_000:
        return False
    whole = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    if whole.dtype.kind not in "iuf":
        return True
    steps = np.diff(whole.astype(np.float64))
    return named or bool((steps > 0).all() or (steps < 0).all())


def _read(parts: list[_Source], options: ReadOptions) -> Times:
    if len(parts) == 1:
        return read_time(parts[0].get(), parts[0].label, options)
    import polars as pl

    from peak_fast.data.dates import join_date_and_time, parse_times  # only text needs it

    dates, clocks = (_as_series(part) for part in parts)
    if clocks.dtype == pl.Float64:
        clocks = clocks.cast(pl.Int64)
    label = f"{parts[0].label} and {parts[1].label}"
    # Dates that are typed already are joined as ISO text, whatever order the file had.
    order = None if dates.dtype == pl.Date else options.date_order
    texts = join_date_and_time(dates, clocks)
    time_us, zone, notes = parse_times(texts, label, order, options.time_zone)
    note = f"times are joined from {parts[0].label!r} and {parts[1].label!r}"
    return Times(time_us, zone, label=label, notes=(note, *notes))


def _as_series(part: _Source) -> Any:
    """A part of a time as a Polars series of text, numbers, dates or times of day."""
    import polars as pl

    values = part.get()
    if package_of(values) == "pandas":
        values = values.to_list()
    series = pl.Series(part.label, values, strict=False)
    if series.dtype == pl.Duration:
        midnight = pl.Series([0]).cast(pl.Datetime("us"))
        series = (series + midnight[0]).dt.strftime("%H:%M:%S%.6f").alias(part.label)
    if series.dtype == pl.Datetime:
        series = series.dt.date()
    if series.dtype == pl.Binary:
        series = series.cast(pl.String)
    return series
