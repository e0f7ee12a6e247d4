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

Reads columns of bars; writes its outputs, and scratch of its own.
"""

from __future__ import annotations

import numpy as np

from peak_kernels.arrays import TILE, FloatArray
from peak_kernels.compiling import jit
from peak_kernels.indicators.rolling import (
    count_nan,
    fill_nan,
    mean_of,
    put_back,
    rolling_max,
    rolling_mean,
    rolling_mean_variance,
    rolling_min,
    row_without_gaps,
    smooth,
    without_gaps,
)

# Names of the field for window statistics that are building blocks too.  An alias, not a wrapper: numba would
# compile and optimise the wrapped loop a second time.
sma = rolling_mean
highest = rolling_max
lowest = rolling_min


@jit(inline=True)
def ema_into(values: FloatArray, period: int, out: FloatArray) -> None:
    """`ema` of a series without gaps."""
    fill_nan(out, 0, period - 1)
    if values.size >= period:
        level = mean_of(values[:period])
        out[period - 1] = level
        smooth(values[period:], 2.0 / (period + 1), level, out[period:])


@jit
def ema(values: FloatArray, period: int, out: FloatArray) -> None:
    """Exponential moving average, ``k = 2 / (period + 1)``, seeded with the mean of the first ``period``."""
    gaps = count_nan(values)
    average = row_without_gaps(out, gaps)
    ema_into(without_gaps(values, values, gaps), period, average)
    put_back(values, average, out)


@jit(inline=True)
def rsi_into(values: FloatArray, period: int, gain: FloatArray, loss: FloatArray, out: FloatArray) -> None:
    """`rsi` of a series without gaps, with two scratch rows of `TILE` elements."""
    fill_nan(out, 0, period)
    if values.size <= period:
        return
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
    strength = row_without_gaps(out, gaps)
    rsi_into(without_gaps(values, values, gaps), period, np.empty(TILE), np.empty(TILE), strength)
    put_back(values, strength, out)


@jit(inline=True)
def roots(out: FloatArray) -> None:
    """Replace each element by its square root."""
    for i in range(out.size):
        out[i] = np.sqrt(out[i])


@jit
def var(values: FloatArray, period: int, out: FloatArray) -> None:
    """Population variance (``ddof`` 0) of the last ``period`` bars."""
    rolling_mean_variance(values, period, np.empty(values.size), out)


@jit
def std(values: FloatArray, period: int, out: FloatArray) -> None:
    """Population standard deviation (``ddof`` 0) of the last ``period`` bars."""
    rolling_mean_variance(values, period, np.empty(values.size), out)
    roots(out)


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


@jit(inline=True)
def macd_into(
    values: FloatArray,
    fast: int,
    slow: int,
    signal_period: int,
    line: FloatArray,
    signal: FloatArray,
    histogram: FloatArray,
) -> None:
    """`macd` of a series without gaps, with ``fast <= slow``."""
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
    gaps = count_nan(values)
    line_row = row_without_gaps(line, gaps)
    signal_row = row_without_gaps(signal, gaps)
    histogram_row = row_without_gaps(histogram, gaps)
    source = without_gaps(values, values, gaps)
    macd_into(source, min(fast, slow), max(fast, slow), signal_period, line_row, signal_row, histogram_row)
    put_back(values, line_row, line)
    put_back(values, signal_row, signal)
    put_back(values, histogram_row, histogram)


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


@jit(inline=True)
def roc_into(values: FloatArray, period: int, out: FloatArray) -> None:
    """See `roc`."""
    fill_nan(out, 0, period)
    current = values[min(period, values.size) :]
    result = out[min(period, values.size) :]
    for i in range(current.size):
        earlier = values[i]
        # A share of a value below zero has the wrong sign.
        other = 0.0 if earlier == 0.0 else np.nan
        result[i] = (current[i] / earlier - 1.0) * 100.0 if earlier > 0.0 else other


@jit
def roc(values: FloatArray, period: int, out: FloatArray) -> None:
    """Rate of change in percent, ``100 * (v / v[-period] - 1)``; 0 where the earlier value is 0 (TA-Lib), NaN below."""
    roc_into(values, period, out)


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
def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Average true range (Wilder 1978): seeded with the mean of the first ``period`` true ranges."""
    marker = high + low + close
    gaps = count_nan(marker)
    row = row_without_gaps(out, gaps)
    true_range(
        without_gaps(high, marker, gaps),
        without_gaps(low, marker, gaps),
        without_gaps(close, marker, gaps),
        row,
    )
    if row.size > period:
        level = mean_of(row[1 : period + 1])
        row[period] = level
        smooth(row[period + 1 :], 1.0 / period, level, row[period + 1 :])
    fill_nan(row, 0, period)
    put_back(marker, row, out)


@jit
def natr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Average true range in percent of the close; NaN where that is zero or below."""
    atr(high, low, close, period, out)
    for i in range(close.size):
        out[i] = 100.0 * out[i] / close[i] if close[i] > 0.0 else np.nan
