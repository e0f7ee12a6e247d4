"""Indicators with TA-Lib's conventions, as kernels that write into preallocated rows.

Each kernel is ``kernel(input arrays..., parameters..., output arrays...)``: float64, one-dimensional,
C-contiguous, all of one length.  A sweep passes one row of a plane as the output, so nothing is allocated
for a window but scratch of one cache-sized tile.  Kernels trust their inputs (``period >= 1``); the checks
are in `peak_fast.indicators`.

The rule for missing bars (TA-Lib's versions disagree with each other here):

* an indicator over a *window* (mean, deviation, extremes, rate of change) is NaN where its window holds a
  NaN, and recovers as soon as the window has passed it;
* a *recursive* one (EMA, RSI, ATR, MACD, ADX, ...) is computed as if the missing bars were not in the
  series: NaN at such a bar, the state held across it.

Bars before the first valid value are NaN, as in TA-Lib, where leading NaN shift everything.
"""

from __future__ import annotations

import numpy as np

from peak_kernels._jit import jit
from peak_kernels.rolling import (
    TILE,
    FloatArray,
    count_nan,
    drop_gaps,
    fill_nan,
    mean_of,
    put_back,
    rolling_max,
    rolling_mean,
    rolling_mean_variance,
    rolling_min,
    smooth,
)


@jit
def sma(values: FloatArray, period: int, out: FloatArray) -> None:
    """Simple moving average; first value at ``period - 1``."""
    rolling_mean(values, period, out)


@jit
def _ema(values: FloatArray, period: int, out: FloatArray) -> None:
    fill_nan(out, 0, period - 1)
    if values.size < period:
        return
    level = mean_of(values[:period])
    out[period - 1] = level
    smooth(values[period:], 2.0 / (period + 1), level, out[period:])


@jit
def ema(values: FloatArray, period: int, out: FloatArray) -> None:
    """Exponential moving average, ``k = 2 / (period + 1)``, seeded with the mean of the first ``period``."""
    gaps = count_nan(values)
    if gaps == 0:
        _ema(values, period, out)
        return
    kept = drop_gaps(values, values, gaps)
    average = np.empty(kept.size)
    _ema(kept, period, average)
    put_back(values, average, out)


@jit
def _rsi(values: FloatArray, period: int, out: FloatArray) -> None:
    fill_nan(out, 0, period)
    if values.size <= period:
        return
    gain = np.empty(TILE)
    loss = np.empty(TILE)
    gain_level = 0.0
    loss_level = 0.0
    for i in range(1, period + 1):
        change = values[i] - values[i - 1]
        gain_level += change if change > 0.0 else 0.0
        loss_level += -change if change < 0.0 else 0.0
    gain_level /= period
    loss_level /= period
    activity = gain_level + loss_level
    out[period] = 100.0 * (gain_level / activity) if activity > 0.0 else 0.0
    for begin in range(period + 1, values.size, TILE):
        current = values[begin : min(values.size, begin + TILE)]
        previous = values[begin - 1 : begin - 1 + current.size]
        gains = gain[: current.size]
        losses = loss[: current.size]
        for i in range(current.size):
            change = current[i] - previous[i]
            gains[i] = change if change > 0.0 else 0.0
            losses[i] = -change if change < 0.0 else 0.0
        gain_level = smooth(gains, 1.0 / period, gain_level, gains)
        loss_level = smooth(losses, 1.0 / period, loss_level, losses)
        result = out[begin : begin + current.size]
        for i in range(current.size):
            activity = gains[i] + losses[i]
            result[i] = 100.0 * (gains[i] / activity) if activity > 0.0 else 0.0


@jit
def rsi(values: FloatArray, period: int, out: FloatArray) -> None:
    """Relative strength index (Wilder 1978); first value at ``period``, 0 for prices that never moved."""
    gaps = count_nan(values)
    if gaps == 0:
        _rsi(values, period, out)
        return
    kept = drop_gaps(values, values, gaps)
    strength = np.empty(kept.size)
    _rsi(kept, period, strength)
    put_back(values, strength, out)


@jit
def var(values: FloatArray, period: int, out: FloatArray) -> None:
    """Population variance (``ddof`` 0) of the last ``period`` bars."""
    rolling_mean_variance(values, period, np.empty(values.size), out)


@jit
def std(values: FloatArray, period: int, out: FloatArray) -> None:
    """Population standard deviation (``ddof`` 0) of the last ``period`` bars."""
    rolling_mean_variance(values, period, np.empty(values.size), out)
    for i in range(out.size):
        out[i] = np.sqrt(out[i])


@jit
def bollinger(
    values: FloatArray,
    period: int,
    deviations: float,
    upper: FloatArray,
    middle: FloatArray,
    lower: FloatArray,
) -> None:
    """Bollinger bands: mean and ``deviations`` population standard deviations above and below it."""
    rolling_mean_variance(values, period, middle, upper)
    for i in range(values.size):
        width = deviations * np.sqrt(upper[i])
        upper[i] = middle[i] + width
        lower[i] = middle[i] - width


