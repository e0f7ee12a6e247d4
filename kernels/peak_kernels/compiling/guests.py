"""Functions of users compiled together with a loop of this package: copies, bounds checks, a place in the cache.

A guest is a function of the user's; what is compiled around it is a Python function of this package that calls it by
the name ``_block``.  Each guest gets a copy of that function with itself in that place.
"""

from __future__ import annotations

import hashlib
import inspect
import types as python_types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher

from peak_kernels.compiling.cache import cache_dir, source_stamp
from peak_kernels.compiling.options import cache_in_package, is_own

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""What guests and the loops around them are compiled with."""

# What a function may take from outside itself that is the same thing under the same name.
_NAMED = (python_types.ModuleType, python_types.BuiltinFunctionType, np.ufunc, type)

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


def around(
    outer: Callable[..., Any],
    function: Callable[..., Any],
    signature: Any,
    helpers: dict[str, Any],
    checked: bool,
) -> Any:
    """Machine code of a copy of ``outer`` that calls the user's function as ``_block``, and ``helpers`` by their names.

    ``checked``: with bounds checks, never cached; the guest's memory needs `NOTED` further cells.
    """
    options = dict(OPTIONS)
    block = checked_copy(function, note_target) if checked else numba.njit(**options)(function)
    names = {"__name__": outer.__module__, "_block": block, **helpers}
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


def compile_guest(function: Callable[..., Any], signature: Any) -> Any:
    """Machine code of a guest alone, cached with the kernels where that is possible."""
    options = dict(OPTIONS)
    stamp = _stamp(function)
    if stamp is not None and cache_dir() is not None:
        cache_in_package(function, *stamp)
        options["cache"] = True
    return numba.njit(signature, **options)(function)


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
