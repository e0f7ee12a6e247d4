"""Checks and repairs of bar data, and what Bars offer once made."""

import hashlib
import pickle
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.data import Bars, synthetic
from peak_fast.errors import ConfigError, DataError
from tests.frame_kinds import KINDS, clean_columns, daily_times


def with_value(name, row, value, rows=6):
    """Clean columns with one value replaced."""
    columns = clean_columns(rows)
    columns[name] = columns[name].copy()
    columns[name][row] = value
    return columns


# Each fault: the columns, and what the message must name: column, row, timestamp, value, remedy.
FAULTS = {
    "zero price": (with_value("low", 3, 0.0), ["'low'", "row 3", "2024-01-04", "0.0", "NaN"]),
    "negative price": (
        with_value("open", 2, -1.5),
        ["'open'", "row 2", "2024-01-03", "-1.5", "greater than zero"],
    ),
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
    columns[f"{column}_"] = columns.pop(column)
    with pytest.raises(DataError, match=rf"column '{column}' is missing; did you mean '{column}_'"):
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
@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
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
    columns["low"] = np.array([1.0, 0.0, 1.0, -1.0, 1.0, 0.0])
    with pytest.raises(DataError, match="the first of 3 such rows"):
        Bars.from_frame(columns)


def test_time_beyond_the_calendar():
    with pytest.raises(DataError, match=r"row 5 .* years 1 to 9999"):
        Bars.from_frame(with_value("timestamp", 5, np.datetime64("12000-01-01")))


def test_several_symbols_are_suspected():
    columns = clean_columns()
    columns["timestamp"] = np.tile(columns["timestamp"][:3], 2)
    columns["Symbol"] = np.array(["A"] * 3 + ["B"] * 3)
    with pytest.raises(DataError, match="column 'Symbol' holds several symbols"):
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


@pytest.mark.parametrize("kind", ["polars", "dict of arrays", "pandas column"])
def test_float64_columns_are_not_copied(kind):
    columns = clean_columns(500)
    frame = KINDS[kind](columns)
    bars = Bars.from_frame(frame)
    for name in ("open", "high", "low", "close", "volume"):
        own = frame[name] if isinstance(frame, dict) else frame[name].to_numpy()
        assert np.shares_memory(getattr(bars, name), own)
    own_times = frame["timestamp"] if isinstance(frame, dict) else frame["timestamp"].to_numpy()
    assert np.shares_memory(bars.time_us, own_times) == (own_times.dtype == "M8[us]")


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_have_one_type(kind):
    bars = Bars.from_frame(KINDS[kind](clean_columns()))
    for values in (bars.open, bars.high, bars.low, bars.close, bars.volume):
        assert values.dtype == np.float64
        assert values.flags.c_contiguous
        assert values.flags.aligned
        assert not values.flags.writeable
    assert bars.time_us.dtype == np.int64
    assert not bars.time_us.flags.writeable


def test_user_arrays_stay_writable():
    columns = clean_columns()
    Bars.from_frame(columns)
    assert columns["open"].flags.writeable


def test_bars_are_immutable():
    bars = Bars.from_frame(clean_columns())
    with pytest.raises(AttributeError, match="immutable"):
        bars.name = "other"
    with pytest.raises(AttributeError, match="immutable"):
        del bars.name
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1.0


def test_bars_pass_through():
    bars = Bars.from_frame(clean_columns())
    assert Bars.from_frame(bars) is bars


def test_bars_survive_pickle():
    bars = Bars.from_frame(pl.DataFrame(with_value("close", 1, np.nan)), name="x").slice(1, 5)
    copy = pickle.loads(pickle.dumps(bars))
    assert copy.hash == bars.hash
    assert (copy.name, copy.n_invalid, copy.periods_per_year) == ("x", 1, bars.periods_per_year)
    assert not copy.close.flags.writeable
    assert copy.source.equals(bars.source)


def test_repr_names_length_and_span():
    text = repr(Bars.from_frame(with_value("open", 1, np.nan), name="ACME"))
    assert text == "Bars('ACME', 6 bars, 1 missing, 2024-01-01 00:00 to 2024-01-06 00:00 UTC)"


# ---- hash


@pytest.mark.parametrize("column", ["timestamp", "open", "high", "low", "close", "volume"])
def test_hash_sees_a_change_of_one_value(column):
    columns = clean_columns(20_000)
    before = Bars.from_frame(columns).hash
    changed = {name: values.copy() for name, values in columns.items()}
    words = changed[column].view(np.int64)
    words[19_999] += 1  # the last bit of a price, one microsecond of a time
    assert Bars.from_frame(changed).hash != before
    words[19_999] -= 1
    assert Bars.from_frame(changed).hash == before


def test_hash_sees_order_length_and_volume():
    columns = clean_columns(40)
    swapped = {name: values.copy() for name, values in columns.items()}
    for name in ("open", "high", "low", "close", "volume"):
        swapped[name][[3, 7]] = swapped[name][[7, 3]]
    without_volume = {name: values for name, values in columns.items() if name != "volume"}
    shorter = {name: values[:-1] for name, values in columns.items()}
    hashes = {Bars.from_frame(each).hash for each in (columns, swapped, without_volume, shorter)}
    assert len(hashes) == 4
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in hashes)


