"""Optuna's journal file, written a generation at a time and repaired after a torn write or damage.

The file is the one that Optuna's ``JournalFileBackend`` reads and writes, and both may work on it at once. Three
things differ here:

* Inside ``batch()`` the file lock is held and records are collected; the end writes them with one fsync. The
  storage on top sees them at once, so any of Optuna's calls can be batched. A generation costs one lock and one
  fsync instead of five per trial.
* A process that dies while it appends (power cut, full disk) leaves half a line. Optuna's own backend appends
  the next record to it, and from then on nobody can read the journal. Here the half line is cut off first: its
  writer never got an answer, so nothing that was confirmed is lost.
* Each record ends with a checksum of itself, an entry that Optuna passes over. A record that changed on the disk is
  found when the file is opened. Numbers of trials follow from the order of records, so what lies behind a damaged one
  would mean something else: the file is cut there, and the whole of it is kept under another name. Of records that
  Optuna itself wrote, which have no checksum, only those are found that nobody can read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from peak_fast.errors import StoreError
from peak_fast.files import checksum, write_atomically

_log = logging.getLogger(__name__)

_TAIL = 1 << 16
_SEAL = re.compile(rb',"crc32":"([0-9a-f]{8})"\}\n\Z')
_OPERATIONS = range(11)


def open_journal(storages: Any, path: str, lock_grace_seconds: int) -> tuple[Any, list[str]]:
    """An ``optuna.storages.JournalStorage`` on a file, cut before the first record that cannot be used.

    Parameters
    ----------
    storages
        The module ``optuna.storages``.
    path, lock_grace_seconds
        See `make_backend`.

    Returns
    -------
    tuple
        The storage, and a sentence for each time the file was cut.
    """
    backend = make_backend(path, lock_grace_seconds)
    while True:
        try:
            return storages.JournalStorage(backend), backend.notes
        except StoreError:
            raise
        except Exception as error:  # whatever a record of unknown content makes Optuna raise
            if backend.last_given is None:
                raise
            backend.cut(backend.last_given, f"{type(error).__name__}: {error}")


def make_backend(path: str, lock_grace_seconds: int) -> Any:
    """A journal backend for ``optuna.storages.JournalStorage``.

    Parameters
    ----------
    path
        Absolute path of the journal; created when it does not exist.
    lock_grace_seconds
        A lock that has not changed for so long belongs to a dead process and is taken over.
    """
    from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock

    class JournalBackend(BaseJournalBackend):  # type: ignore[misc]
        """See the module's docstring."""

        def __init__(self) -> None:
            self._path = Path(path)
            self._path.touch()
            self._file_lock = JournalFileSymlinkLock(path, grace_period=lock_grace_seconds)
            self._mutex = threading.RLock()
            self._offsets = [0]  # where each record starts, and where the last one known ends
            self._held: list[dict[str, Any]] | None = None
            self.notes: list[str] = []
            self.last_given: int | None = None
            self._file = 0
            with self._locked():
                damaged = _first_damaged(self._path)
            if damaged is not None:
                self.cut(*damaged)
            self._file = self._path.stat().st_ino

        def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
            with self._mutex:
                records = self._read_file(log_number_from)
                if self._held is not None:
                    records += self._held[max(0, log_number_from - (len(self._offsets) - 1)) :]
            for number, record in enumerate(records, start=log_number_from):
                self.last_given = number
                yield record

        def cut(self, number: int, wrong: str) -> None:
            """Leave the records before one of a number; the file as it was is kept beside it."""
            with self._mutex, self._locked():
                self.notes.append(_cut(self._path, number, wrong))
                self._offsets, self.last_given = [0], None
                self._file = self._path.stat().st_ino

        @contextlib.contextmanager
        def _locked(self) -> Iterator[None]:
            self._file_lock.acquire()
            try:
                yield
            finally:
                self._release()

        def _check_same(self, found: os.stat_result) -> None:
            """Another process may have found damage and cut the file: what this one knows is then of another file."""
            if self._file and found.st_ino != self._file:
                raise StoreError(
                    f"expected {self._path} as this process opened it; another one found it damaged and cut it; "
                    "start the same command again to resume"
                )

        def _read_file(self, first: int) -> list[dict[str, Any]]:
            """Records from the file; half a line at its end is left alone."""
            known = len(self._offsets) - 1
            records: list[dict[str, Any]] = []
            with self._path.open("rb") as file:
                self._check_same(os.fstat(file.fileno()))
                file.seek(self._offsets[min(first, known)])
                for number, line in enumerate(file, start=min(first, known)):
                    if not line.endswith(b"\n"):
                        break
                    if number >= first:
                        try:
                            records.append(_record(line))
                        except ValueError as error:
                            raise StoreError(
                                f"expected {self._path} as it was written; line {number + 1} is damaged ({error}); "
                                "start the same command again: it goes on from the records before it"
                            ) from error
                    if number >= len(self._offsets) - 1:
                        self._offsets.append(self._offsets[-1] + len(line))
            return records

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            # The mutex is held while waiting for the file, so that no other thread of this process can begin
            # a batch meanwhile: it would hold the file and wait for the storage, which this thread holds.
            with self._mutex:
                if self._held is not None:
                    self._held += logs
                    return
                with self._locked():
                    self._check_same(self._path.stat())
                    _append(self._path, logs)

        def _release(self) -> None:
            # A process that stood still for longer than the grace period has lost the lock already.
            with contextlib.suppress(RuntimeError):
                self._file_lock.release()

        @contextlib.contextmanager
        def batch(self) -> Iterator[None]:
            """Collect what is appended and write it at the end, with the file locked in between.

            Raises
            ------
            StoreError
                Another process wrote meanwhile, because this one stood still for longer than the grace period
                of the lock. Nothing of the batch is written then.
            """
            with self._mutex:
                self._file_lock.acquire()
                self._read_file(len(self._offsets) - 1)
                size = self._path.stat().st_size
                self._held = []
            try:
                yield
            finally:
                with self._mutex:
                    logs, self._held = self._held, None
                    try:
                        self._write(logs, size)
                    finally:
                        self._release()

        def _write(self, logs: list[dict[str, Any]] | None, size: int) -> None:
            if not logs:
                return
            if self._path.stat().st_size != size:
                raise StoreError(
                    f"expected {self._path} to stay as it was while it was locked; another process wrote to it, "
                    "because this one stood still for too long; start the same command again to resume"
                )
            _append(self._path, logs)

    return JournalBackend()


