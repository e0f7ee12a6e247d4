"""What a fill does to the account, to the asset's running trade and to the records; the arithmetic is in `money`.

``desk = (state, rules, terms, cells, lists, counts)``, see `slots`; ``records = (orders, trades, events)``.  Prices are
those of one unit times the asset's multiplier, except where records show them.

Reads prices, rules and terms; writes the state, the cells of the asset, and the records.
"""

from __future__ import annotations

from typing import Any

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.compiling import jit
from peak_kernels.fast import count_trade


@jit(inline=True)
def slipped(terms: Any, asset: int, reference: float, side: float) -> float:
    """Price after slippage, of one unit times the multiplier: see `money.slipped`."""
    price = money.slipped(
        reference, side, terms[asset, p.SLIPPAGE_RATE], terms[asset, p.SLIPPAGE_ABSOLUTE], False
    )
    return money.value(price, terms[asset, p.MULTIPLIER])


@jit(inline=True)
def fee_off_position(desk: Any, asset: int, side: float) -> bool:
    """Whether the fee of a fill comes off what is bought."""
    return desk[1][p.FEE_FROM] == p.FROM_POSITION and side > 0.0 and desk[3][asset, p.TARGET] != 0.0


@jit(inline=True)
def fee_of(desk: Any, asset: int, size: float, price: float, side: float) -> float:
    """Fee of a fill: of its value, or of the value that it was to change where the fee comes off the position."""
    terms = desk[2]
    traded = money.value(size, price)
    rate = terms[asset, p.RATE]
    if fee_off_position(desk, asset, side):
        return money.rated(money.without_fee(traded, -rate), rate, 0.0)
    return money.fee(
        traded, size, rate, terms[asset, p.FIXED], terms[asset, p.PER_UNIT], terms[asset, p.MINIMUM]
    )


@jit(inline=True)
def write_order(
    desk: Any, records: Any, bars: Any, asset: int, first: tuple[float, ...], rest: tuple[float, ...]
) -> None:
    """Record an order: side, requested, filled, price, fee and slippage; then kind, status and reason."""
    state, counts, orders = desk[0], desk[5], records[0]
    status = rest[1]
    state[t.N_ORDERS] += 1.0
    if status == p.REJECTED:
        state[t.N_REJECTED] += 1.0
    elif status <= p.CUT:
        state[t.N_FILLED] += 1.0
        state[t.N_CUT] += status
    else:
        state[t.N_CANCELLED] += 1.0
    row = counts[p.N_RECORDS]
    counts[p.N_RECORDS] = row + 1
    if row < orders.shape[0]:
        cells = orders[row]
        cells[0], cells[1], cells[2] = bars[0], bars[1], asset
        cells[3], cells[4], cells[5], cells[6], cells[7], cells[8] = first
        cells[9], cells[10], cells[11] = rest


@jit(inline=True)
def write_event(desk: Any, records: Any, numbers: tuple[float, ...]) -> None:
    """Record a bar with trades; ``numbers`` are the columns of `slots.EVENT_COLUMNS`."""
    counts, events = desk[5], records[2]
    row = counts[p.N_EVENTS]
    counts[p.N_EVENTS] = row + 1
    if row < events.shape[0]:
        shown = events[row]
        shown[0], shown[1], shown[2], shown[3], shown[4] = numbers


@jit(inline=True)
def not_filled(
    desk: Any, records: Any, bars: Any, asset: int, side: float, requested: float, status: int, reason: int
) -> None:
    """Record an order that found no money, no price or no reason to be."""
    outcome = (float(p.REBALANCE), float(status), float(reason))
    write_order(desk, records, bars, asset, (side, requested, 0.0, 0.0, 0.0, 0.0), outcome)


@jit(inline=True)
def close_trade(desk: Any, records: Any, bar: int, asset: int, side: float, kind: int) -> None:
    """Book a finished round trip (``side`` of the position) and clear the asset's running sums."""
    state, cells, counts, trades = desk[0], desk[3], desk[5], records[1]
    gross = side * (cells[asset, p.EXIT_VALUE] - cells[asset, p.ENTRY_VALUE])
    net = gross - cells[asset, p.TRADE_FEES] + cells[asset, p.TRADE_FINANCING]
    worth = cells[asset, p.ENTRY_VALUE]
    share = net / worth if worth > 0.0 else 0.0
    count_trade(state, net, share)
    row = counts[p.N_TRADES]
    counts[p.N_TRADES] = row + 1
    if row < trades.shape[0]:
        shown = trades[row]
        scale = desk[2][asset, p.MULTIPLIER]
        shown[0], shown[1], shown[2], shown[3] = asset, side, cells[asset, p.ENTRY_BAR], bar
        shown[4] = money.units(worth / cells[asset, p.ENTRY_UNITS], scale)
        shown[5] = money.units(cells[asset, p.EXIT_VALUE] / cells[asset, p.EXIT_UNITS], scale)
        shown[6], shown[7] = cells[asset, p.ENTRY_UNITS], cells[asset, p.TRADE_FEES]
        shown[8], shown[9], shown[10], shown[11] = cells[asset, p.TRADE_SLIPPAGE], gross, net, kind
        shown[12] = cells[asset, p.TRADE_FINANCING]
    for cell in range(p.ENTRY_VALUE, p.TRADE_FINANCING + 1):
        cells[asset, cell] = 0.0


