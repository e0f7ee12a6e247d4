"""Runs of compiled blocks: user functions of machine code that are asked at every close.

The function travels as a first-class function of one fixed type, so the loop compiles once and a new block
costs only its own compilation.  Decisions and fills go through the same `simulate` as everything else.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaExperimentalFeatureWarning

from peak_kernels import simd
from peak_kernels import types as t
from peak_kernels._jit import cache_dir, cache_in_package, is_own
from peak_kernels.reduce import finish, fold_blocks, fold_curve
from peak_kernels.simulate import simulate

nb: Any = numba.types

BLOCK_SIGNATURE = nb.float64(nb.int64, nb.float64[:, ::1], nb.float64[::1], nb.float64[::1], nb.float64[::1])
_TABLE, _ROW, _RECORDS = nb.float64[:, ::1], nb.float64[::1], nb.float64[:, :, ::1]
_RUN_SIGNATURE = nb.void(
    nb.FunctionType(BLOCK_SIGNATURE), _TABLE, _TABLE, nb.int64[:, ::1], _ROW, _ROW,
    nb.UniTuple(_ROW, 3), _RECORDS, _TABLE, _ROW,
)  # fmt: skip


def _run_block(
    function: Any,
    prices: Any,
    seen: Any,
    calendar: Any,
    settings: Any,
    params: Any,
    rooms: Any,
    records: Any,
    curve: Any,
    out: Any,
) -> None:
    """One configuration of a block; ``rooms = (state, memory, view)``, ``seen`` is the table the block reads."""
    state, memory, view = simd.borrow(rooms[0]), simd.borrow(rooms[1]), simd.borrow(rooms[2])
    memory[:] = 0.0
    prices, seen, calendar = simd.borrow(prices), simd.borrow(seen), simd.borrow(calendar)
    settings, params, records = simd.borrow(settings), simd.borrow(params), simd.borrow(records)
    curve, out = simd.borrow(curve), simd.borrow(out)
    nothing: Any = (np.empty(0, np.int64), np.empty(0), np.int64(0))
    simulate(
        prices, calendar, nothing, settings, state, records, curve, (function, seen, params, memory, view)
    )
    finish(state, prices.shape[1], out)
    if curve.shape[1] > 0 and out.shape[0] > t.N_FOLDED:
        equity, initial = curve[t.CURVE_EQUITY], settings[t.INITIAL_CASH]
        fold_curve(equity, initial, out)
        blocks = (out.shape[0] - t.N_METRICS) // 2
        if blocks > 0:
            fold_blocks(equity, initial, out[t.N_METRICS : t.N_METRICS + blocks], out[t.N_METRICS + blocks :])


@functools.cache
def block_runner() -> Callable[..., None]:
    """The compiled loop; an explicit signature, because only then a function argument keeps its general type."""
    with warnings.catch_warnings():
        # First-class functions are marked experimental; `tests/test_block.py` watches them.
        warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
        compiled: Callable[..., None] = numba.njit(
            _RUN_SIGNATURE, nogil=True, error_model="numpy", cache=cache_dir() is not None
        )(_run_block)
    return compiled


def compile_block(function: Callable[..., float]) -> Any:
    """Machine code of a user's block, cached next to its source where that is possible.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    if _calls_other_files(function):
        # Numba would go on using the old machine code after an edit there.
        return numba.njit(BLOCK_SIGNATURE, **options)(function)
    try:
        return numba.njit(BLOCK_SIGNATURE, cache=True, **options)(function)
    except RuntimeError:
        # No file to cache next to: defined at a prompt or by exec.
        return numba.njit(BLOCK_SIGNATURE, **options)(function)


def compile_order_block(function: Callable[..., None]) -> Any:
    """Machine code of a user's block that places orders.

    Such a block holds inlined parts of this package, so it is cached in the package's own folder, which a new
    version of the sources leaves behind, and only where the source of the block is a file.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    from peak_kernels.orders_ask import ASKED

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    source = Path(function.__code__.co_filename)
    if cache_dir() is not None and source.is_file() and not _calls_other_files(function, own=True):
        cache_in_package(function)
        options["cache"] = True
    return numba.njit(ASKED, **options)(function)


def _calls_other_files(function: Callable[..., Any], own: bool = False) -> bool:
    """Whether a function uses compiled functions that were written in another file; ``own``: this package's may be."""
    code = getattr(function, "__code__", None)
    if code is None:
        return True
    closed = inspect.getclosurevars(function)
    used = [*closed.globals.values(), *closed.nonlocals.values()]
    files = {item.py_func.__code__.co_filename for item in used if isinstance(item, Dispatcher)}
    return any(file != code.co_filename and not (own and is_own(file)) for file in files)
