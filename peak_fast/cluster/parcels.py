"""What travels to a worker: an object as bytes, the data in it apart, each under the hash of its content.

Arrays leave as they lie in memory, and one that several parts share, such as a frame's column and the bars made of it,
leaves once.  They arrive in one piece of memory that nobody can write to.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import json
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle
import numpy as np

from peak_fast.data import Bars, is_panel
from peak_fast.errors import StrategyError
from peak_fast.strategies import NAMES, RuleStrategy, resolve

_ALIGNED = 64
CHUNK = 8 << 20
"""Bytes that are sent at a time."""


@dataclass(frozen=True)
class Parcel:
    """An object on its way.

    Attributes
    ----------
    key
        Hash of the content.
    parts
        Its bytes, one after the other; padding between them is among them.
    size
        How many in all.
    """

    key: str
    parts: tuple[Any, ...]
    size: int

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """Place and content of pieces of at most `CHUNK` bytes."""
        place = 0
        for part in self.parts:
            view = memoryview(part)
            for first in range(0, len(view), CHUNK):
                chunk = bytes(view[first : first + CHUNK])
                yield place, chunk
                place += len(chunk)


@dataclass
class Packed:
    """An object with everything that it needs.

    Attributes
    ----------
    key
        Of the object's own parcel.
    parcels
        All of them, by key, what others need first.
    """

    key: str
    parcels: dict[str, Parcel] = field(default_factory=dict)


def pack(item: Any) -> Packed:
    """Parcels of an object: bars and panels in it get their own.

    Raises
    ------
    StrategyError
        Something in it cannot be sent.
    """
    parcels: dict[str, Parcel] = {}
    ours = [module for module in list(sys.modules.values()) if _is_users(module)]
    known = cloudpickle.list_registry_pickle_by_value()
    fresh = [module for module in ours if module.__name__ not in known]
    for module in fresh:
        cloudpickle.register_pickle_by_value(module)
    try:
        key = _parcel(item, parcels)
    except (TypeError, pickle.PicklingError, AttributeError, ValueError) as error:
        raise StrategyError(
            f"this cannot be sent to other processes: {error}; a function takes with it what it uses from outside, so "
            "let it use numbers, arrays and functions, and open files or connections inside it"
        ) from error
    finally:
        for module in fresh:
            cloudpickle.unregister_pickle_by_value(module)
    return Packed(key, parcels)


def _is_users(module: Any) -> bool:
    """Whether a module is a file of the user's, which workers do not have: what is defined there goes by value."""
    if not isinstance(module, ModuleType):
        return False
    name, file = getattr(module, "__name__", ""), getattr(module, "__file__", None)
    if not file or name.split(".")[0] in ("peak_fast", "peak_kernels", "__main__", "__mp_main__"):
        return False
    return sys.modules.get(name) is module and not file.startswith(_installed())


@functools.cache
def _installed() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({sysconfig.get_path(name) for name in names} | {sys.base_prefix, sys.prefix})


