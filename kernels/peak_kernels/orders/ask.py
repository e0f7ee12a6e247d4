"""Asking a block: what it sees of bars and account at a close, and what becomes of its instructions.

Reads bars and the account; writes what the block sees (its table of bars, its view), and completes its instructions.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import by_address, part
from peak_kernels.order_slots import Market
from peak_kernels.orders.account import equity_of, margin_available, rate_at, shown_cash
from peak_kernels.orders.book import new_order, set_status
from peak_kernels.orders.live import is_exit, is_live
from peak_kernels.orders.targets import aim_at, see_account

nb: Any = numba.types
# The bars that a block sees are not its own to write to.
SEEN = nb.Array(nb.float64, 2, "C", readonly=True)
ASKED = nb.void(nb.int64, SEEN, nb.float64[::1], nb.float64[::1], nb.float64[::1], nb.float64[::1])
"""Type of a block that places orders: ``block(bar, seen, params, memory, view, orders)``."""
TOLD = nb.float64(nb.int64, SEEN, nb.float64[::1], nb.float64[::1], nb.float64[::1])
"""Type of a block that returns a target: ``block(bar, seen, params, memory, account)``."""
_call = by_address(ASKED)
_wish = by_address(TOLD)


@part
def reveal(seen: FloatArray, market: Market, bar: int) -> bool:
    """Show the block the bar that ended; whether any asset has a price.

    Later columns of the table are NaN, so that nothing can be read ahead of time.
    """
    priced = False
    row = 0
    for a in range(market.close.shape[0]):
        close = market.close[a, bar]
        seen[row + f.B_OPEN, bar], seen[row + f.B_HIGH, bar] = market.open[a, bar], market.high[a, bar]
        seen[row + f.B_LOW, bar], seen[row + f.B_CLOSE, bar] = market.low[a, bar], close
        known = seen[row + f.B_LAST_CLOSE, bar - 1] if np.isnan(close) and bar > 0 else close
        seen[row + f.B_LAST_CLOSE, bar] = known
        if market.volume.shape[0] > 0:
            seen[row + f.B_VOLUME, bar] = market.volume[a, bar]
        priced = priced or not np.isnan(close)
        row += f.N_SEEN
    # Indicators of the block: what it may see, then as many rows with all of it.
    indicators = (seen.shape[0] - row) // 2
    for k in range(indicators):
        seen[row + k, bar] = seen[row + indicators + k, bar]
    return priced


@part
def view_of(m: FloatArray, row: int) -> int:
    """Where the view of an asset begins, from the asset's row."""
    return (row - int(m[f.S_ASSETS_AT])) // f.N_ASSET * f.N_VIEW


@part
def describe(m: FloatArray, view: FloatArray, bar: int) -> None:
    """Write the view of the account: state at the close, and what happened since the last call."""
    view[:] = 0.0
    equity = equity_of(m)
    for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
        v = view_of(m, row)
        view[v + f.V_CASH], view[v + f.V_EQUITY], view[v + f.V_HALTED] = shown_cash(m), equity, m[f.S_HALTED]
        view[v + f.V_POSITION], view[v + f.V_AVERAGE] = m[row + f.A_POSITION], m[row + f.A_AVERAGE]
        view[v + f.V_FREE_MARGIN] = margin_available(m, row, m[row + f.A_MARK])
        view[v + f.V_FILL_PRICE], view[v + f.V_RATE] = np.nan, rate_at(m, row, m[row + f.A_MARK])
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed + int(m[f.S_OPEN_LOTS]) - 1, listed - 1, -1):
        lot = int(m[j])
        v = view_of(m, int(m[lot + f.L_ASSET]))
        view[v + f.V_OPEN_LOTS] += 1.0
        # Backwards, so that the oldest lot is the last to write.
        view[v + f.V_BARS_HELD] = bar - m[lot + f.L_BAR]
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        k = int(m[j])
        if is_live(m, k):
            v = view_of(m, int(m[k + f.O_ASSET]))
            view[v + (f.V_LIVE_EXITS if is_exit(m, k) else f.V_LIVE_ORDERS)] += 1.0
    describe_news(m, view)


