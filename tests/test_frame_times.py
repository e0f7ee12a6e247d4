"""Times of frames of every kind: found wherever they could be, refused where they are not certain, never left out."""

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from peak_fast import Bars, ConfigError, DataError
from tests.frame_kinds import KINDS, clean_columns

pd = pytest.importorskip("pandas")

HOURS = pd.date_range("2023-03-01", periods=48, freq="1h")
HOURS_US = HOURS.as_unit("us").asi8


def priced(rows=48, **more):
    base = 100.0 + np.sin(np.arange(rows))
    prices = {"open": base, "high": base + 1.0, "low": base - 1.0, "close": base}
    return {**more, **prices}


def indexed(index):
    return pd.DataFrame(priced(len(index)), index=index)


INDEXES = {
    "text": HOURS.astype(str),
    "text of another form": HOURS.strftime("%Y/%m/%d %H:%M"),
    "categories of text": pd.CategoricalIndex(HOURS.astype(str)),
    "Timestamps as objects": HOURS.astype(object),
    "datetimes as objects": pd.Index([stamp.to_pydatetime() for stamp in HOURS], dtype=object),
    "datetime64 as objects": pd.Index(list(HOURS.to_numpy()), dtype=object),
    "nanoseconds": HOURS.as_unit("ns"),
    "seconds": HOURS.as_unit("s"),
    "zoned": HOURS.tz_localize("UTC"),
    "periods": HOURS.to_period("h"),
    "periods as objects": HOURS.to_period("h").astype(object),
    "arrow": pd.Index(HOURS.astype("timestamp[us][pyarrow]")),
    "epoch seconds": pd.Index(HOURS_US // 10**6),
    "epoch milliseconds": pd.Index(HOURS_US // 10**3),
    "epoch nanoseconds": pd.Index(HOURS_US * 10**3),
    "calendar numbers": pd.Index([int(stamp.strftime("%Y%m%d%H%M")) for stamp in HOURS]),
    "a level beside one symbol": pd.MultiIndex.from_product([["AAA"], HOURS], names=["symbol", "timestamp"]),
    "a level without names": pd.MultiIndex.from_product([["AAA"], HOURS]),
    "a level of text": pd.MultiIndex.from_product([HOURS.astype(str), ["AAA"]], names=["when", "ticker"]),
    "date and time levels": pd.MultiIndex.from_arrays(
        [HOURS.date, HOURS.strftime("%H:%M")], names=["date", "time"]
    ),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_any_index_that_could_be_a_time_is_read(kind):
    bars = Bars.from_frame(indexed(INDEXES[kind]))
    assert bars.has_time
    assert bars.time_us.tolist() == HOURS_US.tolist()
    assert bars.periods_per_year == pytest.approx(8760, rel=0.31)  # 252 x 24 where no weekend shows


@pytest.mark.parametrize(
    "index", [pd.RangeIndex(48), pd.Index(np.arange(48) * 3), pd.Index([f"row {n}" for n in range(48)])]
)
def test_an_index_that_is_no_time_leaves_bars_without(index):
    bars = Bars.from_frame(indexed(index))
    assert not bars.has_time
    assert any("there are no times" in note for note in bars.notes)


def test_a_named_index_that_cannot_be_read_is_refused():
    with pytest.raises(DataError, match=r"'date'.*'soon'"):
        Bars.from_frame(indexed(pd.Index(["soon"] * 48, name="date")))


NAMES = [
    "timestamp", "Timestamp", "Date Time", "date_time", "<DATE>", "Open time", "open_time", "OpenTime", "Local time",
    "Gmt time", "window_start", "trade_date", "Unnamed: 0", "", "__index_level_0__", "index", "when", "TS", "Unix",
]  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pandas index"])
@pytest.mark.parametrize("name", NAMES)
def test_names_without_case_blanks_and_punctuation(kind, name):
    columns = clean_columns()
    stamps = columns.pop("timestamp")
    texts = np.array([str(stamp)[:10] for stamp in stamps])
    if kind == "structured array" and name == "":
        pytest.skip("numpy names such a field itself")
    for values in (stamps, texts):
        frame = KINDS[kind]({name: values, **columns})
        assert Bars.from_frame(frame).hash == Bars.from_frame(clean_columns()).hash


@pytest.mark.parametrize("kind", KINDS)
def test_the_user_may_say_that_there_are_none(kind):
    bars = Bars.from_frame(KINDS[kind](clean_columns()), timestamp=False)
    assert not bars.has_time
    assert bars.periods_per_year == 252.0


JOINED = {
    "text": (lambda s: s.strftime("%Y-%m-%d"), lambda s: s.strftime("%H:%M")),
    "text with seconds": (lambda s: s.strftime("%Y.%m.%d"), lambda s: s.strftime("%H:%M:%S")),
    "numbers": (lambda s: int(s.strftime("%Y%m%d")), lambda s: int(s.strftime("%H%M%S"))),
    "dates and times": (lambda s: s.date(), lambda s: s.time()),
}


@pytest.mark.parametrize("names", [("Date", "Time"), ("<DATE>", "<TIME>"), ("date", "timestamp")])
@pytest.mark.parametrize("kind", JOINED)
def test_date_and_time_columns_are_joined(kind, names):
    days, clocks = ([part(stamp) for stamp in HOURS] for part in JOINED[kind])
    columns = {names[0]: days, names[1]: clocks, **priced()}
    for frame in (columns, pl.DataFrame(columns), pd.DataFrame(columns)):
        bars = Bars.from_frame(frame)
        assert bars.time_us.tolist() == HOURS_US.tolist()
        assert any("joined" in note for note in bars.notes)
    renamed = {"d": days, "c": clocks, **priced()}
    assert Bars.from_frame(renamed, timestamp=("d", "c")).time_us.tolist() == HOURS_US.tolist()


def test_other_columns_of_times_are_named():
    columns = clean_columns()
    columns["timeClose"] = columns["timestamp"] + np.timedelta64(1, "D")
    columns["timeHigh"] = columns["timestamp"]
    bars = Bars.from_frame(pl.DataFrame(columns))
    assert set(bars.notes) >= {
        "column 'timeClose' also holds times and was not used",
        "column 'timeHigh' also holds times and was not used",
    }


def test_the_open_is_the_time_where_both_are_there():
    columns = clean_columns()
    columns["open_time"] = columns["timestamp"] - np.timedelta64(1, "D")
    assert Bars.from_frame(columns).span[0].day == 31


def test_times_of_the_close_alone_are_what_their_name_says():
    columns = clean_columns()
    columns["close_time"] = columns.pop("timestamp")
    bars = Bars.from_frame(pd.DataFrame(columns))
    assert bars.stamp == "close" and any("closes of the bars" in note for note in bars.notes)
    said = Bars.from_frame(columns, timestamp="close_time")
    assert said.stamp == "open" and any("its name says closes" in note for note in said.notes)


def test_several_columns_that_could_be_it_are_refused():
    columns = clean_columns()
    columns["listed"] = [f"2020-01-0{n}" for n in range(1, 7)]
    columns["delivered"] = columns.pop("timestamp").astype(str)
    with pytest.raises(DataError, match=r"several columns hold times: \['listed', 'delivered'\].*timestamp="):
        Bars.from_frame(columns)
    assert Bars.from_frame(columns, timestamp="delivered").span[0].year == 2024


@pytest.mark.parametrize("name", ["id", "turnover"])
def test_numbers_that_rise_like_an_epoch_are_not_guessed(name):
    columns = priced(**{name: 1_600_000_000 + np.arange(48) * 3600})
    with pytest.raises(DataError, match=f"timestamp='{name}', or timestamp=False"):
        Bars.from_frame(columns)
    assert not Bars.from_frame(columns, timestamp=False).has_time
    assert Bars.from_frame(columns, timestamp=name).periods_per_year > 6000
    columns[name] = columns[name][np.random.default_rng(1).permutation(48)]
    assert not Bars.from_frame(columns).has_time


@pytest.mark.parametrize("parts", [["Year", "Month", "Day"], ["year"]])
def test_a_time_in_parts_is_refused(parts):
    columns = priced(6, **{name: np.arange(6) + 1 for name in parts})
    with pytest.raises(DataError, match=r"parts of times.*timestamp=False"):
        Bars.from_frame(pl.DataFrame(columns))
    assert not Bars.from_frame(columns, timestamp=False).has_time


def test_a_dict_of_series_keeps_their_times():
    columns = {name: pd.Series(values, index=HOURS) for name, values in priced().items()}
    assert Bars.from_frame(columns).time_us.tolist() == HOURS_US.tolist()
    columns["low"] = columns["low"].iloc[::-1]
    with pytest.raises(DataError, match="'open' and 'low' have different indexes"):
        Bars.from_frame(columns)


def test_a_time_column_that_is_there_twice():
    frame = pd.DataFrame(clean_columns())
    with pytest.raises(DataError, match="'timestamp' is there several times"):
        Bars.from_frame(pd.concat([frame, frame[["timestamp"]]], axis=1))


# ---- order of the day, units, years


MONTHS = [f"{month:02d}/01/{year}" for year in (2015, 2016) for month in range(1, 13)]


@pytest.mark.parametrize("kind", ["polars", "pandas", "index", "dict"])
def test_day_and_month_that_cannot_be_told_apart(kind):
    columns = priced(24)
    frame = {
        "polars": lambda: pl.DataFrame({"Date": MONTHS, **columns}),
        "pandas": lambda: pd.DataFrame({"Date": MONTHS, **columns}),
        "index": lambda: pd.DataFrame(columns, index=MONTHS),
        "dict": lambda: {"Date": MONTHS, **columns},
    }[kind]()
    with pytest.raises(DataError, match="date_order='dmy' or date_order='mdy'"):
        Bars.from_frame(frame)
    assert Bars.from_frame(frame, date_order="mdy").periods_per_year == 12.0
    with pytest.raises(ConfigError, match="did you mean 'mdy'"):
        Bars.from_frame(frame, date_order="MDY")


@pytest.mark.parametrize("form", ["%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S000"])
def test_calendar_numbers(form):
    numbers = np.array([int(stamp.strftime(form)) for stamp in HOURS])
    for values in (numbers, numbers.astype(object), pl.Series(numbers)):
        assert Bars.from_frame(priced(timestamp=values)).time_us.tolist() == HOURS_US.tolist()


def test_two_units_in_one_column_are_refused():
    mixed = np.where(np.arange(48) < 24, HOURS_US // 10**3, HOURS_US)
    with pytest.raises(DataError, match="the unit of time changes at row 24"):
        Bars.from_frame(priced(timestamp=mixed))


@pytest.mark.parametrize(
    "values", [HOURS_US // 10**3 * 10, np.full(48, 18500101), np.arange(48) * 86_400.0 + 9e9]
)
def test_years_that_cannot_be(values):
    with pytest.raises(DataError):
        Bars.from_frame(priced(timestamp=values))


def test_a_missing_number_is_a_missing_time():
    nullable = pd.array(HOURS_US // 10**6, dtype="Int64")
    nullable[3] = pd.NA
    listed = [None if row == 3 else value for row, value in enumerate((HOURS_US // 10**6).tolist())]
    for frame in (
        pd.DataFrame(priced(timestamp=nullable)),
        pd.DataFrame(priced(timestamp=listed)),
        pl.DataFrame(priced(timestamp=listed)),
        priced(timestamp=listed),
        priced(timestamp=np.ma.MaskedArray(HOURS_US // 10**6, mask=np.arange(48) == 3)),
    ):
        with pytest.raises(DataError, match=r"row 3 is (missing|nan)"):
            Bars.from_frame(frame)


# ---- zones


def local_hours(zone, kind):
    aware = pd.date_range("2024-11-02", periods=48, freq="1h", tz="America/New_York")
    naive = aware.tz_localize(None)
    columns = priced()
    frames = {
        "index": lambda: pd.DataFrame(columns, index=naive),
        "text": lambda: pl.DataFrame({"timestamp": naive.astype(str).to_list(), **columns}),
        "polars": lambda: pl.DataFrame({"timestamp": naive.to_numpy(), **columns}),
        "calendar": lambda: {"timestamp": [int(s.strftime("%Y%m%d%H%M")) for s in naive], **columns},
    }
    return frames[kind](), aware


@pytest.mark.parametrize("kind", ["index", "text", "polars", "calendar"])
def test_an_hour_that_repeats(kind):
    frame, aware = local_hours("America/New_York", kind)
    with pytest.raises(DataError, match=r"time zone.*time_zone="):
        Bars.from_frame(frame)
    with pytest.raises(DataError, match="time zone"):
        Bars.from_frame(frame, repair=("sort", "drop"))  # would lose an hour
    bars = Bars.from_frame(frame, time_zone="America/New_York")
    assert bars.time_us.tolist() == aware.as_unit("us").asi8.tolist()
    assert bars.time_zone == "America/New_York"
    assert bars.timestamp.dtype == pl.Datetime("us", "America/New_York")


def test_a_time_that_the_zone_does_not_have():
    hours = pd.date_range("2024-03-10", periods=6, freq="1h")
    with pytest.raises(DataError, match="does not have"):
        Bars.from_frame(indexed(hours), time_zone="America/New_York")


def test_a_zone_for_times_that_have_one():
    aware = HOURS.tz_localize("Europe/Berlin")
    bars = Bars.from_frame(indexed(aware), time_zone="America/New_York")
    assert bars.time_us.tolist() == aware.as_unit("us").asi8.tolist()
    assert bars.time_zone == "America/New_York"
    assert any("only shows them" in note for note in bars.notes)


def test_mixed_offsets_are_instants():
    zones = [dt.timezone(dt.timedelta(hours=n % 3)) for n in range(48)]
    aware = [
        stamp.to_pydatetime().replace(tzinfo=dt.UTC).astimezone(zone)
        for stamp, zone in zip(HOURS, zones, strict=True)
    ]
    for values in (aware, [stamp.isoformat() for stamp in aware]):
        bars = Bars.from_frame(priced(timestamp=values))
        assert bars.time_us.tolist() == HOURS_US.tolist()
        assert bars.time_zone == "UTC"


# ---- order of rows, numbers


@pytest.mark.parametrize("kind", KINDS)
def test_newest_first_is_put_in_order_and_said(kind):
    columns = {name: values[::-1].copy() for name, values in clean_columns().items()}
    bars = Bars.from_frame(KINDS[kind](columns))
    assert bars.hash == Bars.from_frame(clean_columns()).hash
    assert any("newest first" in note for note in bars.notes)
    np.testing.assert_array_equal(bars.column("close"), bars.close)


@pytest.mark.parametrize("values", ["100.5", Decimal("100.5")])
def test_numbers_of_other_types(values):
    columns = clean_columns()
    columns["close"] = [values] * 6
    columns["low"] = np.full(6, 1.0)
    columns["high"] = np.full(6, 200.0)
    frames = [columns, pd.DataFrame(columns)]
    for frame in frames:
        if isinstance(values, str):
            with pytest.raises(DataError, match="'close' is not numeric"):
                Bars.from_frame(frame)
        else:
            assert Bars.from_frame(frame).close.tolist() == [100.5] * 6


def test_big_endian_and_unaligned_memory():
    columns = clean_columns()
    swapped = {name: values.astype(values.dtype.newbyteorder(">")) for name, values in columns.items()}
    packed = np.dtype([("skip", "u1"), *((name, values.dtype.str) for name, values in swapped.items())])
    array = np.zeros(6, dtype=packed)
    for name, values in swapped.items():
        array[name] = values
    for frame in (swapped, array):
        assert Bars.from_frame(frame).hash == Bars.from_frame(columns).hash
