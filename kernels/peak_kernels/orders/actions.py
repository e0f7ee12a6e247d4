"""Instructions of a strategy: place, modify, cancel, close, trail; and the check at submission.

Reads instructions; writes orders, the queue, the exits of lots, and in the check at submission copies of cash and
positions.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.orders.account import cash_for, equity_of, fee, rate_at, worth_of
from peak_kernels.orders.book import (
    attach,
    cancel_family,
    cancel_group,
    close_order,
    end_order,
    enqueue,
    new_order,
    set_status,
    to_tick,
)
from peak_kernels.orders.fill import floor_to_lot
from peak_kernels.orders.live import is_exit, is_live
from peak_kernels.orders.price import trail


@part
def aim(m: FloatArray, row: int, unit: float, target: float) -> tuple[float, float]:
    """Side and size that lead to a target position, target value or target fraction of the equity."""
    position = m[row + f.A_POSITION]
    if unit == f.POSITION_FRACTION or target == 0.0:
        return -np.sign(position), abs(position) * (target if unit == f.POSITION_FRACTION else 1.0)
    if unit == f.TARGET_UNITS:
        return np.sign(target - position), abs(target - position)
    if unit == f.TARGET_FRACTION:
        target *= equity_of(m)
    per_unit = worth_of(m, row, 1.0, m[row + f.A_MARK])
    held = money.value(position, per_unit)
    if position < 0.0 and m[f.R_SHORT_PROCEEDS] == 0.0:
        held += 2.0 * money.move(position, per_unit, m[row + f.A_PAID] * m[row + f.A_MULTIPLIER], 1.0)
    if m[row + f.A_MARGIN] > 0.0:
        per_unit = m[row + f.A_MARGIN]
        held = money.value(abs(position), per_unit)
    difference = target - held
    size = money.units(abs(difference), per_unit)
    lot = max(m[row + f.A_LOT], m[f.R_TARGET_STEP])
    if lot > 0.0:
        size = money.leveraged_lots(abs(difference), per_unit, lot, m[f.R_LEVERAGE])
    return np.sign(difference), size


@part
def start_trail(m: FloatArray, k: int, action: int) -> None:
    """First stop of a trailing order, from its reference price or the close of the placing bar."""
    m[k + f.O_TRAIL], m[k + f.O_TRAIL_UNIT] = m[action + f.X_TRAIL], m[action + f.X_TRAIL_UNIT]
    given = m[action + f.X_STOP]
    reference = m[k + f.O_REFERENCE] if np.isnan(given) else given
    m[k + f.O_OFFSET] = reference - m[k + f.O_LIMIT]
    m[k + f.O_STOP] = np.nan
    trail(m, k, reference)


@part
def place(m: FloatArray, action: int, bar: int) -> int:
    """Create an order from an action, check it and put it into the queue."""
    row = int(m[f.S_ASSETS_AT]) + int(m[action + f.X_ASSET]) * f.N_ASSET
    if m[f.R_EXCLUSIVE] > 0.0:
        clear_for(m, row, bar)
    side, size, unit = m[action + f.X_SIDE], m[action + f.X_SIZE], m[action + f.X_UNIT]
    if unit >= f.POSITION_FRACTION:
        side, size = aim(m, row, unit, size)
        unit = float(f.UNITS)
    if unit == f.UNITS:
        size = floor_to_lot(m, row, size)
    kind = int(m[action + f.X_KIND])
    k = new_order(m, row, kind, side, size, bar)
    m[k + f.O_UNIT], m[k + f.O_ORDERED] = unit, size
    m[k + f.O_LIMIT], m[k + f.O_STOP] = (
        to_tick(m, row, m[action + f.X_LIMIT]),
        to_tick(m, row, m[action + f.X_STOP]),
    )
    m[k + f.O_STOP_LOSS], m[k + f.O_TAKE_PROFIT] = m[action + f.X_STOP_LOSS], m[action + f.X_TAKE_PROFIT]
    m[k + f.O_EXIT_UNIT], m[k + f.O_TARGET_UNIT] = m[action + f.X_EXIT_UNIT], m[action + f.X_EXIT_UNIT]
    m[k + f.O_REDUCE] = m[action + f.X_REDUCE]
    m[k + f.O_VALID], m[k + f.O_TIF] = m[action + f.X_VALID], m[action + f.X_TIF]
    m[k + f.O_OCO], m[k + f.O_TAG], m[k + f.O_LISTED] = m[action + f.X_OCO], m[action + f.X_TAG], 1.0
    if m[k + f.O_OCO] >= 0.0 or m[action + f.X_PARENT] >= 0.0:
        m[f.S_PAIRS] = 1.0
    if kind == f.MARKET_ON_CLOSE:
        m[f.S_CLOSERS] = 1.0
        m[k + f.O_ACTIVE], m[k + f.O_AUCTION] = m[action + f.X_AUCTION], m[action + f.X_AUCTION_CLOSE]
    if kind == f.TRAILING_STOP or kind == f.TRAILING_STOP_LIMIT:
        start_trail(m, k, action)
    parent = m[action + f.X_PARENT]
    if parent >= 0.0:
        m[k + f.O_PARENT], m[k + f.O_ROLE] = m[int(m[f.S_PLACED_AT] + parent)], f.CHILD
    if parent < -1.0:
        set_status(m, k, f.REJECTED, f.PARENT_MISSING, bar)
    elif of_no_price(m, k, m[action + f.X_UNIT]):
        set_status(m, k, f.REJECTED, f.BAD_PRICE, bar)
    else:
        admit(m, k, bar)
    return k


@part
def lacks_price(m: FloatArray, k: int) -> bool:
    """Whether an order has no usable price where its kind needs one."""
    kind, limit, stop = m[k + f.O_KIND], m[k + f.O_LIMIT], m[k + f.O_STOP]
    with_limit = kind == f.LIMIT or kind == f.STOP_LIMIT or kind == f.TRAILING_STOP_LIMIT
    with_stop = f.STOP <= kind <= f.TRAILING_STOP_LIMIT
    if (kind == f.TRAILING_STOP or kind == f.TRAILING_STOP_LIMIT) and not m[k + f.O_TRAIL] > 0.0:
        return True
    below = (stop <= 0.0 or limit <= 0.0) and m[f.R_SIGNED] == 0.0
    return below or (with_limit and np.isnan(limit)) or (with_stop and np.isnan(stop))


@part
def of_no_price(m: FloatArray, k: int, unit: float) -> bool:
    """Whether an order's size or a distance is a share of prices that may be zero or below."""
    if m[f.R_SIGNED] == 0.0:
        return False
    sized = unit == f.VALUE or unit == f.EQUITY_FRACTION or unit == f.MARGIN_FRACTION
    sized = sized or unit == f.TARGET_VALUE or unit == f.TARGET_FRACTION
    exits = not (np.isnan(m[k + f.O_STOP_LOSS]) and np.isnan(m[k + f.O_TAKE_PROFIT]))
    distance = exits and m[k + f.O_EXIT_UNIT] == f.FRACTION
    return sized or distance or (m[k + f.O_TRAIL] > 0.0 and m[k + f.O_TRAIL_UNIT] == f.FRACTION)


