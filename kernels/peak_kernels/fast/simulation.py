"""Loops only: walk from event to event, mark the stretches of bars between them.

Between two fills nothing about the account changes, so a run is a handful of events (a decision that fills,
a stop, a risk limit) and the stretches between them; stretches are folded eight bars at a time
(`reduce.fold`).  The rules are in `rules.py`.

`run_configurations` is the one entry: a single run is a batch of one configuration, hence a row of
a sweep and the single run of its parameters agree bit for bit.

Reads prices, calendar, decisions and settings; writes the state, the records and the curve.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_kernels import simd
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.fast.asking import ask
from peak_kernels.fast.blocks import Cuts, begin_blocks
from peak_kernels.fast.decided import decide
from peak_kernels.fast.dues import next_stop, pay_funding, settle_dues
from peak_kernels.fast.estimates import estimate
from peak_kernels.fast.exits import exit_price, first_exit
from peak_kernels.fast.financing import conclude_financed, first_ruin, mark_bars
from peak_kernels.fast.halts import limit_reached, start_day
from peak_kernels.fast.paid_asking import ask_paid, known_until
from peak_kernels.fast.reduce import conclude, conclude_blocks, fold
from peak_kernels.fast.rules import (
    closing_size,
    entry_block,
    fill,
    opening_size,
    opposite,
    slipped,
    status_of,
    write_order,
)

# What the loop is on its way to.
NEXT, ORDER, DROP, THINK, END = range(5)

# Bars at which a block is asked at a time; stops are looked for in them first, and again when it acts.
STRETCH = 256


@jit(inline=True)
def reset(state: FloatArray, settings: FloatArray) -> None:
    """State before the first bar: the settings, initial cash, no position, nothing counted."""
    for slot in range(t.N_SETTINGS):
        state[slot] = settings[slot]
    for slot in range(t.N_SETTINGS, t.N_STATE):
        state[slot] = 0.0
    initial = settings[t.INITIAL_CASH]
    state[t.CASH] = initial
    state[t.PREVIOUS_EQUITY] = initial
    state[t.PEAK_EQUITY] = initial
    state[t.DAY_EQUITY] = initial
    state[t.WORST_RATIO] = 1.0
    state[t.CURRENT_DAY] = -1.0


@jit(inline=True)
def next_priced(calendar: IntArray, bars: int, bar: int) -> int:
    """First bar at or after ``bar`` that has prices; ``bars`` where there is none."""
    if bar >= bars or calendar.shape[1] == 0:
        return min(bar, bars)
    return calendar[t.NEXT_VALID, bar]


@jit(inline=True)
def carry_out(
    state: FloatArray,
    records: FloatArray,
    bars: tuple[int, int],
    kind: int,
    prices: tuple[float, float],
    sizes: tuple[float, float],
    blocked: int,
    financing: Any,
) -> None:
    """Apply one order: its closing part, then its opening part, then the record of it.

    ``bars = (decided, filled)``, ``prices = (reference, price of a resting order or NaN)``,
    ``sizes = (size to close, target to open or 0)``.
    """
    bar = bars[1]
    reference, resting = prices
    closed, target = sizes
    side = (-1.0 if state[t.UNITS] > 0.0 else 1.0) if closed > 0.0 else (1.0 if target > 0.0 else -1.0)
    requested, opened, reason = 0.0, 0.0, t.NO_REASON
    price = resting if resting == resting else slipped(state, reference, side)
    size = closed
    for leg in range(2):
        if leg == 1:
            if target == 0.0:
                break
            requested, opened, reason = opening_size(state, blocked, reference, price, target)
            size = opened
        if size > 0.0:
            fill(state, records, bar, side, size, (reference, price), kind, financing)
    if state[t.UNITS] != 0.0 and requested <= 0.0 and closed == 0.0 and reason == t.TOO_SMALL:
        # A weight that is already held, to the last lot: there was nothing to do.
        return
    status = status_of(closed, target != 0.0, opened, reason)
    write_order(state, records, bars, kind, side, (closed + requested, closed + opened), (status, reason))


@jit(inline=True)
def wants_nothing(state: FloatArray, target: float) -> bool:
    """Whether a decision leaves the position alone: its side is held, or entries need a flat account."""
    units = state[t.UNITS]
    if target == 0.0:
        return units == 0.0
    if units == 0.0:
        return False
    return state[t.ENTER_ONLY_FLAT] > 0.0 or (state[t.WEIGHT_TARGETS] == 0.0 and not opposite(units, target))


@jit(inline=True)
def next_decision(
    calendar: IntArray, bars: int, bar_of: IntArray, decisions: int, k: int, delay: int
) -> tuple[int, int]:
    """Where decision ``k`` leads: ``(ORDER, bar of its fill)``, or ``(DROP, bar)`` when it finds no price.

    A decision waits for a bar with prices; one that is still waiting when the next is made is replaced then.
    """
    until = next_priced(calendar, bars, bar_of[k] + delay)
    if k + 1 < decisions and bar_of[k + 1] + delay <= until:
        return DROP, bar_of[k + 1]
    return (ORDER if until < bars else DROP), until


@jit(inline=True)
def never_filled(
    state: FloatArray, records: FloatArray, decided: int, kind: int, target: float, replaced: bool
) -> None:
    """Record an order that found no price: a later decision replaced it, or the data ended."""
    held = state[t.UNITS]
    side = 1.0 if target > 0.0 or (target == 0.0 and held < 0.0) else -1.0
    outcome = (t.CANCELLED, t.REPLACED) if replaced else (t.UNFILLED, t.END_OF_DATA)
    nowhere: Any = np.int64(-1)
    write_order(state, records, (decided, nowhere), kind, side, (0.0, 0.0), outcome)


@jit(inline=True)
def simulate(
    prices: FloatArray,
    calendar: IntArray,
    decisions: tuple[IntArray, FloatArray, int],
    settings: FloatArray,
    state: FloatArray,
    records: FloatArray,
    curve: FloatArray,
    block: tuple[Any, ...] | None,
    cuts: Cuts | None,
    financing: tuple[FloatArray, ...] | None,
) -> None:
    """Run one configuration; with ``cuts`` (`blocks`) sums of returns by block, with ``financing`` (`dues`) payments.

    ``decisions = (bar_of, target_of, count)``: targets decided at the closes of bars, ascending; or
    ``block = (address, bars, params, memory, view)``, which is asked at every close with prices.  Exactly one is
    used: numba drops the other's branches.
    """
    bars = prices.shape[1]
    reset(state, settings)
    limited = settings[t.MAX_DRAWDOWN_LIMIT] > 0.0 or settings[t.DAILY_LOSS_LIMIT] > 0.0
    if financing is not None:
        financing[4][:] = 0.0
        limited = limited or financing[2][t.WALKS] > 0.0
    estimated = settings[t.SIZE_MODE] > t.SIZE_RISK and settings[t.WEIGHT_TARGETS] == 0.0
    delay = 0 if settings[t.FILL_AT_CLOSE] > 0.0 else 1
    # np.int64: a literal would compile everything it is passed to a second time.
    at: Any = np.int64(0)  # first bar not yet marked
    scan: Any = np.int64(0)  # first bar not yet searched for stops
    leaving, breach = -1, -1  # bar of a forced exit, bar whose close asked for it
    k: Any = np.int64(-1)
    until: Any = np.int64(0)
    scan_until: Any = np.int64(0)
    decided: Any = np.int64(0)
    heading, wish, last_wish = NEXT, 0.0, 0.0
    while True:
        if financing is not None:
            settle_dues(state, prices, records, financing, at)
        # Where to go next.
        if heading == NEXT:
            heading, until = END, bars
            k += 1
            if block is None:
                if k < decisions[2]:
                    heading, until = next_decision(calendar, bars, decisions[0], decisions[2], k, delay)
                    decided, wish = decisions[0][k], decisions[1][k]
            elif k < bars:
                heading, until = THINK, k
            scan_until = until
            if until < bars and delay == 0:
                scan_until = until + 1
        if block is not None and heading == THINK:
            # With limits on, the bars of a stretch are not known to be quiet.
            scan_until = k + 1 if limited else min(k + STRETCH, bars)
        # A waiting decision that is replaced before the forced exit finds a price comes first.
        exit_next = leaving >= 0 and (heading != DROP or until >= leaving)
        mark_to, scan_to = (leaving, leaving) if exit_next else (until, scan_until)
        if heading == THINK and leaving < 0 and not limited:
            # Asking a block marks nothing: stretches end where the account changes, as they do without blocks.
            mark_to = at
            if block is not None and financing is not None:
                mark_to, scan_to = known_until(state, financing, at, k, scan_to)
        stepping = limited and at < mark_to
        if stepping:
            # With limits on, one bar at a time: each close is looked at before the next bar begins.
            mark_to, scan_to = at + 1, at + 1
            start_day(state, calendar, at)
        paused = False
        if financing is not None:
            pause = next_stop(financing, at, mark_to)
            paused = pause >= 0
            if block is not None:
                # What is due changes the account that the block sees.
                paused = paused or (heading == THINK and not limited and mark_to > at)
            if pause >= 0:
                mark_to, scan_to = min(mark_to, pause), min(scan_to, pause)
        # Live through the bars up to there, or to the first stop on the way.
        kind, level, goal, exiting = t.SIGNAL, 0.0, 0.0, False
        scanned, watermark = scan, state[t.BEST_PRICE]
        if state[t.UNITS] != 0.0 and max(at, scan) < scan_to:
            if financing is None:
                scan, level, kind, goal = first_exit(state, prices, max(at, scan), scan_to)
            else:
                scan, level, kind, goal = first_ruin(state, prices, financing, at, (max(at, scan), scan_to))
            exiting = scan < scan_to
            if exiting:
                mark_to = scan
        if block is not None and heading == THINK and leaving < 0 and not stepping and not paused:
            # The block is asked at all closes before the first stop.
            limit = scan if exiting else scan_to
            if financing is None:
                k, wish = ask(state, block, (k, limit), last_wish)
            else:
                k, wish = ask_paid(state, prices, block, (k, limit), last_wish, financing, at)
            if k < limit:
                # Its order comes first; the stops behind that are looked for again, once it is filled.
                last_wish = wish
                decided, until = k, next_priced(calendar, bars, k + delay)
                heading = ORDER if until < bars else DROP
                scan_until = until + 1 - delay if heading == ORDER else until
                scan, state[t.BEST_PRICE] = scanned, watermark
                continue
            if not exiting:
                heading = NEXT
                k -= 1
                continue
        if mark_to > at:
            if financing is None:
                fold(state, prices, curve, at, mark_to, cuts)
            else:
                mark_bars(state, prices, curve, financing, at, mark_to)
            at = mark_to
        if stepping and not exiting:
            if limit_reached(state, calendar, at - 1) and state[t.UNITS] != 0.0 and leaving < 0:
                breach = at - 1
                leaving = next_priced(calendar, bars, at)
            continue
        if paused and not exiting:
            continue
        # Say what happens there; it is applied once, below.
        bars_of_order, closed, target = (at, at), abs(state[t.UNITS]), 0.0
        # NaN: none. Zero may be a price.
        reference, resting = math.nan, math.nan
        if exiting:
            bars_of_order = (scan, scan)
            reference, kind = exit_price(state, prices, scan, level, kind, goal)
            resting = reference if kind == t.TARGET_REACHED else math.nan
        elif exit_next:
            bars_of_order, kind = (breach, leaving), t.RISK_HALT
            leaving = -1
            if closed == 0.0:
                continue
            if bars_of_order[1] < bars:
                reference = prices[t.OPEN, bars_of_order[1]]
        elif heading == END:
            break
        else:
            bars_of_order, target, kind = (decided, until), wish, t.SIGNAL
            dropped = heading == DROP
            heading = NEXT
            if wants_nothing(state, target):
                continue
            if financing is not None and delay == 0 and not dropped:
                pay_funding(state, prices, financing, until)
            if not dropped:
                reference = prices[t.CLOSE, until] if delay == 0 else prices[t.OPEN, until]
                closed = closing_size(state, reference, target)
                if closed > 0.0 and not opposite(state[t.UNITS], target):
                    # A weight of the side held: its surplus goes, and nothing is opened.
                    target = 0.0
        if reference != reference:
            never_filled(state, records, bars_of_order[0], kind, target, kind == t.SIGNAL and until < bars)
            continue
        before = state[t.UNITS]
        blocked = entry_block(state, calendar, bars_of_order[1])
        if estimated and target != 0.0:
            blocked = estimate(state, prices, bars_of_order[0], blocked)
        carry_out(
            state, records, bars_of_order, kind, (reference, resting), (closed, target), blocked, financing
        )
        opened_now = state[t.UNITS] != 0.0 and (before == 0.0 or opposite(before, state[t.UNITS]))
        if opened_now and (delay == 0 or state[t.ENTRY_BAR_STOPS] == 0.0):
            scan = bars_of_order[1] + 1


@jit(inline=True)
def run_configurations(
    prices: FloatArray,
    calendar: IntArray,
    plane: FloatArray,
    stride: int,
    rules: IntArray,
    settings: FloatArray,
    decisions: tuple[IntArray, FloatArray, int],
    scratch: tuple[FloatArray, FloatArray, FloatArray],
    out: FloatArray,
    cuts: Cuts | None,
    financing: tuple[FloatArray, ...] | None,
) -> None:
    """Run a batch of configurations, one after the other, over the same prices.

    Parameters
    ----------
    prices, calendar
        See `slots`.
    plane, stride
        Indicator rows (see `fast.decided`).
    rules
        int64[configurations, RULE_SIZE]; with no rows the decisions are taken as given, for a batch of one.
    settings
        float64[configurations, N_SETTINGS]; or one row, which serves all configurations.
    decisions
        ``(bar_of, target_of, count)``: given decisions, or scratch space of one element a bar.
    scratch
        ``(state, records, curve)``; records and curve may have no elements.
    out
        float64[configurations, N_FOLDED or more]: metrics, the first of them NaN where `decide` refused
        a value; the columns behind N_FOLDED need a curve.
    cuts
        Memory of `blocks`; then ``out`` has as many columns more as there are sums of blocks.
    financing
        See `dues`; then a curve has one row more, and sums of blocks are made of the curve.
    """
    bar_of, target_of = simd.borrow(decisions[0]), simd.borrow(decisions[1])
    state, records, curve = simd.borrow(scratch[0]), simd.borrow(scratch[1]), simd.borrow(scratch[2])
    table, dates, rows = simd.borrow(prices), simd.borrow(calendar), simd.borrow(plane)
    choices, costs, results = simd.borrow(rules), simd.borrow(settings), simd.borrow(out)
    bars = table.shape[1]
    count = decisions[2]
    shared = costs.shape[0] == 1
    for c in range(results.shape[0]):
        row = costs[0 if shared else c]
        if choices.shape[0] > 0:
            count = decide(rows, stride, choices[c], bars, bar_of, target_of)
            if count < 0:
                results[c, 0] = math.nan
                continue
        if cuts is not None:
            begin_blocks(cuts, bars)
        simulate(table, dates, (bar_of, target_of, count), row, state, records, curve, None, cuts, financing)
        if financing is not None:
            conclude_financed(state, curve, financing, row[t.INITIAL_CASH], results[c])
        elif cuts is None:
            conclude(state, curve, bars, results[c])
        else:
            conclude_blocks(state, curve, bars, results[c], cuts)
