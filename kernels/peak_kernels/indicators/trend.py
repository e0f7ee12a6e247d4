"""Wilder's trend systems (1978): directional movement, ADX, parabolic stop; with TA-Lib's conventions.

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
    put_back,
    row_without_gaps,
    smooth,
    without_gaps,
)
from peak_kernels.indicators.usual import true_range


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
    plus_row = row_without_gaps(plus, gaps)
    minus_row = row_without_gaps(minus, gaps)
    _directional_movement(
        without_gaps(high, marker, gaps), without_gaps(low, marker, gaps), period, plus_row, minus_row
    )
    put_back(marker, plus_row, plus)
    put_back(marker, minus_row, minus)


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
    plus_row = row_without_gaps(plus_di, gaps)
    minus_row = row_without_gaps(minus_di, gaps)
    dx_row = row_without_gaps(dx, gaps)
    adx_row = row_without_gaps(adx, gaps)
    _directional(
        without_gaps(high, marker, gaps),
        without_gaps(low, marker, gaps),
        without_gaps(close, marker, gaps),
        period,
        plus_row,
        minus_row,
        dx_row,
        adx_row,
    )
    put_back(marker, plus_row, plus_di)
    put_back(marker, minus_row, minus_di)
    put_back(marker, dx_row, dx)
    put_back(marker, adx_row, adx)


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
    row = row_without_gaps(out, gaps)
    _sar(without_gaps(high, marker, gaps), without_gaps(low, marker, gaps), step, limit, row)
    put_back(marker, row, out)
