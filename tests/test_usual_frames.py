"""Frames that a run is given: the short way makes the bars of the ordinary way, and is never fooled by memory."""

import gc
import pickle
import threading

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, Bars, DataError, synthetic
from peak_fast.data import given_bars
from peak_fast.data import known_values as store
from peak_fast.data.held import HeldBars
from peak_fast.data.times import microseconds
from peak_fast.data.usual_frames import usual_bars
from tests.frame_kinds import KINDS, clean_columns, with_value

pd = pytest.importorskip("pandas")

PARAMS = {"fast": 5, "slow": 30}
LARGE = store.FEW + 1
PRICES = ("open", "high", "low", "close")


@pytest.fixture(autouse=True)
def nothing_known():
    store._known.clear()
    yield
    store._known.clear()


def prices(rows, **options):
    return synthetic(rows, "1m", **{"seed": 3, **options}).to_polars()


FORMS = {
    "polars": lambda frame: frame,
    "polars naive": lambda frame: frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None)),
    "polars zone": lambda frame: frame.with_columns(pl.col("timestamp").dt.convert_time_zone("Asia/Tokyo")),
    "polars nanoseconds": lambda frame: frame.with_columns(pl.col("timestamp").dt.cast_time_unit("ns")),
    "polars chunks": lambda frame: pl.concat([frame[:77], frame[77:]], rechunk=False),
    "polars whole volume": lambda frame: frame.with_columns(pl.col("volume").round().cast(pl.Int64)),
    "polars more": lambda frame: frame.with_columns(tag=pl.lit("x"), funding=pl.col("close") * 0.01),
    "polars names": lambda frame: frame.rename({name: name.title() for name in PRICES}).select(
        pl.all().reverse().reverse()
    ),
    "no volume": lambda frame: frame.drop("volume"),
    "pandas": lambda frame: frame.to_pandas(),
    "pandas index": lambda frame: frame.to_pandas().set_index("timestamp"),
    "pandas naive": lambda frame: frame.to_pandas().set_index("timestamp").tz_localize(None),
    "pandas unnamed": lambda frame: frame.to_pandas().set_index("timestamp").rename_axis(None),
    "pandas seconds": lambda frame: (made := frame.to_pandas().set_index("timestamp")).set_axis(
        made.index.as_unit("s")
    ),
    "pandas nanoseconds": lambda frame: (made := frame.to_pandas().set_index("timestamp")).set_axis(
        made.index.as_unit("ns")
    ),
    "pandas counted": lambda frame: frame.to_pandas().assign(
        volume=lambda table: table["volume"].round().astype("int64")
    ),
    "pandas whole volume": lambda frame: frame.to_pandas().assign(
        volume=lambda table: table["volume"].round().astype("uint32")
    ),
    "pandas rows": lambda frame: pd.DataFrame(
        np.ascontiguousarray(frame.select(PRICES).to_numpy()), columns=list(PRICES), index=frame["timestamp"]
    ).set_axis(pd.DatetimeIndex(frame["timestamp"].to_numpy())),
    "pandas more": lambda frame: frame.to_pandas().assign(tag="x", funding=1.5),
}


@pytest.mark.parametrize("rows", [1, 2, 600, LARGE])
@pytest.mark.parametrize("form", FORMS)
def test_the_short_way_makes_the_same_bars(form, rows):
    frame = FORMS[form](prices(rows))
    expected = Bars.from_frame(frame, "mine")
    for _ in range(2):
        found = usual_bars(frame, "mine")
        assert found is not None
        for slot in sorted(
            {*HeldBars.__slots__} - {"_first", "_source", "_periods_per_year", "_hash", "_remarks"}
        ):
            one, other = getattr(found, slot), getattr(expected, slot)
            if isinstance(other, np.ndarray):
                assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
                assert not one.flags.writeable and one.flags.c_contiguous
            else:
                assert one == other, slot
        assert found.hash == expected.hash and found.notes == expected.notes
        assert found.periods_per_year == expected.periods_per_year
        assert type(found.source) is type(frame) and found.source.equals(frame) and found.source is not frame
        assert pickle.loads(pickle.dumps(found)).hash == expected.hash


