"""The order-level simulation: one pass over the bars, events inside a bar, marks at the close.

Order of events in a bar: submission check, interest, liquidation at the open, the queue (all orders placed
on earlier bars), liquidation inside the bar, settlement, ruin, mark at the close, risk limits, then the
strategy's actions.  A bar that no order can react to costs a comparison or two (`book.set_wakes`).

Reads the market; writes the bars in the assets' rows, marks, curves and, through its parts, all of the memory.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import order_slots as f
from peak_kernels import simd
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.order_slots import Market
from peak_kernels.orders.actions import act, check_submissions
from peak_kernels.orders.ask import ask, ask_through
from peak_kernels.orders.book import close_order, set_status, set_wakes, wake_for
from peak_kernels.orders.limits import (
    carries,
    charge_interest,
    check_limits,
    forced_close,
    settle_bar,
    wake_for_margin,
)
from peak_kernels.orders.live import is_live
from peak_kernels.orders.marks import mark_bar, skip_quiet, wakes, write_curves
from peak_kernels.orders.work import (
    expire_or_kill,
    first_by_queue,
    high_first,
    trail_orders,
    work,
    work_closers,
    workable,
)

# Passes over a bar.
NORMAL, AT_CLOSE, SECOND = range(3)


@part
def keep_fine_bar(m: FloatArray, row: int) -> None:
    """Note the bar of an asset whose path is going to be walked, before the walk changes it."""
    m[row + f.A_FINE_OPEN] = m[row + f.A_OPEN]
    m[row + f.A_FINE_HIGH], m[row + f.A_FINE_LOW] = m[row + f.A_HIGH], m[row + f.A_LOW]


@part
def load_bar(m: FloatArray, market: Market, bar: int) -> None:
    """Copy the prices of a bar into the assets' rows."""
    row = int(m[f.S_ASSETS_AT])
    for a in range(market.close.shape[0]):
        m[row + f.A_OPEN], m[row + f.A_HIGH] = market.open[a, bar], market.high[a, bar]
        m[row + f.A_LOW], m[row + f.A_CLOSE] = market.low[a, bar], market.close[a, bar]
        m[row + f.A_BAR_HIGH], m[row + f.A_BAR_LOW] = market.high[a, bar], market.low[a, bar]
        keep_fine_bar(m, row)
        m[row + f.A_PREVIOUS] = market.close[a, bar - 1] if bar > 0 else np.nan
        m[row + f.A_VOLUME] = market.volume[a, bar] if market.volume.shape[0] > 0 else np.nan
        if bar > 0 and market.volume.shape[0] > 0:
            m[row + f.A_LAST_VOLUME] = market.volume[a, bar - 1]
            m[row + f.A_LAST_RANGE] = market.high[a, bar - 1] - market.low[a, bar - 1]
        m[row + f.A_HALF_SPREAD] = market.half_spread[a, bar] if market.half_spread.shape[0] > 0 else 0.0
        m[row + f.A_FUNDING] = market.funding[a, bar] if market.funding.shape[0] > 0 else np.nan
        if m[row + f.A_USED_BAR] != bar:
            m[row + f.A_USED], m[row + f.A_USED_BAR] = 0.0, bar
        if m[f.R_MARGIN_MARK] == f.MARK_CLOSE and not np.isnan(m[row + f.A_CLOSE]):
            m[row + f.A_MARK] = m[row + f.A_CLOSE]
        if m[row + f.A_MARK] == 0.0 and m[f.R_SIGNED] == 0.0 and not np.isnan(m[row + f.A_OPEN]):
            # What is bought in an asset's first bar is worth something before that bar has closed.
            m[row + f.A_MARK] = m[row + f.A_OPEN]
        row += f.N_ASSET


@part
def begin_pass(m: FloatArray, market: Market, bar: int, which: int) -> None:
    """What comes before the queue in a pass over a bar."""
    load_bar(m, market, bar)
    if which == AT_CLOSE:
        # Only what was placed at this close can act, and there is no price but the close.
        for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
            for column in (f.A_OPEN, f.A_HIGH, f.A_LOW):
                m[row + column] = m[row + f.A_CLOSE]
            keep_fine_bar(m, row)
        queue = int(m[f.S_QUEUE_AT])
        for j in range(queue, queue + int(m[f.S_QUEUED])):
            k = int(m[j])
            if m[k + f.O_BAR] == bar and m[k + f.O_KIND] == f.MARKET:
                m[k + f.O_FRESH] = bar
    elif which == SECOND:
        listed = int(m[f.S_LISTED_AT])
        for j in range(int(m[f.S_OPEN_LOTS]) - 1, -1, -1):
            close_order(m, int(m[listed + j]), 1.0, bar)
    else:
        if m[f.S_HALTED] == 2.0 and float(market.day[bar]) != m[f.S_DAY]:
            # A day's loss limit ends with the day, before its first bar opens.
            m[f.S_HALTED] = 0.0
        if m[f.R_CHECK_SUBMISSION] > 0.0:
            check_submissions(m, bar)
        if m[f.R_CARRY] > 0.0 and bar > 0 and market.day.shape[0] > 0:
            days = float(market.day[bar] - market.day[bar - 1])
            if days > 0.0:
                charge_interest(m, bar, days)


