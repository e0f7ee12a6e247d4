"""Scores of assets at single bars: what rules rank by, computed only where a decision is made.

``close`` is float64[asset, bar], NaN where an asset has no price; ``spans`` int64[3, asset] as `portfolio_slots` says;
``rows`` int64[k] the deciding bars; ``out`` float64[k, asset].  Values at a row depend on bars up to it alone.  Where
a price is missing inside an asset's life the last one before it counts.

Reads closes and spans, of the universe who is a member; writes scores.

Reads closes; writes a row of scores for each bar that is asked for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_kernels import portfolio_slots as p
from peak_kernels import simd
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

# Assets at a time: what is written of them for one bar fills a line of the cache.
_LINE = 8
# Decisions ahead whose prices are asked of memory: each lies in another place.
_AHEAD = 6


@jit(inline=True)
def known(closes: FloatArray, bar: int, gone: int) -> float:
    """The last close up to a bar at or behind the first one with a price; ``gone``: behind the last one."""
    at: Any = min(bar, gone - 1)
    while closes[at] != closes[at]:
        at -= 1
    return closes[at]


@jit(inline=True)
def are_whole(spans: IntArray, start: int, stop: int, bars: int) -> bool:
    """Whether some assets have a price at every bar."""
    whole = True
    for asset in range(start, stop):
        whole = whole and spans[p.LISTED, asset] == 0 and spans[p.HOLES, asset] == 0
        whole = whole and spans[p.GONE, asset] == bars
    return whole


@jit(inline=True)
def momentum_of_line(close: FloatArray, early: int, late: int, start: int, out: FloatArray) -> None:
    """Returns of a line of assets that have all prices, side by side."""
    for lane in range(_LINE):
        before, after = close[start + lane, early], close[start + lane, late]
        out[start + lane] = after / before - 1.0 if before > 0.0 else math.nan


@jit(inline=True)
def momentum_of(close: FloatArray, spans: IntArray, early: int, late: int, asset: int) -> float:
    """Return of one asset between two bars; NaN where it is younger."""
    if early < spans[p.LISTED, asset]:
        return math.nan
    gone = spans[p.GONE, asset]
    before, after = known(close[asset], early, gone), known(close[asset], late, gone)
    return after / before - 1.0 if before > 0.0 else math.nan


@jit(inline=True)
def momentum_into(
    close: FloatArray, spans: IntArray, rows: IntArray, lookback: int, skip: int, out: FloatArray
) -> None:
    """Return from ``skip + lookback`` bars before to ``skip`` bars before; NaN where the asset is younger."""
    assets, bars = close.shape
    for start in range(0, assets, _LINE):
        stop = min(start + _LINE, assets)
        whole = stop - start == _LINE and are_whole(spans, start, stop, bars)
        for k in range(rows.size):
            late = rows[k] - skip
            early = late - lookback
            ahead = min(k + _AHEAD, rows.size - 1)
            for asset in range(start, stop):
                simd.fetch_cell(close, asset, rows[ahead] - skip)
                simd.fetch_cell(close, asset, max(rows[ahead] - skip - lookback, 0))
            if whole and early >= 0:
                momentum_of_line(close, early, late, start, out[k])
            else:
                for asset in range(start, stop):
                    out[k, asset] = momentum_of(close, spans, early, late, asset)


@jit(inline=True)
def volatility_into(
    close: FloatArray, spans: IntArray, rows: IntArray, lookback: int, out: FloatArray
) -> None:
    """Population deviation of the last ``lookback`` bars' returns, which span bars without a price."""
    for asset in range(close.shape[0]):
        closes = close[asset]
        first = spans[p.LISTED, asset]
        for k in range(rows.size):
            start = rows[k] - lookback
            if start < first:
                out[k, asset] = math.nan
                continue
            before = known(closes, start, spans[p.GONE, asset])
            count, mean, squares = 0, 0.0, 0.0
            for bar in range(start + 1, rows[k] + 1):
                after = closes[bar]
                if after == after:
                    ret = after / before - 1.0
                    count += 1
                    step = ret - mean
                    mean += step / count
                    squares += step * (ret - mean)
                    before = after
            out[k, asset] = math.sqrt(squares / count) if count > 1 else math.nan


@jit(inline=True)
def taken_into(values: FloatArray, rows: IntArray, out: FloatArray) -> None:
    """Values that are known at every bar, float64[asset, bar], at the deciding bars."""
    for start in range(0, values.shape[0], _LINE):
        stop = min(start + _LINE, values.shape[0])
        for k in range(rows.size):
            for asset in range(start, stop):
                out[k, asset] = values[asset, rows[k]]


@jit(inline=True)
def screen(
    close: FloatArray, spans: IntArray, members: IntArray, rows: IntArray, priced: int, scores: FloatArray
) -> None:
    """Make NaN of the scores of assets that cannot be ranked.

    Parameters
    ----------
    members
        int64[k, asset] with 1 where the asset belongs to the universe; of no elements: all do.
    priced
        1: an asset without a price at the deciding bar is not ranked; 0: one that is not listed yet.
    """
    bars = close.shape[1]
    for asset in range(close.shape[0]):
        first, gone = spans[p.LISTED, asset], spans[p.GONE, asset]
        if priced == 0:
            gone = np.int64(bars)
        holes = priced > 0 and spans[p.HOLES, asset] > 0
        if first == 0 and gone == bars and not holes and members.size == 0:
            continue
        for k in range(rows.size):
            bar = rows[k]
            out = bar < first or bar >= gone
            if not out and holes:
                out = close[asset, bar] != close[asset, bar]
            if not out and members.size > 0:
                out = members[k, asset] == 0
            if out:
                scores[k, asset] = math.nan
