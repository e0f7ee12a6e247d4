"""Columns of frames: one symbol, names, volumes, adjusted and scaled prices, and notes on what was passed over."""

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, Bars, ConfigError, DataError, load
from peak_fast.data.names import fold
from tests.frame_kinds import KINDS, clean_columns

pd = pytest.importorskip("pandas")


def said(bars, *words):
    return any(all(word in note for word in words) for note in bars.notes)


# ---- symbols


def two_symbols(name="Symbol", values=("AAA", "BBB")):
    """Six bars of each of two symbols, one after the other."""
    one, columns = clean_columns(), {}
    columns[name] = np.repeat(np.array(values), 6)
    for column, numbers in one.items():
        other = numbers if column == "timestamp" else numbers * 2.0
        columns[column] = np.concatenate((numbers, other))
    return columns


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pandas index"])
@pytest.mark.parametrize("name", ["symbol", "Ticker", "ts_code", "instrument_id"])
def test_several_symbols(kind, name):
    frame = KINDS[kind](two_symbols(name))
    with pytest.raises(DataError, match=rf"column '{name}' holds 2 symbols: 'AAA', 'BBB'.*symbol='AAA'"):
        Bars.from_frame(frame)
    bars = Bars.from_frame(frame, symbol="BBB")
    assert bars.name == "BBB" and said(bars, "6 rows of symbol 'BBB'")
    np.testing.assert_array_equal(bars.close, clean_columns()["close"] * 2.0)
    np.testing.assert_array_equal(bars.column("close"), bars.close)  # the frame is that of the symbol, too
    with pytest.raises(DataError, match=r"'BBX' is not in column .*did you mean 'BBB'"):
        Bars.from_frame(frame, symbol="BBX")


def test_symbols_that_stand_interleaved():
    frame = pl.DataFrame(two_symbols()).sort("timestamp", "Symbol")
    expected = Bars.from_frame(clean_columns()).hash
    assert Bars.from_frame(frame, symbol="AAA").hash == expected
    assert Bars.from_frame(frame.cast({"Symbol": pl.Categorical}), symbol="AAA").hash == expected
    assert Bars.from_frame(frame.to_pandas().astype({"Symbol": "category"}), symbol="AAA").hash == expected
    assert Bars.from_frame(frame.lazy(), symbol="AAA").hash == expected


def test_numbers_are_symbols_too():
    frame = pl.DataFrame(two_symbols("permno", (10107, 14593)))
    with pytest.raises(DataError, match="'10107', '14593'"):
        Bars.from_frame(frame)
    for symbol in (14593, "14593"):
        assert Bars.from_frame(frame, symbol=symbol).close[0] == clean_columns()["close"][0] * 2.0


def test_one_symbol_names_the_bars():
    columns = {"symbol": ["AAA"] * 6, **clean_columns()}
    assert Bars.from_frame(columns).name == "AAA"
    assert Bars.from_frame(columns, name="mine").name == "mine"
    assert Bars.from_frame(columns, symbol="AAA").notes == Bars.from_frame(columns).notes


def test_a_symbol_that_no_column_names():
    with pytest.raises(DataError, match="no column or level of symbols"):
        Bars.from_frame(clean_columns(), symbol="AAA")
    columns = two_symbols("who")
    with pytest.raises(DataError, match=r"repeats|earlier"):
        Bars.from_frame(columns)
    assert len(Bars.from_frame(columns, symbol="AAA", columns={"symbol": "who"})) == 6


@pytest.mark.parametrize("names", [("symbol", "timestamp"), (None, None), ("Ticker", "Date")])
@pytest.mark.parametrize("swapped", [False, True])
def test_symbols_as_a_level_of_the_index(names, swapped):
    frame = pd.DataFrame(two_symbols()).set_index(["Symbol", "timestamp"])
    frame.index.names = names
    frame = frame.swaplevel() if swapped else frame
    with pytest.raises(DataError, match=r"index level .* holds 2 symbols: 'AAA', 'BBB'"):
        Bars.from_frame(frame)
    bars = Bars.from_frame(frame, symbol="BBB")
    assert bars.has_time and bars.close[0] == clean_columns()["close"][0] * 2.0
    assert bars.source.shape[0] == 6


@pytest.mark.parametrize("prices_first", [True, False])
def test_symbols_as_a_level_of_the_column_names(prices_first):
    one = pd.DataFrame(clean_columns()).set_index("timestamp").rename(columns=str.title)
    wide = pd.concat({"AAA": one, "BBB": one * 2.0}, axis=1, names=["Ticker", "Price"])
    wide = wide.swaplevel(axis=1) if prices_first else wide
    with pytest.raises(DataError, match="of the column names holds 2 symbols: 'AAA', 'BBB'"):
        Bars.from_frame(wide)
    for symbol, factor in (("AAA", 1.0), ("BBB", 2.0)):
        bars = Bars.from_frame(wide, symbol=symbol)
        np.testing.assert_array_equal(bars.close, clean_columns()["close"] * factor)
        assert bars.name == symbol and bars.has_time
    single = wide.xs("AAA", axis=1, level="Ticker", drop_level=False)
    assert Bars.from_frame(single).name == "AAA"
    assert BacktestEngine().run(single, np.ones(6)).stats["bars"] == 6


