"""The spool: an append-only file per tracker that survives the death of everybody involved.

Layout, below :func:`spool_root`::

    <store>/                one folder per tracking store
        store.json          its URI (without credentials)
        writer.lock         held by the one writer process of this store
        <segment>.seg       records of one tracker of one process; locked by its owner while that lives
        <segment>.files/    copies of large artifact files
        <segment>.ack       up to where the store has confirmed, and the last error (written by the writer)
        <segment>.ids       run ids that the store chose (HTTP and file stores)
        <segment>.rejected  records that the store refuses for good, with the reasons

A record is one ``os.writev``: 24 bytes of prefix, the head (plain values, see
:mod:`~peak_fast.tracking.codec`), raw array bytes, and an end mark::

    magic "PFR1" | kind u8 | 0 u8 | n_buffers u16 | head bytes u32 | CRC-32 of the head u32 | buffer bytes u64

A kill in mid-write leaves a record whose end mark is missing: readers stop there.  A short write (the disk is
full) is undone at once, and the record waits in memory until there is room.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
import tempfile
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peak_fast.tracking import codec
from peak_fast.tracking._locks import is_locked, try_lock
from peak_fast.tracking.uris import has_credentials, mask, store_key

MAGIC = b"PFR1"
END_MARK = b"\nEOR"
PREFIX = struct.Struct("<4sBBHIIQ")
_PACK, _crc32 = PREFIX.pack, zlib.crc32
_FRAME = PREFIX.size + len(END_MARK)
FORMAT = 1

# Kinds of record; each head starts with the run id (or None).
HEADER, ENVIRONMENT, START, PARAMS, METRICS, TAGS, ARTIFACT, RESULT, BARS, END, RUNS, CLOSE = range(1, 13)
STATIC, FROZEN = 13, 14
UNREADABLE = 0  # what reading makes of a head that is whole but is not plain data

# Records that cannot be written wait in memory up to this size; beyond it the newest are lost (and reported).
MAX_WAITING_BYTES = 64 << 20

_fdatasync = getattr(os, "fdatasync", os.fsync)
_HAS_WRITEV = hasattr(os, "writev")


def spool_root() -> Path:
    """Folder of all spools: ``$PEAK_FAST_SPOOL_DIR``, else ``tracking`` in ``$PEAK_FAST_CACHE_DIR`` or in the
    user's cache folder."""
    explicit = os.environ.get("PEAK_FAST_SPOOL_DIR")
    if explicit:
        return Path(explicit)
    cache = os.environ.get("PEAK_FAST_CACHE_DIR")
    if cache:
        return Path(cache) / "tracking"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "peak_fast" / "tracking"


def store_folder(uri: str, root: Path | None = None) -> Path:
    """The spool folder of a store, created with access for its owner only.

    ``store.json`` holds the URI, so that ``peak-fast sync`` can replay what a dead process left.  A URI with
    a password is kept without it: ``sync`` then needs the URI from its caller or from
    ``MLFLOW_TRACKING_URI``.

    Raises
    ------
    OSError
        The folder cannot be created.
    """
    folder = (root or spool_root()) / store_key(uri)
    description = folder / "store.json"
    if not description.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = {"uri": mask(uri), "needs_credentials": has_credentials(uri), "format": FORMAT}
        write_atomically(description, json.dumps(content).encode())
    return folder


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file so that readers see the old content or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                _fdatasync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def new_run_id() -> str:
    """A run id in MLflow's form: 32 hexadecimal digits."""
    return os.urandom(16).hex()


@dataclass(slots=True)
class Record:
    """One record as read back: ``start`` and ``end`` are offsets in the segment file."""

    kind: int
    head: Any
    buffers: bytes
    start: int
    end: int


class SegmentPaths:
    """The files of one segment.

    Attributes
    ----------
    segment, files, ack, ids, rejected, request : Path
        See the module's docstring; ``request`` is the file by which the owner asks to be confirmed now.
    """

    def __init__(self, segment: Path) -> None:
        self.segment = segment
        self.files = segment.with_suffix(".files")
        self.ack = segment.with_suffix(".ack")
        self.ids = segment.with_suffix(".ids")
        self.rejected = segment.with_suffix(".rejected")
        self.request = segment.with_suffix(".flush")

    def delete(self) -> None:
        """Remove everything but ``rejected``; the segment first, as its absence means "all confirmed"."""
        self.segment.unlink(missing_ok=True)
        for path in (self.ack, self.ids, self.request):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)

    def owned(self) -> bool:
        """Whether the tracker that writes this segment is alive."""
        return is_locked(self.segment)