@part
def begin_stretch(m: FloatArray, market: Market, bar: int, stretch: int) -> tuple[int, float]:
    """Asset and end of a stretch of the bar's path; the asset's row becomes the stretch.

    A bar, or each of the finer bars of asset 0, has four stretches: its open alone, and three moves.  All finer
    bars of one asset come before the next asset.
    """
    fine, leg = stretch // 4, stretch % 4
    row = int(m[f.S_ASSETS_AT])
    detailed = market.detail_start.shape[0] > 0
    count = max(1, int(market.detail_start[bar + 1] - market.detail_start[bar])) if detailed else 1
    a = 0 if fine < count else fine - count + 1
    row += a * f.N_ASSET
    prices = (market.open[a, bar], market.high[a, bar], market.low[a, bar], market.close[a, bar])
    if detailed and a == 0 and market.detail_start[bar + 1] > market.detail_start[bar]:
        d = int(market.detail_start[bar]) + fine
        prices = (market.detail[d, 0], market.detail[d, 1], market.detail[d, 2], market.detail[d, 3])
    if leg == 0:
        m[row + f.A_OPEN], m[row + f.A_HIGH], m[row + f.A_LOW], m[row + f.A_CLOSE] = prices
        keep_fine_bar(m, row)
        m[f.S_UP] = 1.0 if high_first(m, row, bar) else 0.0
    if leg == 1 and m[f.R_PATH] == f.PATH_QUEUE:
        # Behind the open, whose fills may have brought the exits that are in doubt.
        m[f.S_UP] = first_by_queue(m, row, bar, m[f.S_UP])
    up = m[f.S_UP] > 0.0
    first, second = (prices[1], prices[2]) if up else (prices[2], prices[1])
    start, end = prices[0], prices[0]
    if leg == 1:
        end = first
    elif leg == 2:
        start, end = first, second
    elif leg == 3:
        start, end = second, prices[3]
    m[row + f.A_OPEN], m[row + f.A_CLOSE] = start, end
    m[row + f.A_HIGH], m[row + f.A_LOW] = max(start, end), min(start, end)
    return row, end


@part
def count_stretches(m: FloatArray, market: Market, bar: int) -> int:
    """Number of calls of `work` that a bar needs: one, or four for each bar on the path."""
    if m[f.R_INTRABAR] == 0.0:
        return 1
    count = int(market.close.shape[0])
    if market.detail_start.shape[0] > 0:
        count += max(1, int(market.detail_start[bar + 1] - market.detail_start[bar])) - 1
    return 4 * count


@part
def expire_orders(m: FloatArray, bar: int) -> None:
    """End the orders whose validity is over, before any order of the bar acts: they may end others."""
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        expire_or_kill(m, int(m[j]), bar, False)


@part
def end_path(m: FloatArray, market: Market, bar: int) -> None:
    """After the last stretch: the whole bar again; orders for the close act, those that live for one bar end."""
    load_bar(m, market, bar)
    if m[f.R_TRAIL_MARK] != f.TRAIL_EXTREME:
        for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
            trail_orders(m, row, bar)
    if m[f.S_CLOSERS] > 0.0:
        work_closers(m, bar, bar)
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        if workable(m, int(m[j]), bar):
            expire_or_kill(m, int(m[j]), bar, True)


@part
def limited(m: FloatArray) -> bool:
    """Whether a limit of the account is set."""
    return m[f.R_FLOOR] > 0.0 or m[f.R_DAILY_LOSS] > 0.0 or m[f.R_DRAWDOWN] > 0.0


@part
def fills_at_close(m: FloatArray) -> bool:
    """Whether market orders fill at the close of the bar that places them."""
    return m[f.R_MARKET_AT] == f.SAME_CLOSE and m[f.R_LATENCY] == 0.0


@part
def set_levels(m: FloatArray, bar: int) -> None:
    """Find anew in which bars something can happen: what an order waits for, and the end of the margin."""
    set_wakes(m, bar)
    if m[f.R_MAINTENANCE] > 0.0:
        wake_for_margin(m)


@part
def end_pass(m: FloatArray, market: Market, bar: int, which: int) -> None:
    """What comes after the queue in a pass over a bar."""
    mark_bar(m, market, bar)
    if which != AT_CLOSE:
        if m[f.R_MAINTENANCE] > 0.0:
            forced_close(m, bar, 1)
        if m[f.R_CARRY] > 0.0:
            settle_bar(m)
    if limited(m) and (which == AT_CLOSE or not fills_at_close(m)):
        # What fills at the close comes before the account is judged there.
        check_limits(m, float(market.day[bar]) if market.day.shape[0] > 0 else 0.0, bar)
    set_levels(m, bar)


