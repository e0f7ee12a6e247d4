"""Working the queue through one bar: expiry, trigger, price, size, fill; paths inside the bar."""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.account import fee, fill_row
from peak_kernels.book import end_order, is_live, set_status
from peak_kernels.orders_fields import Floats, Market, Sim
from peak_kernels.orders_fill import close_lot, conclude, count_fill, execute, floor_to_lot, resolve_size
from peak_kernels.orders_price import chance, reach, slip, trail, volume_cap


@jit
def workable(sim: Sim, k: int, bar: int) -> bool:
    """Whether order ``k`` may act in this bar and its asset has prices."""
    order = sim.book[k]
    if order[f.O_STATUS] != f.WORKING or order[f.O_ACTIVE] > bar:
        return False
    row = sim.assets[int(order[f.O_ASSET])]
    return not (np.isnan(row[f.A_OPEN]) or np.isnan(row[f.A_CLOSE]))


@jit
def auction_fill(market: Market, order: Floats) -> tuple[float, int]:
    """Price and reported bar of a market-on-close order: a bar's own close, or the one before."""
    at = int(market.auction[1, int(order[f.O_BAR])])
    return market.close[int(order[f.O_ASSET]), at], at


@jit
def try_order(sim: Sim, market: Market, k: int, bar: int) -> None:
    """Try one order against the current bar (or stretch of a bar)."""
    order = sim.book[k]
    rules = sim.rules
    row = sim.assets[int(order[f.O_ASSET])]
    reported = bar
    if order[f.O_KIND] == f.MARKET_ON_CLOSE:
        price, reported = auction_fill(market, order)
        at = f.AT_CLOSE
    else:
        draw = chance(rules[f.R_SEED], float(k), float(bar)) if rules[f.R_LIMIT_TOUCH] == f.CHANCE else 0.0
        price, at = reach(rules, order, row, draw)
        if order[f.O_KIND] == f.MARKET and rules[f.R_MARKET_AT] == f.PLACING_CLOSE:
            # Filled at a close that is past, booked now.
            if rules[f.R_STOP_BASE] > 0.0:
                reported = bar - 1
            else:
                price, reported = order[f.O_REFERENCE], int(order[f.O_BAR])
    if not np.isnan(price):
        fill_order(sim, k, price, at, (reported, bar))


@jit
def work_order(sim: Sim, market: Market, k: int, bar: int) -> None:
    """Try one order, then trail it or kill it when it is still working."""
    order = sim.book[k]
    triggered_before = order[f.O_TRIGGERED]
    try_order(sim, market, k, bar)
    if order[f.O_STATUS] != f.WORKING:
        return
    by_close = sim.rules[f.R_STOP_LIMIT] == f.BY_CLOSE_DIRECTION and triggered_before == 0.0
    if order[f.O_TRAIL] > 0.0 and (order[f.O_TRIGGERED] == 0.0 or by_close):
        trail(sim.rules, order, sim.assets[int(order[f.O_ASSET])])
    kill_unfilled(sim, k, bar)


@jit
def kill_unfilled(sim: Sim, k: int, bar: int) -> None:
    """Immediate-or-cancel and fill-or-kill orders do not survive their first bar."""
    if sim.book[k, f.O_TIF] >= f.IOC:
        killed = f.FOK_NOT_FILLED if sim.book[k, f.O_TIF] == f.FOK else f.IOC_REST
        end_order(sim, k, f.CANCELLED, killed, bar)


@jit
def fill_order(sim: Sim, k: int, price: float, at: int, bars: tuple[int, int]) -> None:
    """Size, slippage and fill of an order that has a price."""
    order = sim.book[k]
    rules = sim.rules
    row = sim.assets[int(order[f.O_ASSET])]
    maker = at == f.AT_LIMIT or at == f.AT_LIMIT_OPEN
    role = order[f.O_ROLE]
    attached = role == f.STOP_LOSS or role == f.TAKE_PROFIT or role == f.CLOSE_LOT
    if attached:
        lot = sim.lots[int(order[f.O_LOT])]
        if lot[f.L_OPEN] == 0.0:
            set_status(sim, k, f.CANCELLED, f.LOT_CLOSED, bars[1])
            return
        order[f.O_REMAINING] = min(order[f.O_REMAINING], abs(lot[f.L_SIZE]))
    elif order[f.O_UNIT] != f.UNITS:
        opening_price = price * (1.0 + rules[f.R_SPREAD] * order[f.O_SIDE])
        resolve_size(sim, k, price, opening_price, maker)
        if not order[f.O_REMAINING] > 0.0:
            end_order(sim, k, f.REJECTED, f.SIZE_ZERO, bars[1])
            return
    size = volume_cap(rules, row, order[f.O_REMAINING])
    if size < order[f.O_REMAINING]:
        size = floor_to_lot(row, size)
    if size <= 0.0 or (order[f.O_TIF] == f.FOK and size < order[f.O_REMAINING]):
        return
    filled_at = slip(rules, order, row, price, at, size)
    if np.isnan(filled_at):
        return
    first = int(sim.state[f.S_FILLS])
    if attached:
        fill_attached(sim, k, size, filled_at, bars, maker)
    else:
        execute(sim, k, size, filled_at, bars, maker)
    for n in range(first, int(sim.state[f.S_FILLS])):
        sim.fills[n, f.F_SLIPPAGE] = abs(sim.fills[n, f.F_PRICE] - price) * sim.fills[n, f.F_SIZE]


