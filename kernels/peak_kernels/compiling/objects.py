"""Entries whose machine code a later process loads without importing numba.

Importing numba and relinking its own cache takes several times as long as a backtest of a million bars.  So
the few functions that single runs and sweeps call (`entries`) are stored as plain object code, one file each:
a line of JSON that says what the code is valid for, then the object file as LLVM wrote it.  A process that
finds such a file puts it into memory (`linking`) and calls it through ctypes, which releases the GIL.  A wheel brings
such files along (`levels`); others lie in the user's cache, where the process that compiled them has put them.

A file of the cache counts only if every fact in its first line is as it is here (version of Python, numba and llvmlite,
processor and its features, numba's environment variables, size of the headers of Python objects), the checksum of
the rest is right, and nobody but this user can have written it; its folder stands for the sources (`cache`).  Files
are written beside their place and moved there, so a reader sees a whole file or none.  Whatever is unexpected leads
to the ordinary way: numba compiles the same function, in memory if nothing can be written.  Both ways end in one
address that is called in the same manner, and the object file is what numba made, so results are the same bits.

The arrays of a call travel as one Python tuple.  The machine code reads the address and the shape of each
from the array's own header, whose layout is part of NumPy's binary interface; this costs less than numba's own
conversion of arguments.  The caller's tuple keeps the arrays alive.  `known_layout` looks at one array before
the first call; should a NumPy have another layout, the same words are laid out in a buffer instead.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from peak_kernels.compiling.cache import cache_dir, version_of
from peak_kernels.compiling.layout import ARRAY_HEADER, TUPLE_HEADER
from peak_kernels.compiling.levels import package_facts, package_file, processor, settings, why_not
from peak_kernels.compiling.linking import link
from peak_kernels.folders import read_ours

Body = Callable[[str], Callable[..., None]]

_LOCK = threading.Lock()
_KEPT: list[Any] = []  # what owns the machine code that was compiled here
PACKAGED, STORED, COMPILED_HERE = "package", "object file", "compiled"
"""Ways to the machine code of an entry."""

# Numba's functions write a returned object and an exception here; these return none and raise none.
_UNUSED = (ctypes.c_int64 * 2)()
_RETURNED, _RAISED = ctypes.addressof(_UNUSED), ctypes.addressof(_UNUSED) + 8


def facts() -> dict[str, Any]:
    """What machine code of the user's cache depends on besides the sources."""
    about = processor()
    names = "model name", "cpu family", "model", "stepping"
    return {
        "python": sys.version,
        "numba": version_of("numba"),
        "llvmlite": version_of("llvmlite"),
        "processor": " ".join(about.get(name, "") for name in names) if about else platform.processor(),
        "features": about.get("flags") or _features(),
        "settings": settings(),
        "headers": [ARRAY_HEADER],
    }


def _features() -> str:
    """Features of the processor where the system does not name them."""
    import llvmlite.binding as llvm

    flat: str = llvm.get_host_cpu_features().flatten()
    return f"{llvm.get_host_cpu_name()} {flat}"


def load(name: str) -> tuple[int, str] | None:
    """Address of an entry, and the way to it; None where there is no file, or none that is valid here.

    The code that the package brings along comes first, then the user's cache.  The package's files lie beside the
    sources, so who could change the one could change the other; those of the cache must be this user's.
    """
    file = package_file(name)
    if file is not None:
        address = _address(name, file.read_bytes, package_facts)
        if address is not None:
            return address, PACKAGED
        _log_refused(name)
    folder = cache_dir()
    if folder is None:
        return None
    address = _address(name, lambda: read_ours(folder / f"{name}.object"), facts)
    return None if address is None else (address, STORED)


def _log_refused(name: str) -> None:
    """A line for whoever looks why the first run takes seconds; `peak-fast doctor` says the same."""
    import logging

    reason = why_not(name) or "its file is damaged, or this system does not let it be executed"
    logging.getLogger("peak_kernels").debug("%s: the package's machine code is not used: %s", name, reason)


def _address(name: str, read: Callable[[], bytes], valid: Callable[[], dict[str, Any]]) -> int | None:
    """Address of an entry from a file's content; None unless it is whole and counts here."""
    try:
        first, code = read().split(b"\n", 1)
        header = json.loads(first)
        if header["facts"] != valid() or header["checksum"] != hashlib.sha256(code).hexdigest():
            return None
        return link(name, header["symbol"], code)
    except Exception:
        # A file of any content, a library without the linker: numba compiles, which is slower and always right.
        return None


def written(symbol: str, code: bytes, valid: dict[str, Any]) -> bytes:
    """Content of the file of an entry."""
    header = {"symbol": symbol, "checksum": hashlib.sha256(code).hexdigest(), "facts": valid}
    return json.dumps(header).encode() + b"\n" + code


