"""What the account suffers without an order: interest, funding, settlement, liquidation, risk limits."""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.account import equity_of, fee, fill_row, settle_futures
from peak_kernels.book import close_order, end_order, is_live, new_order, set_status
from peak_kernels.orders_fields import Market, Sim
from peak_kernels.orders_fill import close_lot
from peak_kernels.orders_work import work_again, work_queue

DAYS_PER_YEAR = 365.0


@jit
def before_bar(sim: Sim, market: Market, bar: int) -> None:
    """Interest for the days since the last bar: on borrowed shares, on longs, on negative cash."""
    rules = sim.rules
    short_rate, long_rate, cash_rate = rules[f.R_BORROW_SHORT], rules[f.R_BORROW_LONG], rules[f.R_BORROW_CASH]
    if bar == 0 or market.day.shape[0] == 0 or short_rate + long_rate + cash_rate == 0.0:
        return
    days = float(market.day[bar] - market.day[bar - 1])
    if days <= 0.0:
        return
    charge = 0.0
    for a in range(sim.assets.shape[0]):
        row = sim.assets[a]
        position = row[f.A_POSITION]
        rate = short_rate if position < 0.0 else long_rate
        if position != 0.0 and rate != 0.0:
            base = row[f.A_AVERAGE] if rules[f.R_INTEREST_BASE] > 0.0 else row[f.A_MARK]
            charge += days * base * abs(position) * row[f.A_MULTIPLIER] * (rate / DAYS_PER_YEAR)
    if cash_rate != 0.0 and sim.state[f.S_CASH] < 0.0:
        charge -= days * sim.state[f.S_CASH] * (cash_rate / DAYS_PER_YEAR)
    sim.state[f.S_CASH] -= charge


@jit
def after_bar(sim: Sim, market: Market, bar: int) -> None:
    """Funding, daily settlement, liquidation, ruin and risk limits at the close of a bar."""
    rules, state = sim.rules, sim.state
    if rules[f.R_MAINTENANCE] > 0.0:
        liquidate_in_bar(sim, bar)
    for a in range(sim.assets.shape[0]):
        if market.funding.shape[0] > 0:
            row = sim.assets[a]
            value = row[f.A_POSITION] * row[f.A_MARK] * row[f.A_MULTIPLIER]
            rate = market.funding[a, bar]
            state[f.S_CASH] -= value * rate if not np.isnan(rate) else 0.0
        settle_futures(sim, a)
    if rules[f.R_RUIN] > 0.0 and equity_of(sim) <= 0.0:
        close_all(sim, bar, f.BY_LIQUIDATION, 0.0)
        state[f.S_CASH] = 0.0
        state[f.S_STOPPED] = 1.0
    if rules[f.R_FLOOR] > 0.0 or rules[f.R_DAILY_LOSS] > 0.0:
        check_limits(sim, market, bar)


@jit
def check_limits(sim: Sim, market: Market, bar: int) -> None:
    """Equity floor and daily loss limit: leave at the next open, refuse new entries."""
    rules, state = sim.rules, sim.state
    equity = equity_of(sim)
    day = float(market.day[bar]) if market.day.shape[0] > 0 else 0.0
    if day != state[f.S_DAY]:
        # The day is judged against the equity of the close before it.
        state[f.S_DAY] = day
        state[f.S_DAY_EQUITY] = state[f.S_LAST_EQUITY]
        if state[f.S_HALTED] == 2.0:
            state[f.S_HALTED] = 0.0
    state[f.S_LAST_EQUITY] = equity
    reached = 0.0
    if rules[f.R_DAILY_LOSS] > 0.0 and equity <= state[f.S_DAY_EQUITY] * (1.0 - rules[f.R_DAILY_LOSS]):
        reached = 2.0
    if rules[f.R_FLOOR] > 0.0 and equity <= rules[f.R_FLOOR]:
        reached = 1.0
    if reached == 0.0 or state[f.S_HALTED] > 0.0:
        return
    state[f.S_HALTED] = reached
    for j in range(int(state[f.S_QUEUE])):
        k = int(sim.queue[j])
        attached = sim.book[k, f.O_ROLE] == f.STOP_LOSS or sim.book[k, f.O_ROLE] == f.TAKE_PROFIT
        if is_live(sim.book[k]) and not attached:
            end_order(sim, k, f.CANCELLED, f.HALTED, bar)
    for j in range(int(state[f.S_OPEN_LOTS])):
        close_order(sim, int(sim.open_lots[j]), 1.0, bar)