@jit
def fill_attached(sim: Sim, k: int, size: float, price: float, bars: tuple[int, int], maker: bool) -> None:
    """Close (part of) the lot that the order belongs to."""
    order = sim.book[k]
    number = int(order[f.O_LOT])
    row = sim.assets[int(order[f.O_ASSET])]
    paid = fee(sim, size, price, row[f.A_MULTIPLIER], maker)
    close_lot(sim, k, number, size, price, bars, paid)
    if sim.rules[f.R_MERGE] > 0.0:
        write_merged(sim, k, size, price, bars, paid)
    count_fill(sim, k, size, price, paid, row)
    if sim.lots[number, f.L_OPEN] == 0.0:
        order[f.O_REMAINING] = 0.0
    conclude(sim, k, size, 0.0, f.NO_REASON, bars[1])


@jit
def write_merged(sim: Sim, k: int, size: float, price: float, bars: tuple[int, int], paid: float) -> None:
    """One fill row of an attached order."""
    from_row = fill_row(sim, k, bars, sim.book[k, f.O_SIDE] * size, price, paid)
    sim.fills[from_row, f.F_LOT], sim.fills[from_row, f.F_CLOSED] = sim.book[k, f.O_LOT], size


@jit
def work_queue(sim: Sim, market: Market, bar: int, until: int, fresh: bool) -> None:
    """Try the orders of the queue in sequence.

    ``until`` is the bar that decides whether an order may act yet; with ``fresh`` only orders that became
    workable inside this bar are tried.  Market orders never expire.
    """
    n = int(sim.state[f.S_QUEUE])
    sim.scratch[:n] = sim.queue[:n]
    for j in range(n):
        k = int(sim.scratch[j])
        order = sim.book[k]
        if fresh and order[f.O_FRESH] != bar:
            continue
        if bar > order[f.O_VALID] and is_live(order) and order[f.O_KIND] != f.MARKET:
            end_order(sim, k, f.EXPIRED, f.VALIDITY_OVER, bar)
        elif workable(sim, k, until):
            work_order(sim, market, k, bar)


@jit
def work_again(sim: Sim, market: Market, bar: int, until: int) -> None:
    """Repeat the queue for exits born inside the bar until none is new."""
    while sim.state[f.S_AGAIN] > 0.0 and sim.state[f.S_OVERFLOW] == 0.0:
        sim.state[f.S_AGAIN] = 0.0
        everything = sim.rules[f.R_AGAIN_ALL] > 0.0
        work_queue(sim, market, bar, until, not everything)


@jit
def count_ambiguous(sim: Sim, bar: int) -> None:
    """Count the bar when both exits of a lot lie inside its range and the open decides neither."""
    if sim.state[f.S_AMBIGUOUS_BAR] == bar + 1:
        return
    for j in range(int(sim.state[f.S_OPEN_LOTS])):
        lot = sim.lots[sim.open_lots[j]]
        stop, target = int(lot[f.L_STOP_ORDER]), int(lot[f.L_TARGET_ORDER])
        if stop < 0 or target < 0 or not (workable(sim, stop, bar) and workable(sim, target, bar)):
            continue
        row = sim.assets[int(lot[f.L_ASSET])]
        low = min(sim.book[stop, f.O_STOP], sim.book[target, f.O_LIMIT])
        high = max(sim.book[stop, f.O_STOP], sim.book[target, f.O_LIMIT])
        if row[f.A_LOW] <= low and row[f.A_HIGH] >= high and low < row[f.A_OPEN] < high:
            sim.state[f.S_AMBIGUOUS] += 1.0
            sim.state[f.S_AMBIGUOUS_BAR] = bar + 1
            return


@jit
def work_bar(sim: Sim, market: Market, bar: int) -> None:
    """Work the queue through one bar, as a whole or along a path inside it."""
    sim.state[f.S_AGAIN] = 0.0
    count_ambiguous(sim, bar)
    if sim.rules[f.R_INTRABAR] > 0.0:
        walk_bar(sim, market, bar)
        return
    work_queue(sim, market, bar, bar, False)
    if sim.state[f.S_AGAIN] > 0.0:
        count_ambiguous(sim, bar)
        work_again(sim, market, bar, bar)


