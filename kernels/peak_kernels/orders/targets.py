"""Blocks that return targets, asked in a run of orders: what they see of the account, what their targets become.

A new target becomes the instructions that `peak_fast.orders.from_engine` writes for decisions that were made
before the run.

Reads the account and the engine's state; writes what the block sees, and instructions behind ``S_ACTIONS_AT``.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.fast import volatility_fraction
from peak_kernels.orders.account import by_weight, full_value, worth_of
from peak_kernels.orders.place import write


@part
def see_account(m: FloatArray, seen: FloatArray, view: FloatArray, account: FloatArray, bar: int) -> None:
    """Write the account as the fast path shows it (`peak_kernels.slots`, ``VIEW_``).

    Cash is what is left of the equity beside the position's value, whatever ledger and leverage are.
    """
    row = int(m[f.S_ASSETS_AT])
    units, mark = view[f.V_POSITION], seen[f.B_LAST_CLOSE, bar]
    account[t.VIEW_UNITS], account[t.VIEW_EQUITY] = units, view[f.V_EQUITY]
    account[t.VIEW_BARS_HELD], account[t.VIEW_ENTRY_PRICE] = view[f.V_BARS_HELD], 0.0
    account[t.VIEW_CASH] = view[f.V_EQUITY]
    if units == 0.0:
        return
    if full_value(m, row):
        account[t.VIEW_CASH] = m[f.S_BALANCE]
    else:
        account[t.VIEW_CASH] -= worth_of(m, row, units, mark)
    if by_weight(m):
        account[t.VIEW_ENTRY_PRICE] = m[row + f.A_AVERAGE]
        return
    value, size = 0.0, 0.0
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        lot = int(m[j])
        value += money.value(abs(m[lot + f.L_SIZE]), m[lot + f.L_PRICE])
        size += abs(m[lot + f.L_SIZE])
    account[t.VIEW_ENTRY_PRICE] = value / size


@part
def aim_at(m: FloatArray, seen: FloatArray, target: float, bar: int) -> None:
    """Instructions of a new target: what was wanted before ends, the other side is closed, an order is placed."""
    side = np.sign(target)
    by_weights = m[int(m[f.G_STATE_AT]) + t.WEIGHT_TARGETS] > 0.0
    if m[f.G_WRONG_BAR] == 0.0 and (np.isinf(target) if by_weights else target != side):
        m[f.G_WRONG], m[f.G_WRONG_BAR] = target, bar + 1.0
    write(m, f.OP_CANCEL, 0, 0.0)
    row = write(m, f.OP_CLOSE, 0, -1.0)
    m[row + f.X_SIDE], m[row + f.X_SIZE] = side, 1.0
    if side == 0.0:
        return
    state = m[int(m[f.G_STATE_AT]) : int(m[f.G_STATE_AT]) + t.N_STATE]
    row = write(m, f.OP_PLACE, 0, 0.0)
    m[row + f.X_KIND], m[row + f.X_SIDE], m[row + f.X_UNIT], m[row + f.X_SIZE] = (
        f.MARKET,
        side,
        f.BY_RULES,
        1.0,
    )
    if state[t.WEIGHT_TARGETS] > 0.0:
        m[row + f.X_SIZE] = abs(target)
    elif state[t.SIZE_MODE] == t.SIZE_VOLATILITY:
        # Without a year that was given: the one of the bar (`orders.ask.tell_year`).
        year = state[t.SIZE_YEAR] if state[t.SIZE_YEAR] > 0.0 else state[t.PERIODS_PER_YEAR]
        volatility_fraction(state, seen, bar, year)
        m[row + f.X_SIZE] = state[t.SIZED_FRACTION]
    if state[t.STOP_LOSS] > 0.0:
        m[row + f.X_STOP_LOSS] = state[t.STOP_LOSS]
    if state[t.TAKE_PROFIT] > 0.0:
        m[row + f.X_TAKE_PROFIT] = state[t.TAKE_PROFIT]
    m[row + f.X_EXIT_UNIT] = f.DISTANCE if state[t.STOP_ABSOLUTE] > 0.0 else f.FRACTION
    if np.isnan(m[f.G_ENTRY_LIMIT]):
        return
    close, tick = seen[f.B_LAST_CLOSE, bar], m[int(m[f.S_ASSETS_AT]) + f.A_TICK]
    m[row + f.X_KIND], m[row + f.X_LIMIT] = f.LIMIT, money.entry_level(close, side, m[f.G_ENTRY_LIMIT], tick)
    if not np.isnan(m[f.G_ENTRY_BARS]):
        m[row + f.X_VALID] = bar + m[f.G_ENTRY_BARS]
