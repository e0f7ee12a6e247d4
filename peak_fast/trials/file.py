"""The file of a registry: one row for each sweep, study or handful of single runs, its configurations in one blob.

    trials(digest, made, kind, name, count, hashes, sharpes, checksum)

``hashes`` are sorted uint64, ``sharpes`` float32 per period in the same order, NaN where unknown; both little-endian.
A sweep of more than five million configurations keeps its number and digest alone.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import sqlite3
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from peak_fast.errors import StoreError
from peak_fast.trials.hashing import Hashes
from peak_kernels.arrays import FloatArray

_APPLICATION = 0x7066_7472  # "pftr"
MOST = 5_000_000
_WAIT = 30.0
# An empty file is looked at again for a quarter of a second.
_LOOKS, _PAUSE = 12, 0.025
_TABLE = (
    "CREATE TABLE IF NOT EXISTS trials (digest TEXT PRIMARY KEY, made TEXT NOT NULL, kind TEXT NOT NULL, "
    "name TEXT NOT NULL, count INTEGER NOT NULL, hashes BLOB, sharpes BLOB, checksum INTEGER NOT NULL)"
)


@dataclass(frozen=True)
class Entry:
    """One row: when it was made, what it was, and its configurations; no arrays where only their number is kept."""

    digest: str
    made: str
    kind: str
    name: str
    count: int
    hashes: Hashes | None
    sharpes: FloatArray | None


def write(path: Path, kind: str, name: str, hashes: Hashes, sharpes: FloatArray) -> None:
    """Add configurations; those of an entry that is there already only fill in Sharpe ratios that were unknown."""
    distinct, place = np.unique(hashes, return_index=True)
    raw, figures = distinct.astype("<u8").tobytes(), sharpes[place].astype("<f4")
    digest = hashlib.blake2b(f"{kind}\0{name}\0".encode() + raw, digest_size=16).hexdigest()
    whole = distinct.size <= MOST
    blobs = (raw, figures.tobytes()) if whole else (None, None)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    row = (digest, made, kind, name, int(distinct.size), *blobs)
    with _opened(path, make=True) as base, base:
        base.execute("BEGIN IMMEDIATE")
        held = base.execute("SELECT sharpes FROM trials WHERE digest = ?", (digest,)).fetchone()
        if held is None:
            base.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, _checksum(row)))
        elif whole and held[0] is not None:
            known = np.frombuffer(held[0], "<f4")
            filled = np.where(np.isnan(known), figures, known).astype("<f4").tobytes()
            kept = base.execute("SELECT made FROM trials WHERE digest = ?", (digest,)).fetchone()[0]
            row = (digest, kept, kind, name, int(distinct.size), raw, filled)
            base.execute(
                "UPDATE trials SET sharpes = ?, checksum = ? WHERE digest = ?",
                (filled, _checksum(row), digest),
            )


def write_number(path: Path, kind: str, name: str, digest: str, count: int) -> None:
    """Add so many configurations by their number and digest alone, where no entry has the digest."""
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    row = (digest, made, kind, name, count, None, None)
    with _opened(path, make=True) as base, base:
        base.execute("INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, _checksum(row)))


def read(path: Path) -> list[Entry]:
    """All rows in the order in which they were made; none where there is no file.

    Raises
    ------
    StoreError
        The file is damaged, or is no registry.
    """
    if not path.exists():
        return []
    with _opened(path) as base:
        rows = base.execute(
            "SELECT digest, made, kind, name, count, hashes, sharpes, checksum FROM trials ORDER BY made, rowid"
        ).fetchall()
        found = []
        for row in rows:
            if row[-1] != _checksum(row[:-1]):
                raise _damaged(path, f"the entry {row[3]!r} of {row[1]} is not what was written")
            hashes, sharpes = (
                None if raw is None else np.frombuffer(raw, kind)
                for raw, kind in zip(row[5:7], ("<u8", "<f4"), strict=True)
            )
            figures = None if sharpes is None else sharpes.astype(np.float64)
            found.append(Entry(row[0], row[1], row[2], row[3], row[4], hashes, figures))
        return found


def check(path: Path) -> None:
    """Raise as `read` does, before any work is done whose result would be lost."""
    if path.exists():
        with _opened(path) as base:
            base.execute("SELECT count(*) FROM trials").fetchone()


@contextlib.contextmanager
def _opened(path: Path, make: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection to a registry, made where there is none."""
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"registry: expected a file that can be opened; got {str(path)!r} ({error}); choose another place"
        ) from error
    try:
        with contextlib.closing(base):
            _recognised(base, path, make)
            yield base
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"registry {str(path)!r}: {error}; is it writable, and no other process holding it?"
        ) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error


def _recognised(base: sqlite3.Connection, path: Path, make: bool) -> None:
    """Raise for another file; make the table where it may be.  A file may be empty while another process makes it."""
    for attempt in range(_LOOKS):
        application, tables = _state(base)
        if application == _APPLICATION and tables:
            return
        if tables:
            raise _damaged(path, "it is another kind of file")
        if make:
            base.execute("BEGIN IMMEDIATE")
            if not _state(base)[1]:
                base.execute(f"PRAGMA application_id = {_APPLICATION}")
                base.execute(_TABLE)
            base.execute("COMMIT")
        elif attempt:
            time.sleep(_PAUSE)
    raise _damaged(path, "it is empty")


def _state(base: sqlite3.Connection) -> tuple[int, int]:
    """Application and number of tables, as of one moment."""
    row = base.execute(
        "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
    )
    application, tables = row.fetchone()
    return int(application), int(tables)


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"registry: expected a file of trials; {str(path)!r} is not one or is damaged ({why}); move it away, and "
        "counting begins anew"
    )


def _checksum(row: tuple[object, ...]) -> int:
    total = zlib.crc32(repr(row[:5]).encode())
    for blob in row[5:7]:
        total = zlib.crc32(b"" if blob is None else bytes(blob), total)  # type: ignore[call-overload]
    return total
