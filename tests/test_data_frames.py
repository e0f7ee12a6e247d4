"""Every kind of frame and file gives the same bars; columns and times are found and read."""

import gzip
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import narwhals
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast._frames import TIME_NAMES
from peak_fast.data import Bars, load, synthetic
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
    if kind != "polars lazy":
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
    with pytest.raises(DataError, match="several levels"):
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


@pytest.mark.parametrize("values", [np.arange(6), np.arange(6.0), [20240101 + i for i in range(6)]])
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
    [(3, "yesterday"), (0, "31/12/2024"), (5, "2024-13-01"), (2, "2024-03-30T12:30:00+01:00")],
)
def test_text_that_is_no_time(at, wrong):
    text = [moment.isoformat() for moment in MOMENTS]
    text[at] = wrong
    with pytest.raises(DataError) as caught:
        Bars.from_frame(with_times(text))
    assert f"row {at} is {wrong!r}" in str(caught.value)
    assert "ISO 8601" in str(caught.value)


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


# ---- files


def write_csv(frame, path):
    frame.write_csv(path)


def write_gzip(frame, path):
    path.write_bytes(gzip.compress(frame.write_csv().encode()))


def write_ipc(frame, path):
    frame.write_ipc(path)


FILES = {
    "prices.csv": write_csv,
    "prices.csv.gz": write_gzip,
    "Prices.CSV": write_csv,
    "prices.parquet": lambda frame, path: frame.write_parquet(path),
    "chunked.parquet": lambda frame, path: frame.write_parquet(path, row_group_size=100),
    "prices.feather": write_ipc,
    "prices.arrow": write_ipc,
    "prices.ipc": lambda frame, path: frame.write_ipc(path, compression="zstd"),
}


@pytest.mark.parametrize("file", FILES)
def test_files(file, tmp_path):
    expected = synthetic(500, "1h", seed=3, gaps=0.05, missing=0.02)
    frame = expected.to_polars().with_columns(note=pl.lit("x"))
    FILES[file](frame, tmp_path / file)
    bars = load(tmp_path / file)
    assert bars.hash == expected.hash
    assert bars.name == file.split(".")[0]
    assert bars.n_invalid == expected.n_invalid > 0
    assert "note" in bars.source.columns
    assert load(str(tmp_path / file), name="mine").name == "mine"
    assert np.shares_memory(bars.volume, bars.source["volume"].to_numpy())


def test_query(tmp_path):
    pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    expected = synthetic(300, seed=1)
    expected.to_polars().write_parquet(tmp_path / "prices.parquet")
    bars = load(f"duckdb:SELECT * FROM '{tmp_path / 'prices.parquet'}' ORDER BY timestamp")
    assert bars.hash == expected.hash
    assert bars.name == "duckdb"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("duckdb:", "expected a query"),
        ("duckdb:SELEC 1", "query failed"),
        ("duckdb:SELECT * FROM 'nowhere.csv'", "query failed"),
        ("duckdb:CREATE TABLE t (a INTEGER)", "returns no rows|'open' is missing"),
        ("duckdb:SELECT 1 AS a", "'open' is missing"),
    ],
)
def test_bad_queries(query, message):
    pytest.importorskip("duckdb")
    with pytest.raises(DataError, match=message):
        load(query)


def test_missing_file_and_unknown_type(tmp_path):
    synthetic(5).to_polars().write_csv(tmp_path / "prices.csv")
    with pytest.raises(DataError, match=r"no such file; did you mean 'prices.csv'"):
        load(tmp_path / "price.csv")
    with pytest.raises(DataError, match="no such file; check the path"):
        load(tmp_path / "elsewhere" / "x.parquet")
    with pytest.raises(DataError, match=r"files of type '.xlsx'; .*'.csv'"):
        load(tmp_path / "prices.xlsx")
    with pytest.raises(DataError, match=r"files of type '.json.gz'"):
        load(tmp_path / "prices.json.gz")
    (tmp_path / "broken.parquet").write_bytes(b"not a parquet file")
    with pytest.raises(DataError, match=r"cannot be read as \.parquet"):
        load(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"cannot be read as \.csv"):
        load(tmp_path / "empty.csv")


def test_csv_with_text_far_down(tmp_path):
    lines = synthetic(12_000, "1m").to_polars().write_csv().splitlines()
    lines[11_000] = lines[11_000].rsplit(",", 1)[0] + ",many"
    (tmp_path / "prices.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"'volume' is not numeric .*row 10999 is 'many'"):
        load(tmp_path / "prices.csv")


def test_repair_reaches_files(tmp_path):
    frame = synthetic(20).to_polars().reverse()
    frame.write_csv(tmp_path / "prices.csv")
    with pytest.raises(DataError, match="repair='sort'"):
        load(tmp_path / "prices.csv")
    assert load(tmp_path / "prices.csv", repair="sort").hash == synthetic(20).hash


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 200), kind=st.sampled_from(sorted(KINDS)))
def test_every_kind_agrees_on_any_bars(seed, rows, kind):
    expected = synthetic(rows, "1h", seed=seed, gaps=0.2, missing=0.1)
    frame = expected.to_polars().with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    bars = Bars.from_frame(KINDS[kind]({name: frame[name].to_numpy() for name in frame.columns}))
    assert bars.hash == expected.hash
    assert bars.n_invalid == expected.n_invalid
