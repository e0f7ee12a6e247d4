"""The orders of one bar where the rules are the usual ones: long weights, one set of costs, no lots, bands or limits.

What `rebalance` does for any rules, with the same functions of `money` in the same sequence, hence the same bits: but
all numbers of an order lie side by side, so sizes are made eight at a time, and nothing asks for rules that are not
there.  `tests/test_portfolio_plain.py` compares the two.

``desk`` and ``records`` are those of `account`; ``sheet`` float64[N_SHEET, assets] is scratch.

Reads weights, prices and positions; writes what fills write (`account`).
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.portfolio.account import close_trade, keep, write_event
from peak_kernels.portfolio.purchases import budget_of
from peak_kernels.portfolio.rebalance import equity_for_sizes


@jit(inline=True)
def are_alike(terms: FloatArray) -> bool:
    """Whether all assets trade on the same terms, in any sizes and without a least fee."""
    alike = terms.shape[0] > 0
    for asset in range(terms.shape[0]):
        for term in range(p.N_TERMS):
            alike = alike and terms[asset, term] == terms[0, term]
    return alike and terms[0, p.LOT] <= 0.0 and terms[0, p.MIN_SIZE] <= 0.0 and terms[0, p.MINIMUM] <= 0.0


@jit(inline=True)
def has_plain_rules(rules: FloatArray, terms: FloatArray, limited: bool) -> bool:
    """Whether a run may trade here at all; a bar with shorts or without a price still trades by `rebalance`."""
    plain = rules[p.SIZE_AT] != p.AT_DECISION and rules[p.SHORT_CASH] == p.SCALE and not limited
    plain = plain and rules[p.FEE_FROM] == p.FROM_CASH and rules[p.ROUND] == p.ROUND_ORDER
    for rule in (p.BUYING_POWER, p.MIN_TRADE, p.BAND, p.MAX_GROSS, p.MAX_NET, p.MAX_GROUP, p.MAX_POSITION):
        plain = plain and rules[rule] <= 0.0
    return plain and are_alike(terms)


@jit(inline=True)
def price_with_slippage(terms: FloatArray, reference: float, side: float) -> float:
    """Price after slippage of one unit times the multiplier: see `account.slipped`."""
    price = money.slipped(reference, side, terms[0, p.SLIPPAGE_RATE], terms[0, p.SLIPPAGE_ABSOLUTE], False)
    return money.value(price, terms[0, p.MULTIPLIER])


@jit(inline=True)
def lay_out(desk: Any, prices: FloatArray, sheet: FloatArray, field: int, bar: int) -> bool:
    """Put prices, positions and weights of what is asked for side by side; whether all are long and have a price."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    strange = 0
    for k in range(counts[p.N_ASKED]):
        asset = lists[p.ASKED, k]
        reference, units, weight = prices[field, asset, bar], cells[asset, p.UNITS], cells[asset, p.TARGET]
        sheet[p.S_PRICE, k], sheet[p.S_UNITS, k], sheet[p.S_WEIGHT, k] = reference, units, weight
        strange += 0 if reference > 0.0 and units >= 0.0 and weight >= 0.0 else 1
    return strange == 0


@jit(inline=True)
def make_sizes(desk: Any, sheet: FloatArray, invested: float) -> int:
    """Signed size of each order; how many of them buy."""
    rules, terms, counts = desk[1], desk[2], desk[5]
    lowered = 1.0 if rules[p.SIZE_AT] == p.AT_FILL else 0.0
    buying: Any = 0
    for k in range(counts[p.N_ASKED]):
        reference, held, weight = sheet[p.S_PRICE, k], sheet[p.S_UNITS, k], sheet[p.S_WEIGHT, k]
        plain = money.value(reference, terms[0, p.MULTIPLIER])
        below = price_with_slippage(terms, reference, -1.0) if lowered > 0.0 else plain
        above = price_with_slippage(terms, reference, 1.0) if lowered > 0.0 else plain
        # Slippage may leave a price of zero for sales: of nothing that is no share, of a weight of zero all of it.
        beyond = held if weight == 0.0 else money.surplus(held, weight, invested, below, 0.0)
        more = max(money.share(weight, invested, above) - held, 0.0)
        size = -beyond if beyond > 0.0 else more
        sheet[p.S_SIZE, k] = size
        buying += 1 if size > 0.0 else 0
    return buying


