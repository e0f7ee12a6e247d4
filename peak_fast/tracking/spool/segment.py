"""The owner's side of a segment: append records, whatever happens to the disk.

Records are copied into a mapped window of the file (:mod:`~peak_fast.tracking.spool.window`), or written by
``os.writev`` where there is none: on other systems, when the disk is full, and for large records.  A short write
is undone at once, and the record waits in memory until there is room.
"""

from __future__ import annotations

import mmap
import os
import pickle
import shutil
import struct
import time
import zlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peak_fast.tracking.spool import codec, window
from peak_fast.tracking.spool.locks import try_lock
from peak_fast.tracking.spool.spool import (
    CLOSE,
    END_MARK,
    HEADER,
    MAGIC,
    PREFIX,
    UNSUMMED,
    SegmentPaths,
    fdatasync,
)
from peak_kernels.folders import make_private

# Records that cannot be written wait in memory up to this size; beyond it the newest are lost (and reported).
MAX_WAITING_BYTES = 64 << 20
# A segment of this size is replaced by a new one when no run is open.
ROTATE_BYTES = 32 << 20

_HAS_WRITEV = hasattr(os, "writev")
# The prefix without the magic, which is stored last.
_PACK = struct.Struct("<BBHIIQ").pack
_HEAD, _FRAME = PREFIX.size, PREFIX.size + len(END_MARK)
_MAGIC_SIZE, _MARK_SIZE = len(MAGIC), len(END_MARK)
_crc32, _dumps, _join = zlib.crc32, pickle.dumps, b"".join