@part
def admit(m: FloatArray, k: int, bar: int) -> None:
    """Check a new order and put it into the queue."""
    parent = int(m[k + f.O_PARENT])
    if m[k + f.O_SIDE] == 0.0:
        set_status(m, k, f.REJECTED, f.NOTHING_TO_REDUCE, bar)
    elif not m[k + f.O_SIZE] > 0.0:
        set_status(m, k, f.REJECTED, f.SIZE_ZERO, bar)
    elif lacks_price(m, k):
        set_status(m, k, f.REJECTED, f.BAD_PRICE, bar)
    elif parent >= 0 and not is_live(m, parent) and m[parent + f.O_STATUS] != f.FILLED:
        set_status(m, k, f.REJECTED, f.PARENT_MISSING, bar)
    elif m[f.R_CHECK_SUBMISSION] > 0.0:
        enqueue(m, k, f.SUBMITTED, False, bar)
    else:
        waits = parent >= 0 and is_live(m, parent)
        enqueue(m, k, f.WAITING if waits else f.WORKING, False, bar)


@part
def clear_for(m: FloatArray, row: int, bar: int) -> None:
    """Exclusive orders: cancel what is pending, except attached exits, and close all open lots.

    With ``R_ALTERNATE`` the order behind each cancelled one is passed over.
    """
    queue = int(m[f.S_QUEUE_AT])
    passed_over = False
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        k = int(m[j])
        if not is_live(m, k) or m[k + f.O_ASSET] != row:
            continue
        if passed_over:
            passed_over = False
        elif not is_exit(m, k):
            set_status(m, k, f.CANCELLED, f.BY_EXCLUSIVE, bar)
            passed_over = m[f.R_ALTERNATE] > 0.0
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        if m[int(m[j]) + f.L_ASSET] == row:
            close_order(m, int(m[j]), 1.0, bar)


@part
def or_none(m: FloatArray, price: float) -> float:
    """Price of an exit; one of 0 takes it away."""
    return price if price > 0.0 or (price < 0.0 and m[f.R_SIGNED] > 0.0) else np.nan


