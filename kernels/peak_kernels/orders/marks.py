"""Marks at the closes, the curves, and bars in which nothing can happen.

Reads the market and the levels at which assets wake; writes marks, rates of exchange and the curves.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.order_slots import Market
from peak_kernels.orders.account import equity_of, full_value, shown_cash, worth


@part
def mark_bar(m: FloatArray, market: Market, bar: int) -> None:
    """Marks at the close of a bar; a bar without a price keeps the last one."""
    row = int(m[f.S_ASSETS_AT])
    for a in range(market.close.shape[0]):
        if not np.isnan(market.close[a, bar]):
            m[row + f.A_MARK] = market.close[a, bar]
        if m[row + f.A_CURRENCY] == f.BY_RATE:
            m[row + f.A_RATE] = market.rate[a, bar]
        row += f.N_ASSET


@part
def write_curves(m: FloatArray, curves: tuple[FloatArray, FloatArray, FloatArray], bar: int) -> None:
    """State at the close of a bar: equity, cash, positions."""
    curves[0][bar], curves[1][bar] = equity_of(m), shown_cash(m)
    if m[f.S_STOPPED] > 0.0:
        # Nothing is left after a ruin.
        curves[0][bar] = 0.0
    row = int(m[f.S_ASSETS_AT])
    for a in range(curves[2].shape[0]):
        curves[2][a, bar] = m[row + f.A_POSITION]
        row += f.N_ASSET


@part
def wakes(m: FloatArray, market: Market, bar: int) -> bool:
    """Whether an order, or a charge, can act in this bar."""
    if m[f.R_CARRY] > 0.0 or bar >= m[f.S_WAKE_BAR]:
        return True
    row = int(m[f.S_ASSETS_AT])
    for a in range(market.close.shape[0]):
        if market.low[a, bar] <= m[row + f.A_WAKE_LOW] or market.high[a, bar] >= m[row + f.A_WAKE_HIGH]:
            return True
        row += f.N_ASSET
    return False


@part
def skip_quiet(
    m: FloatArray, market: Market, curves: tuple[FloatArray, FloatArray, FloatArray], bar: int, stop: int
) -> int:
    """Mark the bars before ``stop`` in which no order of the only asset can act; returns the next bar."""
    row = int(m[f.S_ASSETS_AT])
    low, high = m[row + f.A_WAKE_LOW], m[row + f.A_WAKE_HIGH]
    if m[f.S_WAKE_BAR] < stop:
        stop = int(m[f.S_WAKE_BAR])
    equity, cash, position = curves
    held, settled, mark = m[row + f.A_POSITION], shown_cash(m), m[row + f.A_MARK]
    multiplier = m[row + f.A_MULTIPLIER]
    # The usual case of `worth`, with its operations: whether bars are skipped changes no bit of the equity.
    plain, balance = full_value(m, row) and m[row + f.A_CURRENCY] == f.OWN, m[f.S_BALANCE]
    while bar < stop and not (market.low[0, bar] <= low or market.high[0, bar] >= high):
        if not np.isnan(market.close[0, bar]):
            mark = market.close[0, bar]
        equity[bar] = balance + (money.worth(held, mark, multiplier, 1.0) if plain else worth(m, row, mark))
        cash[bar], position[0, bar] = settled, held
        bar += 1
    m[row + f.A_MARK] = mark
    return bar