def _create_locked(path: Path) -> int:
    """Descriptor of a new file that never existed unlocked under its name.

    A segment without a living owner is an orphan, which the writer process finishes and deletes.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
    if os.name == "nt":  # an open file cannot be renamed there; the writer leaves young empty files alone
        descriptor = os.open(path, flags, 0o600)
        try_lock(descriptor)
        return descriptor
    young = path.with_suffix(".new")
    descriptor = os.open(young, flags, 0o600)
    try_lock(descriptor)
    young.rename(path)
    return descriptor


class Prefixes(dict[int, bytes]):
    """Prefixes without the magic of short records of one kind, by the size of the head; made once each."""

    def __init__(self, kind: int, flags: int = 0) -> None:
        super().__init__()
        self._kind, self._flags = kind, flags

    def __missing__(self, size: int) -> bytes:
        made = self[size] = _PACK(self._kind, self._flags | UNSUMMED, 0, size, 0, 0)
        return made


def _largest() -> int:
    """Size of records from which on they do not go through the window."""
    return window.SIZE // 4


class SegmentWriter:
    """Appends to a segment.  Not thread-safe: the tracker's lock guards it.

    Parameters
    ----------
    folder
        Folder of the store.
    header
        Plain values that describe the owner (see ``channel.py``).

    Attributes
    ----------
    error
        Why the last record could not be written; None if it was.
    lost
        Records for which memory ran out.
    full
        Whether the segment should be replaced.

    Raises
    ------
    OSError
        The file cannot be created.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        name = f"{time.time_ns():016x}-{os.getpid()}-{os.urandom(3).hex()}.seg"
        self.paths = SegmentPaths(folder / name)
        self._descriptor = _create_locked(self.paths.segment)
        self._encoder = codec.Encoder()
        self._waiting: deque[list[Any]] = deque()
        self._waiting_bytes = 0
        self._synced = 0
        self._n_files = 0
        self._torn = False
        self._extended = False
        self._can_map = window.can_map(self._descriptor)
        self._window: mmap.mmap | None = None
        # The window's offset in the file, the place in it of the next record, and where it ends (0: no window).
        # Without a window, ``_base`` is where the file ends.
        self._base, self._place, self._limit = 0, 0, 0
        self.full = False
        self.lost = 0
        self.error: str | None = None
        self.append(HEADER, (None, header))

    @property
    def offset(self) -> int:
        """Bytes appended so far."""
        return self._base + self._place

    def append(self, kind: int, head: Any, buffers: Sequence[Any] = (), *, plain: bool = False) -> None:
        """Append one record; never raises because of the disk (see :attr:`error`, :attr:`n_waiting`).

        Parameters
        ----------
        head
            Plain values; everything else is replaced by plain values.
        buffers
            C-contiguous arrays or bytes, written as they are.
        plain
            The head is known to hold built-in values only, which is quicker.
        """
        data = _dumps(head, 5) if plain else self._encoder.encode(head)
        size = sum(len(buffer) if type(buffer) is bytes else buffer.nbytes for buffer in buffers)
        if len(data) + size <= _largest():
            self.put(kind, 0, data, buffers)
            return
        rest = _PACK(kind, 0, len(buffers), len(data), _crc32(data), size)
        self._unmap()
        self._write_or_keep([MAGIC, rest, data, *buffers, END_MARK], _FRAME + len(data) + size)

    def put(self, kind: int, flags: int, data: bytes, buffers: Sequence[Any] = ()) -> None:
        """Append one record whose head is bytes already; as :meth:`append`, in little more than a copy."""
        body = _join((data, *buffers, END_MARK))
        count, size = len(data), len(body)
        rest = _PACK(kind, flags, len(buffers), count, _crc32(data), size - count - _MARK_SIZE)
        # No call from here to the end: an exception of a signal handler, or a record that it appends, comes at
        # calls only, so it cannot come between these lines.
        view, place = self._window, self._place
        start = place + _HEAD
        end = start + size
        if view is not None and end <= self._limit:
            view[start:end] = body
            view[place + _MAGIC_SIZE : start] = rest
            view[place : place + _MAGIC_SIZE] = MAGIC
            self._place = end
        else:
            self._put_elsewhere(rest, body)

    def put_head(self, prefixes: Prefixes, head: bytes) -> None:
        """Append a short record without buffers and checksum, of the kind of ``prefixes``."""
        rest, body = prefixes[len(head)], head + END_MARK
        count = len(body)
        # As in put: no call from here to the end.
        view, place = self._window, self._place
        start = place + _HEAD
        end = start + count
        if view is not None and end <= self._limit:
            view[start:end] = body
            view[place + _MAGIC_SIZE : start] = rest
            view[place : place + _MAGIC_SIZE] = MAGIC
            self._place = end
        else:
            self._put_elsewhere(rest, body)

    def _put_elsewhere(self, rest: bytes, body: bytes) -> None:
        """The window is full, or there is none."""
        total = _MAGIC_SIZE + len(rest) + len(body)
        if total > 2 * _largest() or not self._map():
            self._unmap()
            self._write_or_keep([MAGIC, rest, body], total)
            return
        window, place = self._window, self._place
        assert window is not None
        window[place + _MAGIC_SIZE : place + total] = rest + body
        window[place : place + _MAGIC_SIZE] = MAGIC
        self._place = place + total

    def _map(self) -> bool:
        """Map a new window, which begins in the page of the next record; False if there can be none."""
        self.full = self.offset > ROTATE_BYTES
        if not self._can_map or self._waiting or self._torn:
            return False
        begin = self.offset & -mmap.ALLOCATIONGRANULARITY
        place = self.offset - begin
        self._extended = True
        try:
            made = window.open_window(self._descriptor, begin, self._window)
        except (OSError, ValueError):
            # A full disk: what there is may suffice for smaller writes.
            self._can_map = False
            return False
        self._window = made
        self._base, self._place, self._limit = begin, place, window.SIZE
        return True

    def _unmap(self) -> None:
        """Give the window back and end the file behind the last record, where ``os.writev`` goes on."""
        if not self._extended:
            return
        old, self._window = self._window, None
        self._base, self._place, self._limit = self.offset, 0, 0
        self._extended = False
        if old is not None:
            old.close()
        self._cut()

    def _write_or_keep(self, parts: list[Any], total: int) -> None:
        # What waits is older, so nothing may pass it.
        if (self._waiting and not self.retry()) or not self._write(parts, total):
            self._keep(parts, total)

    def _write(self, parts: list[Any], total: int) -> bool:
        written = 0
        if self._torn and not self._cut():
            return False
        try:
            if _HAS_WRITEV:
                written = os.writev(self._descriptor, parts)
            else:
                written = os.write(self._descriptor, b"".join(bytes(part) for part in parts))
            if written == total:
                self._base += total
                self.full = self._base > ROTATE_BYTES
                return True
            self.error = f"the disk took {written} of {total} bytes"
        except OSError as error:
            self.error = f"{error.strerror or error}"
        if written > 0:
            self._torn = True
            self._cut()
        return False

    def _cut(self) -> bool:
        """End the file behind the last whole record: readers would stop at a part of one."""
        try:
            os.ftruncate(self._descriptor, self.offset)
        except OSError as error:
            self._torn = True
            self.error = f"{error.strerror or error}"
            return False
        self._torn = False
        return True

    def _keep(self, parts: list[Any], total: int) -> None:
        if self._waiting_bytes + total > MAX_WAITING_BYTES:
            self.lost += 1
            return
        # The arrays belong to the caller, who may change them before there is room.
        self._waiting.append([b"".join(bytes(part) for part in parts), total])
        self._waiting_bytes += total

    def retry(self) -> bool:
        """Write what waits in memory; True if nothing waits any more."""
        while self._waiting:
            data, total = self._waiting[0]
            if not self._write([data], total):
                return False
            self._waiting.popleft()
            self._waiting_bytes -= total
        self.error = None
        return True

    @property
    def n_waiting(self) -> int:
        """Records that could not be written yet."""
        return len(self._waiting)

    def keep_file(self, source: Path) -> str:
        """Copy a file into the side folder; returns its name there.

        Raises
        ------
        OSError
            The copy failed; nothing is left of it.
        """
        make_private(self.paths.files)
        self._n_files += 1
        name = f"{self._n_files:06d}"
        target = self.paths.files / name
        try:
            shutil.copyfile(source, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return name

    def sync(self) -> None:
        """Make what was appended survive a power cut.

        Raises
        ------
        OSError
            The disk refused.
        """
        if self._synced < self.offset:
            end = self.offset
            fdatasync(self._descriptor)
            self._synced = end

    def close(self, *, abandon: bool = False) -> None:
        """Say that nothing more will come, and free the lock.

        ``abandon`` only closes the file: in the child of a fork the segment belongs to the parent.
        """
        if self._descriptor < 0:
            return
        if not abandon:
            self.append(CLOSE, (None, time.time_ns() // 1_000_000))
            self._unmap()
        elif self._window is not None:
            self._window.close()
        self._window, self._limit = None, 0
        os.close(self._descriptor)
        self._descriptor = -1
