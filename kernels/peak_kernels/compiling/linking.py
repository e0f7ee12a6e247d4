"""From an object file to the address of a function in it.

Entries are plain: code, constants, and absolute addresses of both and of a few functions of the C library.  On Linux on
x86-64 they are put into memory here, because importing LLVM for it takes longer than everything else that a process
does before its first result.  Elsewhere, and for a file that holds anything further, LLVM links.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import struct
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

_KEPT: list[Any] = []  # what owns the machine code

# Functions of the C library that the code of kernels calls.  A file that names another one is not linked here.
_OF_C = frozenset(
    ("memset", "memcpy", "memmove", "memcmp", "pow", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan",
     "floor", "ceil", "trunc", "rint", "fmod", "malloc", "free")
)  # fmt: skip
NEVER_CALLED = "NRT_MemInfo_call_dtor"
"""Numba may leave its function that releases an array's owner in the file, where nothing calls it: arrays of entries
have no owner.  It names a function of numba's run time, so some address must stand for that."""

# Of a function that makes Python objects, to raise them for instance.
_ENVIRONMENT = "_ZN08NumbaEnv"
VARIABLE = "PEAK_FAST_LINKER"
"""``llvm``: LLVM links, as it does on other systems."""

IS_PLAIN = sys.platform == "linux" and platform.machine() == "x86_64"
"""Whether object files are put into memory here; with LLVM, where this is false."""


def kept(memory: Any) -> Any:
    """Hold on to what machine code lies in, for as long as the process runs."""
    _KEPT.append(memory)
    return memory


def link(name: str, symbol: str, code: bytes) -> int:
    """Address of a function of an object file, for as long as the process runs.

    Raises
    ------
    Exception
        The file is no such file, or names something that is not known here.
    """
    if IS_PLAIN and os.environ.get(VARIABLE) != "llvm":
        try:
            memory, address = placed(code, symbol)
        except NotPlain:
            return _linked(name, symbol, code)
        kept(memory)
        return address
    return _linked(name, symbol, code)


def _never_called() -> int:
    return ctypes.cast(ctypes.pythonapi.Py_FatalError, ctypes.c_void_p).value or 0


@functools.cache
def _linker() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler(suppress_errors=True)


def _linked(name: str, symbol: str, code: bytes) -> int:
    """With LLVM; a symbol that cannot be resolved is an error, not a crash."""
    import llvmlite.binding as llvm

    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    library.import_symbol(NEVER_CALLED, _never_called()).export_symbol(symbol)
    linked = library.link(_linker(), f"{name} {len(_KEPT)}")
    kept(linked)
    address: int = linked[symbol]
    return address


class NotPlain(ValueError):
    """An object file that holds more than code, constants and absolute addresses."""


# Numbers of the ELF format (System V ABI, AMD64 supplement).
_SYMTAB, _RELA, _NOBITS, _UNWINDING = 2, 4, 8, 0x70000001
_ALLOCATED, _EXECUTABLE, _THREAD = 2, 4, 0x400
_UNDEFINED, _COMMON = 0, 0xFFF2
_ABSOLUTE_ADDRESS = 1
_PAGE = mmap.PAGESIZE


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class _Symbol(NamedTuple):
    name: int
    info: int
    other: int
    section: int
    value: int
    size: int


def _rows(code: bytes, section: _Section, form: str) -> list[tuple[Any, ...]]:
    return list(struct.iter_unpack(form, code[section.offset : section.offset + section.size]))


