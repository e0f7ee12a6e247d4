"""Limits of the account: its equity is looked at after each mark; a breach closes everything and refuses what opens.

``desk`` and ``records`` are those of `account`; ``days`` int64[bars] are calendar days, of no elements without limits.

Reads the equity, the limits and prices; writes halts, which assets are to leave, and what their fills write.
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.fast import opposite
from peak_kernels.portfolio.account import fill, not_filled, write_event, write_order


@jit(inline=True)
def is_limited(settings: FloatArray) -> bool:
    """Whether the equity has to be looked at after each mark."""
    return settings[t.MAX_DRAWDOWN_LIMIT] > 0.0 or settings[t.DAILY_LOSS_LIMIT] > 0.0


@jit(inline=True)
def begin_day(state: FloatArray, days: IntArray, bar: int) -> None:
    """On the first bar of a calendar day, remember the equity of the last close."""
    if days[bar] != state[t.CURRENT_DAY]:
        state[t.CURRENT_DAY] = days[bar]
        state[t.DAY_EQUITY] = state[t.PREVIOUS_EQUITY]


@jit(inline=True)
def entry_block(state: FloatArray) -> int:
    """Reason why nothing may be opened on the present day, or NO_REASON."""
    if state[t.HALTED] > 0.0:
        return p.DRAWDOWN_HALT
    if state[t.HALTED_DAY] > 0.0 and state[t.CURRENT_DAY] + 1.0 == state[t.HALTED_DAY]:
        return p.DAILY_HALT
    return p.NO_REASON


@jit(inline=True)
def look(desk: Any, bar: int) -> None:
    """Check the limits at the close of ``bar``; behind a breach all holdings are to leave."""
    state, lists, counts = desk[0], desk[4], desk[5]
    equity, breached = state[t.PREVIOUS_EQUITY], False
    if state[t.HALTED] == 0.0 and money.has_lost(equity, state[t.PEAK_EQUITY], state[t.MAX_DRAWDOWN_LIMIT]):
        state[t.HALTED] = 1.0
        breached = True
    fresh = state[t.HALTED_DAY] != state[t.CURRENT_DAY] + 1.0
    if fresh and money.has_lost(equity, state[t.DAY_EQUITY], state[t.DAILY_LOSS_LIMIT]):
        state[t.HALTED_DAY] = state[t.CURRENT_DAY] + 1.0
        breached = True
    if not breached:
        return
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        if lists[p.LEAVING, asset] == 0:
            lists[p.LEAVING, asset] = bar + 1


@jit(inline=True)
def leaves(desk: Any, prices: FloatArray, asset: int, bar: int) -> bool:
    """Whether a holding is to leave and finds a price at the open of a bar."""
    price = prices[p.OPEN, asset, bar]
    return desk[4][p.LEAVING, asset] > 0 and price == price


@jit(inline=True)
def next_leaving(desk: Any, prices: FloatArray, bar: int) -> int:
    """``bar`` where something leaves at its open; behind all bars where nothing does."""
    lists, counts = desk[4], desk[5]
    found: Any = prices.shape[2]
    for k in range(counts[p.N_HELD]):
        if leaves(desk, prices, lists[p.HELD, k], bar):
            found = bar
    return found


@jit(inline=True)
def leave(desk: Any, prices: FloatArray, records: Any, bar: int) -> None:
    """Close at the open of a bar what is to leave and has a price there."""
    state, cells, lists, counts = desk[0], desk[3], desk[4], desk[5]
    fills = state[t.N_FILLS]
    k: Any = counts[p.N_HELD] - 1
    while k >= 0:
        asset = lists[p.HELD, k]
        if leaves(desk, prices, asset, bar):
            bars = (lists[p.LEAVING, asset] - 1, bar)
            lists[p.LEAVING, asset] = 0
            # An order that waits keeps what it is for.
            target, size = cells[asset, p.TARGET], -cells[asset, p.UNITS]
            cells[asset, p.TARGET] = 0.0
            outcome = (p.RISK_LIMIT, p.FILLED, p.NO_REASON)
            fill(desk, records, bars, asset, (size, size), prices[p.OPEN, asset, bar], outcome)
            cells[asset, p.TARGET] = target
        k -= 1
    if state[t.N_FILLS] > fills:
        write_event(desk, records, (float(bar), state[t.CASH], math.nan, math.nan, math.nan))


@jit(inline=True)
def only_closing(desk: Any, records: Any, asset: int, size: float, reason: int, bar: int) -> float:
    """What a halted account trades of a signed size: what reduces the position; the rest is refused."""
    units = desk[3][asset, p.UNITS]
    side = 1.0 if size > 0.0 else -1.0
    closing = min(abs(size), abs(units)) if opposite(units, size) else 0.0
    if abs(size) > closing:
        bars = (desk[4][p.DECIDED, asset], bar)
        not_filled(desk, records, bars, asset, side, abs(size) - closing, p.REJECTED, reason)
    return side * closing


@jit(inline=True)
def never_left(desk: Any, records: Any) -> None:
    """Record what was to leave and found no price before the end of the data."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        if lists[p.LEAVING, asset] > 0:
            side = -1.0 if cells[asset, p.UNITS] > 0.0 else 1.0
            outcome = (float(p.RISK_LIMIT), float(p.UNFILLED), float(p.END_OF_DATA))
            bars = (lists[p.LEAVING, asset] - 1, -1)
            write_order(desk, records, bars, asset, (side, 0.0, 0.0, 0.0, 0.0, 0.0), outcome)
