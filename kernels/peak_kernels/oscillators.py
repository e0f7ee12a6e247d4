"""Oscillators and trend systems over high, low, close and volume, with TA-Lib's conventions.

Signatures and the rule for missing bars are those of `peak_kernels.indicators`.
"""

from __future__ import annotations

import numpy as np

from peak_kernels._jit import jit
from peak_kernels.indicators import true_range
from peak_kernels.rolling import (
    TILE,
    FloatArray,
    count_nan,
    drop_gaps,
    fill_nan,
    put_back,
    rolling_max,
    rolling_mean,
    rolling_min,
    smooth,
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

    A typical price equal to the one before counts on neither side; no flow at all gives 0.
    """
    rising = np.empty(close.size)
    falling = np.empty(close.size)
    fill_nan(rising, 0, 1)
    fill_nan(falling, 0, 1)
    for i in range(1, close.size):
        typical = (high[i] + low[i] + close[i]) / 3.0
        change = typical - (high[i - 1] + low[i - 1] + close[i - 1]) / 3.0
        flow = typical * volume[i] + 0.0 * change
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
    if gaps == 0:
        _obv(close, volume, out)
        return
    kept = np.empty(close.size - gaps)
    _obv(drop_gaps(close, marker, gaps), drop_gaps(volume, marker, gaps), kept)
    put_back(marker, kept, out)


@jit
def _bars_since_extreme(values: FloatArray, sign: float, window: int, out: FloatArray) -> None:
    """Bars since the largest ``sign * value`` of each window, the latest one where several are equal."""
    fill_nan(out, 0, window - 1)
    left = np.empty(window)
    left_age = np.empty(window)
    for anchor in range(window - 1, values.size, window):
        before = values[anchor - window + 1 : anchor + 1]
        best = sign * values[anchor]
        position = window - 1.0
        for i in range(window - 1, -1, -1):
            value = sign * before[i]
            if value > best or value != value:
                best = value
                position = i
            left[i] = best
            left_age[i] = window - 1 - position
        after = values[anchor : min(values.size, anchor + window)]
        result = out[anchor : anchor + after.size]
        best = sign * values[anchor]
        position = 0.0
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


@jit
def _directional_moves(high: FloatArray, low: FloatArray, plus: FloatArray, minus: FloatArray) -> None:
    """Wilder's directional movement of each bar: the larger of the two extensions of the range, or none."""
    fill_nan(plus, 0, 1)
    fill_nan(minus, 0, 1)
    for i in range(1, high.size):
        rise = high[i] - high[i - 1]
        fall = low[i - 1] - low[i]
        plus[i] = rise if rise > 0.0 and rise > fall else 0.0
        minus[i] = fall if fall > 0.0 and fall > rise else 0.0


@jit
def _wilder_average(values: FloatArray, period: int) -> None:
    """Wilder's running sum over ``period``, in place: seeded with the values 1 ... ``period - 1``.

    ``S - S / period + x`` is ``period`` times an exponential average; the average is what is stored.
    """
    level = 0.0
    for i in range(1, min(period, values.size)):
        level += values[i]
    level /= period
    fill_nan(values, 0, period - 1)
    if values.size >= period:
        values[period - 1] = level
        smooth(values[period:], 1.0 / period, level, values[period:])


@jit
def _directional_movement(
    high: FloatArray, low: FloatArray, period: int, plus: FloatArray, minus: FloatArray
) -> None:
    _directional_moves(high, low, plus, minus)
    _wilder_average(plus, period)
    _wilder_average(minus, period)
    for i in range(plus.size):
        plus[i] *= period
        minus[i] *= period


@jit
def directional_movement(
    high: FloatArray, low: FloatArray, period: int, plus: FloatArray, minus: FloatArray
) -> None:
    """Wilder's smoothed directional movement (TA-Lib PLUS_DM, MINUS_DM); first value at ``period - 1``."""
    marker = high + low
    gaps = count_nan(marker)
    if gaps == 0:
        _directional_movement(high, low, period, plus, minus)
        return
    rows = np.empty((2, high.size - gaps))
    _directional_movement(
        drop_gaps(high, marker, gaps), drop_gaps(low, marker, gaps), period, rows[0], rows[1]
    )
    put_back(marker, rows[0], plus)
    put_back(marker, rows[1], minus)


@jit
def _adx_line(plus: FloatArray, minus: FloatArray, period: int, dx: FloatArray, adx: FloatArray) -> None:
    """DX and ADX of given directional indicators, which start at ``period``.

    Without any movement DX repeats its last value and ADX does not move (TA-Lib).
    """
    fill_nan(dx, 0, period)
    fill_nan(adx, 0, 2 * period - 1)
    index = 0.0
    level = 0.0
    for i in range(period, plus.size):
        both = plus[i] + minus[i]
        moved = both > 0.0
        if moved:
            index = 100.0 * (abs(plus[i] - minus[i]) / both)
        dx[i] = index
        if i < 2 * period:
            level += index / period if moved else 0.0
        elif moved:
            level += (index - level) / period
        if i >= 2 * period - 1:
            adx[i] = level


@jit
def _directional(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    period: int,
    plus_di: FloatArray,
    minus_di: FloatArray,
    dx: FloatArray,
    adx: FloatArray,
) -> None:
    _directional_moves(high, low, plus_di, minus_di)
    true_range(high, low, close, dx)
    _wilder_average(plus_di, period)
    _wilder_average(minus_di, period)
    _wilder_average(dx, period)
    for i in range(period, close.size):
        width = dx[i]
        plus_di[i] = 100.0 * (plus_di[i] / width) if width > 0.0 else 0.0
        minus_di[i] = 100.0 * (minus_di[i] / width) if width > 0.0 else 0.0
    fill_nan(plus_di, 0, period)
    fill_nan(minus_di, 0, period)
    _adx_line(plus_di, minus_di, period, dx, adx)


@jit
def directional(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    period: int,
    plus_di: FloatArray,
    minus_di: FloatArray,
    dx: FloatArray,
    adx: FloatArray,
) -> None:
    """Wilder's directional system: +DI, -DI and DX from bar ``period``, ADX from ``2 * period - 1``."""
    marker = high + low + close
    gaps = count_nan(marker)
    if gaps == 0:
        _directional(high, low, close, period, plus_di, minus_di, dx, adx)
        return
    rows = np.empty((4, close.size - gaps))
    _directional(
        drop_gaps(high, marker, gaps),
        drop_gaps(low, marker, gaps),
        drop_gaps(close, marker, gaps),
        period,
        rows[0],
        rows[1],
        rows[2],
        rows[3],
    )
    put_back(marker, rows[0], plus_di)
    put_back(marker, rows[1], minus_di)
    put_back(marker, rows[2], dx)
    put_back(marker, rows[3], adx)


@jit
def adx(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Average directional index (Wilder 1978); first value at ``2 * period - 1``."""
    rows = np.empty((3, close.size))
    directional(high, low, close, period, rows[0], rows[1], rows[2], out)


@jit
def adxr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, out: FloatArray) -> None:
    """Mean of ADX now and ``period - 1`` bars before; first value at ``3 * period - 2``."""
    line = np.empty(close.size)
    adx(high, low, close, period, line)
    fill_nan(out, 0, period - 1)
    for i in range(period - 1, close.size):
        out[i] = (line[i] + line[i - period + 1]) / 2.0


@jit
def _sar(high: FloatArray, low: FloatArray, step: float, limit: float, out: FloatArray) -> None:
    fill_nan(out, 0, 1)
    if high.size < 2:
        return
    fall = low[0] - low[1]
    rising = not (fall > 0.0 and fall > high[1] - high[0])
    extreme = high[1] if rising else low[1]
    stop = low[0] if rising else high[0]
    factor = step
    for i in range(1, high.size):
        # The first bar looks at itself in place of the bar before (TA-Lib).
        before = max(i - 1, 1)
        if rising:
            floor = min(low[before], low[i])
            if low[i] <= stop:
                rising = False
                ceiling = max(high[before], high[i])
                stop = max(extreme, ceiling)
                out[i] = stop
                factor = step
                extreme = low[i]
                stop = max(stop + factor * (extreme - stop), ceiling)
            else:
                out[i] = stop
                if high[i] > extreme:
                    extreme = high[i]
                    factor = min(factor + step, limit)
                stop = min(stop + factor * (extreme - stop), floor)
        else:
            ceiling = max(high[before], high[i])
            if high[i] >= stop:
                rising = True
                floor = min(low[before], low[i])
                stop = min(extreme, floor)
                out[i] = stop
                factor = step
                extreme = high[i]
                stop = min(stop + factor * (extreme - stop), floor)
            else:
                out[i] = stop
                if low[i] < extreme:
                    extreme = low[i]
                    factor = min(factor + step, limit)
                stop = max(stop + factor * (extreme - stop), ceiling)


@jit
def sar(high: FloatArray, low: FloatArray, step: float, limit: float, out: FloatArray) -> None:
    """Parabolic stop and reverse (Wilder 1978): acceleration grows by ``step`` up to ``limit``."""
    marker = high + low
    gaps = count_nan(marker)
    if gaps == 0:
        _sar(high, low, step, limit, out)
        return
    kept = np.empty(high.size - gaps)
    _sar(drop_gaps(high, marker, gaps), drop_gaps(low, marker, gaps), step, limit, kept)
    put_back(marker, kept, out)
