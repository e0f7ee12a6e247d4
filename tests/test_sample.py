"""Sample data of the package and the seeded generator."""

import re
from importlib.resources import files

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.data import SAMPLE_SYMBOLS, Bars, sample, synthetic
from peak_fast.errors import ConfigError, DataError

DAY_US = 86_400_000_000


def packaged():
    return pl.read_parquet(files("peak_fast").joinpath("datasets", "stocks.parquet").read_bytes())


# First and last rows as the source writes them.
KNOWN_ROWS = {
    "AAPL": (3270, "2000-03-01", [118.56, 132.06, 118.5, 130.31], 9616100, 4.186662803811),
    "FB": (196, "2012-05-18", None, None, None),
    "GOOG": (2148, "2004-08-19", None, None, None),
    "IBM": (3270, "2000-03-01", None, None, None),
    "MSFT": (3270, "2000-03-01", None, None, None),
}


def test_every_symbol_is_covered():
    assert set(KNOWN_ROWS) == set(SAMPLE_SYMBOLS) == set(packaged()["symbol"].unique())


@pytest.mark.parametrize("symbol", SAMPLE_SYMBOLS)
def test_sample_spans(symbol):
    rows, first, prices, volume, adjusted = KNOWN_ROWS[symbol]
    bars = sample(symbol, adjust=False)
    assert len(bars) == rows
    assert [f"{moment:%Y-%m-%d}" for moment in bars.span] == [first, "2013-03-01"]
    assert bars.name == symbol
    assert bars.periods_per_year == 252.0
    assert bars.n_invalid == 0
    if prices is not None:
        assert [bars.open[0], bars.high[0], bars.low[0], bars.close[0]] == prices
        assert bars.volume[0] == volume
        assert bars.column("adj_close")[0] == adjusted


@pytest.mark.parametrize("symbol", SAMPLE_SYMBOLS)
def test_adjusted_prices_pass_the_checks_unrepaired(symbol):
    raw, adjusted = sample(symbol, adjust=False), sample(symbol)
    assert adjusted.repaired == {}
    np.testing.assert_allclose(adjusted.close, raw.column("adj_close"), rtol=5e-16)
    np.testing.assert_allclose(adjusted.high / adjusted.low, raw.high / raw.low, rtol=1e-14)
    np.testing.assert_array_equal(adjusted.volume, raw.volume)


def test_splits_are_jumps_only_in_raw_prices():
    raw, adjusted = sample("AAPL", adjust=False), sample("AAPL")
    day = int(np.searchsorted(raw.time_us, np.datetime64("2005-02-28", "us").astype(np.int64)))
    assert raw.close[day] / raw.close[day - 1] < 0.6
    assert 0.9 < adjusted.close[day] / adjusted.close[day - 1] < 1.1


def test_symbol_in_any_case_and_unknown():
    assert sample("msft").hash == sample("MSFT").hash
    with pytest.raises(DataError, match="no sample data for 'APPL'; did you mean 'AAPL'"):
        sample("APPL")


def test_the_file_is_small_and_attributed():
    folder = files("peak_fast").joinpath("datasets")
    assert len(folder.joinpath("stocks.parquet").read_bytes()) < 1_000_000
    text = folder.joinpath("ATTRIBUTION.md").read_text()
    for words in (
        "bokeh_sampledata",
        "2026.1",
        "Quandl WIKI",
        "public domain",
        "Public domain",
        f"{packaged().height:,}",
    ):
        assert words in text


# ---- generator


@pytest.mark.parametrize("freq", ["1d", "1m", "15m", "1h", "4h", "30s", "1w", "2d"])
@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_length_and_validity(rows, freq):
    bars = synthetic(rows, freq, seed=5)
    assert len(bars) == rows
    assert bars.n_invalid == 0
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low > 0.0).all()
    assert isinstance(bars.source, pl.DataFrame)
    assert np.shares_memory(bars.close, bars.source["close"].to_numpy())


def test_same_arguments_same_bars():
    first = synthetic(70_000, "1m", seed=11, gaps=0.1, missing=0.01)
    assert synthetic(70_000, "1m", seed=11, gaps=0.1, missing=0.01).hash == first.hash
    assert synthetic(70_000, "1m", seed=12, gaps=0.1, missing=0.01).hash != first.hash


