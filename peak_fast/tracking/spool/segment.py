"""The owner's side of a segment: append records, whatever happens to the disk.

Records are copied into a mapped window of the file (:mod:`~peak_fast.tracking.spool.window`), or written where there
is none: on other systems, when the disk is full, and for large records.  A short write is undone at once, and the
record waits in memory until there is room.

An exception may come between any two instructions (Ctrl-C).  So a record counts once its magic is stored, and where
the next one goes is noted in one assignment behind that; what was stored and not noted is found by the next record.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import shutil
import struct
import time
import zlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peak_fast.tracking.spool import window
from peak_fast.tracking.spool.codec import encode
from peak_fast.tracking.spool.locks import try_lock
from peak_fast.tracking.spool.spool import (
    CLOSE,
    END_MARK,
    FORMAT,
    HEADER,
    MAGIC,
    PREFIX,
    SegmentPaths,
    fdatasync,
    whole_until,
)
from peak_kernels.folders import make_private

# Records that cannot be written wait in memory up to this size; beyond it the newest are lost (and reported).
MAX_WAITING_BYTES = 64 << 20
# A segment of this size is replaced by a new one when no run is open.
ROTATE_BYTES = 32 << 20

# The prefix without the magic, which is stored last.
_PACK = struct.Struct("<BBHIIQ").pack
_HEAD, _MAGIC_SIZE = PREFIX.size, len(MAGIC)
_MARK_SIZE = len(END_MARK)
_crc32, _join = zlib.crc32, b"".join
_NO_WINDOW: tuple[Any, int, int] = (b"", 0, 0)


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
    offset
        Bytes appended so far.
    full
        Whether the segment should be replaced by a new one; found where a window ends.

    Raises
    ------
    OSError
        The file cannot be created.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        name = f"{time.time_ns():016x}-{os.getpid()}-{os.urandom(3).hex()}.seg"
        self.paths = SegmentPaths(folder / name)
        self._file = _create_locked(self.paths.segment)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._synced = 0
        self._n_files = 0
        self._can_map = window.can_map(self._file.fileno())
        # The mapped stretch, and where in the file it begins and ends.
        self._window = _NO_WINDOW
        # Whether the file may go on behind ``offset``: allocated zeros, a part of a record.
        self._loose = False
        self.offset = 0
        self.full = False
        self.lost = 0
        self.error: str | None = None
        # Twice, as nothing can be made of a segment without it.
        for _ in range(2):
            self.append(HEADER, (None, header))

    def append(self, kind: int, head: Any, buffers: Sequence[Any] = ()) -> None:
        """Append one record; never raises because of the disk (see :attr:`error`, :attr:`n_waiting`).

        Parameters
        ----------
        head
            Plain values; everything else is replaced by plain values.
        buffers
            C-contiguous arrays or bytes, written as they are.
        """
        self.put(kind, encode(head), *buffers)

    def put(self, kind: int, data: bytes, *buffers: Any) -> None:
        """As :meth:`append`, of a head that is bytes already.

        ``data`` is what ``codec.encode`` made, or run id, time in ms and a word in UTF-8, between line ends.
        """
        body = _join((data, *buffers, END_MARK))
        count, size = len(data), len(body)
        n_buffers = size - count - _MARK_SIZE
        check = (kind * 8_191 + count * 3 + n_buffers) % 65_521  # as `check_of`, without the call
        body = _PACK(kind, FORMAT, check, count, _crc32(body, check), n_buffers) + body
        try:
            # No call from here on: a record of a signal handler comes at calls only, so not between these lines.
            view, begin, limit = self._window
            start = self.offset
            end = start + _HEAD + size
            if end <= limit:
                start -= begin
                view[start + 4 : end - begin] = body
                view[start : start + 4] = MAGIC
                self.offset = end
            else:
                self._append_elsewhere(body)
        except BaseException:
            self._window = _NO_WINDOW  # so that the next record looks for the end of this one
            raise

    def _append_elsewhere(self, data: bytes) -> None:
        """The window ends here, or there is none."""
        self.full = self.offset > ROTATE_BYTES
        total = _MAGIC_SIZE + len(data)
        if total > window.SIZE // 4 or not self._map():
            self._write_or_keep(MAGIC + data)
            return
        view, begin, _ = self._window
        place = self.offset - begin
        view[place + _MAGIC_SIZE : place + total] = data
        view[place : place + _MAGIC_SIZE] = MAGIC
        self.offset += total

    def _map(self) -> bool:
        """Map a window, which begins in the page of the next record; False if there can be none."""
        if not self._can_map or self._waiting:
            return False
        old, self._window = self._window[0] or None, _NO_WINDOW
        try:
            if self._loose and old is None:
                self._trim()
            self._loose = True
            begin = self.offset & -mmap.ALLOCATIONGRANULARITY
            made = window.open_window(self._file.fileno(), begin, old)
        except (OSError, ValueError):
            # A full disk: what there is may suffice for smaller writes.
            self._can_map = False
            return False
        self._window = (made, begin, begin + window.SIZE)
        return True

    def _trim(self) -> None:
        """Give the window back and end the file behind the last whole record, where writing goes on.

        Raises
        ------
        OSError
            The disk refused.
        """
        view, self._window = self._window[0], _NO_WINDOW
        if view:
            view.close()
        self.offset = whole_until(self.paths.segment, self.offset)
        os.ftruncate(self._file.fileno(), self.offset)
        self._loose = False

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
                self.offset += written
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
            fdatasync(self._file.fileno())
            self._synced = end

    def close(self, *, abandon: bool = False) -> None:
        """Say that nothing more will come, and free the lock.

        ``abandon`` only closes the file: in the child of a fork the segment belongs to the parent.
        """
        if self._file.closed:
            return
        if not abandon:
            self.append(CLOSE, (None, time.time_ns() // 1_000_000))
            with contextlib.suppress(OSError):
                self._trim()
        view, self._window = self._window[0], _NO_WINDOW
        if view:
            view.close()
        self._file.close()
