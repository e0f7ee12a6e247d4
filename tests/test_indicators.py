"""Indicators against naive definitions, and the rules all obey: causal, local, exact on flat prices."""

import inspect
import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.errors import ConfigError, DataError
from peak_fast.indicators import functions as ta
from peak_kernels.indicators import averages, oscillators, trend
from peak_kernels.indicators import usual as indicators

# Every public function as a function of (bars, period) giving a list of arrays.
WINDOWED = {
    "sma": lambda b, n: [ta.sma(b["close"], n)],
    "wma": lambda b, n: [ta.wma(b["close"], n)],
    "trima": lambda b, n: [ta.trima(b["close"], n)],
    "linear_regression": lambda b, n: [ta.linear_regression(b["close"], n)],
    "linear_regression_slope": lambda b, n: [ta.linear_regression_slope(b["close"], n)],
    "var": lambda b, n: [ta.var(b["close"], n)],
    "std": lambda b, n: [ta.std(b["close"], n)],
    "bollinger": lambda b, n: list(ta.bollinger(b["close"], n, 2.0)),
    "highest": lambda b, n: [ta.highest(b["high"], n)],
    "lowest": lambda b, n: [ta.lowest(b["low"], n)],
    "donchian": lambda b, n: list(ta.donchian(b["high"], b["low"], n)),
    "true_range": lambda b, n: [ta.true_range(b["high"], b["low"], b["close"])],
    "momentum": lambda b, n: [ta.momentum(b["close"], n)],
    "roc": lambda b, n: [ta.roc(b["close"], n)],
    "stoch": lambda b, n: list(ta.stoch(b["high"], b["low"], b["close"], n, 3, 2)),
    "stochf": lambda b, n: list(ta.stochf(b["high"], b["low"], b["close"], n, 2)),
    "willr": lambda b, n: [ta.willr(b["high"], b["low"], b["close"], n)],
    "cci": lambda b, n: [ta.cci(b["high"], b["low"], b["close"], n)],
    "aroon": lambda b, n: list(ta.aroon(b["high"], b["low"], n)),
    "mfi": lambda b, n: [ta.mfi(b["high"], b["low"], b["close"], b["volume"], n)],
    "correl": lambda b, n: [ta.correl(b["high"], b["low"], n)],
}
RECURSIVE = {
    "ema": lambda b, n: [ta.ema(b["close"], n)],
    "dema": lambda b, n: [ta.dema(b["close"], n)],
    "tema": lambda b, n: [ta.tema(b["close"], n)],
    "kama": lambda b, n: [ta.kama(b["close"], n)],
    "trix": lambda b, n: [ta.trix(b["close"], n)],
    "rsi": lambda b, n: [ta.rsi(b["close"], n)],
    "macd": lambda b, n: list(ta.macd(b["close"], n, n + 3, 3)),
    "macdfix": lambda b, n: list(ta.macdfix(b["close"], n)),
    "atr": lambda b, n: [ta.atr(b["high"], b["low"], b["close"], n)],
    "natr": lambda b, n: [ta.natr(b["high"], b["low"], b["close"], n)],
    "directional": lambda b, n: list(ta.directional(b["high"], b["low"], b["close"], n)),
    "directional_movement": lambda b, n: list(ta.directional_movement(b["high"], b["low"], n)),
    "adx": lambda b, n: [ta.adx(b["high"], b["low"], b["close"], n)],
    "adxr": lambda b, n: [ta.adxr(b["high"], b["low"], b["close"], n)],
    "sar": lambda b, n: [ta.sar(b["high"], b["low"])],
    "obv": lambda b, n: [ta.obv(b["close"], b["volume"])],
}
ALL = WINDOWED | RECURSIVE


def make_bars(size, seed=0, gaps=()):
    generator = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.01, size))), 2)
    spread = np.round(generator.uniform(0.0, 1.0, (2, size)), 2)
    bars = {"close": close, "high": close + spread[0], "low": close - spread[1]}
    bars["volume"] = np.round(generator.uniform(1.0, 1000.0, size))
    for column in bars.values():
        column[list(gaps)] = np.nan
    return bars


def cut(bars, stop):
    return {name: column[:stop] for name, column in bars.items()}


def test_tables_cover_the_public_functions():
    public = {
        name
        for name, value in vars(ta).items()
        if inspect.isfunction(value) and value.__module__ == ta.__name__ and not name.startswith("_")
    }
    assert public == set(ALL)


# Definitions written out: window by window, in plain Python


def windows(values, period):
    """The window that ends at each bar, or None before the first full one."""
    return [None if i < period - 1 else values[i - period + 1 : i + 1] for i in range(len(values))]


