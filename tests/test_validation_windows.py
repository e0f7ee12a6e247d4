"""Windows that walk forward, in bars and by the calendar."""

import numpy as np
import polars as pl
import pytest

from peak_fast import Bars, ConfigError, synthetic
from peak_fast.errors import DataError
from peak_fast.validation import Window, windows_of


def bars_at(times, zone=None):
    frame = pl.DataFrame({"timestamp": times})
    price = np.full(len(times), 10.0)
    return Bars.from_frame(frame.with_columns(**dict.fromkeys(("open", "high", "low", "close"), price)))


def daily(first, last, zone=None):
    return bars_at(
        pl.datetime_range(
            pl.lit(first).str.to_datetime(), pl.lit(last).str.to_datetime(), "1d", time_zone=zone, eager=True
        )
    )


def test_bars_by_hand():
    found = windows_of(synthetic(20, seed=1), train=8, test=4)
    assert found == [Window((0, 8), (8, 12)), Window((4, 12), (12, 16)), Window((8, 16), (16, 20))]
    grown = windows_of(synthetic(20, seed=1), train=8, test=4, anchored=True)
    assert [window.train for window in grown] == [(0, 8), (0, 12), (0, 16)]


def test_purge_and_embargo_stand_between():
    found = windows_of(synthetic(20, seed=1), train=8, test=4, purge=1, embargo=2)
    assert found == [Window((0, 8), (11, 15)), Window((4, 12), (15, 19)), Window((8, 16), (19, 20))]


def test_what_is_short_is_told():
    notes = []
    found = windows_of(synthetic(21, seed=1), train=8, test=4, notes=notes)
    assert found[-1].test == (20, 21) and notes == ["walk forward: the last test window is short, 1 bar"]
    notes = []
    whole = windows_of(synthetic(21, seed=1), train=8, test=4, partial=False, notes=notes)
    assert whole[-1].test == (16, 20)
    assert notes == ["walk forward: the last 1 bars fill no test window and are left out"]


def test_months_begin_on_their_day():
    bars = daily("2020-01-31", "2020-12-31")
    found = windows_of(bars, train="3mo", test="1mo", partial=False)
    days = [str(bars.timestamp[window.test[0]].date()) for window in found]
    # The 31st of April is its last day; the next one is counted from January again.
    assert days == [
        "2020-04-30", "2020-05-31", "2020-06-30", "2020-07-31", "2020-08-31", "2020-09-30", "2020-10-31",
        "2020-11-30",
    ]  # fmt: skip
    assert [str(bars.timestamp[window.train[0]].date()) for window in found][:3] == [
        "2020-01-31", "2020-02-29", "2020-03-31",
    ]  # fmt: skip
    assert all(window.train[1] == window.test[0] for window in found)


def test_years_of_business_days_fill_the_last_window():
    """The data end on a Friday; the window's end is the Wednesday that no bar could lie before, but for New Year."""
    bars = daily("2018-01-01", "2023-12-31")
    notes = []
    found = windows_of(bars, train="3y", test="1y", notes=notes)
    assert [str(bars.timestamp[window.test[0]].date()) for window in found] == [
        "2021-01-01", "2022-01-01", "2023-01-01",
    ]  # fmt: skip
    assert found[-1].test[1] == len(bars) and notes == []
    shorter = bars.slice(0, -10)
    windows_of(shorter, train="3y", test="1y", notes=notes)
    assert notes == ["walk forward: the last test window is short, 355 bars"]


def test_days_are_those_of_the_clock_on_the_wall():
    """Half-hours of New York around the change of clocks: a window begins at the same time of day."""
    times = pl.datetime_range(
        pl.lit("2021-03-08 09:30").str.to_datetime(), pl.lit("2021-03-20 16:00").str.to_datetime(), "30m",
        time_zone="America/New_York", eager=True,
    )  # fmt: skip
    bars = bars_at(times.filter(times.dt.time().is_between(pl.time(9, 30), pl.time(16, 0))))
    found = windows_of(bars, train="3d", test="2d")
    starts = [str(bars.timestamp[window.test[0]]) for window in found]
    assert [text[11:16] for text in starts] == ["09:30"] * len(found) and len(found) == 5


def test_gaps_of_the_calendar_leave_windows_out():
    first = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 3, 31), "1d", eager=True)
    later = pl.datetime_range(pl.datetime(2020, 6, 1), pl.datetime(2020, 8, 31), "1d", eager=True)
    notes = []
    found = windows_of(bars_at(pl.concat([first, later])), train="1mo", test="1mo", notes=notes)
    assert notes == [
        "walk forward: window 3 is left out: 31 bars of training, 0 of test",
        "walk forward: window 4 is left out: 0 bars of training, 0 of test",
        "walk forward: window 5 is left out: 0 bars of training, 30 of test",
    ]
    assert [window.test for window in found] == [(31, 60), (60, 91), (121, 152), (152, 183)]


def test_gaps_may_be_days_or_bars_beside_months():
    bars = daily("2020-01-01", "2020-12-31")
    in_bars = windows_of(bars, train="2mo", test="1mo", purge=3)
    assert in_bars[0] == Window((0, 57), (60, 91))
    by_days = windows_of(bars, train="2mo", test="1mo", embargo="3d")
    assert by_days[0] == Window((0, 60), (63, 94))


@pytest.mark.parametrize(
    "options",
    [
        {"train": 0, "test": 4},
        {"train": 8, "test": "three"},
        {"train": 8, "test": "0d"},
        {"train": True, "test": 4},
        {"train": 8, "test": "3d"},
        {"train": 8, "test": 4, "step": "1d"},
        {"train": 8, "test": 4, "purge": "1d"},
        {"train": 8, "test": 4, "embargo": -1},
        {"train": 8.0, "test": 4},
    ],
)
def test_lengths_that_are_none(options):
    with pytest.raises(ConfigError, match="expected"):
        windows_of(synthetic(50, seed=1), **options)


def test_too_short_data_are_an_error():
    with pytest.raises(DataError, match="100 bars are too few for one fold of train=100, test=10"):
        windows_of(synthetic(100, seed=1), train=100, test=10)


@pytest.mark.parametrize("length", ["9000y", "120000mo", "99999999999d", "9" * 30 + "h"])
def test_lengths_behind_the_end_of_the_calendar_are_too_long(length):
    bars = daily("2020-01-01", "2020-12-31")
    with pytest.raises(DataError, match="too few for one fold"):
        windows_of(bars, train=length, test="1mo")
    notes = []
    found = windows_of(bars, train="6mo", test=length, notes=notes)
    assert [window.test for window in found] == [(182, 366)] and "is short, 184 bars" in notes[0]


def test_the_calendar_needs_times():
    frame = {name: np.linspace(10, 11, 50) for name in ("open", "high", "low", "close")}
    with pytest.raises(ConfigError, match="no times; expected numbers of bars"):
        windows_of(Bars.from_frame(frame), train="3d", test="1d")
