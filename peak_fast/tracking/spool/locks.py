"""File locks that die with their process, on every platform, without a dependency.

A lock says two things here: "I am the only writer of this folder" and "the owner of this spool is alive".
Both must be freed by the operating system when a process is killed, which a lock *file* is not.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Windows locks byte ranges and makes them unreadable for others, so a byte far behind the data is locked.
_LOCK_AT = 1 << 62


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file; False if another process, or another open file of this one, holds it."""
    try:
        if os.name == "posix":
            fcntl: Any = importlib.import_module("fcntl")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        msvcrt: Any = importlib.import_module("msvcrt")
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, _LOCK_AT, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
    except OSError:
        return False
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


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[bool]:
    """The right to be the only writer of a folder, in a block: whether it was free; a killed process frees it, too.

    The file of the lock is never deleted: two processes would lock two different files of one name.
    """
    descriptor = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)
