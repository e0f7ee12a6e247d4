"""The loop over events: bars whose orders fill, prices that come back, assets that are delisted; stretches between.

Between two events nothing is traded, so a stretch is the cash and, asset by asset, units times prices: only what is
held costs anything.

``desk`` and ``records`` are those of `account`.

Reads prices, weights and settings; writes the state, the records and the curve.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.fast import conclude
from peak_kernels.portfolio.account import not_filled, settle, write_event
from peak_kernels.portfolio.ahead import fetch_ahead
from peak_kernels.portfolio.financing import (
    begin,
    conclude_financing,
    next_owed,
    pay_funding,
    settle_dues,
    walk_cash,
)
from peak_kernels.portfolio.halts import begin_day, is_limited, leave, look, never_left, next_leaving
from peak_kernels.portfolio.lanes import add_holdings
from peak_kernels.portfolio.marked import fold_marked
from peak_kernels.portfolio.plain import has_plain_rules, trade_plain
from peak_kernels.portfolio.rebalance import asked_by_row, asked_by_waiting, side_of, trade
from peak_kernels.portfolio.sizes import known_close

# Bars of a stretch that are marked at a time: their equity stays in the processor's nearest cache.
STRETCH = 2048
# Bars from which on four holdings at a time are faster than one after the other.
LONG = 128


@jit(inline=True)
def reset(desk: Any, settings: FloatArray) -> None:
    """The account before the first bar: cash, nothing held, nothing counted."""
    state, cells, lists, counts = desk[0], desk[3], desk[4], desk[5]
    for slot in range(t.N_SETTINGS):
        state[slot] = settings[slot]
    for slot in range(t.N_SETTINGS, t.N_STATE):
        state[slot] = 0.0
    for slot in (t.CASH, t.PREVIOUS_EQUITY, t.PEAK_EQUITY):
        state[slot] = settings[t.INITIAL_CASH]
    state[t.WORST_RATIO] = 1.0
    state[t.DAY_EQUITY], state[t.CURRENT_DAY] = settings[t.INITIAL_CASH], -1.0
    cells[:] = 0.0
    lists[p.PLACE] = -1
    lists[p.WAITS] = 0
    lists[p.LEAVING] = 0
    counts[:] = 0


@jit(inline=True)
def add_marks(
    prices: FloatArray, row: int, asset: int, units: float, equity: FloatArray, start: int, holes: bool
) -> None:
    """Add a holding's value to the equity of the bars from ``start`` on."""
    if not holes:
        marks = prices[row, asset, start : start + equity.size]
        for k in range(equity.size):
            equity[k] = money.equity(equity[k], units, marks[k])
        return
    known = known_close(prices, asset, start - 1)
    for k in range(equity.size):
        close, mark = prices[p.CLOSE, asset, start + k], prices[row, asset, start + k]
        if mark != mark:
            mark = close if close == close else known
        if close == close:
            known = close
        equity[k] = money.equity(equity[k], units, mark)


@jit(inline=True)
def add_four_marks(
    prices: FloatArray,
    row: int,
    held: IntArray,
    cells: FloatArray,
    terms: FloatArray,
    equity: FloatArray,
    start: int,
) -> None:
    """Add four holdings without holes, one after the other at each bar: memory answers four questions at a time."""
    stop = start + equity.size
    a, b, c, d = held[0], held[1], held[2], held[3]
    marks_a, marks_b = prices[row, a, start:stop], prices[row, b, start:stop]
    marks_c, marks_d = prices[row, c, start:stop], prices[row, d, start:stop]
    units_a = money.value(cells[a, p.UNITS], terms[a, p.MULTIPLIER])
    units_b = money.value(cells[b, p.UNITS], terms[b, p.MULTIPLIER])
    units_c = money.value(cells[c, p.UNITS], terms[c, p.MULTIPLIER])
    units_d = money.value(cells[d, p.UNITS], terms[d, p.MULTIPLIER])
    for k in range(equity.size):
        worth = money.equity(equity[k], units_a, marks_a[k])
        worth = money.equity(worth, units_b, marks_b[k])
        worth = money.equity(worth, units_c, marks_c[k])
        equity[k] = money.equity(worth, units_d, marks_d[k])


