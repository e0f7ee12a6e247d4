"""Working the queue through one bar: expiry, trigger, price, size, fill; paths inside the bar.

Reads the queue and the bars in the assets' rows; writes the rest of a bar's path, the statuses of orders, and
whatever a fill writes (`orders.fill`).
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.orders.account import fee
from peak_kernels.orders.book import end_order, set_status
from peak_kernels.orders.fill import close_lot, conclude, execute, floor_to_lot, resolve_size
from peak_kernels.orders.limits import liquidated_first
from peak_kernels.orders.live import is_live
from peak_kernels.orders.price import reach, slip, trail, trail_mark, volume_cap
from peak_kernels.orders.sized import size_by_rules

MARKET_ORDERS, AT_THE_OPEN, AFTER_THE_OPEN, EVERYTHING = range(4)


@part
def acts_at_open(m: FloatArray, k: int) -> bool:
    """Whether the bar opens beyond the order's level (a market order has none)."""
    side, open_ = m[k + f.O_SIDE], m[int(m[k + f.O_ASSET]) + f.A_OPEN]
    stop_pending = not np.isnan(m[k + f.O_STOP]) and m[k + f.O_TRIGGERED] == 0.0
    if stop_pending and not side * open_ >= side * m[k + f.O_STOP]:
        return False
    return np.isnan(m[k + f.O_LIMIT]) or side * open_ <= side * m[k + f.O_LIMIT]


@part
def workable(m: FloatArray, k: int, bar: int) -> bool:
    """Whether an order may act in this bar and its asset has prices."""
    if m[k + f.O_STATUS] != f.WORKING or m[k + f.O_ACTIVE] > bar:
        return False
    row = int(m[k + f.O_ASSET])
    return not (np.isnan(m[row + f.A_OPEN]) or np.isnan(m[row + f.A_CLOSE]))


@part
def find_price(m: FloatArray, k: int, row: int, bar: int) -> tuple[float, int, int]:
    """Price of an order in the current bar, where it comes from, and the bar that the fill reports."""
    if m[k + f.O_KIND] == f.MARKET_ON_CLOSE:
        if bar <= m[k + f.O_ACTIVE]:
            m[k + f.O_REFERENCE] = m[row + f.A_PREVIOUS]
        if m[k + f.O_AUCTION] == 1.0 or (m[k + f.O_AUCTION] == 2.0 and bar > m[k + f.O_ACTIVE]):
            return m[k + f.O_REFERENCE], f.AT_CLOSE, bar - 1
        return m[row + f.A_CLOSE], f.AT_CLOSE, bar
    price, at = reach(m, k, row, bar)
    if m[k + f.O_KIND] == f.MARKET and m[f.R_MARKET_AT] == f.PLACING_CLOSE:
        # Filled at a close that is past, booked now.
        if m[f.R_STOP_BASE] > 0.0:
            return price, at, bar - 1
        return m[k + f.O_REFERENCE], at, int(m[k + f.O_BAR])
    return price, at, bar


@part
def try_order(m: FloatArray, k: int, bar: int) -> None:
    """Try one order against the current bar (or stretch of a bar): price, size, slippage, fill."""
    row = int(m[k + f.O_ASSET])
    price, at, reported = find_price(m, k, row, bar)
    if np.isnan(price):
        return
    maker = at == f.AT_LIMIT or at == f.AT_LIMIT_OPEN
    lot = int(m[k + f.O_LOT])
    if lot >= 0:
        if m[lot + f.L_OPEN] == 0.0:
            set_status(m, k, f.CANCELLED, f.LOT_CLOSED, bar)
            return
        m[k + f.O_REMAINING] = min(m[k + f.O_REMAINING], abs(m[lot + f.L_SIZE]))
    elif m[k + f.O_UNIT] == f.BY_RULES:
        if not size_by_rules(m, k, row, price, at, bar):
            return
    elif m[k + f.O_UNIT] != f.UNITS:
        if not resolve_size(m, k, row, price, at, maker):
            return
        if not m[k + f.O_REMAINING] > 0.0:
            end_order(m, k, f.REJECTED, f.SIZE_ZERO, bar)
            return
    past = m[k + f.O_KIND] == f.MARKET_ON_CLOSE and reported < bar
    size = volume_cap(m, row, m[k + f.O_REMAINING], past)
    if size < m[k + f.O_REMAINING]:
        size = floor_to_lot(m, row, size)
    if size <= 0.0 or (m[k + f.O_TIF] == f.FOK and size < m[k + f.O_REMAINING]):
        return
    slipped = slip(m, k, row, price, at, size)
    if np.isnan(slipped):
        return
    first = int(m[f.S_FILLS_NEXT])
    if lot >= 0:
        paid = fee(m, row, size, slipped, maker)
        close_lot(m, k, lot, size, slipped, (reported, bar), paid)
        conclude(m, k, size, slipped, paid, bar, f.NO_REASON)
    else:
        execute(m, k, size, (price, slipped), (reported, bar), maker)
    for n in range(first, int(m[f.S_FILLS_NEXT]), f.N_FILL):
        worse = money.slippage(price, m[n + f.F_PRICE], m[n + f.F_SIZE])
        m[n + f.F_SLIPPAGE] = worse * m[row + f.A_MULTIPLIER] * m[n + f.F_RATE]


