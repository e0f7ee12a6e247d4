"""The owner's side of a segment: append records, whatever happens to the disk.

Records are copied into a mapped window of the file (:mod:`~peak_fast.tracking.spool.window`), or written where there
is none: on other systems, when the disk is full, and for large records.  A short write is undone at once, and the
record waits in memory until there is room.

An exception may come between any two instructions (Ctrl-C).  A record counts once its magic is stored.  Its place is
taken in one assignment before that, with no call between, where signal handlers might append records of their own;
where an exception left the place empty, the end is looked for in the file.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import shutil
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import time_ns
from typing import Any

from peak_fast.tracking.spool import window
from peak_fast.tracking.spool.codec import encode
from peak_fast.tracking.spool.locks import try_lock
from peak_fast.tracking.spool.records import MAGIC, NO_RUN, PREFIX, PRIME, Kind, whole_until
from peak_fast.tracking.spool.spool import SegmentPaths, fdatasync
from peak_kernels.folders import make_private

# Records that cannot be written wait in memory up to this size; beyond it the newest are lost (and reported).
MAX_WAITING_BYTES = 64 << 20
# A segment of this size is replaced by a new one when no run is open.
ROTATE_BYTES = 32 << 20

_store, _size = PREFIX.pack_into, PREFIX.size
_crc32, _join = zlib.crc32, b"".join
_room = window.SIZE
# A place behind every window.
_NO_ROOM = 1 << 62


class Subject:
    """Whom a record is about: 16 bytes that name a run; zeros: the head says it."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        # Its part in what the CRC begins with.
        self.seed = _crc32(raw)


_NOBODY = Subject(NO_RUN)


def _create_locked(path: Path) -> io.FileIO:
    """A new file that never existed unlocked under its name.

    A segment without a living owner is an orphan, which the writer process finishes and deletes.
    """
    # An open file cannot be renamed on Windows; the writer leaves young empty files alone.
    first = path if os.name == "nt" else path.with_suffix(".new")
    file = io.FileIO(str(first), "x+", opener=_open_private)
    try_lock(file.fileno())
    if first is not path:
        first.rename(path)
    return file


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_APPEND, 0o600)


