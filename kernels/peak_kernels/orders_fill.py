"""From a price to a fill: size, what can be afforded, closing part, opening part, attached exits."""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.account import (
    cash_for,
    equity_of,
    fee,
    fill_row,
    margin_available,
    open_lot,
    settle_close,
    settle_open,
    shrink_lot,
)
from peak_kernels.book import (
    attach,
    cancel_family,
    cancel_group,
    end_order,
    is_live,
    log_event,
    set_status,
    work_now,
)
from peak_kernels.orders_fields import Floats, Sim


@jit
def floor_to_lot(row: Floats, size: float) -> float:
    """Size rounded down to the asset's lot."""
    unit = row[f.A_LOT]
    return np.floor(size / unit + 1e-9) * unit if unit > 0.0 else size


@jit
def opening_fee(sim: Sim, closed: float, size: float, price: float, multiplier: float, maker: bool) -> float:
    """Fee of the opening part; fixed parts are charged once where one order makes one fill."""
    if closed > 0.0 and sim.rules[f.R_MERGE] > 0.0:
        whole = fee(sim, closed + size, price, multiplier, maker)
        return whole - fee(sim, closed, price, multiplier, maker)
    return fee(sim, size, price, multiplier, maker)


@jit
def unit_cost(sim: Sim, order: Floats, size: float, price: float, opening_price: float, maker: bool) -> float:
    """Cost of one unit with its fee, for what the margin has to cover."""
    multiplier = sim.assets[int(order[f.O_ASSET]), f.A_MULTIPLIER]
    if sim.rules[f.R_FEE_AS_ORDERED] > 0.0:
        ordered = order[f.O_SIZE]
        return opening_price * multiplier + fee(sim, ordered, price, multiplier, maker) / ordered
    return opening_price * multiplier + fee(sim, size, opening_price, multiplier, maker) / size