@jit
def act_level(order: Floats) -> tuple[float, bool]:
    """Price at which an order acts and whether it acts from below (the bar's high reaches it)."""
    stop_pending = not np.isnan(order[f.O_STOP]) and order[f.O_TRIGGERED] == 0.0
    level = order[f.O_STOP] if stop_pending else order[f.O_LIMIT]
    return level, (order[f.O_SIDE] > 0.0) == stop_pending


@jit
def next_event(sim: Sim, asset: int, bar: int, serial: float) -> tuple[int, float]:
    """Order that the price meets first on the rest of a stretch, and how far away; -1 if none."""
    row = sim.assets[asset]
    best, distance = -1, np.inf
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        order = sim.book[k]
        if order[f.O_ASSET] != asset or order[f.O_TRIED] == serial or not workable(sim, k, bar):
            continue
        level, from_below = act_level(order)
        if np.isnan(level):
            away = 0.0
        elif from_below and row[f.A_HIGH] >= level:
            away = max(0.0, level - row[f.A_OPEN])
        elif not from_below and row[f.A_LOW] <= level:
            away = max(0.0, row[f.A_OPEN] - level)
        else:
            continue
        if away < distance:
            best, distance = k, away
    return best, distance


@jit
def walk_stretch(sim: Sim, market: Market, asset: int, bar: int, start: float, end: float) -> None:
    """Events on a straight move of the price from ``start`` to ``end``, in the order in which it meets them."""
    row = sim.assets[asset]
    sim.state[f.S_SERIAL] += 1.0
    serial = sim.state[f.S_SERIAL]
    rising = end >= start
    while True:
        row[f.A_OPEN], row[f.A_CLOSE] = start, end
        row[f.A_HIGH], row[f.A_LOW] = max(start, end), min(start, end)
        k, distance = next_event(sim, asset, bar, serial)
        if k < 0:
            break
        sim.book[k, f.O_TRIED] = serial
        try_order(sim, market, k, bar)
        start = min(end, start + distance) if rising else max(end, start - distance)
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        order = sim.book[k]
        if order[f.O_ASSET] == asset and order[f.O_TRAIL] > 0.0 and order[f.O_TRIGGERED] == 0.0:
            if workable(sim, k, bar):
                trail(sim.rules, order, row)


@jit
def high_first(sim: Sim, asset: int, open_: float, high: float, low: float) -> bool:
    """Whether the path inside the bar visits the high before the low."""
    path = sim.rules[f.R_PATH]
    position = sim.assets[asset, f.A_POSITION]
    if path == f.PATH_OHLC or path == f.PATH_OLHC:
        return path == f.PATH_OHLC
    if path == f.PATH_NEAREST or position == 0.0:
        return high - open_ <= open_ - low
    return (position < 0.0) == (path == f.PATH_WORST)


@jit
def walk_prices(sim: Sim, market: Market, asset: int, bar: int, prices: Floats) -> None:
    """Walk through one bar's open, high, low and close in the order that the path rule names."""
    open_, high, low, close = prices[0], prices[1], prices[2], prices[3]
    up = high_first(sim, asset, open_, high, low)
    first, second = (high, low) if up else (low, high)
    walk_stretch(sim, market, asset, bar, open_, first)
    walk_stretch(sim, market, asset, bar, first, second)
    walk_stretch(sim, market, asset, bar, second, close)


@jit
def walk_bar(sim: Sim, market: Market, bar: int) -> None:
    """Work the queue along the path inside the bar: asset by asset, finer bars where there are some."""
    expire(sim, bar)
    for asset in range(sim.assets.shape[0]):
        row = sim.assets[asset]
        if np.isnan(row[f.A_OPEN]) or np.isnan(row[f.A_CLOSE]):
            continue
        whole = np.array([row[f.A_OPEN], row[f.A_HIGH], row[f.A_LOW], row[f.A_CLOSE]])
        if asset == 0 and market.detail_start.shape[0] > bar + 1:
            first, last = market.detail_start[bar], market.detail_start[bar + 1]
            for fine in range(first, last):
                walk_prices(sim, market, asset, bar, market.detail[fine])
            if first == last:
                walk_prices(sim, market, asset, bar, whole)
        else:
            walk_prices(sim, market, asset, bar, whole)
        row[f.A_OPEN], row[f.A_HIGH], row[f.A_LOW], row[f.A_CLOSE] = whole[0], whole[1], whole[2], whole[3]
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        if workable(sim, k, bar):
            kill_unfilled(sim, k, bar)


@jit
def expire(sim: Sim, bar: int) -> None:
    """End the orders whose validity is over."""
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        order = sim.book[k]
        if bar > order[f.O_VALID] and is_live(order) and order[f.O_KIND] != f.MARKET:
            end_order(sim, k, f.EXPIRED, f.VALIDITY_OVER, bar)
