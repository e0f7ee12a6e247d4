"""Functions of users compiled together with a loop of this package: copies, bounds checks, compilation.

A guest is a function of the user's; what is compiled around it is a Python function of this package that calls it by
the name ``_block``.  Each guest gets a copy of that function with itself in that place.
"""

from __future__ import annotations

import types as python_types
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
from numba.core.dispatcher import Dispatcher

from peak_kernels.compiling.cache import is_own
from peak_kernels.compiling.objects import COMPILED_HERE
from peak_kernels.compiling.parts import UsersPartCompiler, WholeCompiler
from peak_kernels.compiling.visitors import Guest, store_guest

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""What guests and the loops around them are compiled with."""

# Stands for the guest in what is compiled around it.
_block: Any = None


def note_target(bar: Any, seen: Any, params: Any, memory: Any, account: Any) -> Any:
    """Call a block that returns a target, after noting the bar behind its own memory."""
    own = memory.shape[0] - 1
    memory[own] = bar
    return _block(bar, seen, params, memory[:own], account)


def note_orders(bar: Any, seen: Any, params: Any, memory: Any, account: Any, orders: Any) -> None:
    """Call a block that places orders, after noting the bar behind its own memory."""
    own = memory.shape[0] - 1
    memory[own] = bar
    _block(bar, seen, params, memory[:own], account, orders)


NOTED = 1
"""Cells that a checked block's memory needs besides its own: the bar at which it was asked last."""


def checked_copy(function: Callable[..., Any], outer: Callable[..., Any], signature: Any = None) -> Any:
    """A copy of ``outer`` that calls the function, both compiled with bounds checks, as all functions of users are."""
    options = {**OPTIONS, "boundscheck": True}

    def checked(value: Any) -> Any:
        if isinstance(value, Dispatcher) and not is_own(value.py_func.__code__.co_filename):
            return numba.njit(**options)(copied(value.py_func, checked))
        return value

    names = {"__name__": __name__, "_block": numba.njit(**options)(copied(function, checked))}
    asked = python_types.FunctionType(outer.__code__, names, outer.__name__)
    return numba.njit(signature, **options)(asked)


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


def _guest(compiled: Any, store: Callable[[str, bytes], None] | None = None) -> Guest:
    """Compiled code as kernels call it; ``store`` gets its symbol and object file where it may be kept."""
    (result,) = compiled.overloads.values()
    symbol, library = result.fndesc.llvm_func_name, result.library
    if store is not None and not library.has_dynamic_globals:
        store(symbol, library._get_compiled_object())
    return Guest(library.get_pointer_to_function(symbol), COMPILED_HERE, compiled)


def compile_checked(function: Callable[..., Any], outer: Callable[..., Any], signature: Any) -> Guest:
    """Machine code of a copy of ``outer`` that calls the function, both with bounds checks; never cached."""
    return _guest(checked_copy(function, outer, signature))


def around(
    kind: str,
    outer: Callable[..., Any],
    function: Callable[..., Any],
    signature: Any,
    helpers: dict[str, Any],
    checked: bool,
) -> Guest:
    """Machine code of a copy of ``outer`` that calls the user's function as ``_block``, and ``helpers`` by their names.

    It is kept under the kind of loop that it is (`visitors.load_guest`).  ``checked``: with bounds checks, never
    kept; the guest's memory needs `NOTED` further cells.
    """
    block = checked_copy(function, note_target) if checked else _inside(function)
    names = {"__name__": outer.__module__, "_block": block, **helpers}
    asked: Any = python_types.FunctionType(outer.__code__, names, outer.__name__)
    if checked:
        return _guest(numba.njit(signature, **OPTIONS)(asked))
    return _guest(_alone(asked, signature), partial(store_guest, kind, function))


def _inside(function: Callable[..., Any]) -> Any:
    """A user's function that only a loop of ours calls."""
    return numba.njit(
        no_cfunc_wrapper=True, no_cpython_wrapper=True, pipeline_class=UsersPartCompiler, **OPTIONS
    )(function)


def compile_guest(kind: str, function: Callable[..., Any], signature: Any) -> Guest:
    """Machine code of a guest alone; see `around`."""
    return _guest(_alone(function, signature), partial(store_guest, kind, function))


def _alone(function: Callable[..., Any], signature: Any) -> Any:
    """A function that only kernels call, by its address."""
    return numba.njit(
        signature, no_cfunc_wrapper=True, no_cpython_wrapper=True, pipeline_class=WholeCompiler, **OPTIONS
    )(function)
