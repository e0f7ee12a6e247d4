"""Building blocks of the indicators: window sums, window extremes, recursive smoothing.

All of them obey three rules, which the indicators inherit:

* *causal, bit for bit*: the value at a bar depends on that bar and earlier ones only, and cutting the
  series after it changes nothing, not even the last bit;
* *local*: a NaN, or a jump of the price level, disturbs exactly the windows that contain it.  There is no
  running sum that is updated for ever, so nothing drifts over a million bars;
* *exact on flat prices*: the mean of a constant window is that constant, its variance is zero.  A fast and
  a slow average of flat prices are equal, so they never cross by rounding.

How a window of ``period`` bars is summed in O(1) per bar without a running sum: put an anchor on every
``period``-th bar.  Each window contains exactly one anchor; its sum is the sum of the bars left of the
anchor (scanned backwards once for each anchor) plus the sum of those right of it (scanned forwards), both
taken relative to the anchor's own value (van Herk 1992, doi:10.1016/0167-8655(92)90069-C, for extremes).

Reads values; writes a row of the same length, and scratch of its own.
"""

from __future__ import annotations

import numpy as np

from peak_kernels.arrays import TILE, FloatArray
from peak_kernels.compiling import jit

# Up to this period adding the bars one lag at a time (vectorised over time) beats the anchors.
SHORT_PERIOD = 6


@jit(inline=True)
def fill_nan(out: FloatArray, start: int, stop: int) -> None:
    """Set ``out[start:stop]`` to NaN; both ends are cut to the array."""
    for i in range(max(start, 0), min(stop, out.size)):
        out[i] = np.nan


@jit(inline=True)
def count_nan(values: FloatArray) -> int:
    """Number of NaN in ``values``."""
    count = 0
    for i in range(values.size):
        if values[i] != values[i]:
            count += 1
    return count


@jit
def without_gaps(values: FloatArray, marker: FloatArray, gaps: int) -> FloatArray:
    """Bars of ``values`` where ``marker`` is not NaN; ``values`` itself where it has no NaN (``gaps`` 0)."""
    if gaps == 0:
        return values
    kept = np.empty(values.size - gaps)
    row = 0
    for i in range(values.size):
        if marker[i] == marker[i]:
            kept[row] = values[i]
            row += 1
    return kept


@jit
def row_without_gaps(out: FloatArray, gaps: int) -> FloatArray:
    """Where to write results for `without_gaps`: ``out`` itself, or a shorter row if there are gaps."""
    return out if gaps == 0 else np.empty(out.size - gaps)


@jit(inline=True)
def put_back(marker: FloatArray, kept: FloatArray, out: FloatArray) -> None:
    """Undo `without_gaps`: results go to the bars where ``marker`` is not NaN, NaN to the others."""
    if kept.size == out.size:
        return
    row = 0
    for i in range(marker.size):
        if marker[i] == marker[i]:
            out[i] = kept[row]
            row += 1
        else:
            out[i] = np.nan


@jit(inline=True)
def pack(values: FloatArray, spare: FloatArray) -> int:
    """Number of values that are not NaN; where some are, the others are written into ``spare`` without gaps."""
    if count_nan(values) == 0:
        return values.size
    row = 0
    for i in range(values.size):
        if values[i] == values[i]:
            spare[row] = values[i]
            row += 1
    return row


@jit(inline=True)
def mean_of(values: FloatArray) -> float:
    """Mean of all values (not empty), exact where they are all equal."""
    reference = values[0]
    total = 0.0
    for i in range(values.size):
        total += values[i] - reference
    return float(reference + total / values.size)


@jit(inline=True)
def smooth(source: FloatArray, alpha: float, level: float, out: FloatArray) -> float:
    """Exponential smoothing from ``level``: ``y += alpha * (source[i] - y)``; returns the last level.

    Bar by bar, each step would wait for three operations of the one before.  Four bars are advanced at once
    instead, with the recursion multiplied out so that only the last term waits for the level: 2.6 times as
    fast.  Everything is a difference to the level or to a bar, so a constant series stays exactly constant.
    A series may be smoothed in pieces with bit-equal results if all pieces but the last have a multiple of
    four bars.  ``out`` may be ``source``.
    """
    keep = 1.0 - alpha
    third_weight = alpha * keep
    second_weight = third_weight * keep
    first_weight = second_weight * keep
    all_weights = ((first_weight + second_weight) + third_weight) + alpha
    whole = source.size - source.size % 4
    for i in range(0, whole, 4):
        first = source[i]
        second = source[i + 1]
        third = source[i + 2]
        last = source[i + 3]
        lag = first_weight * (first - last) + second_weight * (second - last) + third_weight * (third - last)
        step = alpha * (first - level)
        out[i] = level + step
        step = keep * step + alpha * (second - level)
        out[i + 1] = level + step
        step = keep * step + alpha * (third - level)
        out[i + 2] = level + step
        level += all_weights * (last - level) + lag
        out[i + 3] = level
    step = 0.0
    for i in range(whole, source.size):
        step = keep * step + alpha * (source[i] - level)
        out[i] = level + step
    return float(level + step)


