"""Panels: many assets on one calendar, from frames of every shape."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from peak_fast import Bars, ConfigError, DataError, Panel, sample, synthetic
from peak_fast.settings import Asset

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


def test_the_packaged_panel_and_random_ones():
    panel = sample("panel")
    assert panel.symbols == SYMBOLS and panel["FB"].hash == sample("FB").hash
    raw = sample("panel", adjust=False)
    assert raw["AAPL"].hash == sample("AAPL", adjust=False).hash
    walks = synthetic(300, assets=12, seed=4)
    assert walks.prices.shape == (5, 12, 300) and walks.symbols[10] == "A10"
    assert walks.hash == synthetic(300, assets=12, seed=4).hash != synthetic(300, assets=12, seed=5).hash
    gaps = synthetic(300, "1h", assets=3, gaps=0.1, missing=0.1)
    assert np.isnan(gaps.close).any(axis=1).all() and len(gaps) > 300
    with pytest.raises(ConfigError, match="assets: expected a whole number from 1"):
        synthetic(300, assets=0)


def test_who_belongs_to_the_universe_when():
    panel = Panel.from_frame(FRAMES)
    rows = {"B": [True, False], "A": [False, True], "Z": [True, True]}
    expected = [[False, True, True, False, False, False], [False, False, False, True, True, True]]
    for frame in (
        pd.DataFrame(rows, index=DAYS[[1, 3]]),
        pl.DataFrame({"date": DAYS[[1, 3]].date, **rows}),
        pd.DataFrame(rows, index=DAYS[[1, 3]]).iloc[::-1],
    ):
        told = panel.with_universe(frame)
        np.testing.assert_array_equal(told.members, expected)
        assert "universe: 1 names are not in the panel (Z)" in told.notes
        assert told.hash != panel.hash and panel.members is None
    np.testing.assert_array_equal(panel.with_universe(np.array(expected)).members, expected)
    np.testing.assert_array_equal(told.slice(1, 4).select(["A"]).members, [[False, False, True]])
    removed = pl.DataFrame(
        {"ticker": ["A", "B"], "added": [None, "2024-01-02"], "removed": ["2024-01-04", None]}
    )
    spells = panel.with_universe(removed)
    np.testing.assert_array_equal(
        spells.members, [[False] + [True] * 5, [True, True, True, False, False, False]]
    )


@pytest.mark.parametrize(
    ("universe", "said"),
    [
        (pl.DataFrame({"symbol": ["Q"], "from": ["2024-01-01"]}), "none of the assets is in it"),
        (pl.DataFrame({"date": ["2024-01-01"], "Q": [True]}), "none of the assets is in it"),
        (pl.DataFrame({"date": ["2024-01-01"], "A": [0.5]}), "expected truth values"),
        (pl.DataFrame({"A": [True]}), "expected a column of times"),
        (pl.DataFrame({"date": ["2024-01-01"] * 2, "A": [True, False]}), "more than once"),
        (pl.DataFrame({"symbol": ["A"], "from": ["2024-01-03"], "to": ["2024-01-01"]}), "before it comes"),
        (np.ones((2, 3), dtype=bool), "assets by bars"),
    ],
)
def test_universes_that_cannot_be_are_refused(universe, said):
    with pytest.raises(DataError, match=said):
        Panel.from_frame(FRAMES, universe=universe)


def test_groups_and_assets():
    panel = Panel.from_frame(FRAMES, groups={"A": "x", "B": "y", "C": "z"}, assets={"A": Asset(lot=10)})
    assert panel.groups.tolist() == [1, 0] and panel.group_names == ("x", "y")
    assert panel.assets["A"].lot == 10 and panel.select(["B"]).assets == {}
    frame = pd.DataFrame({"ticker": ["B", "A"], "sector": ["tech", None]})
    assert panel.with_groups(frame).groups.tolist() == [0, -1]
    with pytest.raises(DataError, match="none of the assets"):
        panel.with_groups({"Q": "x"})
    with pytest.raises(DataError, match="'a' is not in the panel"):
        panel.with_assets({"a": Asset()})


# Files and queries


def write(folder, frames, ending):
    for name, frame in frames.items():
        table = (
            pl.from_pandas(frame.rename_axis("date").reset_index())
            if isinstance(frame, pd.DataFrame)
            else frame
        )
        getattr(table, f"write_{ending}")(folder / f"{name}.{ending}")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_one_file_for_each_asset(tmp_path, ending):
    write(tmp_path, FRAMES, ending)
    expected = Panel.from_frame(long_frame())
    for place in (tmp_path, f"{tmp_path}/*.{ending}", [tmp_path / f"A.{ending}", tmp_path / f"B.{ending}"]):
        panel = Panel.load(place)
        assert panel.hash == expected.hash and panel.symbols == ("A", "B")
    with pytest.raises(DataError, match="no file fits the pattern"):
        Panel.load(f"{tmp_path}/*.feather")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_long_files_of_parts_of_the_time(tmp_path, ending):
    table = pl.from_pandas(long_frame())
    early = table.filter(pl.col("date") < pl.datetime(2024, 1, 4))
    write(tmp_path, {"one": early, "two": table.filter(pl.col("date") >= pl.datetime(2024, 1, 4))}, ending)
    expected = Panel.from_frame(long_frame())
    assert Panel.load(tmp_path).hash == expected.hash
    assert Panel.load(tmp_path / f"one.{ending}").hash == Panel.from_frame(early).hash
    write(tmp_path, {"alone": FRAMES["A"]}, ending)
    with pytest.raises(DataError, match="files of one asset each, or files whose rows name"):
        Panel.load(tmp_path)


def test_a_query(tmp_path):
    pytest.importorskip("duckdb")
    write(tmp_path, {"long": pl.from_pandas(long_frame())}, "parquet")
    panel = Panel.load(f"duckdb:SELECT * FROM '{tmp_path}/*.parquet' ORDER BY date")
    assert panel.hash == Panel.from_frame(long_frame()).hash


# Times


def test_local_hours_that_happen_twice_are_told_apart_asset_by_asset():
    local = ["2024-11-03 00:30", "2024-11-03 01:30", "2024-11-03 01:30", "2024-11-03 02:30"]
    frame = {name: np.tile([1.0, 2.0, 3.0, 4.0], 2) for name in ("open", "high", "low", "close")}
    frame = pd.DataFrame({"symbol": ["A"] * 4 + ["B"] * 4, "datetime": pd.to_datetime(local * 2), **frame})
    for table in (frame, frame.assign(datetime=local * 2), frame.sort_values("datetime", kind="stable")):
        if table["datetime"].dtype.kind == "M":
            with pytest.raises(DataError, match=r"symbol 'A': .*go back|repeats"):
                Panel.from_frame(table)
        panel = Panel.from_frame(table, time_zone="America/New_York")
        hours = np.diff(panel.time_us) / 3.6e9
        assert hours.tolist() == [1.0, 1.0, 1.0] and not np.isnan(panel.close).any()
        assert panel.time_zone == "America/New_York"


def test_times_of_two_kinds_are_refused():
    zoned = {"A": FRAMES["A"], "B": FRAMES["B"].tz_localize("America/New_York")}
    with pytest.raises(DataError, match="time zone"):
        Panel.from_frame(zoned)
    closes = {"A": FRAMES["A"], "B": Bars.from_frame(FRAMES["B"], stamp="close")}
    with pytest.raises(DataError, match="the opens of the bars of the one and the closes of the other"):
        Panel.from_frame(closes)
    plain = {name: [1.0, 2.0] for name in ("open", "high", "low", "close")}
    with pytest.raises(DataError, match="expected times in both, or none"):
        Panel.from_frame({"A": plain, "B": FRAMES["B"]})
    utc = Panel.from_frame(
        {"A": FRAMES["A"].tz_localize("UTC"), "B": FRAMES["B"].tz_localize("UTC").tz_convert("Asia/Tokyo")}
    )
    assert utc.hash == Panel.from_frame({"A": FRAMES["A"], "B": FRAMES["B"]}).hash
    assert any("times are shown in UTC" in note for note in utc.notes)


def test_closes_of_bars_stay_closes():
    panel = Panel.from_frame(long_frame(), stamp="close")
    assert (
        panel.stamp == "close" and panel["A"].stamp == "close" and "close_time" in panel.to_polars().columns
    )
    assert Panel.from_frame(panel.to_polars()).stamp == "close"


def test_splits_are_adjusted_asset_by_asset():
    frame = long_frame().assign(split=0.0)
    frame.loc[frame["date"] >= DAYS[3], ["open", "high", "low", "close"]] /= 2.0
    frame.loc[frame["date"] == DAYS[3], "split"] = 2.0
    frame.loc[frame["symbol"] == "B", "split"] = 0.0
    panel = Panel.from_frame(frame.sort_values("date", kind="stable"), adjust=True)
    np.testing.assert_array_equal(panel.close[0], [NAN, NAN, 11.25, 11.75, 12.25, NAN])
    np.testing.assert_array_equal(panel.close[1], [10.5, 11.5, 12.5, 6.75, 7.25, 7.75])


@pytest.mark.parametrize("order", [["symbol", "date"], ["date", "symbol"]])
def test_bad_values_name_their_asset(order):
    frame = long_frame().sort_values(order)
    frame.loc[(frame["symbol"] == "A") & (frame["date"] == DAYS[3]), "high"] = 1.0
    with pytest.raises(DataError, match=r"symbol 'A': column 'high': row 1 .2024-01-04.*below low"):
        Panel.from_frame(frame)


def test_missing_prices_are_kept_with_a_note_and_rows_without_a_symbol_are_left_out():
    frame = long_frame()
    frame.loc[1, "close"] = np.nan
    frame.loc[8, "symbol"] = None
    panel = Panel.from_frame(frame)
    assert np.isnan(panel.prices[:4, 1, 1]).all() and panel.symbols == ("A", "B")
    assert any("1 of 9 rows have no symbol" in note for note in panel.notes)
    assert any(note.startswith("B: 1 bars have a missing price") for note in panel.notes)
    assert len(panel["B"]) == 5 and np.isnan(panel.close[0]).sum() == 4


def test_a_panel_is_not_changed():
    panel = Panel.from_frame(FRAMES)
    with pytest.raises(AttributeError, match="immutable"):
        panel.name = "x"
    with pytest.raises(ValueError, match="read-only"):
        panel.close[0, 0] = 1.0
    assert Panel.from_frame(panel) is panel
    with pytest.raises(ConfigError, match="read already"):
        Panel.from_frame(panel, align="intersection")


def test_assets_that_never_trade_together_and_names_nearly_alike_are_told():
    """Days of two zones never meet, and a name in two spellings is two assets."""
    days = pd.date_range("2024-01-01", periods=4, tz="Europe/Berlin")
    one = [1.0, 2.0, 3.0, 4.0]
    closes = pd.DataFrame({"open": one, "high": one, "low": one, "close": one}, index=days)
    apart = Panel.from_frame({"A": closes, "B": closes.tz_localize(None).tz_localize("America/New_York")})
    assert apart.n_bars == 8 and any("at no time do two assets" in note for note in apart.notes)
    alike = Panel.from_frame({"AAA": closes, "aaa ": closes})
    assert any("'AAA' and 'aaa ' are two assets" in note for note in alike.notes)
    plain = Panel.from_frame({"AAA": closes, "BBB": closes})
    assert not any("two assets" in note for note in plain.notes)
