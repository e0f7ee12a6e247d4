"""Compound indicators against their definitions, written out bar by bar in plain Python.

Prices are whole cents from a small range, so ties, flat stretches and empty ranges are frequent.
"""

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.indicators import functions as ta

NAN = math.nan
BAR = st.tuples(st.integers(90, 110), st.integers(0, 6), st.integers(0, 6), st.integers(0, 9))
BARS = st.lists(BAR, min_size=0, max_size=60)
PERIODS = st.integers(2, 9)


def columns(bars):
    """Lists close, high, low, volume from whole numbers: high is above, low below the close."""
    close = [float(c) for c, _, _, _ in bars]
    high = [float(c + up) for c, up, _, _ in bars]
    low = [float(c - down) for c, _, down, _ in bars]
    return close, high, low, [float(v) for _, _, _, v in bars]


def arrays(*lists):
    return [np.array(values, dtype=float) for values in lists]


def assert_close(ours, expected):
    np.testing.assert_allclose(ours, np.array(expected, dtype=float), rtol=1e-11, atol=1e-9)


def average_from(values, alpha, first, seed_size):
    """Exponential average seeded with the mean of the ``seed_size`` values that end at ``first``."""
    out = [NAN] * len(values)
    if len(values) > first:
        out[first] = sum(values[first - seed_size + 1 : first + 1]) / seed_size
        for i in range(first + 1, len(values)):
            out[i] = out[i - 1] + alpha * (values[i] - out[i - 1])
    return out


def wilder(values, period, first):
    return average_from(values, 1.0 / period, first, period)


def true_ranges(close, high, low):
    ranges = [NAN] * len(close)
    for i in range(1, len(close)):
        ranges[i] = max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
    return ranges


@given(bars=BARS, fast=st.integers(1, 6), extra=st.integers(1, 6), signal=st.integers(1, 5))
def test_macd(bars, fast, extra, signal):
    close = columns(bars)[0]
    slow = fast + extra
    quick = average_from(close, 2.0 / (fast + 1), slow - 1, fast)
    lazy = average_from(close, 2.0 / (slow + 1), slow - 1, slow)
    line = [a - b for a, b in zip(quick, lazy, strict=True)]
    start = slow + signal - 2
    smoothed = average_from(line, 2.0 / (signal + 1), start, signal)
    line = [x if i >= start else NAN for i, x in enumerate(line)]
    ours = ta.macd(np.array(close), fast, slow, signal)
    assert_close(ours.line, line)
    assert_close(ours.signal, smoothed)
    assert_close(ours.histogram, [a - b for a, b in zip(line, smoothed, strict=True)])


@given(bars=BARS, period=PERIODS)
def test_true_range_and_its_average(bars, period):
    close, high, low, _ = columns(bars)
    ranges = true_ranges(close, high, low)
    expected = wilder(ranges, period, period)
    ours = arrays(high, low, close)
    assert_close(ta.true_range(*ours), ranges)
    assert_close(ta.atr(*ours, period), expected)
    assert_close(ta.natr(*ours, period), [100.0 * a / c for a, c in zip(expected, close, strict=True)])


def directional_sums(close, high, low, period):
    """Wilder's sums of +DM, -DM and TR: the first ``period - 1`` values, then ``S - S / period + x``."""
    plus, minus = [NAN], [NAN]
    for i in range(1, len(close)):
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        plus.append(up if up > max(down, 0.0) else 0.0)
        minus.append(down if down > max(up, 0.0) else 0.0)
    sums = []
    for values in (plus, minus, true_ranges(close, high, low)):
        out = [NAN] * len(close)
        if len(close) >= period:
            out[period - 1] = sum(values[1:period])
            for i in range(period, len(close)):
                out[i] = out[i - 1] - out[i - 1] / period + values[i]
        sums.append(out)
    return sums