@jit
def resolve_size(sim: Sim, k: int, price: float, opening_price: float, maker: bool) -> None:
    """Turn a size given as value or fraction into units, at the price of the first fill."""
    order = sim.book[k]
    asset = int(order[f.O_ASSET])
    row = sim.assets[asset]
    unit, given = order[f.O_UNIT], order[f.O_SIZE]
    if unit == f.VALUE:
        units = floor_to_lot(row, given / (opening_price * row[f.A_MULTIPLIER]))
    elif unit == f.EQUITY_FRACTION:
        mark = row[f.A_MARK]
        row[f.A_MARK] = price
        worth = equity_of(sim) * given
        row[f.A_MARK] = mark
        units = floor_to_lot(row, worth / unit_cost(sim, order, 1.0, price, opening_price, maker))
    else:
        worth = margin_available(sim, asset, mark_price(sim, row, price)) * sim.rules[f.R_LEVERAGE] * given
        cost = unit_cost(sim, order, given, price, opening_price, maker)
        units = (worth // (cost * row[f.A_LOT])) * row[f.A_LOT] if row[f.A_LOT] > 0.0 else worth / cost
    order[f.O_SIZE], order[f.O_REMAINING] = units, units
    order[f.O_VALUE] = 0.0
    order[f.O_UNIT] = f.UNITS


@jit
def mark_price(sim: Sim, row: Floats, price: float) -> float:
    """Price that values the position when margin is judged."""
    return row[f.A_CLOSE] if sim.rules[f.R_MARGIN_MARK] == f.MARK_CLOSE else price


@jit
def affordable(
    sim: Sim, order: Floats, closed: float, size: float, price: float, opening_price: float, maker: bool
) -> float:
    """How much of the opening ``size`` the account can carry: all of it, or 0, or a part if cuts are on."""
    rules = sim.rules
    asset = int(order[f.O_ASSET])
    row = sim.assets[asset]
    if rules[f.R_AFFORD] == f.AFFORD_ANY:
        return size
    paid = opening_fee(sim, closed, size, opening_price, row[f.A_MULTIPLIER], maker)
    if rules[f.R_AFFORD] == f.AFFORD_CASH:
        taken = cash_for(sim, row, order[f.O_SIDE] * size, opening_price)
        available, needed = sim.state[f.S_CASH], taken + paid
        if available - taken - paid >= 0.0:
            return size
    else:
        available = margin_available(sim, asset, mark_price(sim, row, price))
        if row[f.A_MARGIN] > 0.0:
            needed = size * row[f.A_MARGIN] + paid
        elif rules[f.R_FEE_AS_ORDERED] > 0.0:
            available *= rules[f.R_LEVERAGE]
            needed = size * unit_cost(sim, order, size, price, opening_price, maker)
        else:
            # The fee is paid, not financed; a rounding error must not refuse an all-in order.
            needed = size * opening_price * row[f.A_MULTIPLIER] / rules[f.R_LEVERAGE] + paid
            available *= 1.0 + 1e-12
        if needed <= available:
            return size
    if rules[f.R_SHORTFALL] == f.REJECT or available <= 0.0 or needed <= 0.0:
        return 0.0
    # The fixed part of the fee does not shrink with the size.
    fixed = min(rules[f.R_FEE_FIXED] + rules[f.R_FEE_MINIMUM], available)
    return floor_to_lot(row, size * max(0.0, available - fixed) / needed)


@jit
def close_lot(
    sim: Sim, k: int, lot_number: int, size: float, price: float, bars: tuple[int, int], paid: float
) -> None:
    """Close ``size`` of a lot for order ``k``, which pays ``paid``: cash, trade, fill, attached orders."""
    lot = sim.lots[lot_number]
    asset = int(lot[f.L_ASSET])
    row = sim.assets[asset]
    side = -np.sign(lot[f.L_SIZE])
    if sim.rules[f.R_LEDGER] == f.PAID:
        settle_close(sim, asset, -side * size, price)
        sim.state[f.S_CASH] -= paid
    shrink_lot(sim, lot_number, size, price, bars[0], k, paid)
    for column in (f.L_STOP_ORDER, f.L_TARGET_ORDER):
        other = int(lot[column])
        if other < 0 or other == k or not is_live(sim.book[other]):
            continue
        sim.book[other, f.O_REMAINING] = abs(lot[f.L_SIZE])
        if lot[f.L_OPEN] == 0.0:
            set_status(sim, other, f.CANCELLED, f.LOT_CLOSED, bars[1])
    if sim.rules[f.R_MERGE] == 0.0:
        n = fill_row(sim, k, bars, side * size, price, paid)
        sim.fills[n, f.F_LOT], sim.fills[n, f.F_CLOSED] = lot_number, size


@jit
def close_opposite(
    sim: Sim, k: int, size: float, price: float, bars: tuple[int, int], maker: bool
) -> tuple[float, float]:
    """Close lots against the order's side, oldest first, up to ``size``.  Returns size closed and fee."""
    order = sim.book[k]
    row = sim.assets[int(order[f.O_ASSET])]
    if row[f.A_POSITION] * order[f.O_SIDE] >= 0.0:
        return 0.0, 0.0
    total = min(size, abs(row[f.A_POSITION]))
    whole = fee(sim, total, price, row[f.A_MULTIPLIER], maker)
    closed, paid = 0.0, 0.0
    j = 0
    while j < int(sim.state[f.S_OPEN_LOTS]) and closed < total:
        number = int(sim.open_lots[j])
        lot = sim.lots[number]
        if lot[f.L_ASSET] != order[f.O_ASSET] or lot[f.L_SIZE] * order[f.O_SIDE] >= 0.0:
            j += 1
            continue
        part = min(total - closed, abs(lot[f.L_SIZE]))
        if sim.rules[f.R_MERGE] > 0.0:
            part_fee = whole * (part / total)
        else:
            part_fee = fee(sim, part, price, row[f.A_MULTIPLIER], maker)
        close_lot(sim, k, number, part, price, bars, part_fee)
        paid += part_fee
        closed += part
        if lot[f.L_OPEN] > 0.0:
            break
    return total if closed > total * (1.0 - 1e-12) else closed, paid


@jit
def open_part(sim: Sim, k: int, size: float, price: float, bars: tuple[int, int], paid: float) -> None:
    """Open a lot for order ``k`` and attach its stop-loss and take-profit."""
    order = sim.book[k]
    asset, side = int(order[f.O_ASSET]), order[f.O_SIDE]
    if sim.rules[f.R_LEDGER] == f.PAID:
        settle_open(sim, asset, side * size, price)
    sim.state[f.S_CASH] -= paid
    number = open_lot(sim, asset, side * size, price, bars[0], k, paid)
    if number < 0:
        return
    if sim.rules[f.R_MERGE] == 0.0:
        n = fill_row(sim, k, bars, side * size, price, paid)
        sim.fills[n, f.F_LOT] = number
    target = exit_price(sim, order, order[f.O_TAKE_PROFIT], price, side)
    stop = exit_price(sim, order, order[f.O_STOP_LOSS], price, -side)
    first = f.STOP_LOSS if sim.rules[f.R_TARGET_FIRST] > 0.0 else f.TAKE_PROFIT
    # Each goes to the front of the queue: the one attached last is worked first.
    if first == f.TAKE_PROFIT and not np.isnan(target):
        attach(sim, number, f.TAKE_PROFIT, target, bars[1])
    if not np.isnan(stop):
        attach(sim, number, f.STOP_LOSS, stop, bars[1])
    if first == f.STOP_LOSS and not np.isnan(target):
        attach(sim, number, f.TAKE_PROFIT, target, bars[1])


@jit
def exit_price(sim: Sim, order: Floats, given: float, price: float, direction: float) -> float:
    """Price of an attached exit, from a price, a fraction of the fill price or a distance."""
    if np.isnan(given) or order[f.O_EXIT_UNIT] == f.PRICE:
        return given
    distance = given * price if order[f.O_EXIT_UNIT] == f.FRACTION else given
    tick = sim.assets[int(order[f.O_ASSET]), f.A_TICK]
    level = price + direction * distance
    return np.rint(level / tick) * tick if tick > 0.0 else level


@jit
def exits_in_entry_bar(sim: Sim, k: int, price: float, row: Floats) -> bool:
    """Whether the exits just attached by order ``k`` are looked for in the bar of the entry."""
    rule = sim.rules[f.R_CHILD_BAR]
    order = sim.book[k]
    if np.isnan(order[f.O_STOP_LOSS]) and np.isnan(order[f.O_TAKE_PROFIT]):
        return False
    if sim.rules[f.R_INTRABAR] > 0.0:
        return True
    if rule == f.CHILD_NEXT_BAR or rule == f.CHILD_AFTER_ANY:
        return rule == f.CHILD_AFTER_ANY
    if order[f.O_KIND] == f.MARKET:
        return True
    if order[f.O_KIND] != f.STOP or np.isnan(order[f.O_TAKE_PROFIT]):
        return False
    # A stop entry and its target lie in the same direction: no doubt about the order of events.
    side = order[f.O_SIDE]
    stop = exit_price(sim, order, order[f.O_STOP_LOSS], price, -side)
    target = exit_price(sim, order, order[f.O_TAKE_PROFIT], price, side)
    if side > 0.0:
        return target <= row[f.A_HIGH] and not stop >= row[f.A_LOW]
    return target >= row[f.A_LOW] and not stop <= row[f.A_HIGH]


@jit
def wake_exits(sim: Sim, bar: int) -> None:
    """Let the exits of the lot opened last act in the rest of the bar."""
    lot = sim.lots[int(sim.state[f.S_LOTS]) - 1]
    for column in (f.L_STOP_ORDER, f.L_TARGET_ORDER):
        if lot[column] >= 0.0:
            work_now(sim, sim.book[int(lot[column])], bar)


@jit
def reason_not_to_open(sim: Sim, order: Floats) -> int:
    """Reason that forbids any opening by this order, else ``NO_REASON``."""
    if order[f.O_REDUCE] > 0.0:
        return f.NOTHING_TO_REDUCE
    if sim.state[f.S_HALTED] > 0.0:
        return f.HALTED
    if order[f.O_SIDE] < 0.0 and sim.rules[f.R_SHORTING] == 0.0:
        return f.SHORT_NOT_ALLOWED
    return f.NO_REASON


@jit
def count_fill(sim: Sim, k: int, size: float, price: float, paid: float, asset: Floats) -> None:
    """Add a fill to the order, the turnover and the volume that is used up."""
    order = sim.book[k]
    order[f.O_FILLED] += size
    order[f.O_REMAINING] -= size
    order[f.O_VALUE] += size * price
    order[f.O_FEES] += paid
    sim.state[f.S_TURNOVER] += size * price * asset[f.A_MULTIPLIER]
    asset[f.A_USED] += size
    if order[f.O_REMAINING] <= 1e-12 * order[f.O_SIZE]:
        order[f.O_REMAINING] = 0.0


@jit
def execute(sim: Sim, k: int, size: float, price: float, bars: tuple[int, int], maker: bool) -> None:
    """Fill up to ``size`` of a stand-alone order at ``price``: the closing part, then the opening part."""
    order = sim.book[k]
    row = sim.assets[int(order[f.O_ASSET])]
    side = order[f.O_SIDE]
    opening_price = price * (1.0 + sim.rules[f.R_SPREAD] * side)
    closed, paid = 0.0, 0.0
    if sim.rules[f.R_HEDGING] == 0.0:
        closed, paid = close_opposite(sim, k, size, price, bars, maker)
    rest = size - closed
    if rest <= 1e-12 * size:
        rest = 0.0
    opened, reason = 0.0, f.NO_REASON
    if rest > 0.0:
        reason = reason_not_to_open(sim, order)
        if reason == f.NO_REASON:
            opened = affordable(sim, order, closed, rest, price, opening_price, maker)
            if opened < row[f.A_MIN_SIZE]:
                opened = 0.0
            if opened < rest:
                reason = f.NO_CASH if sim.rules[f.R_AFFORD] == f.AFFORD_CASH else f.NO_MARGIN
    if opened > 0.0:
        entry_fee = opening_fee(sim, closed, opened, opening_price, row[f.A_MULTIPLIER], maker)
        paid += entry_fee
        open_part(sim, k, opened, opening_price, bars, entry_fee)
        if exits_in_entry_bar(sim, k, opening_price, row):
            wake_exits(sim, bars[1])
    done = closed + opened
    if done > 0.0:
        if sim.rules[f.R_MERGE] > 0.0:
            n = fill_row(sim, k, bars, side * done, price, paid)
            sim.fills[n, f.F_CLOSED] = closed
        count_fill(sim, k, done, opening_price if closed == 0.0 else price, paid, row)
    conclude(sim, k, done, opened, reason, bars[1])


@jit
def conclude(sim: Sim, k: int, done: float, opened: float, reason: int, bar: int) -> None:
    """Status of an order after an attempt to fill it, and what follows for related orders."""
    order = sim.book[k]
    if reason != f.NO_REASON and opened == 0.0:
        if done > 0.0:
            cancel_group(sim, k, bar)
        nothing_left = reason == f.NOTHING_TO_REDUCE
        end_order(sim, k, f.CANCELLED if nothing_left else f.REJECTED, reason, bar)
        return
    if done <= 0.0:
        return
    if reason != f.NO_REASON:
        order[f.O_CUT] = order[f.O_REMAINING]
        order[f.O_REMAINING] = 0.0
    if order[f.O_REMAINING] == 0.0:
        set_status(sim, k, f.FILLED, f.CUT_TO_CASH if reason != f.NO_REASON else f.NO_REASON, bar)
        cancel_group(sim, k, bar)
        cancel_family(sim, k, bar, True)
    else:
        # A partial fill ends the rest of a one-cancels-other group, too.
        log_event(sim, k, bar)
        cancel_group(sim, k, bar)
