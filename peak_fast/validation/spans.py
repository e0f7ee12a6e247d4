"""Lengths of windows as people write them: a number of bars, or a stretch of the calendar such as "6mo"."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from peak_fast.errors import ConfigError

_FORM = re.compile(r"(\d+)\s*([a-z]+)")
_UNITS = {
    **dict.fromkeys(("y", "yr", "year", "years"), "years"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("w", "week", "weeks"), "weeks"),
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("h", "hour", "hours"), "hours"),
    **dict.fromkeys(("min", "minute", "minutes"), "minutes"),
}
# Bars whose distances tell when the next one is due.
_LATE = 30
_EXAMPLES = "a number of bars such as 250, or a text such as '3y', '6mo', '2w', '90d', '12h'"


# Of years together; longer ones would not do as a difference of times.
_LONGEST = dt.timedelta(days=4_000_000)
_END = dt.datetime(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the calendar; months have no fixed length, so they are kept apart."""

    months: int = 0
    rest: dt.timedelta = dt.timedelta(0)

    def __mul__(self, count: int) -> Span:
        return Span(
            self.months * count, min(self.rest, _LONGEST / count) * count if count else dt.timedelta(0)
        )

    def __add__(self, other: Span) -> Span:
        return Span(self.months + other.months, min(self.rest + other.rest, _LONGEST))

    def after(self, moment: dt.datetime) -> dt.datetime:
        """A moment that much later, on the clock of its zone; the 31st becomes the last day of a shorter month.

        Behind the end of the calendar it is that end.
        """
        try:
            return self._after(moment)
        except (ValueError, OverflowError):
            return _END

    def _after(self, moment: dt.datetime) -> dt.datetime:
        number = moment.year * 12 + moment.month - 1 + self.months
        year, month = divmod(number, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        return moment.replace(year=year, month=month + 1, day=day) + self.rest


def span_of(name: str, value: Any, least: int = 1) -> int | Span:
    """Bars, or a stretch of the calendar.

    Parameters
    ----------
    name
        The argument, for the error.
    value
        A whole number of bars, or a text such as ``"3y"``, ``"6mo"``, ``"90d"``.
    least
        Smallest number.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    found = _FORM.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    unit = _UNITS.get(found[2]) if found else None
    if found is None or unit is None or int(found[1]) < least:
        raise ConfigError(f"{name}: expected {_EXAMPLES}, at least {least}; got {value!r}")
    number = int(found[1])
    if unit in ("years", "months"):
        return Span(months=number * (12 if unit == "years" else 1))
    most = int(_LONGEST / dt.timedelta(**{unit: 1}))
    return Span(rest=dt.timedelta(**{unit: min(number, most)}))


class Clock:
    """Places of moments among the times of bars.

    Parameters
    ----------
    bars
        Prices; their times are read on the clock of their zone, so that "1d" is a day on it when clocks change, too.

    Raises
    ------
    ConfigError
        The bars have no times.
    """

    def __init__(self, bars: Any) -> None:
        if not bars.has_time:
            raise ConfigError(
                "windows: these bars have no times; expected numbers of bars, such as train=750, test=125"
            )
        self._times = bars.time_us
        self._zone = ZoneInfo(bars.time_zone) if bars.time_zone else None
        self.first = self._moment(int(self._times[0]))

    def _moment(self, time_us: int) -> dt.datetime:
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=time_us)
        return moment.astimezone(self._zone or dt.UTC).replace(tzinfo=None)

    def place(self, moment: dt.datetime) -> int:
        """First bar at or after a moment; the number of bars where there is none."""
        if moment == _END:
            return len(self._times)
        aware = moment.replace(tzinfo=self._zone or dt.UTC)
        since = aware.astimezone(dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        return int(np.searchsorted(self._times, since // dt.timedelta(microseconds=1)))

    def reaches(self, moment: dt.datetime) -> bool:
        """Whether the bar behind the last one would not begin before a moment: distances of late allow for weekends."""
        distance = int(np.diff(self._times[-_LATE:]).max()) if len(self._times) > 1 else 0
        return self._moment(int(self._times[-1]) + distance) >= moment