@jit(inline=True)
def pay(desk: Any, asset: int, reference: float, side: float, size: float) -> tuple[float, float, float]:
    """Take what a fill costs out of the account; its price, fee and slippage."""
    state, terms, cells = desk[0], desk[2], desk[3]
    price = price_with_slippage(terms, reference, side)
    traded = money.value(size, price)
    fee = money.fee(
        traded, size, terms[0, p.RATE], terms[0, p.FIXED], terms[0, p.PER_UNIT], terms[0, p.MINIMUM]
    )
    slippage = money.slippage(money.value(reference, terms[0, p.MULTIPLIER]), price, size)
    state[t.CASH] -= side * traded + fee
    state[t.TOTAL_FEES] += fee
    state[t.TOTAL_SLIPPAGE] += slippage
    cells[asset, p.FLOW] -= side * traded + fee
    cells[asset, p.PAID_FEES] += fee
    cells[asset, p.LOST_SLIPPAGE] += slippage
    cells[asset, p.TRADED] += traded
    cells[asset, p.TRADE_FEES] += fee
    cells[asset, p.TRADE_SLIPPAGE] += slippage
    return price, fee, slippage


@jit(inline=True)
def write_line(
    desk: Any, records: Any, bar: int, asset: int, first: tuple[float, ...], rest: tuple[float, ...]
) -> None:
    """Record an order, as `account.write_order` does; the counters of the state are the caller's."""
    counts, lists, orders = desk[5], desk[4], records[0]
    row = counts[p.N_RECORDS]
    counts[p.N_RECORDS] = row + 1
    if row < orders.shape[0]:
        shown = orders[row]
        shown[0], shown[1], shown[2] = lists[p.DECIDED, asset], bar, asset
        shown[3], shown[4], shown[5], shown[6], shown[7], shown[8] = first
        shown[9], shown[10], shown[11] = rest


@jit(inline=True)
def sell(desk: Any, records: Any, sheet: FloatArray, bar: int) -> int:
    """Fill what frees money, in full; how many orders that were."""
    terms, cells, lists, counts = desk[2:]
    sold: Any = 0
    for k in range(counts[p.N_ASKED]):
        size = -sheet[p.S_SIZE, k]
        if not size > 0.0:
            continue
        asset, held = lists[p.ASKED, k], sheet[p.S_UNITS, k]
        price, fee, slippage = pay(desk, asset, sheet[p.S_PRICE, k], -1.0, size)
        cells[asset, p.EXIT_VALUE] += money.value(size, price)
        cells[asset, p.EXIT_UNITS] += size
        cells[asset, p.UNITS] = held - size
        if size == held:
            close_trade(desk, records, bar, asset, 1.0, p.REBALANCE)
            keep(desk, asset)
        shown = money.units(price, terms[0, p.MULTIPLIER])
        outcome = (float(p.REBALANCE), float(p.FILLED), float(p.NO_REASON))
        write_line(desk, records, bar, asset, (-1.0, size, size, shown, fee, slippage), outcome)
        sold += 1
    return sold