def _create_locked(path: Path) -> int:
    """Descriptor of a new file that never existed unlocked under its name.

    A segment without a living owner is an orphan, which the writer process finishes and deletes.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
    if os.name == "nt":  # an open file cannot be renamed there; the writer leaves young empty files alone
        descriptor = os.open(path, flags, 0o600)
        try_lock(descriptor)
        return descriptor
    young = path.with_suffix(".new")
    descriptor = os.open(young, flags, 0o600)
    try_lock(descriptor)
    young.rename(path)
    return descriptor


class SegmentWriter:
    """The owner's side of a segment.  Not thread-safe: the tracker's lock guards it.

    Parameters
    ----------
    folder
        Folder of the store.
    header
        Plain values that describe the owner (see ``channel.py``).

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
        self.offset = 0
        self.lost = 0
        self.error: str | None = None
        self.append(HEADER, (None, header))

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
        data = pickle.dumps(head, 5) if plain else self._encoder.encode(head)
        size = 0
        for buffer in buffers:
            size += buffer.nbytes if type(buffer) is not bytes else len(buffer)
        prefix = _PACK(MAGIC, kind, 0, len(buffers), len(data), _crc32(data), size)
        parts = [prefix, data, *buffers, END_MARK]
        total = _FRAME + len(data) + size
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
                self.offset += total
                return True
            self.error = f"the disk took {written} of {total} bytes"
        except OSError as error:
            self.error = f"{error.strerror or error}"
        if written > 0:
            self._torn = True
            self._cut()
        return False

    def _cut(self) -> bool:
        """Remove the part of a record that a short write left: readers would stop at it."""
        try:
            os.ftruncate(self._descriptor, self.offset)
        except OSError as error:
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
        self.paths.files.mkdir(mode=0o700, exist_ok=True)
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
            _fdatasync(self._descriptor)
            self._synced = end

    def close(self, *, abandon: bool = False) -> None:
        """Say that nothing more will come, and free the lock.

        ``abandon`` only closes the file: in the child of a fork the segment belongs to the parent.
        """
        if self._descriptor < 0:
            return
        if not abandon:
            self.append(CLOSE, (None, time.time_ns() // 1_000_000))
        os.close(self._descriptor)
        self._descriptor = -1


def read_records(path: Path, start: int = 0) -> Iterator[Record]:
    """The complete records of a segment from an offset on.

    Stops without an error at a torn or damaged record; the caller compares ``end`` with the file's size.
    """
    with path.open("rb") as file:
        file.seek(start)
        position = start
        while True:
            prefix = file.read(PREFIX.size)
            if len(prefix) < PREFIX.size:
                return
            magic, kind, _, _, head_size, checksum, buffer_size = PREFIX.unpack(prefix)
            if magic != MAGIC:
                return
            data = file.read(head_size)
            if len(data) < head_size or zlib.crc32(data) != checksum:
                return
            buffers = file.read(buffer_size)
            if len(buffers) < buffer_size or file.read(len(END_MARK)) != END_MARK:
                return
            end = position + PREFIX.size + head_size + buffer_size + len(END_MARK)
            try:
                yield Record(kind, codec.decode(data), buffers, position, end)
            except pickle.UnpicklingError as error:
                yield Record(UNREADABLE, (None, str(error)), b"", position, end)
            position = end


def damaged(path: Path, position: int) -> bool:
    """Whether a complete record follows after a place that cannot be read.

    A torn tail has nothing behind it; a damaged disk block may have.  Such a file must not be deleted.
    """
    with path.open("rb") as file:
        file.seek(position)
        rest = file.read()
    found = rest.find(MAGIC, 1)
    while found >= 0:
        if next(read_records(path, position + found), None) is not None:
            return True
        found = rest.find(MAGIC, found + 1)
    return False


def remove_strays(folder: Path) -> None:
    """Delete what belongs to segments that are gone: somebody was killed between two deletions."""
    for path in folder.iterdir():
        if path.suffix in (".ack", ".ids", ".flush") and not path.with_suffix(".seg").exists():
            path.unlink(missing_ok=True)
        elif path.suffix == ".files" and not path.with_suffix(".seg").exists():
            shutil.rmtree(path, ignore_errors=True)


def segments(folder: Path) -> list[Path]:
    """The segments of a store in the order in which they were begun."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".seg")
    except FileNotFoundError:
        return []


@dataclass(slots=True)
class Ack:
    """What the writer says of a segment.

    Attributes
    ----------
    offset
        Everything before it is in the store.
    stamp
        Time of the writing in nanoseconds since the epoch.
    error
        Why the store did not take more; None if it took all.
    rejected
        Number of records that the store refuses for good.
    begun
        When the attempt began that ended with ``error``, in nanoseconds since the epoch; 0: not said.
    """

    offset: int = 0
    stamp: int = 0
    error: str | None = None
    rejected: int = 0
    begun: int = 0


def read_ack(path: Path) -> Ack:
    """The acknowledgement in a file; an empty one if there is none yet."""
    try:
        found = json.loads(path.read_bytes())
        return Ack(**{name: found[name] for name in ("offset", "stamp", "error", "rejected", "begun")})
    except (OSError, ValueError, KeyError, TypeError):
        return Ack()


def write_ack(path: Path, ack: Ack) -> None:
    """Write an acknowledgement atomically."""
    write_atomically(path, json.dumps(asdict(ack)).encode())