def by_window(function, values, period):
    return [
        math.nan if w is None or any(map(math.isnan, w)) else function(w) for w in windows(values, period)
    ]


def naive_std(window):
    exact = [Fraction(x) for x in window]
    mean = sum(exact) / len(exact)
    return math.sqrt(sum((x - mean) ** 2 for x in exact) / len(exact))


def naive_line(window):
    slope, intercept = np.polyfit(np.arange(len(window)), np.array(window), 1)
    return slope, intercept + slope * (len(window) - 1)


def naive_ema(values, period):
    out = [math.nan] * len(values)
    if len(values) >= period:
        level = math.fsum(values[:period]) / period
        out[period - 1] = level
        for i in range(period, len(values)):
            level += 2.0 / (period + 1) * (values[i] - level)
            out[i] = level
    return out


def naive_rsi(values, period):
    out = [math.nan] * len(values)
    changes = [b - a for a, b in itertools.pairwise(values)]
    if len(changes) >= period:
        gain = sum(max(c, 0.0) for c in changes[:period]) / period
        loss = sum(max(-c, 0.0) for c in changes[:period]) / period
        for i in range(period, len(values)):
            if i > period:
                gain = (gain * (period - 1) + max(changes[i - 1], 0.0)) / period
                loss = (loss * (period - 1) + max(-changes[i - 1], 0.0)) / period
            out[i] = 100.0 * gain / (gain + loss) if gain + loss > 0.0 else 0.0
    return out


# Cents: rolling definitions in floats then agree with ours to rounding, and ties are frequent.
PRICES = st.lists(st.integers(90, 110).map(lambda cents: cents / 100.0), min_size=0, max_size=60)
WITH_GAPS = st.lists(
    st.one_of(st.integers(90, 110).map(lambda cents: cents / 100.0), st.just(math.nan)), max_size=60
)
PERIODS = st.integers(2, 12)


def assert_close(ours, expected):
    np.testing.assert_allclose(ours, np.array(expected, dtype=float), rtol=1e-12, atol=1e-12)


@given(values=WITH_GAPS, period=st.integers(1, 12))
def test_window_statistics(values, period):
    array = np.array(values, dtype=float)
    assert_close(ta.sma(array, period), by_window(lambda w: math.fsum(w) / period, values, period))
    assert_close(ta.std(array, period), by_window(naive_std, values, period))
    np.testing.assert_array_equal(ta.highest(array, period), by_window(max, values, period))
    np.testing.assert_array_equal(ta.lowest(array, period), by_window(min, values, period))
    weights = range(1, period + 1)

    def weighted(window):
        return sum(a * x for a, x in zip(weights, window, strict=True)) / sum(weights)

    assert_close(ta.wma(array, period), by_window(weighted, values, period))


@given(values=WITH_GAPS, period=PERIODS)
def test_fitted_line(values, period):
    array = np.array(values, dtype=float)
    slope = by_window(lambda w: naive_line(w)[0], values, period)
    end = by_window(lambda w: naive_line(w)[1], values, period)
    assert_close(ta.linear_regression_slope(array, period), slope)
    assert_close(ta.linear_regression(array, period), end)


@given(values=WITH_GAPS, period=st.integers(1, 12))
def test_aroon_counts_bars_since_the_latest_extreme(values, period):
    array = np.array(values, dtype=float)

    def since(window, extreme):
        return list(reversed(window)).index(extreme(window))

    down, up = ta.aroon(array, array, period)
    share = 100.0 / period
    assert_close(up, by_window(lambda w: (period - since(w, max)) * share, values, period + 1))
    assert_close(down, by_window(lambda w: (period - since(w, min)) * share, values, period + 1))


@given(values=PRICES, period=st.integers(1, 12))
def test_recursive_averages(values, period):
    array = np.array(values, dtype=float)
    assert_close(ta.ema(array, period), naive_ema(values, period))
    assert_close(ta.rsi(array, period), naive_rsi(values, period))


@given(values=st.lists(st.tuples(st.integers(90, 99), st.integers(1, 99)), min_size=12, max_size=40))
def test_correlation(values):
    first, second = (np.array(column, dtype=float) for column in zip(*values, strict=True))
    ours = ta.correl(first, second, 10)
    for i in range(9, len(values)):
        x, y = first[i - 9 : i + 1], second[i - 9 : i + 1]
        expected = 0.0 if np.ptp(x) == 0 or np.ptp(y) == 0 else np.corrcoef(x, y)[0, 1]
        assert ours[i] == pytest.approx(expected, rel=1e-10, abs=1e-12)