@part
def expire_or_kill(m: FloatArray, k: int, bar: int, tried: bool) -> None:
    """End an order whose validity is over; after its first bar also immediate-or-cancel and fill-or-kill."""
    if not is_live(m, k):
        return
    if not tried:
        if bar > m[k + f.O_VALID]:
            end_order(m, k, f.EXPIRED, f.VALIDITY_OVER, bar)
    elif m[k + f.O_TIF] >= f.IOC:
        killed = f.FOK_NOT_FILLED if m[k + f.O_TIF] == f.FOK else f.IOC_REST
        end_order(m, k, f.CANCELLED, killed, bar)


@part
def undecided(m: FloatArray, stop: int, target: int, bar: int) -> bool:
    """Whether a bar reaches both of two orders and its open decides neither."""
    if not (workable(m, stop, bar) and workable(m, target, bar)):
        return False
    row = int(m[stop + f.O_ASSET])
    low = min(m[stop + f.O_STOP], m[target + f.O_LIMIT])
    high = max(m[stop + f.O_STOP], m[target + f.O_LIMIT])
    inside = m[row + f.A_FINE_LOW] <= low and m[row + f.A_FINE_HIGH] >= high
    return inside and low < m[row + f.A_FINE_OPEN] < high


@part
def pairs(m: FloatArray, stop: int, other: int) -> bool:
    """Whether a stop and a limit order of one side end each other: children of one parent, or one group."""
    if m[stop + f.O_ASSET] != m[other + f.O_ASSET] or m[stop + f.O_SIDE] != m[other + f.O_SIDE]:
        return False
    if not np.isnan(m[other + f.O_STOP]) or np.isnan(m[other + f.O_LIMIT]):
        return False
    parent, group = m[stop + f.O_PARENT], m[stop + f.O_OCO]
    return (parent >= 0.0 and parent == m[other + f.O_PARENT]) or (
        group >= 0.0 and group == m[other + f.O_OCO]
    )


@part
def in_question(m: FloatArray, row: int, bar: int) -> tuple[int, int]:
    """A stop and a limit order of an asset (< 0: any) that the bar reaches both, and of which its open decides none.

    Exits of one lot, or two orders that end each other; -1: there are none.
    """
    listed = int(m[f.S_LISTED_AT])
    count = int(m[f.S_OPEN_LOTS]) if m[f.S_EXITS] > 0.0 else 0
    for j in range(listed, listed + count):
        lot = int(m[j])
        stop, target = int(m[lot + f.L_STOP_ORDER]), int(m[lot + f.L_TARGET_ORDER])
        other = row >= 0 and m[lot + f.L_ASSET] != row
        if not other and stop >= 0 and target >= 0 and undecided(m, stop, target, bar):
            return stop, target
    queue = int(m[f.S_QUEUE_AT])
    end = queue + int(m[f.S_QUEUED]) if m[f.S_PAIRS] > 0.0 else queue
    for j in range(queue, end):
        k = int(m[j])
        if (m[k + f.O_PARENT] < 0.0 and m[k + f.O_OCO] < 0.0) or np.isnan(m[k + f.O_STOP]):
            continue
        asset = int(m[k + f.O_ASSET])
        reached = m[asset + f.A_FINE_LOW] <= m[k + f.O_STOP] <= m[asset + f.A_FINE_HIGH]
        if not reached or m[k + f.O_TRIGGERED] > 0.0 or (row >= 0 and asset != row):
            continue
        for i in range(queue, end):
            if pairs(m, k, int(m[i])) and undecided(m, k, int(m[i]), bar):
                return k, int(m[i])
    return -1, -1


@part
def count_ambiguous(m: FloatArray, bar: int) -> None:
    """Count the bar when it reaches both exits of a lot, or a stop and a limit order that end each other."""
    if m[f.S_AMBIGUOUS_BAR] != bar + 1 and in_question(m, -1, bar)[0] >= 0:
        m[f.S_AMBIGUOUS] += 1.0
        m[f.S_AMBIGUOUS_BAR] = bar + 1


