"""Files that are either whole or absent, also after a kill or a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path

from peak_fast.errors import StoreError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder durable."""
    if os.name == "nt":  # folders cannot be opened there; the rename is durable by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes | memoryview, remedy: str = "try again") -> None:
    """Write a file so that its name shows either nothing (or the old content) or all of it.

    Parameters
    ----------
    path
        The file.
    content
        All of it.
    remedy
        What to do after a failure, for the end of the message.

    Raises
    ------
    StoreError
        The disk is full or the folder cannot be written; no temporary file is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _write_error(path, len(content), error, remedy) from error
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _write_error(path: Path, size: int, error: OSError, remedy: str) -> StoreError:
    if error.errno not in _FULL:
        return StoreError(f"expected to write {path}; the system refused ({error}); {remedy}")
    free = "unknown"
    with contextlib.suppress(OSError):
        free = f"{shutil.disk_usage(path.parent).free / 1e6:,.1f} MB"
    return StoreError(
        f"expected room for {size / 1e6:,.1f} MB in {path.parent}; the disk is full "
        f"({error.strerror}, free: {free}); free some space, then {remedy}"
    )