@part
def for_lots(m: FloatArray, action: int, bar: int) -> None:
    """Actions on open lots: close a portion, set exits (a price of 0 removes one), trail the stop-losses.

    No tag means all lots.
    """
    op, tag = m[action + f.X_OP], m[action + f.X_TAG]
    row = int(m[f.S_ASSETS_AT]) + int(m[action + f.X_ASSET]) * f.N_ASSET
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        lot = int(m[j])
        # A modification means a tag, whatever its asset is.
        if (m[lot + f.L_ASSET] != row and op != f.OP_MODIFY) or (tag >= 0.0 and m[lot + f.L_TAG] != tag):
            continue
        if op == f.OP_CLOSE and m[action + f.X_SIDE] * m[lot + f.L_SIZE] > 0.0:
            # An order of this side would add to the lot.
            continue
        stop, target = m[action + f.X_STOP_LOSS], m[action + f.X_TAKE_PROFIT]
        if op == f.OP_CLOSE:
            close_order(m, lot, m[action + f.X_SIZE], bar)
            continue
        if op == f.OP_TRAIL_LOTS:
            stop = trailed_stop(m, lot, action)
        if not np.isnan(target):
            attach(m, lot, f.TAKE_PROFIT, or_none(m, target), bar)
        if not np.isnan(stop):
            attach(m, lot, f.STOP_LOSS, or_none(m, stop), bar)


@part
def trailed_stop(m: FloatArray, lot: int, action: int) -> float:
    """Stop-loss at a distance from the close, never worse than the present one."""
    close = m[int(m[lot + f.L_ASSET]) + f.A_MARK]
    direction = np.sign(m[lot + f.L_SIZE])
    level = close - direction * m[action + f.X_TRAIL]
    if m[action + f.X_TRAIL_UNIT] == f.FRACTION:
        level = close * (1.0 - direction * m[action + f.X_TRAIL])
        if m[f.R_SIGNED] > 0.0:
            # A share of a price that may be zero is no distance: the present stop stays, else the order is refused.
            level = -direction * np.inf
    old = int(m[lot + f.L_STOP_ORDER])
    return direction * max(direction * level, direction * m[old + f.O_STOP]) if old >= 0 else level


@part
def is_price(m: FloatArray, price: float) -> bool:
    """Whether a price is given, and may be one."""
    return price > 0.0 or (price <= 0.0 and m[f.R_SIGNED] > 0.0)


@part
def modify(m: FloatArray, k: int, action: int, bar: int) -> None:
    """Change limit, stop, trail, size, validity or exits of a live order; NaN leaves a field as it is.

    A field that the kind of order does not have is not given one.
    """
    row, kind = int(m[k + f.O_ASSET]), m[k + f.O_KIND]
    trails = kind == f.TRAILING_STOP or kind == f.TRAILING_STOP_LIMIT
    if is_price(m, m[action + f.X_STOP]) and m[k + f.O_TRIGGERED] == 0.0 and not np.isnan(m[k + f.O_STOP]):
        m[k + f.O_STOP] = to_tick(m, row, m[action + f.X_STOP])
    if is_price(m, m[action + f.X_LIMIT]) and not np.isnan(m[k + f.O_LIMIT]):
        m[k + f.O_LIMIT] = to_tick(m, row, m[action + f.X_LIMIT])
        # A limit that moves with a stop keeps its new distance from it.
        m[k + f.O_OFFSET] = m[k + f.O_STOP] - m[k + f.O_LIMIT]
    if m[action + f.X_TRAIL] > 0.0 and trails:
        m[k + f.O_TRAIL], m[k + f.O_TRAIL_UNIT] = m[action + f.X_TRAIL], m[action + f.X_TRAIL_UNIT]
    if m[action + f.X_VALID] < np.inf:
        m[k + f.O_VALID] = m[action + f.X_VALID]
    if not np.isnan(m[action + f.X_STOP_LOSS]):
        m[k + f.O_STOP_LOSS], m[k + f.O_EXIT_UNIT] = or_none(m, m[action + f.X_STOP_LOSS]), f.PRICE
    if not np.isnan(m[action + f.X_TAKE_PROFIT]):
        m[k + f.O_TAKE_PROFIT], m[k + f.O_TARGET_UNIT] = or_none(m, m[action + f.X_TAKE_PROFIT]), f.PRICE
    if m[action + f.X_SIZE] > 0.0:
        resize(m, k, m[action + f.X_SIZE], m[action + f.X_UNIT], bar)


