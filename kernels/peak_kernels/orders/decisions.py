"""Instructions of decisions that were made before the run: for single runs and for sweeps.

Reads decisions, prices and the engine's settings; writes rows of instructions.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import part
from peak_kernels.fast import next_priced, volatility_fraction, year_at


@part
def blank(rows: FloatArray, at: int, bar: int, what: int, side: float) -> int:
    """An instruction with every other field at its default; returns the place of the next one."""
    for slot in range(f.N_ACTION):
        rows[at + slot] = 0.0
    for slot in (f.X_LIMIT, f.X_STOP, f.X_TRAIL, f.X_STOP_LOSS, f.X_TAKE_PROFIT):
        rows[at + slot] = np.nan
    for slot in (f.X_PARENT, f.X_OCO, f.X_TAG, f.X_ORDER):
        rows[at + slot] = -1.0
    rows[at + f.X_VALID] = np.inf
    rows[at + f.X_BAR], rows[at + f.X_OP], rows[at + f.X_SIDE] = bar, what, side
    return at + f.N_ACTION


@part
def put_entry(
    rows: FloatArray,
    at: int,
    bar: int,
    mark: float,
    state: FloatArray,
    entry: tuple[float, float],
    tick: float,
) -> None:
    """Attach the engine's stops to an instruction that places an order, and its limit where there is one."""
    rows[at + f.X_TAG], rows[at + f.X_UNIT], rows[at + f.X_SIZE] = 0.0, f.BY_RULES, 1.0
    if state[t.STOP_LOSS] > 0.0:
        rows[at + f.X_STOP_LOSS] = state[t.STOP_LOSS]
    if state[t.TAKE_PROFIT] > 0.0:
        rows[at + f.X_TAKE_PROFIT] = state[t.TAKE_PROFIT]
    rows[at + f.X_EXIT_UNIT] = f.DISTANCE if state[t.STOP_ABSOLUTE] > 0.0 else f.FRACTION
    better, valid = entry
    if np.isnan(better):
        return
    side = rows[at + f.X_SIDE]
    rows[at + f.X_KIND], rows[at + f.X_LIMIT] = f.LIMIT, money.entry_level(mark, side, better, tick)
    if not np.isnan(valid):
        rows[at + f.X_VALID] = bar + valid


@part
def write_decisions(
    rows: FloatArray,
    at: int,
    decisions: tuple[IntArray, FloatArray, int],
    prices: FloatArray,
    calendar: IntArray,
    state: FloatArray,
    entry: tuple[float, float],
    tick: float,
) -> tuple[int, bool]:
    """Instructions of decisions: what was wanted before ends, the other side is closed, an order is placed.

    A side that repeats the one before it places its order only, which does nothing where the side is held; a weight
    that is given again is traded again.

    Parameters
    ----------
    rows
        At least three instructions of `order_slots.N_ACTION` slots for each decision, from ``at`` on; written.
    decisions
        ``(bar_of, target_of, count)``.
    prices, calendar
        See `slots`; the calendar of bars without prices is needed.
    state
        The engine's settings first; volatility sizing leaves its last estimate behind them.
    entry
        Fraction that entries at a limit are better than the deciding close, bars that they are valid; NaN: not set.
    tick
        Smallest step of such a limit; 0: any price.

    Returns
    -------
    tuple
        Place behind the last instruction, and whether any decision is a short.
    """
    bar_of, target_of, count = decisions
    bars, delay = prices.shape[1], 0 if state[t.FILL_AT_CLOSE] > 0.0 else 1
    shorts, weights = False, state[t.WEIGHT_TARGETS] > 0.0
    fills_with = -1
    for k in range(count):
        bar, side = bar_of[k], np.sign(target_of[k])
        shorts = shorts or side < 0.0
        before, fills_with = fills_with, next_priced(calendar, bars, bar + delay)
        if delay == 0:
            # A close that is not there: the decision waits for the next one.
            bar = min(fills_with, bars - 1)
        # A decision that comes before the one it repeats could fill replaces it, with the estimate of its own bar.
        if k == 0 or weights or target_of[k] != target_of[k - 1] or fills_with == before:
            if k > 0:
                after = blank(rows, at, bar, f.OP_CANCEL, 0.0)
                rows[at + f.X_TAG] = 0.0
                at = after
            after = blank(rows, at, bar, f.OP_CLOSE, side)
            rows[at + f.X_SIZE] = 1.0
            at = after
        if side == 0.0:
            continue
        after = blank(rows, at, bar, f.OP_PLACE, side)
        put_entry(rows, at, bar, prices[t.MARK, bar], state, entry, tick)
        if weights:
            rows[at + f.X_SIZE] = abs(target_of[k])
        elif state[t.SIZE_MODE] == t.SIZE_VOLATILITY:
            volatility_fraction(state, prices, bar_of[k], year_at(state, prices, bar_of[k]))
            rows[at + f.X_SIZE] = state[t.SIZED_FRACTION]
        at = after
    return at, shorts