def _sections(code: bytes) -> list[_Section]:
    if code[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", code, 16) != (1, 62):
        raise NotPlain("expected an object file for x86-64")
    (start,) = struct.unpack_from("<Q", code, 40)
    size, count = struct.unpack_from("<HH", code, 58)
    if size != 64 or start + size * count > len(code):
        raise NotPlain("expected a whole table of sections")
    return [_Section(*struct.unpack_from("<IIQQQQIIQQ", code, start + k * size)) for k in range(count)]


def _layout(sections: list[_Section]) -> tuple[dict[int, int], int, int]:
    """Where each section goes, how many bytes code takes, in whole pages, and how many all take."""
    places: dict[int, int] = {}
    end = code_end = 0
    for executable in (True, False):
        for number, section in enumerate(sections):
            # Nothing is unwound: kernels tell of errors by what they return.
            needed = section.flags & _ALLOCATED and section.kind != _UNWINDING
            if needed and bool(section.flags & _EXECUTABLE) == executable:
                if section.flags & _THREAD or section.alignment > _PAGE:
                    raise NotPlain("expected code and constants only")
                step = max(section.alignment, 1)
                places[number] = end = -(-end // step) * step
                end += section.size
        if executable:
            code_end = end = -(-end // _PAGE) * _PAGE
    return places, code_end, end


def function_of_c(name: str) -> int:
    """Address of a function of the C library that this process uses.

    Raises
    ------
    NotPlain
        It is none of those that kernels call.
    """
    if name == NEVER_CALLED:
        return _never_called()
    if name not in _OF_C:
        raise NotPlain(f"names {name}, which is no known function of the C library")
    address: int | None = ctypes.cast(getattr(_c_library(), name), ctypes.c_void_p).value
    if not address:
        raise NotPlain(f"found no {name}")
    return address


@functools.cache
def _c_library() -> Any:
    """The one that this process uses, with its functions of mathematics."""
    process = ctypes.CDLL(None)
    return process if hasattr(process, "pow") else ctypes.CDLL("libm.so.6")


class _Image:
    """An object file that is about to be put into memory: sections, symbols, and where each of them goes."""

    def __init__(self, code: bytes, find: Callable[[str], int]) -> None:
        self.code, self._find = code, find
        self.sections = _sections(code)
        self.places, self.code_end, self.end = _layout(self.sections)
        (table,) = (section for section in self.sections if section.kind == _SYMTAB)
        self._texts = self.sections[table.link]
        self.symbols = [_Symbol(*row) for row in _rows(code, table, "<IBBHQQ")]
        self._offsets = [self._offset(symbol) for symbol in self.symbols]

    def _offset(self, symbol: _Symbol) -> int | None:
        if symbol.section == _COMMON:
            # Zeros that the file only announces; the value is their alignment.
            start = -(-self.end // max(symbol.value, 1)) * max(symbol.value, 1)
            self.end = start + symbol.size
            return start
        place = self.places.get(symbol.section)
        return None if place is None else place + symbol.value

    def name(self, symbol: _Symbol) -> str:
        """Text of a symbol."""
        start = self._texts.offset + symbol.name
        return self.code[start : self.code.index(b"\0", start)].decode()

    def address(self, number: int, base: int) -> int:
        """Where a symbol is once the image lies at ``base``."""
        offset, symbol = self._offsets[number], self.symbols[number]
        if symbol.section == _COMMON and self.name(symbol).startswith(_ENVIRONMENT):
            raise NotPlain("needs Python objects of the process that compiled it")
        if offset is not None:
            return base + offset
        if symbol.section != _UNDEFINED:
            raise NotPlain("expected addresses of code and constants only")
        return self._find(self.name(symbol))

    def number_of(self, name: str) -> int:
        """Number of the symbol of a name."""
        for number, symbol in enumerate(self.symbols):
            if symbol.name and symbol.section != _UNDEFINED and self.name(symbol) == name:
                return number
        raise NotPlain(f"expected the function {name}")

    def write(self, memory: mmap.mmap, base: int) -> None:
        """Copy code and constants, and put in the addresses."""
        for number, place in self.places.items():
            section = self.sections[number]
            if section.kind != _NOBITS:
                memory[place : place + section.size] = self.code[
                    section.offset : section.offset + section.size
                ]
        for section in self.sections:
            if section.kind == _RELA and section.info in self.places:
                self._relocate(memory, base, section)

    def _relocate(self, memory: mmap.mmap, base: int, section: _Section) -> None:
        start, size = self.places[section.info], self.sections[section.info].size
        for offset, what, addend in _rows(self.code, section, "<QQq"):
            if what & 0xFFFFFFFF != _ABSOLUTE_ADDRESS or offset + 8 > size:
                raise NotPlain("expected absolute addresses only")
            value = self.address(what >> 32, base) + addend
            struct.pack_into("<Q", memory, start + offset, value & (1 << 64) - 1)


def placed(code: bytes, symbol: str, find: Callable[[str], int] = function_of_c) -> tuple[mmap.mmap, int]:
    """Memory that holds the code of an object file, ready to be executed, and the address of one of its functions.

    ``find`` gives the address of a function that the file names without holding it.

    Raises
    ------
    NotPlain
        The file holds what is not understood here.
    OSError
        The system does not allow it.
    """
    image = _Image(code, find)
    memory = mmap.mmap(-1, max(image.end, _PAGE))
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    image.write(memory, base)
    start = image.address(image.number_of(symbol), base)
    _make_executable(base, image.code_end)
    return memory, start


def _make_executable(base: int, size: int) -> None:
    """Code can be executed and no longer written.

    Raises
    ------
    OSError
        The system forbids it.
    """
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    if size and protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        raise OSError(ctypes.get_errno(), "the system does not let this process execute what it has written")
