"""Optuna's journal file, with a torn last line repaired before the next one is written.

A process that dies while it appends (power cut, full disk) leaves half a line. Optuna's own backend appends
the next record to it, and from then on nobody can read the journal. Here the half line is cut off first: its
writer never got an answer, so nothing that was confirmed is lost.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_TAIL = 1 << 16


def repairing_backend(path: str, lock_grace_seconds: int) -> Any:
    """A ``JournalFileBackend`` that cuts a torn last line.

    Parameters
    ----------
    path
        Absolute path of the journal.
    lock_grace_seconds
        A lock that has not changed for so long belongs to a dead process and is taken over.
    """
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    class RepairingJournalBackend(JournalFileBackend):  # type: ignore[misc]
        """See the module's docstring."""

        def __init__(self) -> None:
            self._guard = JournalFileSymlinkLock(path, grace_period=lock_grace_seconds)
            super().__init__(path, lock_obj=self._guard)

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
            self._guard.acquire()
            try:
                _append(path, lines.encode())
            finally:
                self._guard.release()

    return RepairingJournalBackend()


def _append(path: str, data: bytes) -> None:
    with Path(path).open("r+b") as file:
        end = _end_of_last_line(file)
        file.seek(end)
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
