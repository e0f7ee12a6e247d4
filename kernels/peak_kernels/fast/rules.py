"""The fast path's rules: what orders want and get, fills, stops; the arithmetic of each is in `money`.

Reads the settings, prices and calendar; writes the account, counters and records (slots: `slots`).

`docs/semantics.md` explains the same rules in words and formulas, and `tests/oracle.py` states them a second
time in plain Python.  Loops live in `simulation.py`; nothing here loops over more bars than a stop must look at.

Every function has one call site or is tiny, and is inlined: *decide, then apply once*.  An event first says
what it wants (a closing size, a target to open), then one `fill` and one `write_order` carry it out.

Signs: ``units`` is positive for a long and negative for a short position, ``side`` is 1.0 or -1.0,
sizes in orders and fills are positive.
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels import money
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit


@jit(inline=True)
def slipped(state: FloatArray, price: float, side: float) -> float:
    """Price after the slippage of the settings: see `money.slipped`."""
    return money.slipped(
        price, side, state[t.SLIPPAGE_RATE], state[t.SLIPPAGE_ABSOLUTE], state[t.SIGNED_PRICES] > 0.0
    )


@jit(inline=True)
def affordable(state: FloatArray, budget: float, price: float) -> float:
    """Largest size that a budget pays for: see `money.payable`."""
    fixed, per_unit = state[t.FEE_FIXED], state[t.FEE_PER_UNIT]
    return money.payable(budget, price, state[t.RATE], fixed, per_unit, state[t.FEE_MINIMUM])


@jit(inline=True)
def stop_distance(state: FloatArray, distance: float, price: float) -> float:
    """Distance in price units of a stop setting at an entry price."""
    return money.distance(distance, price, state[t.STOP_ABSOLUTE] > 0.0)


@jit(inline=True)
def wanted_size(state: FloatArray, target: float, equity: float, price: float) -> float:
    """Size that the sizing rule asks for, before limits; ``target`` matters for weights only.

    Fraction and weight: ``fraction * equity / price``.  Risk: ``risk * equity / stop distance``, at most
    ``max_position * equity / price``; the stop distance is the stop-loss, else the trailing distance.
    Volatility and Kelly: the fraction that `estimates.estimate` has found.
    """
    if state[t.WEIGHT_TARGETS] > 0.0:
        return money.share(abs(target), equity, price)
    mode = state[t.SIZE_MODE]
    value = state[t.SIZE_VALUE]
    if mode == t.SIZE_FRACTION:
        return money.share(value, equity, price)
    if mode == t.SIZE_UNITS:
        return value
    if mode == t.SIZE_NOTIONAL:
        return money.units(value, price)
    if mode > t.SIZE_RISK:
        return money.share(state[t.SIZED_FRACTION], equity, price)
    stop = state[t.STOP_LOSS] if state[t.STOP_LOSS] > 0.0 else state[t.TRAILING]
    by_risk = money.share(value, equity, stop_distance(state, stop, price))
    return min(by_risk, money.share(state[t.SIZE_MAX_POSITION], equity, price))


@jit(inline=True)
def write_row(
    records: FloatArray, table: int, row: int, first: tuple[float, ...], rest: tuple[float, ...]
) -> None:
    """Store one record; the columns are named in `slots`."""
    cells = records[table, row]
    cells[0], cells[1], cells[2], cells[3], cells[4], cells[5] = first
    cells[6], cells[7], cells[8], cells[9], cells[10], cells[11] = rest


@jit(inline=True)
def write_order(
    state: FloatArray, records: FloatArray, bars: tuple[int, int], kind: int, side: float,
    sizes: tuple[float, float], outcome: tuple[int, int],
) -> None:  # fmt: skip
    """Record an order: ``bars`` decided and filled, ``sizes`` requested and filled, status and reason."""
    status, reason = outcome
    row = int(state[t.N_ORDERS])
    state[t.N_ORDERS] += 1.0
    if status == t.REJECTED:
        state[t.N_REJECTED] += 1.0
    elif status <= t.CUT:
        state[t.N_FILLED] += 1.0
        state[t.N_CUT] += float(status)
    else:
        state[t.N_CANCELLED] += 1.0
    if row < records.shape[1]:
        decided, filled = bars
        write_row(
            records,
            t.ORDERS,
            row,
            (float(decided), float(filled), float(kind), side, sizes[0], sizes[1]),
            (float(status), float(reason), 0.0, 0.0, 0.0, 0.0),
        )


@jit(inline=True)
def count_trade(state: FloatArray, net: float, share: float) -> None:
    """Add a closed trade's net PnL, and its share of the entry value, to the sums over trades."""
    state[t.N_TRADES] += 1.0
    if net > 0.0:
        state[t.N_WINS] += 1.0
        state[t.GROSS_WIN] += net
        state[t.SUM_WIN_RETURN] += share
    else:
        state[t.GROSS_LOSS] -= net
        state[t.SUM_LOSS_RETURN] -= share
    state[t.SUM_PNL] += net
    state[t.SUM_PNL_SQUARED] += net * net
    state[t.SUM_TRADE_RETURN] += share