def _line(record: dict[str, Any]) -> bytes:
    """A record as the file holds it: JSON whose last entry is the checksum of what precedes it."""
    text = json.dumps(record, separators=(",", ":"))[:-1].encode()
    return b'%s,"crc32":"%s"}\n' % (text, checksum(text).encode())


def _record(line: bytes) -> dict[str, Any]:
    """The record of a line.

    Raises
    ------
    ValueError
        The line is not one that was written.
    """
    seal = _SEAL.search(line)
    if seal is not None and checksum(line[: seal.start()]).encode() != seal[1]:
        raise ValueError("its checksum is wrong")
    try:
        record = json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(record, dict) or record.get("op_code") not in _OPERATIONS:
        raise ValueError("it is no record of a study")
    return record


def _first_damaged(path: Path) -> tuple[int, str] | None:
    """Number of the first record that is not as it was written, and what is wrong; None: there is none."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                return number, "it has no end"
            try:
                _record(line)
            except ValueError as error:
                return number, str(error)
    return None


def _cut(path: Path, number: int, wrong: str) -> str:
    """Leave the first records of a journal, keep the whole of it beside it; returns what was done, in a sentence."""
    with path.open("rb") as file:
        lines = list(file)
    if number == len(lines) - 1 and not lines[-1].endswith(b"\n"):
        os.truncate(path, path.stat().st_size - len(lines[-1]))
        note = (
            f"the last line of the journal {path} has no end, as after a crash of its writer: it is not used"
        )
        _log.warning("%s", note)
        return note
    kept = next(
        name for k in range(1, 1 << 20) if not (name := path.with_name(f"{path.name}.damaged-{k}")).exists()
    )
    shutil.copy2(path, kept)
    # A new file, not a shorter one: processes that have the old one open notice.
    write_atomically(path, b"".join(lines[:number]), "start the same command again")
    shutil.copymode(kept, path)
    note = (
        f"line {number + 1} of the journal {path} is damaged ({wrong}): the {number:,} records before it are used, "
        f"the {len(lines) - number - 1:,} behind it are not; the file as it was is kept as {kept.name}"
    )
    _log.warning("%s", note)
    return note


def _append(path: Path, logs: list[dict[str, Any]]) -> None:
    data = b"".join(_line(log) for log in logs)
    with path.open("r+b") as file:
        file.seek(_end_of_last_line(file))
        file.truncate()
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _end_of_last_line(file: Any) -> int:
    size: int = file.seek(0, os.SEEK_END)
    position = size
    while position > 0:
        start = max(0, position - (1 if position == size else _TAIL))
        file.seek(start)
        found: int = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0
