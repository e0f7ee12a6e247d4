"""The bare Numba loop of a portfolio of weights: the floor under every figure of `bench_portfolio`.

Only what is held is touched.  No checks, no records, no statistics but the curve.  Rules, by the letters of the report:

* A: decided at close t; at the open of t+1 sized from the equity there, sales first, then purchases, which one factor
  shrinks where the cash is short of them and their fees; marked at closes.
* B: the same, marked at opens.
* C: decided, sized and filled at the same close.
"""

from __future__ import annotations

import numpy as np
from numba import njit

RULES = {"A": (0, False), "B": (0, True), "C": (1, False)}


@njit(cache=True, nogil=True, error_model="numpy")
def _worth(units, held, count, prices, bar):
    total = 0.0
    for k in range(count):
        total += units[held[k]] * prices[bar, held[k]]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _rebalance(units, held, count, cash, prices, bar, weights, fee):
    """Trade to one row of weights; returns the cash and how many are held behind it."""
    equity = cash + _worth(units, held, count, prices, bar)
    cost = 0.0
    for asset in range(weights.size):
        if weights[asset] == 0.0 and units[asset] == 0.0:
            continue
        change = weights[asset] * equity / prices[bar, asset] - units[asset]
        if change < 0.0:
            cash -= change * prices[bar, asset] * (1.0 - fee)
            units[asset] += change
        else:
            cost += change * prices[bar, asset] * (1.0 + fee)
    factor = cash / cost if cost > cash else 1.0
    count = 0
    for asset in range(weights.size):
        if weights[asset] == 0.0:
            units[asset] = 0.0
            continue
        change = weights[asset] * equity / prices[bar, asset] - units[asset]
        if change > 0.0:
            units[asset] += factor * change
            cash -= factor * change * prices[bar, asset] * (1.0 + fee)
        held[count] = asset
        count += 1
    return cash, count


@njit(cache=True, nogil=True, error_model="numpy")
def hold(fills, marks, rows, weights, cash, fee, delay, curve):
    """Hold weights from each row's fill to the next; ``curve`` float64[bar] gets the equity, the last is returned."""
    bars, assets = marks.shape
    units, held, count, k = np.zeros(assets), np.empty(assets, np.int64), 0, 0
    for bar in range(bars):
        if k < rows.size and rows[k] + delay == bar:
            cash, count = _rebalance(units, held, count, cash, fills, bar, weights[k], fee)
            k += 1
        curve[bar] = cash + _worth(units, held, count, marks, bar)
    return curve[bars - 1]


def final_equity(prices, rows, weights, cash: float, fee: float, rule: str = "A") -> float:
    """Equity at the end under one of the rules."""
    same_close, at_opens = RULES[rule]
    fills = prices.close if same_close else prices.open
    marks = prices.open if at_opens else prices.close
    delay = 0 if same_close else 1
    return float(hold(fills, marks, rows, weights, cash, fee, delay, np.empty(len(marks))))