@jit(inline=True)
def close_trade(
    state: FloatArray, records: FloatArray, bar: int, side: float, reason: int, financing: Any
) -> None:
    """Book a finished round trip (``side`` of the position) and clear the trade's running sums."""
    gross = side * (state[t.EXIT_VALUE] - state[t.ENTRY_VALUE])
    net = gross - state[t.TRADE_FEES]
    got = 0.0
    if financing is not None:
        got = state[t.TRADE_FINANCING]
        net += got
        state[t.TRADE_FINANCING] = 0.0
    share = net / state[t.ENTRY_VALUE] if state[t.ENTRY_VALUE] > 0.0 else math.nan
    row = int(state[t.N_TRADES])
    count_trade(state, net, share)
    if row < records.shape[1]:
        entry = state[t.ENTRY_VALUE] / state[t.ENTRY_UNITS]
        leave = state[t.EXIT_VALUE] / state[t.EXIT_UNITS]
        fees, slippage = state[t.TRADE_FEES], state[t.TRADE_SLIPPAGE]
        first, size = state[t.ENTRY_BAR], state[t.ENTRY_UNITS]
        write_row(
            records,
            t.TRADES,
            row,
            (side, first, float(bar), entry, leave, size),
            (fees, slippage, gross, net, float(reason), got),
        )
    for slot in range(t.ENTRY_VALUE, t.TRADE_SLIPPAGE + 1):
        state[slot] = 0.0


@jit(inline=True)
def fill(
    state: FloatArray,
    records: FloatArray,
    bar: int,
    side: float,
    size: float,
    prices: tuple[float, float],
    kind: int,
    financing: Any,
) -> None:
    """Trade ``size`` on ``side`` at ``prices = (reference, fill price)``; never crosses zero in one call.

    Pays the fee out of cash, keeps the running sums of the trade, and records the fill under the order that
    is written next (its number is the current order count).
    """
    reference, price = prices
    rate = state[t.MAKER_RATE] if kind == t.TARGET_REACHED else state[t.RATE]
    traded = money.value(size, price)
    fixed, per_unit = state[t.FEE_FIXED], state[t.FEE_PER_UNIT]
    fee = money.fee(abs(traded), size, rate, fixed, per_unit, state[t.FEE_MINIMUM])
    slippage = money.slippage(reference, price, size)
    before = state[t.UNITS]
    after = before + side * size
    closing = before * side < 0.0
    if closing and size >= abs(before):
        after = 0.0
    state[t.CASH] -= side * traded + fee
    state[t.UNITS] = after
    state[t.TOTAL_FEES] += fee
    state[t.TOTAL_SLIPPAGE] += slippage
    state[t.TRADE_FEES] += fee
    state[t.TRADE_SLIPPAGE] += slippage
    row = int(state[t.N_FILLS])
    state[t.N_FILLS] += 1.0
    if row < records.shape[1]:
        order = state[t.N_ORDERS]
        write_row(
            records,
            t.FILLS,
            row,
            (order, float(bar), side, size, price, fee),
            (slippage, float(kind), 0.0, 0.0, 0.0, 0.0),
        )
    if closing:
        state[t.EXIT_VALUE] += traded
        state[t.EXIT_UNITS] += size
        if after == 0.0:
            close_trade(state, records, bar, -side, kind, financing)
    else:
        if before == 0.0:
            state[t.ENTRY_BAR] = bar
            state[t.BEST_PRICE] = price
            state[t.AVERAGE_COST] = price
        else:
            state[t.AVERAGE_COST] = money.average_cost(state[t.AVERAGE_COST], abs(before), price, size)
        state[t.ENTRY_VALUE] += traded
        state[t.ENTRY_UNITS] += size


