"""One page of arithmetic: each rule about money as one inlined function of plain numbers.

The loops (fast path, order book, signal matrices) call these with their own state, so that the same rule gives the same
bits in all of them; `tests/test_money_page.py` finds such arithmetic anywhere else.  `docs/semantics.md` says the rules
in words.  Reads and writes nothing but numbers.

Sides are 1.0 (buy, long) and -1.0 (sell, short).  "On the axis of a side" means times the side: there a position loses
downwards, whatever it is.  Sizes are units of an asset, rates and shares are fractions (0.01 is one per cent).  No
function guards against NaN: what is missing stays missing.
"""

from __future__ import annotations

import math

import numpy as np

from peak_kernels.compiling import jit

ROUNDING = 1e-12
"""Share of a quantity that is a rounding error of it, and nothing else."""
SMALLEST = 1e-300
"""Stands for a price of zero where something is divided by it."""


# Values ---------------------------------------------------------------------------------------------------
@jit(inline=True)
def value(size: float, price: float) -> float:
    """What ``size`` units cost or bring at ``price``; signed like the size."""
    return size * price


@jit(inline=True)
def worth(units: float, price: float, multiplier: float, exchange: float) -> float:
    """Value in account money; ``exchange``: account money for one unit of the quote currency."""
    return units * price * multiplier * exchange


@jit(inline=True)
def equity(cash: float, units: float, price: float) -> float:
    """Cash and the value of a position."""
    return cash + units * price


@jit(inline=True)
def units(amount: float, price: float) -> float:
    """Units that an amount of money buys."""
    return amount / price


@jit(inline=True)
def gain(units: float, entry: float, leave: float, multiplier: float) -> float:
    """Result of signed units that came at ``entry`` and went at ``leave``: what one value is above the other."""
    return (units * leave - units * entry) * multiplier


@jit(inline=True)
def move(units: float, before: float, now: float, multiplier: float) -> float:
    """What a change of price brings to signed units: as `gain`, and exact for prices that lie close together."""
    return units * (now - before) * multiplier


@jit(inline=True)
def average_cost(average: float, held: float, price: float, size: float) -> float:
    """Average cost of a unit after ``size`` more were bought (short: sold) at ``price``; selling leaves it as it is."""
    return (average * held + price * size) / (held + size)


# Costs ----------------------------------------------------------------------------------------------------
@jit(inline=True)
def rated(value: float, rate: float, fixed: float) -> float:
    """Share of a value and a fixed amount."""
    return value * rate + fixed


@jit(inline=True)
def fee(value: float, size: float, rate: float, fixed: float, per_unit: float, least: float) -> float:
    """Fee of one fill of the absolute ``value``; a rate below zero is a rebate, whose ``least`` is minus infinity."""
    return max(value * rate + fixed + size * per_unit, least)


@jit(inline=True)
def with_fee(value: float, rate: float, fixed: float) -> float:
    """A value and its fee; a negative rate and no fixed part: what a sale leaves."""
    return value * (1.0 + rate) + fixed


@jit(inline=True)
def without_fee(budget: float, rate: float) -> float:
    """Value whose rated fee makes it up to a budget."""
    return budget / (1.0 + rate)


@jit(inline=True)
def prorated(amount: float, part: float, whole: float) -> float:
    """What a part of a size bears of an amount that the whole has borne."""
    return amount * (part / whole)


@jit(inline=True)
def per_unit(amount: float, size: float) -> float:
    """What a unit bears of an amount."""
    return amount / size


@jit(inline=True)
def slipped(price: float, side: float, rate: float, absolute: float, signed: bool) -> float:
    """Price after slippage: buyers pay more, sellers get less; never below zero, unless prices may be (``signed``)."""
    if signed:
        return price + side * (abs(price) * rate + absolute)
    return max(price * (1.0 + side * rate) + side * absolute, 0.0)