@part
def first_by_queue(m: FloatArray, row: int, bar: int, up: float) -> float:
    """Whether the path of a bar visits the high first, where its orders decide that; ``up`` where they do not.

    A bar that reaches a stop and a limit order that end each other is settled as the queue settles it: the one that
    is tried first comes first, the stop of a lot (with ``target_first`` its target), else what was placed earlier.
    """
    stop, target = in_question(m, row, bar)
    if stop < 0:
        return up
    stop_first = stop < target
    if m[stop + f.O_LOT] >= 0.0:
        stop_first = m[f.R_TARGET_FIRST] == 0.0
    return 1.0 if (m[stop + f.O_SIDE] > 0.0) == stop_first else 0.0


@part
def had_its_volume(m: FloatArray, k: int, bar: int) -> bool:
    """Whether an order that does not share the volume has had what this bar gives it, earlier on the path."""
    own = m[f.R_VOLUME_KIND] != f.VOLUME_ANY and m[f.R_VOLUME_SHARED] == 0.0
    return own and m[k + f.O_FILLED] > 0.0 and m[k + f.O_LAST] == bar


@part
def next_order(m: FloatArray, row: int, bar: int) -> tuple[int, float]:
    """Order that the price meets first on the rest of a stretch, and how far away; -1 if none."""
    best, distance = -1, np.inf
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        k = int(m[j])
        if m[k + f.O_ASSET] != row or m[k + f.O_TRIED] == m[f.S_SERIAL] or not workable(m, k, bar):
            continue
        if m[k + f.O_KIND] == f.MARKET_ON_CLOSE or had_its_volume(m, k, bar):
            continue
        stop_pending = not np.isnan(m[k + f.O_STOP]) and m[k + f.O_TRIGGERED] == 0.0
        level = m[k + f.O_STOP] if stop_pending else m[k + f.O_LIMIT]
        if (m[k + f.O_SIDE] > 0.0) == stop_pending:
            if m[row + f.A_HIGH] < level:
                continue
            away = level - m[row + f.A_OPEN]
        else:
            if m[row + f.A_LOW] > level:
                continue
            away = m[row + f.A_OPEN] - level
        away = away if away > 0.0 else 0.0
        if m[k + f.O_KIND] == f.MARKET and m[f.R_OPEN_FIRST] > 0.0:
            away = -1.0
        if away < distance:
            best, distance = k, away
    return best, distance


@part
def high_first(m: FloatArray, row: int, bar: int) -> bool:
    """Whether the path inside the asset's bar visits the high before the low.

    The worst and the best path, and the first of two extremes that are equally near, are those of the open position,
    else of the first order that may open one.
    """
    path = m[f.R_PATH]
    if path == f.PATH_OHLC or path == f.PATH_OLHC:
        return path == f.PATH_OHLC
    side = m[row + f.A_POSITION]
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        k = int(m[j])
        if side == 0.0 and m[k + f.O_ASSET] == row and workable(m, k, bar):
            side = m[k + f.O_SIDE]
    if path == f.PATH_NEAREST or path == f.PATH_QUEUE:
        # Of two that are equally near, the one against the position comes first.
        if side < 0.0:
            return not money.goal_is_nearer(-m[row + f.A_HIGH], -m[row + f.A_OPEN], -m[row + f.A_LOW])
        return money.goal_is_nearer(m[row + f.A_LOW], m[row + f.A_OPEN], m[row + f.A_HIGH])
    return (side < 0.0) == (path == f.PATH_WORST)


@part
def step_on_path(m: FloatArray, row: int, bar: int, end: float) -> int:
    """Next order that the price meets on its way to ``end``; the asset's bar becomes the rest of the way.

    -1: nothing is left to meet.
    """
    k, distance = next_order(m, row, bar)
    if k >= 0:
        start = m[row + f.A_OPEN]
        distance = max(distance, 0.0)
        start = min(end, start + distance) if end >= start else max(end, start - distance)
        m[k + f.O_TRIED] = m[f.S_SERIAL]
        m[row + f.A_OPEN] = start
        m[row + f.A_HIGH], m[row + f.A_LOW] = max(start, end), min(start, end)
    return k


@part
def trail_orders(m: FloatArray, row: int, bar: int) -> None:
    """Move the trailing orders of an asset after a stretch of its path."""
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        k = int(m[j])
        trails = m[k + f.O_TRAIL] > 0.0 and m[k + f.O_TRIGGERED] == 0.0
        if m[k + f.O_ASSET] == row and trails and workable(m, k, bar):
            trail(m, k, trail_mark(m, k, row))