@jit(inline=True)
def mean_into(values: FloatArray, period: int, left: FloatArray, out: FloatArray) -> None:
    """`rolling_mean` with scratch of ``period`` elements."""
    scale = 1.0 / period
    for i in range(min(period - 1, out.size)):
        out[i] = np.nan
    if period <= SHORT_PERIOD:
        for begin in range(period - 1, values.size, TILE):
            current = values[begin : min(values.size, begin + TILE)]
            result = out[begin : begin + current.size]
            for i in range(result.size):
                result[i] = 0.0
            for lag in range(period - 1, 0, -1):
                earlier = values[begin - lag : begin - lag + current.size]
                for i in range(result.size):
                    result[i] += earlier[i] - current[i]
            for i in range(result.size):
                result[i] = current[i] + result[i] * scale
        return
    for anchor in range(period - 1, values.size, period):
        reference = values[anchor]
        before = values[anchor - period + 1 : anchor + 1]
        total = 0.0
        for i in range(period - 1, -1, -1):
            total += before[i] - reference
            left[i] = total  # bars from before[i] up to the anchor, which adds zero
        after = values[anchor : min(values.size, anchor + period)]
        result = out[anchor : anchor + after.size]
        total = 0.0
        for i in range(after.size):
            total += after[i] - reference
            result[i] = reference + (left[i] + total) * scale


@jit
def rolling_mean(values: FloatArray, period: int, out: FloatArray) -> None:
    """Mean of the last ``period`` bars; NaN before the first full window and where a window holds a NaN."""
    mean_into(values, period, np.empty(period), out)


@jit(inline=True)
def mean_variance_into(
    values: FloatArray,
    period: int,
    left: FloatArray,
    left_squares: FloatArray,
    mean: FloatArray,
    variance: FloatArray,
) -> None:
    """`rolling_mean_variance` with two scratch rows of ``period`` elements.

    Deviations are taken from the anchor, which lies inside the window, so the two terms of
    ``E[d^2] - E[d]^2`` are at most ``2 * period`` times the result and cancel harmlessly.
    """
    fill_nan(mean, 0, period - 1)
    fill_nan(variance, 0, period - 1)
    scale = 1.0 / period
    for anchor in range(period - 1, values.size, period):
        reference = values[anchor]
        before = values[anchor - period + 1 : anchor + 1]
        total = 0.0
        squares = 0.0
        for i in range(period - 1, -1, -1):
            difference = before[i] - reference
            total += difference
            squares += difference * difference
            left[i] = total
            left_squares[i] = squares
        after = values[anchor : min(values.size, anchor + period)]
        mean_part = mean[anchor : anchor + after.size]
        variance_part = variance[anchor : anchor + after.size]
        total = 0.0
        squares = 0.0
        for i in range(after.size):
            difference = after[i] - reference
            total += difference
            squares += difference * difference
            mean_part[i] = total
            variance_part[i] = squares
        for i in range(after.size):
            offset = (left[i] + mean_part[i]) * scale
            spread = (left_squares[i] + variance_part[i]) * scale - offset * offset
            mean_part[i] = reference + offset
            variance_part[i] = 0.0 if spread < 0.0 else spread


@jit
def rolling_mean_variance(values: FloatArray, period: int, mean: FloatArray, variance: FloatArray) -> None:
    """Mean and population variance (``ddof`` 0) of the last ``period`` bars."""
    mean_variance_into(values, period, np.empty(period), np.empty(period), mean, variance)


@jit(inline=True)
def max_into(values: FloatArray, period: int, left: FloatArray, out: FloatArray) -> None:
    """`rolling_max` with scratch of ``period`` elements."""
    fill_nan(out, 0, period - 1)
    for anchor in range(period - 1, values.size, period):
        before = values[anchor - period + 1 : anchor + 1]
        best = values[anchor]
        for i in range(period - 1, -1, -1):
            value = before[i]
            best = value if value > best or value != value else best
            left[i] = best
        after = values[anchor : min(values.size, anchor + period)]
        result = out[anchor : anchor + after.size]
        best = values[anchor]
        for i in range(after.size):
            value = after[i]
            best = value if value > best or value != value else best
            value = left[i]
            result[i] = value if value > best or value != value else best


@jit
def rolling_max(values: FloatArray, period: int, out: FloatArray) -> None:
    """Largest of the last ``period`` bars; NaN before the first full window and where it holds a NaN."""
    max_into(values, period, np.empty(period), out)


@jit(inline=True)
def min_into(values: FloatArray, period: int, left: FloatArray, out: FloatArray) -> None:
    """`rolling_min` with scratch of ``period`` elements."""
    fill_nan(out, 0, period - 1)
    for anchor in range(period - 1, values.size, period):
        before = values[anchor - period + 1 : anchor + 1]
        best = values[anchor]
        for i in range(period - 1, -1, -1):
            value = before[i]
            best = value if value < best or value != value else best
            left[i] = best
        after = values[anchor : min(values.size, anchor + period)]
        result = out[anchor : anchor + after.size]
        best = values[anchor]
        for i in range(after.size):
            value = after[i]
            best = value if value < best or value != value else best
            value = left[i]
            result[i] = value if value < best or value != value else best


@jit
def rolling_min(values: FloatArray, period: int, out: FloatArray) -> None:
    """Smallest of the last ``period`` bars; NaN before the first full window and where it holds a NaN."""
    min_into(values, period, np.empty(period), out)