@jit(inline=True)
def factor_of(desk: Any, sheet: FloatArray, budget: float, slack: float) -> float:
    """Factor by which all purchases shrink: see `purchases.common_factor`."""
    terms, counts = desk[2], desk[5]
    slope, constant = 0.0, 0.0
    for k in range(counts[p.N_ASKED]):
        size = sheet[p.S_SIZE, k]
        if size > 0.0:
            value = money.value(size, price_with_slippage(terms, sheet[p.S_PRICE, k], 1.0))
            rises, starts = money.cost_line(
                value, size, 1.0, terms[0, p.RATE], terms[0, p.FIXED], terms[0, p.PER_UNIT],
                terms[0, p.MINIMUM],
            )  # fmt: skip
            slope += rises
            constant += starts
    if slope + constant <= budget + slack:
        return 1.0
    return min(max((budget - constant) / slope, 0.0), 1.0)


@jit(inline=True)
def buy(desk: Any, records: Any, sheet: FloatArray, bar: int, factor: float) -> int:
    """Fill what spends money, all of it by one factor; how many orders that were."""
    terms, cells, lists, counts = desk[2:]
    status, reason = float(p.FILLED), float(p.NO_REASON)
    if factor < 1.0:
        status, reason = float(p.CUT), float(p.CASH_LIMIT)
    if factor <= 0.0:
        status, reason = float(p.REJECTED), float(p.NO_CASH)
    bought: Any = 0
    for k in range(counts[p.N_ASKED]):
        requested = sheet[p.S_SIZE, k]
        if not requested > 0.0:
            continue
        bought += 1
        asset, held = lists[p.ASKED, k], sheet[p.S_UNITS, k]
        first = (1.0, requested, 0.0, 0.0, 0.0, 0.0)
        if factor > 0.0:
            size = requested if factor == 1.0 else factor * requested
            price, fee, slippage = pay(desk, asset, sheet[p.S_PRICE, k], 1.0, size)
            if held == 0.0:
                cells[asset, p.ENTRY_BAR] = bar
            cells[asset, p.ENTRY_VALUE] += money.value(size, price)
            cells[asset, p.ENTRY_UNITS] += size
            cells[asset, p.UNITS] = held + size
            keep(desk, asset)
            first = (1.0, requested, size, money.units(price, terms[0, p.MULTIPLIER]), fee, slippage)
        write_line(desk, records, bar, asset, first, (float(p.REBALANCE), status, reason))
    return bought


@jit(inline=True)
def count_orders(desk: Any, sold: int, bought: int, factor: float) -> int:
    """Add orders to the counters of the state and return how many filled."""
    state, counts = desk[0], desk[5]
    filled = sold + bought if factor > 0.0 else sold
    state[t.N_ORDERS] += float(sold + bought)
    state[t.N_FILLED] += float(filled)
    state[t.N_FILLS] += float(filled)
    state[t.N_REJECTED] += float(sold + bought - filled)
    if factor < 1.0:
        counts[p.N_SHORT_CASH] += bought
        state[t.N_CUT] += float(filled - sold)
    return filled


@jit(inline=True)
def trade_plain(desk: Any, prices: FloatArray, records: Any, sheet: FloatArray, field: int, bar: int) -> bool:
    """Carry out the orders that were asked for; False, and nothing done, where they are not plain."""
    equity = equity_for_sizes(desk, prices, field, bar, bar)
    invested = equity * (1.0 - desk[1][p.CASH_BUFFER])
    if not (0.0 < invested < math.inf and lay_out(desk, prices, sheet, field, bar)):
        return False
    buying = make_sizes(desk, sheet, invested)
    if buying == 1:  # A purchase alone is cut to what it can pay, not by a factor.
        return False
    sold = sell(desk, records, sheet, bar)
    budget, _ = budget_of(desk, prices, equity, field, bar)
    factor = math.nan
    if buying > 1:
        factor = factor_of(desk, sheet, budget, money.ROUNDING * (abs(equity) + abs(budget)))
        buy(desk, records, sheet, bar, factor)
    if count_orders(desk, sold, buying, 1.0 if buying == 0 else factor) > 0:
        write_event(desk, records, (float(bar), desk[0][t.CASH], equity, budget, factor))
    return True
