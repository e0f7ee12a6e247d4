"""Rows that belong to bars, found by their times; whatever does not fit is refused with what to do."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from peak_fast.data.checks import MISSING_TIME, moment
from peak_fast.data.time_values import as_time
from peak_fast.errors import DataError, PeakFastError
from peak_kernels.arrays import IntArray

_UTC = {"UTC", "Etc/UTC", "Zulu", "Z", "GMT", "Etc/GMT", "+00:00", "UTC+00:00"}


class Calendar(NamedTuple):
    """The rows that values are to be brought in line with.

    Parameters
    ----------
    bars
        Number of bars.
    time_us
        int64[bars], microseconds UTC, each once; None: the bars have no times.
    time_zone
        Zone that the times were shown in; None: they were naive and are taken as UTC.
    labels
        Index of the pandas frame that the bars came from, row for row with them; None: another frame.
    moved
        Whether ``repair="sort"`` put the rows of the user's frame into another order.
    derived
        Whether the values were made from the very frame that the bars keep, as a signal function makes them: without
        labels or times they are in its order.
    stamp
        Whether the times are the opens or the closes of the bars.
    turned
        Whether a frame with its newest row first was given as it is: values without times may be in either order.
    """

    bars: int
    time_us: IntArray | None = None
    time_zone: str | None = None
    labels: Any = None
    moved: bool = False
    derived: bool = False
    stamp: str = "open"
    turned: bool = False


def check_zone(
    given: str | None, calendar_zone: str | None, what: str, error: type[PeakFastError] = DataError
) -> None:
    """Refuse times without a zone beside times with one; beside UTC they fit, because they are taken as UTC.

    Raises
    ------
    PeakFastError
        Local times cannot be told from UTC.
    """
    if (given is None) == (calendar_zone is None) or {given, calendar_zone} & _UTC:
        return
    if given is None:
        raise error(
            f"{what}: their times have no time zone, those of the bars have {calendar_zone!r}; expected a zone in "
            f"both: times.dt.tz_localize({calendar_zone!r}) (pandas), .dt.replace_time_zone(...) (Polars), "
            "'2024-01-31T00:00-05:00' (texts of a dict or a file)"
        )
    raise error(
        f"{what}: their times are in the time zone {given!r}, those of the bars have none (taken as UTC); "
        f"expected a zone in both: give the frame of the bars its zone, tz_localize({given!r}) (pandas) or "
        f".dt.replace_time_zone({given!r}) (Polars)"
    )


def read_times(times: Any, what: str, error: type[PeakFastError]) -> tuple[IntArray, str | None]:
    """Times as microseconds UTC, and their zone."""
    label = str(getattr(times, "name", None) or "index")
    try:
        time_us, zone = as_time(times, label)
    except DataError as problem:
        if "date_order" in str(problem):
            reason = str(problem).partition("; pass date_order")[0]
            raise error(
                f"{what}: {reason}; expected datetimes: pandas.to_datetime(index, format=...), or "
                ".str.to_datetime(...) (Polars)"
            ) from None
        raise error(
            f"{what}: the index says neither times nor rows of the frame of the bars: {problem}; expected one of both, "
            "or values without an index (to_numpy()) to take them by position"
        ) from None
    if (time_us == MISSING_TIME).any():
        row = int(np.argmax(time_us == MISSING_TIME))
        raise error(f"{what}: row {row} has no time; expected one in each row; drop those rows")
    return time_us, zone


def rows_by_time(
    time_us: IntArray,
    zone: str | None,
    calendar: Calendar,
    what: str,
    notes: list[str],
    error: type[PeakFastError],
    levels: bool,
) -> IntArray | None:
    """Row for each bar by the times; None: the rows are in line as they are."""
    own = calendar.time_us
    if own is None:
        if time_us.size == calendar.bars and bool((time_us[1:] > time_us[:-1]).all()):
            notes.append(f"{what}: taken by position, because the bars have no times to find theirs among")
            return None
        raise error(
            f"{what}: {time_us.size} rows with times, but the {calendar.bars} bars have no times to find them by; "
            "expected bars with times, or one value a bar without times: values.to_numpy()"
        )
    check_zone(zone, calendar.time_zone, what, error)
    if np.array_equal(time_us, own):
        return None
    order, ordered = sorted_times(time_us, what, error)
    at = np.minimum(np.searchsorted(ordered, own), max(ordered.size - 1, 0))
    found = ordered[at] == own if ordered.size else np.zeros(own.size, bool)
    if not found.all():
        first = int(np.argmin(found))
        raise error(
            f"{what}: no value for {int((~found).sum())} of {own.size} bars, the first of them bar {first} "
            f"({shown_time(own[first])}); {_spans(ordered, own)}; expected one for each bar: "
            "values.reindex(frame.index) (pandas) or a left join to the times of the bars (Polars) puts NaN there"
        )
    inside = ordered[(ordered > own.min()) & (ordered < own.max())]
    if inside.size > max(own.size - 2, 0) and not levels:
        stray = np.setdiff1d(inside, own)
        raise error(
            f"{what}: {stray.size} rows between the bars belong to none of them, the first at {shown_time(stray[0])}; "
            "expected the times of the bars: drop those rows, or values.reindex(frame.index) (pandas)"
        )
    if ordered.size > own.size:
        notes.append(
            f"{what}: {ordered.size - own.size} of {ordered.size} rows passed over, at times without a bar"
        )
    if not np.array_equal(order, np.arange(order.size)):
        notes.append(f"{what}: put into the order of the bars by their times")
    rows: IntArray = order[at].astype(np.int64)
    return rows


def sorted_times(time_us: IntArray, what: str, error: type[PeakFastError]) -> tuple[IntArray, IntArray]:
    """Rows in the order of their times, and the times in that order; a time that stands there twice is refused."""
    order: IntArray = np.argsort(time_us, kind="stable")
    ordered = time_us[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    if again.size:
        rows = f"rows {order[again[0]]} and {order[again[0] + 1]}"
        raise error(
            f"{what}: the time {shown_time(ordered[again[0]])} stands there more than once ({rows}); expected one "
            "value a bar; drop the duplicates"
        )
    return order, ordered


def _spans(ordered: IntArray, own: IntArray) -> str:
    if not ordered.size:
        return "there are no rows"
    theirs = f"{shown_time(ordered[0])} to {shown_time(ordered[-1])}"
    return (
        f"their times run from {theirs}, those of the bars from {shown_time(own[0])} to {shown_time(own[-1])}"
    )


def shown_time(time_us: Any) -> str:
    """A time for a message."""
    try:
        return f"{moment(int(time_us)):%Y-%m-%d %H:%M:%S} UTC".replace(" 00:00:00 UTC", "")
    except OverflowError:
        return f"{int(time_us)} microseconds"