@jit(inline=True)
def worse_tick(price: float, side: float, tick: float) -> float:
    """Price on a tick that is not better: slippage never helps."""
    return side * np.ceil(side * price / tick - 1e-9) * tick


@jit(inline=True)
def slippage(reference: float, price: float, size: float) -> float:
    """What a fill cost beyond its price before slippage."""
    return abs(price - reference) * size


@jit(inline=True)
def moved(price: float, fraction: float) -> float:
    """Price that is higher by a fraction of its absolute value (a negative fraction: lower)."""
    return price * (1.0 + fraction) if price > 0.0 else price * (1.0 - fraction)


@jit(inline=True)
def financing(days: float, value: float, yearly: float) -> float:
    """Interest on a value for some calendar days; funding is a rate for one day."""
    return days * value * yearly


@jit(inline=True)
def without_dividend(price: float, amount: float) -> float:
    """A close before an ex-date as it is behind it."""
    return price - amount


@jit(inline=True)
def reinvested(units: float, amount: float, price: float) -> float:
    """Units that a dividend of signed units buys at the close before less the dividend."""
    return units * amount / without_dividend(price, amount)


@jit(inline=True)
def split_by(units: float, ratio: float) -> float:
    """Units that a split adds to signed units."""
    return units * ratio - units


@jit(inline=True)
def grown(equity: float, flow: float) -> float:
    """What an equity is with the money that came, over what it was."""
    return (equity + flow) / equity


@jit(inline=True)
def discounted(cash: float, growth: float, sold: float, owed: float) -> float:
    """Cash as it was when the growth of cash was one: what `compounded` makes the cash of."""
    return cash / growth - sold * owed


@jit(inline=True)
def compounded(growth: float, base: float, sold: float, owed: float) -> float:
    """Cash with the interest on it; units ``sold`` short (below zero) owe a discounted sum each."""
    return growth * (base + sold * owed)


# Sizes ----------------------------------------------------------------------------------------------------
@jit(inline=True)
def share(fraction: float, equity: float, price: float) -> float:
    """Units worth a fraction of the equity; with a distance in place of the price: units that lose it there."""
    return fraction * equity / price


@jit(inline=True)
def payable(budget: float, price: float, rate: float, fixed: float, per_unit: float, least: float) -> float:
    """Largest size whose value plus fee is within ``budget``: both arms of the fee's maximum must hold."""
    # The value is what a unit costs or brings; at a price of zero any number of them can be paid.
    price = max(abs(price), SMALLEST)
    by_rate = (budget - fixed) / (price * (1.0 + rate) + per_unit)
    by_minimum = (budget - least) / price
    return max(min(by_rate, by_minimum), 0.0)


@jit(inline=True)
def payable_on_margin(
    budget: float,
    tied: float,
    value: float,
    share: float,
    rate: float,
    fixed: float,
    per_unit: float,
    least: float,
) -> float:
    """Largest size for which ``tied`` per unit and the ``share`` of the fee stay within a budget; ``value``: of a unit.

    The fee is the larger of two lines, so the size is the smaller one.
    """
    size = (budget - share * fixed) / (tied + share * (rate * value + per_unit))
    if least > 0.0:
        size = min(size, (budget - share * least) / tied)
    return max(0.0, size)


@jit(inline=True)
def more_than_rounding(amount: float, scale: float) -> float:
    """An amount, or nothing where it is what rounding left of sums of the size of ``scale``."""
    return amount if abs(amount) > ROUNDING * scale else 0.0


@jit(inline=True)
def cost_line(
    value: float, size: float, factor: float, rate: float, fixed: float, per_unit: float, least: float
) -> tuple[float, float]:
    """Slope and constant of the cost of a share of a size, on the arm of the fee's maximum that holds at ``factor``."""
    if fee(value * factor, size * factor, rate, fixed, per_unit, least) <= least:
        return value, least
    return value * (1.0 + rate) + size * per_unit, fixed