@part
def resize(m: FloatArray, k: int, size: float, unit: float, bar: int) -> None:
    """Give a live order another size; one that has begun to fill counts units only, and ends where it has them."""
    filled = m[k + f.O_FILLED]
    if unit == f.UNITS:
        size = floor_to_lot(m, int(m[k + f.O_ASSET]), size)
    elif filled > 0.0:
        return
    m[k + f.O_SIZE], m[k + f.O_ORDERED], m[k + f.O_UNIT] = max(size, filled), max(size, filled), unit
    m[k + f.O_REMAINING] = m[k + f.O_SIZE] - filled
    if m[k + f.O_REMAINING] > 0.0:
        return
    if filled > 0.0:
        set_status(m, k, f.FILLED, f.NO_REASON, bar)
        cancel_family(m, k, bar, True)
    else:
        end_order(m, k, f.CANCELLED, f.SIZE_ZERO, bar)


@part
def act(m: FloatArray, action: int, bar: int) -> None:
    """Carry out an action at the close of ``bar``; cancel and modify find orders by their tag.

    The exits of an open lot carry its tag, too; only a cancellation with ``X_REDUCE`` takes them away.
    """
    op = m[action + f.X_OP]
    if op == f.OP_PLACE:
        k = place(m, action, bar)
        number = (action - m[f.S_ACTIONS_AT]) / f.N_ACTION + m[f.S_FIRST]
        m[k + f.O_ACTION], m[action + f.X_ORDER] = number, k
        m[int(m[f.S_PLACED_AT] + number)] = k
        return
    if op == f.OP_CANCEL or op == f.OP_MODIFY:
        queue = int(m[f.S_QUEUE_AT])
        for j in range(queue, queue + int(m[f.S_QUEUED])):
            k = int(m[j])
            submitted = m[k + f.O_STATUS] == f.SUBMITTED
            if m[k + f.O_TAG] != m[action + f.X_TAG] or not is_live(m, k):
                continue
            spared = is_exit(m, k) and m[action + f.X_REDUCE] == 0.0
            if op == f.OP_CANCEL and not submitted and not spared:
                end_order(m, k, f.CANCELLED, f.BY_USER, bar)
            elif op == f.OP_MODIFY and not is_exit(m, k):
                modify(m, k, action, bar)
    if op != f.OP_CANCEL:
        for_lots(m, action, bar)


@part
def own_price(m: FloatArray, k: int) -> float:
    """Price that an order names itself: stop, else limit, else the close of the bar that placed it."""
    if not np.isnan(m[k + f.O_STOP]):
        return m[k + f.O_STOP]
    if not np.isnan(m[k + f.O_LIMIT]):
        return m[k + f.O_LIMIT]
    at_open = m[f.R_CHECK_AT_OPEN] > 0.0 and m[k + f.O_KIND] == f.MARKET
    return m[int(m[k + f.O_ASSET]) + f.A_OPEN] if at_open else m[k + f.O_REFERENCE]


@part
def pseudo_execute(m: FloatArray, k: int, cash: float) -> float:
    """Cash after the order as if it filled now, in full, at its own price; moves ``A_PSEUDO``."""
    row = int(m[k + f.O_ASSET])
    price = own_price(m, k)
    size = m[k + f.O_SIDE] * m[k + f.O_REMAINING]
    before = m[row + f.A_PSEUDO]
    paid = price * rate_at(m, row, price)
    closed = 0.0
    if before * size < 0.0:
        closed = -np.sign(before) * min(abs(before), abs(size))
        cash += cash_for(m, row, -closed, paid)
        cash -= fee(m, row, abs(closed), price, False)
    m[row + f.A_PSEUDO] = before + size
    opened = size - closed
    if opened != 0.0:
        cash -= cash_for(m, row, opened, paid)
        cash -= fee(m, row, abs(opened), price, False)
    return cash


@part
def check_submissions(m: FloatArray, bar: int) -> None:
    """Accept or refuse the orders placed since the last bar, by a pseudo-execution at their own prices.

    The orders are tried in sequence on a copy of cash and positions.  An order that would leave the cash
    negative is refused; the copy keeps the negative cash, so that later ones of the batch may fail, too.
    """
    cash = m[f.S_CASH]
    for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
        m[row + f.A_PSEUDO] = m[row + f.A_POSITION]
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        k = int(m[j])
        if m[k + f.O_STATUS] != f.SUBMITTED:
            continue
        parent = int(m[k + f.O_PARENT])
        waits = parent >= 0 and is_live(m, parent)
        if parent >= 0 and not waits and m[parent + f.O_STATUS] != f.FILLED:
            set_status(m, k, f.REJECTED, f.PARENT_MISSING, bar)
            continue
        cash = pseudo_execute(m, k, cash)
        if cash >= 0.0:
            set_status(m, k, f.WAITING if waits else f.WORKING, f.NO_REASON, bar)
        else:
            set_status(m, k, f.REJECTED, f.NOT_PAYABLE_AT_SUBMISSION, bar)
            cancel_group(m, k, bar)
            cancel_family(m, k, bar, False)
