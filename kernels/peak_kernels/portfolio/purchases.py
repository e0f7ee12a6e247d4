"""What orders that spend money get where there is not enough of it.

``desk`` is that of `account`.  An order in the queue has its signed size in `slots.SECOND`.

Reads the queue, the cash and the rules; writes the sequence of the queue and why a size was cut (``CLIPPED``).
"""

from __future__ import annotations

from typing import Any

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.portfolio.account import fee_of, fee_off_position, slipped
from peak_kernels.portfolio.sizes import valued_at

COVERED = 1e-9
"""Share of its cost that a single purchase may lack: sums of what others left are rounded."""
_MOST_STEPS = 64


@jit(inline=True)
def affordable(desk: Any, asset: int, budget: float, price: float, side: float) -> float:
    """Largest size that a budget pays for, fee included."""
    terms = desk[2]
    rate = terms[asset, p.RATE]
    if fee_off_position(desk, asset, side):
        return max(money.units(money.with_fee(budget, -rate, 0.0), price), 0.0)
    return money.payable(
        budget, price, rate, terms[asset, p.FIXED], terms[asset, p.PER_UNIT], terms[asset, p.MINIMUM]
    )


@jit(inline=True)
def cost_of(desk: Any, prices: FloatArray, asset: int, size: float, field: int, bar: int) -> float:
    """Value and fee of a signed size."""
    side = 1.0 if size > 0.0 else -1.0
    price = slipped(desk[2], asset, prices[field, asset, bar], side)
    return money.value(abs(size), price) + fee_of(desk, asset, abs(size), price, side)


@jit(inline=True)
def budget_of(desk: Any, prices: FloatArray, equity: float, field: int, bar: int) -> tuple[float, float]:
    """What may be spent, and the equity: after everything that frees money."""
    state, rules, terms, cells, lists, counts = desk
    worth, gross = state[t.CASH], 0.0
    if rules[p.BUYING_POWER] > 0.0:
        budget = worth + (rules[p.LEVERAGE] - 1.0) * equity
        return money.more_than_rounding(budget, abs(worth) + abs(equity)), equity
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        units = cells[asset, p.UNITS]
        price = money.value(valued_at(prices, field, asset, bar), terms[asset, p.MULTIPLIER])
        worth = money.equity(worth, units, price)
        gross += money.value(abs(units), price)
    whole = rules[p.LEVERAGE] * worth
    return money.more_than_rounding(whole - gross, abs(whole) + gross), worth


@jit(inline=True)
def common_factor(desk: Any, prices: FloatArray, budget: float, slack: float, field: int, bar: int) -> float:
    """Factor by which all orders in the queue shrink, so that together they cost the budget; at most 1.

    The fee of each is the larger of two lines, so the cost is convex in the factor: steps along the tangent from above
    end at the root, after one of them where fees are rates.  ``slack`` is what rounding may make of the sums.
    """
    terms, cells, lists, counts = desk[2:]
    factor = 1.0
    for step in range(_MOST_STEPS):
        slope, constant, bends = 0.0, 0.0, False
        for k in range(counts[p.N_QUEUE]):
            asset = lists[p.QUEUE, k]
            size = abs(cells[asset, p.SECOND])
            side = 1.0 if cells[asset, p.SECOND] > 0.0 else -1.0
            price = slipped(terms, asset, prices[field, asset, bar], side)
            value = money.value(size, price)
            if fee_off_position(desk, asset, side):
                slope += money.without_fee(value, -terms[asset, p.RATE])
                continue
            rises, starts = money.cost_line(
                value, size, factor, terms[asset, p.RATE], terms[asset, p.FIXED], terms[asset, p.PER_UNIT],
                terms[asset, p.MINIMUM],
            )  # fmt: skip
            slope += rises
            constant += starts
            bends = bends or terms[asset, p.MINIMUM] > 0.0
        if step == 0 and slope + constant <= budget + slack:
            return 1.0
        found = max((budget - constant) / slope, 0.0)
        if found >= factor:
            break
        factor = found
        if factor == 0.0 or not bends:
            break
    return factor


@jit(inline=True)
def before(desk: Any, one: int, other: int) -> bool:
    """Whether one asset's order is served before another's: by its key, then by the alphabet."""
    cells, lists = desk[3], desk[4]
    if cells[one, p.FIRST] != cells[other, p.FIRST]:
        return cells[one, p.FIRST] < cells[other, p.FIRST]
    return lists[p.RANK, one] < lists[p.RANK, other]


