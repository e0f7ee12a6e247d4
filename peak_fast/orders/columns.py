"""Market data that come beside the bars of an order-level run: one value a bar, and finer bars inside of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from peak_fast.data import Bars, aligned, aligned_table, calendar_of_bars, check_zone, numbers_of, shown_time
from peak_fast.errors import DataError
from peak_fast.orders.memory import as_column
from peak_fast.settings import EVERY_BAR, are_moments, bars_of_moments, check_funding, payments
from peak_kernels.arrays import FloatArray, IntArray

# Prices of finer bars may differ from those of the bars by the rounding of the arithmetic that made them.
_ROUNDING = 1e-9


def notes_of(names: Sequence[str], every: Sequence[Bars]) -> list[str]:
    """Notes of the bars of all assets, with the asset's name where there are several."""
    pairs = ((name, note) for name, item in zip(names, every, strict=True) for note in item.notes)
    return [f"{name}: {note}" if len(names) > 1 else note for name, note in pairs]


def bar_column(
    name: str, value: Any, every: Sequence[Bars], notes: list[str], *, levels: bool = False
) -> FloatArray:
    """A number, ``[bar]`` or ``[asset, bar]`` as ``[asset, bar]``; ``(0, 0)`` for None.

    Parameters
    ----------
    value
        A pandas or Polars object that carries times is put at the bars of these times; a frame has a column for each
        asset.
    every
        Bars of the assets, on one calendar.
    notes, levels
        As for `peak_fast.data.alignment.aligned`.

    Raises
    ------
    DataError
        Another shape, other times, or values that are no finite numbers.
    """
    names = [item.name for item in every]
    value = aligned_table(value, calendar_of_bars(every[0]), names, name, notes, levels=levels)
    if value is not None:
        value, boolean = numbers_of(value, name)
        if boolean:
            raise DataError(f"{name}: expected numbers; got booleans; write the numbers that they stand for")
    return as_column(name, value, (len(every), len(every[0])))


def funding_column(funding: Any, times: Any, every: Sequence[Bars], notes: list[str]) -> FloatArray:
    """Rate that is paid at the close of each bar, ``[asset, bar]``; NaN: none.  Without funding ``(0, 0)``.

    A moment belongs to the bar in which it lies, its end included: who holds at the close that ends at 08:00 pays what
    is due at 08:00.  Several in one bar add up; one between two bars belongs to the first.

    Parameters
    ----------
    funding
        A rate, or one for each bar (with a schedule: what is paid at a moment in that bar), or for each of the moments.
    times
        None: ``funding`` is a column of rates that are paid at the close of their bars.  ``"bar"``: every bar pays.
        Else a schedule (``"8h"``, times of day in UTC), or moments.

    Raises
    ------
    ConfigError
        See `peak_fast.settings.funding.check_funding`.
    DataError
        Rates and moments differ in number, none of them lies in the bars, or the bars have no times.
    """
    check_funding(funding, times)
    if times is None or (isinstance(times, str) and times == EVERY_BAR):
        return bar_column("funding", funding, every, notes)
    bars = every[0]
    if not bars.has_time:
        raise DataError(
            f"funding_times: {bars.name!r} has no times to find them in; expected bars with a time column, or one "
            "value of funding for each bar"
        )
    if not are_moments(times):
        counts = payments(times, bars)
        return np.where(counts > 0, bar_column("funding", funding, every, notes) * counts, np.nan)
    place, moments = bars_of_moments(times, bars)
    funding = aligned(funding, moments, "funding", notes)
    rates = as_column("funding", numbers_of(funding, "funding")[0], (1, place.size))[0]
    inside = (place >= 0) & (place < len(bars)) & ~np.isnan(rates)
    if not inside.any():
        raise DataError(
            "funding_times: none of the moments lies in the bars; expected moments in UTC, as bars have"
        )
    if not inside.all():
        notes.append(
            f"funding: {int((~inside).sum())} of {place.size} moments passed over, outside of the bars or NaN"
        )
    row = np.full(len(bars), np.nan)
    row[place[inside]] = 0.0
    np.add.at(row, place[inside], rates[inside])
    return np.array(np.broadcast_to(row, (len(every), len(bars))))