@pytest.mark.parametrize(
    ("freq", "weekends", "expected"),
    [
        ("1d", None, 252.0),
        ("1d", True, 365.0),
        ("1h", None, 24 * 365.0),
        ("1h", False, 24 * 252.0),
        ("1w", None, 52.0),
    ],
)
def test_calendar(freq, weekends, expected):
    bars = synthetic(3000, freq, weekends=weekends)
    assert bars.periods_per_year == expected
    if expected % 252 == 0:
        assert set((bars.time_us // DAY_US + 3) % 7) == {0, 1, 2, 3, 4}


def test_weekdays_are_consecutive():
    bars = synthetic(600, "1d", start="2024-01-03")
    days = bars.timestamp.dt.date()
    expected = pl.date_range(days[0], days[-1], "1d", eager=True)
    assert days.to_list() == expected.filter(expected.dt.weekday() <= 5).to_list()
    assert str(days[0]) == "2024-01-03"


@pytest.mark.parametrize("start", ["2024-01-06", "2024-01-07", "2024-01-08"])
def test_a_weekend_start_moves_to_monday(start):
    assert str(synthetic(3, "1d", start=start).span[0].date()) == "2024-01-08"


def test_steps_without_gaps():
    bars = synthetic(2000, "15m")
    assert set(np.diff(bars.time_us)) == {15 * 60_000_000}


def test_gaps_leave_bars_out():
    bars = synthetic(20_000, "1m", gaps=0.2)
    assert all(synthetic(2, "1m", seed, gaps=0.9).time_us[0] == bars.time_us[0] for seed in range(10))
    skipped = np.diff(bars.time_us) // 60_000_000 - 1
    assert set(skipped) == {0, 1, 2, 3, 4, 5}
    assert np.mean(skipped > 0) == pytest.approx(0.2, abs=0.02)


def test_missing_bars():
    bars = synthetic(20_000, "1m", missing=0.1)
    assert bars.n_invalid / len(bars) == pytest.approx(0.1, abs=0.01)
    assert (bars.volume[np.isnan(bars.close)] == 0.0).all()


@pytest.mark.parametrize(("freq", "volatility"), [("1d", 0.2), ("1m", 0.5), ("1h", 0.3)])
def test_volatility_is_the_one_asked_for(freq, volatility):
    bars = synthetic(150_000, freq, volatility=volatility)
    measured = np.diff(np.log(bars.close)).std() * np.sqrt(bars.periods_per_year)
    assert measured == pytest.approx(volatility, rel=0.03)


def test_prices_stay_near_the_start_however_long():
    bars = synthetic(500_000, "1d", price=50.0, volatility=1.0)
    assert 50.0 / 21 < bars.close.min() < 50.0 / 15
    assert 50.0 * 15 < bars.close.max() < 50.0 * 21
    # Reflection leaves no jumps: no daily move is beyond what the walk itself makes.
    assert np.abs(np.diff(np.log(bars.close))).max() < 1.5


def test_blocks_join_without_a_seam():
    bars = synthetic(200_000, "1m")
    moves = np.abs(np.diff(np.log(bars.close)))
    assert moves[65_535] < moves.max()
    assert moves[131_071] < moves.max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n: expected a whole number from 1 to 1,099,511,627,776; got 0"),
        ({"freq": "1x"}, "freq: expected a whole number and one of s, m, h, d, w; got '1x'"),
        ({"freq": "0m"}, "of s, m, h, d, w; got '0m'"),
        ({"freq": "day"}, "of s, m, h, d, w; got 'day'"),
        ({"price": 0.0}, "price: expected a number greater than zero; got 0.0"),
        ({"price": float("nan")}, "price: expected a number greater than zero; got nan"),
        ({"volatility": -1.0}, "volatility: expected a number greater than zero; got -1.0"),
        ({"gaps": 1.0}, "gaps: expected a probability in [0, 1); got 1.0"),
        ({"missing": 1.5}, "missing: expected a fraction in [0, 1]; got 1.5"),
        ({"start": "tomorrow"}, "start: expected ISO 8601; got 'tomorrow'"),
        ({"freq": "2d", "weekends": False}, "weekends=False"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        synthetic(**{"n": 10, **arguments})


@given(
    rows=st.integers(1, 400),
    freq=st.sampled_from(["1d", "1m", "4h", "1w"]),
    seed=st.integers(0, 2**63),
    price=st.floats(1e-4, 1e6),
    volatility=st.floats(0.01, 20.0),
    gaps=st.floats(0.0, 0.9),
    missing=st.floats(0.0, 1.0),
)
def test_any_arguments_pass_the_checks(rows, freq, seed, price, volatility, gaps, missing):
    bars = synthetic(rows, freq, seed, price=price, volatility=volatility, gaps=gaps, missing=missing)
    assert isinstance(bars, Bars)
    assert len(bars) == rows
    assert bars.repaired == {}