@jit(inline=True)
def put_in_sequence(desk: Any, prices: FloatArray, equity: float, field: int, bar: int) -> None:
    """Sort the queue in the sequence of the rules (Shell's method; `slots.FIRST` is done with and holds the keys)."""
    rules, terms, cells, lists, counts = desk[1:]
    rule = rules[p.SEQUENCE]
    if rules[p.SHORT_CASH] == p.PRIORITY:
        rule = float(p.BY_WEIGHT)
    count, queue = counts[p.N_QUEUE], lists[p.QUEUE]
    for k in range(count):
        asset = queue[k]
        key = 0.0
        if rule == p.BY_WEIGHT:
            key = -abs(cells[asset, p.TARGET])
        elif rule != p.BY_SYMBOL:
            price = money.value(prices[field, asset, bar], terms[asset, p.MULTIPLIER])
            key = abs(cells[asset, p.TARGET] * equity - money.value(cells[asset, p.UNITS], price))
            if rule == p.LARGEST_FIRST:
                key = -key
        cells[asset, p.FIRST] = key
    gap = count // 2
    while gap > 0:
        for k in range(gap, count):
            asset = queue[k]
            place = k
            while place >= gap and before(desk, asset, queue[place - gap]):
                queue[place] = queue[place - gap]
                place -= gap
            queue[place] = asset
        gap //= 2


@jit(inline=True)
def in_lots(desk: Any, asset: int, size: float, side: float) -> float:
    """Whole lots of a size that adds to what is held on its side."""
    held = max(side * desk[3][asset, p.UNITS], 0.0)
    lot = desk[2][asset, p.LOT]
    if desk[1][p.ROUND] != p.ROUND_ORDER:
        held = 0.0
    return money.whole_lots(size, lot, held)


@jit(inline=True)
def served(
    desk: Any, asset: int, reference: float, budget: float, factor: float, slack: float
) -> tuple[float, int, int]:
    """Size that an order in the queue gets, its status and reason; ``factor`` is NaN where each is served by itself."""
    rules, terms, cells = desk[1], desk[2], desk[3]
    size = abs(cells[asset, p.SECOND])
    side = 1.0 if cells[asset, p.SECOND] > 0.0 else -1.0
    reason = int(cells[asset, p.CLIPPED])
    rule = rules[p.SHORT_CASH]
    allowed, cut = size, False
    if rule != p.IGNORE:
        price = slipped(terms, asset, reference, side)
        if factor == factor:
            allowed = size if factor == 1.0 else factor * size
            cut = factor < 1.0
        else:
            payable = affordable(desk, asset, budget, price, side)
            if rule == p.SCALE:
                allowed = min(size, payable)
                cut = money.value(size - allowed, price) > slack
                allowed = allowed if cut or allowed == size else in_lots(desk, asset, allowed, side)
            elif size > payable * (1.0 + COVERED):
                cut = True
                allowed = 0.0 if rule == p.REJECT else payable
        if cut:
            reason = p.CASH_LIMIT if allowed > 0.0 else p.NO_CASH
            allowed = in_lots(desk, asset, allowed, side)
    if allowed <= 0.0 or allowed < terms[asset, p.MIN_SIZE]:
        return 0.0, p.REJECTED, reason if cut else p.TOO_SMALL
    return allowed, p.CUT if cut or reason == p.POSITION_LIMIT else p.FILLED, reason


@jit(inline=True)
def clipped(desk: Any, asset: int, size: float, equity: float, reference: float) -> float:
    """Signed size within the largest position that the rules allow; says so in `slots.CLIPPED`."""
    rules, cells = desk[1], desk[3]
    if rules[p.MAX_POSITION] <= 0.0 or size == 0.0:
        return size
    side = 1.0 if size > 0.0 else -1.0
    price = slipped(desk[2], asset, reference, side)
    most = (
        money.share(rules[p.MAX_POSITION], equity, max(price, money.SMALLEST)) - side * cells[asset, p.UNITS]
    )
    if abs(size) > most:
        cells[asset, p.CLIPPED] = p.POSITION_LIMIT
        return side * max(most, 0.0)
    return size