def test_columns_that_tell_series_apart_are_named():
    columns = {"exchange": ["X", "Y"] * 3, "interval": ["1d"] * 6, **clean_columns()}
    bars = Bars.from_frame(columns)
    assert said(bars, "'exchange' holds 2 values", "'X', 'Y'") and not said(bars, "interval")


# ---- names


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_the_user_names(kind):
    columns = clean_columns()
    columns["Final"], columns["Traded"] = columns.pop("close"), columns.pop("volume")
    frame = KINDS[kind](columns)
    with pytest.raises(DataError, match=r"column 'close' is missing.*columns=\{'close': \.\.\.\}"):
        Bars.from_frame(frame)
    bars = Bars.from_frame(frame, columns={"close": "Final", "volume": "Traded"})
    assert bars.hash == Bars.from_frame(clean_columns()).hash
    with pytest.raises(DataError, match="'Finl' is missing; did you mean 'Final'"):
        Bars.from_frame(frame, columns={"close": "Finl"})


def test_names_with_blanks_numbers_and_brackets():
    columns = clean_columns()
    renamed = {"1. open": "open", "<HIGH>": "high", " Low": "low", "4. close": "close", "Vol.": "volume"}
    for new, old in renamed.items():
        columns[new] = columns.pop(old)
    bars = Bars.from_frame(columns)
    assert bars.hash == Bars.from_frame(clean_columns()).hash
    assert said(bars, "'Vol.'", "volume")
    assert fold("1. open") == fold("OPEN ") == fold("<Open>") == "open"


def test_one_letter_names_and_numbers_as_names():
    columns = clean_columns()
    letters = dict(zip("tohlcv", columns.values(), strict=True))
    bars = Bars.from_frame(pl.DataFrame(letters))
    assert bars.hash == Bars.from_frame(clean_columns()).hash
    assert said(bars, "'c' is read as close")
    numbered = pd.DataFrame(dict(enumerate(columns.values())))
    with pytest.raises(DataError, match="'open' is missing"):
        Bars.from_frame(numbered)
    roles = dict(zip(columns, map(str, range(6)), strict=True))
    assert Bars.from_frame(numbered, columns=roles).hash == bars.hash


# ---- volumes


def test_volumes():
    columns = clean_columns()
    volume = columns.pop("volume")
    two = Bars.from_frame({**columns, "Volume BTC": volume, "Volume USD": volume * 9.0})
    assert two.volume.tolist() == volume.tolist() and said(two, "'Volume BTC'", "not used: 'Volume USD'")
    ticks = Bars.from_frame({**columns, "tick_volume": volume, "real_volume": np.zeros(6)})
    assert ticks.volume.tolist() == volume.tolist() and said(ticks, "0 throughout")
    real = Bars.from_frame({**columns, "tick_volume": volume, "real_volume": volume * 3.0})
    assert real.volume.tolist() == (volume * 3.0).tolist() and said(real, "not used: 'tick_volume'")
    chosen = Bars.from_frame(
        {**columns, "tick_volume": volume, "real_volume": volume * 3.0}, columns={"volume": "tick_volume"}
    )
    assert chosen.volume.tolist() == volume.tolist()
    assert Bars.from_frame(columns).volume is None


# ---- scaled and adjusted prices


def test_scale():
    columns = clean_columns()
    thousands = {name: columns[name] * 10_000.0 for name in ("open", "high", "low", "close")}
    scaled = Bars.from_frame({**columns, **thousands}, scale=0.0001)
    assert scaled.hash == Bars.from_frame(columns).hash  # to the last bit
    assert said(scaled, "multiplied by 0.0001")
    doubled = Bars.from_frame(columns, scale=2.0)
    np.testing.assert_array_equal(doubled.high, columns["high"] * 2.0)
    np.testing.assert_array_equal(doubled.volume, columns["volume"])


def splitting(ratio=4.0, rows=12, at=6):
    columns = clean_columns(rows)
    after = np.where(np.arange(rows) >= at, 1.0 / ratio, 1.0)
    flat = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0}
    for name, price in flat.items():
        columns[name] = price * after
    return columns


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Adj Close", "adj_close", "Adj. Close", "adjusted_close"])
def test_adjusted_close(kind, name):
    columns = {**splitting(), name: np.full(12, 25.0)}
    plain = Bars.from_frame(KINDS[kind](columns))
    assert said(plain, repr(name), "not used", "adjust=True")
    assert plain.close[0] == 100.0
    adjusted = Bars.from_frame(KINDS[kind](columns), adjust=True)
    np.testing.assert_allclose(adjusted.close, 25.0)
    np.testing.assert_allclose(adjusted.high, 25.25)
    assert said(adjusted, "adjusted by", repr(name))