def store(name: str, symbol: str, code: bytes) -> None:
    """Write the file of an entry, or nothing where the folder does not let us."""
    folder = cache_dir()
    if folder is None:
        return
    import tempfile

    try:
        handle, temporary = tempfile.mkstemp(prefix=f"{name}-", suffix=".part", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(written(symbol, code, facts()))
        os.replace(temporary, folder / f"{name}.object")  # noqa: PTH105
    except OSError:
        return


def compile_and_store(name: str, numbers: int, body: Body) -> int:
    """Address of an entry after numba has compiled it; the file is for the processes to come."""
    from peak_kernels.compiling.starting import start_numba

    start_numba()
    from peak_kernels.compiling.options import compile_native

    symbol, code, address, owner = compile_native(body(name), numbers)
    _KEPT.append(owner)
    store(name, symbol, code)
    return address


def known_layout() -> bool:
    """Whether tuples and arrays lie in memory as the machine code reads them."""
    array = np.empty((2, 3))
    pair = (array, array)
    words = ctypes.c_int64.from_address
    item, start = words(id(pair) + TUPLE_HEADER + 8).value, id(array) + ARRAY_HEADER
    shape = words(start + 16).value
    return (
        item == id(array)
        and words(start).value == array.ctypes.data
        and ctypes.c_int32.from_address(start + 8).value == array.ndim
        and (words(shape).value, words(shape + 8).value) == array.shape
    )


def laid_out(arrays: tuple[Any, ...]) -> list[Any]:
    """What the machine code reads of a tuple of arrays; the first buffer is the items, the rest what they name."""
    first = ARRAY_HEADER // 8
    table = (ctypes.c_int64 * len(arrays))()
    kept: list[Any] = [table]
    for place, array in enumerate(arrays):
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        fields = (ctypes.c_int64 * (first + 3))()
        fields[first:] = [array.ctypes.data, array.ndim, ctypes.addressof(shape)]
        table[place] = ctypes.addressof(fields)
        kept += [shape, fields]
    return kept


class Entry:
    """A kernel, called as ``entry.call(arrays, *numbers)``: a tuple of C-contiguous arrays, then whole numbers.

    Nothing is checked: a wrong number of arrays, or an array of another type, is read as if it were right.

    Parameters
    ----------
    name
        Of the kernel, and of its file.
    numbers
        How many whole numbers follow the tuple.
    body
        Gives the Python function of a name, which reads its arrays out of the tuple.  Called only where the machine
        code has to be compiled, because what it imports imports numba.
    calls
        Whether it calls functions of users, whose errors are raised again.

    Attributes
    ----------
    call
        Loads or compiles the machine code the first time.
    way
        ``"package"``, ``"object file"`` (of the cache) or ``"compiled"`` after the first call, before it None.
    """

    def __init__(self, name: str, numbers: int, body: Body, *, calls: bool = False) -> None:
        self.name = name
        self.numbers = numbers
        self.body = body
        self.calls = calls
        self._address = 0
        self.way: str | None = None
        self.call: Callable[..., None] = self._call_first

    def _call_first(self, arrays: tuple[Any, ...], *numbers: int) -> None:
        self.prepare()
        self.call(arrays, *numbers)

    def prepare(self) -> None:
        """Load or compile the machine code, once for all threads."""
        with _LOCK:
            if self.way is None:
                found = load(self.name)
                if found is None:
                    found = compile_and_store(self.name, self.numbers, self.body), COMPILED_HERE
                self._address, self.way = found
                function = self._function(self._address)
                self.call = self._raising(function) if self.calls else self._checked(function)

    def address(self) -> int:
        """Where the machine code is, for kernels that call this one."""
        self.prepare()
        return self._address

    def is_stored(self) -> bool:
        """Whether the entry can be called here without numba: it is loaded so, or its file is valid."""
        return self.way in (PACKAGED, STORED) or load(self.name) is not None

    def _checked(self, function: Any) -> Callable[..., None]:
        """The function as Python calls it; a closure, because its look-ups cost less than a method's."""

        def call(arrays: tuple[Any, ...], *numbers: int) -> None:
            # The items of the tuple lie behind its header; the caller's reference keeps them alive.
            if function(_RETURNED, _RAISED, id(arrays) + TUPLE_HEADER, *numbers) != 0:
                raise SystemError(f"kernel {self.name} failed; expected parameters that callers have checked")

        def described(arrays: tuple[Any, ...], *numbers: int) -> None:
            kept = laid_out(arrays)
            if function(_RETURNED, _RAISED, ctypes.addressof(kept[0]), *numbers) != 0:
                raise SystemError(f"kernel {self.name} failed; expected parameters that callers have checked")

        return call if known_layout() else described

    def _raising(self, function: Any) -> Callable[..., None]:
        """The function with a place of its own for what a user's function raises."""
        is_known = known_layout()

        def call(arrays: tuple[Any, ...], *numbers: int) -> None:
            raised = ctypes.c_int64()
            kept = None if is_known else laid_out(arrays)
            items = id(arrays) + TUPLE_HEADER if kept is None else ctypes.addressof(kept[0])
            status = function(_RETURNED, ctypes.addressof(raised), items, *numbers)
            if status != 0:
                from peak_kernels.compiling.run_time import raise_again

                raise_again(np.int32(status), raised.value)

        return call

    def _function(self, address: int) -> Any:
        words = [ctypes.c_int64] * (1 + self.numbers)
        return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *words)(address)