@jit(inline=True)
def lay_out_units(desk: Any, spans: IntArray, sheet: FloatArray, stop: int) -> bool:
    """Put the units of what is held side by side; whether each of them has a price at every bar before ``stop``."""
    terms, cells, lists, counts = desk[2:]
    holes = 0
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        sheet[p.S_UNITS, k] = money.value(cells[asset, p.UNITS], terms[asset, p.MULTIPLIER])
        holes += 1 if has_holes(spans, asset, stop) else 0
    return holes == 0


@jit(inline=True)
def has_holes(spans: IntArray, asset: int, stop: int) -> bool:
    """Whether an asset that is held may have bars without a price before ``stop``."""
    return spans[p.HOLES, asset] > 0 or stop > spans[p.GONE, asset]


@jit(inline=True)
def mark(
    desk: Any, financing: Any, prices: FloatArray, spans: IntArray, curve: FloatArray, sheet: FloatArray, start: int,
    stop: int,
) -> None:  # fmt: skip
    """Equity at bars ``start .. stop-1`` with the positions as they are."""
    state, rules, terms, cells, lists, counts = desk
    row = p.OPEN if rules[p.MARK_AT] > 0.0 else p.CLOSE
    held = counts[p.N_HELD]
    if held > 0:
        state[t.BARS_IN_MARKET] += float(stop - start)
    for first in range(start, stop, STRETCH):
        last = min(first + STRETCH, stop)
        equity = curve[p.EQUITY, first:last]
        if rules[p.FINANCED] > 0.0:
            walk_cash(desk, financing, prices, curve, first, last)
        else:
            equity[:] = state[t.CASH]
        k: Any = np.int64(0)
        if last - first < LONG and lay_out_units(desk, spans, sheet, last):
            add_holdings(prices, row, lists[p.HELD], sheet[p.S_UNITS], held, first, equity)
            k = held
        while k < held:
            whole = k + 4 <= held and last - first >= LONG
            for ahead in range(4):
                whole = whole and not has_holes(spans, lists[p.HELD, k + ahead], last)
            if whole:
                add_four_marks(prices, row, lists[p.HELD, k : k + 4], cells, terms, equity, first)
                k += 4
                continue
            asset = lists[p.HELD, k]
            holes = has_holes(spans, asset, last)
            units = money.value(cells[asset, p.UNITS], terms[asset, p.MULTIPLIER])
            add_marks(prices, row, asset, units, equity, first, holes)
            k += 1
        fold_marked(state, curve, first, last)


@jit(inline=True)
def next_gone(desk: Any, spans: IntArray, bars: int) -> int:
    """First bar at which something that is held is delisted; behind all bars where nothing is."""
    rules, lists, counts = desk[1], desk[4], desk[5]
    soonest: Any = bars
    if rules[p.RECOVERY] < 0.0:
        return soonest
    for k in range(counts[p.N_HELD]):
        soonest = min(soonest, spans[p.GONE, lists[p.HELD, k]])
    return soonest


@jit(inline=True)
def delist(desk: Any, prices: FloatArray, spans: IntArray, records: Any, bar: int) -> None:
    """Take what is delisted at a bar out of the account."""
    rules, lists, counts = desk[1], desk[4], desk[5]
    k: Any = counts[p.N_HELD] - 1
    while k >= 0:
        asset = lists[p.HELD, k]
        if spans[p.GONE, asset] <= bar:
            last = known_close(prices, asset, bar)
            settle(desk, records, bar, asset, last * rules[p.RECOVERY])
        k -= 1
    write_event(desk, records, (float(bar), desk[0][t.CASH], math.nan, math.nan, math.nan))


