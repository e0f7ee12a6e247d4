"""From a price to a fill: size, what can be afforded, closing part, opening part, attached exits.

Reads an order, its asset and the rules of what can be afforded; writes cash, lots, fills and trades (`account`), the
order's filled part, and the exits of the lot that it opens.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.orders.account import (
    by_weight,
    cash_for,
    equity_of,
    fee,
    fee_rate,
    fill_row,
    margin_available,
    open_lot,
    rate_at,
    settle_close,
    settle_open,
    shrink_lot,
    tied_up,
    trade_row,
    worth_of,
)
from peak_kernels.orders.book import (
    attach,
    cancel_family,
    cancel_group,
    end_order,
    set_status,
    to_tick,
    work_now,
)
from peak_kernels.orders.live import is_live
from peak_kernels.orders.price import slip
from peak_kernels.orders.weights import count_in, count_out, grow_lot, lot_held, move_exits


@part
def floor_to_lot(m: FloatArray, row: int, size: float) -> float:
    """Size rounded down to the asset's lot."""
    return money.whole_lots(size, m[row + f.A_LOT], 0.0)


@part
def fee_share(m: FloatArray) -> float:
    """Part of a fee that ties up equity: all of it, unless fees are financed as the value is."""
    return 1.0 / m[f.R_LEVERAGE] if m[f.R_AFFORD] == f.AFFORD_FINANCED else 1.0


@part
def size_within(m: FloatArray, budget: float, tied: float, value: float, share: float, maker: bool) -> float:
    """Largest size for which ``tied`` per unit and the ``share`` of the fee stay within a budget.

    ``value``: of one unit, in account money.
    """
    fixed, per_unit, least = m[f.R_FEE_FIXED], m[f.R_FEE_UNIT], m[f.R_FEE_MINIMUM]
    return money.payable_on_margin(budget, tied, value, share, fee_rate(m, maker), fixed, per_unit, least)


@part
def units_for(m: FloatArray, k: int, row: int, price: float, opening_price: float, maker: bool) -> float:
    """Units of a size given as value or fraction: of what an opening pays, with the position marked at ``price``."""
    unit, given, lot = m[k + f.O_UNIT], m[k + f.O_SIZE], m[row + f.A_LOT]
    if not opening_price > 0.0:
        # Slippage left nothing of the price.
        return 0.0
    worth_of_one = worth_of(m, row, 1.0, opening_price)
    if unit == f.VALUE:
        return floor_to_lot(m, row, money.units(given, worth_of_one))
    if unit == f.EQUITY_FRACTION:
        mark = m[row + f.A_MARK]
        m[row + f.A_MARK] = price
        value = equity_of(m) * given
        m[row + f.A_MARK] = mark
        units = money.units(max(0.0, value), worth_of_one)
        if m[f.R_SIZE_FEE] > 0.0:
            units = size_within(m, value, worth_of_one, worth_of_one, 1.0, maker)
        return floor_to_lot(m, row, units)
    mark = m[row + f.A_CLOSE] if m[f.R_MARGIN_MARK] == f.MARK_CLOSE else price
    value = margin_available(m, row, mark) * given
    if m[f.R_FEE_AS_ORDERED] > 0.0:
        value *= m[f.R_LEVERAGE]
        cost = worth_of_one + money.per_unit(fee(m, row, given, price, False), given)
        return money.lots_within(value, cost, lot)
    tied, share = tied_up(m, row, 1.0, opening_price), fee_share(m)
    return floor_to_lot(m, row, size_within(m, value, tied, worth_of_one, share, maker))


