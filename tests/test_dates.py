"""Times in text and numbers: what a column proves, what it leaves open, and what is refused."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from peak_fast.data.checks import MISSING_TIME
from peak_fast.data.dates import join_date_and_time, parse_times
from peak_fast.data.time_numbers import number_times
from peak_fast.errors import ConfigError, DataError


def read(*texts, **options):
    time_us, zone, notes = parse_times(pl.Series("when", texts, dtype=pl.String), "when", **options)
    first = datetime(1970, 1, 1, tzinfo=UTC)
    moments = [None if t == MISSING_TIME else first + timedelta(microseconds=int(t)) for t in time_us]
    return [None if m is None else m.isoformat().removesuffix("+00:00") for m in moments], zone, notes


NEW_YEAR = "2024-01-31T14:30:00"
SAME_MOMENT = [
    "2024-01-31T14:30:00Z",
    "2024-01-31 14:30",
    "2024-01-31 14:30:00.000",
    "2024-01-31 15:30:00+01:00",
    "2024-01-31T09:30:00-0500",
    "2024-01-31 14:30:00 UTC",
    "2024/01/31 14:30:00",
    "2024.01.31 14:30",
    "2024/1/31 14:30",
    "20240131 143000",
    "20240131 1430",
    "20240131T143000",
    "20240131;14:30:00",
    "202401311430",
    "20240131143000",
    "20240131143000000",
    "1706711400",
    "1706711400.0",
    "1706711400000",
    "1706711400000000",
    "1706711400000000000",
    "31.01.2024 14:30",
    "31.01.2024 15:30:00.000 GMT+0100",
    "31/01/2024 2:30 PM",
    "01/31/2024 14:30",
    "1/31/2024 02:30:00 pm",
    "31-Jan-2024 14:30:00",
    "31 January 2024 14:30",
    "Jan 31, 2024 14:30",
    "January 31st, 2024 2:30 PM",
    "Wed, 31 Jan 2024 14:30:00 GMT",
    "Wed Jan 31 2024 15:30:00 GMT+0100 (Central European Standard Time)",
    "2024-Jan-31 14:30",
    "2024年1月31日 14:30",
    "20240131 09:30:00 America/New_York",
    '"2024-01-31 14:30"',
    "31012024 14:30",
]


@pytest.mark.parametrize("text", SAME_MOMENT)
def test_one_moment_in_many_forms(text):
    moments, _, _ = read(text)
    assert moments == [NEW_YEAR]
    # Rows of another length go the other way through the reader; a missing row stays missing.
    moments, _, _ = read(None, text, "", text)
    assert moments == [None, NEW_YEAR, None, NEW_YEAR]


def test_both_ways_of_reading_give_the_same():
    start = datetime(2023, 12, 30, 22, 58)
    moments = [start + timedelta(minutes=17 * i, seconds=i) for i in range(500)]
    expected = [m.isoformat() for m in moments]
    clocks = ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y%m%d %H%M%S")
    for form in (*clocks, "%d %b %Y %H:%M:%S"):
        fixed = [m.strftime(form) for m in moments]
        assert read(*fixed)[0] == expected
        assert read(*fixed, " " * 3)[0] == [*expected, None]
    short = [f"{m.month}/{m.day}/{m.year} {m.hour}:{m.minute:02d}:{m.second:02d}" for m in moments]
    assert read(*short)[0] == expected


@pytest.mark.parametrize(
    ("texts", "first", "note"),
    [
        (["01.02.2024", "13.02.2024"], "2024-02-01T00:00:00", "day-first"),
        (["01/02/2024", "02/13/2024"], "2024-01-02T00:00:00", "month-first"),
        (["1/2/24", "1/13/24"], "2024-01-02T00:00:00", "two digits"),
        (["98/01/24", "99/01/25"], "1998-01-24T00:00:00", "year-first"),
        (["05/05/2024", "06/06/2024"], "2024-05-05T00:00:00", None),
    ],
)
def test_the_column_decides_the_order(texts, first, note):
    moments, _, notes = read(*texts)
    assert moments[0] == first
    assert any(note in text for text in notes) if note else notes == []


def test_an_open_order_is_refused_and_named():
    texts = ["01/02/2024", "02/02/2024", "03/02/2024"]  # even spacing proves nothing
    with pytest.raises(DataError, match=r"day first or month first.*date_order='dmy' or date_order='mdy'"):
        read(*texts)
    assert read(*texts, date_order="dmy")[0][2] == "2024-02-03T00:00:00"
    assert read(*texts, date_order="mdy")[0][2] == "2024-03-02T00:00:00"
    with pytest.raises(DataError, match="day first, month first or year first"):
        read("01/02/03")
    with pytest.raises(DataError, match=r"date_order='mdy' does not fit.*fits date_order='dmy'"):
        read("13/02/2024", date_order="mdy")
    with pytest.raises(DataError, match=r"date_order='dmy' does not fit.*fits date_order='ymd'"):
        read("2024-01-02", date_order="dmy")
    with pytest.raises(ConfigError, match="expected 'dmy', 'mdy' or 'ymd'"):
        read("2024-01-02", date_order="us")
    assert read("310124", date_order="dmy")[0] == ["2024-01-31T00:00:00"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["2024-01-31", "soon"], "row 1 is 'soon', which is not a date or time in the form of '2024-01-31'"),
        ([None, "2024-01-31", "2024-02-30"], "row 2 is '2024-02-30', which is no date"),
        (["2024-01-31 24:30"], "row 0 is .* no time of day"),
        (["13/02/2024", "02/13/2024"], "row 1 is '02/13/2024', which is no date .day first."),
        (["1850-01-31"], "outside the years 1900 to 2100"),
        (["2024-01-31 14:30Z", "2024-01-31 14:31"], "mixes timestamps with and without a time zone"),
        (["2024-01-31 14:30 EST"], "'EST' behind the time is not an offset.*time_zone="),
        (["12345"], "too small for an epoch"),
        (["45292", "45293"], "add them to 1899-12-30 if they are days of a spreadsheet"),
        (["1735686000000", "1735689600000000"], "unit of time changes at row 1"),
        (["99999999999999"], "outside the years 1900 to 2100"),
        (["1.7040672E+12"], "is not a date or time"),
    ],
)
def test_refused(texts, message):
    with pytest.raises(DataError, match=message):
        read(*texts)


LOCAL_HOURS = ["2024-11-03 00:30", "2024-11-03 01:00", "2024-11-03 01:30"]
REPEATED = [*LOCAL_HOURS, "2024-11-03 01:00", "2024-11-03 01:30", "2024-11-03 02:00"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_repeated_local_hour_needs_its_zone(newest_first):
    texts = REPEATED[::-1] if newest_first else REPEATED
    with pytest.raises(DataError, match="name their time zone, for example time_zone="):
        read(*texts)
    moments, zone, _ = read(*texts, time_zone="America/New_York")
    hours = [f"2024-11-03T{hour}:00" for hour in ("04:30", "05:00", "05:30", "06:00", "06:30", "07:00")]
    assert moments == (hours[::-1] if newest_first else hours)
    assert zone == "America/New_York"


def test_hours_in_one_bar_each():
    hours = ["2023-10-29 01:00", "2023-10-29 02:00", "2023-10-29 02:00", "2023-10-29 03:00"]
    with pytest.raises(DataError, match="time zone"):
        read(*hours)
    assert read(*hours, time_zone="Europe/Berlin")[0][1:3] == ["2023-10-29T00:00:00", "2023-10-29T01:00:00"]
    # A plain duplicate among bars of a minute, and a step back in June, are no change of the clock.
    assert len(read("2023-10-29 02:00", "2023-10-29 02:01", "2023-10-29 02:01", "2023-10-29 02:02")[0]) == 4
    assert len(read("2024-06-02 01:00", "2024-06-02 01:30", "2024-06-02 01:00", "2024-06-02 01:30")[0]) == 4


def test_zones():
    assert read("2024-07-01 09:30", time_zone="America/New_York")[0] == ["2024-07-01T13:30:00"]
    assert read("20240701", time_zone="Etc/GMT+5")[0] == ["2024-07-01T05:00:00"]
    assert read("2024-07-01 09:30+02:00", time_zone="Europe/Paris")[:2] == (
        ["2024-07-01T07:30:00"],
        "Europe/Paris",
    )
    assert read("2024-07-01 09:30 EDT", time_zone="America/New_York")[0] == ["2024-07-01T13:30:00"]
    moments, zone, notes = read("2023-10-28 23:00 GMT+0200", "2023-10-29 23:00 GMT+0100")
    assert (moments, zone) == (["2023-10-28T21:00:00", "2023-10-29T22:00:00"], "UTC")
    with pytest.raises(DataError, match="does not have"):
        read("2024-03-10 02:30", time_zone="America/New_York")
    with pytest.raises(ConfigError, match="did you mean 'America/New_York'"):
        read("2024-03-10", time_zone="America/NewYork")
    _, _, notes = read("2024-11-03 01:00", "2024-11-03 02:00", time_zone="America/New_York")
    assert "first of the two" in notes[0]


def test_numbers():
    def one(value):
        return int(number_times(np.array([value]), "when")[0][0])

    assert one(20240131) == one(1706659200) == one(1706659200000.0)
    assert one(1706659200.25) == one(1706659200) + 250_000
    assert one(202401310000) == one(20240131)
    assert "YYYYMMDDHHMM" in number_times(np.array([202401310000]), "when")[2][0]
    # Twelve digits of which one is no calendar number are milliseconds, here of 1976.
    assert one(202401020961) == 202401020961 * 1000
    with pytest.raises(DataError, match="is nan; every bar needs its time"):
        number_times(np.array([1.7e9, np.nan]), "when")


def test_date_and_time_columns():
    joined = join_date_and_time(pl.Series("date", [20240131, 20240131]), pl.Series("time", [93000, 143000]))
    assert read(*joined)[0] == ["2024-01-31T09:30:00", NEW_YEAR]
    joined = join_date_and_time(pl.Series("d", ["2024-01-31 00:00:00"]), pl.Series("t", ["14:30"]))
    assert read(*joined)[0] == [NEW_YEAR]
    joined = join_date_and_time(pl.Series("d", ["31.01.2024"]), pl.Series("t", ["0"]))
    assert read(*joined)[0] == ["2024-01-31T00:00:00"]
    joined = join_date_and_time(pl.Series([datetime(2024, 1, 31).date()]), pl.Series([1430]))
    assert read(*joined)[0] == [NEW_YEAR]
