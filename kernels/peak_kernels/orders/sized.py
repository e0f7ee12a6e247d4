"""Orders of the engine's decisions: the engine's own sizing rules give their size at the first fill.

Such an order waits until the position of the other side is gone (orders that close it were placed with it).  Where its
own side is held, that of a side ends, and that of a weight trades the difference (`orders.weights`).

Reads an order of a decision and the account; writes the engine's state (`slots`), the order's size, or its end.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.fast import opening_size, opposite, take_kelly
from peak_kernels.orders.account import by_weight, equity_of, full_value, worth_of
from peak_kernels.orders.book import end_order
from peak_kernels.orders.price import slip, volume_cap


@part
def count_trades(m: FloatArray, state: FloatArray, bar: int) -> None:
    """Count the closed trades that are new, but not those that the decision of this order closes in this bar."""
    n = int(m[f.G_TRADE_AT])
    while n < m[f.S_TRADES_NEXT]:
        by_limit = m[int(m[n + f.T_ORDER]) + f.O_WHY] == f.LIMIT_REACHED
        if m[n + f.T_ROLE] == f.CLOSE_LOT and m[n + f.T_EXIT_BAR] == bar and not by_limit:
            break
        share = m[n + f.T_PNL] / m[n + f.T_VALUE]
        state[t.N_TRADES] += 1.0
        if m[n + f.T_PNL] > 0.0:
            state[t.N_WINS] += 1.0
            state[t.SUM_WIN_RETURN] += share
        else:
            state[t.SUM_LOSS_RETURN] -= share
        n += f.N_TRADE
    m[f.G_TRADE_AT] = n


@part
def put_account(m: FloatArray, state: FloatArray, row: int, price: float) -> None:
    """Cash and units of the engine's account, whose equity is that of the book at ``price``."""
    held = m[row + f.A_POSITION]
    state[t.UNITS] = held
    if held == 0.0:
        state[t.CASH] = equity_of(m)
        return
    if full_value(m, row):
        state[t.CASH] = m[f.S_BALANCE]
        return
    mark = m[row + f.A_MARK]
    m[row + f.A_MARK] = price
    state[t.CASH] = equity_of(m) - worth_of(m, row, held, price)
    m[row + f.A_MARK] = mark


@part
def sell_surplus(m: FloatArray, k: int, row: int, price: float, at: int) -> bool:
    """Turn the order of a smaller weight than the one held round: it closes the surplus; False where there is none."""
    state = m[int(m[f.G_STATE_AT]) : int(m[f.G_STATE_AT]) + t.N_STATE]
    side, held = m[k + f.O_SIDE], m[row + f.A_POSITION]
    equity = money.equity(state[t.CASH], held, worth_of(m, row, 1.0, price))
    m[k + f.O_SIDE] = -side
    paid = slip(m, k, row, price, at, abs(held))
    worth_of_one = worth_of(m, row, 1.0, paid)
    surplus = money.surplus(abs(held), m[k + f.O_SIZE], equity, worth_of_one, m[row + f.A_LOT])
    if not surplus > 0.0:
        m[k + f.O_SIDE] = side
        return False
    m[k + f.O_SIZE], m[k + f.O_REMAINING], m[k + f.O_ORDERED] = surplus, surplus, surplus
    m[k + f.O_UNIT], m[k + f.O_REDUCE] = f.UNITS, 1.0
    return True


@part
def size_by_rules(m: FloatArray, k: int, row: int, price: float, at: int, bar: int) -> bool:
    """Turn a decision into units at its first fill; False while it waits, or where it ended.

    ``O_SIZE`` of the order is the weight, or the fraction of equity of volatility sizing; else it says nothing.
    ``O_WHY`` gets the engine's reason (`peak_kernels.slots`) where the size was cut or refused,
    ``O_ORDERED`` what was
    asked for.
    """
    side = m[k + f.O_SIDE]
    held, weighted = m[row + f.A_POSITION], by_weight(m)
    same = opposite(held, -side)
    if same and not weighted:
        end_order(m, k, f.CANCELLED, f.POSITION_OPEN, bar)
    if (held != 0.0 and not (same and weighted)) or not volume_cap(m, row, 1.0, False) > 0.0:
        return False
    state = m[int(m[f.G_STATE_AT]) : int(m[f.G_STATE_AT]) + t.N_STATE]
    put_account(m, state, row, price)
    target = side * m[k + f.O_SIZE] if weighted else side
    if held != 0.0 and sell_surplus(m, k, row, price, at):
        return True
    blocked = t.NO_REASON
    if state[t.SIZE_MODE] == t.SIZE_KELLY and not weighted:
        count_trades(m, state, bar)
        blocked = take_kelly(state)
    elif state[t.SIZE_MODE] == t.SIZE_VOLATILITY and not weighted:
        state[t.SIZED_FRACTION] = m[k + f.O_SIZE]
    # Slippage may depend on the size, and the size on the price: the second round has the price of the first.
    opening = price
    asked, allowed, reason = 0.0, 0.0, blocked
    for _ in range(2):
        reference = worth_of(m, row, 1.0, price)
        paid = worth_of(m, row, 1.0, money.moved(opening, m[f.R_SPREAD] * side))
        asked, allowed, reason = opening_size(state, blocked, reference, paid, target)
        opening = slip(m, k, row, price, at, allowed)
        m[k + f.O_ORDERED] = asked
        if np.isnan(opening):
            return False
    if held != 0.0 and asked <= 0.0 and reason == t.TOO_SMALL:
        # A weight that is already held, to the last lot.
        end_order(m, k, f.CANCELLED, f.POSITION_OPEN, bar)
        return False
    m[k + f.O_WHY] = reason
    if not allowed > 0.0:
        end_order(m, k, f.REJECTED, f.NO_MARGIN if reason == t.NO_CASH else f.SIZE_ZERO, bar)
        return False
    m[k + f.O_SIZE], m[k + f.O_REMAINING], m[k + f.O_UNIT] = allowed, allowed, f.UNITS
    return True
