"""What a function keeps between two calls, and how each call of a check starts without it.

A model that is fitted at the first call and kept in a global variable makes a check blind: every later call, on fewer
bars too, would use what was learned of all of them.  So what a function can keep is looked at before and after the
first call, and put back before each: global variables that it names, the variables that it closes over, its own
attributes and those of an object that is called, mutable defaults, caches of `functools`.  What is kept in a file or in
another module is not seen.
"""

from __future__ import annotations

import copy
import dis
import inspect
import random
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

_CONTAINERS = (dict, list, set, deque)
_PLAIN = (str, bytes, int, float, complex, bool, type(None), tuple, frozenset, ModuleType, FunctionType, type)
_MISSING = object()
_SEED = 20_120_615
_MOST_PARTS = 10_000


class _Place(NamedTuple):
    """Where something can be kept."""

    label: str
    get: Callable[[], Any]
    put: Callable[[Any], None]


class Memory:
    """What a function can keep, as it was when this was made."""

    def __init__(self, function: Any) -> None:
        self._own: str | None = None
        self._places: list[_Place] = []
        self._caches: list[Any] = []
        self._collect(function, set())
        self._kept = [(place.get(), _copied(place.get(), self._own)) for place in self._places]

    def changed(self) -> tuple[str, ...]:
        """Names of what is not as it was, with a word on it."""
        found = []
        for place, (value, kept) in zip(self._places, self._kept, strict=True):
            now = place.get()
            if now is not value:
                found.append(f"{place.label} (was {_kind(value)}, then {_kind(now)})")
            elif not _same(now, kept):
                found.append(f"{place.label} ({_kind(now)})")
        found += [f"the cache of {cache.__name__}" for cache in self._caches if cache.cache_info().currsize]
        return tuple(found)

    def restore(self) -> None:
        """Put everything back."""
        for place, (value, kept) in zip(self._places, self._kept, strict=True):
            if place.get() is not value:
                place.put(value)
            if not _same(value, kept):
                _refill(value, kept)
        for cache in self._caches:
            cache.cache_clear()

    def fitted(self) -> tuple[str, ...]:
        """Names of models that were there before the first call."""
        return tuple(place.label for place in self._places if hasattr(place.get(), "predict"))

    def frames(self) -> list[tuple[str, Any, Callable[[Any], None]]]:
        """Frames and series that the function reads from outside: name, value, and how to put another there."""
        found = [(place, place.get()) for place in self._places if place.label.startswith("the ")]
        kinds = ("DataFrame", "Series")
        return [
            (place.label.split("'")[1], value, place.put)
            for place, value in found
            if type(value).__name__ in kinds and "'" in place.label
        ]

    def _collect(self, function: Any, seen: set[int]) -> None:
        if id(function) in seen:
            return
        seen.add(id(function))
        function = unwrapped(function) if isinstance(function, partial) else function
        if hasattr(function, "cache_clear") and hasattr(function, "cache_info"):
            self._caches.append(function)
        function = unwrapped(function)
        owner = getattr(function, "__self__", None)
        plain = getattr(function, "__func__", function)
        if not isinstance(plain, FunctionType):
            owner, plain = function, called_by(function)
        if owner is not None and hasattr(owner, "__dict__") and not isinstance(owner, type | ModuleType):
            self._own = self._own or type(owner).__module__
            self._add(f"the object {type(owner).__name__}", partial(_itself, owner), _itself)
        if isinstance(plain, FunctionType):
            self._own = self._own or plain.__module__
            self._of_function(plain, seen)

    def _of_function(self, function: FunctionType, seen: set[int]) -> None:
        name = function.__name__
        for cell, free in zip(function.__closure__ or (), function.__code__.co_freevars, strict=True):
            self._follow(f"the variable {free!r} around {name}", *_of_cell(cell), seen)
        self._add(f"attributes of {name}", partial(_itself, function.__dict__), _itself)
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        for value in defaults:
            if isinstance(value, _CONTAINERS):
                self._add(f"a default of {name}", partial(_itself, value), _itself)
        scope, stored = function.__globals__, _stored(function.__code__)
        for word in sorted(_names(function.__code__)):
            if word in scope or word in stored:
                self._follow(f"the global {word!r}", *_of_scope(scope, word), seen)

    def _follow(self, label: str, get: Callable[[], Any], put: Callable[[Any], None], seen: set[int]) -> None:
        """Keep a variable; of a function what it can keep in turn."""
        value = get()
        helper = isinstance(value, FunctionType) and value.__module__ == self._own
        if helper or hasattr(value, "cache_clear"):
            self._collect(value, seen)
        elif label not in {place.label for place in self._places}:
            self._add(label, get, put)

    def _add(self, label: str, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self._places.append(_Place(label, get, put))


def _itself(value: Any) -> Any:
    return value


def unwrapped(item: Any) -> Any:
    """The function inside a partial or a decorated one."""
    while isinstance(item, partial):
        item = item.func
    return inspect.unwrap(item) if hasattr(item, "__wrapped__") else item


def called_by(item: Any) -> Any:
    """Function that runs when an object is called."""
    return next((vars(kind)["__call__"] for kind in type(item).__mro__ if "__call__" in vars(kind)), None)


def _of_cell(cell: CellType) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    def get() -> Any:
        try:
            return cell.cell_contents
        except ValueError:  # nothing is in it yet
            return _MISSING

    def put(value: Any) -> None:
        if value is _MISSING:
            del cell.cell_contents
        else:
            cell.cell_contents = value

    return get, put


def _of_scope(scope: dict[str, Any], word: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    def put(value: Any) -> None:
        if value is _MISSING:
            scope.pop(word, None)
        else:
            scope[word] = value

    return lambda: scope.get(word, _MISSING), put


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from _codes(item)


def _names(code: CodeType) -> set[str]:
    """Names that code, and what is defined in it, may look up or set as global variables."""
    return {name for part in _codes(code) for name in part.co_names}


def _stored(code: CodeType) -> set[str]:
    """Global variables that code sets."""
    return {
        str(step.argval)
        for part in _codes(code)
        for step in dis.get_instructions(part)
        if step.opname == "STORE_GLOBAL"
    }


def _kind(value: Any) -> str:
    return "not there" if value is _MISSING else "None" if value is None else f"a {type(value).__name__}"


def _has_state(value: Any, own: str | None) -> bool:
    """Whether an object is one that learns, or of a class beside the strategy."""
    if value is _MISSING or isinstance(value, _PLAIN) or not hasattr(value, "__dict__"):
        return False
    return hasattr(value, "fit") or type(value).__module__ == own


def _copied(value: Any, own: str | None) -> Any:
    """What it takes to see and undo changes in place; None: nothing is looked at."""
    try:
        if isinstance(value, _CONTAINERS):
            return copy.deepcopy(value) if _weight(value) < _MOST_PARTS else None
        if isinstance(value, np.ndarray) and value.nbytes < 10_000_000:
            return value.copy()
        if _has_state(value, own):
            return copy.deepcopy(vars(value))
    except Exception:  # what cannot be copied is only compared by identity
        return None
    return None


def _weight(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return sum(len(item) if hasattr(item, "__len__") else 1 for item in inner)


def _same(now: Any, kept: Any) -> bool:
    """Whether a value is as it was copied, by its parts."""
    if kept is None:
        return True
    if isinstance(now, np.ndarray):
        return bool(now.shape == kept.shape and now.tobytes() == kept.tobytes())
    return bool(_shape(now if isinstance(now, _CONTAINERS) else vars(now)) == _shape(kept))


def _shape(value: Any) -> Any:
    """Parts of a value in a form that can be compared: plain ones as they are, others by kind and size."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, dict):
        return {str(name): _shape(item) for name, item in value.items()}
    if isinstance(value, list | deque | tuple):
        return [_shape(item) for item in value]
    if value is None or isinstance(value, str | bytes | int | float | bool):
        return repr(value)
    size = len(value) if hasattr(value, "__len__") else 0
    inner = vars(value) if hasattr(value, "fit") and hasattr(value, "__dict__") else {}
    return type(value).__name__, size, {name: _shape(item) for name, item in inner.items()}


def _refill(value: Any, kept: Any) -> None:
    """Give a value back the parts that it had."""
    if isinstance(value, np.ndarray):
        value[...] = kept
        return
    fresh = copy.deepcopy(kept)
    target = value if isinstance(value, _CONTAINERS) else vars(value)
    target.clear()
    target.extend(fresh) if isinstance(target, list | deque) else target.update(fresh)


class Dice:
    """The global random generators of Python and NumPy: where they stand, and back there at the end."""

    def __init__(self) -> None:
        self._python, self._numpy = random.getstate(), np.random.get_state()  # noqa: NPY002

    def seed(self) -> None:
        """Let both start at one number."""
        random.seed(_SEED)
        np.random.seed(_SEED)  # noqa: NPY002

    def restore(self) -> None:
        """Let both go on as if nothing had been drawn."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
