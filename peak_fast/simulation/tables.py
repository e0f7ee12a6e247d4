"""Bars as what kernels read: their rows of prices, where these are, or a table of them, made once for each `Bars`."""

from __future__ import annotations

import numpy as np

from peak_fast.data import Bars, bars_over, known_years
from peak_fast.simulation.spare import table_of
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray


def price_rows(bars: Bars, years: bool = False) -> tuple[FloatArray, ...]:
    """Open, high, low, close, last known close and, with ``years``, the bars a year known at each bar; not copied.

    Six arrays in every case: without ``years`` the last one says nothing.
    """
    rows = bars._rows
    if rows is None and bars._first is not None:
        rows = price_rows(bars._first)
    if rows is None or (years and rows[t.YEAR] is rows[t.MARK]):
        mark = bars.mark
        rows = (
            bars.open,
            bars.high,
            bars.low,
            bars.close,
            mark,
            known_years(bars.inside_us) if years else mark,
        )
        object.__setattr__(bars, "_rows", rows)
    return rows


def price_table(bars: Bars, years: bool = False) -> FloatArray:
    """float64[5, n_bars] of open, high, low, close and last known close; made once for each Bars.

    With ``years`` there is a sixth row, the bars a year that were known at each bar (`peak_kernels.slots`).
    """
    table = bars._table if bars._first is None else price_table(bars._first, years)
    if table is None or (years and len(table) <= t.YEAR):
        table = table_of(t.YEAR + years, len(bars))
        rows = [bars.open, bars.high, bars.low, bars.close, bars.mark]
        if years:
            rows.append(known_years(bars.inside_us))
        for row, values in zip(table, rows, strict=True):
            row[:] = values
        object.__setattr__(bars, "_table", table)
    result: FloatArray = table
    return result


def prices_for(bars: Bars, settings: FloatArray) -> FloatArray:
    """Table of prices with what one configuration's settings need."""
    return price_table(bars, bool(settings[t.SIZE_MODE] == t.SIZE_VOLATILITY))


def rows_for(bars: Bars, settings: FloatArray) -> tuple[FloatArray, ...]:
    """Rows of prices with what one configuration's settings need."""
    return price_rows(bars, bool(settings[t.SIZE_MODE] == t.SIZE_VOLATILITY))


def calendar_table(bars: Bars, daily: bool) -> IntArray:
    """int64[2, n_bars]: next bar with prices, number of the day; no columns where neither is needed."""
    if not (daily or bars.has_nan):
        return np.empty((2, 0), np.int64)
    count = len(bars)
    table = np.empty((2, count), np.int64)
    valid = np.where(np.isnan(bars.close), count, np.arange(count))
    table[t.NEXT_VALID] = np.minimum.accumulate(valid[::-1])[::-1]
    table[t.DAY] = bars.day
    return table


def movable(bars: Bars, years: bool = False) -> tuple[Bars, FloatArray, FloatArray | None]:
    """A copy of the bars whose owner may write to their table of prices, and to their volume, between two runs."""
    table = price_table(bars, years).copy()
    volume = None if bars.volume is None else bars.volume.copy()
    made = bars_over(bars, table, volume)
    object.__setattr__(made, "_table", table)
    object.__setattr__(made, "_rows", rows_of(table))
    return made, table, volume


def rows_of(table: FloatArray) -> tuple[FloatArray, ...]:
    """The rows of a table of `price_table`, as those of `price_rows`."""
    return (*table, table[t.MARK]) if len(table) <= t.YEAR else tuple(table)
