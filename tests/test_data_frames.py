"""Every kind of frame and file gives the same bars; columns and times are found and read."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import narwhals
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.data import Bars, synthetic
from peak_fast.data.names import TIME_NAMES
from peak_fast.errors import DataError
from tests.frame_kinds import KINDS, clean_columns

DAY_US = 86_400_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_bars(kind):
    columns = clean_columns(50)
    frame = KINDS[kind](columns)
    bars = Bars.from_frame(frame)
    assert bars.hash == Bars.from_frame(columns).hash
    assert bars.has_time
    np.testing.assert_array_equal(bars.high, columns["high"])
    np.testing.assert_array_equal(bars.time_us, columns["timestamp"].astype(np.int64))
    assert type(bars.source) is type(frame)
    if not kind.startswith(("polars", "pandas")):  # frames that can be written to are kept as a view
        assert bars.source is frame


@pytest.mark.parametrize("kind", KINDS)
def test_names_in_any_case_and_extra_columns(kind):
    columns = clean_columns()
    mixed = {name.upper() if name != "timestamp" else name: values for name, values in columns.items()}
    mixed["Funding"] = np.arange(6.0)
    bars = Bars.from_frame(KINDS[kind](mixed))
    assert bars.hash == Bars.from_frame(columns).hash
    np.testing.assert_array_equal(bars.column("funding"), np.arange(6.0))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_without_times_count_days(kind):
    columns = clean_columns()
    del columns["timestamp"]
    bars = Bars.from_frame(KINDS[kind](columns))
    assert not bars.has_time
    assert bars.time_zone is None
    assert bars.periods_per_year == 252.0
    np.testing.assert_array_equal(bars.time_us, np.arange(6) * DAY_US)
    assert "no timestamps" in repr(bars)


class OnlyArrow:
    """A frame of an unknown library that offers nothing but the Arrow C stream interface."""

    def __init__(self, columns):
        self._frame = pl.DataFrame(columns)

    def __arrow_c_stream__(self, requested_schema=None):
        return self._frame.__arrow_c_stream__(requested_schema)


def arrow_batch(columns):
    return pytest.importorskip("pyarrow").table(columns).to_batches()[0]


def arrow_stream(columns):
    table = pytest.importorskip("pyarrow").table(columns)
    return table.to_reader(max_chunksize=7)


OTHERS = {
    "any Arrow stream": OnlyArrow,
    "Arrow batch": arrow_batch,
    "Arrow reader": arrow_stream,
    "narwhals": lambda columns: narwhals.from_native(pl.DataFrame(columns)),
    "narwhals lazy": lambda columns: narwhals.from_native(pl.LazyFrame(columns)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_frames(kind):
    columns = clean_columns(30)
    columns["funding"] = np.arange(30.0)
    bars = Bars.from_frame(OTHERS[kind](columns))
    assert bars.hash == Bars.from_frame(columns).hash
    np.testing.assert_array_equal(bars.column("funding"), columns["funding"])
    np.testing.assert_array_equal(bars.slice(3, 9).column("funding"), columns["funding"][3:9])
    backwards = OTHERS[kind]({name: values[::-1].copy() for name, values in columns.items()})
    assert Bars.from_frame(backwards, repair="sort").hash == bars.hash


@pytest.mark.parametrize("dtype", ["f4", "i4", "i8", "u2", ">f8", "f2"])
def test_other_numbers_are_converted(dtype):
    columns = clean_columns()
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = columns[name].round().astype(dtype)
    columns["high"] = columns["high"] + np.array(1, dtype=dtype)
    bars = Bars.from_frame(columns)
    np.testing.assert_array_equal(bars.high, columns["high"].astype(np.float64))
    assert bars.volume.dtype == np.float64


def test_decimals_are_converted():
    columns = clean_columns()
    columns["close"] = [Decimal(str(value)) for value in columns["close"]]
    expected = Bars.from_frame(clean_columns()).hash
    assert Bars.from_frame(columns).hash == expected
    assert Bars.from_frame(pl.DataFrame(columns)).hash == expected


@pytest.mark.parametrize(
    "kind", ["polars", "polars lazy", "pandas nullable", "pandas pyarrow", "pyarrow", "duckdb"]
)
def test_null_is_missing(kind):
    columns = clean_columns()
    columns["low"] = pl.Series([99.0, 100.0, None, 102.0, 103.0, 104.0])
    if kind.startswith("pandas"):
        frame = KINDS[kind]({**columns, "low": columns["low"].to_pandas()})
    elif kind.startswith("polars"):
        frame = KINDS[kind](columns)
    else:
        frame = KINDS[kind]({**columns, "low": columns["low"].to_arrow()})
    bars = Bars.from_frame(frame)
    np.testing.assert_array_equal(np.isnan(bars.open), [False, False, True, False, False, False])
    assert bars.low[1] == 100.0


def test_none_and_masked_values_are_missing():
    columns = clean_columns()
    columns["open"] = [100.25, None, 102.25, 103.25, 104.25, 105.25]
    columns["volume"] = np.ma.MaskedArray(np.arange(6.0), mask=[0, 0, 1, 0, 0, 0])
    bars = Bars.from_frame(columns)
    assert bars.n_invalid == 1
    assert np.isnan(bars.close[1])
    assert np.isnan(bars.volume[2])


def test_strided_columns_are_copied_into_order():
    table = np.stack([clean_columns(20)[name] for name in ("open", "high", "low", "close")], axis=1)
    columns = {name: table[:, at] for at, name in enumerate(("open", "high", "low", "close"))}
    bars = Bars.from_frame(columns)
    assert bars.high.flags.c_contiguous
    np.testing.assert_array_equal(bars.high, table[:, 1])


def test_chunked_polars_columns():
    parts = [
        pl.DataFrame({name: values[a:b] for name, values in clean_columns(30).items()})
        for a, b in [(0, 9), (9, 30)]
    ]
    frame = pl.concat(parts, rechunk=False)
    assert frame["open"].n_chunks() == 2
    assert Bars.from_frame(frame).hash == Bars.from_frame(clean_columns(30)).hash


def test_exact_name_wins_over_other_spellings():
    columns = clean_columns()
    columns["Open"] = columns["open"] + 0.5
    np.testing.assert_array_equal(Bars.from_frame(columns).open, clean_columns()["open"])
    columns["OPEN"] = columns.pop("open")
    with pytest.raises(DataError, match=r"'open' is there 2 times, as \['Open', 'OPEN'\]"):
        Bars.from_frame(columns)


@pytest.mark.parametrize("wrong", [np.ones((5, 4)), np.ones(5), [1.0, 2.0], 3, None, object()])
def test_what_is_no_frame_is_refused(wrong):
    with pytest.raises(DataError, match="expected a frame"):
        Bars.from_frame(wrong)


@pytest.mark.parametrize("path", ["prices.csv", Path("prices.csv")])
def test_paths_are_sent_to_load(path):
    with pytest.raises(DataError, match=r"use load\('prices.csv'\)"):
        Bars.from_frame(path)


def test_lengths_must_agree():
    columns = clean_columns()
    columns["low"] = columns["low"][:-1]
    with pytest.raises(DataError, match="'low' has 5 rows, column 'open' has 6"):
        Bars.from_frame(columns)


def test_columns_have_one_dimension():
    columns = clean_columns()
    columns["low"] = np.ones((6, 2))
    with pytest.raises(DataError, match="'low' has 2 dimensions"):
        Bars.from_frame(columns)


def test_pandas_with_levels_of_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.concat({"AAPL": pandas.DataFrame(clean_columns())}, axis=1)
    assert Bars.from_frame(frame).hash == Bars.from_frame(clean_columns()).hash
    frame.columns = frame.columns.set_levels(list("abcdef"), level=1)
    with pytest.raises(DataError, match="levels of column names and none of them holds open"):
        Bars.from_frame(frame)


def test_pandas_with_repeated_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(clean_columns())
    frame = pandas.concat([frame, frame[["low"]]], axis=1)
    with pytest.raises(DataError, match="'low' is there several times"):
        Bars.from_frame(frame)


# ---- finding the time


@pytest.mark.parametrize("name", [*TIME_NAMES, *(name.title() for name in TIME_NAMES)])
def test_time_is_found_by_name(name):
    columns = clean_columns()
    columns[name] = columns.pop("timestamp")
    assert Bars.from_frame(columns).has_time
    assert Bars.from_frame(pl.DataFrame(columns)).has_time


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("pandas index", "dict of lists")])
def test_time_is_found_by_type(kind):
    columns = clean_columns()
    columns["quoted at"] = columns.pop("timestamp")
    assert Bars.from_frame(KINDS[kind](columns)).hash == Bars.from_frame(clean_columns()).hash
    columns["settled at"] = columns["quoted at"] + np.timedelta64(2, "D")
    with pytest.raises(DataError, match=r"several columns hold times.*timestamp="):
        Bars.from_frame(KINDS[kind](columns))
    bars = Bars.from_frame(KINDS[kind](columns), timestamp="settled at")
    assert bars.span[0] == datetime(2024, 1, 3, tzinfo=UTC)


def test_time_index_wins_over_columns():
    pandas = pytest.importorskip("pandas")
    columns = clean_columns()
    frame = pandas.DataFrame(
        columns, index=pandas.DatetimeIndex(columns["timestamp"] + 5 * DAY_US, name="when")
    )
    assert Bars.from_frame(frame).span[0].day == 6
    assert Bars.from_frame(frame, timestamp="timestamp").span[0].day == 1
    assert Bars.from_frame(frame, timestamp="when").span[0].day == 6


def test_period_index():
    pandas = pytest.importorskip("pandas")
    columns = clean_columns()
    del columns["timestamp"]
    frame = pandas.DataFrame(columns, index=pandas.period_range("2024-01", periods=6, freq="M"))
    bars = Bars.from_frame(frame)
    assert bars.span == (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
    assert bars.periods_per_year == 12.0


def test_unknown_time_column():
    with pytest.raises(DataError, match="'timestanp' is missing; did you mean 'timestamp'"):
        Bars.from_frame(clean_columns(), timestamp="timestanp")


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 200), kind=st.sampled_from(sorted(KINDS)))
def test_every_kind_agrees_on_any_bars(seed, rows, kind):
    expected = synthetic(rows, "1h", seed=seed, gaps=0.2, missing=0.1)
    frame = expected.to_polars().with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    bars = Bars.from_frame(KINDS[kind]({name: frame[name].to_numpy() for name in frame.columns}))
    assert bars.hash == expected.hash
    assert bars.n_invalid == expected.n_invalid
