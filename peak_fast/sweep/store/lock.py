"""One writer per folder: a lock file that names its owner and survives a killed owner.

The file holds the owner's process id, host and start time. A lock is stale, and is taken over, when no
process of that id runs on this host or when the process of that id started at another time (ids are
reused). A lock of another host cannot be judged from here and is respected.

Reading the file, judging it and writing it happen under a short operating-system lock on the same file, so
that two processes that find one stale lock at the same moment cannot both take it over.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peak_fast.errors import StoreError

_HELD: set[str] = set()
"""Tokens of the locks that this process holds: tells a live lock of ours from one that was left behind."""


def process_start(pid: int) -> str | None:
    """When a process of this host started, as a text that differs between two processes of one id.

    Returns
    -------
    str or None
        None when no such process runs; an empty text when it runs but the system does not tell.
    """
    if sys.platform == "win32":
        return _windows_start(pid)
    else:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except (PermissionError, OverflowError):
            pass
        return _linux_start(pid) if Path("/proc/self/stat").exists() else _ps_start(pid)


def _linux_start(pid: int) -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    state, ticks = fields[0], fields[19]  # fields 3 and 22 of proc(5), counted after the command's name
    return None if state in "ZX" else f"{boot}:{ticks}"


def _ps_start(pid: int) -> str | None:
    try:
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() or None


if sys.platform == "win32":

    def _windows_start(pid: int) -> str | None:
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return "" if ctypes.get_last_error() == 5 else None  # 5: access denied, so it runs
        try:
            code = ctypes.c_ulong()
            times = [ctypes.c_ulonglong() for _ in range(4)]
            kernel.GetExitCodeProcess(handle, ctypes.byref(code))
            kernel.GetProcessTimes(handle, *(ctypes.byref(item) for item in times))
            return str(times[0].value) if code.value == 259 else None  # 259: STILL_ACTIVE
        finally:
            kernel.CloseHandle(handle)


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[int]:
    """Open the lock file and hold an operating-system lock on it for the length of the block."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            _system_lock(descriptor)
            if _is_current(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)  # releases the system's lock too


def _system_lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a byte outside the text, which others must read
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        with contextlib.suppress(OSError):  # a file system without locks: the identity still protects
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_current(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of that name (its owner may have removed it meanwhile)."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> dict[str, Any]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        content = json.loads(os.read(descriptor, 4096))
    except ValueError:  # empty or torn: its writer died in the act
        return {}
    return content if isinstance(content, dict) else {}


def _write(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, content)
    os.fsync(descriptor)


def is_stale(owner: dict[str, Any]) -> bool:
    """Whether a lock's owner is known to be gone."""
    pid = owner.get("pid")
    if not isinstance(pid, int):
        return True
    if owner.get("host") != socket.gethostname():
        return False
    if pid == os.getpid():
        return owner.get("token") not in _HELD
    started = process_start(pid)
    return started is None or (started != "" and started != owner.get("started"))


class FolderLock:
    """Exclusive right to write into a folder, held until ``release`` or the end of the process.

    Parameters
    ----------
    path
        The lock file. Its folder must exist.

    Raises
    ------
    StoreError
        Another live process (or another object of this one) holds the lock; names its id, host and time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = secrets.token_hex(8)
        self.taken_over: dict[str, Any] | None = None
        try:
            with _exclusive(path) as descriptor:
                owner = _read(descriptor)
                if owner and not is_stale(owner):
                    raise StoreError(self._refusal(owner))
                self.taken_over = owner or None
                _HELD.add(self.token)  # before others may read it: they would take it for a leftover
                _write(descriptor, self._identity())
        except OSError as error:
            _HELD.discard(self.token)
            raise StoreError(
                f"expected a folder that can be written; could not create the lock file {path} ({error}); "
                "choose another folder or free some space"
            ) from error
        self._finalizer = weakref.finalize(self, _release, path, self.token, os.getpid())

    def _identity(self) -> bytes:
        content = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": process_start(os.getpid()),
            "token": self.token,
            "since": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        }
        return json.dumps(content).encode()

    def _refusal(self, owner: dict[str, Any]) -> str:
        here = socket.gethostname()
        who = f"process {owner['pid']} on host {owner.get('host')} (since {owner.get('since')})"
        if owner["pid"] == os.getpid() and owner.get("host") == here:
            remedy = "this process has it open already: close the other sweep first"
        elif owner.get("host") == here:
            remedy = "wait for it, stop it, or use another folder"
        else:
            remedy = f"if that process is gone, delete {self.path}"
        return f"expected a store that nobody else writes to; {self.path.parent} is in use by {who}; {remedy}"

    def release(self) -> None:
        """Give the lock back; calling it again does nothing."""
        self._finalizer()


def _release(path: Path, token: str, pid: int) -> None:
    if os.getpid() != pid:  # a forked child holds a copy of the object, not the lock
        return
    _HELD.discard(token)
    with contextlib.suppress(OSError), _exclusive(path) as descriptor:
        if _read(descriptor).get("token") != token:
            return
        if sys.platform == "win32":  # an open file cannot be removed there; empty means free
            os.ftruncate(descriptor, 0)
        else:
            path.unlink()
