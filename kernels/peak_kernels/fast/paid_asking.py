"""Asking a block whose account gets and pays between fills: what it sees of the cash, and how far ahead that is known.

``financing`` is that of `dues`.

Reads the account and accruals; writes the view of a block, and pays funding at the close at which it is asked.
"""

from __future__ import annotations

from typing import Any

from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast.asking import ask
from peak_kernels.fast.dues import pay_funding
from peak_kernels.fast.financing import cash_at, course, drop_rounding


@jit(inline=True)
def known_until(state: FloatArray, financing: Any, at: int, k: int, stop: int) -> tuple[int, int]:
    """Up to which bar the account must be marked, from ``at``, before a block is asked at ``k``; up to where it may be.

    Where the first is not ``at``, nothing can be asked yet, and both are the same.
    """
    dues, row = financing[0], int(financing[4][p.NEXT])
    if row < dues.shape[0]:
        due: Any = int(dues[row, p.D_BAR])
        if due <= k:
            # Its bar is the first that is not marked: funding, which is paid at the close that the block sees.
            return due, due if due > at else k + 1
        stop = min(stop, due)
    if financing[2][t.GROWS] > 0.0 or financing[2][t.BORROWS] > 0.0:
        cash = state[t.CASH]
        if (cash_at(financing, course(state, financing, at), stop - 1) < 0.0) != (cash < 0.0):
            # Debt and cash grow at other rates: bar by bar.
            return k, k if k > at else k + 1
    return at, stop


@jit(inline=True)
def ask_paid(
    state: FloatArray, prices: FloatArray, block: tuple[Any, ...], bounds: tuple[int, int], last_wish: float,
    financing: Any, at: int,
) -> tuple[int, float]:  # fmt: skip
    """`asking.ask` with the cash of each close, interest included; the account is that of bar ``at``."""
    if at == bounds[0] and bounds[0] < bounds[1]:
        pay_funding(state, prices, financing, at)
    drop_rounding(state, financing)
    if financing[2][t.GROWS] == 0.0 and financing[2][t.BORROWS] == 0.0:
        return ask(state, block, bounds, last_wish)
    way, cash = course(state, financing, at), state[t.CASH]
    place, wish = bounds[0], last_wish
    while place < bounds[1]:
        state[t.CASH] = cash_at(financing, way, place) if place > at else cash
        found, wish = ask(state, block, (place, place + 1), last_wish)
        if found == place:
            break
        place += 1
    state[t.CASH] = cash
    return place, wish