@part
def describe_news(m: FloatArray, view: FloatArray) -> None:
    """Fills, closed trades and rejections that the block has not seen yet."""
    for n in range(int(m[f.S_SEEN_FILLS]), int(m[f.S_FILLS_NEXT]), f.N_FILL):
        v = view_of(m, int(m[n + f.F_ASSET]))
        view[v + f.V_FILLS] += 1.0
        view[v + f.V_FILLED_SIZE] += m[n + f.F_SIDE] * m[n + f.F_SIZE]
        view[v + f.V_FILL_PRICE] = m[n + f.F_PRICE]
    for n in range(int(m[f.S_SEEN_TRADES]), int(m[f.S_TRADES_NEXT]), f.N_TRADE):
        view[view_of(m, int(m[n + f.T_ASSET])) + f.V_CLOSED_PNL] += m[n + f.T_PNL]
    for n in range(int(m[f.S_SEEN_LOG]), int(m[f.S_LOG_NEXT]), f.N_EVENT):
        if m[n + f.E_STATUS] == f.REJECTED:
            view[view_of(m, int(m[int(m[n + f.E_ORDER]) + f.O_ASSET])) + f.V_REJECTED] += 1.0


@part
def complete(m: FloatArray, calendar: FloatArray, bar: int) -> None:
    """Give the block's instructions their bars, and record those that had no room.

    What happens from here on is news at the next call.
    """
    m[f.S_SEEN_FILLS], m[f.S_SEEN_TRADES], m[f.S_SEEN_LOG] = (
        m[f.S_FILLS_NEXT],
        m[f.S_TRADES_NEXT],
        m[f.S_LOG_NEXT],
    )
    # The calendar is that of the bar after which an order has arrived.
    sent = min(bar + int(m[f.R_LATENCY]), int(m[f.S_LAST_BAR]))
    for x in range(int(m[f.S_ACTIONS_AT]), int(m[f.S_ACTIONS_END]), f.N_ACTION):
        if m[x + f.X_TIF] == f.DAY:
            m[x + f.X_VALID] = min(m[x + f.X_VALID], calendar[f.C_DAY_END, sent])
        m[x + f.X_AUCTION] = calendar[f.C_AUCTION, sent]
        m[x + f.X_AUCTION_CLOSE] = calendar[f.C_AUCTION_CLOSE, sent]
    while m[f.S_DROPPED] > 0.0 and m[f.S_OVERFLOW] == 0.0:
        k = new_order(m, int(m[f.S_ASSETS_AT]), f.MARKET, 0.0, 0.0, bar)
        set_status(m, k, f.REJECTED, f.TOO_MANY, bar)
        m[f.S_DROPPED] -= 1.0
    numbers = m[f.S_FIRST] + (m[f.S_ACTIONS_END] - m[f.S_ACTIONS_AT]) / f.N_ACTION
    if m[f.S_PLACED_AT] + numbers > m[f.S_PLACED_END]:
        # Run again with more room; until then no number may lead behind the section.
        m[f.S_OVERFLOW] = 1.0
        m[f.S_ACTIONS_END] = m[f.S_ACTIONS_AT]


@part
def tell_year(m: FloatArray, calendar: FloatArray, bar: int) -> None:
    """Note the bars a year that are known at a bar, where the engine's sizing estimates with them."""
    if calendar.shape[0] > f.C_YEAR:
        m[int(m[f.G_STATE_AT]) + t.PERIODS_PER_YEAR] = calendar[f.C_YEAR, bar]


@part
def call_block(
    m: FloatArray, function: int, seen: FloatArray, rooms: tuple[FloatArray, FloatArray, FloatArray], bar: int
) -> None:
    """Call the block once; a new target of one that returns targets becomes instructions (`orders.targets`).

    ``rooms``: see `simulate.simulate_orders`.
    """
    params, memory, view = rooms
    if m[f.G_AIMS] == 0.0:
        _call(function, bar, seen, params, memory, view, m)
        return
    own = memory.shape[0] - t.OWN_CELLS
    account = memory[own : own + t.VIEW_SEEN]
    see_account(m, seen, view, account, bar)
    wish = _wish(function, bar, seen, params, memory[:own], account)
    if wish != memory[own + t.VIEW_SEEN] and wish == wish:
        memory[own + t.VIEW_SEEN] = wish
        aim_at(m, seen, wish, bar)