@part
def act_at(m: FloatArray, action: int, bar: int) -> int:
    """Carry out the actions of a bar, which begin at ``action``; returns the first one of a later bar."""
    end = int(m[f.S_ACTIONS_END])
    changed = False
    while action < end and m[action + f.X_BAR] <= bar:
        if bar >= m[f.R_START_BAR]:
            act(m, action, bar)
            if m[action + f.X_OP] == f.OP_PLACE and m[f.R_EXCLUSIVE] == 0.0:
                if is_live(m, int(m[action + f.X_ORDER])):
                    wake_for(m, int(m[action + f.X_ORDER]), bar)
            else:
                changed = True
        action += f.N_ACTION
    if changed:
        set_levels(m, bar)
    return action


@part
def passes_after(m: FloatArray, bar: int, bars: int) -> int:
    """Pass that follows a bar's actions: fills at the very close, the second pass of the end, or -1."""
    if m[f.S_STOPPED] > 0.0:
        return -1
    if fills_at_close(m):
        return AT_CLOSE
    return SECOND if bar == bars - 1 and m[f.R_FINALIZE] == 1.0 else -1


@part
def finish(m: FloatArray, curves: tuple[FloatArray, FloatArray, FloatArray], bar: int) -> None:
    """End of the run at ``bar``: orders that are still live, curves after a ruin or before the first bar."""
    bars = curves[0].shape[0]
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        if is_live(m, int(m[j])):
            set_status(m, int(m[j]), f.CANCELLED, f.END_OF_DATA, min(bar, bars - 1))
    for i in range(bar + 1, bars):
        write_curves(m, curves, i)
    first = int(m[f.R_START_BAR])
    for i in range(min(first, bars - 1)):
        curves[0][i] = curves[0][min(first, bars - 1)]


@part
def simulate_orders(
    m: FloatArray,
    market: Market,
    curves: tuple[FloatArray, FloatArray, FloatArray],
    function: int,
    seen: FloatArray,
    rooms: tuple[FloatArray, FloatArray, FloatArray],
    calendar: FloatArray,
) -> None:
    """Run all bars; curves ``(equity, cash, position)`` are written at every close.

    ``function`` is the address of a block (`orders.ask.ASKED`); without one ``seen`` has no columns.  ``rooms =
    (params, memory, view)``.  ``m[S_OVERFLOW]`` is 1 afterwards when a section of records was too small: run again
    with more room.
    """
    m = simd.borrow(m)
    bars = market.close.shape[1]
    asks = seen.shape[1] > 0
    if carries(m):
        m[f.R_CARRY] = 1.0
    quiet = market.close.shape[0] == 1 and m[f.R_CARRY] == 0.0
    action, end = int(m[f.S_ACTIONS_AT]), int(m[f.S_ACTIONS_END])
    m[f.S_LAST_BAR] = bars - 1
    bar = 0
    while bar < bars and m[f.S_OVERFLOW] == 0.0:
        coming = bars - 1
        if action < end and m[action + f.X_BAR] < bars - 1:
            coming = int(m[action + f.X_BAR])
        asked = False
        if quiet and bar < coming and not asks:
            bar = skip_quiet(m, market, curves, bar, coming)
        elif quiet and bar < coming and bar >= m[f.R_START_BAR]:
            bar, asked = ask_through(m, market, curves, function, seen, rooms, calendar, bar, coming)
        acting = action < end and m[action + f.X_BAR] <= bar
        which = NORMAL
        if asked or bar < m[f.R_START_BAR] or not (bar == bars - 1 or wakes(m, market, bar)):
            mark_bar(m, market, bar)
            which = -1
        while True:
            if which >= 0:
                begin_pass(m, market, bar, which)
                if which == NORMAL and m[f.R_MAINTENANCE] > 0.0:
                    forced_close(m, bar, 0)
                walking = m[f.R_INTRABAR] > 0.0 and which == NORMAL
                until = bar + 1 if which == SECOND else bar
                if which == NORMAL and (walking or m[f.R_OPEN_FIRST] > 0.0):
                    expire_orders(m, bar)
                for stretch in range(count_stretches(m, market, bar) if walking else 1):
                    row, goal = begin_stretch(m, market, bar, stretch) if walking else (-1, 0.0)
                    work(m, bar, until, which == AT_CLOSE, row, goal)
                    if walking and m[f.R_TRAIL_MARK] == f.TRAIL_EXTREME:
                        trail_orders(m, row, bar)
                if walking:
                    end_path(m, market, bar)
                end_pass(m, market, bar, which)
                if m[f.R_RUIN] > 0.0 or (m[f.R_FINALIZE] == 2.0 and bar == bars - 1):
                    forced_close(m, bar, 2)
            write_curves(m, curves, bar)
            if which > NORMAL or m[f.S_STOPPED] > 0.0:
                break
            if asks:
                action = int(m[f.S_ACTIONS_AT])
                if not asked:
                    action = ask(m, market, function, seen, rooms, calendar, bar)
                acting = m[f.S_ACTIONS_END] > action
            action = act_at(m, action, bar)
            which = passes_after(m, bar, bars)
            if which < 0 or (which == AT_CLOSE and not acting and not limited(m)):
                break
        if m[f.S_STOPPED] > 0.0:
            break
        bar += 1
    finish(m, curves, bar)
