"""How the fast path calls a block: the type of the loop that is compiled around it, and the call by its address.

Reads the account; writes the view of a block.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import by_address, jit

nb: Any = numba.types

ROW = nb.float64[::1]
# What a block sees of the bars: it cannot write there, and so cannot change what a later configuration sees.
SEEN = nb.Array(nb.float64, 2, "C", readonly=True)
ASK_SIGNATURE = nb.int64(nb.int64, nb.int64, SEEN, ROW, ROW, ROW)
"""Type of `block._ask`: ``ask(first, stop, seen, params, memory, view)``."""
call_ask = by_address(ASK_SIGNATURE)


@jit
def is_no_target(state: FloatArray, wish: float) -> bool:
    """Whether a block's answer is neither a side nor, where it gives weights, a finite number."""
    if state[t.WEIGHT_TARGETS] > 0.0:
        return math.isinf(wish)
    return wish != np.sign(wish)


@jit(inline=True)
def ask(
    state: FloatArray, block: tuple[Any, ...], bounds: tuple[int, int], last_wish: float
) -> tuple[int, float]:
    """Ask a block at the closes of bars ``[first, stop)``: where it wants something new, and what.

    The account is the same at all of them.  Without a new wish the bar is ``stop``.
    """
    view = block[4]
    units = state[t.UNITS]
    view[t.VIEW_CASH] = state[t.CASH]
    view[t.VIEW_UNITS] = units
    view[t.VIEW_ENTRY_PRICE] = state[t.AVERAGE_COST] if units != 0.0 else 0.0
    view[t.VIEW_ENTRY_BAR] = state[t.ENTRY_BAR]
    view[t.VIEW_LAST_WISH] = last_wish
    place = call_ask(block[0], bounds[0], bounds[1], block[1], block[2], block[3], view)
    wish = view[t.VIEW_WISH]
    if place < bounds[1] and view[t.VIEW_WRONG_BAR] == 0.0 and is_no_target(state, wish):
        view[t.VIEW_WRONG], view[t.VIEW_WRONG_BAR] = wish, place + 1.0
    return place, wish
