"""How the fast path calls a block: the type of the loop that is compiled around it, and the call by its address.

Reads nothing by itself; writes nothing but what the block does.
"""

from __future__ import annotations

from typing import Any

import numba

from peak_kernels.compiling import by_address

nb: Any = numba.types

ROW = nb.float64[::1]
# What a block sees of the bars: it cannot write there, and so cannot change what a later configuration sees.
SEEN = nb.Array(nb.float64, 2, "C", readonly=True)
ASK_SIGNATURE = nb.int64(nb.int64, nb.int64, SEEN, ROW, ROW, ROW)
"""Type of `block._ask`: ``ask(first, stop, seen, params, memory, view)``."""
call_ask = by_address(ASK_SIGNATURE)