class SegmentWriter:
    """Appends to a segment.  Not thread-safe: the tracker's lock guards it.

    ``header`` are plain values that describe the owner (see ``channel.py``); ``mapped``: appends may be copies (see
    :mod:`~peak_fast.tracking.spool.window`).

    Raises
    ------
    OSError
        The file cannot be created.
    """

    def __init__(self, folder: Path, header: dict[str, Any], *, mapped: bool = True) -> None:
        name = f"{time.time_ns():016x}-{os.getpid()}-{os.urandom(3).hex()}.seg"
        self.paths = SegmentPaths(folder / name)
        self._file = _create_locked(self.paths.segment)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._synced = self._last = 0
        self._n_files = 0
        self._can_map = mapped and window.can_map(self._file.fileno())
        # Whether the file may go on behind ``offset``: allocated zeros, a part of a record.
        self._loose = False
        # Up to here all records are whole; whether the end of those behind it is unknown.
        self._sure, self._astray = 0, False
        # The mapped stretch of the file and the place in it where the next record goes; a stand-in and a place behind
        # every window where nothing is mapped.
        self.at: tuple[Any, int] = (window.Unmapped(-_NO_ROOM), _NO_ROOM)
        # The segment should be replaced by a new one; found where a window ends.
        self.full = False
        # Records for which memory ran out; why the last one could not be written.
        self.lost = 0
        self.error: str | None = None
        # Twice, as nothing can be made of a segment without it.
        for _ in range(2):
            self.append(Kind.HEADER, (None, header))

    @property
    def offset(self) -> int:
        """Bytes appended so far."""
        if self._astray:
            with contextlib.suppress(OSError):
                self._trim()
        view, place = self.at
        return int(view.begin + place)

    def _end_at(self, offset: int) -> None:
        """Nothing is mapped; the next record goes to an offset."""
        self.at = (window.Unmapped(offset - _NO_ROOM), _NO_ROOM)

    def append(self, kind: int, head: Any, buffers: Sequence[Any] = ()) -> bool:
        """Append one record; never raises because of the disk (see :attr:`error`, :attr:`n_waiting`).

        Parameters
        ----------
        head
            Plain values; everything else is replaced by plain values.
        buffers
            C-contiguous arrays or bytes, written as they are.
        """
        data = encode(head)
        return self.put(kind, _NOBODY, _join((data, *buffers)), len(data))

    def put(self, code: int, subject: Subject, body: bytes, head_size: int) -> bool:
        """As :meth:`append`, of head and buffers that are bytes already; see :mod:`~peak_fast.tracking.spool.records`.

        ``code`` is the kind, and 256 times the word.

        Returns
        -------
        bool
            Whether there was more to do than to copy: :attr:`error` and :attr:`full` may have changed.
        """
        size = len(body)
        # As `check_of` and `first_of`, without the calls.
        check = (code * 31 + head_size * 2 + size) % 65_521
        now = time_ns()
        crc = (subject.seed + now + check) % PRIME
        if size:  # that of nothing is what it begins with
            crc = _crc32(body, crc)
        try:
            view, place = self.at
            end = place + _size + size
            if end > _room:
                fields = (crc, head_size, size - head_size, now, code, check, subject.raw, MAGIC)
                self._append_elsewhere(PREFIX.pack(*fields), body)
                return True
            self.at = view, end
            if size:
                view[place + _size : end] = body
            _store(view, place, crc, head_size, size - head_size, now, code, check, subject.raw, MAGIC)
        except BaseException:
            self._end_at(self._sure)
            self._astray = True
            raise
        return False

    def put_words(self, store: Callable[..., None], arrays: tuple[Any, ...], size: int) -> bool:
        """Let a kernel store a PACKED record of so many bytes; False, and nothing is stored, if the window ends before.

        ``store``, of :mod:`peak_kernels.sealing`, gets the arrays and an address.
        """
        try:
            view, place = self.at
            end = place + size
            if end > _room:
                return False
            self.at = view, end
            store(arrays, view.address + place)
        except BaseException:
            self._end_at(self._sure)
            self._astray = True
            raise
        return True

    def _append_elsewhere(self, prefix: bytes, body: bytes) -> None:
        """The window ends here, or there is none."""
        self.full = self.offset > ROTATE_BYTES
        total = _size + len(body)
        mapped = total <= _room // 4 and self._map()
        view, place = self.at
        if not mapped or place + total > _room:
            self._write_or_keep(prefix + body)
            return
        self.at = view, place + total
        view[place + _size : place + total] = body
        _store(view, place, *PREFIX.unpack(prefix))

    def _map(self) -> bool:
        """Map a window, which begins in the page of the next record; False if there can be none."""
        if not self._can_map or self._waiting:
            return False
        old, offset = self.at[0], self.offset
        try:
            if self._loose and not old:
                offset = self._trim()
            self._loose = True
            self._end_at(offset)
            begin = offset & -mmap.ALLOCATIONGRANULARITY
            made = window.open_window(self._file.fileno(), begin, old or None)
        except (OSError, ValueError):
            # A full disk: what there is may suffice for smaller writes.
            self._can_map = False
            return False
        self._sure = offset
        self.at = (made, self.offset - begin)
        return True

    def _trim(self) -> int:
        """Give the window back and end the file behind the last whole record, where writing goes on.

        Raises
        ------
        OSError
            The disk refused.
        """
        view, place = self.at
        begin = self._sure if self._astray else view.begin + place
        self._end_at(begin)
        if view:
            view.close()
        offset = whole_until(self.paths.segment, begin)
        os.ftruncate(self._file.fileno(), offset)
        self._end_at(offset)
        self._loose = self._astray = False
        return offset

    def _write_or_keep(self, data: bytes) -> None:
        # What waits is older, so nothing may pass it.
        if (not self._waiting or self.retry()) and self._write(data):
            return
        if self._waiting_bytes + len(data) > MAX_WAITING_BYTES:
            self.lost += 1
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def _write(self, data: bytes) -> bool:
        try:
            if self._loose:
                self._trim()
            self._loose = True
            written = os.write(self._file.fileno(), data)
            if written == len(data):
                self._end_at(self.offset + written)
                self._loose = False
                return True
            self.error = f"the disk took {written} of {len(data)} bytes"
            self._trim()
        except OSError as error:
            self.error = f"{error.strerror or error}"
        return False

    def retry(self) -> bool:
        """Write what waits in memory; True if nothing waits any more."""
        while self._waiting:
            if not self._write(self._waiting[0]):
                return False
            self._waiting_bytes -= len(self._waiting.popleft())
        self.error = None
        return True

    @property
    def n_waiting(self) -> int:
        """Records that could not be written yet."""
        return len(self._waiting)

    def where_it_waits(self) -> str:
        """Words that say where the records are that the store does not have."""
        if self.n_waiting or self.lost:
            lost = f", {self.lost} records are lost" if self.lost else ""
            return f"{self.n_waiting} records wait in memory{lost}"
        return f"the log waits in {self.paths.segment}"

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
        end = self.offset
        if self._synced < end and not self._file.closed:
            if not self._synced:  # here, since the first run of a loop would wait for it
                with (
                    contextlib.suppress(OSError),
                    self.paths.segment.with_name("store.json").open("r+b") as file,
                ):
                    fdatasync(file.fileno())
            fdatasync(self._file.fileno())
            self._synced, self._last = end, end - self._synced

    def prepare(self) -> None:
        """Get memory ready for as much again as the last :meth:`sync` found new; a long wait may follow."""
        view, place = self.at
        if view:
            if place + self._last > _room and self._map():
                self.full = self.offset > ROTATE_BYTES
                view, place = self.at
            view.fetch(place, self._last)

    def close(self, *, abandon: bool = False) -> None:
        """Say that nothing more will come, and free the lock.

        ``abandon`` only closes the file: in the child of a fork the segment belongs to the parent.
        """
        if self._file.closed:
            return
        if not abandon:
            self.append(Kind.CLOSE, (None, time.time_ns() // 1_000_000))
            with contextlib.suppress(OSError):
                self._trim()
        view, _ = self.at
        if view:
            self._end_at(self.offset)
            view.close()
        self._file.close()
