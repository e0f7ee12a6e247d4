"""The orders of one bar: whom they are about, what they want, and in which sequence they trade.

``desk`` and ``records`` are those of `account`.

Reads weights, prices and the cells of the assets; writes the queue, and what its fills write (`account`).
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels import money, simd
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast import opposite
from peak_kernels.portfolio.account import fill, not_filled, write_event
from peak_kernels.portfolio.halts import entry_block, only_closing
from peak_kernels.portfolio.limits import limit_targets
from peak_kernels.portfolio.purchases import (
    budget_of,
    clipped,
    common_factor,
    cost_of,
    in_lots,
    put_in_sequence,
    served,
)
from peak_kernels.portfolio.sizes import deciding_close, valued_at, wanted


@jit(inline=True)
def ask(desk: Any, asset: int, weight: float, decided: int) -> None:
    """Put an asset on the list of those that the orders of the bar are about."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    lists[p.ASKED, counts[p.N_ASKED]] = asset
    counts[p.N_ASKED] += 1
    cells[asset, p.TARGET] = weight
    lists[p.DECIDED, asset] = decided


@jit(inline=True)
def stop_waiting(desk: Any, asset: int) -> None:
    """Take an order off the list of those that wait for a price."""
    lists, counts = desk[4], desk[5]
    lists[p.WAITS, asset] = 0
    last = counts[p.N_WAITING] - 1
    counts[p.N_WAITING] = last
    for k in range(last):
        if lists[p.WAITING, k] == asset:
            lists[p.WAITING, k] = lists[p.WAITING, last]
            break


@jit(inline=True)
def side_of(desk: Any, asset: int, weight: float) -> float:
    """Side on which an order would trade that never finds a price."""
    units = desk[3][asset, p.UNITS]
    return 1.0 if weight > 0.0 or (weight == 0.0 and units < 0.0) else -1.0


@jit(inline=True)
def asked_by_row(desk: Any, records: Any, row: FloatArray, decided: int) -> None:
    """Assets that a row of weights is about: those with a weight, and those held that are to go."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    k: Any = counts[p.N_WAITING] - 1
    while k >= 0:
        asset = lists[p.WAITING, k]
        if row[asset] == row[asset]:
            bars = (lists[p.DECIDED, asset], -1)
            side = side_of(desk, asset, cells[asset, p.TARGET])
            not_filled(desk, records, bars, asset, side, 0.0, p.CANCELLED, p.REPLACED)
            stop_waiting(desk, asset)
        k -= 1
    whole = row.size // simd.BLOCK * simd.BLOCK
    for start in range(0, whole, simd.BLOCK):
        word = simd.nonzero_mask(row, start)
        while word != simd.no_bits():
            place = simd.trailing_zeros(word)
            word &= simd.bits_above(place)
            ask(desk, start + place, row[start + place], decided)
    for asset in range(whole, row.size):
        weight = row[asset]
        if weight != 0.0 and weight == weight:
            ask(desk, asset, weight, decided)
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        if row[asset] == 0.0:
            ask(desk, asset, 0.0, decided)


@jit(inline=True)
def asked_by_waiting(desk: Any, bar: int) -> None:
    """Orders that have waited for the price of this bar."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    k: Any = counts[p.N_WAITING] - 1
    while k >= 0:
        asset = lists[p.WAITING, k]
        if lists[p.DUE, asset] <= bar:
            stop_waiting(desk, asset)
            ask(desk, asset, cells[asset, p.TARGET], lists[p.DECIDED, asset])
        k -= 1


@jit(inline=True)
def without_price(desk: Any, prices: FloatArray, records: Any, asset: int, field: int, bar: int) -> None:
    """An order whose asset has no price now waits for one, or is dropped."""
    rules, cells, lists, counts = desk[1], desk[3], desk[4], desk[5]
    weight = cells[asset, p.TARGET]
    counts[p.N_NO_PRICE] += 1
    if rules[p.MISSING] > 0.0:
        side = side_of(desk, asset, weight)
        not_filled(desk, records, (lists[p.DECIDED, asset], bar), asset, side, 0.0, p.REJECTED, p.NO_PRICE)
        return
    due: Any = bar + 1
    bars = prices.shape[2]
    while due < bars and prices[field, asset, due] != prices[field, asset, due]:
        due += 1
    lists[p.DUE, asset] = due
    lists[p.WAITING, counts[p.N_WAITING]] = asset
    counts[p.N_WAITING] += 1
    lists[p.WAITS, asset] = 1


