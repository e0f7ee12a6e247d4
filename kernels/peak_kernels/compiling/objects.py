"""Entries whose machine code a later process loads without importing numba.

Importing numba and relinking its own cache takes several times as long as a backtest of a million bars.  So
the few functions that single runs and sweeps call (`entries`) are stored as plain object code, one file each:
a line of JSON that says what the code is valid for, then the object file as LLVM wrote it.  A process that
finds such a file links it with LLVM alone and calls it through ctypes, which releases the GIL.

A file counts only if every fact in its first line is as it is here (version of Python, numba and llvmlite,
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
import functools
import hashlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from peak_kernels.compiling.cache import cache_dir, version_of
from peak_kernels.compiling.layout import ARRAY_HEADER, TUPLE_HEADER
from peak_kernels.folders import read_ours

Body = Callable[[str], Callable[..., None]]

_LOCK = threading.Lock()
_KEPT: list[Any] = []  # what owns the machine code
# Numba's functions write a returned object and an exception here; these return none and raise none.
_UNUSED = (ctypes.c_int64 * 2)()
_RETURNED, _RAISED = ctypes.addressof(_UNUSED), ctypes.addressof(_UNUSED) + 8


def facts() -> dict[str, Any]:
    """What machine code depends on besides the sources."""
    import llvmlite.binding as llvm

    ignored = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS")
    return {
        "python": sys.version,
        "numba": version_of("numba"),
        "llvmlite": version_of("llvmlite"),
        "processor": llvm.get_host_cpu_name(),
        "features": llvm.get_host_cpu_features().flatten(),
        "settings": {
            k: v for k, v in sorted(os.environ.items()) if k.startswith("NUMBA_") and k not in ignored
        },
        "headers": [TUPLE_HEADER, ARRAY_HEADER],
    }


@functools.cache
def _linker() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler(suppress_errors=True)


def _link(name: str, symbol: str, code: bytes) -> int:
    """Address of a function of an object file; a symbol that cannot be resolved is an error, not a crash.

    Numba may leave its function that releases an array's owner in the file, where nothing calls it: arrays of
    entries have no owner.  It names a function of numba's run time, so some address must stand for that.
    """
    import llvmlite.binding as llvm

    never_called = ctypes.cast(ctypes.pythonapi.Py_FatalError, ctypes.c_void_p).value
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    library.import_symbol("NRT_MemInfo_call_dtor", never_called).export_symbol(symbol)
    linked = library.link(_linker(), f"{name} {len(_KEPT)}")
    _KEPT.append(linked)
    address: int = linked[symbol]
    return address


def load(name: str) -> int | None:
    """Address of an entry from its file; None where there is no file, or none that is valid here."""
    folder = cache_dir()
    if folder is None:
        return None
    try:
        first, code = read_ours(folder / f"{name}.object").split(b"\n", 1)
        header = json.loads(first)
        if header["facts"] != facts() or header["checksum"] != hashlib.sha256(code).hexdigest():
            return None
        return _link(name, header["symbol"], code)
    except Exception:
        # A file of any content, a library without the linker: numba compiles, which is slower and always right.
        return None


def store(name: str, symbol: str, code: bytes) -> None:
    """Write the file of an entry, or nothing where the folder does not let us."""
    folder = cache_dir()
    if folder is None:
        return
    header = {"symbol": symbol, "checksum": hashlib.sha256(code).hexdigest(), "facts": facts()}
    try:
        handle, temporary = tempfile.mkstemp(prefix=f"{name}-", suffix=".part", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + code)
        os.replace(temporary, folder / f"{name}.object")  # noqa: PTH105
    except OSError:
        return


def compile_and_store(name: str, numbers: int, body: Body) -> int:
    """Address of an entry after numba has compiled it; the file is for the processes to come."""
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
    """What the machine code reads of a tuple of arrays; the first buffer is the tuple, the rest what it names."""
    before, first = TUPLE_HEADER // 8, ARRAY_HEADER // 8
    table = (ctypes.c_int64 * (before + len(arrays)))()
    kept: list[Any] = [table]
    for place, array in enumerate(arrays):
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        fields = (ctypes.c_int64 * (first + 3))()
        fields[first:] = [array.ctypes.data, array.ndim, ctypes.addressof(shape)]
        table[before + place] = ctypes.addressof(fields)
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

    Attributes
    ----------
    call
        Loads or compiles the machine code the first time.
    way
        ``"object file"`` or ``"compiled"`` after the first call, before it None.
    """

    def __init__(self, name: str, numbers: int, body: Body) -> None:
        self.name = name
        self.numbers = numbers
        self.body = body
        self.way: str | None = None
        self.call: Callable[..., None] = self._call_first

    def _call_first(self, arrays: tuple[Any, ...], *numbers: int) -> None:
        self.prepare()
        self.call(arrays, *numbers)

    def prepare(self) -> None:
        """Load or compile the machine code, once for all threads."""
        with _LOCK:
            if self.way is None:
                address = load(self.name)
                way = "object file" if address is not None else "compiled"
                function = self._function(address or compile_and_store(self.name, self.numbers, self.body))
                self.call = self._checked(function)
                self.way = way

    def is_stored(self) -> bool:
        """Whether the entry can be called here without numba: it is loaded so, or its file is valid."""
        return self.way == "object file" or load(self.name) is not None

    def _checked(self, function: Any) -> Callable[..., None]:
        """The function as Python calls it; a closure, because its look-ups cost less than a method's."""

        def call(arrays: tuple[Any, ...], *numbers: int) -> None:
            if function(_RETURNED, _RAISED, arrays, *numbers) != 0:
                raise SystemError(f"kernel {self.name} failed; expected parameters that callers have checked")

        return call

    def _function(self, address: int) -> Any:
        pointer, words = ctypes.c_void_p, [ctypes.c_int64] * self.numbers
        if known_layout():
            return ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, ctypes.py_object, *words)(address)
        function = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, pointer, *words)(address)

        def described(returned: int, raised: int, arrays: tuple[Any, ...], *numbers: int) -> Any:
            kept = laid_out(arrays)
            return function(returned, raised, ctypes.addressof(kept[0]), *numbers)

        return described
