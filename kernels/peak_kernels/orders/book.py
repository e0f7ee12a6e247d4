"""The order book: numbering, queue, status changes and what they entail for related orders.

The queue holds the live orders in the order in which they are worked.  An order leaves it lazily: its
status changes at once, the queue is compacted after the bar.  The size of the queue is the caller's
choice; an order that does not fit is rejected with a reason of its own.

Reads and writes orders, the queue, the log and the levels at which assets wake; knows no money but the size of a
closing.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.orders.live import is_live


@part
def set_status(m: FloatArray, k: int, status: int, reason: int, bar: int) -> None:
    """Change the status of an order and log it, without consequences for other orders."""
    m[k + f.O_STATUS], m[k + f.O_REASON], m[k + f.O_LAST] = status, reason, bar
    n = int(m[f.S_LOG_NEXT])
    if n >= m[f.S_LOG_END]:
        m[f.S_OVERFLOW] = 1.0
        return
    m[n + f.E_ORDER], m[n + f.E_BAR], m[n + f.E_STATUS] = k, bar, status
    m[n + f.E_REASON], m[n + f.E_FILLED] = reason, m[k + f.O_FILLED]
    m[f.S_LOG_NEXT] = n + f.N_EVENT


@part
def compact(m: FloatArray) -> None:
    """Take the orders that are no longer live out of the queue."""
    queue = int(m[f.S_QUEUE_AT])
    to = queue
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        if is_live(m, int(m[j])):
            m[to] = m[j]
            to += 1
    m[f.S_QUEUED] = to - queue


@part
def new_order(m: FloatArray, row: int, kind: int, side: float, size: float, bar: int) -> int:
    """Default fields of a new order that is not in the queue yet."""
    k = int(m[f.S_BOOK_NEXT])
    if k >= m[f.S_BOOK_END]:
        # The run is repeated with more room; until it ends the last order is overwritten.
        m[f.S_OVERFLOW] = 1.0
        k -= f.N_ORDER
    else:
        m[f.S_BOOK_NEXT] = k + f.N_ORDER
    for column in range(f.N_ORDER):
        m[k + column] = 0.0
    m[k + f.O_ASSET], m[k + f.O_KIND], m[k + f.O_SIDE] = row, kind, side
    m[k + f.O_SIZE], m[k + f.O_REMAINING] = size, size
    m[k + f.O_LIMIT], m[k + f.O_STOP], m[k + f.O_TRAIL] = np.nan, np.nan, np.nan
    m[k + f.O_STOP_LOSS], m[k + f.O_TAKE_PROFIT] = np.nan, np.nan
    m[k + f.O_PARENT], m[k + f.O_OCO], m[k + f.O_LOT] = -1.0, -1.0, -1.0
    m[k + f.O_TAG], m[k + f.O_ACTION], m[k + f.O_FRESH], m[k + f.O_TRIED] = -1.0, -1.0, -1.0, -1.0
    m[k + f.O_VALID] = np.inf
    m[k + f.O_BAR], m[k + f.O_LAST] = bar, bar
    # A market order can fill at the close of the bar that places it; anything else comes later.
    at_once = kind == f.MARKET and m[f.R_MARKET_AT] == f.SAME_CLOSE and m[f.R_LATENCY] == 0.0
    m[k + f.O_ACTIVE] = float(bar) if at_once else bar + 1.0 + m[f.R_LATENCY]
    m[k + f.O_REFERENCE] = m[row + f.A_MARK]
    return k


@part
def enqueue(m: FloatArray, k: int, status: int, front: bool, bar: int) -> bool:
    """Put an order into the queue, at the front or the end; False (and rejected) when it is full."""
    queue = int(m[f.S_QUEUE_AT])
    if queue + m[f.S_QUEUED] >= m[f.S_QUEUE_END]:
        compact(m)
    end = queue + int(m[f.S_QUEUED])
    if end >= m[f.S_QUEUE_END]:
        set_status(m, k, f.REJECTED, f.BOOK_FULL, bar)
        return False
    if front:
        for j in range(end, queue, -1):
            m[j] = m[j - 1]
        m[queue] = k
    else:
        m[end] = k
    m[f.S_QUEUED] += 1.0
    set_status(m, k, status, f.NO_REASON, bar)
    return True


@part
def work_now(m: FloatArray, k: int, bar: int) -> None:
    """Let an order that was born inside a bar act in the rest of that bar."""
    m[k + f.O_ACTIVE], m[k + f.O_FRESH] = bar, bar
    m[f.S_AGAIN] = 1.0


@part
def release(m: FloatArray, k: int, bar: int) -> None:
    """A child whose parent is complete: it works from the next bar, or from this one if the rules say so."""
    set_status(m, k, f.WORKING, f.NO_REASON, bar)
    # It may not have arrived yet, or wait for a close.
    arrived = m[k + f.O_ACTIVE] <= bar
    m[k + f.O_ACTIVE] = max(m[k + f.O_ACTIVE], bar + 1.0)
    rule = m[f.R_CHILD_BAR]
    after_market = rule == f.CHILD_AFTER_MARKET and m[int(m[k + f.O_PARENT]) + f.O_KIND] == f.MARKET
    if arrived and (m[f.R_INTRABAR] > 0.0 or rule == f.CHILD_AFTER_ANY or after_market):
        work_now(m, k, bar)


@part
def cancel_family(m: FloatArray, k: int, bar: int, completed: bool) -> None:
    """End the relatives of an order: its children, or its siblings when it is a child.

    A completed parent releases its children instead; a completed child ends its siblings.  An order that
    ends otherwise takes its children with it, and with ``R_FAMILY`` also its siblings and its parent.
    """
    parent = m[k + f.O_PARENT]
    whole = parent >= 0.0 and (completed or m[f.R_FAMILY] > 0.0)
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        other = int(m[j])
        if other == k or not f.WORKING <= m[other + f.O_STATUS] <= f.WAITING:
            continue
        if m[other + f.O_PARENT] == k:
            if completed:
                release(m, other, bar)
            else:
                set_status(m, other, f.CANCELLED, f.BY_PARENT, bar)
        elif whole and (m[other + f.O_PARENT] == parent or other == parent):
            set_status(m, other, f.CANCELLED, f.BY_SIBLING, bar)


@part
def cancel_group(m: FloatArray, k: int, bar: int) -> None:
    """One-cancels-other: end the other live orders of the order's group.

    A group is ended once: members that survive (they were not accepted yet) stay outside of it, but an order
    that joins later is ended by the next fill of any member.
    """
    group = m[k + f.O_OCO]
    if group < 0.0:
        return
    m[k + f.O_LISTED] = 0.0
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        other = int(m[j])
        if m[other + f.O_OCO] != group or m[other + f.O_LISTED] == 0.0 or not is_live(m, other):
            continue
        m[other + f.O_LISTED] = 0.0
        if m[other + f.O_STATUS] != f.SUBMITTED:
            set_status(m, other, f.CANCELLED, f.BY_OCO, bar)
            cancel_family(m, other, bar, False)


@part
def end_order(m: FloatArray, k: int, status: int, reason: int, bar: int) -> None:
    """An order ends without (further) fills: status, attached lot, group and family."""
    set_status(m, k, status, reason, bar)
    lot = int(m[k + f.O_LOT])
    if lot >= 0:
        for column in (f.L_STOP_ORDER, f.L_TARGET_ORDER):
            if m[lot + column] == k:
                m[lot + column] = -1.0
    cancel_group(m, k, bar)
    cancel_family(m, k, bar, False)


@part
def lot_order(m: FloatArray, lot: int, role: int, kind: int, size: float, bar: int) -> int:
    """New reduce-only order that belongs to a lot."""
    k = new_order(m, int(m[lot + f.L_ASSET]), kind, -np.sign(m[lot + f.L_SIZE]), size, bar)
    m[k + f.O_ROLE], m[k + f.O_LOT], m[k + f.O_TAG], m[k + f.O_REDUCE] = role, lot, m[lot + f.L_TAG], 1.0
    return k


@part
def to_tick(m: FloatArray, row: int, price: float) -> float:
    """Price rounded to the asset's nearest tick."""
    tick = m[row + f.A_TICK]
    return np.rint(price / tick) * tick if tick > 0.0 else price


