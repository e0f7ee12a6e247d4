"""What tells a function from another one: its source, and the values that it holds."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from peak_fast.strategies import source_hash

_DEEP = 4
_MOST_SOURCES = 1_000
_SOURCES: dict[Any, str] = {}
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def function_identity(function: Callable[..., Any], depth: int = 0) -> Any:
    """Source of a function with its defaults, the variables it encloses and the plain globals and helpers it names.

    A `functools.partial` is its function with the values bound to it, an object that can be called its class with
    its attributes.  What has no plain value (a fitted model) is told by its type alone, so the same strategy is the
    same in another process.
    """
    if depth > _DEEP:
        return getattr(function, "__qualname__", type(function).__name__)
    if isinstance(function, functools.partial):
        bound = _held(function.args, depth), _held(function.keywords, depth)
        return ("partial", function_identity(function.func, depth + 1), bound)
    owner, code = getattr(function, "__self__", None), getattr(function, "__code__", None)
    if code is None:
        call: Any = vars(type(function)).get("__call__")
        if not hasattr(call, "__code__"):
            return source_hash(function)
        return (
            "object",
            source_hash(call),
            _held(vars(function) if hasattr(function, "__dict__") else {}, depth),
        )
    held = getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)
    parts = [_source_of(function), _held(held, depth), _held(_enclosed(function), depth)]
    return tuple(parts) if owner is None or isinstance(owner, type) else (*parts, _held(vars(owner), depth))


def _source_of(function: Any) -> str:
    """Hash of a function's source, looked up once for each code."""
    code = function.__code__
    if code not in _SOURCES:
        if len(_SOURCES) >= _MOST_SOURCES:
            _SOURCES.clear()
        _SOURCES[code] = source_hash(function)
    return _SOURCES[code]


def _enclosed(function: Any) -> dict[str, Any]:
    """Variables of functions around it, and globals that it names: plain values, and functions of its own module."""
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    around = getattr(function, "__globals__", {})
    for name in function.__code__.co_names:
        value = around.get(name)
        own = callable(value) and getattr(value, "__module__", None) == getattr(function, "__module__", "")
        if name in around and (isinstance(value, _PLAIN) or (own and hasattr(value, "__code__"))):
            found[name] = value
    return found


def _held(value: Any, depth: int) -> Any:
    """A value as text that is the same in every process."""
    if isinstance(value, _PLAIN):
        return value
    if depth > _DEEP:
        return type(value).__name__
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), repr(_held(part, depth + 1))) for name, part in value.items()))
    if isinstance(value, list | tuple):
        return tuple(_held(part, depth + 1) for part in value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSUmM":
        raw = np.ascontiguousarray(value).tobytes()
        return str(value.dtype), value.shape, hashlib.blake2b(raw, digest_size=8).hexdigest()
    if hasattr(value, "__code__") or isinstance(value, functools.partial):
        return function_identity(value, depth + 1)
    return type(value).__name__
