"""Interest and the cost of borrowing of one asset's account, folded into the stretches between its fills.

Between two events the cash is what growth makes of it: what one of cash has become by each bar is known before a run,
and so is what a unit sold short has cost.  So a stretch is folded eight bars at a time as it is without interest
(`growing`), and its interest is one subtraction.  Rates below zero are walked bar by bar.

``financing`` is that of `dues`.

Reads prices and accruals; writes the account, the sums over bars, the curve and charges.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_kernels import money, simd
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast.blocks import fold_blocks
from peak_kernels.fast.dues import charge_interest, pay_funding
from peak_kernels.fast.exits import first_beyond, set_levels, watermarks
from peak_kernels.fast.growing import fold_growing, fold_owing, write_growing
from peak_kernels.fast.reduce import conclude, sink, sunk


@jit(inline=True)
def course(state: FloatArray, financing: Any, start: int) -> tuple[int, int, float, float]:
    """How cash goes on from a bar: rows of growth and of what shorts owe, its base, and units sold short."""
    accruals = financing[1]
    cash = state[t.CASH]
    sold = min(state[t.UNITS], 0.0) if financing[2][t.BORROWS] > 0.0 else 0.0
    growth, owed = (t.DEBIT_GROWTH, t.DEBIT_OWED) if cash < 0.0 else (t.GROWTH, t.OWED)
    return growth, owed, money.discounted(cash, accruals[growth, start], sold, accruals[owed, start]), sold


@jit(inline=True)
def cash_at(financing: Any, way: tuple[int, int, float, float], bar: int) -> float:
    """Cash at a bar of a stretch, by its `course`."""
    accruals = financing[1]
    return money.compounded(accruals[way[0], bar], way[2], way[3], accruals[way[1], bar])


@jit(inline=True)
def equity_at(
    state: FloatArray, prices: FloatArray, financing: Any, way: tuple[int, int, float, float], bar: int
) -> float:
    """Equity at the close of a bar of a stretch."""
    cash, units = cash_at(financing, way, bar), state[t.UNITS]
    return money.equity(cash, units, prices[t.MARK, bar]) if units != 0.0 else cash


@jit(inline=True)
def sums_behind(
    state: FloatArray, prices: FloatArray, financing: Any, way: tuple[int, int, float, float], start: int,
    stop: int,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """`simd.fold_equity` of bars ``start .. stop-1``, of which the first is not that of the stretch."""
    units, free = state[t.UNITS], state[t.RISK_FREE]
    if units != 0.0:
        if way[3] == 0.0:
            return fold_growing(prices, t.MARK, financing[1], way[0], start, stop, way[2], units, free)
        return fold_owing(
            prices, t.MARK, financing[1], way[0], way[1], start, stop, way[2], way[3], units, free
        )
    accruals, terms, last = financing[1], financing[2], stop - 1
    if terms[t.GROWS] > 0.0 and way[0] == t.GROWTH and free == terms[t.RESTING_FREE]:
        # Cash alone grows from bar to bar.
        return (
            accruals[t.RESTING, last] - accruals[t.RESTING, start - 1],
            accruals[t.RESTING_SQUARED, last] - accruals[t.RESTING_SQUARED, start - 1],
            accruals[t.RESTING_BELOW, last] - accruals[t.RESTING_BELOW, start - 1],
            cash_at(financing, way, last),
            cash_at(financing, way, start),
        )
    if terms[t.GROWS] > 0.0:
        return simd.fold_equity(accruals, way[0], start, stop, 0.0, way[2], free)
    below = min(-free, 0.0)
    return 0.0, 0.0, (stop - start) * below * below, state[t.CASH], state[t.CASH]


@jit(inline=True)
def walk_sums(
    state: FloatArray, prices: FloatArray, financing: Any, way: tuple[int, int, float, float], start: int,
    stop: int,
) -> tuple[float, float, float]:  # fmt: skip
    """The first three of these sums bar by bar: behind an equity that is gone there are no returns."""
    more, squares, downside, free = 0.0, 0.0, 0.0, state[t.RISK_FREE]
    earlier = equity_at(state, prices, financing, way, start - 1)
    for bar in range(start, stop):
        equity = equity_at(state, prices, financing, way, bar)
        step = equity / earlier - 1.0 if earlier > 0.0 else 0.0
        more += step
        squares += step * step
        downside += min(step - free, 0.0) ** 2
        earlier = equity
    return more, squares, downside


@jit(inline=True)
def deepest(
    state: FloatArray, prices: FloatArray, financing: Any, way: tuple[int, int, float, float], start: int,
    stop: int,
) -> None:  # fmt: skip
    """Running peak and worst ratio, bar by bar; see `reduce.sink`."""
    peak, worst = state[t.PEAK_EQUITY], state[t.WORST_RATIO]
    for bar in range(start, stop):
        peak, worst = sunk(equity_at(state, prices, financing, way, bar), peak, worst)
    state[t.PEAK_EQUITY], state[t.WORST_RATIO] = peak, worst


@jit(inline=True)
def fold_stretch(
    state: FloatArray, prices: FloatArray, curve: FloatArray, financing: Any, way: tuple[int, int, float, float],
    start: int, stop: int,
) -> None:  # fmt: skip
    """Mark bars ``start .. stop-1`` at their closes, as `reduce.fold` does; ``way`` is the `course` from ``start``."""
    cash, units, free = state[t.CASH], state[t.UNITS], state[t.RISK_FREE]
    previous = state[t.PREVIOUS_EQUITY]
    equity = money.equity(cash, units, prices[t.MARK, start]) if units != 0.0 else cash
    ret = equity / previous - 1.0 if previous > 0.0 else 0.0
    down = min(ret - free, 0.0)
    total, squares, downside = ret, ret * ret, down * down
    highest = lowest = equity
    if units != 0.0:
        state[t.BARS_IN_MARKET] += float(stop - start)
    if stop - start > 1:
        more, more_squares, more_down, top, bottom = sums_behind(
            state, prices, financing, way, start + 1, stop
        )
        highest, lowest = max(highest, top), min(lowest, bottom)
        if lowest <= 0.0:
            more, more_squares, more_down = walk_sums(state, prices, financing, way, start + 1, stop)
        total, squares, downside = total + more, squares + more_squares, downside + more_down
        equity = equity_at(state, prices, financing, way, stop - 1)
    state[t.SUM_RETURN] += total
    state[t.SUM_RETURN_SQUARED] += squares
    state[t.SUM_DOWNSIDE_SQUARED] += downside
    state[t.PREVIOUS_EQUITY] = equity
    if sink(state, highest, lowest):
        deepest(state, prices, financing, way, start, stop)
    if curve.shape[1] > 0:
        write_curve(state, prices, curve, financing, way, start, stop)


@jit(inline=True)
def write_curve(
    state: FloatArray, prices: FloatArray, curve: FloatArray, financing: Any, way: tuple[int, int, float, float],
    start: int, stop: int,
) -> None:  # fmt: skip
    """Equity, and where there is room cash and units, of a stretch."""
    cash, units = state[t.CASH], state[t.UNITS]
    whole = curve.shape[0] > t.CURVE_POSITION
    # Without room for the cash it goes where the equity comes then.
    row = t.CURVE_CASH if whole else t.CURVE_EQUITY
    write_growing(
        prices, t.MARK, financing[1], way[0], way[1], (start, stop), (way[2], way[3], units), curve, row,
        t.CURVE_EQUITY,
    )  # fmt: skip
    curve[row, start] = cash
    curve[t.CURVE_EQUITY, start] = money.equity(cash, units, prices[t.MARK, start]) if units != 0.0 else cash
    if whole:
        curve[t.CURVE_POSITION, start:stop] = units


@jit(inline=True)
def take_interest(state: FloatArray, financing: Any, bar: int, cash: float, cost: float) -> None:
    """Make the cash what it has grown to by a bar, and record interest and what a short cost."""
    before, units = state[t.CASH], state[t.UNITS]
    state[t.CASH] = cash
    interest = cash - before + cost
    kind = p.DEBIT_INTEREST if before < 0.0 else p.CASH_INTEREST
    charge_interest(state, financing, bar, -1, kind, math.nan, interest)
    if cost != 0.0:
        state[t.TRADE_FINANCING] -= cost
        charge_interest(state, financing, bar, 0, p.BORROWING, units, -cost)


@jit(inline=True)
def walk(state: FloatArray, prices: FloatArray, financing: Any, bar: int) -> None:
    """Interest and borrowing of the step to a bar, by the cash, the position and the close before it."""
    accruals = financing[1]
    cash, sold = state[t.CASH], min(state[t.UNITS], 0.0)
    days = accruals[t.DAYS, bar]
    rate = accruals[t.CASH_RATE if cash >= 0.0 else t.DEBIT_RATE, bar]
    interest = money.financing(days, cash, rate)
    cost = 0.0
    if sold < 0.0:
        cost = money.financing(
            days, money.value(-sold, prices[t.MARK, bar - 1]), accruals[t.BORROW_RATE, bar]
        )
    take_interest(state, financing, bar, cash + (interest - cost), cost)


@jit(inline=True)
def drop_rounding(state: FloatArray, financing: Any) -> None:
    """Cash that rounding left of a purchase is nothing where there is interest: behind the fills of a bar."""
    if financing[2][t.GROWS] > 0.0:
        state[t.CASH] = money.more_than_rounding(state[t.CASH], abs(state[t.PREVIOUS_EQUITY]))


@jit(inline=True)
def mark_bars(
    state: FloatArray, prices: FloatArray, curve: FloatArray, financing: Any, start: int, stop: int
) -> None:
    """Mark bars ``start .. stop-1``; behind them the cash is that of the bar ``stop``, interest included."""
    pay_funding(state, prices, financing, start)
    accruals = financing[1]
    drop_rounding(state, financing)
    last: Any = min(stop, accruals.shape[1] - 1)
    way = course(state, financing, start)
    cash = state[t.CASH]
    grown = cash_at(financing, way, last) if last > start else cash
    if financing[2][t.WALKS] > 0.0 or (grown < 0.0) != (cash < 0.0):
        for bar in range(start, stop):
            fold_stretch(state, prices, curve, financing, course(state, financing, bar), bar, bar + 1)
            if bar < last:
                walk(state, prices, financing, bar + 1)
        return
    fold_stretch(state, prices, curve, financing, way, start, stop)
    if last > start:
        owed = accruals[t.OWED_MONEY, last] - accruals[t.OWED_MONEY, start]
        take_interest(state, financing, last, grown, money.value(-way[3], owed) if way[3] < 0.0 else 0.0)


@jit(inline=True)
def first_ruin(
    state: FloatArray, prices: FloatArray, financing: Any, at: int, bounds: tuple[int, int]
) -> tuple[int, float, int, float]:
    """`exits.first_exit` in ``bounds`` of an account whose cash, that of bar ``at``, grows on the way.

    Whoever owes money is liquidated, on credit or short, at the price at which no equity is left.  That moves with the
    cash: bars that reach the highest it may be are looked at closely.
    """
    start, stop = bounds
    side = 1.0 if state[t.UNITS] > 0.0 else -1.0
    level, goal = set_levels(state, side)
    signed = state[t.SIGNED_PRICES] > 0.0
    if side > 0.0 and state[t.CASH] >= 0.0 and not signed:
        return first_beyond(state, prices, start, stop, side, (level, t.STOPPED, goal))
    way = course(state, financing, at)
    accruals, last = financing[1], stop - 1
    left = money.compounded(1.0, way[2], way[3], accruals[way[1], last])
    least = accruals[way[0], at if left >= 0.0 else last] * left
    bound = money.ruin_level(least, state[t.UNITS])
    if bound <= level or (not signed and side > 0.0 and bound <= money.ROUNDING * state[t.AVERAGE_COST]):
        return first_beyond(state, prices, start, stop, side, (level, t.STOPPED, goal))
    adverse, favourable = (t.LOW, t.HIGH) if side > 0.0 else (t.HIGH, t.LOW)
    marks = watermarks(state, favourable)
    bar: Any = start
    while True:
        bar, now, kind, goal = first_beyond(state, prices, bar, stop, side, (bound, t.LIQUIDATED, goal))
        if bar >= stop or kind == t.TRAILED:
            return bar, now, kind, goal
        now, kind = level, t.STOPPED
        zero = money.ruin_level(cash_at(financing, way, bar), state[t.UNITS])
        if zero > now:
            now, kind = zero, t.LIQUIDATED
        best = side * state[t.BEST_PRICE]
        if state[t.TRAILING] > 0.0:
            absolute = state[t.STOP_ABSOLUTE] > 0.0
            trail = money.trailed(
                best, 0.0 if absolute else state[t.TRAILING], state[t.TRAILING] if absolute else 0.0
            )
            if trail > now:
                now, kind = trail, t.TRAILED
        if side * prices[adverse, bar] <= now or side * prices[favourable, bar] >= goal:
            return bar, now, kind, goal
        mark = prices[marks, bar]
        state[t.BEST_PRICE] = side * (max(best, side * mark) if mark == mark else best)
        bar += 1


@jit(inline=True)
def unit_values(financing: Any, curve: FloatArray, initial: float, row: int) -> None:
    """Into a row of the curve what a unit of the account of the last bar is worth: flows behind a bar multiply it."""
    dues, equity = financing[0], curve[t.CURVE_EQUITY]
    factor = 1.0
    due: Any = np.int64(dues.shape[0] - 1)
    for back in range(equity.size):
        bar = equity.size - 1 - back
        curve[row, bar] = equity[bar] * factor
        while due >= 0 and dues[due, p.D_BAR] > bar:
            due -= 1
        first = due
        while first >= 0 and dues[first, p.D_BAR] == bar:
            first -= 1
        before, ratio = equity[bar - 1] if bar > 0 else initial, 1.0
        for k in range(first + 1, due + 1):
            if dues[k, p.D_KIND] == p.CASH_FLOW:
                amount = dues[k, p.D_AMOUNT]
                if before > 0.0 and before + amount > 0.0:
                    ratio *= money.grown(before, amount)
                before += amount
        factor *= ratio


@jit(inline=True)
def conclude_financed(
    state: FloatArray, curve: FloatArray, financing: Any, initial: float, out: FloatArray
) -> None:
    """All metrics of one finished run, and sums by block of time where there is room for them."""
    sums, bars = financing[4], financing[1].shape[1]
    state[t.CASH_INTEREST] = sums[p.CASH_INTEREST] + sums[p.DEBIT_INTEREST]
    state[t.TOTAL_INTEREST] = state[t.CASH_INTEREST] + sums[p.BORROWING]
    state[t.TOTAL_FUNDING] = sums[p.FUNDING]
    row: Any = np.int64(t.CURVE_EQUITY)
    if sums[p.FLOWED] > 0.0 and curve.shape[1] > 0:
        row = np.int64(curve.shape[0] - 1)
        unit_values(financing, curve, initial, row)
    metrics = out.size - 2 * int(financing[2][t.BLOCKS])
    conclude(state, curve[row : row + 1], bars, out[:metrics])
    if out.size > metrics:
        fold_blocks(curve[row : row + 1], state[t.INITIAL_CASH], out[metrics:])
