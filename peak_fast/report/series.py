"""What an equity picture shows, worked out once for both renderers: curves, ticks, labels, markers.

Bars are spaced evenly along the x axis (nights and weekends leave no gap); ticks sit where the calendar
turns. A curve of any length is reduced to its lowest and highest value per column before it is drawn, so a
one-bar spike among a million bars stays visible.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.entries import fold_columns

# Exit reason of a position that the last bar left open.
STILL_OPEN = "open"
# A linear axis shows nothing of the early years once a curve has grown by this factor.
LOG_SCALE_FROM = 20.0
_EPOCH = dt.datetime(1970, 1, 1)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_SECOND_STEPS = (1, 5, 15, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE,
                 _HOUR, 2 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY)  # fmt: skip
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 2_400, 6_000, 12_000, 24_000)


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick: where (data coordinates) and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Markers:
    """Entries and exits of the trades that are marked.

    Attributes
    ----------
    entry_bar, exit_bar : ndarray of int64
        Positions on the x axis; an open trade has exit bar -1.
    is_long, is_win : ndarray of bool
        Direction, and whether the net profit is positive.
    total : int
        Trades in all, of which ``len(entry_bar)`` are marked.
    """

    entry_bar: IntArray
    exit_bar: IntArray
    is_long: NDArray[np.bool_]
    is_win: NDArray[np.bool_]
    total: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that an equity picture shows.

    Attributes
    ----------
    equity, benchmark, drawdown : ndarray of float64, shape (n_bars,)
        Finite everywhere; ``benchmark`` may be ``None``. ``drawdown`` is a fraction <= 0.
    """

    equity: FloatArray
    benchmark: FloatArray | None
    drawdown: FloatArray
    time_us: IntArray | None
    time_zone: str | None
    markers: Markers
    title: str
    subtitle: str
    log_scale: bool
    benchmark_name: str = "Buy and hold"


def filled(values: Any) -> FloatArray:
    """``values`` as float64 with every non-finite entry replaced by the last finite one before it.

    Leading gaps take the first finite value; without any finite value the result is all zero.
    """
    array = np.ascontiguousarray(values, dtype=np.float64).ravel()
    finite = np.isfinite(array)
    if finite.all():
        return array
    if not finite.any():
        return np.zeros_like(array)
    index = np.where(finite, np.arange(len(array)), 0)
    index = np.maximum.accumulate(index)
    index[: int(np.argmax(finite))] = int(np.argmax(finite))
    return np.asarray(array[index])


def drawdown_of(equity: FloatArray, start: float | None = None) -> FloatArray:
    """Fraction below the running maximum, <= 0; 0 where the running maximum is not positive.

    ``start`` is the capital before the first bar, which counts as the first maximum.
    """
    peak = np.maximum.accumulate(equity)
    if start is not None:
        peak = np.maximum(peak, start)
    positive = peak > 0.0
    ratio = np.divide(equity, peak, out=np.ones_like(equity), where=positive)
    return np.asarray(np.minimum(ratio - 1.0, 0.0))


def buy_and_hold(close: Any, initial: float) -> FloatArray | None:
    """Equity of holding the instrument from the first valid close on, starting at ``initial``.

    Returns ``None`` for prices at or below zero, which have no returns. Source: the definition,
    ``initial * close / close[0]``.
    """
    prices = filled(close)
    if len(prices) == 0 or not prices.min() > 0.0:
        return None
    return np.asarray(prices * (initial / prices[0]))


