"""Instructions of a strategy: place, modify, cancel, close, trail; and the check at submission."""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.account import cash_for, equity_of, fee
from peak_kernels.book import (
    attach,
    cancel_family,
    cancel_group,
    close_order,
    end_order,
    enqueue,
    first_bar,
    is_live,
    new_order,
    set_status,
)
from peak_kernels.orders_fields import Floats, Market, Sim
from peak_kernels.orders_fill import floor_to_lot
from peak_kernels.orders_price import trail_from


@jit
def worth_of(sim: Sim, row: Floats) -> float:
    """Market value of one asset's position, negative for a short."""
    if row[f.A_MARGIN] > 0.0:
        return abs(row[f.A_POSITION]) * row[f.A_MARGIN]
    return row[f.A_POSITION] * row[f.A_MARK] * row[f.A_MULTIPLIER]


@jit
def aim(sim: Sim, asset: int, unit: float, target: float) -> tuple[float, float]:
    """Side and size that lead to a target position, target value or target fraction of the equity."""
    row = sim.assets[asset]
    position = row[f.A_POSITION]
    if unit == f.POSITION_FRACTION:
        return -np.sign(position), abs(position) * target
    if target == 0.0:
        return -np.sign(position), abs(position)
    if unit == f.TARGET_UNITS:
        return np.sign(target - position), abs(target - position)
    if unit == f.TARGET_FRACTION:
        target *= equity_of(sim)
    difference = target - worth_of(sim, row)
    per_unit = row[f.A_MARGIN] if row[f.A_MARGIN] > 0.0 else row[f.A_MARK] * row[f.A_MULTIPLIER]
    size = abs(difference) / per_unit
    if row[f.A_LOT] > 0.0:
        size = (
            float(int(sim.rules[f.R_LEVERAGE] * (abs(difference) // (per_unit * row[f.A_LOT]))))
            * row[f.A_LOT]
        )
    return np.sign(difference), size


@jit
def place(sim: Sim, market: Market, action: Floats, bar: int) -> int:
    """Create an order from an action; returns its number."""
    asset = int(action[f.X_ASSET])
    if sim.rules[f.R_EXCLUSIVE] > 0.0:
        clear_for(sim, asset, bar)
    side, size, unit = action[f.X_SIDE], action[f.X_SIZE], action[f.X_UNIT]
    if unit >= f.POSITION_FRACTION:
        side, size = aim(sim, asset, unit, size)
        unit = float(f.UNITS)
    k = new_order(sim, asset, int(action[f.X_KIND]), side, size, bar)
    order = sim.book[k]
    order[f.O_UNIT] = unit
    order[f.O_LIMIT], order[f.O_STOP] = action[f.X_LIMIT], action[f.X_STOP]
    order[f.O_STOP_LOSS], order[f.O_TAKE_PROFIT] = action[f.X_STOP_LOSS], action[f.X_TAKE_PROFIT]
    order[f.O_EXIT_UNIT], order[f.O_REDUCE] = action[f.X_EXIT_UNIT], action[f.X_REDUCE]
    order[f.O_VALID], order[f.O_TIF] = action[f.X_VALID], action[f.X_TIF]
    order[f.O_OCO], order[f.O_TAG], order[f.O_PARENT] = action[f.X_OCO], action[f.X_TAG], action[f.X_PARENT]
    order[f.O_ACTIVE] = first_bar(sim.rules, int(order[f.O_KIND]), bar)
    if order[f.O_KIND] == f.MARKET_ON_CLOSE:
        order[f.O_ACTIVE] = market.auction[0, bar]
    start_trail(order, action)
    if order[f.O_PARENT] >= 0.0:
        order[f.O_ROLE] = f.CHILD
    admit(sim, k, bar)
    return k


@jit
def start_trail(order: Floats, action: Floats) -> None:
    """First stop of a trailing order, from its reference price or the close of the placing bar."""
    if order[f.O_KIND] != f.TRAILING_STOP and order[f.O_KIND] != f.TRAILING_STOP_LIMIT:
        return
    order[f.O_TRAIL], order[f.O_TRAIL_UNIT] = action[f.X_TRAIL], action[f.X_TRAIL_UNIT]
    reference = order[f.O_REFERENCE] if np.isnan(action[f.X_STOP]) else action[f.X_STOP]
    order[f.O_OFFSET] = reference - order[f.O_LIMIT]
    order[f.O_STOP] = np.nan
    trail_from(order, reference)


@jit
def admit(sim: Sim, k: int, bar: int) -> None:
    """Check a new order and put it into the queue."""
    order = sim.book[k]
    if order[f.O_UNIT] == f.UNITS:
        # Sizes in units are rounded once, here; a size of zero is refused.
        size = floor_to_lot(sim.assets[int(order[f.O_ASSET])], order[f.O_SIZE])
        order[f.O_SIZE], order[f.O_REMAINING] = size, size
    parent = int(order[f.O_PARENT])
    if not order[f.O_SIZE] > 0.0 or order[f.O_SIDE] == 0.0:
        nothing = order[f.O_SIDE] == 0.0
        set_status(sim, k, f.REJECTED, f.NOTHING_TO_REDUCE if nothing else f.SIZE_ZERO, bar)
    elif order[f.O_STOP] <= 0.0 or order[f.O_LIMIT] <= 0.0:
        set_status(sim, k, f.REJECTED, f.BAD_PRICE, bar)
    elif parent >= 0 and not is_live(sim.book[parent]) and sim.book[parent, f.O_STATUS] != f.FILLED:
        set_status(sim, k, f.REJECTED, f.PARENT_MISSING, bar)
    elif sim.rules[f.R_CHECK_SUBMISSION] > 0.0:
        enqueue(sim, k, f.SUBMITTED, False, bar)
    else:
        waits = parent >= 0 and is_live(sim.book[parent])
        enqueue(sim, k, f.WAITING if waits else f.WORKING, False, bar)


@jit
def clear_for(sim: Sim, asset: int, bar: int) -> None:
    """Exclusive orders: cancel what is pending, except attached exits, and close all open lots."""
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        order = sim.book[k]
        exit_order = order[f.O_ROLE] == f.STOP_LOSS or order[f.O_ROLE] == f.TAKE_PROFIT
        if is_live(order) and not exit_order and order[f.O_ASSET] == asset:
            set_status(sim, k, f.CANCELLED, f.BY_EXCLUSIVE, bar)
    for j in range(int(sim.state[f.S_OPEN_LOTS])):
        number = int(sim.open_lots[j])
        if sim.lots[number, f.L_ASSET] == asset:
            close_order(sim, number, 1.0, bar)


@jit
def for_lots(sim: Sim, action: Floats, bar: int) -> None:
    """Actions on open lots: close a portion, set exits, trail the stop-losses."""
    op, tag = action[f.X_OP], action[f.X_TAG]
    for j in range(int(sim.state[f.S_OPEN_LOTS])):
        number = int(sim.open_lots[j])
        lot = sim.lots[number]
        if lot[f.L_ASSET] != action[f.X_ASSET] or (tag >= 0.0 and lot[f.L_TAG] != tag):
            continue
        if op == f.OP_CLOSE:
            close_order(sim, number, action[f.X_SIZE], bar)
        elif op == f.OP_TRAIL_LOTS:
            trail_lot(sim, number, action, bar)
        else:
            if not np.isnan(action[f.X_TAKE_PROFIT]):
                attach(sim, number, f.TAKE_PROFIT, action[f.X_TAKE_PROFIT], bar)
            if not np.isnan(action[f.X_STOP_LOSS]):
                attach(sim, number, f.STOP_LOSS, action[f.X_STOP_LOSS], bar)


@jit
def trail_lot(sim: Sim, number: int, action: Floats, bar: int) -> None:
    """Move a lot's stop-loss to a distance from the close, never back."""
    lot = sim.lots[number]
    close = sim.assets[int(lot[f.L_ASSET]), f.A_MARK]
    direction = np.sign(lot[f.L_SIZE])
    if action[f.X_TRAIL_UNIT] == f.FRACTION:
        level = close * (1.0 - direction * action[f.X_TRAIL])
    else:
        level = close - direction * action[f.X_TRAIL]
    old = int(lot[f.L_STOP_ORDER])
    if old >= 0:
        level = direction * max(direction * level, direction * sim.book[old, f.O_STOP])
    attach(sim, number, f.STOP_LOSS, level, bar)


@jit
def modify(sim: Sim, action: Floats, bar: int) -> None:
    """Change limit, stop, size or validity of the live orders with the action's tag, and lots' exits."""
    for j in range(int(sim.state[f.S_QUEUE])):
        order = sim.book[sim.queue[j]]
        attached = order[f.O_ROLE] == f.STOP_LOSS or order[f.O_ROLE] == f.TAKE_PROFIT
        if order[f.O_TAG] != action[f.X_TAG] or not is_live(order) or attached:
            continue
        if not np.isnan(action[f.X_LIMIT]) and not np.isnan(order[f.O_LIMIT]):
            order[f.O_LIMIT] = action[f.X_LIMIT]
        if not np.isnan(action[f.X_STOP]) and order[f.O_TRIGGERED] == 0.0 and not np.isnan(order[f.O_STOP]):
            order[f.O_STOP] = action[f.X_STOP]
        if not np.isnan(action[f.X_TRAIL]):
            order[f.O_TRAIL], order[f.O_TRAIL_UNIT] = action[f.X_TRAIL], action[f.X_TRAIL_UNIT]
        if action[f.X_SIZE] > 0.0 and order[f.O_UNIT] == action[f.X_UNIT]:
            order[f.O_SIZE] = max(action[f.X_SIZE], order[f.O_FILLED])
            order[f.O_REMAINING] = order[f.O_SIZE] - order[f.O_FILLED]
        if action[f.X_VALID] < np.inf:
            order[f.O_VALID] = action[f.X_VALID]
        for column, given in ((f.O_STOP_LOSS, f.X_STOP_LOSS), (f.O_TAKE_PROFIT, f.X_TAKE_PROFIT)):
            if not np.isnan(action[given]):
                order[column] = action[given]
    for_lots(sim, action, bar)


@jit
def cancel(sim: Sim, action: Floats, bar: int) -> None:
    """Cancel the live orders with the action's tag (attached exits of open lots included)."""
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        order = sim.book[k]
        if order[f.O_TAG] == action[f.X_TAG] and is_live(order) and order[f.O_STATUS] != f.SUBMITTED:
            end_order(sim, k, f.CANCELLED, f.BY_USER, bar)


@jit
def act(sim: Sim, market: Market, actions: Floats, m: int, bar: int) -> None:
    """Carry out action ``m`` at the close of ``bar``."""
    action = actions[m]
    op = action[f.X_OP]
    if op == f.OP_PLACE:
        if action[f.X_PARENT] >= 0.0:
            action[f.X_PARENT] = actions[int(action[f.X_PARENT]), f.X_ORDER]
        k = place(sim, market, action, bar)
        sim.book[k, f.O_ACTION] = m
        action[f.X_ORDER] = k
    elif op == f.OP_CANCEL:
        cancel(sim, action, bar)
    elif op == f.OP_MODIFY:
        modify(sim, action, bar)
    else:
        for_lots(sim, action, bar)


@jit
def own_price(sim: Sim, order: Floats) -> float:
    """Price that an order names itself: stop, else limit, else the close of the bar that placed it."""
    if not np.isnan(order[f.O_STOP]):
        return order[f.O_STOP]
    if not np.isnan(order[f.O_LIMIT]):
        return order[f.O_LIMIT]
    row = sim.assets[int(order[f.O_ASSET])]
    at_open = sim.rules[f.R_CHECK_AT_OPEN] > 0.0 and order[f.O_KIND] == f.MARKET
    return row[f.A_OPEN] if at_open else order[f.O_REFERENCE]


@jit
def check_submissions(sim: Sim, bar: int) -> None:
    """Accept or refuse the orders placed since the last bar, by a pseudo-execution at their own prices.

    The orders are tried in sequence on a copy of cash and positions.  An order that would leave the cash
    negative is refused; the copy keeps the negative cash, so that later ones of the batch may fail, too.
    """
    cash = sim.state[f.S_CASH]
    held = sim.assets[:, f.A_POSITION].copy()
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        order = sim.book[k]
        if order[f.O_STATUS] != f.SUBMITTED:
            continue
        parent = int(order[f.O_PARENT])
        if parent >= 0 and not is_live(sim.book[parent]) and sim.book[parent, f.O_STATUS] != f.FILLED:
            set_status(sim, k, f.REJECTED, f.PARENT_MISSING, bar)
            continue
        cash = pseudo_execute(sim, order, held, cash)
        if cash >= 0.0:
            waits = parent >= 0 and is_live(sim.book[parent])
            set_status(sim, k, f.WAITING if waits else f.WORKING, f.NO_REASON, bar)
        else:
            set_status(sim, k, f.REJECTED, f.NOT_PAYABLE_AT_SUBMISSION, bar)
            cancel_group(sim, k, bar)
            cancel_family(sim, k, bar, False)


@jit
def pseudo_execute(sim: Sim, order: Floats, held: Floats, cash: float) -> float:
    """Cash after the order as if it filled now, in full, at its own price; updates ``held``."""
    asset = int(order[f.O_ASSET])
    row = sim.assets[asset]
    price = own_price(sim, order)
    size = order[f.O_SIDE] * order[f.O_REMAINING]
    before = held[asset]
    closed = 0.0
    if before * size < 0.0:
        closed = -np.sign(before) * min(abs(before), abs(size))
        cash += cash_for(sim, row, -closed, price)
        cash -= fee(sim, abs(closed), price, row[f.A_MULTIPLIER], False)
    opened = size - closed
    if opened == 0.0:
        held[asset] = before + closed
        return cash
    cash -= cash_for(sim, row, opened, price)
    cash -= fee(sim, abs(opened), price, row[f.A_MULTIPLIER], False)
    held[asset] = before + size
    return cash
