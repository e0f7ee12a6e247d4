"""What machine code of users' functions needs of numba: its run time, and errors as Python's."""

from __future__ import annotations

import contextlib
from typing import Any

import numba

from peak_kernels.compiling.addresses import raise_status
from peak_kernels.compiling.linking import NEVER_CALLED, NotPlain, function_of_c


def run_time_symbol(name: str) -> int:
    """Address of a function of the C library, or of numba's run time, which this starts.

    Raises
    ------
    NotPlain
        Neither has one of that name.
    """
    from llvmlite import binding
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys

    if name != NEVER_CALLED:  # here there may be something to release
        with contextlib.suppress(NotPlain):
            return function_of_c(name)
    rtsys.initialize(cpu_target.target_context)
    address: int | None = binding.address_of_symbol(name)
    if not address:
        raise NotPlain(f"found no {name}")
    return address


@numba.njit(nogil=True, error_model="numpy")
def raise_again(code: Any, raised: Any) -> None:
    """Raise what a guest has raised, from what it left behind when a kernel called it."""
    raise_status(code, raised)