@jit
def liquidation_price(sim: Sim) -> float:
    """Price of the only asset at which equity equals the maintenance margin; NaN when there is none."""
    row = sim.assets[0]
    position = row[f.A_POSITION] * row[f.A_MULTIPLIER]
    if position == 0.0 or sim.assets.shape[0] != 1:
        return np.nan
    rate = sim.rules[f.R_MAINTENANCE]
    equity, mark = equity_of(sim), row[f.A_MARK]
    if row[f.A_MARGIN] > 0.0:
        # Futures: equity counts the cash after settlement plus the move since then.
        moved = row[f.A_POSITION] * (mark - row[f.A_ADJUSTED]) * row[f.A_MULTIPLIER]
        return mark + (rate * abs(row[f.A_POSITION]) * row[f.A_MARGIN] - equity - moved) / position
    return (position * mark - equity) / (position - rate * abs(position))


@jit
def liquidate_at_open(sim: Sim, bar: int) -> None:
    """A bar that opens beyond the liquidation price liquidates at its open, before any order."""
    if sim.rules[f.R_MAINTENANCE] == 0.0 or sim.assets.shape[0] != 1:
        return
    row = sim.assets[0]
    level = liquidation_price(sim)
    beyond = row[f.A_OPEN] <= level if row[f.A_POSITION] > 0.0 else row[f.A_OPEN] >= level
    if row[f.A_POSITION] != 0.0 and beyond:
        close_all(sim, bar, f.BY_LIQUIDATION, row[f.A_OPEN])


@jit
def liquidate_in_bar(sim: Sim, bar: int) -> None:
    """Liquidation at its price inside the bar (one asset), or at the close (several assets)."""
    if sim.assets.shape[0] == 1:
        row = sim.assets[0]
        level = liquidation_price(sim)
        long = row[f.A_POSITION] > 0.0
        if row[f.A_POSITION] != 0.0 and (row[f.A_LOW] <= level if long else row[f.A_HIGH] >= level):
            inside = min(max(level, row[f.A_LOW]), row[f.A_HIGH])
            close_all(sim, bar, f.BY_LIQUIDATION, inside)
        return
    needed = 0.0
    for a in range(sim.assets.shape[0]):
        row = sim.assets[a]
        unit = row[f.A_MARGIN] if row[f.A_MARGIN] > 0.0 else row[f.A_MARK] * row[f.A_MULTIPLIER]
        needed += abs(row[f.A_POSITION]) * unit * sim.rules[f.R_MAINTENANCE]
    if needed > 0.0 and equity_of(sim) <= needed:
        close_all(sim, bar, f.BY_LIQUIDATION, 0.0)


@jit
def close_all(sim: Sim, bar: int, reason: int, price: float) -> None:
    """Close every open lot now at ``price`` (0: at each asset's mark), each with an order of its own."""
    while sim.state[f.S_OPEN_LOTS] > 0.0 and sim.state[f.S_OVERFLOW] == 0.0:
        number = int(sim.open_lots[0])
        lot = sim.lots[number]
        asset = int(lot[f.L_ASSET])
        row = sim.assets[asset]
        size, side = abs(lot[f.L_SIZE]), -np.sign(lot[f.L_SIZE])
        at = price if price > 0.0 else row[f.A_MARK]
        k = new_order(sim, asset, f.MARKET, side, size, bar)
        order = sim.book[k]
        order[f.O_ROLE], order[f.O_LOT], order[f.O_TAG] = f.LIQUIDATION, number, lot[f.L_TAG]
        if reason != f.BY_LIQUIDATION:
            order[f.O_ROLE] = f.CLOSE_LOT
        paid = fee(sim, size, at, row[f.A_MULTIPLIER], False)
        if reason == f.BY_LIQUIDATION:
            paid += sim.rules[f.R_LIQUIDATION_FEE] * size * at * row[f.A_MULTIPLIER]
        close_lot(sim, k, number, size, at, (bar, bar), paid)
        if sim.rules[f.R_MERGE] > 0.0:
            n = fill_row(sim, k, (bar, bar), side * size, at, paid)
            sim.fills[n, f.F_LOT], sim.fills[n, f.F_CLOSED] = number, size
        order[f.O_FILLED], order[f.O_REMAINING] = size, 0.0
        order[f.O_VALUE], order[f.O_FEES] = size * at, paid
        set_status(sim, k, f.FILLED, reason, bar)


@jit
def finalize(sim: Sim, market: Market, bar: int) -> None:
    """End of the data: close the open lots at the last close, or in a second pass over the last bar."""
    if sim.rules[f.R_FINALIZE] == 2.0:
        close_all(sim, bar, f.END_OF_DATA, 0.0)
        return
    for j in range(int(sim.state[f.S_OPEN_LOTS]) - 1, -1, -1):
        close_order(sim, int(sim.open_lots[j]), 1.0, bar)
    sim.state[f.S_AGAIN] = 0.0
    work_queue(sim, market, bar, bar + 1, False)
    work_again(sim, market, bar, bar + 1)
    after_bar(sim, market, bar)
