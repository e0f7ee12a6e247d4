"""Blocks in runs of orders: those that place orders, and those that return targets, which become instructions.

Reads the memory of the run and the bars that a block may see; writes its view and memory, and its instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peak_kernels import slots as t
from peak_kernels.compiling import Guest, around, compile_checked, compile_guest, note_orders
from peak_kernels.orders.ask import ASKED
from peak_kernels.orders.targets import aim_at, see_account
from peak_kernels.slots import OWN_CELLS

# Stands for the user's function, see `guests`.
_block: Any = None


def _aim(bar: Any, seen: Any, params: Any, memory: Any, view: Any, orders: Any) -> None:
    """Ask a block for its target in a run of orders; a new one becomes instructions (`orders.targets`)."""
    own = memory.shape[0] - OWN_CELLS
    account = memory[own : own + t.VIEW_SEEN]
    see_account(orders, seen, view, account, bar)
    wish = float(_block(bar, seen, params, memory[:own], account))
    if wish != memory[own + t.VIEW_SEEN] and wish == wish:
        memory[own + t.VIEW_SEEN] = wish
        aim_at(orders, seen, wish, bar)


def compile_target_block(function: Callable[..., float], *, checked: bool = False) -> Guest:
    """Machine code of a block that returns targets, as a block that places orders; see `block.compile_block`.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    helpers = {"t": t, "OWN_CELLS": OWN_CELLS, "see_account": see_account, "aim_at": aim_at}
    return around("target", _aim, function, ASKED, helpers, checked)


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