@jit(inline=True)
def equity_for_sizes(desk: Any, prices: FloatArray, field: int, bar: int, before: int) -> float:
    """Equity that weights are fractions of, by the prices that sizes are made with."""
    state, rules, terms, cells, lists, counts = desk
    equity = state[t.CASH]
    by_close = rules[p.SIZE_AT] == p.AT_DECISION
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        price = (
            deciding_close(desk, prices, asset, before, bar)
            if by_close
            else valued_at(prices, field, asset, bar)
        )
        equity = money.equity(equity, cells[asset, p.UNITS], money.value(price, terms[asset, p.MULTIPLIER]))
    return equity


@jit(inline=True)
def split(
    desk: Any, records: Any, asset: int, size: float, equity: float, reference: float, bar: int
) -> None:
    """Say what of an order trades first, in full, and what then, as far as there is money."""
    rules, terms, cells, lists = desk[1:5]
    weight, units = cells[asset, p.TARGET], cells[asset, p.UNITS]
    least = rules[p.MIN_TRADE]
    if least > 0.0 and weight != 0.0 and size != 0.0:
        side = 1.0 if size > 0.0 else -1.0
        whole = in_lots(desk, asset, abs(size), side)
        # Less than a lot is no order at all, which is seen later.
        traded = whole if whole > 0.0 else abs(size)
        worth = money.value(traded, money.value(reference, terms[asset, p.MULTIPLIER]))
        if worth < least:
            bars = (lists[p.DECIDED, asset], bar)
            not_filled(desk, records, bars, asset, side, abs(size), p.REJECTED, p.BELOW_VALUE)
            return
    if rules[p.BUYING_POWER] > 0.0:
        if size < 0.0:
            first = size
            if weight != 0.0:
                first = -in_lots(desk, asset, abs(clipped(desk, asset, size, equity, reference)), -1.0)
            cells[asset, p.FIRST] = first
        else:
            cells[asset, p.SECOND] = size
    elif opposite(units, size):
        closing = max(-units, size) if units > 0.0 else min(-units, size)
        cells[asset, p.FIRST] = closing
        cells[asset, p.SECOND] = size - closing
    else:
        cells[asset, p.SECOND] = size


@jit(inline=True)
def prepare(
    desk: Any, prices: FloatArray, records: Any, field: int, bar: int, before: int, equity: float
) -> None:
    """Sizes of all orders of the bar, from one equity."""
    rules, cells, lists, counts = desk[1], desk[3], desk[4], desk[5]
    count, kept = counts[p.N_ASKED], 0
    invested, blocked = equity * (1.0 - rules[p.CASH_BUFFER]), entry_block(desk[0])
    for k in range(count):
        asset = lists[p.ASKED, k]
        cells[asset, p.FIRST] = 0.0
        cells[asset, p.SECOND] = 0.0
        reference = prices[field, asset, bar]
        weight = cells[asset, p.TARGET]
        if weight == 0.0 and cells[asset, p.UNITS] == 0.0:
            if cells[asset, p.CLIPPED] != 0.0:
                bars = (lists[p.DECIDED, asset], bar)
                reason = int(cells[asset, p.CLIPPED])
                not_filled(desk, records, bars, asset, 1.0, 0.0, p.REJECTED, reason)
            continue
        if reference != reference:
            without_price(desk, prices, records, asset, field, bar)
            continue
        at_decision = reference
        if rules[p.SIZE_AT] == p.AT_DECISION:
            at_decision = deciding_close(desk, prices, asset, before, bar)
            if at_decision != at_decision:
                without_price(desk, prices, records, asset, field, bar)
                continue
        if weight < 0.0 and rules[p.SHORTS] > 0.0:
            bars = (lists[p.DECIDED, asset], bar)
            not_filled(desk, records, bars, asset, -1.0, 0.0, p.REJECTED, p.NO_SHORTS)
            cells[asset, p.TARGET] = weight = 0.0
        size = wanted(desk, asset, weight, invested, reference, at_decision, rules[p.BAND])
        if size != 0.0 and blocked != p.NO_REASON:
            size = only_closing(desk, records, asset, size, blocked, bar)
        if size != 0.0:
            split(desk, records, asset, size, equity, reference, bar)
            lists[p.ASKED, kept] = asset
            kept += 1
    counts[p.N_ASKED] = kept


