"""Many rows of one indicator in one call, for the planes that rule strategies compare.

A call from Python costs as much as a short row, and threads that return to Python for every row spend their
time waiting for each other.  Each kernel is ``kernel(values, periods, rows)``: ``periods`` int64[n], ``rows``
float64[n, at least len(values)]; columns behind the last bar are left alone.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import indicators
from peak_kernels._jit import jit
from peak_kernels.types import FloatArray, IntArray


@jit
def sma_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Simple moving averages."""
    for k in range(periods.size):
        indicators.sma(values, periods[k], rows[k, : values.size])


@jit
def ema_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Exponential moving averages."""
    for k in range(periods.size):
        indicators.ema(values, periods[k], rows[k, : values.size])


@jit
def rsi_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Relative strength indices."""
    for k in range(periods.size):
        indicators.rsi(values, periods[k], rows[k, : values.size])


@jit
def roc_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Rates of change."""
    for k in range(periods.size):
        indicators.roc(values, periods[k], rows[k, : values.size])


@jit
def highest_before_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Largest of the ``period`` bars before each bar: what was known when it began."""
    for k in range(periods.size):
        rows[k, 0] = np.nan
        indicators.highest(values[:-1], periods[k], rows[k, 1 : values.size])


@jit
def lowest_before_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Smallest of the ``period`` bars before each bar."""
    for k in range(periods.size):
        rows[k, 0] = np.nan
        indicators.lowest(values[:-1], periods[k], rows[k, 1 : values.size])
