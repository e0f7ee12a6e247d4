"""Further moving averages and lines fitted to a window, with TA-Lib's conventions.

Signatures and the rule for missing bars are those of `peak_kernels.indicators.usual`.

Reads columns of bars; writes its outputs, and scratch of its own.
"""

from __future__ import annotations

import numpy as np

from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.indicators.rolling import (
    count_nan,
    fill_nan,
    mean_of,
    put_back,
    rolling_mean,
    row_without_gaps,
    smooth,
    without_gaps,
)
from peak_kernels.indicators.usual import ema


@jit
def _mean_and_slope_sum(values: FloatArray, period: int, mean: FloatArray, moment: FloatArray) -> None:
    """Mean of each window, and the sum of its values times their distance from the window's centre.

    The anchors of `peak_kernels.indicators.rolling` again, with a second sum weighted by the distance to the anchor.
    """
    fill_nan(mean, 0, period - 1)
    fill_nan(moment, 0, period - 1)
    left = np.empty(period)
    left_moment = np.empty(period)
    for anchor in range(period - 1, values.size, period):
        reference = values[anchor]
        before = values[anchor - period + 1 : anchor + 1]
        total = 0.0
        weighted = 0.0
        for i in range(period - 1, -1, -1):
            difference = before[i] - reference
            total += difference
            weighted += (i - period + 1) * difference
            left[i] = total
            left_moment[i] = weighted
        after = values[anchor : min(values.size, anchor + period)]
        mean_part = mean[anchor : anchor + after.size]
        moment_part = moment[anchor : anchor + after.size]
        total = 0.0
        weighted = 0.0
        for i in range(after.size):
            difference = after[i] - reference
            total += difference
            weighted += i * difference
            window_total = left[i] + total
            centre = i - 0.5 * (period - 1)
            mean_part[i] = reference + window_total / period
            moment_part[i] = (left_moment[i] + weighted) - centre * window_total


@jit
def _mean_and_share_of_slope(values: FloatArray, period: int, scale: float, out: FloatArray) -> None:
    """Mean of the last ``period`` bars, and ``scale`` times the sum that their slope is made of."""
    mean = np.empty(values.size)
    _mean_and_slope_sum(values, period, mean, out)
    for i in range(values.size):
        out[i] = mean[i] + out[i] * scale


@jit
def wma(values: FloatArray, period: int, out: FloatArray) -> None:
    """Weighted moving average with weights 1, 2, ..., ``period``, the latest bar heaviest."""
    _mean_and_share_of_slope(values, period, 2.0 / (period * (period + 1.0)), out)


@jit
def linear_regression_slope(values: FloatArray, period: int, out: FloatArray) -> None:
    """Slope per bar of the least-squares line through the last ``period`` values (``period >= 2``)."""
    _mean_and_slope_sum(values, period, np.empty(values.size), out)
    scale = 12.0 / (period * (period * period - 1.0))
    for i in range(values.size):
        out[i] *= scale


@jit
def linear_regression(values: FloatArray, period: int, out: FloatArray) -> None:
    """End point of the least-squares line through the last ``period`` values (``period >= 2``)."""
    _mean_and_share_of_slope(values, period, 6.0 / (period * (period + 1.0)), out)


@jit
def trima(values: FloatArray, period: int, out: FloatArray) -> None:
    """Triangular moving average: a mean of means, weights rising to the middle and falling again."""
    inner = np.empty(values.size)
    first = (period + 1) // 2
    rolling_mean(values, first, inner)
    rolling_mean(inner, period + 1 - first, out)


@jit
def dema(values: FloatArray, period: int, out: FloatArray) -> None:
    """Double exponential moving average, ``2 EMA - EMA(EMA)`` (Mulloy 1994)."""
    once = np.empty(values.size)
    ema(values, period, once)
    ema(once, period, out)
    for i in range(values.size):
        out[i] = 2.0 * once[i] - out[i]


