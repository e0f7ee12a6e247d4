"""The spool: an append-only file per tracker that survives the death of everybody involved.

Layout, below :func:`spool_root`::

    <store>/                one folder per tracking store
        store.json          its URI (without credentials)
        writer.lock         held by the one writer process of this store
        <segment>.seg       records of one tracker of one process; locked by its owner while that lives
        <segment>.files/    copies of large artifact files
        <segment>.ack       up to where the store has confirmed, and the last error (written by the writer)
        <segment>.ids       run ids that the store chose (HTTP and file stores)
        <segment>.json      the same of a segment that is finished, for handles that are asked later
        <segment>.rejected  records that the store refuses for good, with the reasons

A record has 24 bytes of prefix, the head (plain values, see :mod:`~peak_fast.tracking.spool.codec`), raw array bytes,
and an end mark::

    magic "PFR1" | kind u8 | flags u8 | n_buffers u16 | head bytes u32 | CRC-32 of the head u32 | buffer bytes u64

It is copied into a mapped window of the file or written by one ``os.writev``
(:mod:`~peak_fast.tracking.spool.segment`).
A kill in mid-copy leaves no magic, one in mid-write no end mark: readers stop there.  A file whose owner lives or
was killed may end in zeros, which were allocated ahead.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peak_fast.masking import has_secrets, mask
from peak_fast.tracking.spool import codec
from peak_fast.tracking.spool.folders import check_folder
from peak_fast.tracking.spool.locks import is_locked
from peak_fast.tracking.spool.uris import store_key
from peak_kernels.folders import make_private

MAGIC = b"PFR1"
END_MARK = b"\nEOR"
PREFIX = struct.Struct("<4sBBHIIQ")
# Written in the header of a segment and checked by readers.  1: no layout of the arrays (see ``layout.py``).
FORMAT = 2

# Kinds of record; each head starts with the run id (or None).
HEADER, ENVIRONMENT, START, PARAMS, METRICS, TAGS, ARTIFACT, RESULT, BARS, END, RUNS, CLOSE = range(1, 13)
STATIC, FROZEN = 13, 14
# The three records of a run in a loop.  Their heads are the run id, the time in ns and the rest, between line ends;
# readers see the first and the last as START and END.
QUICK_START, QUICK_RESULT, QUICK_END = 15, 16, 17
# Flags: the head has no checksum; a QUICK_START has a name.
UNSUMMED, NAMED = 128, 1
# Touched in a store's folder by the writer when it turns to the store; not there while it starts.
CONTACT = "contact.lock"
UNREADABLE = 0  # what reading makes of a head that is whole but is not plain data

# Ids of finished segments are kept for handles that somebody may still ask.
KNOWN_SECONDS = 7 * 86_400.0

fdatasync = getattr(os, "fdatasync", os.fsync)


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
    TrackingError
        Others may write it.
    """
    folder = check_folder((root or spool_root()) / store_key(uri))
    description = folder / "store.json"
    if not description.exists():
        make_private(folder)
        content = {"uri": mask(uri), "needs_credentials": has_secrets(uri), "format": FORMAT}
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
                fdatasync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def child_environment() -> dict[str, str]:
    """Environment of a child process that imports this package, as this one found it, and works in one thread."""
    root = Path(str(sys.modules["peak_fast"].__file__)).resolve().parents[1]
    search = [str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(search),
        # One thread is enough, and each pool of a library costs memory.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
    }


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
    segment, files, ack, ids, known, rejected, request : Path
        See the module's docstring; ``request`` is the file by which the owner asks to be confirmed now.
    """

    def __init__(self, segment: Path) -> None:
        self.segment = segment
        self.files = segment.with_suffix(".files")
        self.ack = segment.with_suffix(".ack")
        self.ids = segment.with_suffix(".ids")
        self.known = segment.with_suffix(".json")
        self.rejected = segment.with_suffix(".rejected")
        self.request = segment.with_suffix(".flush")

    def delete(self) -> None:
        """Remove everything but ``rejected`` and the ids; the segment first, as its absence means "all confirmed"."""
        self.segment.unlink(missing_ok=True)
        self.keep_ids()
        for path in (self.ack, self.request):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)

    def keep_ids(self) -> None:
        """Keep the ids that the store chose, if there are any, for those who ask after the segment is gone."""
        with contextlib.suppress(FileNotFoundError):
            if self.ids.stat().st_size:
                self.ids.replace(self.known)
            else:
                self.ids.unlink()

    def owned(self) -> bool:
        """Whether the tracker that writes this segment is alive."""
        return is_locked(self.segment)


def read_records(path: Path, start: int = 0) -> Iterator[Record]:
    """The complete records of a segment from an offset on.

    Stops without an error at a torn or damaged record, and at the allocated zeros behind the last one.
    """
    # Unbuffered: a body must be read after the magic that says that it is complete.
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        position = start
        while True:
            prefix = file.read(PREFIX.size)
            if len(prefix) < PREFIX.size:
                return
            magic, kind, flags, _, head_size, checksum, buffer_size = PREFIX.unpack(prefix)
            if magic != MAGIC:
                return
            size = head_size + buffer_size + len(END_MARK)
            body = file.read(size)
            if len(body) < size or not body.endswith(END_MARK):
                return
            data, buffers = body[:head_size], body[head_size : head_size + buffer_size]
            if not flags & UNSUMMED and zlib.crc32(data) != checksum:
                return
            end = position + PREFIX.size + size
            try:
                decoded, head = _decode(kind, flags, data)
                yield Record(decoded, head, buffers, position, end)
            except pickle.UnpicklingError as error:
                yield Record(UNREADABLE, (None, str(error)), b"", position, end)
            position = end


def _decode(kind: int, flags: int, data: bytes) -> tuple[int, Any]:
    """Kind and head of a record as readers see them.

    Raises
    ------
    pickle.UnpicklingError
        The head is not plain data.
    """
    if kind not in (QUICK_START, QUICK_RESULT, QUICK_END):
        return kind, codec.decode(data)
    try:
        run_id, time_ns, rest = data.split(b"\n", 2)
        run, time_ms = run_id.decode("ascii"), int(time_ns) // 1_000_000
        if kind == QUICK_END:
            return END, (run, time_ms, rest.decode("ascii"))
        if kind == QUICK_START:
            name = rest.decode("utf-8", "surrogatepass") if flags & NAMED else None
            return START, (run, time_ms, name, None, None, False)
    except ValueError as error:
        raise pickle.UnpicklingError(f"damaged record: {error}") from error
    return QUICK_RESULT, (run, time_ms, flags, codec.decode(rest))


def has_record(path: Path, offset: int) -> bool:
    """Whether a record begins at an offset."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def records_end(path: Path, start: int) -> int:
    """Offset behind the last record, from the offset of a record on; nothing is decoded."""
    position = start
    with path.open("rb", buffering=0) as file:
        while True:
            file.seek(position)
            prefix = file.read(PREFIX.size)
            if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
                return position
            _, _, _, _, head_size, _, buffer_size = PREFIX.unpack(prefix)
            position += PREFIX.size + head_size + buffer_size + len(END_MARK)


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
        if path.suffix in (".ack", ".flush") and not path.with_suffix(".seg").exists():
            path.unlink(missing_ok=True)
        elif path.suffix == ".ids" and not path.with_suffix(".seg").exists():
            SegmentPaths(path.with_suffix(".seg")).keep_ids()
        elif path.suffix == ".json" and path.name != "store.json" and _age(path) > KNOWN_SECONDS:
            path.unlink(missing_ok=True)
        elif path.suffix == ".files" and not path.with_suffix(".seg").exists():
            shutil.rmtree(path, ignore_errors=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


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