@part
def attach(m: FloatArray, lot: int, role: int, price: float, bar: int) -> None:
    """Set, replace or (``price`` NaN) remove the stop-loss or take-profit order of a lot."""
    is_stop = role == f.STOP_LOSS
    column = lot + (f.L_STOP_ORDER if is_stop else f.L_TARGET_ORDER)
    old = int(m[column])
    if old >= 0 and is_live(m, old):
        set_status(m, old, f.CANCELLED, f.REPLACED, bar)
    m[column] = -1.0
    if np.isnan(price):
        return
    k = lot_order(m, lot, role, f.STOP if is_stop else f.LIMIT, abs(m[lot + f.L_SIZE]), bar)
    m[k + (f.O_STOP if is_stop else f.O_LIMIT)] = to_tick(m, int(m[lot + f.L_ASSET]), price)
    if np.isinf(price) or not (price > 0.0 or m[f.R_SIGNED] > 0.0):
        set_status(m, k, f.REJECTED, f.BAD_PRICE, bar)
        return
    m[f.S_EXITS] = 1.0
    m[k + f.O_ACTIVE] = float(bar) if m[f.R_AGAIN_ALL] > 0.0 else bar + 1.0
    # The exit that is to be tried first goes to the front, the other one to the end.
    if enqueue(m, k, f.WORKING, is_stop != (m[f.R_TARGET_FIRST] > 0.0), bar):
        m[column] = k


