"""Value checks on price bars: one cheap screen for clean data, an exact search when the screen fails.

The screen needs four comparisons and a handful of reductions over the whole array. Every comparison with
NaN is false, so a frame that passes it has no NaN, no infinity, no price at or below zero, no bar whose
open or close lies outside ``[low, high]``, and strictly increasing timestamps. Only a frame that fails is
searched column by column for the first offending row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peak_fast.errors import ConfigError, DataError, did_you_mean
from peak_kernels.arrays import FloatArray, IntArray

REPAIRS = ("clip", "drop", "sort")
PRICE_COLUMNS = ("open", "high", "low", "close")
MISSING_TIME = np.iinfo(np.int64).min

_WINDOW = 32_768
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 1900-01-01 (before it stand years of two digits and zeros) to 9999-12-31, the last day of a Python datetime, in
# microseconds of the Unix epoch.
FIRST_TIME = -2_208_988_800_000_000
LAST_TIME = 253_402_300_799_999_999


class Columns(NamedTuple):
    """Bar columns as arrays of one length; ``time_us`` is int64 microseconds UTC, or None."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None
    time_us: IntArray | None


class Checked(NamedTuple):
    """Columns that passed, and what was done to them.

    ``rows`` is the order in which the rows of the user's frame were taken (None: all, as they came);
    ``repaired`` counts the changes by repair name; ``n_invalid`` counts the bars with a missing price,
    ``n_not_positive`` those with a price at or below zero.
    """

    columns: Columns
    n_invalid: int
    repaired: dict[str, int]
    rows: IntArray | None
    n_not_positive: int = 0

    def notes(self) -> list[str]:
        """What was done to the rows, in words."""
        found = [_REPAIR_NOTES[name].format(count) for name, count in self.repaired.items()]
        if self.n_invalid:
            found.append(f"{self.n_invalid} bars have a missing price and are kept as missing in all four")
        if self.n_not_positive:
            place = not_positive(self.columns.low, self.columns.time_us)
            found.append(f"prices at or below zero: column 'low' {place}; {IN_UNITS}")
        return found


_REPAIR_NOTES = {
    "reverse": "rows were newest first and were put in order of time",
    "sort": "{} rows stood out of order and were sorted by time",
    "drop": "{} rows repeated a time and were dropped; the last of each stays",
    "clip": "{} opens or closes outside low to high were moved to the nearer end",
}


def moment(time_us: int) -> datetime:
    """Microseconds of the Unix epoch as an aware datetime (UTC)."""
    return _EPOCH + timedelta(microseconds=time_us)


def normalise_repair(repair: str | Iterable[str] | None) -> frozenset[str]:
    """Set of repair names from what the user passed.

    Raises
    ------
    ConfigError
        An unknown name.
    """
    if repair is None:
        return frozenset()
    names = tuple(repair) if isinstance(repair, Iterable) and not isinstance(repair, str) else (repair,)
    for name in names:
        if name not in REPAIRS:
            raise ConfigError(f"repair: got {name!r}; {did_you_mean(str(name), REPAIRS)}")
    return frozenset(names)


def with_repair(repairs: frozenset[str], name: str) -> str:
    """How to ask for one repair more, in a message.

    >>> with_repair(frozenset(), "sort"), with_repair(frozenset(["drop"]), "sort")
    ("repair='sort'", "repair='sort' (beside what is passed: repair=('drop', 'sort'))")
    """
    beside = f" (beside what is passed: repair={(*sorted(repairs), name)!r})" if repairs else ""
    return f"repair={name!r}{beside}"


def check(
    columns: Columns, repairs: frozenset[str], look_at: Callable[[IntArray], object] | None = None
) -> Checked:
    """Check bar columns, repairing what ``repairs`` allows.

    Parameters
    ----------
    columns
        Arrays of one length, at least one row.
    repairs
        Subset of :data:`REPAIRS`.
    look_at
        Called with the times where they are out of order, before that is repaired or refused; may raise.

    Returns
    -------
    Checked
        The same arrays where nothing had to change. A bar with a NaN price is NaN in all four prices.

    Raises
    ------
    DataError
        The first problem found, with column, row, timestamp, value and remedy.
    """
    if columns.close.size == 0:
        raise DataError("the frame has no rows; expected at least one bar")
    if values_are_clean(columns):
        return Checked(columns, 0, {}, None)
    repaired: dict[str, int] = {}
    columns, rows = _check_times(columns, repairs, repaired, look_at)
    columns, n_invalid = _check_missing(columns)
    columns = _check_ranges(columns, repairs, repaired)
    volume = _check_volume(columns)
    columns = columns._replace(volume=volume)
    below = columns.low <= 0.0
    return Checked(columns, n_invalid, repaired, rows, int(np.count_nonzero(below)))