@jit
def _macd(
    values: FloatArray,
    fast: int,
    slow: int,
    signal_period: int,
    line: FloatArray,
    signal: FloatArray,
    histogram: FloatArray,
) -> None:
    start = slow + signal_period - 2
    if values.size <= start:
        fill_nan(line, 0, values.size)
        fill_nan(signal, 0, values.size)
        fill_nan(histogram, 0, values.size)
        return
    # Both averages start at bar slow - 1; the fast one is seeded with the bars just before it.
    fast_level = mean_of(values[slow - fast : slow])
    slow_level = mean_of(values[:slow])
    smooth(values[slow:], 2.0 / (fast + 1), fast_level, line[slow:])
    smooth(values[slow:], 2.0 / (slow + 1), slow_level, histogram[slow:])
    line[slow - 1] = fast_level - slow_level
    for i in range(slow, values.size):
        line[i] -= histogram[i]
    level = mean_of(line[slow - 1 : start + 1])
    signal[start] = level
    smooth(line[start + 1 :], 2.0 / (signal_period + 1), level, signal[start + 1 :])
    for i in range(start, values.size):
        histogram[i] = line[i] - signal[i]
    fill_nan(line, 0, start)
    fill_nan(signal, 0, start)
    fill_nan(histogram, 0, start)


@jit
def macd(
    values: FloatArray,
    fast: int,
    slow: int,
    signal_period: int,
    line: FloatArray,
    signal: FloatArray,
    histogram: FloatArray,
) -> None:
    """MACD line, its signal line and their difference; all start at ``slow + signal_period - 2``.

    As in TA-Lib the fast average is seeded with the ``fast`` bars up to bar ``slow - 1``, not with the first
    ones, and the periods change places where ``slow < fast``.
    """
    shorter = min(fast, slow)
    longer = max(fast, slow)
    gaps = count_nan(values)
    if gaps == 0:
        _macd(values, shorter, longer, signal_period, line, signal, histogram)
        return
    kept = drop_gaps(values, values, gaps)
    rows = np.empty((3, kept.size))
    _macd(kept, shorter, longer, signal_period, rows[0], rows[1], rows[2])
    put_back(values, rows[0], line)
    put_back(values, rows[1], signal)
    put_back(values, rows[2], histogram)


@jit
def highest(values: FloatArray, period: int, out: FloatArray) -> None:
    """Rolling maximum (TA-Lib MAX), current bar included; O(1) per bar for any period."""
    rolling_max(values, period, out)


@jit
def lowest(values: FloatArray, period: int, out: FloatArray) -> None:
    """Rolling minimum (TA-Lib MIN), current bar included; O(1) per bar for any period."""
    rolling_min(values, period, out)


@jit
def donchian(
    high: FloatArray, low: FloatArray, period: int, upper: FloatArray, middle: FloatArray, lower: FloatArray
) -> None:
    """Donchian channel: highest high, lowest low (current bar included) and their midpoint."""
    rolling_max(high, period, upper)
    rolling_min(low, period, lower)
    for i in range(upper.size):
        middle[i] = (upper[i] + lower[i]) / 2.0


@jit
def momentum(values: FloatArray, period: int, out: FloatArray) -> None:
    """Difference to the value ``period`` bars before (TA-Lib MOM)."""
    fill_nan(out, 0, period)
    current = values[min(period, values.size) :]
    result = out[min(period, values.size) :]
    for i in range(current.size):
        result[i] = current[i] - values[i]


@jit
def roc(values: FloatArray, period: int, out: FloatArray) -> None:
    """Rate of change in percent, ``100 * (v / v[-period] - 1)``; 0 where the earlier value is 0 (TA-Lib)."""
    fill_nan(out, 0, period)
    current = values[min(period, values.size) :]
    result = out[min(period, values.size) :]
    for i in range(current.size):
        earlier = values[i]
        result[i] = (current[i] / earlier - 1.0) * 100.0 if earlier != 0.0 else 0.0


@jit
def true_range(high: FloatArray, low: FloatArray, close: FloatArray, out: FloatArray) -> None:
    """True range (TA-Lib TRANGE): ``max(high, close[-1]) - min(low, close[-1])``; NaN at bar 0."""
    fill_nan(out, 0, 1)
    for i in range(1, close.size):
        previous = close[i - 1]
        top = high[i] if high[i] > previous or high[i] != high[i] else previous
        bottom = low[i] if low[i] < previous or low[i] != low[i] else previous
        out[i] = top - bottom


@jit
def _atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    true_range(high, low, close, out)
    if close.size <= period:
        fill_nan(out, 0, close.size)
        return
    level = mean_of(out[1 : period + 1])
    fill_nan(out, 0, period)
    out[period] = level
    smooth(out[period + 1 :], 1.0 / period, level, out[period + 1 :])


@jit
def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Average true range (Wilder 1978): seeded with the mean of the first ``period`` true ranges."""
    marker = high + low + close
    gaps = count_nan(marker)
    if gaps == 0:
        _atr(high, low, close, period, out)
        return
    kept = np.empty(close.size - gaps)
    _atr(
        drop_gaps(high, marker, gaps),
        drop_gaps(low, marker, gaps),
        drop_gaps(close, marker, gaps),
        period,
        kept,
    )
    put_back(marker, kept, out)


@jit
def natr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Average true range in percent of the close."""
    atr(high, low, close, period, out)
    for i in range(close.size):
        out[i] = 100.0 * out[i] / close[i]
