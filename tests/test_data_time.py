"""Bars per year, inferred from the times of the bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast._time import DAY_US, periods_per_year

MINUTE_US = 60_000_000


def times(start, stop, step):
    """Times from ``start`` to ``stop`` (exclusive), ``step`` minutes apart."""
    return np.arange(np.datetime64(start, "us"), np.datetime64(stop, "us"), step * MINUTE_US).view(np.int64)


def weekday(time_us):
    return (time_us // DAY_US + 3) % 7


def minute_of_day(time_us):
    return time_us % DAY_US // MINUTE_US


def month_ends():
    months = np.arange("2015-02", "2024-02", dtype="M8[M]")
    return (months.astype("M8[D]") - 1).astype("M8[us]").view(np.int64)


def exchange_minutes(step):
    """Weekdays from 14:30 to 21:00 UTC."""
    every = times("2024-01-01", "2024-07-01", step)
    minute = minute_of_day(every)
    return every[(weekday(every) < 5) & (minute >= 870) & (minute < 1260)]


def currency_hours():
    """Sunday 21:00 to Friday 21:00 UTC."""
    every = times("2023-01-01", "2024-01-01", 60)
    day, minute = weekday(every), minute_of_day(every)
    closed = (day == 5) | ((day == 6) & (minute < 1260)) | ((day == 4) & (minute >= 1260))
    return every[~closed]


def only(time_us, days):
    return time_us[np.isin(weekday(time_us), days)]


DAILY = times("2018-01-01", "2024-01-01", 1440)

CASES = {
    "daily, weekdays": (only(DAILY, range(5)), 252.0),
    "daily, all days": (DAILY, 365.0),
    "daily, Sunday to Thursday": (only(DAILY, [6, 0, 1, 2, 3]), 252.0),
    "daily, Monday to Saturday": (only(DAILY, range(6)), 312.0),
    "two days": (DAILY[:2], 252.0),
    "weekly": (DAILY[::7], 52.0),
    "month ends": (month_ends(), 12.0),
    "quarters": (month_ends()[::3], 4.0),
    "years": (month_ends()[::12], 1.0),
    "minutes, all days": (times("2024-01-01", "2024-03-01", 1), 1440 * 365.0),
    "5 minutes, all days": (times("2024-01-01", "2024-03-01", 5), 288 * 365.0),
    "4 hours, all days": (times("2023-01-01", "2024-01-01", 240), 6 * 365.0),
    "exchange minutes": (exchange_minutes(1), 390 * 252.0),
    "exchange half hours": (exchange_minutes(30), 13 * 252.0),
    "currency hours": (currency_hours(), 24 * 252.0),
    "one hour of minutes": (times("2024-01-03T10:00", "2024-01-03T11:00", 1), 60 * 252.0),
}


@pytest.mark.parametrize("case", CASES)
def test_known_calendars(case):
    time_us, expected = CASES[case]
    assert periods_per_year(time_us) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    "case", ["daily, weekdays", "daily, all days", "weekly", "month ends", "4 hours, all days"]
)
def test_regular_calendars_are_exact(case):
    time_us, expected = CASES[case]
    assert periods_per_year(time_us) == expected


def test_holidays_do_not_matter_to_daily_bars():
    time_us = only(DAILY, range(5))
    kept = np.random.default_rng(0).random(time_us.size) > 0.04
    assert periods_per_year(time_us[kept]) == 252.0


def test_partial_first_and_last_day_do_not_matter():
    full = times("2024-01-01", "2024-01-29", 1)
    assert periods_per_year(full[700:-200]) == 1440 * 365.0


def test_absent_minutes_count_as_absent():
    full = times("2024-01-01", "2024-03-01", 1)
    kept = full[np.random.default_rng(1).random(full.size) < 0.5]
    assert periods_per_year(kept) == pytest.approx(720 * 365, rel=0.02)


def test_other_steps_use_the_span():
    assert periods_per_year(DAILY[::3]) == pytest.approx(365.25 / 3)
    assert periods_per_year(DAILY[::60]) == pytest.approx(365.25 / 60)


def test_one_bar():
    assert periods_per_year(DAILY[:1]) == 252.0


@given(
    steps=st.lists(st.integers(1, 40 * DAY_US), min_size=1, max_size=300),
    start=st.integers(-(10**16), 10**16),
)
def test_any_times_give_a_positive_number(steps, start):
    time_us = start + np.concatenate([[0], np.cumsum(steps)])
    value = periods_per_year(time_us)
    assert np.isfinite(value)
    assert value > 0.0


@given(shift=st.integers(-1000, 1000))
def test_whole_weeks_do_not_matter(shift):
    for case in ("exchange half hours", "daily, weekdays"):
        time_us, _ = CASES[case]
        assert periods_per_year(time_us + shift * 7 * DAY_US) == periods_per_year(time_us)
