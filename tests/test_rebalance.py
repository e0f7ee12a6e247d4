"""Bars at which rules decide."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from peak_fast import Panel, Rebalance, StrategyError


def panel_of(days):
    frame = pd.DataFrame({name: np.ones(len(days)) for name in ("open", "high", "low", "close")}, index=days)
    return Panel.from_frame({"A": frame, "B": frame})


DAILY = pd.bdate_range("2023-12-20", "2024-04-10")


def rows(when, days=DAILY, **options):
    notes = []
    return Rebalance(when, **options).rows(panel_of(days), {}, notes), notes


@pytest.mark.parametrize("word", ["month", "quarter", "year", "week"])
def test_last_and_first_bars_of_periods(word):
    period = DAILY.to_period({"month": "M", "quarter": "Q", "year": "Y", "week": "W"}[word])
    last = [i for i in range(len(DAILY) - 1) if period[i] != period[i + 1]]
    ends, _ = rows("week" if word == "week" else f"{word}_end")
    starts, _ = rows(f"{word}_start")
    assert ends.tolist() == last and starts.tolist() == [i + 1 for i in last]


def test_the_last_bar_of_the_data_ends_nothing():
    assert DAILY[rows("month_end", DAILY[:29])[0][-1]] == pd.Timestamp("2023-12-29")
    assert DAILY[28] == pd.Timestamp("2024-01-29")


def test_days_of_intraday_bars():
    hours = pd.date_range("2024-01-01", periods=72, freq="h")
    assert rows("day", hours)[0].tolist() == [23, 47]


def test_every_so_many_bars():
    assert rows(20)[0].tolist() == list(range(0, len(DAILY), 20))
    assert rows(20, start=5)[0].tolist() == list(range(5, len(DAILY), 20))
    assert rows("bar")[0].tolist() == list(range(len(DAILY)))
    assert rows(np.int64(40))[0].tolist() == [0, 40, 80]


@pytest.mark.parametrize(
    "dates",
    [
        ["2024-01-02", "2024-01-06", "2024-02-01"],
        [dt.date(2024, 1, 2), dt.date(2024, 1, 6), dt.date(2024, 2, 1)],
        pd.DatetimeIndex(["2024-01-02", "2024-01-06", "2024-02-01"]),
        np.array(["2024-01-02", "2024-01-06", "2024-02-01"], dtype="M8[D]"),
    ],
    ids=["text", "dates", "index", "numpy"],
)
def test_dates_mean_the_last_bar_that_is_not_behind_them(dates):
    found, notes = rows(dates)
    assert [str(DAILY[row].date()) for row in found] == ["2024-01-02", "2024-01-05", "2024-02-01"]
    assert notes == ["1 rebalance dates are no bars: each means the last bar before it"]


def test_dates_before_the_data_are_told():
    found, notes = rows(["2020-01-01", "2024-01-02"])
    assert found.size == 1 and "lie before the first bar" in notes[0]
    with pytest.raises(StrategyError, match="none of the dates"):
        rows(["2020-01-01"])


def test_a_date_means_its_whole_day():
    hours = pd.date_range("2024-01-01", periods=72, freq="h")
    assert rows(["2024-01-02"], hours)[0].tolist() == [47]
    assert rows(["2024-01-02 05:30"], hours)[0].tolist() == [29]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("month end", "did you mean 'month_end'"),
        (0, "at least 1"),
        (2.5, "a word, a number of bars or dates"),
        ([], "at least one date"),
        (["soon"], "not a date or time"),
    ],
)
def test_what_cannot_be_is_refused(when, said):
    with pytest.raises(StrategyError, match=said):
        rows(when)


def test_a_word_that_is_no_parameter_is_refused():
    with pytest.raises(StrategyError, match="no parameter 'every'"):
        rows("every")


def test_words_need_times():
    plain = {name: [1.0, 1.0] for name in ("open", "high", "low", "close")}
    panel = Panel.from_frame({"A": plain, "B": plain})
    with pytest.raises(StrategyError, match="no times; expected a number of bars"):
        Rebalance("month_end").rows(panel, {}, [])
    assert Rebalance(1).rows(panel, {}, []).tolist() == [0, 1]
