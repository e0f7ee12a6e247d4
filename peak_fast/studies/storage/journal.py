"""Optuna's journal file, written a generation at a time and repaired after a torn write.

The file is the one that Optuna's ``JournalFileBackend`` reads and writes, and both may work on it at once. Two
things differ here:

* Inside ``batch()`` the file lock is held and records are collected; the end writes them with one fsync. The
  storage on top sees them at once, so any of Optuna's calls can be batched. A generation costs one lock and one
  fsync instead of five per trial.
* A process that dies while it appends (power cut, full disk) leaves half a line. Optuna's own backend appends
  the next record to it, and from then on nobody can read the journal. Here the half line is cut off first: its
  writer never got an answer, so nothing that was confirmed is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from peak_fast.errors import StoreError

_TAIL = 1 << 16


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

        def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
            with self._mutex:
                records = self._read_file(log_number_from)
                if self._held is not None:
                    records += self._held[max(0, log_number_from - (len(self._offsets) - 1)) :]
            yield from records

        def _read_file(self, first: int) -> list[dict[str, Any]]:
            """Records from the file; half a line at its end is left alone."""
            known = len(self._offsets) - 1
            records: list[dict[str, Any]] = []
            with self._path.open("rb") as file:
                file.seek(self._offsets[min(first, known)])
                for number, line in enumerate(file, start=min(first, known)):
                    if not line.endswith(b"\n"):
                        break
                    if number >= len(self._offsets) - 1:
                        self._offsets.append(self._offsets[-1] + len(line))
                    if number >= first:
                        records.append(json.loads(line))
            return records

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            # The mutex is held while waiting for the file, so that no other thread of this process can begin
            # a batch meanwhile: it would hold the file and wait for the storage, which this thread holds.
            with self._mutex:
                if self._held is not None:
                    self._held += logs
                    return
                self._file_lock.acquire()
                try:
                    _append(self._path, logs)
                finally:
                    self._release()

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


def _append(path: Path, logs: list[dict[str, Any]]) -> None:
    data = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
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
