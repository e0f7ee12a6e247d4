"""Runs of compiled blocks: user functions of machine code that are asked at every close.

A block is compiled into a loop over bars of its own (`_ask`), which comes back at the first bar on which the
block changes its mind.  That loop travels as a first-class function of one fixed type, so the simulation around
it compiles once, a new block costs only its own compilation, and a bar costs no call through a pointer.
Decisions and fills go through the same `simulate` as everything else.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import types as python_types
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
from peak_kernels._cache import cache_dir, source_stamp
from peak_kernels._jit import cache_in_package, is_own
from peak_kernels.reduce import conclude
from peak_kernels.simulate import simulate

nb: Any = numba.types

# What a function may take from outside itself that is the same thing under the same name.
_NAMED = (python_types.ModuleType, python_types.BuiltinFunctionType, np.ufunc, type)
_TABLE, _ROW, _RECORDS = nb.float64[:, ::1], nb.float64[::1], nb.float64[:, :, ::1]
# What a block sees of the bars: it cannot write there, and so cannot change what a later configuration sees.
_SEEN = nb.Array(nb.float64, 2, "C", readonly=True)
BLOCK_SIGNATURE = nb.float64(nb.int64, _SEEN, _ROW, _ROW, _ROW)
ASK_SIGNATURE = nb.int64(nb.int64, nb.int64, _SEEN, _ROW, _ROW, _ROW)
_RUN_SIGNATURE = nb.void(
    nb.FunctionType(ASK_SIGNATURE), _TABLE, _TABLE, nb.int64[:, ::1], _TABLE, _TABLE,
    nb.UniTuple(_ROW, 3), _RECORDS, _TABLE, _TABLE,
)  # fmt: skip


# Stand for the user's function and what `_aim` calls: each block gets a copy of `_ask` or `_aim` with its own, and a
# checked one of what notes the bar.
_block: Any = None
_OWN_CELLS: Any = None
_see_account: Any = None
_aim_at: Any = None


def _ask(first: Any, stop: Any, seen: Any, params: Any, memory: Any, view: Any) -> Any:
    """First bar in ``[first, stop)`` on which the block wants something else than ``view[LAST_WISH]``; else ``stop``.

    The new wish is left in ``view[WISH]``.  The account must be the same at all these closes; the block is not
    asked on bars without prices.
    """
    cash, units, entry_price = view[t.VIEW_CASH], view[t.VIEW_UNITS], view[t.VIEW_ENTRY_PRICE]
    entry_bar, last = view[t.VIEW_ENTRY_BAR], view[t.VIEW_LAST_WISH]
    account = view[: t.VIEW_SEEN]
    for i in range(first, stop):
        if seen[3, i] != seen[3, i]:
            continue
        # All of it again at each bar: the block may have written there.
        account[t.VIEW_CASH] = cash
        account[t.VIEW_UNITS] = units
        account[t.VIEW_EQUITY] = cash + units * seen[4, i] if units != 0.0 else cash
        account[t.VIEW_ENTRY_PRICE] = entry_price
        account[t.VIEW_BARS_HELD] = i - entry_bar if units != 0.0 else 0.0
        wish = float(_block(i, seen, params, memory, account))
        if wish != last and wish == wish:
            view[t.VIEW_WISH] = wish
            return i
    return stop


def _run_block(
    ask: Any,
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
    """Configurations of a block, one after the other.

    ``rooms = (state, memory, view)``, ``seen`` is the table the block reads; ``params`` and ``out`` have one row
    a configuration, ``settings`` too, or one row for all.
    """
    state, memory, view = simd.borrow(rooms[0]), simd.borrow(rooms[1]), simd.borrow(rooms[2])
    prices, seen, calendar = simd.borrow(prices), simd.borrow(seen), simd.borrow(calendar)
    settings, params, records = simd.borrow(settings), simd.borrow(params), simd.borrow(records)
    curve, out = simd.borrow(curve), simd.borrow(out)
    nothing: Any = (np.empty(0, np.int64), np.empty(0), np.int64(0))
    shared = settings.shape[0] == 1
    for c in range(out.shape[0]):
        memory[:] = 0.0
        block = (ask, seen, params[c], memory, view)
        simulate(prices, calendar, nothing, settings[0 if shared else c], state, records, curve, block)
        conclude(state, curve, prices.shape[1], out[c])


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


def _note_target(bar: Any, seen: Any, params: Any, memory: Any, account: Any) -> Any:
    """Call a block that returns a target, after noting the bar behind its own memory."""
    own = memory.shape[0] - 1
    memory[own] = bar
    return _block(bar, seen, params, memory[:own], account)


def _note_orders(bar: Any, seen: Any, params: Any, memory: Any, account: Any, orders: Any) -> None:
    """Call a block that places orders, after noting the bar behind its own memory."""
    own = memory.shape[0] - 1
    memory[own] = bar
    _block(bar, seen, params, memory[:own], account, orders)


NOTED = 1
"""Cells that a checked block's memory needs besides its own: the bar at which it was asked last."""