@jit(inline=True)
def entry_block(state: FloatArray, calendar: IntArray, bar: int) -> int:
    """Reason why no position may be opened at this bar, or NO_REASON."""
    if state[t.HALTED] > 0.0:
        return t.DRAWDOWN_HALT
    if state[t.HALTED_DAY] > 0.0 and calendar[t.DAY, bar] + 1 == state[t.HALTED_DAY]:
        return t.DAILY_HALT
    return t.NO_REASON


@jit(inline=True)
def limited_size(
    state: FloatArray, wanted: float, equity: float, reference: float, price: float
) -> tuple[float, float, int]:
    """Size after limits: ``(requested, allowed, reason)``; allowed 0 means rejected for the reason.

    What can be paid: value plus fee within ``leverage * equity - value of the position held``; the same for
    shorts, whose collateral is their value.  A fraction of equity means "as far as it can be paid", so there
    the fee lowers the request and is not a cut.
    """
    held = abs(state[t.UNITS])
    payable = affordable(state, state[t.LEVERAGE] * equity - money.value(held, abs(reference)), price)
    weights = state[t.WEIGHT_TARGETS] > 0.0
    by_fraction = weights or state[t.SIZE_MODE] == t.SIZE_FRACTION or state[t.SIZE_MODE] > t.SIZE_RISK
    requested = min(wanted, payable) if by_fraction and payable > 0.0 else wanted
    allowed, reason = requested, t.NO_REASON
    if allowed > payable:
        allowed, reason = payable, t.CASH_LIMIT if payable > 0.0 else t.NO_CASH
    if state[t.MAX_POSITION] > 0.0:
        most = max(money.share(state[t.MAX_POSITION], equity, max(abs(price), money.SMALLEST)) - held, 0.0)
        if allowed > most:
            allowed, reason = most, t.POSITION_LIMIT
    allowed = money.whole_lots(allowed, state[t.LOT_SIZE], held)
    if allowed <= 0.0 or allowed < state[t.MIN_SIZE]:
        return requested, 0.0, reason if reason >= t.NO_CASH or allowed <= 0.0 < reason else t.TOO_SMALL
    if (
        state[t.SIZE_MODE] == t.SIZE_RISK
        and not weights
        and money.value(allowed, price) < state[t.SIZE_MIN_VALUE]
    ):
        return requested, 0.0, t.BELOW_VALUE
    return requested, allowed, reason


@jit(inline=True)
def opening_size(
    state: FloatArray, blocked: int, reference: float, price: float, target: float
) -> tuple[float, float, int]:
    """Size to open, or to add, on the side of ``target``: ``(requested, allowed, reason)``.

    ``blocked`` is the reason why nothing may be opened now, or NO_REASON.
    """
    if price <= 0.0 and state[t.SIGNED_PRICES] == 0.0:
        return 0.0, 0.0, t.NO_CASH
    equity = money.equity(state[t.CASH], state[t.UNITS], reference)
    held = abs(state[t.UNITS])
    wanted = max(wanted_size(state, target, equity, price) - held, 0.0)
    if held > 0.0 and wanted == 0.0:
        # A weight that is held already, to the last lot.
        return 0.0, 0.0, t.TOO_SMALL
    if blocked != t.NO_REASON:
        return wanted, 0.0, blocked
    if equity <= 0.0:
        return wanted, 0.0, t.NO_CASH
    return limited_size(state, wanted, equity, reference, price)


@jit(inline=True)
def opposite(one: float, other: float) -> bool:
    """Whether both are on different sides of zero; their product may underflow to zero."""
    return (one > 0.0 and other < 0.0) or (one < 0.0 and other > 0.0)


@jit(inline=True)
def closing_size(state: FloatArray, reference: float, target: float) -> float:
    """How much of the position an order for ``target`` closes: all of it, the surplus of a weight, or nothing."""
    units = state[t.UNITS]
    held = abs(units)
    if target == 0.0 or opposite(units, target):
        return held
    if units == 0.0 or state[t.WEIGHT_TARGETS] == 0.0:
        return 0.0
    price = slipped(state, reference, -1.0 if units > 0.0 else 1.0)
    equity = money.equity(state[t.CASH], units, reference)
    return money.surplus(held, abs(target), equity, price, state[t.LOT_SIZE])


@jit(inline=True)
def status_of(closed: float, wanted_open: bool, opened: float, reason: int) -> int:
    """Status of an order after its closing and its opening part."""
    if not wanted_open or (opened > 0.0 and reason == t.NO_REASON):
        return t.FILLED
    return t.CUT if closed + opened > 0.0 else t.REJECTED