@given(bars=BARS, period=PERIODS)
def test_directional_system(bars, period):
    close, high, low, _ = columns(bars)
    plus, minus, ranges = directional_sums(close, high, low, period)
    size = len(close)
    plus_di, minus_di, dx, adx = ([NAN] * size for _ in range(4))
    last, level = 0.0, 0.0
    for i in range(period, size):
        plus_di[i] = 100.0 * plus[i] / ranges[i] if ranges[i] > 1e-12 else 0.0
        minus_di[i] = 100.0 * minus[i] / ranges[i] if ranges[i] > 1e-12 else 0.0
        both = plus_di[i] + minus_di[i]
        moved = both > 0.0
        if moved:
            last = 100.0 * abs(plus_di[i] - minus_di[i]) / both
        dx[i] = last
        if i < 2 * period:
            level += last / period if moved else 0.0
        elif moved:
            level = (level * (period - 1) + last) / period
        if i >= 2 * period - 1:
            adx[i] = level
    ours = ta.directional(*arrays(high, low, close), period)
    for row, expected in zip(ours, (plus_di, minus_di, dx, adx), strict=True):
        assert_close(row, expected)
    movement = ta.directional_movement(*arrays(high, low), period)
    assert_close(movement.plus, plus)
    assert_close(movement.minus, minus)
    mean = [(adx[i] + adx[i - period + 1]) / 2.0 if i >= period else NAN for i in range(size)]
    assert_close(ta.adxr(*arrays(high, low, close), period), mean)


@given(bars=BARS, period=st.integers(1, 9))
def test_money_flow_index(bars, period):
    close, high, low, volume = columns(bars)
    typical = [(h + lo + c) / 3.0 for h, lo, c in zip(high, low, close, strict=True)]
    expected = [NAN] * len(close)
    for i in range(period, len(close)):
        window = range(i - period + 1, i + 1)
        rising = sum(typical[j] * volume[j] for j in window if typical[j] > typical[j - 1])
        falling = sum(typical[j] * volume[j] for j in window if typical[j] < typical[j - 1])
        expected[i] = 100.0 * rising / (rising + falling) if rising + falling > 0.0 else 0.0
    assert_close(ta.mfi(*arrays(high, low, close, volume), period), expected)


@given(bars=BARS, period=st.integers(1, 9))
def test_place_of_the_close_in_the_range(bars, period):
    close, high, low, _ = columns(bars)
    fastk, williams = [NAN] * len(close), [NAN] * len(close)
    for i in range(period - 1, len(close)):
        top = max(high[i - period + 1 : i + 1])
        bottom = min(low[i - period + 1 : i + 1])
        fastk[i] = 100.0 * (close[i] - bottom) / (top - bottom) if top > bottom else 0.0
        williams[i] = -100.0 * (top - close[i]) / (top - bottom) if top > bottom else 0.0

    def mean(values, count):
        return [
            sum(values[i - count + 1 : i + 1]) / count if i >= count - 1 else NAN for i in range(len(values))
        ]

    def shown_with(values, other):
        return [x if not math.isnan(y) else NAN for x, y in zip(values, other, strict=True)]

    ours = arrays(high, low, close)
    assert_close(ta.willr(*ours, period), williams)
    fast = ta.stochf(*ours, period, 3)
    assert_close(fast.d, mean(fastk, 3))
    assert_close(fast.k, shown_with(fastk, mean(fastk, 3)))
    slow = ta.stoch(*ours, period, 3, 2)
    assert_close(slow.d, mean(mean(fastk, 3), 2))
    assert_close(slow.k, shown_with(mean(fastk, 3), mean(mean(fastk, 3), 2)))


@given(bars=BARS, period=PERIODS)
def test_commodity_channel_index(bars, period):
    close, high, low, _ = columns(bars)
    typical = [(h + lo + c) / 3.0 for h, lo, c in zip(high, low, close, strict=True)]
    ours = ta.cci(*arrays(high, low, close), period)
    for i in range(period - 1, len(close)):
        window = typical[i - period + 1 : i + 1]
        mean = math.fsum(window) / period
        deviation = math.fsum(abs(x - mean) for x in window) / period
        expected = 0.0 if max(window) == min(window) else (typical[i] - mean) / (0.015 * deviation)
        assert math.isclose(ours[i], expected, rel_tol=1e-9, abs_tol=1e-9)
    assert np.isnan(ours[: period - 1]).all()


