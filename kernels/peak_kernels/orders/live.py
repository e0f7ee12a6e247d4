"""What an order is at the moment; asked by kernels and by blocks.

Reads orders; writes nothing.
"""

from __future__ import annotations

from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import later


@later
def is_live(m: FloatArray, k: int) -> bool:
    """Submitted, working or waiting for its parent."""
    return f.SUBMITTED <= m[k + f.O_STATUS] <= f.WAITING


@later
def is_exit(m: FloatArray, k: int) -> bool:
    """Stop-loss or take-profit of a lot."""
    return m[k + f.O_ROLE] == f.STOP_LOSS or m[k + f.O_ROLE] == f.TAKE_PROFIT