@part
def resolve_size(m: FloatArray, k: int, row: int, price: float, at: int, maker: bool) -> bool:
    """Turn a size given as value or fraction into units, at the price of the first fill; False: no fill at it."""
    # Slippage may depend on the size, and the size on the price: the second round has the price of the first.
    spread, opening, units = m[f.R_SPREAD] * m[k + f.O_SIDE], price, 0.0
    for _ in range(2):
        units = units_for(m, k, row, price, money.moved(opening, spread), maker)
        if m[f.R_SIZE_FEE] > 0.0:
            opening = slip(m, k, row, price, at, units)
        if np.isnan(opening):
            return False
    m[k + f.O_ORDERED] = m[k + f.O_SIZE] if m[k + f.O_UNIT] == f.MARGIN_FRACTION else units
    m[k + f.O_SIZE], m[k + f.O_REMAINING], m[k + f.O_UNIT] = units, units, f.UNITS
    return True


@part
def opening_fee(m: FloatArray, row: int, closed: float, size: float, price: float, maker: bool) -> float:
    """Fee of the opening part; fixed parts are charged once where one order makes one fill."""
    if closed > 0.0 and m[f.R_MERGE] > 0.0:
        return fee(m, row, closed + size, price, maker) - fee(m, row, closed, price, maker)
    return fee(m, row, size, price, maker)


@part
def affordable(
    m: FloatArray, k: int, closed: float, size: float, prices: tuple[float, float, float], maker: bool
) -> float:
    """How much of the opening ``size`` the account can carry: all of it, or 0, or a part if cuts are on.

    ``prices``: before slippage, which marks the position; of the fill; of an opening.
    """
    if m[f.R_AFFORD] == f.AFFORD_ANY:
        return size
    row = int(m[k + f.O_ASSET])
    reference, price, opening_price = prices
    paid = opening_fee(m, row, closed, size, opening_price, maker)
    value = abs(worth_of(m, row, size, opening_price))
    unit = abs(worth_of(m, row, 1.0, opening_price))
    if m[f.R_AFFORD] == f.AFFORD_CASH:
        rate = rate_at(m, row, opening_price)
        taken = cash_for(m, row, m[k + f.O_SIDE] * size, opening_price * rate)
        available, needed = m[f.S_CASH], taken + paid
        if available - taken - paid >= 0.0:
            return size
    else:
        mark = m[row + f.A_CLOSE] if m[f.R_MARGIN_MARK] == f.MARK_CLOSE else reference
        available, slack = margin_available(m, row, mark), 0.0
        if m[row + f.A_MARGIN] > 0.0:
            needed = money.value(size, m[row + f.A_MARGIN]) + paid
        elif m[f.R_FEE_AS_ORDERED] > 0.0:
            ordered = m[k + f.O_ORDERED]
            available *= m[f.R_LEVERAGE]
            needed = money.value(size, unit + money.per_unit(fee(m, row, ordered, price, maker), ordered))
        else:
            # The fee is paid, not financed (unless it is the rule).  What is left carries the rounding errors of what
            # is tied up, too: they must not cut an all-in order.
            financed = m[f.R_AFFORD] == f.AFFORD_FINANCED
            needed = (value + paid) / m[f.R_LEVERAGE] if financed else value / m[f.R_LEVERAGE] + paid
            available *= 1.0 + money.ROUNDING
            slack = money.ROUNDING * tied_up(m, row, m[row + f.A_POSITION], mark)
        if needed <= available + slack:
            return size
    whole_or_nothing = m[f.R_SHORTFALL] == f.REJECT or m[k + f.O_TIF] == f.FOK
    if whole_or_nothing or available <= 0.0 or needed <= 0.0:
        return 0.0
    if closed > 0.0 or m[f.R_FEE_AS_ORDERED] > 0.0:
        return floor_to_lot(m, row, size * available / needed)
    share = 1.0 if m[f.R_AFFORD] == f.AFFORD_CASH else fee_share(m)
    tied = needed - paid * share
    return floor_to_lot(m, row, size_within(m, available, tied / size, unit, share, maker))


