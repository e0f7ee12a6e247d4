"""Many configurations of one strategy through the order kernel, one after the other, without Python in between.

What a single run does in steps is one call here: decisions of a rule, instructions from them, the simulation
(`orders.simulate`), statistics of its records (`orders.statistics`).  The memory of a run is used again by the next
configuration: only what the simulation reads before it writes is set anew.

Reads the settings of each configuration; writes the memory of a run anew, and a row of metrics for each.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from peak_kernels import order_slots as f
from peak_kernels import simd
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import by_address, part
from peak_kernels.fast import decide, fold_blocks
from peak_kernels.orders.decisions import write_decisions
from peak_kernels.orders.statistics import conclude_records

nb: Any = numba.types
# `order_natives.run_orders`
_call = by_address(nb.none(nb.int64, nb.int64, nb.int64))


@part
def begin(m: FloatArray, image: FloatArray, settings: FloatArray) -> None:
    """Memory before the first bar: the image of a fresh one, a configuration's rules, and what follows from them.

    The rules say already whether data make every bar one to look at (``R_CARRY``), or to walk through
    (``R_INTRABAR``).
    """
    for slot in range(image.shape[0]):
        m[slot] = image[slot]
    for slot in range(f.N_RULE):
        m[slot] = settings[f.W_RULES + slot]
    cash = settings[t.INITIAL_CASH]
    m[f.S_CASH], m[f.S_BALANCE], m[f.S_LAST_EQUITY], m[f.G_PEAK] = cash, cash, cash, cash
    if m[f.R_PATH] != f.PATH_QUEUE:
        # Else finer bars say whether there is a path (``R_INTRABAR`` of the image).
        m[f.R_INTRABAR] = 1.0


@part
def put_settings(m: FloatArray, state: FloatArray, settings: FloatArray) -> None:
    """A state of the engine with a configuration's settings; where both say it, the rules hold."""
    for slot in range(t.N_SETTINGS):
        state[slot] = settings[slot]
    for slot in range(t.N_SETTINGS, t.N_STATE):
        state[slot] = 0.0
    row = int(m[f.S_ASSETS_AT])
    state[t.LOT_SIZE], state[t.MIN_SIZE] = m[row + f.A_LOT], m[row + f.A_MIN_SIZE]
    state[t.LEVERAGE], state[t.RATE] = m[f.R_LEVERAGE], m[f.R_FEE_RATE]
    state[t.FEE_FIXED], state[t.FEE_MINIMUM] = m[f.R_FEE_FIXED], m[f.R_FEE_MINIMUM]
    state[t.FEE_PER_UNIT] = m[f.R_FEE_UNIT]
    if m[f.R_SLIP_KIND] == f.SLIP_FRACTION:
        state[t.SLIPPAGE_RATE], state[t.SLIPPAGE_ABSOLUTE] = m[f.R_SLIP_AMOUNT], m[f.R_SLIP_EXTRA]


@part
def put_sizing(m: FloatArray, settings: FloatArray, shorts: bool) -> None:
    """What the simulation needs of the engine's settings; ``shorts``: whether the run may hold short positions."""
    m[f.G_TRAIL] = settings[t.TRAILING]
    m[f.G_TRAIL_UNIT] = f.DISTANCE if settings[t.STOP_ABSOLUTE] > 0.0 else f.FRACTION
    m[f.G_ENTRY_LIMIT], m[f.G_ENTRY_BARS] = settings[f.W_ENTRY_LIMIT], settings[f.W_ENTRY_BARS]
    if m[f.R_MAINTENANCE] == 0.0 and (shorts or m[f.R_LEVERAGE] > 1.0 or m[f.R_SIGNED] > 0.0):
        m[f.R_MAINTENANCE] = f.LEAST_MARGIN


