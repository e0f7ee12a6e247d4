"""Oscillators over high, low, close and volume, with TA-Lib's conventions.

Signatures and the rule for missing bars are those of `peak_kernels.indicators.usual`.

Reads columns of bars; writes its outputs, and scratch of its own.
"""

from __future__ import annotations

import numpy as np

from peak_kernels.arrays import TILE, FloatArray
from peak_kernels.compiling import jit
from peak_kernels.indicators.rolling import (
    count_nan,
    fill_nan,
    put_back,
    rolling_max,
    rolling_mean,
    rolling_min,
    row_without_gaps,
    without_gaps,
)


@jit
def _position_in_range(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray
) -> None:
    top = np.empty(close.size)
    bottom = np.empty(close.size)
    rolling_max(high, period, top)
    rolling_min(low, period, bottom)
    for i in range(close.size):
        width = top[i] - bottom[i]
        out[i] = 100.0 * ((close[i] - bottom[i]) / width) if width != 0.0 else 0.0 * close[i]


@jit
def _hide_before_first(shown_with: FloatArray, out: FloatArray) -> None:
    """NaN in ``out`` before the first value of ``shown_with``, as TA-Lib starts all outputs together."""
    for i in range(out.size):
        if shown_with[i] == shown_with[i]:
            return
        out[i] = np.nan


@jit
def stochf(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    fastk_period: int,
    fastd_period: int,
    fastk: FloatArray,
    fastd: FloatArray,
) -> None:
    """Fast stochastic: place of the close in the range of ``fastk_period`` bars, in percent, and its SMA."""
    _position_in_range(high, low, close, fastk_period, fastk)
    rolling_mean(fastk, fastd_period, fastd)
    _hide_before_first(fastd, fastk)


@jit
def stoch(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    fastk_period: int,
    slowk_period: int,
    slowd_period: int,
    slowk: FloatArray,
    slowd: FloatArray,
) -> None:
    """Slow stochastic: SMA of the fast %K, and the SMA of that; both start where ``slowd`` does."""
    fastk = np.empty(close.size)
    _position_in_range(high, low, close, fastk_period, fastk)
    rolling_mean(fastk, slowk_period, slowk)
    rolling_mean(slowk, slowd_period, slowd)
    _hide_before_first(slowd, slowk)


@jit
def willr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Williams %R: 0 with the close at the top of the range, -100 at the bottom; 0 for an empty range."""
    top = np.empty(close.size)
    bottom = np.empty(close.size)
    rolling_max(high, period, top)
    rolling_min(low, period, bottom)
    for i in range(close.size):
        width = top[i] - bottom[i]
        out[i] = -100.0 * ((top[i] - close[i]) / width) if width != 0.0 else 0.0 * close[i]


@jit
def cci(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Commodity channel index (Lambert 1980): distance of the typical price from its mean, over 0.015 mean
    absolute deviations; 0 where the deviation is 0.  Costs O(period) per bar: the deviation has no shortcut.
    """
    typical = np.empty(close.size)
    for i in range(close.size):
        typical[i] = (high[i] + low[i] + close[i]) / 3.0
    rolling_mean(typical, period, out)
    deviation = np.empty(TILE)
    for begin in range(period - 1, close.size, TILE):
        current = typical[begin : min(close.size, begin + TILE)]
        mean = out[begin : begin + current.size]
        total = deviation[: current.size]
        for i in range(current.size):
            total[i] = 0.0
        for lag in range(period - 1, -1, -1):
            earlier = typical[begin - lag : begin - lag + current.size]
            for i in range(current.size):
                total[i] += abs(earlier[i] - mean[i])
        for i in range(current.size):
            scale = 0.015 * (total[i] / period)
            distance = current[i] - mean[i]
            mean[i] = distance / scale if scale != 0.0 else 0.0


@jit
def mfi(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, period: int, out: FloatArray
) -> None:
    """Money flow index: share of the money flow of rising typical prices in the last ``period`` bars.

    A typical price equal to the one before counts on neither side; no flow at all gives 0, a price below zero NaN.
    """
    rising = np.empty(close.size)
    falling = np.empty(close.size)
    fill_nan(rising, 0, 1)
    fill_nan(falling, 0, 1)
    for i in range(1, close.size):
        typical = (high[i] + low[i] + close[i]) / 3.0
        change = typical - (high[i - 1] + low[i - 1] + close[i - 1]) / 3.0
        # Prices below zero have no money flow.
        flow = typical * volume[i] + 0.0 * change if typical >= 0.0 else np.nan
        rising[i] = 0.0 * flow if change <= 0.0 else flow
        falling[i] = 0.0 * flow if change >= 0.0 else flow
    negative = np.empty(close.size)
    rolling_mean(rising, period, out)
    rolling_mean(falling, period, negative)
    for i in range(close.size):
        both = out[i] + negative[i]
        out[i] = 100.0 * (out[i] / both) if both != 0.0 else 0.0


