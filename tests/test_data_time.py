"""Timestamps of every type are read; bars per year follow from them."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.data import Bars
from peak_fast.data.times import DAY_US, periods_per_year
from peak_fast.errors import DataError
from tests.frame_kinds import clean_columns

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


# ---- reading the time

MOMENTS = [datetime(2024, 3, 30, 12, 30) + timedelta(hours=18 * i) for i in range(6)]
MOMENTS_US = [int((moment - datetime(1970, 1, 1)) / timedelta(microseconds=1)) for moment in MOMENTS]


def with_times(values):
    columns = clean_columns()
    columns["timestamp"] = values
    return columns


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetime_units(unit):
    values = np.array(MOMENTS, dtype=f"M8[{unit}]")
    assert Bars.from_frame(with_times(values)).time_us.tolist() == MOMENTS_US
    if unit != "s":
        series = pl.Series(MOMENTS).cast(pl.Datetime(unit))
        assert Bars.from_frame(pl.DataFrame(with_times(series))).time_us.tolist() == MOMENTS_US
    frame = pytest.importorskip("pandas").DataFrame(with_times(values))
    assert Bars.from_frame(frame).time_us.tolist() == MOMENTS_US


@pytest.mark.parametrize(
    ("per_second", "dtype"), [(1, "i8"), (10**3, "i8"), (10**6, "i8"), (10**9, "i8"), (1, "u4")]
)
def test_epoch_integers(per_second, dtype):
    values = np.array([us * per_second // 10**6 for us in MOMENTS_US], dtype=dtype)
    for frame in (with_times(values), with_times(values.tolist()), pl.DataFrame(with_times(values))):
        assert Bars.from_frame(frame).time_us.tolist() == MOMENTS_US


@pytest.mark.parametrize("per_second", [1, 10**3, 10**6])
def test_epoch_floats(per_second):
    values = np.array(MOMENTS_US) / (10**6 // per_second)
    assert Bars.from_frame(with_times(values)).time_us.tolist() == MOMENTS_US
    values[2] = np.nan
    with pytest.raises(DataError, match="row 2 is nan"):
        Bars.from_frame(with_times(values))


@pytest.mark.parametrize("values", [np.arange(6), np.arange(6.0), [20240127 + i for i in range(6)]])
def test_small_integers_are_no_epoch(values):
    with pytest.raises(DataError, match="too small for an epoch"):
        Bars.from_frame(with_times(values))


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%Y%m%dT%H%M%S",
        "%Y/%m/%d %H:%M",
        "%Y.%m.%d %H:%M",
    ],
)
def test_text_without_zone(form):
    text = [moment.strftime(form) for moment in MOMENTS]
    for frame in (
        with_times(text),
        pl.DataFrame(with_times(text)),
        with_times(np.array(text)),
        with_times(np.char.encode(text)),
    ):
        bars = Bars.from_frame(frame)
        assert bars.time_us.tolist() == MOMENTS_US
        assert bars.time_zone is None


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d"])
def test_text_dates(form):
    days = [date(2024, 1, 28) + timedelta(days=i) for i in range(6)]
    bars = Bars.from_frame(with_times([day.strftime(form) for day in days]))
    assert [moment.date() for moment in bars.timestamp.to_list()] == days


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+02:00", "-05:30"])
@pytest.mark.parametrize("separator", ["T", " "])
def test_text_with_offset(offset, separator):
    zone = datetime.fromisoformat(f"2024-01-01T00:00:00{offset}").tzinfo
    text = [
        moment.replace(tzinfo=UTC).astimezone(zone).strftime(f"%Y-%m-%d{separator}%H:%M:%S") + offset
        for moment in MOMENTS
    ]
    for frame in (with_times(text), pl.DataFrame(with_times(text))):
        bars = Bars.from_frame(frame)
        assert bars.time_us.tolist() == MOMENTS_US
        assert bars.time_zone == "UTC"


@pytest.mark.parametrize(
    ("at", "wrong"),
    [(3, "yesterday"), (2, "31/12/2024"), (5, "2024-13-01"), (2, "2024-03-30T12:30:00+01:00")],
)
def test_text_that_is_no_time(at, wrong):
    text = [moment.isoformat() for moment in MOMENTS]
    text[at] = wrong
    with pytest.raises(DataError) as caught:
        Bars.from_frame(with_times(text))
    assert repr(wrong) in str(caught.value)


def test_text_with_and_without_offset():
    text = [moment.isoformat() + "Z" for moment in MOMENTS]
    text[4] = MOMENTS[4].isoformat()
    with pytest.raises(DataError, match="row 4"):
        Bars.from_frame(with_times(text))


def test_missing_text():
    text = [moment.isoformat() for moment in MOMENTS]
    text[3] = None
    with pytest.raises(DataError, match="row 3 is missing"):
        Bars.from_frame(with_times(text))


def test_python_datetimes_and_dates():
    zone = timezone(timedelta(hours=3))
    aware = [moment.replace(tzinfo=UTC).astimezone(zone) for moment in MOMENTS]
    bars = Bars.from_frame(with_times(aware))
    assert bars.time_us.tolist() == MOMENTS_US
    assert bars.time_zone == "UTC+03:00"
    assert bars.timestamp.dtype == pl.Datetime("us", "UTC")
    days = [date(2024, 1, 28) + timedelta(days=i) for i in range(6)]
    assert Bars.from_frame(with_times(days)).span[0] == datetime(2024, 1, 28, tzinfo=UTC)
    with pytest.raises(DataError, match="with and without a time zone"):
        Bars.from_frame(with_times([*MOMENTS[:3], *aware[3:]]))
    with pytest.raises(DataError, match="row 1 is 'x', not a datetime"):
        Bars.from_frame(with_times([MOMENTS[0], "x", *MOMENTS[2:]]))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_zones_are_kept_for_display_only(zone):
    series = pl.Series(MOMENTS).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    frame = pl.DataFrame(with_times(series))
    pandas = pytest.importorskip("pandas")
    stamps = pandas.DatetimeIndex(MOMENTS, tz="UTC").tz_convert(zone)
    frames = [frame, frame.lazy(), frame.to_arrow(), pandas.DataFrame(with_times(stamps))]
    frames.append(pandas.DataFrame(clean_columns(), index=stamps).drop(columns="timestamp"))
    for each in frames:
        bars = Bars.from_frame(each)
        assert bars.time_us.tolist() == MOMENTS_US
        assert bars.time_zone == zone
        assert bars.timestamp.equals(series.rename("timestamp"))
        assert bars.hash == Bars.from_frame(with_times(MOMENTS)).hash


@pytest.mark.parametrize(
    "values",
    [
        np.array([1 + 1j] * 6),
        np.arange(6).astype("m8[s]"),
        [object()] * 6,
        [True] * 6,
        pl.Series([timedelta(days=i) for i in range(6)]),
        pl.Series([datetime(2024, 1, 1, i).time() for i in range(6)]),
        pl.Series([None] * 6),
    ],
)
def test_what_is_no_time_is_refused(values):
    with pytest.raises(DataError, match="timestamp"):
        Bars.from_frame(with_times(values))