UNUSUAL = {
    "a missing price": with_value("close", 2, np.nan),
    "an infinite price": with_value("high", 2, np.inf),
    "high below low": with_value("high", 3, 1.0),
    "close outside": with_value("close", 3, 1e6),
    "a price of zero": with_value("low", 3, 0.0),
    "negative volume": with_value("volume", 3, -1.0),
    "unknown volume": with_value("volume", 3, np.nan),
    "a time twice": with_value("timestamp", 3, clean_columns()["timestamp"][2]),
    "a missing time": with_value("timestamp", 3, np.datetime64("NaT")),
    "a missing time at the end": with_value("timestamp", 5, np.datetime64("NaT")),
    "a year of two digits": with_value("timestamp", 0, np.datetime64("0024-01-01")),
    "newest first": {name: values[::-1].copy() for name, values in clean_columns().items()},
    "no times": {name: values for name, values in clean_columns().items() if name != "timestamp"},
    "a symbol": {**clean_columns(), "symbol": ["A"] * 6},
    "an adjusted close": {**clean_columns(), "adj_close": clean_columns()["close"]},
    "two times": {**clean_columns(), "close_time": clean_columns()["timestamp"]},
    "no close": {name: values for name, values in clean_columns().items() if name != "close"},
    "text": {**clean_columns(), "close": ["1"] * 6},
    "times as text": {**clean_columns(), "timestamp": [f"2024-01-0{k}" for k in range(1, 7)]},
    "times as numbers": {**clean_columns(), "timestamp": np.arange(20240101, 20240107)},
    "whole prices": {**clean_columns(), **{name: np.full(6, 7) for name in PRICES}},
    "nothing": {name: values[:0] for name, values in clean_columns().items()},
    "letters": {"timestamp": clean_columns()["timestamp"], **dict(zip("ohlc", [np.full(6, 7.0)] * 4, strict=True))},
    "a form of a vendor": {
        "open_time": clean_columns()["timestamp"], **{name: clean_columns()[name] for name in (*PRICES, "volume")},
        "quote_volume": np.ones(6), "close_time": clean_columns()["timestamp"], "count": np.ones(6),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ["polars", "pandas column", "pandas index"])
@pytest.mark.parametrize("case", UNUSUAL)
@pytest.mark.parametrize("many", [False, True])
def test_what_is_unusual_goes_the_ordinary_way(case, kind, many, monkeypatch):
    """The same error or the same bars and notes, whichever way a size would go."""
    if many:
        monkeypatch.setattr("peak_fast.data.usual_frames.FEW", 0)
    try:
        frame = KINDS[kind](UNUSUAL[case])
    except (ValueError, KeyError):
        pytest.skip("this kind of frame cannot hold it")
    if not (kind == "pandas index" and case.startswith("times as")):  # that kind makes datetimes of them
        assert usual_bars(frame, None) is None
    try:
        expected = Bars.from_frame(frame)
    except DataError as error:
        with pytest.raises(DataError) as found:
            given_bars(frame)
        assert str(found.value) == str(error)
    else:
        found = given_bars(frame)
        assert (found.hash, found.notes, found.repaired) == (expected.hash, expected.notes, expected.repaired)


def run(frame):
    return BacktestEngine().run(frame, "ma_crossover", PARAMS)


def check_run(frame):
    """A run of a frame is that of a fresh one with the same values."""
    fresh = BacktestEngine().run(Bars.from_frame(frame), "ma_crossover", PARAMS)
    found = run(frame)
    assert found.equity.tobytes() == fresh.equity.tobytes() and found.stats == fresh.stats
    assert found.bars.hash == fresh.bars.hash and found.bars.source.equals(frame)
    return found


@pytest.mark.parametrize("rows", [600, LARGE])
@pytest.mark.parametrize("indexed", [False, True])
def test_an_edited_pandas_frame_gives_new_numbers(rows, indexed):
    frame = prices(rows).to_pandas()
    frame = frame.set_index("timestamp") if indexed else frame
    frame["extra"] = 1.0
    first = check_run(frame)
    before = first.bars.close.copy()
    frame.loc[frame.index[300:], list(PRICES)] *= 1.5
    second = check_run(frame)
    assert second.stats["final_equity"] != first.stats["final_equity"]
    np.testing.assert_array_equal(first.bars.close, before)  # a result keeps the prices that it was made of
    frame["extra"] = 2.0
    assert (check_run(frame).bars.column("extra") == 2.0).all()
    assert (second.bars.column("extra") == 1.0).all()
    frame.loc[frame.index[10], "high"] = 1e9
    third = check_run(frame)
    assert third.bars.hash != second.bars.hash
    frame.loc[frame.index[10], "low"] = 2e9
    with pytest.raises(DataError, match="below low"):
        run(frame)
    frame.loc[frame.index[10], "low"] = np.nan
    assert run(frame).bars.n_invalid == 1


@pytest.mark.parametrize("rows", [600, LARGE])
def test_values_written_past_the_library_are_seen(rows):
    """Under copy-on-write ``.values`` cannot be written to, but the array that a frame was made of can."""
    table = np.ascontiguousarray(prices(rows).select(PRICES).to_numpy().T)
    index = pd.DatetimeIndex(prices(rows)["timestamp"].to_numpy())
    frame = pd.DataFrame(table.T, columns=list(PRICES), index=index, copy=False)
    assert np.shares_memory(frame["close"].to_numpy(), table)
    one = check_run(frame).stats["final_equity"]
    table[:, 200:] *= 1.25
    assert check_run(frame).stats["final_equity"] != one


@pytest.mark.parametrize("rows", [600, LARGE])
def test_memory_below_a_polars_frame_that_is_written_to(rows):
    arrow = pytest.importorskip("pyarrow")
    columns = {name: prices(rows)[name].to_numpy().copy() for name in (*PRICES, "volume")}
    times = prices(rows)["timestamp"]
    frame = pl.DataFrame(
        [times, *(pl.from_arrow(arrow.array(values)).alias(name) for name, values in columns.items())]
    )
    one = check_run(frame).stats["final_equity"]
    for name in PRICES:
        columns[name][200:] *= 1.25
    if frame["close"][-1] != columns["close"][-1]:
        pytest.skip("the frame has memory of its own")
    assert check_run(frame).stats["final_equity"] != one
    columns["low"][5] = np.nan
    assert run(frame).bars.n_invalid == 1


@pytest.mark.parametrize("rows", [600, LARGE])
def test_words_of_another_type_are_other_values(rows):
    """Columns are compared as they lie in memory: the same words may be of another unit or kind."""
    table = prices(rows).to_pandas().set_index("timestamp")
    words = (np.arange(rows) * 60_000_000_000 + 10**18).view(np.int64)
    made = []
    for unit in ("ns", "us", "ns"):
        table.index = pd.DatetimeIndex(
            words.view(f"M8[{unit}]") if unit == "ns" else (words // 10**3).view("M8[us]")
        )
        made.append(check_run(table).bars)
    assert made[0].hash == made[1].hash == made[2].hash
    table.index = pd.DatetimeIndex((words // 10**3).view("M8[ns]"))
    early = check_run(table).bars
    table.index = pd.DatetimeIndex((words // 10**3).view("M8[us]"))
    assert early.time_us[0] == made[0].time_us[0] // 10**3 and check_run(table).bars.hash == made[0].hash
    counts = np.arange(rows) + 4_600_000_000_000_000_000
    table["volume"] = counts
    whole = check_run(table).bars
    table["volume"] = counts.view(np.float64)
    assert check_run(table).bars.hash != whole.hash


@pytest.mark.parametrize("rows", [600, LARGE])
def test_edited_nanoseconds_and_counts_are_seen(rows):
    table = FORMS["pandas nanoseconds"](prices(rows)).assign(volume=np.arange(rows))
    first = check_run(table).bars
    table.loc[table.index[7], "volume"] = 5_000
    second = check_run(table).bars
    assert (first.volume[7], second.volume[7]) == (7, 5_000)
    table.index = table.index + pd.Timedelta(3, "us")
    assert (check_run(table).bars.time_us == second.time_us + 3).all()
    table.loc[table.index[7], "volume"] = -1
    with pytest.raises(DataError, match="volume"):
        run(table)


def test_nanoseconds_are_rounded_down_and_stay_missing():
    counts = np.array([-1, -1000, -1001, 999, 1001, np.iinfo(np.int64).min, 2**62], np.int64)
    found = microseconds(counts.view("M8[ns]"))
    assert found.tolist() == counts.view("M8[ns]").astype("M8[us]").view(np.int64).tolist()
    assert found.tolist() == [-1, -1, -2, 0, 1, np.iinfo(np.int64).min, 2**62 // 1000]
    assert microseconds(counts[:0].view("M8[ns]")).size == 0
    for kind in (">M8[ns]", "M8[s]", "M8[10ns]"):
        times = np.array(["2020-01-01T00:00:01", "NaT"], kind)
        assert microseconds(times).tolist() == times.astype("M8[us]").view(np.int64).tolist()


def test_names_of_frames_in_turn():
    tables = [prices(300).to_pandas().rename(columns={"close": name}) for name in ("close", "Close", "CLOSE")]
    for _ in range(3):
        for table in tables:
            check_run(table)
    many = [prices(300).to_pandas() for _ in range(2 * store.MOST)]
    assert len({check_run(table).stats["final_equity"] for table in many}) == 1


def test_a_polars_frame_changed_in_place():
    frame = prices(600)
    one = check_run(frame)
    frame.replace_column(frame.get_column_index("close"), frame["low"].alias("close"))
    two = check_run(frame)
    assert two.bars.hash != one.bars.hash
    frame.insert_column(0, pl.Series("funding", np.full(600, 2.0)))
    assert (check_run(frame).bars.column("funding") == 2.0).all()
    with pytest.raises(DataError, match="'funding' is missing"):
        two.bars.column("funding")


def test_frames_that_come_to_lie_where_others_were():
    """Thousands of frames, one after the other in the same memory, never have the bars of one before."""
    whole = prices(20_000)
    for number in range(300):
        part = whole[number * 50 : number * 50 + 400]
        frame = part if number % 2 else part.to_pandas()
        assert given_bars(frame).close.tobytes() == part["close"].to_numpy().tobytes()
        del frame, part
    gc.collect()
    assert len(store._known) == 0  # nothing is kept of frames that are gone


def test_a_few_frames_are_known_and_their_bars_are_shared():
    frames = [prices(300, seed=seed) for seed in range(store.MOST + 4)]
    for frame in frames:
        given_bars(frame)
    assert len(store._known) == store.MOST
    one, two = given_bars(frames[-1], "one"), given_bars(frames[-1], "two")
    assert (one._first or one) is (two._first or two) and (one.name, two.name) == ("one", "two")
    assert one.close is two.close and one.repaired is not two.repaired
    assert given_bars(frames[-1].clone()).close is not one.close
    table = frames[0].to_pandas()
    assert given_bars(table)._first is given_bars(table)._first and given_bars(table) is not given_bars(table)


def test_threads_with_frames_of_their_own_and_one_together():
    shared, wrong = prices(500, seed=99).to_pandas(), []
    expected = Bars.from_frame(shared).close

    def work(seed):
        own = prices(500, seed=seed)
        for _ in range(150):
            if given_bars(own).close.tobytes() != own["close"].to_numpy().tobytes():
                wrong.append(seed)
            if given_bars(shared).close.tobytes() != expected.tobytes():
                wrong.append("shared")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "frame", [{"a": [1.0]}, [1, 2], None, 5, "prices.csv", pd.Series([1.0]), pl.Series([1.0])]
)
def test_no_frame_is_for_the_ordinary_way(frame):
    assert usual_bars(frame, None) is None


def test_subclasses_of_frames_go_the_ordinary_way():
    class Mine(pd.DataFrame):
        pass

    frame = Mine(FORMS["polars naive"](prices(50)).to_pandas())
    assert usual_bars(frame, None) is None
    assert given_bars(frame).close.tobytes() == prices(50)["close"].to_numpy().tobytes()


def test_a_pandas_frame_is_kept_as_it_was():
    """Values, names, columns and marks of the user's frame change after the run; what the run kept does not."""
    frame = prices(200).to_pandas().set_index("timestamp").assign(extra=1.0, tag="x")
    frame.attrs["from"] = "a broker"
    for attrs in (True, False):
        if not attrs:
            frame.attrs.clear()
        expected = frame.copy(deep=True)
        bars = [given_bars(frame) for _ in range(4)]
        saved = pickle.dumps(bars[3])
        part = bars[2].slice(10, 20)
        frame.index.name, frame.columns.name = "other", "fields"
        frame.loc[frame.index[5], "close"] += 0.001
        frame["extra"] += 1.0
        frame["more"] = 3.0
        del frame["tag"]
        for found in (bars[0].source, bars[1].source, pickle.loads(saved).source):
            pd.testing.assert_frame_equal(found, expected)
            assert (
                found.attrs == expected.attrs
                and found.index.name == "timestamp"
                and found.columns.name is None
            )
        pd.testing.assert_frame_equal(part.source, expected.iloc[10:20])
        bars[1].source.loc[:, "close"] = 0.0
        assert frame["close"].min() > 0.0 and bars[0].source["close"].min() > 0.0
        frame = expected.copy(deep=True)


def test_a_shallow_copy_stands_in_where_frames_consist_of_something_else(monkeypatch):
    frame = prices(200).to_pandas()
    expected = Bars.from_frame(frame).hash
    monkeypatch.setattr(
        "peak_fast.data.late_frames.LateFrame.__init__", lambda self, frame: frame._no_such_thing
    )
    assert given_bars(frame).hash == expected and given_bars(frame).source.equals(frame)
    monkeypatch.undo()
    monkeypatch.setattr("peak_fast.data.late_frames.pandas_version", lambda: 2)
    assert given_bars(frame).source.equals(frame)
