"""Panels: many assets on one calendar, from frames of every shape."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from peak_fast import Bars, ConfigError, DataError, Panel, sample

DAYS = pd.date_range("2024-01-01", periods=6, freq="D")
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def prices(base, first=0, last=6):
    close = np.arange(6.0)[first:last] + base
    columns = {
        "open": close,
        "high": close + 1,
        "low": close - 1,
        "close": close + 0.5,
        "volume": close * 100,
    }
    return pd.DataFrame(columns, index=DAYS[first:last])


FRAMES = {"B": prices(10.0), "A": prices(20.0, first=2, last=5)}
NAN = np.nan
CLOSE_A = [NAN, NAN, 22.5, 23.5, 24.5, NAN]
CLOSE_B = [10.5, 11.5, 12.5, 13.5, 14.5, 15.5]


def long_frame():
    return pd.concat(FRAMES, names=["symbol", "date"]).reset_index()


def shuffled(frame):
    return frame.sample(frac=1.0, random_state=3)


def as_dict(frame):
    return {name: frame[name].to_numpy() for name in frame.columns}


LONG = {
    "pandas by symbol": long_frame,
    "pandas by time": lambda: long_frame().sort_values(["date", "symbol"]),
    "pandas by time, symbols backwards": lambda: long_frame().sort_values(
        ["date", "symbol"], ascending=[True, False]
    ),
    "pandas index": lambda: pd.concat(FRAMES, names=["symbol", "date"]),
    "pandas index swapped": lambda: pd.concat(FRAMES, names=["symbol", "date"]).swaplevel().sort_index(),
    "pandas index without names": lambda: pd.concat(FRAMES),
    "polars": lambda: pl.from_pandas(long_frame()),
    "polars by time": lambda: pl.from_pandas(long_frame()).sort("date"),
    "polars lazy": lambda: pl.from_pandas(long_frame()).lazy(),
    "polars categorical": lambda: pl.from_pandas(long_frame()).cast({"symbol": pl.Categorical}),
    "arrow": lambda: pl.from_pandas(long_frame()).to_arrow(),
    "dict": lambda: as_dict(long_frame()),
    "text dates": lambda: long_frame().assign(date=lambda frame: frame["date"].dt.strftime("%d.%m.%Y")),
}


@pytest.mark.parametrize("kind", LONG)
def test_long_frames_of_every_kind_give_the_same_panel(kind):
    options = {"date_order": "dmy"} if kind == "text dates" else {}
    panel = Panel.from_frame(LONG[kind](), **options)
    assert panel.symbols == ("A", "B")
    assert (
        panel.prices.shape == (5, 2, 6)
        and panel.prices.flags.c_contiguous
        and not panel.prices.flags.writeable
    )
    np.testing.assert_array_equal(panel.close, [CLOSE_A, CLOSE_B])
    np.testing.assert_array_equal(panel.volume[1], np.arange(1000.0, 1600.0, 100.0))
    assert panel.hash == Panel.from_frame(long_frame()).hash
    assert panel.timestamp.to_list()[0].isoformat() == "2024-01-01T00:00:00+00:00"
    assert panel.listed.tolist() == [2, 0] and panel.delisted.tolist() == [5, 6]


def test_rows_in_no_order_are_refused_and_sorted_on_request():
    frame = shuffled(long_frame())
    with pytest.raises(DataError, match=r"symbol '.': timestamp: row .* earlier than row .*repair='sort'"):
        Panel.from_frame(frame)
    panel = Panel.from_frame(frame, repair="sort")
    assert panel.hash == Panel.from_frame(long_frame()).hash and panel.repaired["sort"] > 0


@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
def test_newest_first_is_put_in_order_with_a_note(make):
    panel = Panel.from_frame(make(long_frame().iloc[::-1]))
    assert panel.hash == Panel.from_frame(long_frame()).hash
    assert "every asset: rows were newest first and were put in order of time" in panel.notes


@pytest.mark.parametrize("by", ["symbol", "date"])
def test_a_time_twice_is_refused_and_dropped_on_request(by):
    frame = pd.concat([long_frame(), long_frame().iloc[[4]]]).sort_values(
        [by, "date", "symbol"], kind="stable"
    )
    with pytest.raises(DataError, match=r"symbol 'B': .*repeats the time of row 4.*repair='drop'"):
        Panel.from_frame(frame)
    assert Panel.from_frame(frame, repair="drop").repaired == {"drop": 1}


def test_a_dict_of_frames_keeps_its_order():
    panel = Panel.from_frame(FRAMES)
    assert panel.symbols == ("B", "A")
    np.testing.assert_array_equal(panel.close, [CLOSE_B, CLOSE_A])
    assert panel.select(["A", "B"]).hash == Panel.from_frame(long_frame()).hash
    assert (
        Panel.from_frame({name: Bars.from_frame(frame) for name, frame in FRAMES.items()}).hash == panel.hash
    )
    assert (
        Panel.from_frame({name: pl.from_pandas(f.reset_index()) for name, f in FRAMES.items()}).hash
        == panel.hash
    )


@pytest.mark.parametrize("swap", [False, True])
def test_two_levels_of_names_as_yfinance_writes_them(swap):
    wide = pd.concat(FRAMES, axis=1)
    panel = Panel.from_frame(wide.swaplevel(axis=1) if swap else wide)
    np.testing.assert_array_equal(panel.select(["A", "B"]).close, [CLOSE_A, CLOSE_B])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_wide_frame_for_each_field(library):
    wide = {
        name: pd.DataFrame({symbol: frame[name] for symbol, frame in FRAMES.items()}) for name in FRAMES["A"]
    }
    if library == "polars":
        wide = {name: pl.from_pandas(frame.rename_axis("date").reset_index()) for name, frame in wide.items()}
    assert Panel.from_frame(wide).select(["A", "B"]).hash == Panel.from_frame(long_frame()).hash
    closes = Panel.from_frame({"close": wide["close"]})
    np.testing.assert_array_equal(
        closes.close, [CLOSE_A, CLOSE_B] if closes.symbols[0] == "A" else [CLOSE_B, CLOSE_A]
    )
    np.testing.assert_array_equal(closes.open, closes.close)
    assert "there are closes alone: open, high and low of each bar are its close" in closes.notes
    with pytest.raises(DataError, match="or one of closes alone; got"):
        Panel.from_frame({"close": wide["close"], "open": wide["open"]})


def test_a_frame_without_symbols_is_refused_with_the_way_onward():
    with pytest.raises(DataError, match="symbol_column=, or pass a dict"):
        Panel.from_frame(FRAMES["A"])
    named = long_frame().rename(columns={"symbol": "who"})
    assert Panel.from_frame(named, symbol_column="who").symbols == ("A", "B")


def test_only_times_that_all_have():
    for source in (FRAMES, long_frame()):
        panel = Panel.from_frame(source, align="intersection")
        assert len(panel) == 3 and not np.isnan(panel.prices).any()
    with pytest.raises(DataError, match="no time at which every asset has a bar"):
        Panel.from_frame({"A": prices(1.0, last=2), "B": prices(1.0, first=3)}, align="intersection")
    with pytest.raises(ConfigError, match="'union' or 'intersection'"):
        Panel.from_frame(FRAMES, align="outer")


def test_bars_of_one_asset_are_those_of_its_own_frame():
    bars = {symbol: sample(symbol) for symbol in SYMBOLS}
    panel = Panel.from_frame(bars)
    for symbol in SYMBOLS:
        assert panel[symbol].hash == bars[symbol].hash and panel[symbol].name == symbol
    np.testing.assert_array_equal(
        panel.column("adj_close")[panel.index("IBM")], bars["IBM"].column("adj_close")
    )
    assert np.isnan(panel.column("adj_close")[panel.index("FB"), 0])
    with pytest.raises(DataError, match="did you mean 'AAPL'"):
        panel["APPL"]


def test_slices_by_number_and_by_time():
    panel = Panel.from_frame(FRAMES)
    part = panel.slice("2024-01-02", "2024-01-05")
    assert part.hash == panel.slice(1, 4).hash and len(part) == 3
    assert part.periods_per_year == panel.periods_per_year and part.prices.flags.c_contiguous
    np.testing.assert_array_equal(part.close[0], CLOSE_B[1:4])
    with pytest.raises(DataError, match="is empty"):
        panel.slice("2025-01-01")


def test_out_and_in_again():
    panel = Panel.from_frame(long_frame().assign(funding=np.arange(9.0)))
    frame = panel.to_polars()
    assert frame.columns == ["symbol", "timestamp", "open", "high", "low", "close", "volume", "funding"]
    assert Panel.from_frame(frame).hash == panel.hash and frame["funding"].to_list() == [
        *range(6, 9),
        *range(6),
    ]
    assert isinstance(panel.to_frame(), pd.DataFrame)
    again = pickle.loads(pickle.dumps(panel))
    assert again.hash == panel.hash and again.notes == panel.notes
    np.testing.assert_array_equal(again.column("funding"), panel.column("funding"))