@pytest.mark.parametrize("nothing", [0.0, 1.0, np.nan])
@pytest.mark.parametrize("newest_first", [False, True])
def test_splits(nothing, newest_first):
    splits = np.where(np.arange(12) == 6, 4.0, nothing)
    columns = {**splitting(), "Stock Splits": splits}
    if newest_first:
        columns = {name: values[::-1].copy() for name, values in columns.items()}
    bars = Bars.from_frame(columns, adjust=True)
    np.testing.assert_allclose(bars.close, 25.0)
    assert said(bars, "adjusted for splits: 4 at 2024-01-07")
    whole = clean_columns(12)  # prices that show no jump are adjusted already
    kept = Bars.from_frame({**whole, "Stock Splits": splits}, adjust=True)
    np.testing.assert_array_equal(kept.close, whole["close"])
    assert said(kept, "does not show in the prices")


def test_adjusting_without_a_column_that_says_how():
    with pytest.raises(DataError, match=r"columns=\{'adj_close'"):
        Bars.from_frame(clean_columns(), adjust=True)
    columns = {**splitting(), "fair": np.full(12, 25.0)}
    np.testing.assert_allclose(
        Bars.from_frame(columns, adjust=True, columns={"adj_close": "fair"}).close, 25.0
    )
    with pytest.raises(DataError, match=r"row 2 is -1.0"):
        Bars.from_frame({**splitting(), "Adj Close": np.where(np.arange(12) == 2, -1.0, 25.0)}, adjust=True)


# ---- remarks on values


@pytest.mark.parametrize(("ratio", "words"), [(4.0, "split of 4 for 1"), (0.1, "reverse split of 1 for 10")])
def test_a_jump_that_looks_like_a_split(ratio, words):
    bars = Bars.from_frame(splitting(ratio))
    assert said(bars, words, "2024-01-07")


def test_a_crash_is_no_split():
    columns = splitting(4.0)
    columns["low"] = columns["low"] * 0.5
    assert not said(Bars.from_frame(columns), "split")
    assert not said(Bars.from_frame(clean_columns(500)), "split")


def test_flat_bars_of_closed_days():
    columns = clean_columns(14)
    weekend = np.isin(np.arange(14) % 7, (5, 6))
    for name in ("open", "high", "low", "close"):
        columns[name] = np.where(weekend, np.repeat(columns["close"][4::7], 7), columns[name])
    columns["volume"] = np.where(weekend, 0.0, columns["volume"])
    assert said(Bars.from_frame(columns), "4 bars", "no volume and no range", "4 dates")
    columns["high"] = columns["high"] + np.where(weekend, 1.0, 0.0)
    assert not said(Bars.from_frame(columns), "no range")


@pytest.mark.parametrize(
    ("start", "rows", "freq", "words"),
    [
        ("2024-01-01", 5, "1D", "whether weekends trade"),
        ("2024-01-02 10:00", 6, "1h", "how many bars a day has or whether weekends trade"),
        ("2024-01-05", 3, "1D", None),  # Friday to Sunday
        ("2024-01-01", 30, "1D", None),
        ("2024-01-01", 4, "7D", None),
        ("2024-01-01", 3, "36h", None),
        ("2024-01-01", 1, "1D", "one bar"),
    ],
)
def test_what_few_bars_cannot_show(start, rows, freq, words):
    times = pd.date_range(start, periods=rows, freq=freq)
    bars = Bars.from_frame({**clean_columns(rows), "timestamp": times.to_numpy()})
    assert said(bars, "periods_per_year=") == (words is not None)
    assert words is None or said(bars, words)
    if rows > 10:
        assert not said(bars.slice(0, 5), "periods_per_year=")


def test_repairs_are_said():
    columns = {name: values[[0, 2, 1, 3, 3, 4, 5]] for name, values in clean_columns().items()}
    columns["close"] = columns["close"] + np.where(np.arange(7) == 0, 9.0, 0.0)
    bars = Bars.from_frame(columns, repair=("sort", "drop", "clip"))
    assert (
        said(bars, "2 rows", "sorted") and said(bars, "1 rows", "dropped") and said(bars, "1 opens or closes")
    )
    result = BacktestEngine().run(bars, np.ones(6))
    assert set(bars.notes) <= set(result.metadata["notes"])


def test_clean_bars_have_nothing_to_say():
    for make in KINDS.values():
        assert Bars.from_frame(make(clean_columns(30))).notes == ()


def test_bars_are_read_already():
    bars = Bars.from_frame(clean_columns())
    assert Bars.from_frame(bars) is bars
    with pytest.raises(ConfigError, match=r"stamp: expected a frame .*got Bars"):
        Bars.from_frame(bars, stamp="close")


def test_files_and_frames_agree(tmp_path):
    frame = pl.DataFrame(two_symbols())
    frame.write_csv(tmp_path / "two.csv")
    frame.write_parquet(tmp_path / "two.parquet")
    hashes = {load(tmp_path / name, symbol="BBB").hash for name in ("two.csv", "two.parquet")}
    assert hashes == {Bars.from_frame(frame, symbol="BBB").hash}
