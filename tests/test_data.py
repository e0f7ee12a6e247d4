"""Checks and repairs of bar data, and what Bars offer once made."""

import numpy as np
import polars as pl
import pytest

from peak_fast.data import Bars, synthetic
from peak_fast.errors import ConfigError, DataError
from tests.frame_kinds import KINDS, clean_columns, with_value

# Each fault: the columns, and what the message must name: column, row, timestamp, value, remedy.
FAULTS = {
    "negative open": (with_value("open", 2, -1.5), ["'open'", "row 2", "2024-01-03", "-1.5", "outside low"]),
    "infinite price": (with_value("high", 4, np.inf), ["'high'", "row 4", "2024-01-05", "inf", "finite"]),
    "minus infinite": (with_value("close", 1, -np.inf), ["'close'", "row 1", "2024-01-02", "-inf", "finite"]),
    "high below low": (
        with_value("high", 2, 100.5),
        ["'high'", "row 2", "2024-01-03", "100.5", "101.0", "swapped"],
    ),
    "open above high": (
        with_value("open", 5, 120.0),
        ["'open'", "row 5", "2024-01-06", "120.0", "repair='clip'"],
    ),
    "open below low": (
        with_value("open", 0, 98.0),
        ["'open'", "row 0", "2024-01-01", "98.0", "repair='clip'"],
    ),
    "close above high": (with_value("close", 1, 150.0), ["'close'", "row 1", "2024-01-02", "150.0", "clip"]),
    "close below low": (with_value("close", 4, 1.0), ["'close'", "row 4", "2024-01-05", "1.0", "clip"]),
    "negative volume": (
        with_value("volume", 3, -2.0),
        ["'volume'", "row 3", "2024-01-04", "-2.0", "negative"],
    ),
    "infinite volume": (
        with_value("volume", 5, np.inf),
        ["'volume'", "row 5", "2024-01-06", "inf", "finite"],
    ),
    "backward time": (
        with_value("timestamp", 3, np.datetime64("2023-12-01")),
        ["timestamp", "row 3", "2023-12-01", "row 2", "2024-01-03", "repair='sort'"],
    ),
    "duplicate time": (
        with_value("timestamp", 4, np.datetime64("2024-01-04")),
        ["timestamp", "row 4", "2024-01-04", "row 3", "repair='drop'"],
    ),
    "missing time": (with_value("timestamp", 2, np.datetime64("NaT")), ["timestamp", "row 2", "missing"]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(fault, kind):
    columns, expected = FAULTS[fault]
    with pytest.raises(DataError) as caught:
        Bars.from_frame(KINDS[kind](columns))
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_missing_column_is_named(column, kind):
    columns = clean_columns()
    columns[f"{column}x"] = columns.pop(column)
    with pytest.raises(DataError, match=rf"column '{column}' is missing; did you mean '{column}x'"):
        Bars.from_frame(KINDS[kind](columns))


@pytest.mark.parametrize("kind", KINDS)
def test_text_column_is_named(kind):
    columns = clean_columns()
    columns["close"] = np.array(["1.0", "2.0", "n/a", "4.0", "5.0", "6.0"])
    with pytest.raises(DataError, match=r"column 'close' is not numeric .*row 2 is .*n/a"):
        Bars.from_frame(KINDS[kind](columns))


@pytest.mark.parametrize("kind", KINDS)
def test_truth_values_are_not_prices(kind):
    columns = clean_columns()
    columns["open"] = np.array([True] * 6)
    with pytest.raises(DataError, match="column 'open' is not numeric"):
        Bars.from_frame(KINDS[kind](columns))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dict of lists"])
def test_empty_frame(kind):
    columns = {name: values[:0] for name, values in clean_columns().items()}
    with pytest.raises(DataError, match="no rows"):
        Bars.from_frame(KINDS[kind](columns))


@pytest.mark.parametrize("rows", [3, 70_000])
@pytest.mark.parametrize("where", [0, 1, -1])
@pytest.mark.parametrize("column", ["open", "high", "close", "volume"])
def test_screen_sees_every_row(column, where, rows):
    columns = synthetic(rows, "1m").to_polars().to_dict(as_series=False)
    columns[column][where] = -7.0
    with pytest.raises(DataError, match=rf"'{column}': row {where % rows} .* -7\.0"):
        Bars.from_frame(pl.DataFrame(columns))


@pytest.mark.parametrize("row", [1, 32_767, 32_768, 32_769, 69_999])
def test_time_order_is_checked_across_windows(row):
    frame = synthetic(70_000, "1m").to_polars()
    times = frame["timestamp"].to_physical().to_numpy().copy()
    times[row] = times[row - 1]
    columns = {**frame.drop("timestamp").to_dict(), "timestamp": times.view("M8[us]")}
    with pytest.raises(DataError, match=f"row {row} .* repeats the time of row {row - 1}"):
        Bars.from_frame(columns)


def test_message_counts_the_rows():
    columns = clean_columns()
    columns["volume"] = np.array([1.0, -2.0, 1.0, -1.0, 1.0, -4.0])
    with pytest.raises(DataError, match="the first of 3 such rows"):
        Bars.from_frame(columns)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("row", "price"), [(1, 0.0), (3, -7.0)])
def test_prices_at_or_below_zero_are_noted(kind, row, price):
    columns = clean_columns()
    assert Bars.from_frame(KINDS[kind](columns)).notes == ()
    columns["low"] = np.where(np.arange(6) >= row, price, columns["low"])
    bars = Bars.from_frame(KINDS[kind](columns))
    assert bars.n_not_positive == 6 - row
    (note,) = bars.notes
    for part in (
        "'low'",
        f"row {row} (2024-01-0{row + 1}",
        str(price),
        f"first of {6 - row}",
        "sizes in units",
    ):
        assert part in note
    assert bars.slice(0, row).n_not_positive == 0
    assert bars.slice(row).n_not_positive == 6 - row


@pytest.mark.parametrize("rows", [3, 70_000])
@pytest.mark.parametrize("where", [0, 1, -1])
def test_one_low_below_zero_is_seen(where, rows):
    columns = synthetic(rows, "1m").to_polars().to_dict(as_series=False)
    columns["low"][where] = -7.0
    assert Bars.from_frame(pl.DataFrame(columns)).n_not_positive == 1


@pytest.mark.parametrize("library", ["polars", "pandas", "dict", "dates"])
def test_a_year_without_its_century_is_refused(library):
    """03.01.24 parsed as the year 24, a zero date: datetimes, too, say years from 1900 on."""
    days = np.arange("0024-01-03", "0024-01-09", dtype="M8[D]").astype("M8[us]")
    columns = {"timestamp": days, **{name: np.full(6, 10.0) for name in ("open", "high", "low", "close")}}
    make = {
        "polars": pl.DataFrame,
        "dict": dict,
        "dates": lambda c: c | {"timestamp": days.astype("M8[D]").tolist()},
    }
    frame = make[library](columns) if library in make else pytest.importorskip("pandas").DataFrame(columns)
    with pytest.raises(
        DataError, match=r"row 0 is 0024-01-03, outside the years 1900 to 9999.*2000y.*timestamp=False"
    ):
        Bars.from_frame(frame)
    assert not Bars.from_frame(frame, timestamp=False).has_time
    columns["timestamp"] = days + np.timedelta64(730485, "D")
    assert Bars.from_frame(pl.DataFrame(columns)).span[0].year == 2024


def test_time_beyond_the_calendar():
    with pytest.raises(DataError, match=r"row 5 .* years 1900 to 9999"):
        Bars.from_frame(with_value("timestamp", 5, np.datetime64("12000-01-01")))


def test_several_symbols_are_refused():
    columns = clean_columns()
    columns["timestamp"] = np.tile(columns["timestamp"][:3], 2)
    columns["Symbol"] = np.array(["A"] * 3 + ["B"] * 3)
    with pytest.raises(DataError, match="column 'Symbol' holds 2 symbols: 'A', 'B'"):
        Bars.from_frame(columns)


def test_unknown_repair():
    with pytest.raises(ConfigError, match="'clib'; did you mean 'clip'"):
        Bars.from_frame(clean_columns(), repair="clib")


@pytest.mark.parametrize("kind", KINDS)
def test_clip_moves_open_and_close_only(kind):
    columns = with_value("open", 1, 500.0)
    columns["close"][2] = 1.0
    bars = Bars.from_frame(KINDS[kind](columns), repair="clip")
    assert bars.open[1] == bars.high[1] == 102.0
    assert bars.close[2] == bars.low[2] == 101.0
    np.testing.assert_array_equal(bars.high, columns["high"])
    np.testing.assert_array_equal(bars.low, columns["low"])
    assert bars.repaired == {"clip": 2}
    assert bars.column("open")[1] == 500.0


def test_clip_does_not_hide_crossed_columns():
    with pytest.raises(DataError, match="below low"):
        Bars.from_frame(with_value("high", 2, 100.5), repair=("clip", "sort", "drop"))


@pytest.mark.parametrize("kind", KINDS)
def test_sort_and_drop_keep_the_source_in_step(kind):
    columns = clean_columns()
    order = np.array([3, 0, 2, 1, 5, 4])
    columns = {name: values[order] for name, values in columns.items()}
    columns["timestamp"][5] = columns["timestamp"][4]  # 2024-01-06 twice; the later row is to stay
    with pytest.raises(DataError, match="repair='sort'"):
        Bars.from_frame(KINDS[kind](columns), repair="drop")
    with pytest.raises(DataError, match="repair='drop'"):
        Bars.from_frame(KINDS[kind](columns), repair="sort")
    bars = Bars.from_frame(KINDS[kind](columns), repair=("sort", "drop"))
    np.testing.assert_array_equal(bars.open, [100.25, 101.25, 102.25, 103.25, 104.25])
    np.testing.assert_array_equal(bars.column("open"), bars.open)
    assert bars.repaired == {"sort": 3, "drop": 1}
    assert bars.time_us[-1] == columns["timestamp"][5].astype(np.int64)


def test_repairs_leave_clean_data_alone():
    columns = clean_columns()
    bars = Bars.from_frame(columns, repair=("sort", "drop", "clip"))
    assert bars.repaired == {}
    assert bars.source is columns
    assert np.shares_memory(bars.open, columns["open"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_one_missing_price_makes_the_bar_missing(column, kind):
    bars = Bars.from_frame(KINDS[kind](with_value(column, 2, np.nan)))
    for values in (bars.open, bars.high, bars.low, bars.close):
        np.testing.assert_array_equal(np.isnan(values), [False, False, True, False, False, False])
    assert bars.has_nan
    assert bars.n_invalid == 1
    assert bars.mark[2] == bars.close[1]


def test_values_of_a_missing_bar_are_not_judged():
    columns = with_value("high", 2, np.nan)
    columns["open"][2], columns["low"][2] = -5.0, 0.0
    assert Bars.from_frame(columns).n_invalid == 1


def test_bars_without_any_price_are_kept():
    columns = clean_columns(3)
    columns["close"] = np.full(3, np.nan)
    bars = Bars.from_frame(columns)
    assert bars.n_invalid == 3
    assert np.isnan(bars.mark).all()


def test_mark_is_forward_filled_and_unknown_at_the_start():
    columns = clean_columns(6)
    columns["close"][[0, 2, 3]] = np.nan
    bars = Bars.from_frame(columns)
    np.testing.assert_array_equal(bars.mark, [np.nan, 100.5, 100.5, 100.5, 103.5, 104.5])
    assert not bars.mark.flags.writeable
    clean = Bars.from_frame(clean_columns())
    assert clean.mark is clean.close


def test_volume_may_be_absent_or_unknown():
    columns = clean_columns()
    del columns["volume"]
    assert Bars.from_frame(columns).volume is None
    bars = Bars.from_frame(with_value("volume", 1, np.nan))
    assert np.isnan(bars.volume[1])
    assert bars.n_invalid == 0