@part
def close_lot(
    m: FloatArray, k: int, lot: int, size: float, price: float, bars: tuple[int, int], paid: float
) -> None:
    """Close ``size`` of a lot for an order that pays ``paid``: cash, trade, fill, attached orders."""
    row = int(m[lot + f.L_ASSET])
    side = -np.sign(m[lot + f.L_SIZE])
    if by_weight(m):
        gain = count_out(m, k, lot, -side * size, price, bars[0], paid)
    else:
        gain = trade_row(m, k, lot, -side * size, price, bars[0], paid)
    settle_close(m, row, -side * size, price, gain, paid)
    shrink_lot(m, lot, -side * size)
    for column in (f.L_STOP_ORDER, f.L_TARGET_ORDER):
        other = int(m[lot + column])
        if other < 0 or other == k or not is_live(m, other):
            continue
        m[other + f.O_REMAINING] = abs(m[lot + f.L_SIZE])
        if m[lot + f.L_OPEN] == 0.0:
            set_status(m, other, f.CANCELLED, f.LOT_CLOSED, bars[1])
    if m[f.R_MERGE] == 0.0 or m[k + f.O_LOT] >= 0.0:
        n = fill_row(m, k, side * size, price, bars, paid)
        m[n + f.F_LOT], m[n + f.F_CLOSED] = lot, size


@part
def open_against(m: FloatArray, k: int, row: int) -> float:
    """Units open on the other side than the order's; with hedging both sides may be open."""
    if m[f.R_HEDGING] == 0.0:
        return max(0.0, -m[row + f.A_POSITION] * m[k + f.O_SIDE])
    total = 0.0
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        lot = int(m[j])
        if m[lot + f.L_ASSET] == row:
            total += max(0.0, -m[lot + f.L_SIZE] * m[k + f.O_SIDE])
    return total


@part
def close_opposite(
    m: FloatArray, k: int, size: float, price: float, bars: tuple[int, int], maker: bool
) -> tuple[float, float]:
    """Close lots against the order's side, oldest first, up to ``size``.  Returns size closed and fee."""
    row = int(m[k + f.O_ASSET])
    total = min(size, open_against(m, k, row))
    if total == 0.0:
        return 0.0, 0.0
    whole = fee(m, row, total, price, maker)
    closed, paid = 0.0, 0.0
    j = 0
    while j < int(m[f.S_OPEN_LOTS]) and closed < total:
        lot = int(m[int(m[f.S_LISTED_AT]) + j])
        if m[lot + f.L_ASSET] != row or m[lot + f.L_SIZE] * m[k + f.O_SIDE] > 0.0:
            j += 1
            continue
        part = min(total - closed, abs(m[lot + f.L_SIZE]))
        part_fee = (
            money.prorated(whole, part, total) if m[f.R_MERGE] > 0.0 else fee(m, row, part, price, maker)
        )
        close_lot(m, k, lot, part, price, bars, part_fee)
        paid += part_fee
        closed += part
        if m[lot + f.L_OPEN] > 0.0:
            break
    return total if closed > total * (1.0 - 1e-12) else closed, paid


@part
def exit_price(m: FloatArray, row: int, given: float, unit: float, price: float, direction: float) -> float:
    """Price of an attached exit, from a price, a fraction of the fill price or a distance."""
    if np.isnan(given):
        return given
    level = given
    if unit != f.PRICE:
        level = money.exit_level(price, -direction, money.distance(given, price, unit != f.FRACTION))
    return to_tick(m, row, level)