# Rules for all


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("gaps", [(), (0, 1, 2), (40, 41, 77)])
def test_the_future_changes_no_bit_of_the_past(name, gaps):
    bars = make_bars(150, seed=1, gaps=gaps)
    changed = {column: values.copy() for column, values in bars.items()}
    for values in changed.values():
        values[101:] *= 3.0
        values[120:130] = np.nan
    full = ALL[name](bars, 9)
    for other in (ALL[name](cut(bars, 101), 9), [row[:101] for row in ALL[name](changed, 9)]):
        for ours, reference in zip(other, full, strict=True):
            np.testing.assert_array_equal(ours, reference[:101])


@pytest.mark.parametrize("name", WINDOWED)
def test_a_gap_empties_its_windows_and_nothing_else(name):
    clean = make_bars(120, seed=2)
    gappy = make_bars(120, seed=2, gaps=(60,))
    period, reach = 9, 14  # stoch needs 9 + 2 + 1 bars, the others fewer
    for full, holed in zip(WINDOWED[name](clean, period), WINDOWED[name](gappy, period), strict=True):
        assert np.isnan(holed[60])
        assert not np.isnan(holed[60 + reach :]).any()
        both = ~np.isnan(holed)
        assert both[:60].sum() == (~np.isnan(full[:60])).sum()
        np.testing.assert_allclose(holed[both], full[both], rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("name", RECURSIVE)
def test_recursive_ones_skip_missing_bars(name):
    gaps = [0, 1, 25, 60, 61]
    gappy = make_bars(120, seed=3, gaps=gaps)
    present = ~np.isnan(gappy["close"])
    dropped = {column: values[present] for column, values in gappy.items()}
    for ours, short in zip(RECURSIVE[name](gappy, 4), RECURSIVE[name](dropped, 4), strict=True):
        assert np.isnan(ours[gaps]).all()
        if name != "adxr":  # looks back over bars, missing ones included
            np.testing.assert_array_equal(ours[present], short)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 8])
def test_short_series_are_all_nan_or_defined(name, size):
    outputs = ALL[name](make_bars(size, seed=4), 200)
    assert all(row.size == size and row.dtype == np.float64 for row in outputs)
    if name not in {"obv", "sar", "true_range"}:
        assert all(np.isnan(row).all() for row in outputs)


@pytest.mark.parametrize("name", ALL)
def test_an_empty_column_of_nan_gives_nan(name):
    bars = make_bars(50, gaps=range(50))
    assert all(np.isnan(row).all() for row in ALL[name](bars, 5))


@pytest.mark.parametrize("price", [100.1, 1e-8, 0.1, 123456.7])
@pytest.mark.parametrize("period", [1, 2, 3, 7, 20, 50, 300])
def test_flat_prices_are_exact(price, period):
    flat = np.full(400, price)
    for average in (ta.sma, ta.ema, ta.wma, ta.trima, ta.kama):
        values = average(flat, period)
        assert set(values[~np.isnan(values)]) == {price}
    for spread in (ta.std, ta.var):
        values = spread(flat, period)
        assert set(values[~np.isnan(values)]) == {0.0}
    assert set(ta.rsi(flat, period)[period:]) == {0.0}
    assert set(ta.macd(flat, 5, 9, 3).line[10:]) == {0.0}


def test_nothing_drifts_over_a_million_bars_with_level_changes():
    generator = np.random.default_rng(5)
    values = np.exp(np.cumsum(generator.normal(0.0, 1e-3, 1_000_000)))
    values[200_000:500_000] *= 1e6
    values[500_000:] *= 1e-4
    checks = np.concatenate([np.arange(499_990, 500_060), generator.integers(100, 1_000_000, 50)])
    for period in (5, 20, 100):
        mean, spread = ta.sma(values, period), ta.std(values, period)
        for i in checks:
            window = values[i - period + 1 : i + 1].tolist()
            assert mean[i] == pytest.approx(math.fsum(window) / period, rel=1e-14)
            assert spread[i] == pytest.approx(naive_std(window), rel=1e-11)
    level = values[0]
    assert ta.ema(values, 1)[0] == level
    smoothed = ta.ema(values, 20)
    level = smoothed[499_999]
    for i in range(500_000, 501_000):
        level += 2.0 / 21.0 * (values[i] - level)
        assert smoothed[i] == pytest.approx(level, rel=1e-12)