@jit(inline=True)
def keep(desk: Any, asset: int) -> None:
    """Put an asset on the list of those that are held, or take it off."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    place, held = lists[p.PLACE, asset], counts[p.N_HELD]
    if cells[asset, p.UNITS] != 0.0:
        if place < 0:
            lists[p.HELD, held] = asset
            lists[p.PLACE, asset] = held
            counts[p.N_HELD] = held + 1
    elif place >= 0:
        last = lists[p.HELD, held - 1]
        lists[p.HELD, place] = last
        lists[p.PLACE, last] = place
        lists[p.PLACE, asset] = -1
        counts[p.N_HELD] = held - 1


@jit(inline=True)
def change_position(
    desk: Any,
    records: Any,
    bar: int,
    asset: int,
    side: float,
    size: float,
    costs: tuple[float, ...],
    kind: int,
) -> None:
    """Put a fill's size into the asset's position and trade; ``costs = (price, fee, slippage)``.

    A fill through zero ends one trade and begins the next, which bear its costs by their sizes.
    """
    cells = desk[3]
    price, fee, slippage = costs
    before = cells[asset, p.UNITS]
    closing = min(size, abs(before)) if before * side < 0.0 else 0.0
    if closing > 0.0:
        cells[asset, p.EXIT_VALUE] += money.value(closing, price)
        cells[asset, p.EXIT_UNITS] += closing
        cells[asset, p.TRADE_FEES] += fee if closing == size else money.prorated(fee, closing, size)
        cells[asset, p.TRADE_SLIPPAGE] += (
            slippage if closing == size else money.prorated(slippage, closing, size)
        )
        if closing == abs(before):
            close_trade(desk, records, bar, asset, -side, kind)
    opening = size - closing
    if opening > 0.0:
        if closing > 0.0 or before == 0.0:
            cells[asset, p.ENTRY_BAR] = bar
        cells[asset, p.ENTRY_VALUE] += money.value(opening, price)
        cells[asset, p.ENTRY_UNITS] += opening
        cells[asset, p.TRADE_FEES] += fee if closing == 0.0 else money.prorated(fee, opening, size)
        cells[asset, p.TRADE_SLIPPAGE] += (
            slippage if closing == 0.0 else money.prorated(slippage, opening, size)
        )
    after = before + side * size
    cells[asset, p.UNITS] = 0.0 if closing == abs(before) and opening == 0.0 else after


@jit(inline=True)
def fill(
    desk: Any,
    records: Any,
    bars: Any,
    asset: int,
    sizes: tuple[float, float],
    reference: float,
    outcome: tuple[int, int, int],
) -> None:
    """Trade ``sizes = (requested, filled)``, signed alike, at a reference price and record the order.

    ``outcome = (kind, status, reason)``.
    """
    state, terms, cells = desk[0], desk[2], desk[3]
    side = 1.0 if sizes[1] > 0.0 else -1.0
    size = abs(sizes[1])
    price = slipped(terms, asset, reference, side)
    traded = money.value(size, price)
    fee = fee_of(desk, asset, size, price, side)
    slippage = money.slippage(money.value(reference, terms[asset, p.MULTIPLIER]), price, size)
    state[t.CASH] -= side * traded + fee
    cells[asset, p.FLOW] -= side * traded + fee
    cells[asset, p.PAID_FEES] += fee
    cells[asset, p.LOST_SLIPPAGE] += slippage
    cells[asset, p.TRADED] += traded
    state[t.TOTAL_FEES] += fee
    state[t.TOTAL_SLIPPAGE] += slippage
    state[t.N_FILLS] += 1.0
    change_position(desk, records, bars[1], asset, side, size, (price, fee, slippage), outcome[0])
    keep(desk, asset)
    shown = money.units(price, terms[asset, p.MULTIPLIER])
    write_order(
        desk, records, bars, asset, (side, abs(sizes[0]), size, shown, fee, slippage),
        (float(outcome[0]), float(outcome[1]), float(outcome[2])),
    )  # fmt: skip


@jit(inline=True)
def settle(desk: Any, records: Any, bar: int, asset: int, price: float) -> None:
    """Take a delisted holding out of the account at a price, without costs."""
    state, terms, cells = desk[0], desk[2], desk[3]
    held = cells[asset, p.UNITS]
    side = -1.0 if held > 0.0 else 1.0
    size = abs(held)
    paid = money.value(price, terms[asset, p.MULTIPLIER])
    traded = money.value(size, paid)
    state[t.CASH] -= side * traded
    cells[asset, p.FLOW] -= side * traded
    state[t.N_FILLS] += 1.0
    change_position(desk, records, bar, asset, side, size, (paid, 0.0, 0.0), p.DELISTED)
    keep(desk, asset)
    write_order(
        desk, records, (bar, bar), asset, (side, size, size, price, 0.0, 0.0),
        (float(p.DELISTED), float(p.FILLED), float(p.IS_GONE)),
    )  # fmt: skip
