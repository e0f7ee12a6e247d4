"""Columns of a frame in one pass over them: whether all values may be prices, whether they are the same as others.

Reads columns; the answers are numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

# Rows after which a pass that has found something stops; a multiple of every vector's length.
_STRETCH = 4096


@jit(inline=True)
def are_clean(
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    volume: FloatArray,
    time_us: IntArray,
    earliest: int,
    latest: int,
) -> bool:
    """Whether no check of `peak_fast.data.checks` can fail: its ``values_are_clean``, in one pass.

    Every comparison with NaN is false, so clean columns have no NaN and no infinity.

    Parameters
    ----------
    prices
        Open, high, low and close: float64[bars] each, at least one bar.
    volume, time_us
        float64[bars] and int64[bars]; one without elements stands for none.
    earliest, latest
        Bounds of the times.
    """
    open_, high, low, close = prices
    bars = close.size
    timed, counted = time_us.size > 0, volume.size > 0
    if timed and (time_us[0] < earliest or time_us[bars - 1] > latest):
        return False
    start: Any = np.int64(0)
    while start < bars:
        stop = min(start + _STRETCH, bars)
        found = _strange_prices(open_[start:stop], high[start:stop], low[start:stop], close[start:stop])
        if counted:
            found |= _strange_volumes(volume[start:stop])
        if timed:
            # One time more, to compare it with the first one of the next stretch.
            found |= _falling(time_us[start : stop + 1])
        if found != 0:
            return False
        start = stop
    return True


# Loops from zero over views of their own, without branches: LLVM turns them into vectors.


@jit(inline=True)
def _strange_prices(open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> int:
    found = 0
    for k in range(close.size):
        inside = (low[k] <= open_[k]) & (open_[k] <= high[k]) & (low[k] <= close[k]) & (close[k] <= high[k])
        found |= not (inside & (low[k] > 0.0) & (high[k] < math.inf))
    return found


@jit(inline=True)
def _strange_volumes(volume: FloatArray) -> int:
    found = 0
    for k in range(volume.size):
        found |= not ((volume[k] >= 0.0) & (volume[k] < math.inf))
    return found


@jit(inline=True)
def _falling(time_us: IntArray) -> int:
    found = 0
    for k in range(time_us.size - 1):
        found |= time_us[k + 1] <= time_us[k]
    return found


@jit(inline=True)
def are_same(one: IntArray, other: IntArray) -> bool:
    """Whether two columns of one length hold the same words; NaN is the same as itself, and 0.0 is not -0.0."""
    start: Any = np.int64(0)
    while start < one.size:
        stop = min(start + _STRETCH, one.size)
        if _difference(one[start:stop], other[start:stop]) != 0:
            return False
        start = stop
    return True


@jit(inline=True)
def _difference(one: IntArray, other: IntArray) -> int:
    found = 0
    for k in range(one.size):
        found |= one[k] ^ other[k]
    return found
