"""What one asset's account pays and gets at given bars: dividends, splits, money that comes or goes, funding.

``financing = (dues, accruals, terms, charges, sums)``, see `slots` and `portfolio_slots`: dues are sorted by bar and
kind.  The rules are those of a portfolio of one asset (`peak_kernels.portfolio.financing`).

Reads dues and prices; writes the account, records and charges.
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast.rules import write_order, write_row


@jit(inline=True)
def write_charge(
    book: tuple[FloatArray, FloatArray], bar: int, asset: int, kind: int, units: float, amount: float
) -> int:
    """Record a payment, add it to the sum of its kind, and give its row; ``book = (charges, sums)``."""
    charges, sums = book
    row = int(sums[p.N_CHARGES])
    sums[p.N_CHARGES] = row + 1.0
    sums[kind] += amount
    if row < charges.shape[0]:
        shown = charges[row]
        shown[0], shown[1], shown[2], shown[3], shown[4] = bar, asset, kind, units, amount
    return row


@jit(inline=True)
def charge_interest(
    state: FloatArray, financing: Any, bar: int, asset: int, kind: int, units: float, amount: float
) -> None:
    """Record interest up to a bar: one charge of each kind from one fill or due to the next."""
    charges, sums = financing[3], financing[4]
    if charges.shape[0] == 0:
        # Nobody reads the rows, nor how many there would be.
        sums[kind] += amount
        return
    if amount == 0.0:
        return
    now = state[t.N_FILLS] + sums[p.NEXT] + 1.0
    if sums[p.STRETCH] != now:
        sums[p.STRETCH] = now
        for place in range(p.STRETCH + 1, p.N_ASSET_SUMS):
            sums[place] = 0.0
    row = int(sums[p.STRETCH + 1 + kind]) - 1
    if row < 0:
        sums[p.STRETCH + 1 + kind] = write_charge(financing[3:], bar, asset, kind, units, amount) + 1.0
        return
    sums[kind] += amount
    if row < charges.shape[0]:
        charges[row, 0] = bar
        charges[row, 4] += amount


@jit(inline=True)
def show_change(
    state: FloatArray, records: FloatArray, bar: int, change: float, price: float, kind: int
) -> None:
    """Record what a split or a reinvestment made of the units, as an order and its fill without costs."""
    side = 1.0 if change > 0.0 else -1.0
    size = abs(change)
    row = int(state[t.N_FILLS])
    state[t.N_FILLS] += 1.0
    if row < records.shape[1]:
        first = (state[t.N_ORDERS], float(bar), side, size, price, 0.0)
        write_row(records, t.FILLS, row, first, (0.0, float(kind), 0.0, 0.0, 0.0, 0.0))
    write_order(state, records, (bar, bar), kind, side, (size, size), (t.FILLED, t.NO_REASON))


@jit(inline=True)
def pay_dividend(
    state: FloatArray, records: FloatArray, financing: Any, bar: int, amount: float, close: float, buys: bool
) -> None:
    """A dividend of ``amount`` a unit: cash, or units at the close before less the dividend.

    What buys units moves the prices that stops are measured from, as it moves adjusted prices.
    """
    units = state[t.UNITS]
    if units == 0.0:
        return
    income = money.worth(units, amount, 1.0, 1.0)
    state[t.TRADE_FINANCING] += income
    write_charge(financing[3:], bar, 0, p.DIVIDEND, units, income)
    if not buys:
        state[t.CASH] += income
        return
    change = money.reinvested(units, amount, close)
    price = money.without_dividend(close, amount)
    size = abs(change)
    state[t.ENTRY_VALUE] += money.value(size, price)
    state[t.ENTRY_UNITS] += size
    state[t.UNITS] = units + change
    state[t.AVERAGE_COST] = money.prorated(state[t.AVERAGE_COST], price, close)
    state[t.BEST_PRICE] = money.prorated(state[t.BEST_PRICE], price, close)
    show_change(state, records, bar, change, price, t.REINVESTED)


@jit(inline=True)
def split_units(state: FloatArray, records: FloatArray, financing: Any, bar: int, ratio: float) -> None:
    """A split: more units, or fewer, of the same value; the open trade and its stops are told in new units."""
    units = state[t.UNITS]
    if units == 0.0:
        return
    change = money.split_by(units, ratio)
    state[t.UNITS] = units + change
    state[t.ENTRY_UNITS] *= ratio
    state[t.EXIT_UNITS] *= ratio
    state[t.AVERAGE_COST] = money.units(state[t.AVERAGE_COST], ratio)
    state[t.BEST_PRICE] = money.units(state[t.BEST_PRICE], ratio)
    write_charge(financing[3:], bar, 0, p.SPLIT, units, 0.0)
    show_change(state, records, bar, change, 0.0, t.OF_SPLIT)


@jit(inline=True)
def take_flow(state: FloatArray, financing: Any, bar: int, amount: float) -> None:
    """Money comes or goes; what returns and losses are measured from moves with it, so that it is none."""
    before = state[t.PREVIOUS_EQUITY]
    state[t.CASH] += amount
    financing[4][p.FLOWED] = 1.0
    state[t.PREVIOUS_EQUITY] = before + amount
    write_charge(financing[3:], bar, -1, p.CASH_FLOW, math.nan, amount)
    if before > 0.0 and before + amount > 0.0:
        ratio = money.grown(before, amount)
        state[t.PEAK_EQUITY] *= ratio
        state[t.INITIAL_CASH] *= ratio
        state[t.DAY_EQUITY] *= ratio


@jit(inline=True)
def settle_dues(state: FloatArray, prices: FloatArray, records: FloatArray, financing: Any, bar: int) -> None:
    """Dividends, splits and cash flows at the beginning of a bar."""
    dues, sums = financing[0], financing[4]
    row: Any = int(sums[p.NEXT])
    if row >= dues.shape[0] or dues[row, p.D_BAR] != bar:
        return
    close = prices[t.MARK, max(bar - 1, 0)]
    while row < dues.shape[0] and dues[row, p.D_BAR] == bar and dues[row, p.D_KIND] != p.FUNDING:
        kind, amount = int(dues[row, p.D_KIND]), dues[row, p.D_AMOUNT]
        if kind == p.CASH_FLOW:
            take_flow(state, financing, bar, amount)
        elif kind == p.SPLIT:
            split_units(state, records, financing, bar, amount)
            close = money.units(close, amount)
        else:
            pay_dividend(state, records, financing, bar, amount, close, kind == p.REINVEST)
            close = money.without_dividend(close, amount)
        row += 1
        sums[p.NEXT] = row


@jit(inline=True)
def pay_funding(state: FloatArray, prices: FloatArray, financing: Any, bar: int) -> None:
    """Funding at the close of a bar, before what fills there: holders pay, shorts get."""
    dues, sums = financing[0], financing[4]
    row: Any = int(sums[p.NEXT])
    while row < dues.shape[0] and dues[row, p.D_BAR] == bar:
        units = state[t.UNITS]
        if units != 0.0:
            worth = money.worth(units, prices[t.MARK, bar], 1.0, 1.0)
            paid = money.financing(1.0, worth, dues[row, p.D_AMOUNT])
            state[t.CASH] -= paid
            state[t.TRADE_FINANCING] -= paid
            write_charge(financing[3:], bar, 0, p.FUNDING, units, -paid)
        row += 1
        sums[p.NEXT] = row


@jit(inline=True)
def next_stop(financing: Any, at: int, mark_to: int) -> int:
    """Bar before which the account must be looked at on the way from ``at``: of the next due; -1: none on the way.

    Dividends, splits and flows come before all else in their bar, funding behind it.
    """
    dues, row = financing[0], int(financing[4][p.NEXT])
    if row >= dues.shape[0]:
        return -1
    due: Any = int(dues[row, p.D_BAR])
    if dues[row, p.D_KIND] != p.FUNDING:
        return due if due <= mark_to else -1
    if due >= mark_to:
        return -1
    return due if at < due else due + 1