@part
def ask(
    m: FloatArray,
    market: Market,
    function: int,
    seen: FloatArray,
    rooms: tuple[FloatArray, FloatArray, FloatArray],
    calendar: FloatArray,
    bar: int,
) -> int:
    """Call the block at the close of a bar with prices; returns the first of its instructions."""
    view = rooms[2]
    first = int(m[f.S_ACTIONS_AT])
    m[f.S_FIRST] += (m[f.S_ACTIONS_END] - first) / f.N_ACTION
    m[f.S_ACTIONS_END] = first
    if reveal(seen, market, bar) and bar >= m[f.R_START_BAR]:
        m[f.S_NOW] = bar
        describe(m, view, bar)
        tell_year(m, calendar, bar)
        call_block(m, function, seen, rooms, bar)
        complete(m, calendar, bar)
    return first


@part
def look_again(
    m: FloatArray, view: FloatArray, kept: tuple[float, float, float, float, float], bar: int
) -> None:
    """Write the view of an account to which nothing has happened since the block was asked last; one asset.

    ``kept``: average price, open lots, bar of the oldest, live orders, live exits.
    """
    row = int(m[f.S_ASSETS_AT])
    average, lots, since, orders, exits = kept
    view[f.V_CASH], view[f.V_EQUITY], view[f.V_POSITION] = shown_cash(m), equity_of(m), m[row + f.A_POSITION]
    view[f.V_AVERAGE], view[f.V_OPEN_LOTS], view[f.V_HALTED] = average, lots, m[f.S_HALTED]
    view[f.V_BARS_HELD] = bar - since if lots > 0.0 else 0.0
    view[f.V_LIVE_ORDERS], view[f.V_LIVE_EXITS] = orders, exits
    view[f.V_FREE_MARGIN] = margin_available(m, row, m[row + f.A_MARK])
    view[f.V_RATE] = rate_at(m, row, m[row + f.A_MARK])
    view[f.V_FILLS], view[f.V_FILLED_SIZE], view[f.V_FILL_PRICE] = 0.0, 0.0, np.nan
    view[f.V_CLOSED_PNL], view[f.V_REJECTED] = 0.0, 0.0


@part
def ask_through(
    m: FloatArray,
    market: Market,
    curves: tuple[FloatArray, FloatArray, FloatArray],
    function: int,
    seen: FloatArray,
    rooms: tuple[FloatArray, FloatArray, FloatArray],
    calendar: FloatArray,
    bar: int,
    stop: int,
) -> tuple[int, bool]:
    """Ask a block at the closes before ``stop`` of bars in which no order of the only asset can act.

    Returns the bar that gave instructions and True, or the first one that was not asked and False.
    """
    view = rooms[2]
    row, first = int(m[f.S_ASSETS_AT]), int(m[f.S_ACTIONS_AT])
    low, high = m[row + f.A_WAKE_LOW], m[row + f.A_WAKE_HIGH]
    if m[f.S_WAKE_BAR] < stop:
        stop = int(m[f.S_WAKE_BAR])
    m[f.S_FIRST] += (m[f.S_ACTIONS_END] - first) / f.N_ACTION
    m[f.S_ACTIONS_END] = first
    known, kept = False, (0.0, 0.0, 0.0, 0.0, 0.0)
    while bar < stop and not (market.low[0, bar] <= low or market.high[0, bar] >= high):
        if not np.isnan(market.close[0, bar]):
            m[row + f.A_MARK] = market.close[0, bar]
        curves[0][bar], curves[1][bar], curves[2][0, bar] = equity_of(m), shown_cash(m), m[row + f.A_POSITION]
        if reveal(seen, market, bar):
            m[f.S_NOW] = bar
            if known:
                look_again(m, view, kept, bar)
            else:
                describe(m, view, bar)
                since = bar - view[f.V_BARS_HELD]
                live = view[f.V_LIVE_ORDERS], view[f.V_LIVE_EXITS]
                kept = (view[f.V_AVERAGE], view[f.V_OPEN_LOTS], since, live[0], live[1])
            tell_year(m, calendar, bar)
            call_block(m, function, seen, rooms, bar)
            if not known or m[f.S_ACTIONS_END] > first:
                complete(m, calendar, bar)
                known = True
            if m[f.S_ACTIONS_END] > first or m[f.S_OVERFLOW] > 0.0:
                return bar, True
        bar += 1
    return bar, False