def min_max_points(values: FloatArray, max_points: int = 2_000) -> tuple[IntArray, FloatArray]:
    """At most ``max_points`` points that keep every bucket's lowest and highest value, in order.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite values.
    max_points
        Largest number of points, at least 4. The first and the last point are always kept.

    Returns
    -------
    (index, value)
        Positions in ``values`` (increasing) and the values there.
    """
    n = len(values)
    if n <= max_points:
        return np.arange(n, dtype=np.int64), values
    buckets = max((max_points - 2) // 2, 1)
    width = -(-n // buckets)
    full = n // width
    blocks = values[: full * width].reshape(full, width)
    start = np.arange(full, dtype=np.int64) * width
    picks = [
        np.array([0, n - 1], dtype=np.int64),
        start + blocks.argmin(axis=1),
        start + blocks.argmax(axis=1),
    ]
    if full * width < n:
        tail = values[full * width :]
        picks.append(np.array([tail.argmin(), tail.argmax()], dtype=np.int64) + full * width)
    index = np.unique(np.concatenate(picks))
    return index, values[index]


def column_spans(values: FloatArray, columns: int) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest value of the polyline through ``values`` in each of ``columns`` pixel columns.

    The polyline is cut exactly at the column borders, so short series give joined, sloped lines and long
    ones give the full range of each column.

    Returns
    -------
    (low, high) : ndarrays, shape (columns,)
    """
    n = len(values)
    if n == 1:
        return np.repeat(values, columns), np.repeat(values, columns)
    return fold_columns(np.ascontiguousarray(values, dtype=np.float64), columns)


def linear_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """About ``count`` round numbers (1, 2 or 5 times a power of ten) within ``[low, high]``."""
    span = high - low
    if not (math.isfinite(span) and span > 0.0):
        return [low]
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= 0.8 * raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) if step < 1.0 else i * step for i in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int = 7) -> list[float]:
    """Round numbers for a logarithmic axis from ``low`` to ``high`` (both positive)."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for multiples in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**e for e in range(first, last + 1) for m in multiples]
        ticks = [t for t in ticks if low <= t <= high]
        if len(ticks) <= count + 2:
            return ticks
    return ticks[:: -(-len(ticks) // count)]


def money(value: float, step: float | None = None) -> str:
    """Short label of an amount: ``950``, ``12.5k``, ``1.2M``; ``step`` sets the digits needed."""
    size = abs(value)
    scale, unit = next(
        ((s, u) for s, u in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")) if size >= s), (1.0, "")
    )
    scaled = value / scale
    smallest = abs(step) / scale if step else abs(scaled) * 0.01
    decimals = min(max(-math.floor(math.log10(smallest) + 1e-9), 0), 6) if smallest > 0.0 else 0
    text = f"{scaled:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return ("0" if text in ("-0", "") else text) + unit


def percent(value: float, decimals: int = 0) -> str:
    """``-12%`` from ``-0.12``."""
    return f"{100.0 * value:z.{decimals}f}%"  # z: no minus before zeros


def _local(time_us: int, zone: ZoneInfo | None) -> dt.datetime:
    moment = _EPOCH + dt.timedelta(microseconds=time_us)
    if zone is None:
        return moment
    return moment.replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)


def _to_us(local: dt.datetime, zone: ZoneInfo | None) -> int:
    if zone is not None:
        local = local.replace(tzinfo=zone).astimezone(dt.UTC).replace(tzinfo=None)
    return round((local - _EPOCH) / dt.timedelta(microseconds=1))


def _calendar(start: dt.datetime, end: dt.datetime, count: int) -> tuple[list[dt.datetime], str]:
    """Round moments between two local times, and the ``strftime`` format that tells them apart."""
    seconds = (end - start).total_seconds()
    step = next((s for s in _SECOND_STEPS if seconds / s <= count), None)
    if step is not None:
        base = _EPOCH + dt.timedelta(seconds=math.ceil((start - _EPOCH).total_seconds() / step) * step)
        moments = [base + dt.timedelta(seconds=i * step) for i in range(count + 1)]
        if step < _MINUTE:
            form = "%H:%M:%S"
        elif step < _DAY:
            form = "%H:%M" if start.date() == end.date() else "%d %b %H:%M"
        else:
            form = "%d %b %Y"
        return [m for m in moments if m <= end], form
    months = (end.year - start.year) * 12 + end.month - start.month
    stride = next((s for s in _MONTH_STEPS if months / s <= count), _MONTH_STEPS[-1])
    first = -(-(start.year * 12 + start.month - 1) // stride) * stride
    numbers = [n for n in range(first, end.year * 12 + end.month, stride) if n // 12 <= dt.MAXYEAR]
    moments = [dt.datetime(n // 12, n % 12 + 1, 1) for n in numbers]
    return [m for m in moments if start <= m <= end], "%Y" if stride >= 12 else "%b %Y"


def time_ticks(time_us: IntArray | None, n_bars: int, time_zone: str | None, count: int = 8) -> list[Tick]:
    """Ticks of the x axis: bar positions where the calendar turns, or bar numbers without usable times.

    Parameters
    ----------
    time_us : ndarray of int64 or None, shape (n_bars,)
        Increasing microseconds since the epoch, UTC.
    time_zone
        IANA name in which days begin, or ``None`` for UTC.
    count
        Largest number of ticks wanted.
    """
    if n_bars < 2 or time_us is None or len(time_us) != n_bars or time_us[-1] <= time_us[0]:
        whole = [round(t) for t in linear_ticks(0, max(n_bars - 1, 0), count)]
        return [Tick(float(t), f"{t:,}") for t in dict.fromkeys(whole)]
    try:
        zone = ZoneInfo(time_zone) if time_zone else None
        start, end = _local(int(time_us[0]), zone), _local(int(time_us[-1]), zone)
        moments, form = _calendar(start, end, count)
        wanted = [_to_us(m, zone) for m in moments]
    except (ValueError, OverflowError, KeyError, OSError):
        return time_ticks(None, n_bars, None, count)
    places = np.searchsorted(time_us, np.array(wanted, dtype=np.int64))
    ticks: dict[int, Tick] = {}
    for place, moment in zip(places.tolist(), moments, strict=True):
        ticks.setdefault(place, Tick(float(min(place, n_bars - 1)), moment.strftime(form)))
    return list(ticks.values())


def pick_markers(columns: Mapping[str, Any], n_bars: int, max_marked: int) -> Markers:
    """Trades to mark: all of them, or the ``max_marked`` with the largest absolute net profit.

    ``columns`` is what :func:`peak_fast.report.trades.trade_columns` returns.
    """
    entry = np.asarray(columns["entry_bar"], dtype=np.int64)
    still_open = np.array([reason == STILL_OPEN for reason in columns["exit_reason"]], dtype=np.bool_)
    leave = np.where(still_open, -1, np.asarray(columns["exit_bar"], dtype=np.int64))
    profit = np.asarray(columns["net_pnl"], dtype=np.float64)
    side = np.asarray(columns["side"], dtype=np.int64)
    total = len(entry)
    chosen = np.flatnonzero((entry >= 0) & (entry < n_bars) & (leave < n_bars))
    if len(chosen) > max_marked:
        size = np.abs(np.nan_to_num(profit[chosen]))
        chosen = np.sort(chosen[np.argpartition(size, -max_marked)[-max_marked:]])
    return Markers(entry[chosen], leave[chosen], side[chosen] > 0, profit[chosen] > 0.0, total)


def day(time_us: int) -> str:
    """``2015-01-02`` of microseconds since the epoch (UTC)."""
    return f"{_local(int(time_us), None):%Y-%m-%d}"