@part
def open_part(m: FloatArray, k: int, size: float, price: float, bars: tuple[int, int], paid: float) -> None:
    """Open a lot for an order, attach its stop-loss and take-profit and say when they begin to work."""
    row, side = int(m[k + f.O_ASSET]), m[k + f.O_SIDE]
    settle_open(m, row, side * size, price, paid)
    lot = lot_held(m, row) if by_weight(m) else -1
    grown = lot >= 0
    if grown:
        grow_lot(m, lot, side * size, price)
    else:
        lot = open_lot(m, k, side * size, price, bars[0], paid)
    if lot < 0:
        return
    if m[f.R_MERGE] == 0.0:
        n = fill_row(m, k, side * size, price, bars, paid)
        m[n + f.F_LOT] = lot
    if by_weight(m):
        count_in(m, size, price, paid)
        price = m[lot + f.L_PRICE]
    target = exit_price(m, row, m[k + f.O_TAKE_PROFIT], m[k + f.O_TARGET_UNIT], price, side)
    stop = exit_price(m, row, m[k + f.O_STOP_LOSS], m[k + f.O_EXIT_UNIT], price, -side)
    if grown:
        move_exits(m, lot, stop, target)
        return
    trailed = np.nan
    if m[f.G_TRAIL] > 0.0:
        distance = money.distance(m[f.G_TRAIL], price, m[f.G_TRAIL_UNIT] != f.FRACTION)
        trailed = money.exit_level(price, side, distance)
        stop = trailed if not side * stop >= side * trailed else stop
    if np.isnan(target) and np.isnan(stop):
        return
    if not np.isnan(target):
        attach(m, lot, f.TAKE_PROFIT, target, bars[1])
    if not np.isnan(stop):
        attach(m, lot, f.STOP_LOSS, stop, bars[1])
        if m[f.G_TRAIL] > 0.0 and m[lot + f.L_STOP_ORDER] >= 0.0:
            trailing = int(m[lot + f.L_STOP_ORDER])
            m[trailing + f.O_KIND] = f.TRAILING_STOP
            m[trailing + f.O_TRAIL], m[trailing + f.O_TRAIL_UNIT] = m[f.G_TRAIL], m[f.G_TRAIL_UNIT]
            m[trailing + f.O_OFFSET] = trailed
    if exits_in_entry_bar(m, k, row, stop, target):
        for column in (f.L_STOP_ORDER, f.L_TARGET_ORDER):
            if m[lot + column] >= 0.0:
                work_now(m, int(m[lot + column]), bars[1])


@part
def exits_in_entry_bar(m: FloatArray, k: int, row: int, stop: float, target: float) -> bool:
    """Whether the exits just attached by an order are looked for in the bar of the entry."""
    rule = m[f.R_CHILD_BAR]
    if m[f.R_INTRABAR] > 0.0 or rule == f.CHILD_AFTER_ANY:
        return True
    if rule == f.CHILD_NEXT_BAR:
        return False
    if m[k + f.O_KIND] == f.MARKET:
        return True
    if m[k + f.O_KIND] != f.STOP or np.isnan(target):
        return False
    # A stop entry and its target lie in the same direction: no doubt about the order of events.
    if m[k + f.O_SIDE] > 0.0:
        return target <= m[row + f.A_HIGH] and not stop >= m[row + f.A_LOW]
    return target >= m[row + f.A_LOW] and not stop <= m[row + f.A_HIGH]


@part
def reason_not_to_open(m: FloatArray, k: int, size: float, value: float) -> int:
    """Reason that forbids any opening of ``size`` by this order, worth ``value``, else ``NO_REASON``."""
    if m[k + f.O_REDUCE] > 0.0:
        return f.NOTHING_TO_REDUCE
    if m[f.S_HALTED] > 0.0:
        return f.HALTED
    if m[k + f.O_SIDE] < 0.0 and m[f.R_SHORTING] == 0.0:
        return f.SHORT_NOT_ALLOWED
    if m[f.R_ONLY_FLAT] > 0.0 and m[int(m[k + f.O_ASSET]) + f.A_POSITION] != 0.0:
        return f.POSITION_OPEN
    if value < m[f.R_MIN_VALUE] or size < m[int(m[k + f.O_ASSET]) + f.A_MIN_SIZE]:
        return f.VALUE_TOO_SMALL
    return f.NO_REASON