@jit(inline=True)
def whole_lots(size: float, lot: float, held: float) -> float:
    """Largest whole number of lots within ``size``; the size itself where ``lot`` is 0.

    A rounding error costs no lot.  A size that is a difference to the position ``held`` carries the errors of both.
    """
    if lot <= 0.0:
        return size
    return math.floor((size + ROUNDING * (abs(size) + held)) / lot) * lot


@jit(inline=True)
def whole_steps(size: float, step: float) -> float:
    """Size cut to a multiple of a step, with no tolerance: 1.0 is nine steps of 0.1, because their floats say so."""
    return size // step * step


@jit(inline=True)
def lots_within(budget: float, cost: float, lot: float) -> float:
    """Whole lots (0: any size) whose cost per unit a budget covers, by a division that is exact."""
    return (budget // (cost * lot)) * lot if lot > 0.0 else budget / cost


@jit(inline=True)
def leveraged_lots(budget: float, cost: float, lot: float, leverage: float) -> float:
    """Whole lots of leverage times the whole lots that a budget covers."""
    return np.floor(leverage * (budget // (cost * lot))) * lot


@jit(inline=True)
def nearest_lots(size: float, lot: float) -> float:
    """Size rounded to the nearest number of lots (half to even), at least one; whole lots stay as they are."""
    whole = np.rint(size / lot) * lot
    return size if abs(whole - size) <= ROUNDING * size else max(lot, whole)


@jit(inline=True)
def surplus(held: float, fraction: float, equity: float, price: float, lot: float) -> float:
    """Units that a position holds beyond the weight ``fraction``, in whole lots: at most the position.

    Of an equity that is gone every weight is nothing.
    """
    if equity <= 0.0:
        return held
    beyond = held - fraction * equity / price
    if not beyond > 0.0:
        return 0.0
    size = whole_lots(beyond, lot, held)
    # What a whole number of lots leaves of the position by rounding is no position.
    return held if size >= held * (1.0 - ROUNDING) else size


# Exits and limits -----------------------------------------------------------------------------------------
@jit(inline=True)
def distance(amount: float, price: float, absolute: bool) -> float:
    """Distance in units of price: given as such, or as a share of a price."""
    return amount if absolute else amount * price


@jit(inline=True)
def exit_level(entry: float, side: float, distance: float) -> float:
    """Level of a stop at a distance from the entry of a position; a negative distance: of a target."""
    return entry - side * distance


@jit(inline=True)
def exit_at(first: float, level: float, side: float) -> float:
    """Price at which a stop of a position fills in the bar that reaches it: its level, or the open beyond it (a gap).

    The other side: a target, which a gap makes better.
    """
    return level if side * first > side * level else first


@jit(inline=True)
def trailed(best: float, share: float, fixed: float) -> float:
    """Level of a trailing stop on the axis of the side: below the best price by a share of it, or by a distance."""
    return best - share * abs(best) - fixed


@jit(inline=True)
def entry_level(close: float, side: float, better: float, tick: float) -> float:
    """Level of an entry that is a fraction of the close better than it, on the better side of a tick (0: any price)."""
    level = close * (1.0 - side * better)
    return side * np.floor(side * level / tick + 1e-9) * tick if tick > 0.0 else level


@jit(inline=True)
def goal_is_nearer(level: float, first: float, goal: float) -> bool:
    """Whether the way from ``first`` up to ``goal`` is shorter than that down to ``level``, by more than rounding."""
    return goal - first < first - level - ROUNDING * (abs(goal) + abs(level))


@jit(inline=True)
def ruin_level(cash: float, units: float) -> float:
    """Price on the axis of the side at which a position leaves no equity."""
    return -cash / abs(units)


@jit(inline=True)
def has_lost(equity: float, before: float, limit: float) -> bool:
    """Whether a limit is set (above 0) and the equity is below what it was before by that share.

    A drawdown is measured from the highest equity so far, a daily loss from the last close of the day before.
    """
    return limit > 0.0 and equity <= before * (1.0 - limit)