def test_hash_sees_powers_of_two():
    """Prices with an empty mantissa differ in their highest bits only, where a plain product is blind."""
    columns = clean_columns(8)
    hashes = set()
    for exponent in range(-20, 21):
        for name in ("open", "high", "low", "close"):
            columns[name] = np.full(8, 2.0**exponent)
        hashes.add(Bars.from_frame(columns).hash)
    assert len(hashes) == 41


def test_hash_ignores_the_bit_pattern_of_nan():
    other = np.array([0x7FF8_0000_0000_0001], dtype=np.uint64).view(np.float64)[0]
    for column in ("close", "volume"):
        first = Bars.from_frame(with_value(column, 2, np.nan))
        assert Bars.from_frame(with_value(column, 2, other)).hash == first.hash


def naive_hash(arrays):
    """The construction of docs/data.md in plain Python integers."""
    words = 2**64 - 1
    keys = []
    for number in range(1, 2 * 8192 + 1):
        word = number * 0x9E3779B97F4A7C15 & words
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & words
        word = (word ^ word >> 27) * 0x94D049BB133111EB & words
        keys.append((word ^ word >> 31) | 1)
    sums = b""
    for array in arrays:
        bits = [word ^ word >> 32 for word in array.view(np.uint64).tolist()]
        for start in range(0, len(bits), 8192):
            for lane in (0, 8192):
                total = sum(word * keys[lane + at] for at, word in enumerate(bits[start : start + 8192]))
                sums += (total & words).to_bytes(8, "little")
    header = f"peak_fast bars {len(arrays[0])} {len(arrays)}".encode()
    return hashlib.blake2b(header + sums, digest_size=16).hexdigest()


@pytest.mark.parametrize("rows", [1, 6, 8192, 8193])
def test_hash_follows_its_construction(rows):
    bars = Bars.from_frame(clean_columns(rows))
    arrays = [bars.open, bars.high, bars.low, bars.close, bars.time_us, bars.volume]
    assert bars.hash == naive_hash(arrays)


def test_hash_is_stable():
    """Stores on disk are keyed by it: a change of the construction must be deliberate."""
    assert Bars.from_frame(clean_columns()).hash == "199945e4dcddbc36203a1f2860f3e93c"


# ---- slices


@pytest.mark.parametrize("kind", KINDS)
def test_slice_shares_memory_and_keeps_the_source_in_step(kind):
    bars = Bars.from_frame(KINDS[kind](clean_columns(30)), name="x")
    part = bars.slice(5, 12)
    assert len(part) == 7
    assert np.shares_memory(part.close, bars.close)
    np.testing.assert_array_equal(part.column("close"), part.close)
    np.testing.assert_array_equal(part.time_us, bars.time_us[5:12])
    assert (part.name, part.periods_per_year) == ("x", bars.periods_per_year)
    assert part.hash != bars.hash


def test_slice_bounds():
    bars = Bars.from_frame(clean_columns(10))
    assert len(bars.slice(None, 4)) == 4
    assert bars.slice(-3).close[0] == bars.close[7]
    assert len(bars.slice(2, 99)) == 8
    with pytest.raises(DataError, match=r"slice 4:4 of 10 bars is empty"):
        bars.slice(4, 4)


def test_slice_counts_missing_bars_anew():
    bars = Bars.from_frame(with_value("close", 1, np.nan))
    assert bars.slice(0, 2).n_invalid == 1
    assert not bars.slice(2).has_nan


def test_slice_without_times():
    columns = clean_columns(10)
    del columns["timestamp"]
    part = Bars.from_frame(columns).slice(4)
    assert not part.has_time
    assert part.time_us[0] == 4 * 86_400_000_000


def test_unknown_source_column():
    bars = Bars.from_frame(clean_columns())
    np.testing.assert_array_equal(bars.column("VOLUME"), bars.volume)
    with pytest.raises(DataError, match="'rsi' is missing"):
        bars.column("rsi")


# ---- times out


def test_span_and_polars_columns():
    bars = Bars.from_frame(clean_columns(3))
    assert bars.span == (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))
    frame = bars.to_polars()
    assert frame.columns == ["timestamp", "open", "high", "low", "close", "volume"]
    assert frame.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert Bars.from_frame(frame).hash == bars.hash


@given(
    prices=st.lists(st.tuples(*[st.floats(1e-6, 1e9)] * 4), min_size=1, max_size=40),
    missing=st.sets(st.integers(0, 39)),
    start=st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)),
)
def test_round_trip_through_polars(prices, missing, start):
    values = np.sort(np.array(prices), axis=1)
    for row in missing:
        if row < len(values):
            values[row] = np.nan
    columns = {
        "timestamp": daily_times(len(values), start.isoformat()),
        "open": values[:, 1],
        "high": values[:, 3],
        "low": values[:, 0],
        "close": values[:, 2],
    }
    bars = Bars.from_frame(columns)
    again = Bars.from_frame(bars.to_polars())
    assert again.hash == bars.hash
    assert again.n_invalid == sum(row < len(values) for row in missing)
    np.testing.assert_array_equal(again.close, values[:, 2])
    np.testing.assert_array_equal(again.time_us, columns["timestamp"].astype(np.int64))