@part
def close_order(m: FloatArray, lot: int, portion: float, bar: int) -> int:
    """Place a market order at the front of the queue that closes a portion of one lot; returns it."""
    size = abs(m[lot + f.L_SIZE]) * min(portion, 1.0)
    unit = m[int(m[lot + f.L_ASSET]) + f.A_LOT]
    if not portion > 0.0:
        k = lot_order(m, lot, f.CLOSE_LOT, f.MARKET, 0.0, bar)
        set_status(m, k, f.REJECTED, f.SIZE_ZERO, bar)
        return k
    if unit > 0.0:
        size = money.nearest_lots(size, unit)
    k = lot_order(m, lot, f.CLOSE_LOT, f.MARKET, size, bar)
    enqueue(m, k, f.WORKING, True, bar)
    return k


@part
def wake_for(m: FloatArray, k: int, bar: int) -> None:
    """Widen the levels and the bar at which the queue is looked at again by those of one live order.

    A limit or a stop can only act in a bar whose low is at or below, or whose high is at or above, its
    level; every other order names a bar.
    """
    wake_bar = min(m[f.S_WAKE_BAR], m[k + f.O_VALID] + 1.0)
    status, kind = m[k + f.O_STATUS], m[k + f.O_KIND]
    trails = kind == f.TRAILING_STOP or kind == f.TRAILING_STOP_LIMIT
    stop_pending = not np.isnan(m[k + f.O_STOP]) and m[k + f.O_TRIGGERED] == 0.0
    level = m[k + f.O_STOP] if stop_pending else m[k + f.O_LIMIT]
    names_bar = trails or np.isnan(level) or m[k + f.O_TIF] >= f.IOC or m[k + f.O_ACTIVE] > bar + 1
    if status == f.SUBMITTED:
        wake_bar = bar + 1.0
    elif status == f.WORKING and names_bar:
        wake_bar = min(wake_bar, max(m[k + f.O_ACTIVE], bar + 1.0))
    elif status == f.WORKING:
        row = int(m[k + f.O_ASSET])
        if (m[k + f.O_SIDE] > 0.0) == stop_pending:
            m[row + f.A_WAKE_HIGH] = min(m[row + f.A_WAKE_HIGH], level)
        else:
            m[row + f.A_WAKE_LOW] = max(m[row + f.A_WAKE_LOW], level)
    m[f.S_WAKE_BAR] = wake_bar


@part
def set_wakes(m: FloatArray, bar: int) -> None:
    """Compact the queue and find anew when it has to be looked at again; quiet bars are skipped."""
    for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
        m[row + f.A_WAKE_LOW], m[row + f.A_WAKE_HIGH] = -np.inf, np.inf
    m[f.S_WAKE_BAR] = np.inf
    compact(m)
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        wake_for(m, int(m[j]), bar)
