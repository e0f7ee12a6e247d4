"""Local times and instants: offsets in text, zones that a user names, and hours that happen twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from peak_fast.data.checks import MISSING_TIME
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl

HOUR_US = 3_600_000_000
_DAY_US = 24 * HOUR_US
# Months in which some region ends its summer time, north and south.
_AUTUMN_MONTHS = frozenset({2, 3, 4, 9, 10, 11})


def check_zone(time_zone: str) -> str:
    """The name of a time zone that exists.

    Raises
    ------
    ConfigError
        No such zone.
    """
    import difflib
    import zoneinfo  # slow to import, and few need it

    try:
        zoneinfo.ZoneInfo(time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        close = difflib.get_close_matches(str(time_zone), zoneinfo.available_timezones(), n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(
            f"time_zone: got {time_zone!r}{guess}; expected the name of a time zone such as 'UTC', "
            "'America/New_York' or 'Etc/GMT+5' (five hours behind UTC all year)"
        ) from None
    return time_zone


# Number of the series of each row while a column with the rows of several is read; whether an hour repeats can only be
# seen within one.
_SERIES: ContextVar[IntArray | None] = ContextVar("series", default=None)


@contextmanager
def separate_series(series: IntArray | None) -> Iterator[None]:
    """Within: `localise` looks at the rows of each series by themselves; ``series`` numbers them, row by row."""
    token = _SERIES.set(series)
    try:
        yield
    finally:
        _SERIES.reset(token)


def localise(time_us: IntArray, label: str, time_zone: str | None) -> tuple[IntArray, str | None, list[str]]:
    """Instants of local times: those of ``time_zone``, or taken as UTC where none is named.

    Parameters
    ----------
    time_us
        int64 microseconds of the clock on the wall; the least int64 where a time is missing.
    label
        Column name for messages.
    time_zone
        Name of the zone that the times are in, or None.

    Returns
    -------
    tuple
        int64 microseconds UTC, the zone (None: none was named), and notes.

    Raises
    ------
    DataError
        No zone is named and an hour repeats as it does when summer time ends; a local time that the zone does
        not have (the hour left out in spring).
    ConfigError
        No such zone.
    """
    series = _SERIES.get()
    if series is not None and series.size == time_us.size:
        return _localise_each(time_us, label, time_zone, series)
    if time_zone is None:
        _refuse_repeated_hour(time_us, label)
        return time_us, None, []
    check_zone(time_zone)
    present = time_us != MISSING_TIME
    if not present.any():
        return time_us, time_zone, []
    if present.all():
        result, notes = _to_utc(time_us, label, time_zone)
        return result, time_zone, notes
    result = time_us.copy()
    result[present], notes = _to_utc(time_us[present], label, time_zone)
    return result, time_zone, notes


def _localise_each(
    time_us: IntArray, label: str, time_zone: str | None, series: IntArray
) -> tuple[IntArray, str | None, list[str]]:
    """As `localise`, for the rows of each series in their order; a note that several need stands there once."""
    order = np.argsort(series, kind="stable")
    result = np.empty_like(time_us)
    notes: dict[str, None] = {}
    with separate_series(None):
        for rows in np.split(order, np.flatnonzero(np.diff(series[order])) + 1):
            result[rows], _, more = localise(time_us[rows], label, time_zone)
            notes.update(dict.fromkeys(more))
    return result, time_zone, list(notes)


def _refuse_repeated_hour(time_us: IntArray, label: str) -> None:
    """Refuse rows that go back by up to an hour in the night of a weekend in autumn."""
    if time_us.size < 3:
        return
    newest_first = time_us[0] > time_us[-1]
    steps = time_us[:-1] - time_us[1:] if newest_first else time_us[1:] - time_us[:-1]
    back = np.flatnonzero((steps <= 0) & (steps >= -HOUR_US))
    for row in back[:50].tolist():
        later = row if newest_first else row + 1
        value = int(time_us[later])
        if value == MISSING_TIME:
            continue
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
        night = when.hour < 4 and when.weekday() in (5, 6) and when.month in _AUTUMN_MONTHS
        if night and _hour_before_repeats(time_us, row, newest_first):
            raise DataError(
                f"column {label!r}: the times go back at row {row + 1} ({when:%Y-%m-%d %H:%M}), in a night in which "
                "summer time ends: they are local times without an offset; name their time zone, for example "
                "time_zone='America/New_York', so that no hour is lost"
            )


def _hour_before_repeats(time_us: IntArray, row: int, newest_first: bool) -> bool:
    """Whether the rows on both sides of a step back hold the same times, as a whole hour that runs twice does."""
    if newest_first:
        time_us, row = time_us[::-1], time_us.size - 2 - row
    if time_us[row] == time_us[row + 1]:  # an hour in one bar: only between bars of an hour
        around = time_us[max(0, row - 1) : row + 3]
        return around.size == 4 and bool((np.diff(around)[[0, 2]] == HOUR_US).all())
    after = time_us[row + 1 : row + 4000]
    before = time_us[max(0, row - 4000) : row + 1]
    return int(np.isin(after[after <= time_us[row]], before).sum()) >= 2


def _to_utc(time_us: IntArray, label: str, time_zone: str) -> tuple[IntArray, list[str]]:
    import polars as pl

    local = pl.Series(label, time_us).cast(pl.Datetime("us"))
    early = _replaced(local, time_zone, "earliest")
    late = _replaced(local, time_zone, "latest")
    gaps = np.flatnonzero(early == MISSING_TIME)
    if gaps.size:
        row = int(gaps[0])
        raise DataError(
            f"column {label!r}: row {row} is {local[row]}, a time that {time_zone} does not have (clocks go "
            f"forward over it; {gaps.size} such rows): is time_zone={time_zone!r} right for these times?"
        )
    twice = early != late
    if not twice.any():
        return early, []
    return _in_order(time_us, early, late)


def _replaced(local: pl.Series, time_zone: str, ambiguous: str) -> IntArray:
    zoned = local.dt.replace_time_zone(time_zone, ambiguous=ambiguous, non_existent="null")  # type: ignore[arg-type]
    result: IntArray = zoned.to_physical().fill_null(MISSING_TIME).to_numpy()
    return result


def _in_order(time_us: IntArray, early: IntArray, late: IntArray) -> tuple[IntArray, list[str]]:
    """Of two instants with one local time, the earlier until the clock goes back, then the later."""
    newest_first = time_us[0] > time_us[-1]
    if newest_first:
        time_us, early, late = time_us[::-1], early[::-1], late[::-1]
    result = early.copy()
    rows = np.flatnonzero(early != late)
    single = 0
    for group in np.split(rows, np.flatnonzero(np.diff(early[rows] // _DAY_US) > 1) + 1):
        first, last = int(group[0]), int(group[-1])
        steps = np.diff(time_us[first : last + 1])
        turn = np.flatnonzero(steps <= 0)
        if turn.size:
            later = group[group > first + int(turn[0])]
            result[later] = late[later]
        else:
            single += group.size
    notes = []
    if single:
        notes.append(
            f"{single} bars stand in an hour that happens twice when summer time ends; they are taken as the first "
            "of the two"
        )
    return (result[::-1].copy() if newest_first else result), notes
