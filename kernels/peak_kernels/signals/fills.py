"""Buying and selling under a cash limit, with a relative tolerance: fills of the signal simulation.

Both functions return ``(status, size filled, price with slippage, fee)`` and change cash, free cash, debt and
position when the order is filled.  A refused order changes nothing.

Reads an asset's order, position and debt and its group's cash; writes these when the order is filled.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import signal_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part

Fill = tuple[int, float, float, float]


@part
def close_to(a: float, b: float) -> bool:
    """Equal up to a relative error of 1e-9 (1e-12 near zero)."""
    if a == b:
        return True
    if np.isinf(a) or np.isinf(b):
        return False
    return abs(a - b) <= max(1e-9 * max(abs(a), abs(b)), 1e-12)


@part
def add(a: float, b: float) -> float:
    """Sum that is exactly 0 when the terms cancel up to the tolerance."""
    return 0.0 if close_to(a, -b) else a + b


@part
def whole_steps(m: FloatArray, size: float) -> float:
    """Size cut to a multiple of the granularity.

    The floor division is exact where a quotient would round up: 1.0 is nine steps of 0.1, not ten.
    """
    step = m[f.P_GRANULARITY]
    return money.whole_steps(size, step) if step > 0.0 and np.isfinite(size) else size


@part
def fit_size(m: FloatArray, size: float) -> tuple[float, int]:
    """Size after the largest size and the granularity; the status says whether that is allowed."""
    if size > m[f.P_MAX_SIZE]:
        if m[f.P_PARTIAL] == 0.0:
            return 0.0, f.MAX_SIZE_EXCEEDED
        size = m[f.P_MAX_SIZE]
    return whole_steps(m, size), f.FILLED


@part
def final_status(m: FloatArray, size: float, requested: float) -> int:
    """Whether a size is large enough, and complete where it has to be."""
    if size < m[f.P_MIN_SIZE] and not close_to(size, m[f.P_MIN_SIZE]):
        return f.MIN_SIZE_NOT_REACHED
    short_of = size < requested and not close_to(size, requested)
    if np.isfinite(requested) and short_of and m[f.P_PARTIAL] == 0.0:
        return f.PARTIAL_FILL
    return f.FILLED


@part
def cash_limit(m: FloatArray, row: int, g: int, price: float) -> float:
    """Cash that a purchase may spend, without percent."""
    cash, free = m[g + f.G_CASH], m[g + f.G_FREE]
    if m[f.P_LOCK_CASH] == 0.0:
        return cash
    held, debt = m[row + f.A_POSITION], m[row + f.A_DEBT]
    if held >= 0.0:
        return min(cash, free)
    fees, fixed = m[row + f.A_FEES], m[row + f.A_FIXED]
    spare = add(free + 2.0 * debt, -money.with_fee(money.value(abs(held), price), fees, fixed))
    limit = cash
    if spare > 0.0:
        limit = free + 2.0 * debt
    elif spare < 0.0:
        most = money.units(free - fixed, money.with_fee(price, fees, -2.0 * debt / abs(held)))
        limit = money.with_fee(money.value(most, price), fees, fixed)
    return min(cash, limit)


@part
def buy(m: FloatArray, row: int, g: int, size: float) -> Fill:
    """Buy ``size`` units, or the share ``size`` of the cash when the order is a percent."""
    price = money.moved(m[row + f.A_ORDER_PRICE], m[row + f.A_ORDER_SLIPPAGE])
    fees, fixed, held = m[row + f.A_FEES], m[row + f.A_FIXED], m[row + f.A_POSITION]
    nothing = 0.0, price, 0.0
    budget = cash_limit(m, row, g, price)
    if m[row + f.A_ORDER_TYPE] == f.PERCENT:
        budget = min(budget, size * budget)
        size = np.inf
    requested = size
    if m[row + f.A_ORDER_DIRECTION] == f.SHORT_ONLY:
        if held >= 0.0:
            return f.NO_OPEN_POSITION, *nothing
        size = min(size, abs(held))
    elif budget == 0.0:
        return f.NO_CASH_LONG, *nothing
    wanted, status = fit_size(m, size)
    if status != f.FILLED:
        return status, *nothing
    size, spent = wanted, money.value(wanted, price)
    paid = money.rated(spent, fees, fixed)
    spent += paid
    if not (spent <= budget or close_to(spent, budget)):
        left = money.without_fee(add(budget, -fixed), fees)
        if left <= 0.0:
            return f.CANNOT_COVER_FEES, *nothing
        size = money.units(left, price)
        paid, spent = budget - left, budget
        if m[f.P_GRANULARITY] > 0.0:
            size = whole_steps(m, size)
            spent = money.value(size, price)
            paid = money.rated(spent, fees, fixed)
            spent += paid
    status = f.SIZE_ZERO if close_to(wanted, 0.0) else final_status(m, size, requested)
    if status != f.FILLED:
        return status, *nothing
    after_buy(m, row, g, size, spent)
    return f.FILLED, size, price, paid


@part
def after_buy(m: FloatArray, row: int, g: int, size: float, spent: float) -> None:
    """Cash, position, debt and free cash after a purchase."""
    held, debt = m[row + f.A_POSITION], m[row + f.A_DEBT]
    position = add(held, size)
    if held < 0.0:
        covered = size if position < 0.0 else abs(held)
        released = covered * debt / abs(held)
        m[row + f.A_DEBT] = add(debt, -released)
        m[g + f.G_FREE] = add(m[g + f.G_FREE] + 2.0 * released, -spent)
    else:
        m[g + f.G_FREE] = add(m[g + f.G_FREE], -spent)
    m[g + f.G_CASH] = add(m[g + f.G_CASH], -spent)
    m[row + f.A_POSITION] = position


@part
def most_to_sell(m: FloatArray, row: int, g: int, price: float) -> tuple[float, int]:
    """Units that can be sold: what is held, and what the free cash allows to sell short."""
    fees, fixed = m[row + f.A_FEES], m[row + f.A_FIXED]
    long = max(m[row + f.A_POSITION], 0.0)
    free = add(m[g + f.G_FREE], money.with_fee(money.value(long, price), -fees, 0.0))
    if free <= 0.0:
        # What is held can be sold without free cash.
        return long, f.FILLED if long > 0.0 else f.NO_CASH_SHORT
    most = add(long, money.units(add(free, -fixed), money.with_fee(price, fees, 0.0)))
    return most, f.FILLED if most > 0.0 else f.CANNOT_COVER_FEES


@part
def sell(m: FloatArray, row: int, g: int, size: float) -> Fill:
    """Sell ``size`` units, or the share ``size`` of what can be sold when the order is a percent."""
    price = money.moved(m[row + f.A_ORDER_PRICE], -m[row + f.A_ORDER_SLIPPAGE])
    fees, fixed, held = m[row + f.A_FEES], m[row + f.A_FIXED], m[row + f.A_POSITION]
    nothing = 0.0, price, 0.0
    is_percent = m[row + f.A_ORDER_TYPE] == f.PERCENT
    requested = np.inf if is_percent else size
    if m[row + f.A_ORDER_DIRECTION] == f.LONG_ONLY:
        if held <= 0.0:
            return f.NO_OPEN_POSITION, *nothing
        size = size * held if is_percent else min(held, size)
    elif is_percent or m[f.P_LOCK_CASH] > 0.0:
        most, status = most_to_sell(m, row, g, price)
        if status != f.FILLED:
            return status, *nothing
        size = size * most if is_percent else size
        if m[f.P_LOCK_CASH] > 0.0:
            size = min(size, most)
    size, status = fit_size(m, size)
    if status == f.FILLED:
        status = f.SIZE_ZERO if close_to(size, 0.0) else final_status(m, size, requested)
    if status != f.FILLED:
        return status, *nothing
    sold = money.value(size, price)
    paid = money.rated(sold, fees, fixed)
    received = add(sold, -paid)
    if received < 0.0:
        return f.CANNOT_COVER_FEES, *nothing
    after_sale(m, row, g, size, price, received)
    return f.FILLED, size, price, paid


@part
def after_sale(m: FloatArray, row: int, g: int, size: float, price: float, received: float) -> None:
    """Cash, position, debt and free cash after a sale."""
    held = m[row + f.A_POSITION]
    position = add(held, -size)
    if position < 0.0:
        short = money.value(size if held < 0.0 else abs(position), price)
        m[row + f.A_DEBT] += short
        m[g + f.G_FREE] = add(m[g + f.G_FREE], add(received, -2.0 * short))
    else:
        m[g + f.G_FREE] += received
    m[g + f.G_CASH] += received
    m[row + f.A_POSITION] = position
