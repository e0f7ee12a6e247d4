"""The order book: numbering, queue, status changes and what they entail for related orders.

The queue holds the live orders in the order in which they are worked.  An order leaves it lazily: its
status changes at once, the queue is compacted after the bar.  The size of the queue is the caller's
choice; an order that does not fit is rejected with a reason of its own.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.orders_fields import Floats, Sim


@jit
def is_live(order: Floats) -> bool:
    """Submitted, working or waiting for its parent."""
    return f.SUBMITTED <= order[f.O_STATUS] <= f.WAITING


@jit
def set_status(sim: Sim, k: int, status: int, reason: int, bar: int) -> None:
    """Change the status of order ``k`` and log it, without consequences for other orders."""
    order = sim.book[k]
    order[f.O_STATUS], order[f.O_REASON], order[f.O_LAST] = status, reason, bar
    log_event(sim, k, bar)


@jit
def log_event(sim: Sim, k: int, bar: int) -> None:
    """Append the present status of order ``k`` to the log."""
    n = int(sim.state[f.S_LOG])
    if n >= sim.log.shape[0]:
        sim.state[f.S_OVERFLOW] = 1.0
        return
    order, row = sim.book[k], sim.log[n]
    row[f.E_ORDER], row[f.E_BAR], row[f.E_STATUS] = k, bar, order[f.O_STATUS]
    row[f.E_REASON], row[f.E_FILLED] = order[f.O_REASON], order[f.O_FILLED]
    sim.state[f.S_LOG] = n + 1


@jit
def compact(sim: Sim) -> None:
    """Take the orders that are no longer live out of the queue."""
    n = int(sim.state[f.S_QUEUE])
    to = 0
    for j in range(n):
        if is_live(sim.book[sim.queue[j]]):
            sim.queue[to] = sim.queue[j]
            to += 1
    sim.state[f.S_QUEUE] = to


@jit
def new_order(sim: Sim, asset: int, kind: int, side: float, size: float, bar: int) -> int:
    """Number and default fields of a new order that is not in the queue yet."""
    k = int(sim.state[f.S_ORDERS])
    if k >= sim.book.shape[0]:
        sim.state[f.S_OVERFLOW] = 1.0
        k = sim.book.shape[0] - 1
    else:
        sim.state[f.S_ORDERS] = k + 1
    order = sim.book[k]
    order[:] = 0.0
    order[f.O_ASSET], order[f.O_KIND], order[f.O_SIDE] = asset, kind, side
    order[f.O_SIZE], order[f.O_REMAINING] = size, size
    for column in (f.O_LIMIT, f.O_STOP, f.O_TRAIL, f.O_STOP_LOSS, f.O_TAKE_PROFIT):
        order[column] = np.nan
    for column in (f.O_PARENT, f.O_OCO, f.O_LOT, f.O_TAG, f.O_ACTION):
        order[column] = -1.0
    order[f.O_VALID] = np.inf
    order[f.O_BAR], order[f.O_ACTIVE], order[f.O_LAST] = bar, bar + 1, bar
    order[f.O_FRESH], order[f.O_TRIED] = -1.0, -1.0
    order[f.O_REFERENCE] = sim.assets[asset, f.A_MARK]
    return k


@jit
def enqueue(sim: Sim, k: int, status: int, front: bool, bar: int) -> bool:
    """Put order ``k`` into the queue, at the front or the end; False (and rejected) when it is full."""
    n = int(sim.state[f.S_QUEUE])
    if n >= sim.queue.shape[0]:
        compact(sim)
        n = int(sim.state[f.S_QUEUE])
    if n >= sim.queue.shape[0]:
        set_status(sim, k, f.REJECTED, f.BOOK_FULL, bar)
        return False
    if front:
        for j in range(n, 0, -1):
            sim.queue[j] = sim.queue[j - 1]
        sim.queue[0] = k
    else:
        sim.queue[n] = k
    sim.state[f.S_QUEUE] = n + 1
    set_status(sim, k, status, f.NO_REASON, bar)
    return True


@jit
def cancel_family(sim: Sim, k: int, bar: int, completed: bool) -> None:
    """End the relatives of order ``k``: its children, or its siblings when it is a child.

    A completed parent releases its children instead; a completed child ends its siblings.  An order that
    ends otherwise takes its children with it, and with ``R_FAMILY`` also its siblings and its parent.
    """
    parent = sim.book[k, f.O_PARENT]
    whole = completed or sim.rules[f.R_FAMILY] > 0.0
    for j in range(int(sim.state[f.S_QUEUE])):
        other = int(sim.queue[j])
        order = sim.book[other]
        if other == k or not is_live(order) or order[f.O_STATUS] == f.SUBMITTED:
            continue
        if order[f.O_PARENT] == k:
            if completed:
                release(sim, other, bar)
            else:
                set_status(sim, other, f.CANCELLED, f.BY_PARENT, bar)
        elif parent >= 0.0 and whole and (order[f.O_PARENT] == parent or other == parent):
            set_status(sim, other, f.CANCELLED, f.BY_SIBLING, bar)


@jit
def release(sim: Sim, k: int, bar: int) -> None:
    """A child whose parent is complete: it works from the next bar, or from this one if the rules say so."""
    order = sim.book[k]
    order[f.O_STATUS] = f.WORKING
    order[f.O_ACTIVE] = bar + 1
    parent = sim.book[int(order[f.O_PARENT])]
    child_bar = sim.rules[f.R_CHILD_BAR]
    market = parent[f.O_KIND] == f.MARKET
    inside = sim.rules[f.R_INTRABAR] > 0.0 or child_bar == f.CHILD_AFTER_ANY
    if inside or (child_bar == f.CHILD_AFTER_MARKET and market):
        work_now(sim, order, bar)


@jit
def work_now(sim: Sim, order: Floats, bar: int) -> None:
    """Let an order that was born inside a bar act in the rest of that bar."""
    order[f.O_ACTIVE], order[f.O_FRESH] = bar, bar
    sim.state[f.S_AGAIN] = 1.0


@jit
def first_bar(rules: Floats, kind: int, bar: int) -> float:
    """First bar in which an order placed at the close of ``bar`` can act."""
    at_once = kind == f.MARKET and rules[f.R_MARKET_AT] == f.SAME_CLOSE and rules[f.R_LATENCY] == 0.0
    return float(bar) if at_once else bar + 1.0 + rules[f.R_LATENCY]


@jit
def cancel_group(sim: Sim, k: int, bar: int) -> None:
    """One-cancels-other: end the other live orders of the group of ``k``; the group is dissolved."""
    group = sim.book[k, f.O_OCO]
    if group < 0.0:
        return
    for j in range(int(sim.state[f.S_QUEUE])):
        other = int(sim.queue[j])
        order = sim.book[other]
        if order[f.O_OCO] != group or other == k or not is_live(order):
            continue
        order[f.O_OCO] = -1.0
        if order[f.O_STATUS] != f.SUBMITTED:
            set_status(sim, other, f.CANCELLED, f.BY_OCO, bar)
            cancel_family(sim, other, bar, False)
    sim.book[k, f.O_OCO] = -1.0


@jit
def end_order(sim: Sim, k: int, status: int, reason: int, bar: int) -> None:
    """An order ends unfilled: status, attached lot, group and family."""
    set_status(sim, k, status, reason, bar)
    forget(sim, k)
    cancel_group(sim, k, bar)
    cancel_family(sim, k, bar, False)


@jit
def forget(sim: Sim, k: int) -> None:
    """A lot no longer points to its attached order ``k``."""
    lot = int(sim.book[k, f.O_LOT])
    if lot >= 0:
        for column in (f.L_STOP_ORDER, f.L_TARGET_ORDER):
            if sim.lots[lot, column] == k:
                sim.lots[lot, column] = -1.0


@jit
def attach(sim: Sim, lot_number: int, role: int, price: float, bar: int) -> None:
    """Set, replace or (``price`` NaN) remove the stop-loss or take-profit order of a lot."""
    lot = sim.lots[lot_number]
    column = f.L_STOP_ORDER if role == f.STOP_LOSS else f.L_TARGET_ORDER
    old = int(lot[column])
    if old >= 0 and is_live(sim.book[old]):
        set_status(sim, old, f.CANCELLED, f.REPLACED, bar)
    lot[column] = -1.0
    if np.isnan(price):
        return
    side = -np.sign(lot[f.L_SIZE])
    kind = f.STOP if role == f.STOP_LOSS else f.LIMIT
    k = new_order(sim, int(lot[f.L_ASSET]), kind, side, abs(lot[f.L_SIZE]), bar)
    order = sim.book[k]
    order[f.O_STOP if role == f.STOP_LOSS else f.O_LIMIT] = price
    order[f.O_ROLE], order[f.O_LOT], order[f.O_TAG], order[f.O_REDUCE] = role, lot_number, lot[f.L_TAG], 1.0
    if sim.rules[f.R_AGAIN_ALL] > 0.0:
        order[f.O_ACTIVE] = bar
    if enqueue(sim, k, f.WORKING, True, bar):
        lot[column] = k


@jit
def close_order(sim: Sim, lot_number: int, portion: float, bar: int) -> None:
    """Place a market order at the front of the queue that closes a portion of one lot."""
    lot = sim.lots[lot_number]
    size = abs(lot[f.L_SIZE]) * portion
    unit = sim.assets[int(lot[f.L_ASSET]), f.A_LOT]
    if unit > 0.0:
        # Half to even, and at least one unit.
        size = max(unit, np.rint(size / unit) * unit)
    k = new_order(sim, int(lot[f.L_ASSET]), f.MARKET, -np.sign(lot[f.L_SIZE]), size, bar)
    order = sim.book[k]
    order[f.O_ROLE], order[f.O_LOT], order[f.O_TAG], order[f.O_REDUCE] = (
        f.CLOSE_LOT,
        lot_number,
        lot[f.L_TAG],
        1.0,
    )
    order[f.O_ACTIVE] = first_bar(sim.rules, f.MARKET, bar)
    enqueue(sim, k, f.WORKING, True, bar)


@jit
def set_wakes(sim: Sim, bar: int) -> None:
    """Levels and bar at which the queue has to be looked at again; quiet bars are skipped.

    A limit or a stop can only act in a bar whose low is at or below, or whose high is at or above, its
    level; every other order names a bar.
    """
    for a in range(sim.assets.shape[0]):
        sim.assets[a, f.A_WAKE_LOW], sim.assets[a, f.A_WAKE_HIGH] = -np.inf, np.inf
    wake_bar = np.inf
    for j in range(int(sim.state[f.S_QUEUE])):
        order = sim.book[sim.queue[j]]
        status = order[f.O_STATUS]
        if not is_live(order):
            continue
        wake_bar = min(wake_bar, order[f.O_VALID] + 1.0)
        if status == f.WAITING:
            continue
        trails = order[f.O_KIND] == f.TRAILING_STOP or order[f.O_KIND] == f.TRAILING_STOP_LIMIT
        stop_pending = not np.isnan(order[f.O_STOP]) and order[f.O_TRIGGERED] == 0.0
        level = order[f.O_STOP] if stop_pending else order[f.O_LIMIT]
        if status == f.SUBMITTED or trails or np.isnan(level) or order[f.O_ACTIVE] > bar + 1:
            wake_bar = min(wake_bar, max(order[f.O_ACTIVE], bar + 1.0))
        elif order[f.O_TIF] >= f.IOC:
            wake_bar = bar + 1.0
        else:
            row = sim.assets[int(order[f.O_ASSET])]
            if (order[f.O_SIDE] > 0.0) == stop_pending:
                row[f.A_WAKE_HIGH] = min(row[f.A_WAKE_HIGH], level)
            else:
                row[f.A_WAKE_LOW] = max(row[f.A_WAKE_LOW], level)
    sim.state[f.S_WAKE_BAR] = wake_bar