@jit
def tema(values: FloatArray, period: int, out: FloatArray) -> None:
    """Triple exponential moving average, ``3 EMA - 3 EMA(EMA) + EMA(EMA(EMA))`` (Mulloy 1994)."""
    once = np.empty(values.size)
    twice = np.empty(values.size)
    ema(values, period, once)
    ema(once, period, twice)
    ema(twice, period, out)
    for i in range(values.size):
        out[i] = 3.0 * (once[i] - twice[i]) + out[i]


@jit
def _trix(values: FloatArray, period: int, out: FloatArray) -> None:
    line = np.empty(values.size)
    ema(values, period, out)
    ema(out, period, line)
    ema(line, period, out)
    previous = np.nan
    for i in range(out.size):
        current = out[i]
        other = 0.0 if previous == 0.0 else np.nan
        out[i] = (current / previous - 1.0) * 100.0 if previous > 0.0 else other
        previous = current


@jit
def trix(values: FloatArray, period: int, out: FloatArray) -> None:
    """Percent change from bar to bar of a triple-smoothed EMA; first value at ``3 * (period - 1) + 1``.

    NaN where the average before is below zero, 0 where it is 0.
    """
    gaps = count_nan(values)
    change = row_without_gaps(out, gaps)
    _trix(without_gaps(values, values, gaps), period, change)
    put_back(values, change, out)


@jit
def _kama(values: FloatArray, period: int, out: FloatArray) -> None:
    fill_nan(out, 0, period)
    if values.size <= period:
        return
    steps = np.empty(values.size - 1)
    for i in range(steps.size):
        steps[i] = abs(values[i + 1] - values[i])
    path = np.empty(steps.size)
    rolling_mean(steps, period, path)
    slowest = 2.0 / 31.0
    fastest = 2.0 / 3.0
    level = values[period - 1]
    for i in range(period, values.size):
        travelled = path[i - 1] * period
        net = abs(values[i] - values[i - period])
        efficiency = net / travelled if travelled > net else 1.0
        weight = efficiency * (fastest - slowest) + slowest
        level += weight * weight * (values[i] - level)
        out[i] = level


@jit
def kama(values: FloatArray, period: int, out: FloatArray) -> None:
    """Kaufman's adaptive moving average between EMA 2 and EMA 30; starts from the bar ``period - 1``."""
    gaps = count_nan(values)
    average = row_without_gaps(out, gaps)
    _kama(without_gaps(values, values, gaps), period, average)
    put_back(values, average, out)


@jit
def _macdfix(
    values: FloatArray, signal_period: int, line: FloatArray, signal: FloatArray, histogram: FloatArray
) -> None:
    fast = 12
    slow = 26
    start = slow + signal_period - 2
    fill_nan(line, 0, start)
    fill_nan(signal, 0, start)
    fill_nan(histogram, 0, start)
    if values.size <= start:
        return
    fast_line = np.empty(values.size - slow + 1)
    slow_line = np.empty(values.size - slow + 1)
    fast_line[0] = mean_of(values[slow - fast : slow])
    slow_line[0] = mean_of(values[:slow])
    smooth(values[slow:], 0.15, fast_line[0], fast_line[1:])
    smooth(values[slow:], 0.075, slow_line[0], slow_line[1:])
    for i in range(fast_line.size):
        fast_line[i] -= slow_line[i]
    level = mean_of(fast_line[:signal_period])
    signal[start] = level
    smooth(fast_line[signal_period:], 2.0 / (signal_period + 1), level, signal[start + 1 :])
    for i in range(start, values.size):
        line[i] = fast_line[i - slow + 1]
        histogram[i] = line[i] - signal[i]


@jit
def macdfix(
    values: FloatArray, signal_period: int, line: FloatArray, signal: FloatArray, histogram: FloatArray
) -> None:
    """MACD 12/26 with Appel's rounded smoothing constants 0.15 and 0.075 (TA-Lib MACDFIX)."""
    gaps = count_nan(values)
    line_row = row_without_gaps(line, gaps)
    signal_row = row_without_gaps(signal, gaps)
    histogram_row = row_without_gaps(histogram, gaps)
    _macdfix(without_gaps(values, values, gaps), signal_period, line_row, signal_row, histogram_row)
    put_back(values, line_row, line)
    put_back(values, signal_row, signal)
    put_back(values, histogram_row, histogram)
