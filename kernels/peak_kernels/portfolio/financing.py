"""What an account pays and gets beside its trades: interest, borrowing, dividends, splits, deposits, funding.

``desk`` and ``records`` are those of `account`.  ``financing = (dues, accruals, borrow, which, charges, sums)``, see
`slots`: dues are sorted by bar and kind, rates are a day's.

Reads dues, rates and prices; writes the cash, the cells of the assets, the curve of the cash, and records.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast import write_charge
from peak_kernels.portfolio.account import change_position, write_order
from peak_kernels.portfolio.sizes import known_close


@jit(inline=True)
def begin(desk: Any, financing: Any, curve: FloatArray) -> None:
    """Nothing paid yet."""
    financing[5][:] = 0.0
    if desk[1][p.FINANCED] > 0.0:
        curve[p.RATIO] = 1.0


@jit(inline=True)
def bear(desk: Any, asset: int, amount: float) -> None:
    """Let an asset and its open trade bear what it got."""
    cells = desk[3]
    cells[asset, p.FLOW] += amount
    cells[asset, p.FINANCED_SUM] += amount
    cells[asset, p.TRADE_FINANCING] += amount


@jit(inline=True)
def borrowed(
    desk: Any, financing: Any, prices: FloatArray, curve: FloatArray, asset: int, start: int, stop: int
) -> None:
    """Add what a short costs at the bars behind ``start``, the one at ``stop`` included where there is one."""
    terms, cells = desk[2], desk[3]
    accruals, rates = financing[1], financing[2][financing[3][asset]]
    owed = curve[p.OWED]
    last = min(stop, owed.size - 1)
    units = money.value(cells[asset, p.UNITS], terms[asset, p.MULTIPLIER])
    known, total = known_close(prices, asset, start), 0.0
    for bar in range(start + 1, last + 1):
        cost = money.financing(accruals[p.DAYS, bar], money.value(-units, known), rates[bar])
        owed[bar] += cost
        total += cost
        close = prices[p.CLOSE, asset, bar]
        known = close if close == close else known
    if total != 0.0:
        bear(desk, asset, -total)
        write_charge(financing[4:], last, asset, p.BORROWING, cells[asset, p.UNITS], -total)


@jit(inline=True)
def walk_cash(
    desk: Any, financing: Any, prices: FloatArray, curve: FloatArray, start: int, stop: int
) -> None:
    """Cash at bars ``start .. stop-1``, with interest from bar to bar; the account gets that of ``stop``, too."""
    state, cells, lists, counts = desk[0], desk[3], desk[4], desk[5]
    accruals, which = financing[1], financing[3]
    equity, row, owed = curve[p.EQUITY], curve[p.CASH_AT], curve[p.OWED]
    last = min(stop, equity.size - 1)
    owed[start : last + 1] = 0.0
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        if cells[asset, p.UNITS] < 0.0 and which[asset] >= 0:
            borrowed(desk, financing, prices, curve, asset, start, stop)
    cash, got, paid = state[t.CASH], 0.0, 0.0
    if start < last and (accruals[p.CASH_RATE, start + 1] != 0.0 or accruals[p.DEBIT_RATE, start + 1] != 0.0):
        cash = money.more_than_rounding(cash, abs(state[t.PREVIOUS_EQUITY]))
    equity[start] = cash
    row[start] = cash
    for bar in range(start + 1, last + 1):
        rate = accruals[p.CASH_RATE if cash >= 0.0 else p.DEBIT_RATE, bar]
        interest = money.financing(accruals[p.DAYS, bar], cash, rate)
        got += interest if cash >= 0.0 else 0.0
        paid += 0.0 if cash >= 0.0 else interest
        cash += interest - owed[bar]
        equity[bar] = cash
        row[bar] = cash
    state[t.CASH] = cash
    if got != 0.0:
        write_charge(financing[4:], last, -1, p.CASH_INTEREST, math.nan, got)
    if paid != 0.0:
        write_charge(financing[4:], last, -1, p.DEBIT_INTEREST, math.nan, paid)


@jit(inline=True)
def next_owed(financing: Any, bars: int) -> int:
    """Bar of the next due; behind all bars where there is none."""
    dues, row = financing[0], int(financing[5][p.NEXT])
    soonest: Any = bars
    if row < dues.shape[0]:
        soonest = min(soonest, int(dues[row, p.D_BAR]))
    return soonest


@jit(inline=True)
def show_change(desk: Any, records: Any, bar: int, asset: int, outcome: Any) -> None:
    """Record what a split or a reinvestment made of the units; ``outcome = (change, price, kind, reason)``."""
    change, price, kind, reason = outcome
    side = 1.0 if change > 0.0 else -1.0
    size = abs(change)
    desk[0][t.N_FILLS] += 1.0
    write_order(
        desk, records, (bar, bar), asset, (side, size, size, price, 0.0, 0.0),
        (float(kind), float(p.FILLED), float(reason)),
    )  # fmt: skip


@jit(inline=True)
def pay_dividend(
    desk: Any, financing: Any, records: Any, bar: int, asset: int, amount: float, close: float, buys: bool
) -> None:
    """A dividend of ``amount`` a unit: cash, or units at the close before less the dividend."""
    state, terms, cells = desk[0], desk[2], desk[3]
    units = cells[asset, p.UNITS]
    if units == 0.0:
        return
    income = money.worth(units, amount, terms[asset, p.MULTIPLIER], 1.0)
    cells[asset, p.FINANCED_SUM] += income
    cells[asset, p.TRADE_FINANCING] += income
    write_charge(financing[4:], bar, asset, p.DIVIDEND, units, income)
    if not buys:
        state[t.CASH] += income
        cells[asset, p.FLOW] += income
        return
    change = money.reinvested(units, amount, close)
    side = 1.0 if change > 0.0 else -1.0
    price = money.without_dividend(close, amount)
    paid = money.value(price, terms[asset, p.MULTIPLIER])
    change_position(desk, records, bar, asset, side, abs(change), (paid, 0.0, 0.0), p.REINVESTED)
    show_change(desk, records, bar, asset, (change, price, p.REINVESTED, p.OF_DIVIDEND))


@jit(inline=True)
def split_units(desk: Any, financing: Any, records: Any, bar: int, asset: int, ratio: float) -> None:
    """A split: more units, or fewer, of the same value; the open trade is told in new units."""
    cells = desk[3]
    units = cells[asset, p.UNITS]
    if units == 0.0:
        return
    change = money.split_by(units, ratio)
    cells[asset, p.UNITS] = units + change
    cells[asset, p.ENTRY_UNITS] *= ratio
    cells[asset, p.EXIT_UNITS] *= ratio
    write_charge(financing[4:], bar, asset, p.SPLIT, units, 0.0)
    show_change(desk, records, bar, asset, (change, 0.0, p.OF_SPLIT, p.SPLIT_REASON))


@jit(inline=True)
def take_flow(desk: Any, financing: Any, curve: FloatArray, bar: int, amount: float) -> None:
    """Money comes or goes; what returns are measured from moves with it, so that it is none."""
    state = desk[0]
    before = state[t.PREVIOUS_EQUITY]
    state[t.CASH] += amount
    financing[5][p.FLOWED] = 1.0
    state[t.PREVIOUS_EQUITY] = before + amount
    write_charge(financing[4:], bar, -1, p.CASH_FLOW, math.nan, amount)
    if before > 0.0 and before + amount > 0.0:
        ratio = money.grown(before, amount)
        state[t.PEAK_EQUITY] *= ratio
        state[t.DAY_EQUITY] *= ratio
        state[t.INITIAL_CASH] *= ratio
        curve[p.RATIO, bar] *= ratio


@jit(inline=True)
def settle_dues(
    desk: Any, financing: Any, prices: FloatArray, records: Any, curve: FloatArray, bar: int
) -> None:
    """Dividends, splits and cash flows at the beginning of a bar."""
    cells, dues, sums = desk[3], financing[0], financing[5]
    row: Any = int(sums[p.NEXT])
    while row < dues.shape[0] and dues[row, p.D_BAR] == bar and dues[row, p.D_KIND] != p.FUNDING:
        asset, kind, amount = int(dues[row, p.D_ASSET]), int(dues[row, p.D_KIND]), dues[row, p.D_AMOUNT]
        row += 1
        if kind == p.CASH_FLOW:
            take_flow(desk, financing, curve, bar, amount)
            continue
        close = cells[asset, p.EX_CLOSE]
        if cells[asset, p.EX_BAR] != bar:
            close = known_close(prices, asset, bar - 1)
        cells[asset, p.EX_BAR] = bar
        if kind == p.SPLIT:
            split_units(desk, financing, records, bar, asset, amount)
            cells[asset, p.EX_CLOSE] = money.units(close, amount)
        else:
            pay_dividend(desk, financing, records, bar, asset, amount, close, kind == p.REINVEST)
            cells[asset, p.EX_CLOSE] = money.without_dividend(close, amount)
    sums[p.NEXT] = row


@jit(inline=True)
def pay_funding(desk: Any, financing: Any, prices: FloatArray, bar: int) -> None:
    """Funding at the close of a bar: holders pay, shorts get."""
    state, terms, cells = desk[0], desk[2], desk[3]
    dues, sums = financing[0], financing[5]
    row: Any = int(sums[p.NEXT])
    while row < dues.shape[0] and dues[row, p.D_BAR] == bar:
        asset = int(dues[row, p.D_ASSET])
        units = cells[asset, p.UNITS]
        if units != 0.0:
            worth = money.worth(units, known_close(prices, asset, bar), terms[asset, p.MULTIPLIER], 1.0)
            paid = money.financing(1.0, worth, dues[row, p.D_AMOUNT])
            state[t.CASH] -= paid
            bear(desk, asset, -paid)
            write_charge(financing[4:], bar, asset, p.FUNDING, units, -paid)
        row += 1
    sums[p.NEXT] = row


@jit(inline=True)
def conclude_financing(desk: Any, financing: Any, curve: FloatArray) -> int:
    """Put sums where metrics are read; the row of the curve that drawdowns are of: that of a unit of the account.

    A unit of the account is what one of the last bar is: flows behind a bar multiply its equity.
    """
    state, sums = desk[0], financing[5]
    row: Any = np.int64(p.EQUITY)
    if desk[1][p.FINANCED] > 0.0:
        state[t.CASH_INTEREST] = sums[p.CASH_INTEREST] + sums[p.DEBIT_INTEREST]
        state[t.TOTAL_INTEREST] = state[t.CASH_INTEREST] + sums[p.BORROWING]
        state[t.TOTAL_FUNDING] = sums[p.FUNDING]
        if sums[p.FLOWED] > 0.0:
            row = np.int64(p.OWED)
            factor = 1.0
            for back in range(curve.shape[1]):
                bar = curve.shape[1] - 1 - back
                curve[p.OWED, bar] = curve[p.EQUITY, bar] * factor
                factor *= curve[p.RATIO, bar]
    return row