@pytest.mark.parametrize("module", [indicators, averages, oscillators, trend])
def test_kernels_write_every_element_of_a_row(module):
    """A sweep passes rows of an uninitialised plane."""
    bars = make_bars(70, seed=6)
    tested = 0
    for name, kernel in vars(module).items():
        if name.startswith("_") or not hasattr(kernel, "py_func") or kernel.__module__ != module.__name__:
            continue
        if kernel.targetoptions["forceinline"]:
            continue  # a part of the others, which cannot be called from Python
        parameters = inspect.signature(kernel.py_func).parameters
        inputs = [bars.get(p, bars["close"]) for p in parameters if p in {*bars, "values", "first", "second"}]
        numbers = {"deviations": 2.0, "step": 0.02, "limit": 0.2, "fast": 5, "slow": 8}
        arguments = [numbers.get(p, 6) for p in parameters if p in numbers or p.endswith("period")]
        outputs = len(parameters) - len(inputs) - len(arguments)
        rows = [np.full((2, outputs, 70), fill) for fill in (-7e77, 8e88)]
        for plane in rows:
            kernel(*inputs, *arguments, *plane[1])
        np.testing.assert_array_equal(rows[0][1], rows[1][1], err_msg=name)
        assert (rows[0][0] == -7e77).all()
        tested += 1
    assert tested >= 4


# What goes in comes out


def test_types_and_names():
    close = [1.0, 2.0, 3.0, 4.0]
    expected = [math.nan, 1.5, 2.5, 3.5]
    assert isinstance(ta.sma(close, 2), np.ndarray)
    series = ta.sma(pl.Series("close", close), 2)
    assert isinstance(series, pl.Series)
    assert series.name == "sma_2"
    np.testing.assert_array_equal(series.to_numpy(), expected)
    index = pd.date_range("2024-01-01", periods=4)
    frame = ta.bollinger(pd.Series(close, index=index), 2)
    assert isinstance(frame.upper, pd.Series)
    assert (frame.upper.index == index).all()
    np.testing.assert_array_equal(frame.middle.to_numpy(), expected)
    np.testing.assert_array_equal(ta.sma(pl.Series([1, 2, 3, 4]), 2).to_numpy(), expected)
    np.testing.assert_array_equal(ta.sma(np.array(close)[::-1], 2), [math.nan, 3.5, 2.5, 1.5])
    np.testing.assert_array_equal(
        ta.sma(pl.Series([1.0, None, 3.0, 4.0]), 2).to_numpy(), [math.nan, math.nan, math.nan, 3.5]
    )


def test_inside_a_polars_expression():
    frame = pl.DataFrame({"close": make_bars(50)["close"]})
    column = pl.col("close").map_batches(lambda s: ta.sma(s, 5), return_dtype=pl.Float64)
    np.testing.assert_array_equal(
        frame.select(column)["close"].to_numpy(), ta.sma(frame["close"], 5).to_numpy()
    )


def test_the_input_is_not_changed():
    bars = make_bars(60, gaps=(30,))
    before = {name: values.copy() for name, values in bars.items()}
    for function in ALL.values():
        function(bars, 5)
    for name, values in bars.items():
        np.testing.assert_array_equal(values, before[name])
        assert values.flags.writeable


def test_bollinger_and_macd_with_another_average():
    close = make_bars(80)["close"]
    upper, middle, lower = ta.bollinger(close, 10, 1.5, "ema")
    np.testing.assert_array_equal(middle, ta.ema(close, 10))
    np.testing.assert_allclose(upper - lower, 3.0 * ta.std(close, 10), rtol=1e-12)
    macd = ta.macd(close, 5, 12, 4, "sma")
    np.testing.assert_allclose(macd.line[14:], (ta.sma(close, 5) - ta.sma(close, 12))[14:], rtol=1e-12)
    assert np.isnan(macd.line[:14]).all()


@pytest.mark.parametrize("period", [0, -3, 2.5, True, "20", None, math.nan])
def test_bad_periods(period):
    with pytest.raises(ConfigError, match="whole number"):
        ta.sma([1.0, 2.0], period)


def test_bad_columns():
    with pytest.raises(DataError, match="one length"):
        ta.atr([1.0, 2.0], [1.0], [1.0, 2.0], 2)
    with pytest.raises(DataError, match="one dimension"):
        ta.sma(np.ones((3, 2)), 2)
    with pytest.raises(DataError, match="numbers"):
        ta.sma(["a", "b"], 2)
    with pytest.raises(DataError, match="not computed yet"):
        ta.sma(pl.col("close"), 2)
    with pytest.raises(ConfigError, match="did you mean 'ema'"):
        ta.bollinger([1.0, 2.0], 2, 2.0, "emma")
    with pytest.raises(ConfigError, match="step <= limit"):
        ta.sar([1.0, 2.0], [0.5, 1.5], 0.3, 0.2)