def values_are_clean(columns: Columns) -> bool:
    """Whether no check can fail, in windows that stay in the cache while several passes go over them."""
    rows = columns.close.size
    if rows <= _WINDOW:
        return _window_is_clean(columns)
    for start in range(0, rows, _WINDOW):
        stop = start + _WINDOW
        values = [None if column is None else column[start:stop] for column in columns[:5]]
        # One timestamp more, to compare it with the first one of the next window.
        time_us = None if columns.time_us is None else columns.time_us[start : stop + 1]
        if not _window_is_clean(Columns(*values, time_us)):  # type: ignore[arg-type, call-arg]
            return False
    return True


def _window_is_clean(columns: Columns) -> bool:
    open_, high, low, close, volume, time_us = columns
    if not (low.min() > 0.0 and high.max() < np.inf):
        return False
    if volume is not None and not (volume.min() >= 0.0 and volume.max() < np.inf):
        return False
    inside = (low <= open_).all() and (open_ <= high).all() and (low <= close).all() and (close <= high).all()
    return bool(inside) and (time_us is None or _times_are_clean(time_us))


def _times_are_clean(time_us: IntArray) -> bool:
    if time_us[0] < FIRST_TIME or time_us[-1] > LAST_TIME:
        return False
    return bool((time_us[1:] > time_us[:-1]).all())


def times_in_range(time_us: IntArray) -> bool:
    """Whether sorted times are all there, in the years that are read."""
    return bool(time_us[0] >= FIRST_TIME and time_us[-1] <= LAST_TIME)


def _shown_time(time_us: int) -> str:
    try:
        return moment(time_us).date().isoformat()
    except OverflowError:
        return f"{time_us} microseconds after 1970"


def _row(columns: Columns, row: int) -> str:
    """Name of a row in an error message: its number and, where known, its timestamp."""
    if columns.time_us is None:
        return f"row {row}"
    value = int(columns.time_us[row])
    if not FIRST_TIME <= value <= LAST_TIME:
        return f"row {row}"
    return f"row {row} ({moment(value).isoformat()})"


def _first(mask: NDArray[np.bool_]) -> int | None:
    """Position of the first true value, or None."""
    position = int(mask.argmax())
    return position if mask[position] else None


def _count(mask: NDArray[np.bool_]) -> str:
    """How many rows share a problem, for the end of a message."""
    total = int(np.count_nonzero(mask))
    return "the only such row" if total == 1 else f"the first of {total} such rows"


def _check_times(
    columns: Columns,
    repairs: frozenset[str],
    repaired: dict[str, int],
    look_at: Callable[[IntArray], object] | None,
) -> tuple[Columns, IntArray | None]:
    """Missing, unsorted and duplicated timestamps; returns the columns and the rows they were taken from."""
    time_us = columns.time_us
    if time_us is None or _times_are_clean(time_us):
        return columns, None
    row = _first(time_us == MISSING_TIME)
    if row is not None:
        raise DataError(f"timestamp: row {row} is missing; every bar needs its time: drop or fill such rows")
    row = _first((time_us < FIRST_TIME) | (time_us > LAST_TIME))
    if row is not None:
        raise DataError(
            f"timestamp: row {row} is {_shown_time(int(time_us[row]))}, outside the years 1900 to 9999; expected the "
            "year with its century (dt.offset_by('2000y') in Polars, + pandas.DateOffset(years=2000)) and the unit "
            "that the column has; timestamp=False reads the bars without times"
        )
    if look_at is not None:
        look_at(time_us)
    rows: IntArray | None = None
    if time_us.size > 1 and (time_us[1:] < time_us[:-1]).all():
        # Newest first throughout, as many vendors write: the other order says the same.
        rows = np.arange(time_us.size - 1, -1, -1, dtype=np.int64)
        repaired["reverse"] = int(rows.size)
        return _take(columns, rows), rows
    backward = _first(time_us[1:] < time_us[:-1])
    if backward is not None:
        if "sort" not in repairs:
            raise DataError(
                f"timestamp: {_row(columns, backward + 1)} is earlier than {_row(columns, backward)}; "
                f"bars must be in increasing order of time: sort the frame, or pass {with_repair(repairs, 'sort')}"
            )
        rows = np.argsort(time_us, kind="stable").astype(np.int64)
        repaired["sort"] = int(np.count_nonzero(rows != np.arange(rows.size)))
        columns = _take(columns, rows)
        time_us = time_us[rows]
    repeated = time_us[1:] == time_us[:-1]
    again = _first(repeated)
    if again is not None:
        if "drop" not in repairs:
            raise DataError(
                f"timestamp: {_row(columns, again + 1)} repeats the time of row {again}, {_count(repeated)}; "
                f"each bar needs its own time: drop duplicates, or pass {with_repair(repairs, 'drop')} to keep the last"
            )
        kept = np.flatnonzero(np.append(~repeated, True)).astype(np.int64)
        repaired["drop"] = int(np.count_nonzero(repeated))
        columns = _take(columns, kept)
        rows = kept if rows is None else rows[kept]
    return columns, rows


