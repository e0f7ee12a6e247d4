"""Limits on the account of one asset: what is looked at after each close, and at the first bar of a day.

Reads settings and the calendar; writes what limits have stopped.
"""

from __future__ import annotations

from peak_kernels import money
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit


@jit(inline=True)
def limit_reached(state: FloatArray, calendar: IntArray, bar: int) -> bool:
    """Check the risk limits at the close of ``bar``; True when the position must go."""
    equity = state[t.PREVIOUS_EQUITY]
    breached = False
    if state[t.HALTED] == 0.0 and money.has_lost(equity, state[t.PEAK_EQUITY], state[t.MAX_DRAWDOWN_LIMIT]):
        state[t.HALTED] = 1.0
        breached = True
    # Without a daily limit the calendar may have no bars.
    daily = state[t.DAILY_LOSS_LIMIT]
    fresh = daily > 0.0 and state[t.HALTED_DAY] != calendar[t.DAY, bar] + 1
    if fresh and money.has_lost(equity, state[t.DAY_EQUITY], daily):
        state[t.HALTED_DAY] = calendar[t.DAY, bar] + 1
        breached = True
    return breached


@jit(inline=True)
def start_day(state: FloatArray, calendar: IntArray, bar: int) -> None:
    """On the first bar of a calendar day, remember the equity of the last close."""
    if calendar.shape[1] > 0 and calendar[t.DAY, bar] != state[t.CURRENT_DAY]:
        state[t.CURRENT_DAY] = calendar[t.DAY, bar]
        state[t.DAY_EQUITY] = state[t.PREVIOUS_EQUITY]