@part
def next_in_queue(m: FloatArray, place: int, fresh: bool, bar: int, until: int, turn: int) -> tuple[int, int]:
    """Next order of the copied queue from ``place`` on that may act, and its place; -1 at the end.

    ``turn``: market orders, then what else acts at the open, then the rest; or everything.
    """
    scratch = int(m[f.S_SCRATCH_AT])
    for j in range(place, int(m[f.S_COPIED])):
        k = int(m[scratch + j])
        if turn == MARKET_ORDERS and m[k + f.O_KIND] != f.MARKET:
            continue
        if m[f.R_OPEN_FIRST] > 0.0 and m[k + f.O_KIND] == f.MARKET_ON_CLOSE:
            continue
        if turn == AT_THE_OPEN and not acts_at_open(m, k):
            continue
        if turn < EVERYTHING and m[k + f.O_TRIED] == m[f.S_SERIAL]:
            continue
        if not fresh or m[k + f.O_FRESH] == bar:
            expire_or_kill(m, k, bar, False)
            if workable(m, k, until):
                m[k + f.O_TRIED] = m[f.S_SERIAL]
                return k, j
    return -1, 0


@part
def copy_queue(m: FloatArray, bar: int) -> None:
    """Copy the queue, which may change while it is worked; count an ambiguous bar."""
    m[f.S_AGAIN] = 0.0
    count_ambiguous(m, bar)
    queue, scratch = int(m[f.S_QUEUE_AT]), int(m[f.S_SCRATCH_AT])
    m[f.S_COPIED] = m[f.S_QUEUED]
    for j in range(int(m[f.S_QUEUED])):
        m[scratch + j] = m[queue + j]


@part
def work_closers(m: FloatArray, bar: int, until: int) -> None:
    """Try the orders for the close, after everything that the bar reaches before it."""
    copy_queue(m, bar)
    scratch = int(m[f.S_SCRATCH_AT])
    for j in range(scratch, scratch + int(m[f.S_COPIED])):
        k = int(m[j])
        if m[k + f.O_KIND] != f.MARKET_ON_CLOSE:
            continue
        expire_or_kill(m, k, bar, False)
        if workable(m, k, until):
            try_order(m, k, bar)
            if m[k + f.O_STATUS] == f.WORKING:
                expire_or_kill(m, k, bar, True)


@part
def work(m: FloatArray, bar: int, until: int, fresh: bool, row: int, end: float) -> None:
    """Try the orders that may act, in the sequence of the queue or of the path inside the bar.

    Parameters
    ----------
    until
        Bar that decides whether an order may act yet.
    fresh
        Only orders that became workable inside this bar are tried.
    row, end
        Asset and end of a straight move inside the bar; ``row`` < 0: the whole bar of all assets.
    """
    walking = row >= 0
    closers = not walking and not fresh and m[f.S_CLOSERS] > 0.0 and m[f.R_OPEN_FIRST] > 0.0
    m[f.S_SERIAL] += 1.0
    if walking:
        count_ambiguous(m, bar)
    else:
        copy_queue(m, bar)
    place = 0
    # What trades at the open comes before a level inside the bar can be reached.
    turn = MARKET_ORDERS if m[f.R_OPEN_FIRST] > 0.0 and not fresh else EVERYTHING
    while m[f.S_OVERFLOW] == 0.0:
        if walking:
            k = step_on_path(m, row, bar, end)
        else:
            k, place = next_in_queue(m, place, fresh, bar, until, turn)
            place += 1
        kept = m[f.R_MAINTENANCE] > 0.0 and (walking or k >= 0)
        if kept and liquidated_first(m, k, row, bar, end) and k >= 0 and not workable(m, k, bar):
            continue
        if k < 0:
            if walking or (m[f.S_AGAIN] == 0.0 and turn >= AFTER_THE_OPEN):
                break
            # The others' turn; or exits were born inside the bar: they, or everything, get another one.
            fresh = fresh or (turn >= AFTER_THE_OPEN and m[f.R_AGAIN_ALL] == 0.0)
            turn = min(turn + 1, EVERYTHING)
            copy_queue(m, bar)
            place = 0
            continue
        triggered_before = m[k + f.O_TRIGGERED]
        try_order(m, k, bar)
        if walking and m[f.S_AGAIN] > 0.0:
            m[f.S_AGAIN] = 0.0
            count_ambiguous(m, bar)
        if not walking and m[k + f.O_STATUS] == f.WORKING:
            by_close = m[f.R_STOP_LIMIT] == f.BY_CLOSE_DIRECTION and triggered_before == 0.0
            if m[k + f.O_TRAIL] > 0.0 and (m[k + f.O_TRIGGERED] == 0.0 or by_close):
                trail(m, k, trail_mark(m, k, int(m[k + f.O_ASSET])))
            expire_or_kill(m, k, bar, True)
    if closers:
        work_closers(m, bar, until)
