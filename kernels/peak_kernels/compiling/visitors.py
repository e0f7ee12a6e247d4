"""Machine code of users' functions as kernels call it, kept in the user's cache and loaded without numba.

Importing this imports no numba: a process that finds what an earlier one has compiled does not need it (`guests` makes
it).  A file is found by where the function stands, and counts only for what the machine code depends on: the text of
its file and of those that it calls, the values that are compiled into it as constants, and what `objects.facts` says.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import sys
import types as python_types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from peak_kernels.compiling.cache import cache_dir, is_own, source_stamp, version_of
from peak_kernels.compiling.lazily import Later
from peak_kernels.compiling.linking import NotPlain, kept, placed
from peak_kernels.compiling.objects import COMPILED_HERE, STORED, facts, written
from peak_kernels.compiling.starting import start_numba
from peak_kernels.folders import read_ours

# What a function may take from outside itself that is the same thing under the same name.
_NAMED = (python_types.ModuleType, python_types.BuiltinFunctionType, np.ufunc, type)


class Guest:
    """Machine code of a user's function, or of a loop around it, as kernels call it: by its address.

    Attributes
    ----------
    address
        Of the machine code, which stays as long as this object.
    way
        ``"object file"`` or ``"compiled"``.
    """

    def __init__(self, address: int, way: str, owner: Any) -> None:
        self.address = address
        self.way = way
        self._owner = owner


def stamp_of(function: Callable[..., Any]) -> tuple[str, str] | None:
    """Where a user's function is, and a hash of what its machine code depends on; None where that cannot be told.

    It holds inlined parts of this package, and numba compiles global and enclosing variables into it as constants.
    """
    # Where numba is not imported, nothing can be a function that it has compiled.
    dispatchers = getattr(sys.modules.get("numba.core.dispatcher"), "Dispatcher", ())
    parts: list[str] = [source_stamp(), version_of("numba")]
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
            if isinstance(value, dispatchers):
                if value.py_func not in done and not is_own(value.py_func.__code__.co_filename):
                    todo.append(value.py_func)
            elif isinstance(value, bool | int | float | str | tuple):
                parts.append(f"{name} = {value!r}")
            elif not isinstance(value, (*_NAMED, Later)):
                return None
    code = function.__code__
    place = f"{code.co_filename}:{function.__qualname__}:{code.co_firstlineno}"
    hashes = (hashlib.blake2b(text.encode(), digest_size=16) for text in (place, "\n".join(parts)))
    where, what = (digest.hexdigest() for digest in hashes)
    return where, what


def _file(kind: str, where: str) -> Path | None:
    folder = cache_dir()
    return None if folder is None else folder / f"{kind}-{where}.guest"


def load_guest(kind: str, function: Callable[..., Any]) -> Guest | None:
    """What an earlier process has compiled of a function; None where there is nothing that counts."""
    stamp = stamp_of(function)
    file = None if stamp is None else _file(kind, stamp[0])
    if stamp is None or file is None:
        return None
    try:
        first, code = read_ours(file).split(b"\n", 1)
        header = json.loads(first)
        if header["facts"] != {**facts(), "function": stamp[1]}:
            return None
        if header["checksum"] != hashlib.sha256(code).hexdigest():
            return None
        return _linked(header["symbol"], code, STORED)
    except Exception:
        # A file of any content: the function is compiled again, which is slower and always right.
        return None


def _linked(symbol: str, code: bytes, way: str) -> Guest:
    """A guest in memory; one that asks for memory or raises with values needs numba's run time, and so numba."""
    try:
        memory, address = placed(code, symbol)
    except NotPlain:
        from peak_kernels.compiling.run_time import run_time_symbol

        memory, address = placed(code, symbol, run_time_symbol)
    return Guest(address, way, kept(memory))


def store_guest(kind: str, function: Callable[..., Any], symbol: str, code: bytes) -> None:
    """Keep what has been compiled of a function, or nothing where that cannot be."""
    stamp = stamp_of(function)
    file = None if stamp is None else _file(kind, stamp[0])
    if stamp is None or file is None:
        return
    with contextlib.suppress(OSError, NotPlain):
        _linked(symbol, code, COMPILED_HERE)  # what cannot be loaded is not kept
        _write(file, written(symbol, code, {**facts(), "function": stamp[1]}))


def _write(file: Path, content: bytes) -> None:
    import tempfile

    handle, temporary = tempfile.mkstemp(prefix=f"{file.stem}-", suffix=".part", dir=file.parent)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
    os.replace(temporary, file)  # noqa: PTH105


def known_of(function: Callable[..., Any], kind: str, find: Callable[[], Any]) -> Any:
    """What ``find`` says of a function, in terms of JSON, kept with the machine code: finding it imports numba."""
    stamp = stamp_of(function)
    file = None if stamp is None else _file(kind, stamp[0])
    if stamp is None or file is None:
        start_numba()
        return find()
    try:
        said = json.loads(read_ours(file))
        if said["function"] == stamp[1]:
            return said["found"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none, or it is damaged
    start_numba()
    found = find()
    with contextlib.suppress(OSError):
        _write(file, json.dumps({"function": stamp[1], "found": found}).encode())
    return found
