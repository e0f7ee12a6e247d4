"""One page of arithmetic: each rule about money as one inlined function of plain numbers.

The loops (fast path, order book) call these with their own state, so that the same rule gives the same bits in all of
them.  `docs/semantics.md` says the rules in words.  Sides are 1.0 (buy, long) and -1.0 (sell, short).
"""

from __future__ import annotations

import math

from peak_kernels._jit import jit

ROUNDING = 1e-12
"""Share of a quantity that is a rounding error of it, and nothing else."""


@jit(inline=True)
def slipped(price: float, side: float, rate: float, absolute: float, signed: bool) -> float:
    """Price after slippage: buyers pay more, sellers get less; never below zero, unless prices may be (``signed``)."""
    if signed:
        return price + side * (abs(price) * rate + absolute)
    return max(price * (1.0 + side * rate) + side * absolute, 0.0)


@jit(inline=True)
def whole_lots(size: float, lot: float, held: float) -> float:
    """Largest whole number of lots within ``size``; the size itself where ``lot`` is 0.

    A rounding error costs no lot.  A size that is a difference to the position ``held`` carries the errors of both.
    """
    if lot <= 0.0:
        return size
    return math.floor((size + ROUNDING * (abs(size) + held)) / lot) * lot


@jit(inline=True)
def average_cost(average: float, held: float, price: float, size: float) -> float:
    """Average cost of a unit after ``size`` more were bought (short: sold) at ``price``; selling leaves it as it is."""
    return (average * held + price * size) / (held + size)


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


@jit(inline=True)
def goal_is_nearer(level: float, first: float, goal: float) -> bool:
    """Whether the way from ``first`` up to ``goal`` is shorter than that down to ``level``, by more than rounding."""
    return goal - first < first - level - ROUNDING * (abs(goal) + abs(level))
