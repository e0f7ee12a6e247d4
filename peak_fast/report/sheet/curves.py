"""Curves of a result for the page's charts: one point a bar, or the lowest and the highest of equal stretches of bars.

A page of a million bars stays small: it holds at most `MAX_POINTS` stretches, from which its script makes the coarser
ones, and every bar only around entries and exits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.report.series import drawdown_of, filled
from peak_kernels.arrays import FloatArray, IntArray

MAX_POINTS = 32_768
MAX_DETAIL = 60_000
AROUND = (40, 24, 12, 6, 3)
"""Bars kept around entries and exits: the most that `MAX_DETAIL` allows."""

Columns = dict[str, Any]


def beside_of(columns: Columns) -> dict[str, str]:
    """Of each column that lies near an earlier one, the earlier one's name."""
    near = {
        name: f"{name[:-5]}_low"
        for name in columns
        if name.endswith("_high") and not name.startswith("detail")
    }
    near |= {f"detail_{name}": "detail_close" for name in ("open", "high", "low")}
    near |= dict.fromkeys(("open", "high", "low"), "price")
    near |= {"trade_exit_price": "trade_entry_price", "trade_exit_bar": "trade_entry_bar"}
    near["trade_exit_time"] = "trade_entry_time"
    return {name: other for name, other in near.items() if name in columns and other in columns}


def curve_columns(payload: Mapping[str, Any], benchmark: FloatArray | None) -> tuple[Columns, int]:
    """Columns of the charts, and how many bars a point stands for.

    Returns
    -------
    columns
        ``time``: seconds of the first bar of each point, as clocks of the data's zone show them (absent without
        times).  For each of ``price``, ``equity``, ``drawdown``, ``benchmark`` and what was held, one column where a
        point is a bar, else ``_low`` and ``_high``.  ``open``, ``high``, ``low`` where a point is a bar and they are
        known.
    width
        Bars of a point.
    """
    equity = filled(payload["equity"])
    count = equity.size
    width = -(-count // MAX_POINTS) if count else 1
    initial = (payload.get("stats") or {}).get("initial_cash")
    columns: Columns = {}
    clock = local_seconds(payload)
    if clock is not None:
        columns["time"] = clock[::width]
    values = filled(payload.get("values", equity))
    curves = {"equity": equity, "drawdown": drawdown_of(values, None if initial is None else float(initial))}
    if benchmark is not None:
        curves["benchmark"] = filled(benchmark)
    curves |= {f"held_{name}": values for name, values in (payload.get("held") or {}).items()}
    for name, values in curves.items():
        _put(columns, name, values, values, width)
    prices = payload.get("prices")
    if prices is not None:
        close = prices["close"]
        lowest = (close, close) if width == 1 else (prices.get("low", close), prices.get("high", close))
        _put(columns, "price", *lowest, width)
        if width == 1 and "open" in prices:
            columns |= {name: prices[name] for name in ("open", "high", "low")}
    return columns, width


def _put(columns: Columns, name: str, low: FloatArray, high: FloatArray, width: int) -> None:
    if width == 1:
        columns[name] = high
        return
    starts = np.arange(0, low.size, width)
    columns[f"{name}_low"] = np.fmin.reduceat(low, starts)
    columns[f"{name}_high"] = np.fmax.reduceat(high, starts)


def local_seconds(payload: Mapping[str, Any]) -> IntArray | None:
    """Seconds since 1970 that clocks of the data's zone show at each bar; None without times."""
    times = payload.get("time_us")
    if times is None or not len(times):
        return None
    zone = payload.get("time_zone")
    if zone not in (None, "UTC"):
        import polars as pl

        local = pl.Series(times).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(str(zone))
        times = local.dt.replace_time_zone(None, non_existent="null").to_physical().to_numpy()
    seconds: IntArray = np.floor_divide(np.asarray(times, dtype=np.int64), 1_000_000)
    return seconds


def detail_columns(payload: Mapping[str, Any], trades: Mapping[str, Any], width: int) -> tuple[Columns, int]:
    """Every bar around entries and exits, where a point of the curves is more than one bar, and how many around."""
    prices = payload.get("prices")
    count = len(payload["equity"])
    if width == 1 or prices is None or "open" not in prices:
        return {}, 0
    ends = np.concatenate((trades["entry_bar"], trades["exit_bar"]))
    ends = np.unique(ends[(ends >= 0) & (ends < count)])
    for around in AROUND:
        bars = _near(ends, around, count)
        if bars.size <= MAX_DETAIL:
            break
    else:
        bars = bars[:MAX_DETAIL]
    if not bars.size:
        return {}, 0
    columns: Columns = {"bar": bars}
    clock = local_seconds(payload)
    if clock is not None:
        columns["time"] = clock[bars]
    columns |= {name: prices[name][bars] for name in ("close", "open", "high", "low")}
    return {f"detail_{name}": values for name, values in columns.items()}, around


def _near(ends: IntArray, around: int, count: int) -> IntArray:
    """Bars at most so far from one of the ends, in their order."""
    counts = np.zeros(count + 1, dtype=np.int32)
    np.add.at(counts, np.maximum(ends - around, 0), 1)
    np.add.at(counts, np.minimum(ends + around + 1, count), -1)
    return np.flatnonzero(np.cumsum(counts[:-1]) > 0)
