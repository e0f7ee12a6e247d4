"""What Bars offer once made: memory, immutability, hash, slices, times."""

import hashlib
import pickle
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.data import Bars
from peak_fast.errors import DataError
from tests.frame_kinds import KINDS, clean_columns, daily_times, with_value


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
    assert text == "Bars('ACME', 6 bars, 1 missing, 2024-01-01 00:00 to 2024-01-06 00:00 UTC, 1 note)"


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
