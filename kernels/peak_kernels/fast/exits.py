"""Stops and targets of the fast path: levels, the first bar that reaches one, the price of the exit.

Reads the settings, the account and prices; writes the watermark of a trailing stop.
"""

from __future__ import annotations

import math

from peak_kernels import money, simd
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast.rules import stop_distance


@jit(inline=True)
def set_levels(state: FloatArray, side: float) -> tuple[float, float]:
    """``(stop level, target level)`` of the open position for fixed distances, times ``side``.

    Multiplied by ``side`` the adverse direction is down for both sides.  -inf and inf where nothing is set.
    """
    level, goal = -math.inf, math.inf
    if state[t.STOP_LOSS] > 0.0 or state[t.TAKE_PROFIT] > 0.0:
        entry = state[t.AVERAGE_COST]
        if state[t.STOP_LOSS] > 0.0:
            level = side * money.exit_level(entry, side, stop_distance(state, state[t.STOP_LOSS], entry))
        if state[t.TAKE_PROFIT] > 0.0:
            goal = side * money.exit_level(entry, side, -stop_distance(state, state[t.TAKE_PROFIT], entry))
    return level, goal


@jit(inline=True)
def exit_levels(state: FloatArray, side: float) -> tuple[float, int, float]:
    """``(stop level, kind of stop, target level)`` of the open position for fixed distances, times ``side``.

    Multiplied by ``side`` the adverse direction is down for both sides.  -inf and inf where nothing is set.
    A short, a position on credit and one whose price may fall below zero are liquidated at the price at which
    their equity is zero.
    """
    level, goal = set_levels(state, side)
    kind = t.STOPPED
    if side < 0.0 or state[t.LEVERAGE] > 1.0 or state[t.SIGNED_PRICES] > 0.0:
        zero = money.ruin_level(state[t.CASH], state[t.UNITS])
        if zero > level:
            level, kind = zero, t.LIQUIDATED
    return level, kind, goal


@jit(inline=True)
def first_exit(state: FloatArray, prices: FloatArray, start: int, stop: int) -> tuple[int, float, int, float]:
    """First bar in ``[start, stop)`` in which a stop or target is reached: ``(bar, level, kind, goal)``.

    Levels are times side (see `exit_levels`).  The bar is ``stop`` where nothing is reached.  The trailing
    watermark is raised after each bar that did not end the position, never before it is tested.
    """
    side = 1.0 if state[t.UNITS] > 0.0 else -1.0
    level, kind, goal = exit_levels(state, side)
    adverse, favourable = (t.LOW, t.HIGH) if side > 0.0 else (t.HIGH, t.LOW)
    trailing = state[t.TRAILING]
    if trailing == 0.0:
        if level == -math.inf and goal == math.inf:
            return stop, level, kind, goal
        return (
            simd.first_outside(prices, adverse, favourable, start, stop, side, level, goal),
            level,
            kind,
            goal,
        )
    marks = watermarks(state, favourable)
    # One of the two is zero: a distance in price units, or a share of the watermark.
    fixed = trailing if state[t.STOP_ABSOLUTE] > 0.0 else 0.0
    share = 0.0 if state[t.STOP_ABSOLUTE] > 0.0 else trailing
    best = side * state[t.BEST_PRICE]
    current, current_kind = level, kind
    bar = start
    while bar < stop:
        trail = money.trailed(best, share, fixed)
        if trail > level:
            current, current_kind = trail, t.TRAILED
        if side * prices[adverse, bar] <= current or side * prices[favourable, bar] >= goal:
            break
        best = max(best, side * prices[marks, bar]) if prices[marks, bar] == prices[marks, bar] else best
        bar += 1
    state[t.BEST_PRICE] = side * best
    return bar, current, current_kind, goal


@jit(inline=True)
def first_beyond(
    state: FloatArray,
    prices: FloatArray,
    start: int,
    stop: int,
    side: float,
    levels: tuple[float, int, float],
) -> tuple[int, float, int, float]:
    """`first_exit` with levels that the caller knows.

    Stated a second time: with one function around the other, sweeps without financing take 2 % longer.
    """
    level, kind, goal = levels
    adverse, favourable = (t.LOW, t.HIGH) if side > 0.0 else (t.HIGH, t.LOW)
    trailing = state[t.TRAILING]
    if trailing == 0.0:
        if level == -math.inf and goal == math.inf:
            return stop, level, kind, goal
        return (
            simd.first_outside(prices, adverse, favourable, start, stop, side, level, goal),
            level,
            kind,
            goal,
        )
    marks = watermarks(state, favourable)
    # One of the two is zero: a distance in price units, or a share of the watermark.
    fixed = trailing if state[t.STOP_ABSOLUTE] > 0.0 else 0.0
    share = 0.0 if state[t.STOP_ABSOLUTE] > 0.0 else trailing
    best = side * state[t.BEST_PRICE]
    current, current_kind = level, kind
    bar = start
    while bar < stop:
        trail = money.trailed(best, share, fixed)
        if trail > level:
            current, current_kind = trail, t.TRAILED
        if side * prices[adverse, bar] <= current or side * prices[favourable, bar] >= goal:
            break
        best = max(best, side * prices[marks, bar]) if prices[marks, bar] == prices[marks, bar] else best
        bar += 1
    state[t.BEST_PRICE] = side * best
    return bar, current, current_kind, goal


@jit(inline=True)
def watermarks(state: FloatArray, favourable: int) -> int:
    """Row of the prices that raise the watermark of a trailing stop."""
    source = state[t.WATERMARK]
    if source > 0.0:
        return t.CLOSE if source == 1.0 else (t.HIGH if source == 2.0 else t.LOW)
    return favourable


@jit(inline=True)
def exit_price(
    state: FloatArray, prices: FloatArray, bar: int, level: float, kind: int, goal: float
) -> tuple[float, int]:
    """Reference price and kind of the exit in a bar in which a stop or target was reached.

    A gap fills at the open.  When both lie inside the bar the setting decides and the bar is counted as
    ambiguous.
    """
    side = 1.0 if state[t.UNITS] > 0.0 else -1.0
    first = side * prices[t.OPEN, bar]
    adverse, favourable = (t.LOW, t.HIGH) if side > 0.0 else (t.HIGH, t.LOW)
    stopped = side * prices[adverse, bar] <= level
    at_goal = side * prices[favourable, bar] >= goal
    price = money.exit_at(first, level, 1.0)
    if first > level:
        if first >= goal or not stopped:
            price, stopped = money.exit_at(first, goal, -1.0), False
        elif at_goal:
            state[t.N_AMBIGUOUS] += 1.0
            rule = state[t.BOTH_HIT]
            if rule == 1.0 or (rule == 2.0 and money.goal_is_nearer(level, first, goal)):
                price, stopped = goal, False
    return side * price, kind if stopped else t.TARGET_REACHED