@jit
def _obv(close: FloatArray, volume: FloatArray, out: FloatArray) -> None:
    total = 0.0
    previous = -np.inf
    for i in range(close.size):
        if close[i] > previous:
            total += volume[i]
        elif close[i] < previous:
            total -= volume[i]
        previous = close[i]
        out[i] = total


@jit
def obv(close: FloatArray, volume: FloatArray, out: FloatArray) -> None:
    """On-balance volume: starts with ``volume[0]``; an unchanged close adds nothing."""
    marker = close + volume
    gaps = count_nan(marker)
    row = row_without_gaps(out, gaps)
    _obv(without_gaps(close, marker, gaps), without_gaps(volume, marker, gaps), row)
    put_back(marker, row, out)


@jit
def _bars_since_extreme(values: FloatArray, sign: float, window: int, out: FloatArray) -> None:
    """Bars since the largest ``sign * value`` of each window, the latest one where several are equal."""
    fill_nan(out, 0, window - 1)
    left, left_age = np.empty(window), np.empty(window)
    for anchor in range(window - 1, values.size, window):
        before = values[anchor - window + 1 : anchor + 1]
        best, position = sign * values[anchor], window - 1.0
        for i in range(window - 1, -1, -1):
            value = sign * before[i]
            if value > best or value != value:
                best = value
                position = i
            left[i] = best
            left_age[i] = window - 1 - position
        after = values[anchor : min(values.size, anchor + window)]
        result = out[anchor : anchor + after.size]
        best, position = sign * values[anchor], 0.0
        for i in range(after.size):
            value = sign * after[i]
            if value >= best or value != value:
                best = value
                position = i
            if left[i] != left[i] or best != best:
                result[i] = np.nan
            else:
                result[i] = i + left_age[i] if left[i] > best else i - position


@jit
def aroon(high: FloatArray, low: FloatArray, period: int, down: FloatArray, up: FloatArray) -> None:
    """Aroon: 100 where the last ``period + 1`` bars' extreme is now, 0 where it is ``period`` bars ago."""
    _bars_since_extreme(low, -1.0, period + 1, down)
    _bars_since_extreme(high, 1.0, period + 1, up)
    for i in range(down.size):
        down[i] = 100.0 * ((period - down[i]) / period)
        up[i] = 100.0 * ((period - up[i]) / period)


@jit
def correl(first: FloatArray, second: FloatArray, period: int, out: FloatArray) -> None:
    """Pearson correlation of two series over the last ``period`` bars; 0 where one of them is constant."""
    fill_nan(out, 0, period - 1)
    scale = 1.0 / period
    left = np.empty((5, period))
    for anchor in range(period - 1, first.size, period):
        begin = anchor - period + 1
        sum_x = sum_y = sum_xx = sum_yy = sum_xy = 0.0
        for i in range(period - 1, -1, -1):
            x = first[begin + i] - first[anchor]
            y = second[begin + i] - second[anchor]
            sum_x += x
            sum_y += y
            sum_xx += x * x
            sum_yy += y * y
            sum_xy += x * y
            left[0, i] = sum_x
            left[1, i] = sum_y
            left[2, i] = sum_xx
            left[3, i] = sum_yy
            left[4, i] = sum_xy
        sum_x = sum_y = sum_xx = sum_yy = sum_xy = 0.0
        for i in range(min(period, first.size - anchor)):
            x = first[anchor + i] - first[anchor]
            y = second[anchor + i] - second[anchor]
            sum_x += x
            sum_y += y
            sum_xx += x * x
            sum_yy += y * y
            sum_xy += x * y
            mean_x = (left[0, i] + sum_x) * scale
            mean_y = (left[1, i] + sum_y) * scale
            spread = ((left[2, i] + sum_xx) * scale - mean_x * mean_x) * (
                (left[3, i] + sum_yy) * scale - mean_y * mean_y
            )
            covariance = (left[4, i] + sum_xy) * scale - mean_x * mean_y
            out[anchor + i] = 0.0 * covariance if spread <= 0.0 else covariance / np.sqrt(spread)