@jit(inline=True)
def queue_up(
    desk: Any,
    prices: FloatArray,
    records: Any,
    field: int,
    bar: int,
    before: int,
    equities: tuple[float, float],
) -> None:
    """Line up what spends money; ``equities`` before the first trade, and behind those that free money."""
    rules, cells, lists, counts = desk[1], desk[3], desk[4], desk[5]
    counts[p.N_QUEUE] = 0
    for k in range(counts[p.N_ASKED]):
        asset = lists[p.ASKED, k]
        size = cells[asset, p.SECOND]
        if size == 0.0:
            continue
        reference = prices[field, asset, bar]
        equity = equities[0]
        if rules[p.BUYING_POWER] == 0.0 and cells[asset, p.FIRST] != 0.0:
            # A reversal: what opens is sized by what closing has left.
            equity = equities[1]
            at_decision = reference
            if rules[p.SIZE_AT] == p.AT_DECISION:
                at_decision = deciding_close(desk, prices, asset, before, bar)
            keep = 1.0 - rules[p.CASH_BUFFER]
            target = cells[asset, p.TARGET]
            # The band has had its say about the order as a whole.
            size = wanted(desk, asset, target, equity * keep, reference, at_decision, 0.0)
        size = clipped(desk, asset, size, equity, reference)
        side = 1.0 if size > 0.0 else -1.0
        whole = in_lots(desk, asset, abs(size), side)
        if cells[asset, p.TARGET] == 0.0:
            whole = abs(size)
        if whole > 0.0:
            cells[asset, p.SECOND] = side * whole
            lists[p.QUEUE, counts[p.N_QUEUE]] = asset
            counts[p.N_QUEUE] += 1
        elif cells[asset, p.UNITS] == 0.0 or cells[asset, p.CLIPPED] != p.NO_REASON:
            reason = int(cells[asset, p.CLIPPED]) if size == 0.0 else p.TOO_SMALL
            bars = (lists[p.DECIDED, asset], bar)
            not_filled(desk, records, bars, asset, side, abs(cells[asset, p.SECOND]), p.REJECTED, reason)


@jit(inline=True)
def trade(desk: Any, prices: FloatArray, records: Any, field: int, bar: int, before: int) -> None:
    """Carry out the orders that were asked for: what frees money, then what spends it."""
    state, rules, cells, lists, counts = desk[0], desk[1], desk[3], desk[4], desk[5]
    equity = equity_for_sizes(desk, prices, field, bar, before)
    limit_targets(desk, prices, (field, bar, before), equity)
    prepare(desk, prices, records, field, bar, before, equity)
    budget, left, slack, factor, fills = 0.0, 0.0, 0.0, math.nan, state[t.N_FILLS]
    for phase in range(2):
        count = counts[p.N_ASKED]
        if phase == 1:
            budget, after = budget_of(desk, prices, equity, field, bar)
            left, slack = budget, money.ROUNDING * (abs(equity) + abs(budget))
            queue_up(desk, prices, records, field, bar, before, (equity, after))
            count = counts[p.N_QUEUE]
            rule = rules[p.SHORT_CASH]
            if rule == p.SCALE and count > 1:
                factor = common_factor(desk, prices, budget, slack, field, bar)
            elif rule != p.SCALE and rule != p.IGNORE:
                put_in_sequence(desk, prices, equity, field, bar)
        for k in range(count):
            asset = lists[p.ASKED if phase == 0 else p.QUEUE, k]
            reference = prices[field, asset, bar]
            signed = cells[asset, p.FIRST]
            size, status, reason = abs(signed), p.FILLED, int(cells[asset, p.CLIPPED])
            if phase == 1:
                signed = cells[asset, p.SECOND]
                size, status, reason = served(desk, asset, reference, left, factor, slack)
                if factor != factor and size > 0.0:
                    left -= cost_of(desk, prices, asset, math.copysign(size, signed), field, bar)
                if reason in (p.CASH_LIMIT, p.NO_CASH) and (rule == p.CUT_LAST or rule == p.PRIORITY):
                    # It did not fit, so those behind it get nothing: also where what it got is not one lot.
                    left = 0.0
                if status == p.REJECTED or reason == p.CASH_LIMIT:
                    counts[p.N_SHORT_CASH] += 1
            bars = (lists[p.DECIDED, asset], bar)
            if size > 0.0:
                sizes = (abs(signed), math.copysign(size, signed))
                fill(desk, records, bars, asset, sizes, reference, (p.REBALANCE, status, reason))
            elif signed != 0.0:
                side = 1.0 if signed > 0.0 else -1.0
                not_filled(desk, records, bars, asset, side, abs(signed), status, reason)
    if state[t.N_FILLS] > fills:
        write_event(desk, records, (float(bar), state[t.CASH], equity, budget, factor))