@given(bars=BARS, period=PERIODS)
def test_adaptive_average(bars, period):
    close = columns(bars)[0]
    expected = [NAN] * len(close)
    level = close[period - 1] if len(close) >= period else NAN
    for i in range(period, len(close)):
        path = sum(abs(close[j] - close[j - 1]) for j in range(i - period + 1, i + 1))
        efficiency = abs(close[i] - close[i - period]) / path if path > 0.0 else 1.0
        smoothing = (efficiency * (2.0 / 3.0 - 2.0 / 31.0) + 2.0 / 31.0) ** 2
        level += smoothing * (close[i] - level)
        expected[i] = level
    assert_close(ta.kama(np.array(close), period), expected)


@given(bars=BARS)
def test_on_balance_volume(bars):
    close, _, _, volume = columns(bars)
    total, expected = 0.0, []
    for i, value in enumerate(volume):
        total += value if i == 0 else value * np.sign(close[i] - close[i - 1])
        expected.append(total)
    assert_close(ta.obv(*arrays(close, volume)), expected)


@given(bars=BARS, period=PERIODS)
def test_repeated_averages(bars, period):
    close = columns(bars)[0]

    def again(values, start):
        return average_from(values, 2.0 / (period + 1), start, period)

    once = again(close, period - 1)
    twice = again(once, 2 * (period - 1))
    thrice = again(twice, 3 * (period - 1))
    array = np.array(close)
    assert_close(ta.dema(array, period), [2.0 * a - b for a, b in zip(once, twice, strict=True)])
    assert_close(
        ta.tema(array, period), [3.0 * a - 3.0 * b + c for a, b, c in zip(once, twice, thrice, strict=True)]
    )
    change = [NAN, *(100.0 * (b / a - 1.0) for a, b in itertools.pairwise(thrice))]
    assert_close(ta.trix(array, period), change[: len(close)])


def test_parabolic_stop_of_a_rise_and_a_reversal():
    """Worked by hand: step 0.02, limit 0.2; long from the first bar's low, reversal at the last bar."""
    high = np.array([10.0, 11.0, 12.0, 13.0, 12.5])
    low = np.array([9.0, 10.0, 11.0, 12.0, 8.0])
    # Bar 1: stop 9, extreme 11, factor 0.02 -> 9 + 0.02 * 2 = 9.04, not above the low of bar 1 (10).
    # Bar 2: 9.04; extreme 12, factor 0.04 -> 9.04 + 0.04 * 2.96 = 9.1584.
    # Bar 3: 9.1584; extreme 13, factor 0.06 -> 9.1584 + 0.06 * 3.8416 = 9.388896.
    # Bar 4: the low of 8 is below the stop: short, stop at the extreme of the rise, 13.
    np.testing.assert_allclose(ta.sar(high, low), [NAN, 9.0, 9.04, 9.1584, 13.0], rtol=1e-14)


def test_parabolic_stop_never_passes_the_last_two_bars():
    """A long's stop is cut to the two latest lows: without the cut it would be 9.6 + 0.2 * ... above them."""
    high = np.array([10.0, 10.2, 30.0, 31.0])
    low = np.array([9.9, 10.0, 10.05, 10.02])
    stops = ta.sar(high, low, 0.2, 0.2)
    # Bar 1: 9.9; extreme 10.2 -> 9.96.  Bar 2: 9.96; extreme 30 -> 13.968, cut to low 10.0.
    # Bar 3: the low 10.02 is above 10.0: still long.
    np.testing.assert_allclose(stops, [NAN, 9.9, 9.96, 10.0], rtol=1e-14)
    falling = ta.sar(100.0 - low, 100.0 - high, 0.2, 0.2)
    np.testing.assert_allclose(falling, 100.0 - stops, rtol=1e-14)
