"""Positions of the engine's weights: one lot that additions enlarge and reductions shrink, one trade from flat to flat.

On the fast path a weight trades the difference to the position, stops lie around the average cost of what is held,
and a trade ends when the position does.  So a run of weights has one lot for each position: what closes it
is one fill with one fee, its exits move when it grows, and its trade is written when nothing is left.

The sums of the trade under way are those of the engine's state (`peak_kernels.slots`), without the contract size.

Reads and writes the lot, the position and the trade's sums in the engine's state.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.orders.account import gain_of, rate_at, trade_row
from peak_kernels.orders.book import to_tick
from peak_kernels.orders.live import is_live


@part
def lot_held(m: FloatArray, row: int) -> int:
    """The open lot of an asset; -1 when flat."""
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        if m[int(m[j]) + f.L_ASSET] == row:
            return int(m[j])
    return -1


@part
def grow_lot(m: FloatArray, lot: int, signed: float, price: float) -> None:
    """Add ``signed`` units at ``price`` to a lot and its position, at their average price."""
    row = int(m[lot + f.L_ASSET])
    before = m[row + f.A_POSITION]
    after = before + signed
    m[row + f.A_POSITION] = after
    m[row + f.A_AVERAGE] = money.average_cost(m[row + f.A_AVERAGE], abs(before), price, abs(signed))
    m[row + f.A_PAID] = money.average_cost(m[row + f.A_PAID], before, price * rate_at(m, row, price), signed)
    m[lot + f.L_SIZE], m[lot + f.L_PRICE] = after, m[row + f.A_AVERAGE]
    m[row + f.A_COST] = money.value(after, m[row + f.A_AVERAGE])


@part
def count_in(m: FloatArray, size: float, price: float, paid: float) -> None:
    """Count a fill that built the position."""
    s = int(m[f.G_STATE_AT])
    m[s + t.ENTRY_VALUE] += money.value(size, price)
    m[s + t.ENTRY_UNITS] += size
    m[s + t.TRADE_FEES] += paid


@part
def count_out(m: FloatArray, k: int, lot: int, signed: float, price: float, bar: int, paid: float) -> float:
    """Count a fill that closes the part ``signed`` of a lot; its trade is written with the last one.

    Returns the gross result of the part.
    """
    s, row, side = int(m[f.G_STATE_AT]), int(m[lot + f.L_ASSET]), np.sign(signed)
    gain = gain_of(m, lot, signed, price, rate_at(m, row, price))
    m[s + t.EXIT_VALUE] += money.value(abs(signed), price)
    m[s + t.EXIT_UNITS] += abs(signed)
    m[s + t.TRADE_FEES] += paid
    held = m[lot + f.L_SIZE]
    n = int(m[f.S_TRADES_NEXT])
    # The rule by which a lot ends (`account.shrink_lot`).
    if abs(held - signed) > 1e-12 * abs(held) or n >= m[f.S_TRADES_END]:
        if n >= m[f.S_TRADES_END]:
            m[f.S_OVERFLOW] = 1.0
        return gain
    trade_row(m, k, lot, signed, price, bar, paid)
    multiplier, fees = m[row + f.A_MULTIPLIER], m[s + t.TRADE_FEES]
    m[n + f.T_SIZE], m[n + f.T_FEES] = side * m[s + t.ENTRY_UNITS], fees
    m[n + f.T_ENTRY] = m[s + t.ENTRY_VALUE] / m[s + t.ENTRY_UNITS]
    m[n + f.T_EXIT] = m[s + t.EXIT_VALUE] / m[s + t.EXIT_UNITS]
    m[n + f.T_FINANCING] = m[lot + f.L_FINANCING]
    gross = side * (m[s + t.EXIT_VALUE] - m[s + t.ENTRY_VALUE]) * multiplier
    m[n + f.T_PNL] = gross - fees + m[n + f.T_FINANCING]
    m[n + f.T_VALUE] = m[s + t.ENTRY_VALUE] * multiplier
    for slot in range(s + t.ENTRY_VALUE, s + t.TRADE_FEES + 1):
        m[slot] = 0.0
    return gain


@part
def move_exits(m: FloatArray, lot: int, stop: float, target: float) -> None:
    """Exits of a lot that has grown: its size, and their levels around its new average cost.

    A trailing stop has noted its own level, which does not depend on that price.
    """
    row, side = int(m[lot + f.L_ASSET]), np.sign(m[lot + f.L_SIZE])
    for column in (f.L_STOP_ORDER, f.L_TARGET_ORDER):
        k = int(m[lot + column])
        if k < 0 or not is_live(m, k):
            continue
        m[k + f.O_SIZE] = m[k + f.O_REMAINING] = abs(m[lot + f.L_SIZE])
        if column == f.L_TARGET_ORDER:
            m[k + f.O_LIMIT] = to_tick(m, row, target)
            continue
        level = stop
        if m[f.G_TRAIL] > 0.0 and not side * level >= side * m[k + f.O_OFFSET]:
            level = m[k + f.O_OFFSET]
        m[k + f.O_STOP] = to_tick(m, row, level)
