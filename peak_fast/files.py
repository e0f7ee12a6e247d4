"""Files that are either whole or absent, also after a kill or a power cut, and that say when they were changed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from peak_fast.errors import ConfigError, StoreError
from peak_fast.masking import mask

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def checksum(content: bytes | memoryview, about: str = "") -> str:
    """CRC-32 of what a file holds: 8 hexadecimal digits.

    It finds every flipped bit, every changed stretch of up to 32 bits, and all but one in four billions of other
    damage. It is no protection against somebody who changes a file on purpose and writes the sum that belongs to it.

    Parameters
    ----------
    content
        The bytes.
    about
        What the content belongs to: the same bytes for something else have another sum.
    """
    return f"{zlib.crc32(content, zlib.crc32(about.encode())):08x}"


_SEAL = re.compile(rb'\{"checksum": "([0-9a-f]{8})",')


def sealed(content: Mapping[str, Any]) -> bytes:
    """A dict as JSON whose first entry is the checksum of all that follows."""
    rest = json.dumps(content, indent=1).encode()[1:]
    return b'{"checksum": "%s",%s' % (checksum(rest).encode(), rest)


def unsealed(raw: bytes) -> dict[str, Any]:
    """The dict that `sealed` wrote, without the checksum.

    Raises
    ------
    ValueError
        The bytes are not those that were written.
    """
    seal = _SEAL.match(raw)
    if seal is None:
        raise ValueError("it does not begin with a checksum")
    rest = raw[seal.end() :]
    if checksum(rest).encode() != seal[1]:
        raise ValueError("its checksum is wrong")
    try:
        found = json.loads(b"{" + rest)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return dict(found)


def format_of(raw: bytes) -> Any:
    """Number of the format of a JSON file that was written before there were checksums; None where it is none."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return content.get("format") if isinstance(content, dict) and "checksum" not in content else None


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other thread or process of this machine writes into a folder; a killed one is not waited for.

    Where the system cannot lock a folder (Windows, some network file systems) nobody is waited for.
    """
    if os.name == "nt":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def refuse_address(path: Path) -> None:
    """Refuse an address where a folder is meant: it would become folders here, a password in their names.

    Raises
    ------
    ConfigError
        The path is one; a path has lost one of its slashes.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]+:[/\\]", str(path)) and not path.exists():
        raise ConfigError(
            f"expected a folder of this machine; got the address {mask(str(path))!r}; name a folder"
        )


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
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
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
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return StoreError(f"expected to write {path}; there is no folder {path.parent}; make it first")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return StoreError(
            f"expected a folder that this user can write, for {path.name}; got {path.parent.resolve()} "
            f"({error.strerror}); name another folder, then {remedy}"
        )
    if error.errno not in _FULL:
        return StoreError(f"expected to write {path}; the system refused ({error}); {remedy}")
    free = "unknown"
    with contextlib.suppress(OSError):
        free = f"{shutil.disk_usage(path.parent).free / 1e6:,.1f} MB"
    return StoreError(
        f"expected room for {size / 1e6:,.1f} MB in {path.parent}; the disk is full "
        f"({error.strerror}, free: {free}); free some space, then {remedy}"
    )