def _take(columns: Columns, rows: IntArray) -> Columns:
    return Columns(*(None if column is None else column[rows] for column in columns))  # type: ignore[arg-type]


def _check_missing(columns: Columns) -> tuple[Columns, int]:
    """Refuse infinite prices; make a bar with any NaN price NaN in all four."""
    prices = columns[:4]
    for name, values in zip(PRICE_COLUMNS, prices, strict=True):
        infinite = np.isinf(values)
        row = _first(infinite)
        if row is not None:
            raise DataError(
                f"column {name!r}: {_row(columns, row)} is {values[row]}, {_count(infinite)}; prices must be "
                "finite: correct it, or set it to NaN to mark the bar as missing"
            )
    invalid = np.isnan(prices[0])
    for values in prices[1:]:
        invalid |= np.isnan(values)
    n_invalid = int(np.count_nonzero(invalid))
    if n_invalid == 0:
        return columns, 0
    filled = [np.where(invalid, np.nan, values) for values in prices]
    return Columns(filled[0], filled[1], filled[2], filled[3], columns.volume, columns.time_us), n_invalid


IN_UNITS = "only sizes in units trade them, and returns of prices are left out (NaN)"


def not_positive(low: FloatArray, time_us: IntArray | None) -> str:
    """The first of the bars with a price at or below zero, and how many they are, for messages and notes."""
    bad = low <= 0.0
    row = int(bad.argmax())
    when = "" if time_us is None else f" ({moment(int(time_us[row])).isoformat()})"
    return f"row {row}{when} is {low[row]!s}, {_count(bad)}"


def _check_ranges(columns: Columns, repairs: frozenset[str], repaired: dict[str, int]) -> Columns:
    """Refuse high < low; refuse or clip an open or close outside [low, high]."""
    open_, high, low, close = columns[:4]
    crossed = high < low
    row = _first(crossed)
    if row is not None:
        raise DataError(
            f"column 'high': {_row(columns, row)} is {high[row]!s}, below low {low[row]!s}, "
            f"{_count(crossed)}; check that the columns are not swapped, and correct the row or set it to NaN"
        )
    changed: dict[str, FloatArray] = {}
    for name, values in (("open", open_), ("close", close)):
        outside = (values < low) | (values > high)
        row = _first(outside)
        if row is None:
            continue
        if "clip" not in repairs:
            raise DataError(
                f"column {name!r}: {_row(columns, row)} is {values[row]!s}, outside low {low[row]!s} to high "
                f"{high[row]!s}, {_count(outside)}; correct it, or pass {with_repair(repairs, 'clip')} to move it to "
                "the nearer end"
            )
        repaired["clip"] = repaired.get("clip", 0) + int(np.count_nonzero(outside))
        changed[name] = np.clip(values, low, high)
    return columns._replace(**changed)  # type: ignore[arg-type]


def _check_volume(columns: Columns) -> FloatArray | None:
    volume = columns.volume
    if volume is None:
        return None
    bad = (volume < 0.0) | np.isinf(volume)
    row = _first(bad)
    if row is not None:
        raise DataError(
            f"column 'volume': {_row(columns, row)} is {volume[row]!s}, {_count(bad)}; volume must be finite "
            "and not negative: correct it, or set it to NaN where it is unknown"
        )
    missing = np.isnan(volume)
    # One bit pattern for NaN, so that the hash does not depend on who wrote it.
    return np.where(missing, np.nan, volume) if missing.any() else volume


def describe(value: Any) -> str:
    """Short form of a value for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
