"""What the account suffers without an order: interest, funding, settlement, liquidation, risk limits.

Reads rules, equity and open lots; writes cash and balance, the financing of lots, charges, and the orders that close
what is held.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.orders.account import (
    charge_lots,
    charge_row,
    equity_of,
    fee,
    pay,
    rate_at,
    settle_futures,
    worth_of,
)
from peak_kernels.orders.book import close_order, end_order, new_order, set_status
from peak_kernels.orders.fill import close_lot
from peak_kernels.orders.live import is_exit, is_live

DAYS_PER_YEAR = 365.0


@part
def charge_interest(m: FloatArray, bar: int, days: float) -> None:
    """Interest for the calendar days since the last bar: on borrowed shares, on longs, on negative cash.

    Lots bear that of their position; that of the cash belongs to none.
    """
    charge = 0.0
    for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
        position = m[row + f.A_POSITION]
        rate = m[f.R_BORROW_SHORT] if position < 0.0 else m[f.R_BORROW_LONG]
        if position != 0.0 and rate != 0.0:
            base = m[row + f.A_AVERAGE] if m[f.R_INTEREST_BASE] > 0.0 else m[row + f.A_MARK]
            exchange = rate_at(m, row, m[row + f.A_MARK])
            value = abs(money.worth(position, base, m[row + f.A_MULTIPLIER], exchange))
            cost = money.financing(days, value, rate / DAYS_PER_YEAR)
            charge_lots(m, row, -cost)
            charge += cost
    if m[f.R_BORROW_CASH] != 0.0 and m[f.S_CASH] < 0.0:
        cost = money.financing(days, -m[f.S_CASH], m[f.R_BORROW_CASH] / DAYS_PER_YEAR)
        charge_row(m, bar, f.CASH_INTEREST, -cost)
        m[f.S_CASH_INTEREST] -= cost
        charge += cost
    m[f.S_INTEREST] -= charge
    pay(m, charge)


@part
def settle_bar(m: FloatArray) -> None:
    """Funding payments and, for futures, the move since the last settlement become cash."""
    for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
        position = m[row + f.A_POSITION]
        if position == 0.0:
            continue
        mark = m[row + f.A_MARK]
        if not np.isnan(m[row + f.A_FUNDING]):
            cost = money.financing(1.0, worth_of(m, row, position, mark), m[row + f.A_FUNDING])
            charge_lots(m, row, -cost)
            m[f.S_FUNDING] -= cost
            pay(m, cost)
        if m[row + f.A_MARGIN] > 0.0 and m[f.R_LEDGER] == f.PAID:
            settle_futures(m, row, mark)


@part
def check_limits(m: FloatArray, day: float, bar: int) -> None:
    """Equity floor, drawdown and daily loss limit: leave at the next open, refuse new entries."""
    equity = equity_of(m)
    if day != m[f.S_DAY]:
        # A day is judged against the equity of the close before it.
        m[f.S_DAY], m[f.S_DAY_EQUITY] = day, m[f.S_LAST_EQUITY]
        if m[f.S_HALTED] == 2.0:
            m[f.S_HALTED] = 0.0
    m[f.S_LAST_EQUITY] = equity
    m[f.G_PEAK] = max(m[f.G_PEAK], equity)
    reached = 2.0 if money.has_lost(equity, m[f.S_DAY_EQUITY], m[f.R_DAILY_LOSS]) else 0.0
    fallen = money.has_lost(equity, m[f.G_PEAK], m[f.R_DRAWDOWN])
    if fallen or (m[f.R_FLOOR] > 0.0 and equity <= m[f.R_FLOOR]):
        reached = 1.0
    if reached == 0.0 or m[f.S_HALTED] == 1.0 or m[f.S_HALTED] == reached:
        return
    m[f.S_HALTED] = reached
    queue = int(m[f.S_QUEUE_AT])
    for j in range(queue, queue + int(m[f.S_QUEUED])):
        if is_live(m, int(m[j])) and not is_exit(m, int(m[j])):
            end_order(m, int(m[j]), f.CANCELLED, f.HALTED, bar)
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        k = close_order(m, int(m[j]), 1.0, bar)
        # Without a tag: no instruction cancels it.
        m[k + f.O_WHY], m[k + f.O_TAG] = f.LIMIT_REACHED, -1.0


@part
def liquidation_price(m: FloatArray) -> float:
    """Price of the only asset at which equity equals the maintenance margin; NaN when there is none."""
    row = int(m[f.S_ASSETS_AT])
    position = m[row + f.A_POSITION] * m[row + f.A_MULTIPLIER]
    if position == 0.0 or row + f.N_ASSET != m[f.S_ASSETS_END]:
        return np.nan
    needed, equity, mark = m[f.R_MAINTENANCE], equity_of(m), m[row + f.A_MARK]
    margin = needed * abs(m[row + f.A_POSITION]) * m[row + f.A_MARGIN]
    if m[row + f.A_CURRENCY] == f.BY_PRICE:
        # Equity is ``a - b / price``.
        base = m[row + f.A_COST] * m[row + f.A_MULTIPLIER]
        if m[f.R_LEDGER] == f.PAID:
            base = money.value(position, m[row + f.A_ADJUSTED])
        rest = equity + base / mark - (margin if margin > 0.0 else needed * abs(position))
        # Either sign alone: short of the margin at any price (long), or at none (short).
        return base / rest if base * rest > 0.0 else np.inf
    position *= m[row + f.A_RATE]
    if m[row + f.A_MARGIN] > 0.0:
        return mark + (margin - equity) / position
    base, held = money.value(position, mark) - equity, needed * abs(position)
    # The margin is a share of the absolute value; only bars with prices below zero can get to such a level.
    return base / (position - held if base * position >= 0.0 else position + held)


@part
def wake_for_margin(m: FloatArray) -> None:
    """Widen the levels at which a bar is looked at by the price that ends the margin of the only asset.

    Until something fills, cash and position stay, and so does that price.
    """
    level, row = liquidation_price(m), int(m[f.S_ASSETS_AT])
    if np.isnan(level):
        return
    # Each mark gives it with another rounding error: the bar itself decides.
    slack = 1e-9 * max(abs(level), abs(m[row + f.A_MARK]))
    if m[row + f.A_POSITION] > 0.0:
        m[row + f.A_WAKE_LOW] = max(m[row + f.A_WAKE_LOW], level + slack)
    elif m[row + f.A_POSITION] < 0.0:
        m[row + f.A_WAKE_HIGH] = min(m[row + f.A_WAKE_HIGH], level - slack)


@part
def carries(m: FloatArray) -> bool:
    """Whether the rules let something happen in bars that no order reacts to, and that no price tells ahead."""
    charges = m[f.R_BORROW_SHORT] != 0.0 or m[f.R_BORROW_LONG] != 0.0 or m[f.R_BORROW_CASH] != 0.0
    limits = m[f.R_FLOOR] > 0.0 or m[f.R_DRAWDOWN] > 0.0 or m[f.R_DAILY_LOSS] > 0.0 or m[f.R_RUIN] > 0.0
    several = m[f.S_ASSETS_END] - m[f.S_ASSETS_AT] > f.N_ASSET
    return charges or limits or m[f.R_SHORT_PROCEEDS] == 0.0 or (several and m[f.R_MAINTENANCE] > 0.0)


@part
def entered_at(m: FloatArray, row: int, bar: int) -> float:
    """Price, without slippage, at which the asset was last traded inside the bar; NaN: not there."""
    n = int(m[f.S_FILLS_NEXT]) - f.N_FILL
    if n < m[f.S_FILLS_AT] or m[n + f.F_BAR] != bar or m[n + f.F_ASSET] != row:
        return np.nan
    traded = money.worth(m[n + f.F_SIZE], 1.0, m[row + f.A_MULTIPLIER], m[n + f.F_RATE])
    worse = money.per_unit(m[n + f.F_SLIPPAGE], traded)
    price = m[n + f.F_PRICE] - m[n + f.F_SIDE] * worse
    # The open itself, without the rounding of the way back.
    return m[row + f.A_OPEN] if abs(price - m[row + f.A_OPEN]) <= 1e-9 * abs(price) else price


@part
def spared(m: FloatArray, bar: int) -> bool:
    """Whether nothing inside the bar ends the position, because it was opened there and exits begin a bar later."""
    if m[f.R_CHILD_BAR] != f.CHILD_NEXT_BAR or m[f.R_INTRABAR] > 0.0 or m[f.S_OPEN_LOTS] == 0.0:
        return False
    return m[int(m[int(m[f.S_LISTED_AT])]) + f.L_BAR] == bar


@part
def forced_price(m: FloatArray, whole_bar: bool, bar: int) -> float:
    """Price at which the bar forces a liquidation, at its open or anywhere in it; NaN: it does not.

    With several assets the marks at the close decide; the price is then infinite, which stands for the marks.
    """
    row = int(m[f.S_ASSETS_AT])
    if row + f.N_ASSET == m[f.S_ASSETS_END]:
        level = liquidation_price(m)
        long = m[row + f.A_POSITION] > 0.0
        price = m[row + f.A_OPEN]
        if whole_bar:
            price = m[row + f.A_LOW] if long else m[row + f.A_HIGH]
        if not (price <= level if long else price >= level):
            return np.nan
        if not whole_bar:
            return price
        if spared(m, bar):
            return np.nan
        # A level that is better than every price that the position saw is passed at the first of them.
        seen = entered_at(m, row, bar)
        if np.isnan(seen):
            seen = m[row + f.A_OPEN]
        return min(level, seen) if long else max(level, seen)
    needed = 0.0
    for other in range(row, int(m[f.S_ASSETS_END]), f.N_ASSET):
        unit = abs(worth_of(m, other, 1.0, m[other + f.A_MARK]))
        if m[other + f.A_MARGIN] > 0.0:
            unit = m[other + f.A_MARGIN]
        if m[other + f.A_POSITION] != 0.0:
            needed += money.value(abs(m[other + f.A_POSITION]), unit) * m[f.R_MAINTENANCE]
    return np.inf if whole_bar and needed > 0.0 and equity_of(m) <= needed else np.nan


@part
def close_all(m: FloatArray, bar: int, reason: int, price: float) -> None:
    """Close every open lot now at ``price`` (infinite: at each asset's mark), each with an order of its own.

    With ``R_ALTERNATE`` every second lot stays open.
    """
    place = 0
    while place < m[f.S_OPEN_LOTS] and m[f.S_OVERFLOW] == 0.0:
        lot = int(m[int(m[f.S_LISTED_AT]) + place])
        place += 1 if m[f.R_ALTERNATE] > 0.0 else 0
        row = int(m[lot + f.L_ASSET])
        size, side = abs(m[lot + f.L_SIZE]), -np.sign(m[lot + f.L_SIZE])
        at = m[row + f.A_MARK] if np.isinf(price) else price
        k = new_order(m, row, f.MARKET, side, size, bar)
        forced = reason == f.BY_LIQUIDATION
        m[k + f.O_ROLE], m[k + f.O_LOT] = f.LIQUIDATION if forced else f.CLOSE_LOT, lot
        m[k + f.O_TAG] = m[lot + f.L_TAG]
        paid = fee(m, row, size, at, False)
        if forced:
            paid += money.rated(abs(worth_of(m, row, size, at)), m[f.R_LIQUIDATION_FEE], 0.0)
        close_lot(m, k, lot, size, at, (bar, bar), paid)
        m[k + f.O_FILLED], m[k + f.O_REMAINING] = size, 0.0
        m[k + f.O_VALUE], m[k + f.O_FEES] = money.value(size, at), paid
        m[f.S_TURNOVER] += abs(worth_of(m, row, size, at))
        set_status(m, k, f.FILLED, reason, bar)


@part
def liquidated_first(m: FloatArray, k: int, row: int, bar: int, end: float) -> bool:
    """Liquidate the only asset where its price lies before what happens next, and say whether that was done.

    Next is the order ``k``, or on a path (``row`` >= 0) the point that the price has come to: where it meets the
    order, or without one (``k`` < 0) the ``end`` of the stretch.  Off the path the stop and the target of a lot are
    compared, of which a liquidation counts as the stop.
    """
    asset = int(m[f.S_ASSETS_AT])
    position = m[asset + f.A_POSITION]
    if position == 0.0 or asset + f.N_ASSET != m[f.S_ASSETS_END] or m[asset + f.A_CURRENCY] == f.BY_RATE:
        return False
    way = 1.0 if position > 0.0 else -1.0
    worst = m[asset + f.A_LOW] if position > 0.0 else m[asset + f.A_HIGH]
    if row < 0:
        stop = m[k + f.O_ROLE] == f.STOP_LOSS and way * worst <= way * m[k + f.O_STOP]
        if not stop and (m[k + f.O_ROLE] != f.TAKE_PROFIT):
            return False
    level, seen = liquidation_price(m), entered_at(m, asset, bar)
    if np.isnan(level) or spared(m, bar):
        return False
    gone = way * seen <= way * level
    if row >= 0:
        met = m[row + f.A_OPEN] if k >= 0 else end
        if not (way * met < way * level or (k < 0 and met == level)):
            return False
    elif not gone:
        open_ = m[asset + f.A_OPEN]
        tighter = m[f.R_TARGET_FIRST] > 0.0 or way * open_ >= way * m[k + f.O_LIMIT]
        if m[k + f.O_ROLE] == f.STOP_LOSS:
            tighter = way * m[k + f.O_STOP] >= way * level
        if tighter or not way * worst <= way * level:
            return False
    close_all(m, bar, f.BY_LIQUIDATION, seen if gone else level)
    return True


@part
def write_off(m: FloatArray, bar: int, debt: float) -> None:
    """What an account owes after its ruin is nobody's loss: the trade that closed last gets it as financing.

    So results add up to the equity, which is zero from then on.
    """
    m[f.S_WRITTEN_OFF] += debt
    charge_row(m, bar, f.WRITE_OFF, debt)
    n = int(m[f.S_TRADES_NEXT]) - f.N_TRADE
    if n >= m[f.S_TRADES_AT]:
        m[n + f.T_FINANCING] += debt
        m[n + f.T_PNL] += debt


@part
def forced_close(m: FloatArray, bar: int, moment: int) -> None:
    """Liquidation and ruin.  ``moment``: 0 at the open, 1 inside the bar, 2 at the close."""
    price, reason = np.nan, f.BY_LIQUIDATION
    if moment < 2:
        price = forced_price(m, moment == 1, bar)
    elif m[f.R_RUIN] > 0.0 and equity_of(m) <= 0.0:
        price = np.inf
        m[f.S_STOPPED] = 1.0
    elif m[f.R_FINALIZE] == 2.0 and bar == m[f.S_LAST_BAR]:
        price, reason = np.inf, f.END_OF_DATA
    if not np.isnan(price):
        close_all(m, bar, reason, price)
    if m[f.S_STOPPED] > 0.0:
        write_off(m, bar, -equity_of(m))
        m[f.S_CASH] = m[f.S_BALANCE] = 0.0