def _checked(function: Callable[..., Any], outer: Callable[..., Any], signature: Any = None) -> Any:
    """A copy of ``outer`` that calls the function, both compiled with bounds checks, as all functions of users are."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": True}

    def checked(value: Any) -> Any:
        if isinstance(value, Dispatcher) and not is_own(value.py_func.__code__.co_filename):
            return numba.njit(**options)(copied(value.py_func, checked))
        return value

    names = {"__name__": __name__, "_block": numba.njit(**options)(copied(function, checked))}
    around = python_types.FunctionType(outer.__code__, names, outer.__name__)
    return numba.njit(signature, **options)(around)


def copied(function: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    """The same Python function, with each function it takes from outside itself replaced by ``change`` of it."""
    names = {
        name: change(value) if name in function.__code__.co_names else value
        for name, value in function.__globals__.items()
    }
    cells = function.__closure__
    if cells is not None:
        cells = tuple(python_types.CellType(change(cell.cell_contents)) for cell in cells)
    twin = python_types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, cells
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def diagnose(function: Callable[..., Any], *, orders: bool) -> Any:
    """Type that a user's function returns for the arguments of a block, as text.

    Raises
    ------
    Exception
        What numba says about the function alone, without what this package puts around it.
    """
    alone: Any = numba.njit(nogil=True, error_model="numpy")(function)
    given = (nb.int64, _TABLE, _ROW, _ROW, _ROW)
    alone.compile((*given, _ROW) if orders else given)
    (result,) = alone.overloads.values()
    return str(result.signature.return_type)


def compile_block(function: Callable[..., float], *, checked: bool = False) -> Any:
    """Machine code of a user's block in a loop over bars, cached with the kernels where that is possible.

    ``checked``: with bounds checks, never cached; its memory needs `NOTED` further cells.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    return _around(_ask, function, ASK_SIGNATURE, {}, checked)


def _around(
    outer: Callable[..., Any],
    function: Callable[..., Any],
    signature: Any,
    helpers: dict[str, Any],
    checked: bool,
) -> Any:
    """Machine code of a copy of ``outer`` that calls the user's function as ``_block``, and these helpers."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    block = _checked(function, _note_target) if checked else numba.njit(**options)(function)
    names = {"__name__": __name__, "t": t, "_block": block, **helpers}
    asked: Any = python_types.FunctionType(outer.__code__, names, outer.__name__)
    if checked:
        return numba.njit(signature, **options)(asked)
    stamp = _stamp(function)
    if stamp is not None and cache_dir() is not None:
        # Symbols of cached machine code are numbered by the process that made it: only the name tells them apart.
        asked.__name__ = asked.__qualname__ = f"{outer.__name__}_{stamp[1]}"
        cache_in_package(asked, *stamp)
        options["cache"] = True
    return numba.njit(signature, **options)(asked)


def _aim(bar: Any, seen: Any, params: Any, memory: Any, view: Any, orders: Any) -> None:
    """Ask a block for its target in a run of orders; a new one becomes instructions (`orders_targets`)."""
    own = memory.shape[0] - _OWN_CELLS
    account = memory[own : own + t.VIEW_SEEN]
    _see_account(orders, seen, view, account, bar)
    wish = float(_block(bar, seen, params, memory[:own], account))
    if wish != memory[own + t.VIEW_SEEN] and wish == wish:
        memory[own + t.VIEW_SEEN] = wish
        _aim_at(orders, seen, wish, bar)


def compile_target_block(function: Callable[..., float], *, checked: bool = False) -> Any:
    """Machine code of a block that returns targets, as a block that places orders; see `compile_block`.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    from peak_kernels.orders_ask import ASKED
    from peak_kernels.orders_targets import OWN_CELLS, aim_at, see_account

    helpers = {"_OWN_CELLS": OWN_CELLS, "_see_account": see_account, "_aim_at": aim_at}
    return _around(_aim, function, ASKED, helpers, checked)


def compile_order_block(function: Callable[..., None], *, checked: bool = False) -> Any:
    """Machine code of a user's block that places orders; see `compile_block`.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    from peak_kernels.orders_ask import ASKED

    if checked:
        return _checked(function, _note_orders, ASKED)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    stamp = _stamp(function)
    if stamp is not None and cache_dir() is not None:
        cache_in_package(function, *stamp)
        options["cache"] = True
    return numba.njit(ASKED, **options)(function)


def _stamp(function: Callable[..., Any]) -> tuple[str, str] | None:
    """Where a user's function is, and a hash of what its machine code depends on; None where that cannot be told.

    It holds inlined parts of this package, and numba compiles global and enclosing variables into it as constants.
    """
    parts: list[str] = [source_stamp(), numba.__version__]
    todo: list[Any] = [function]
    done: set[Any] = set()
    while todo:
        item = todo.pop()
        code = getattr(item, "__code__", None)
        if code is None or not Path(code.co_filename).is_file():
            return None
        done.add(item)
        content = hashlib.blake2b(Path(code.co_filename).read_bytes(), digest_size=16).hexdigest()
        parts.append(f"{code.co_filename} {code.co_firstlineno} {content}")
        closed = inspect.getclosurevars(item)
        for name, value in sorted({**closed.globals, **closed.nonlocals}.items()):
            if isinstance(value, Dispatcher):
                if value.py_func not in done and not is_own(value.py_func.__code__.co_filename):
                    todo.append(value.py_func)
            elif isinstance(value, bool | int | float | str | tuple):
                parts.append(f"{name} = {value!r}")
            elif not isinstance(value, _NAMED):
                return None
    code = function.__code__
    place = f"{code.co_filename}:{function.__qualname__}:{code.co_firstlineno}"
    hashes = (hashlib.blake2b(text.encode(), digest_size=16) for text in (place, "\n".join(parts)))
    where, what = (digest.hexdigest() for digest in hashes)
    return where, what
