"""File locks that die with their process, on every platform, without a dependency.

A lock says two things here: "I am the only writer of this folder" and "the owner of this spool is alive".
Both must be freed by the operating system when a process is killed, which a lock *file* is not.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

# Windows locks byte ranges and makes them unreadable for others, so a byte far behind the data is locked.
_LOCK_AT = 1 << 62


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file, without waiting.

    Returns
    -------
    bool
        False if another process (or another open file of this one) holds it.
    """
    return _try_lock_posix(descriptor) if os.name == "posix" else _try_lock_windows(descriptor)


def _try_lock_posix(descriptor: int) -> bool:
    fcntl: Any = importlib.import_module("fcntl")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _try_lock_windows(descriptor: int) -> bool:
    msvcrt: Any = importlib.import_module("msvcrt")
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, _LOCK_AT, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
    return True


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock of this file.  A file that is gone is not locked."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """The right to be the only writer of a folder; freed by :meth:`release` or by the end of the process.

    Parameters
    ----------
    folder
        An existing folder; the lock lives in its file ``writer.lock``, which is never deleted (deleting it
        would let two processes lock two different files of one name).
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "writer.lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False if another process has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(descriptor):
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