@jit(inline=True)
def leave_unfilled(
    desk: Any, records: Any, rows: IntArray, picks: IntArray, weights: FloatArray, k: int
) -> None:
    """Record the orders that the end of the data leaves: those that wait, and those of rows from ``k`` on."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    never: Any = np.int64(-1)
    for place in range(counts[p.N_WAITING]):
        asset = lists[p.WAITING, place]
        side = side_of(desk, asset, cells[asset, p.TARGET])
        bars = (lists[p.DECIDED, asset], never)
        not_filled(desk, records, bars, asset, side, 0.0, p.UNFILLED, p.END_OF_DATA)
    for late in range(k, rows.size):
        for asset in range(weights.shape[1]):
            weight = weights[picks[late], asset]
            if weight == weight and (weight != 0.0 or cells[asset, p.UNITS] != 0.0):
                side = side_of(desk, asset, weight)
                bars = (rows[late], never)
                not_filled(desk, records, bars, asset, side, 0.0, p.UNFILLED, p.END_OF_DATA)


@jit(inline=True)
def run_portfolio(
    prices: FloatArray,
    spans: IntArray,
    decisions: tuple[IntArray, IntArray, FloatArray],
    settings: tuple[FloatArray, FloatArray, FloatArray],
    days: IntArray,
    scratch: tuple[FloatArray, FloatArray, IntArray, IntArray],
    records: tuple[FloatArray, FloatArray, FloatArray],
    financing: tuple[FloatArray, FloatArray, FloatArray, IntArray, FloatArray, FloatArray],
    curve: FloatArray,
    out: FloatArray,
    sheet: FloatArray,
) -> None:
    """Run one portfolio.

    Parameters
    ----------
    prices, spans
        See `slots`.
    decisions
        ``(rows, picks, weights)``: deciding bars, ascending; for each the row of the weights that it asks for; the
        weights, NaN: leave alone.
    settings
        ``(settings, rules, terms)``: the fast path's, `slots.N_RULES` numbers, float64[assets, N_TERMS].
    days
        int64[bars]: calendar days, where the account has limits.
    scratch
        ``(state, cells, lists, counts)``.
    records
        ``(orders, trades, events)``; with too few rows only the counts are right.
    financing
        ``(dues, accruals, borrow, which, charges, sums)``, see `slots`; empty but for the sums where there is none.
    curve
        float64[1, bars]: the equity; with financing float64[N_CURVES, bars].
    out
        float64[N_FOLDED or more]: metrics.
    sheet
        float64[N_SHEET, assets]: scratch.
    """
    rows, picks, weights = decisions
    state, cells, lists, counts = scratch
    desk = (state, settings[1], settings[2], cells, lists, counts)
    reset(desk, settings[0])
    begin(desk, financing, curve)
    bars = prices.shape[2]
    rule = settings[1][p.FILL_AT]
    field = p.OPEN if rule == p.NEXT_OPEN else p.CLOSE
    fields = (field, p.OPEN if settings[1][p.MARK_AT] > 0.0 else p.CLOSE)
    delay = 0 if rule == p.SAME_CLOSE else 1
    limited = is_limited(settings[0])
    plain = has_plain_rules(settings[1], settings[2], limited)
    at: Any = np.int64(0)
    k: Any = np.int64(0)
    gone: Any = np.int64(bars)
    while True:
        until: Any = bars
        if k < rows.size:
            until = min(until, rows[k] + delay)
        due: Any = bars
        for place in range(counts[p.N_WAITING]):
            due = min(due, lists[p.DUE, lists[p.WAITING, place]])
        owed = next_owed(financing, bars)
        until = min(until, due, gone, owed)
        if limited and at < bars:
            begin_day(state, days, at)
            until = min(until, next_leaving(desk, prices, at))
        if until > at:
            # With limits, one bar at a time: each close is looked at before the next bar begins.
            stop = at + 1 if limited else until
            mark(desk, financing, prices, spans, curve, sheet, at, stop)
            at = stop
            if limited:
                look(desk, at - 1)
                continue
        if until >= bars:
            break
        if until == owed:
            settle_dues(desk, financing, prices, records, curve, until)
        if until == gone:
            delist(desk, prices, spans, records, until)
        if limited:
            leave(desk, prices, records, until)
        if until == owed and field == p.CLOSE:
            pay_funding(desk, financing, prices, until)
        counts[p.N_ASKED] = 0
        if k < rows.size and rows[k] + delay == until:
            asked_by_row(desk, records, weights[picks[k]], rows[k])
            k += 1
            fetch_ahead(prices, decisions, desk, fields, k, delay)
        if counts[p.N_WAITING] > 0:
            asked_by_waiting(desk, until)
        if counts[p.N_ASKED] > 0 and not (plain and trade_plain(desk, prices, records, sheet, field, until)):
            trade(desk, prices, records, field, until, until - delay)
        if until == owed:
            pay_funding(desk, financing, prices, until)
        gone = next_gone(desk, spans, bars)
    if limited:
        never_left(desk, records)
    leave_unfilled(desk, records, rows, picks, weights, k)
    row = conclude_financing(desk, financing, curve)
    conclude(state, curve[row : row + 1], bars, out)
    out[10] = state[t.N_TRADES] + counts[p.N_HELD]