def _parcel(item: Any, parcels: dict[str, Parcel]) -> str:
    """Make the parcel of an object, after those of what it needs; its key."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = _Pickler(file, item, parcels, buffers.append)
    pickler.dump(item)
    layout, pieces = _laid_out(buffers)
    payload = file.getvalue()
    head = json.dumps({"payload": len(payload), "buffers": layout, "sources": pickler.sources}).encode()
    parts: list[Any] = [len(head).to_bytes(8, "little"), head, payload]
    parts.append(bytes(-sum(map(len, parts)) % _ALIGNED))
    for piece in pieces:
        parts += [piece, bytes(-len(piece) % _ALIGNED)]
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    key = found.hexdigest()
    parcels[key] = Parcel(key, tuple(parts), sum(len(part) for part in parts))
    return key


def _laid_out(buffers: list[pickle.PickleBuffer]) -> tuple[list[tuple[int, int, bool]], list[memoryview]]:
    """Place, size and whether it is read only of each buffer, and the memory to send: none of it twice."""
    raws = [buffer.raw() for buffer in buffers]
    spans = [(np.frombuffer(raw, np.uint8).ctypes.data if len(raw) else 0, len(raw)) for raw in raws]
    pieces: list[memoryview] = []
    starts: list[tuple[int, int, int]] = []  # address, size, place
    layout: list[tuple[int, int, bool]] = [(0, 0, False)] * len(raws)
    place = 0
    # Larger ones first: a column may lie within the block of a frame.
    for number in sorted(range(len(raws)), key=lambda number: -spans[number][1]):
        address, size = spans[number]
        inside = next((s for s in starts if s[0] <= address and address + size <= s[0] + s[1]), None)
        if inside is not None and size:
            layout[number] = (inside[2] + address - inside[0], size, raws[number].readonly)
            continue
        pieces.append(raws[number])
        starts.append((address, size, place))
        layout[number] = (place, size, raws[number].readonly)
        place += size + -size % _ALIGNED
    return layout, pieces


def unpacked(content: Any, found: Callable[[str], Any]) -> Any:
    """The object of a parcel's bytes; ``found`` gives the objects of other parcels.

    Arrays that nobody could write to are views of the bytes and as little to be written to as these; others are copies.
    """
    view = memoryview(content).toreadonly()
    start = 8 + int.from_bytes(view[:8], "little")
    head = json.loads(bytes(view[8:start]))
    stop = start + head["payload"]
    first = stop + -stop % _ALIGNED
    _show_sources(head["sources"])
    pieces = [(view[first + place : first + place + size], fixed) for place, size, fixed in head["buffers"]]
    buffers = [piece if fixed else np.array(piece) for piece, fixed in pieces]
    return _Unpickler(io.BytesIO(view[start:stop]), found, buffers).load()


def _show_sources(sources: Mapping[str, str]) -> None:
    """Let errors name lines of files that are not here."""
    import linecache

    for name, text in sources.items():
        if not Path(name).exists():
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles an object; bars and panels below it become parcels of their own, built-in strategies their names."""

    def __init__(self, file: Any, item: Any, parcels: dict[str, Parcel], keep: Callable[[Any], Any]) -> None:
        super().__init__(file, protocol=5, buffer_callback=keep)
        self._item, self._parcels = item, parcels
        self.sources: dict[str, str] = {}

    def persistent_id(self, obj: Any) -> str | None:
        """Key of an object that has a parcel of its own."""
        if obj is not self._item and (isinstance(obj, Bars) or is_panel(obj)):
            return _parcel(obj, self._parcels)
        return None

    def reducer_override(self, obj: Any) -> Any:
        """How objects travel that could not travel as they are, or not so well."""
        if isinstance(obj, RuleStrategy) and obj.name in NAMES and resolve(obj.name) is obj:
            return resolve, (obj.name,)
        if is_dataclass(obj) and not isinstance(obj, type) and hasattr(obj, "compiled"):
            # Machine code stays here.
            parts = {item.name: getattr(obj, item.name) for item in fields(obj) if item.name != "compiled"}
            return _made, (type(obj), parts)
        if type(obj).__module__.startswith("polars.") and type(obj).__name__ in ("DataFrame", "Series"):
            return _reduced(obj)
        if isinstance(obj, FunctionType):
            self._note_source(obj)
        return super().reducer_override(obj)

    def _note_source(self, function: FunctionType) -> None:
        """Keep the text of the file of a user's function."""
        name = function.__code__.co_filename
        if name in self.sources or name.startswith(_installed()):
            return
        if function.__module__.split(".")[0] in ("peak_fast", "peak_kernels"):
            return
        try:
            self.sources[name] = "".join(inspect.findsource(function)[0])
        except (OSError, TypeError):
            return


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, found: Callable[[str], Any], buffers: Any) -> None:
        super().__init__(file, buffers=buffers)
        self._found = found

    def persistent_load(self, pid: str) -> Any:
        """The object of another parcel."""
        return self._found(pid)


def _made(kind: type, parts: dict[str, Any]) -> Any:
    return kind(**parts)


def _reduced(item: Any) -> tuple[Any, ...]:
    """A Polars frame or column: numbers without gaps as the memory that they are, the rest as Arrow's file format."""
    import polars as pl

    if isinstance(item, pl.Series):
        return _column, _reduced(item.to_frame())
    arrays: dict[str, Any] = {}
    for column in item:
        physical = column.to_physical() if column.dtype.is_temporal() else column
        if physical.dtype.is_numeric() and len(column) and not column.null_count() and column.n_chunks() == 1:
            arrays[column.name] = physical.to_numpy(allow_copy=False)
    rest = pickle.PickleBuffer(_stream(item.drop(list(arrays))))
    return _frame, (bytes(_stream(item.clear())), arrays, rest)


def _stream(frame: Any) -> memoryview:
    file = io.BytesIO()
    frame.write_ipc(file)
    return file.getbuffer()


def _frame(schema: bytes, arrays: Mapping[str, Any], rest: Any) -> Any:
    import polars as pl

    others = pl.read_ipc(io.BytesIO(rest))
    kinds = pl.read_ipc(io.BytesIO(schema)).schema
    columns = (
        pl.Series(name, arrays[name]).cast(kinds[name]) if name in arrays else others[name] for name in kinds
    )
    return pl.DataFrame(list(columns))


def _column(made: Any, parts: tuple[Any, ...]) -> Any:
    return made(*parts).to_series()