@part
def run_batch(
    items: int,
    run: int,
    function: int,
    tables: tuple[FloatArray, FloatArray, FloatArray],
    calendar: IntArray,
    stride: int,
    rules: IntArray,
    rooms: tuple[FloatArray, FloatArray, FloatArray],
    decisions: tuple[IntArray, FloatArray],
    curves: tuple[FloatArray, FloatArray],
    block: tuple[FloatArray, FloatArray],
    out: FloatArray,
    blocks: int,
) -> tuple[int, int]:
    """Run configurations; returns how many are done, and why no more.

    Parameters
    ----------
    items, run, function
        Addresses: of the arrays of `order_natives.run_orders` for one asset, of its machine code, of a block's.
    tables
        Prices (`slots`), rows of indicators one after the other (one row of the table; see `fast.decided`), settings:
        float64[configurations or 1, order_slots.N_WIDE].
    calendar
        See `slots`.
    stride, rules
        See `simulate.run_configurations`; without rules a block is asked, which returns targets where the image has
        the engine's state, and else places orders.
    rooms
        Memory of a run, image of its begin, a state of the engine.
    decisions
        ``(bar_of, target_of)``, scratch of one element a bar.
    curves
        float64[2, bars] of equity and cash, float64[1, bars] of the position; written.
    block
        Of the block: table of bars, memory.
    out
        float64[configurations, N_FOLDED or more], see `reduce.conclude`.
    blocks
        How many blocks of time the last columns of ``out`` take sums of (`fast.blocks.fold_blocks`).
    """
    prices, plane, settings = simd.borrow(tables[0]), simd.borrow(tables[1]), simd.borrow(tables[2])
    m, image, state = simd.borrow(rooms[0]), simd.borrow(rooms[1]), simd.borrow(rooms[2])
    bar_of, target_of = simd.borrow(decisions[0]), simd.borrow(decisions[1])
    curve, position = simd.borrow(curves[0]), simd.borrow(curves[1])
    dates, choices, results = simd.borrow(calendar), simd.borrow(rules), simd.borrow(out)
    seen, cells = simd.borrow(block[0]), simd.borrow(block[1])
    bars, asks, sized = prices.shape[1], seen.shape[1] > 0, image[f.G_STATE_AT] > 0.0
    shared, row, count = settings.shape[0] == 1, plane[0], 0
    for c in range(results.shape[0]):
        own = settings[0 if shared else c]
        begin(m, image, own)
        inner, shorts = state, True
        if sized:
            inner = m[int(m[f.G_STATE_AT]) : int(m[f.G_STATE_AT]) + t.N_STATE]
            put_settings(m, inner, own)
        if asks:
            seen[: seen.shape[0] - (seen.shape[0] - f.N_SEEN) // 2] = np.nan
            cells[:] = 0.0
            m[int(m[f.S_PLACED_AT]) : int(m[f.S_PLACED_END])] = -1.0
        else:
            count = decide(row, stride, choices[c], bars, bar_of, target_of)
            if count < 0:
                results[c, 0] = math.nan
                continue
            if m[f.S_ACTIONS_AT] + 3 * count * f.N_ACTION > m[f.S_ROOM_END]:
                return c, f.BATCH_ROOM
            if count > 0 and not np.isnan(own[f.W_ENTRY_LIMIT]) and np.isnan(prices[t.MARK, bar_of[0]]):
                return c, f.BATCH_EARLY
            tick = m[int(m[f.S_ASSETS_AT]) + f.A_TICK]
            first = int(m[f.S_ACTIONS_AT])
            limit = own[f.W_ENTRY_LIMIT], own[f.W_ENTRY_BARS]
            stop, shorts = write_decisions(
                m, first, (bar_of, target_of, count), prices, dates, inner, limit, tick
            )
            m[f.S_ACTIONS_END] = stop
            placed = int(m[f.S_PLACED_AT])
            m[placed : placed + (stop - first) // f.N_ACTION] = -1.0
        if sized:
            put_sizing(m, own, shorts)
        _call(run, items, function, c if asks else 0)
        if m[f.G_WRONG_BAR] > 0.0:
            return c, f.BATCH_TARGET
        if m[f.S_OVERFLOW] > 0.0:
            return c, f.BATCH_ROOM
        put_settings(m, state, own)
        metrics = results.shape[1] - 2 * blocks
        conclude_memory(m, state, curve, position[0], not sized, results[c, :metrics])
        if blocks > 0:
            fold_blocks(curve, own[t.INITIAL_CASH], results[c, metrics:])
    return results.shape[0], f.BATCH_DONE


@part
def conclude_memory(
    m: FloatArray,
    state: FloatArray,
    curve: FloatArray,
    position: FloatArray,
    all_orders: bool,
    out: FloatArray,
) -> None:
    """Statistics of a run from the records in its memory."""
    book = simd.table_of(m, int(m[f.S_BOOK_AT]), int(m[f.S_BOOK_NEXT]), f.N_ORDER)
    fills = simd.table_of(m, int(m[f.S_FILLS_AT]), int(m[f.S_FILLS_NEXT]), f.N_FILL)
    trades = simd.table_of(m, int(m[f.S_TRADES_AT]), int(m[f.S_TRADES_NEXT]), f.N_TRADE)
    state[t.N_AMBIGUOUS], state[t.ENTRY_UNITS] = m[f.S_AMBIGUOUS], m[f.S_OPEN_LOTS]
    state[t.TOTAL_INTEREST], state[t.TOTAL_FUNDING] = m[f.S_INTEREST], m[f.S_FUNDING]
    conclude_records(state, curve, position, (book, fills, trades), all_orders, out)
