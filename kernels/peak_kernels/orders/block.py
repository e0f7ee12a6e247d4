"""Blocks in runs of orders: those that place orders, and those that return targets (`orders.ask.call_block`).

Reads the bars that a block may see; writes its memory, and what the block itself writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peak_kernels.compiling import Guest, around, compile_checked, compile_guest, note_orders
from peak_kernels.orders.ask import ASKED, TOLD

# Stands for the user's function, see `guests`.
_block: Any = None


def _told(bar: Any, seen: Any, params: Any, memory: Any, account: Any) -> Any:
    """Ask a block for its target: a number, whatever the block returns."""
    return float(_block(bar, seen, params, memory, account))


def compile_target_block(function: Callable[..., float], *, checked: bool = False) -> Guest:
    """Machine code of a block that returns targets, as runs of orders call it; see `block.compile_block`.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    return around("target", _told, function, TOLD, {}, checked)


def compile_order_block(function: Callable[..., None], *, checked: bool = False) -> Guest:
    """Machine code of a user's block that places orders; see `block.compile_block`.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    return (
        compile_checked(function, note_orders, ASKED) if checked else compile_guest("orders", function, ASKED)
    )
