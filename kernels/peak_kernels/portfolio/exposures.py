"""What a finished portfolio held at each bar, from the records of its orders: values, not trades.

Not part of the simulation, so that a run which nobody asks for exposures does not pay for them.

Reads records of orders and prices; writes sums over what was held, bar by bar, and lists of its own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.portfolio.lanes import hold_values
from peak_kernels.portfolio.sizes import known_close


@jit(inline=True)
def hold(asset: int, units: FloatArray, lists: IntArray, count: int) -> int:
    """Put an asset on the list of what is held, or take it off; returns how many there are."""
    place = lists[p.PLACE, asset]
    if units[asset] != 0.0:
        if place < 0:
            lists[p.HELD, count] = asset
            lists[p.PLACE, asset] = count
            return count + 1
    elif place >= 0:
        last = lists[p.HELD, count - 1]
        lists[p.HELD, place] = last
        lists[p.PLACE, last] = place
        lists[p.PLACE, asset] = -1
        return count - 1
    return count


@jit(inline=True)
def add_values(prices: FloatArray, asset: int, units: float, start: int, stop: int, out: FloatArray) -> None:
    """Add one holding with holes to the sums of the bars from ``start`` to ``stop``."""
    total = out[p.LONG if units > 0.0 else p.SHORT, start:stop]
    largest, squares = out[p.LARGEST, start:stop], out[p.SQUARES, start:stop]
    closes = prices[p.CLOSE, asset, start:stop]
    size = abs(units)
    known = known_close(prices, asset, start - 1)
    for k in range(total.size):
        known = closes[k] if closes[k] == closes[k] else known
        value = money.value(size, known)
        total[k] += value
        largest[k] = max(largest[k], value)
        squares[k] += value * value


@jit(inline=True)
def fold_exposures(
    prices: FloatArray,
    spans: IntArray,
    orders: FloatArray,
    multipliers: FloatArray,
    units: FloatArray,
    lists: IntArray,
    out: FloatArray,
    sizes: FloatArray,
) -> None:
    """Values held at each close.

    Parameters
    ----------
    prices, spans, orders
        As of the run; orders in the sequence in which they ended.
    multipliers, units, lists
        float64[asset], scratch float64[asset], scratch int64[N_LISTS, asset].
    out
        float64[N_EXPOSURES, bars], see `portfolio_slots`.
    sizes
        float64[asset]: scratch.
    """
    units[:] = 0.0
    lists[p.PLACE] = -1
    out[:] = 0.0
    bars = prices.shape[2]
    at: Any = np.int64(0)
    row: Any = np.int64(0)
    count: Any = np.int64(0)
    while at < bars:
        while row < orders.shape[0] and orders[row, p.O_FILL_BAR] <= at:
            size = orders[row, p.O_FILLED]
            if size > 0.0:
                asset = int(orders[row, p.O_ASSET])
                signed = size if orders[row, p.O_SIDE] > 0.0 else -size
                units[asset] = 0.0 if units[asset] == -signed else units[asset] + signed
                count = hold(asset, units, lists, count)
            row += 1
        until: Any = bars
        look = row
        while look < orders.shape[0]:
            if orders[look, p.O_FILLED] > 0.0:
                until = int(orders[look, p.O_FILL_BAR])
                break
            look += 1
        out[p.HOLDINGS, at:until] = count
        holes = 0
        for k in range(count):
            asset = lists[p.HELD, k]
            sizes[k] = money.value(units[asset], multipliers[asset])
            holes += 1 if spans[p.HOLES, asset] > 0 or until > spans[p.GONE, asset] else 0
        if holes == 0:
            hold_values(prices, p.CLOSE, lists[p.HELD], sizes, count, at, until, out)
        else:
            for k in range(count):
                add_values(prices, lists[p.HELD, k], sizes[k], at, until, out)
        at = until


@jit(inline=True)
def fold_holdings(held: FloatArray, equity: FloatArray, out: FloatArray) -> None:
    """Means of shares of the equity over all bars.

    Parameters
    ----------
    held, equity
        float64[N_EXPOSURES, bars] of `fold_exposures`, float64[bars] at closes.
    out
        float64[N_MEANS]: see `portfolio_slots`.
    """
    gross, net, count, largest, even, invested = 0.0, 0.0, 0.0, -math.inf, 0.0, 0.0
    total = 0.0
    for bar in range(equity.size):
        value, now = held[p.LONG, bar] + held[p.SHORT, bar], equity[bar]
        apart = held[p.LONG, bar] - held[p.SHORT, bar]
        total += now
        gross += value / now
        net += apart / now
        count += held[p.HOLDINGS, bar]
        most = held[p.LARGEST, bar]
        share = most / now
        largest = (
            largest if share <= largest or largest != largest else share
        )  # NaN stays: nothing of nothing
        if held[p.HOLDINGS, bar] > 0.0:
            even += value * value / held[p.SQUARES, bar]
            invested += 1.0
    bars = float(equity.size)
    out[p.MEAN_GROSS], out[p.MEAN_NET], out[p.MEAN_HOLDINGS] = gross / bars, net / bars, count / bars
    out[p.LARGEST_WEIGHT], out[p.MEAN_EQUITY] = largest, total / bars
    out[p.EFFECTIVE] = even / invested if invested > 0.0 else 0.0