@part
def execute(
    m: FloatArray, k: int, size: float, prices: tuple[float, float], bars: tuple[int, int], maker: bool
) -> None:
    """Fill up to ``size`` of a stand-alone order: the closing part, then the opening part.

    ``prices``: before and after slippage.
    """
    row, side = int(m[k + f.O_ASSET]), m[k + f.O_SIDE]
    reference, price = prices
    opening_price = money.moved(price, m[f.R_SPREAD] * side)
    closed, paid = 0.0, 0.0
    if m[f.R_HEDGING] == 0.0 or m[k + f.O_REDUCE] > 0.0:
        closed, paid = close_opposite(m, k, size, price, bars, maker)
    rest = size - closed
    opened, reason = 0.0, f.NO_REASON
    if rest > 1e-12 * size:
        worth_of_one = worth_of(m, row, 1.0, opening_price)
        # What an order opens altogether is judged before its first fill: a part of it may be smaller.
        whole = m[k + f.O_REMAINING] - closed if m[k + f.O_FILLED] == 0.0 else np.inf
        reason = reason_not_to_open(m, k, whole, whole * abs(worth_of_one))
        if reason == f.NO_REASON and opening_price == 0.0 and reference > 0.0 and m[f.R_SIGNED] == 0.0:
            # Slippage left nothing of the price: nobody gives a position away.
            reason = f.BAD_PRICE
        if reason == f.NO_REASON:
            opened = affordable(m, k, closed, rest, (reference, price, opening_price), maker)
            if opened < rest and opened < m[row + f.A_MIN_SIZE]:
                opened = 0.0
            if opened < rest:
                reason = f.NO_CASH if m[f.R_AFFORD] == f.AFFORD_CASH else f.NO_MARGIN
    if opened > 0.0:
        entry_fee = opening_fee(m, row, closed, opened, opening_price, maker)
        paid += entry_fee
        open_part(m, k, opened, opening_price, bars, entry_fee)
    done = closed + opened
    if done > 0.0 and m[f.R_SPREAD] != 0.0:
        price = money.average_cost(price, closed, opening_price, opened)
    if done > 0.0 and m[f.R_MERGE] > 0.0:
        n = fill_row(m, k, side * done, price, bars, paid)
        m[n + f.F_CLOSED] = closed
    conclude(
        m, k, done, price, paid, bars[1], reason if opened < rest and rest > 1e-12 * size else f.NO_REASON
    )


@part
def conclude(m: FloatArray, k: int, done: float, price: float, paid: float, bar: int, reason: int) -> None:
    """Count a fill; status of the order after it, and what follows for related orders.

    ``reason`` says why the opening part was refused or cut; an order that only closed ends with it.
    """
    row = int(m[k + f.O_ASSET])
    m[k + f.O_FILLED] += done
    m[k + f.O_REMAINING] -= done
    m[k + f.O_VALUE] += money.value(done, price)
    m[k + f.O_FEES] += paid
    m[f.S_TURNOVER] += abs(worth_of(m, row, done, price))
    m[row + f.A_USED] += done
    if m[k + f.O_REMAINING] <= 1e-12 * m[k + f.O_SIZE]:
        m[k + f.O_REMAINING] = 0.0
    if done > 0.0:  # even a partial fill ends the rest of a one-cancels-other group
        cancel_group(m, k, bar)
    cut = reason == f.NO_CASH or reason == f.NO_MARGIN
    if reason != f.NO_REASON and not (cut and done > 0.0 and m[f.R_SHORTFALL] == f.CUT):
        status = f.CANCELLED if reason == f.NOTHING_TO_REDUCE else f.REJECTED
        end_order(m, k, status, reason, bar)
    elif reason != f.NO_REASON or m[k + f.O_REMAINING] == 0.0:
        m[k + f.O_REMAINING] = 0.0
        set_status(m, k, f.FILLED, f.CUT_TO_CASH if reason != f.NO_REASON else f.NO_REASON, bar)
        cancel_family(m, k, bar, True)
    else:
        set_status(m, k, f.WORKING, f.NO_REASON, bar)