def detail_bars(detail: Any, bars: Bars, notes: list[str]) -> tuple[FloatArray, IntArray]:
    """Finer bars of the first asset, and where each bar's begin.

    Parameters
    ----------
    detail
        Anything `Bars.from_frame` takes; None: none.
    notes
        Gets a sentence on rows before the first bar or behind the last one, and on bars without rows of their own.

    Returns
    -------
    tuple
        float64[rows, 4] of open, high, low, close, and int64[n_bars + 1] of first rows.

    Raises
    ------
    DataError
        No times, missing prices, or prices that leave the range of their bar.
    """
    if detail is None:
        return np.empty((0, 4)), np.empty(0, dtype=np.int64)
    fine = Bars.from_frame(detail)
    if fine.has_nan:
        raise DataError("detail bars have missing prices: drop those rows")
    if not (fine.has_time and bars.has_time):
        raise DataError("detail bars are found by their time: bars and detail need a column of time stamps")
    check_zone(fine.time_zone, bars.time_zone, "detail")
    inside_us = fine.inside_us
    stop = int(np.searchsorted(inside_us, _end_of(bars), side="left"))
    start = np.minimum(np.searchsorted(inside_us, bars.opens_us, side="left"), stop)
    start = np.append(start, stop).astype(np.int64)
    _check_ranges(fine, bars, start)
    outside = len(fine) - int(start[-1] - start[0])
    if outside:
        notes.append(
            f"detail: {outside} of {len(fine)} rows passed over, before the first bar or behind the last"
        )
    bare = int((np.diff(start) == 0).sum())
    if bare:
        notes.append(
            f"detail: {bare} of {len(bars)} bars have no rows of their own; events inside them are not known"
        )
    prices = np.ascontiguousarray(np.column_stack((fine.open, fine.high, fine.low, fine.close)))
    return prices, start


def _end_of(bars: Bars) -> int:
    """When the last bar ends: as long after its beginning as most bars; the end of time for a single bar."""
    if bars.stamp == "close":
        return int(bars.time_us[-1])
    if len(bars) < 2:
        return int(np.iinfo(np.int64).max)
    return int(bars.time_us[-1]) + int(np.median(np.diff(bars.time_us)))


def _check_ranges(fine: Bars, bars: Bars, start: IntArray) -> None:
    """Refuse detail of other prices than the bars': a fill would lie where the bar says that there was no trade."""
    held = np.flatnonzero(np.diff(start) > 0)
    if not held.size:
        raise DataError(
            f"detail: none of its {len(fine)} rows lies in a bar; it runs from {shown_time(fine.time_us[0])} to "
            f"{shown_time(fine.time_us[-1])}, the bars from {shown_time(bars.time_us[0])} to "
            f"{shown_time(bars.time_us[-1])}; expected finer bars of the same time"
        )
    stop = int(start[-1])
    low = np.minimum.reduceat(fine.low[:stop], start[held])
    high = np.maximum.reduceat(fine.high[:stop], start[held])
    room = _ROUNDING * np.abs(high)
    wrong = (low < bars.low[held] - room) | (high > bars.high[held] + room)
    if wrong.any():
        first = int(np.argmax(wrong))
        bar = int(held[first])
        raise DataError(
            f"detail: its rows in bar {bar} ({shown_time(bars.time_us[bar])}) run from {low[first]:g} to "
            f"{high[first]:g}, the bar from {bars.low[bar]:g} to {bars.high[bar]:g} ({int(wrong.sum())} such bars); "
            "expected the same prices: adjust both for splits or none, or make the bars from the detail, "
            "fine.resample('1D').agg({'open': 'first', 'high': 'max', 'low': 'min', 'close': 'last'})"
        )
