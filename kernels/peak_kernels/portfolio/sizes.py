"""What one asset's order is to be: from a weight to signed sizes, those that free money and those that spend it.

``desk`` is that of `account`.  Nothing here trades.

Reads the cells of an asset, prices and rules; writes nothing, its answers are numbers.
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast import opposite
from peak_kernels.portfolio.account import slipped


@jit(inline=True)
def known_close(prices: FloatArray, asset: int, bar: int) -> float:
    """Last close at or before a bar; NaN where there was none."""
    price = math.nan
    while bar >= 0:
        price = prices[p.CLOSE, asset, bar]
        if price == price:
            break
        bar -= 1
    return price


@jit(inline=True)
def deciding_close(desk: Any, prices: FloatArray, asset: int, before: int, bar: int) -> float:
    """Last close known at the deciding bar, less a dividend and divided by a split between it and the fill."""
    cells = desk[3]
    if bar > before and cells[asset, p.EX_BAR] == bar and bar > 0:
        price: Any = cells[asset, p.EX_CLOSE]
        return price
    return known_close(prices, asset, before)


@jit(inline=True)
def valued_at(prices: FloatArray, field: int, asset: int, bar: int) -> float:
    """Price in a field of a bar, or the last close known before where the asset has none there."""
    price = prices[field, asset, bar]
    return price if price == price else known_close(prices, asset, bar)


@jit(inline=True)
def sized_price(desk: Any, asset: int, reference: float, side: float, at_decision: float) -> float:
    """Price that turns a value into units: the fill's, the fill's before slippage, or the deciding close."""
    rule = desk[1][p.SIZE_AT]
    if rule == p.AT_FILL:
        return slipped(desk[2], asset, reference, side)
    price = reference if rule == p.AT_REFERENCE else at_decision
    return money.value(price, desk[2][asset, p.MULTIPLIER])


@jit(inline=True)
def by_units(
    desk: Any, asset: int, weight: float, equity: float, reference: float, at_decision: float
) -> float:
    """Signed size from the position to a weight of the equity, where fees come out of the cash."""
    rules, lot = desk[1], desk[2][asset, p.LOT]
    units = desk[3][asset, p.UNITS]
    held, side = abs(units), 1.0 if weight > 0.0 else -1.0
    whole = rules[p.ROUND] == p.ROUND_TARGET
    if units == 0.0 or opposite(units, weight):
        size = money.share(abs(weight), equity, sized_price(desk, asset, reference, side, at_decision))
        return side * (held + (money.whole_lots(size, lot, 0.0) if whole else size))
    price = sized_price(desk, asset, reference, -side, at_decision)
    if whole:
        beyond = held - money.whole_lots(money.share(abs(weight), equity, price), lot, 0.0)
    else:
        beyond = money.surplus(held, abs(weight), equity, price, lot)
    if beyond > 0.0:
        return -side * beyond
    price = sized_price(desk, asset, reference, side, at_decision)
    size = money.share(abs(weight), equity, price)
    if whole:
        size = money.whole_lots(size, lot, 0.0)
    return side * max(size - held, 0.0)


@jit(inline=True)
def by_amount(
    desk: Any, asset: int, weight: float, equity: float, reference: float, at_decision: float
) -> float:
    """Signed size from the position to a weight of the equity, where the fee is part of the amount that moves.

    ``FROM_AMOUNT``: value and fee of a purchase, value less fee of a sale, are the amount.  ``FROM_POSITION``: that
    holds for purchases, and a sale is worth the amount.
    """
    rules, terms = desk[1], desk[2]
    units, rate, lot = desk[3][asset, p.UNITS], terms[asset, p.RATE], terms[asset, p.LOT]
    raw = money.value(
        at_decision if rules[p.SIZE_AT] == p.AT_DECISION else reference, terms[asset, p.MULTIPLIER]
    )
    amount = weight * equity - money.value(units, raw)
    side = 1.0 if amount > 0.0 else -1.0
    price = sized_price(desk, asset, reference, side, at_decision)
    value = abs(amount)
    if rules[p.FEE_FROM] == p.FROM_AMOUNT:
        value = money.without_fee(value, side * rate)
    elif side > 0.0:
        value = money.with_fee(value, -rate, 0.0)
    size = money.units(value, price)
    if rules[p.ROUND] != p.ROUND_DOWN or lot <= 0.0:
        return side * money.whole_lots(size, lot, abs(units))
    # Whole lots that the amount could buy without a fee decide whether anything happens at all.
    plain = money.units(abs(amount), raw)
    most = money.whole_lots(plain, lot, 0.0)
    if opposite(units, amount):
        most = -money.whole_lots(-plain, lot, 0.0)
    if most == 0.0:
        return 0.0
    if side * most == -units:
        return -units
    return side * (money.whole_lots(size, lot, 0.0) if side > 0.0 else -money.whole_lots(-size, lot, 0.0))


@jit(inline=True)
def wanted(
    desk: Any, asset: int, weight: float, equity: float, reference: float, at_decision: float, band: float
) -> float:
    """Signed size from the position to a weight: all of it where the weight, or the equity, is nothing.

    A change worth less than ``band`` of the equity is none.
    """
    rules, cells = desk[1], desk[3]
    units = cells[asset, p.UNITS]
    if weight == 0.0 or not equity > 0.0:
        return -units
    if rules[p.FEE_FROM] == p.FROM_CASH:
        size = by_units(desk, asset, weight, equity, reference, at_decision)
    else:
        size = by_amount(desk, asset, weight, equity, reference, at_decision)
    if band > 0.0:
        value = money.value(abs(size), money.value(reference, desk[2][asset, p.MULTIPLIER]))
        if value < band * equity:
            return 0.0
    return size
