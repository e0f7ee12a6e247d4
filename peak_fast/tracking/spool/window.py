"""A preallocated stretch of a segment's file in memory: an append is a copy, without a system call.

What is copied there belongs to the file at once, so it survives the death of the process (not a power cut: that
takes ``fdatasync``, as after a write).  Two things make it safe:

* The blocks are allocated before they are mapped.  A full disk shows as an error of ``posix_fallocate``, never as
  a signal in the middle of a copy; file systems that cannot promise this are not mapped.
* A record becomes visible by its first four bytes, which are stored last.  This needs a processor that makes
  stores visible in order (x86-64).
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import functools
import mmap
import os
import platform
import sys
from pathlib import Path
from typing import Any

SIZE = 1 << 20
# Where allocated blocks are a promise: ext2-4, XFS, memory, and containers on top of these.
_FILE_SYSTEMS = frozenset(("ext2", "ext3", "ext4", "xfs", "tmpfs", "overlay"))
_POPULATE_WRITE = (
    23  # of madvise, since Linux 5.14; older ones refuse it, and pages come when they are touched
)


class Unmapped:
    """Stands where a window would: ``begin`` and the place of the next record make its offset in the file."""

    def __init__(self, begin: int) -> None:
        self.begin = begin

    def __len__(self) -> int:
        return 0


class Window(mmap.mmap):
    """The mapped stretch, where in the file it begins, and its address."""

    begin = address = 0

    def fetch(self, place: int, n_bytes: int) -> None:
        """Get pages from a place on ready: those that were written to the disk must be asked for again, 3 us each."""
        start = place & -mmap.PAGESIZE
        with contextlib.suppress(OSError, ValueError):  # an older system; a window that was closed meanwhile
            self.madvise(_POPULATE_WRITE, start, min(n_bytes, SIZE - start))


def can_map(descriptor: int) -> bool:
    """Whether the file lies where a window is safe; ``PEAK_FAST_SPOOL_MAP=0`` says no."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    if os.environ.get("PEAK_FAST_SPOOL_MAP") == "0":
        return False
    device = os.fstat(descriptor).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return False
    for line in mounts.splitlines():
        fields = line.split(" ")
        if fields[2] == wanted:
            return fields[fields.index("-") + 1] in _FILE_SYSTEMS
    return False


def open_window(descriptor: int, start: int, old: mmap.mmap | None = None) -> Window:
    """Allocate and map ``SIZE`` bytes of a file from ``start`` on, a multiple of the page size.

    ``old`` is a window that this one replaces; it is closed.

    Raises
    ------
    OSError
        The disk is full, or the file cannot be mapped; ``old`` is untouched.
    """
    os.posix_fallocate(descriptor, start, SIZE)
    made = Window(descriptor, SIZE, offset=start)
    made.begin = start
    # Else the first record waits until all pages are read ahead and dirtied as one: 0.4 ms.
    made.madvise(mmap.MADV_RANDOM)
    made.address = ctypes.addressof(ctypes.c_char.from_buffer(made))
    try:
        # Fetching a page costs as much as two records, and giving it back half of that: both happen without
        # Python's lock.
        _thread.start_new_thread(_exchange, (made.address, old))
    except RuntimeError:  # the interpreter is shutting down: pages come when they are touched
        if old is not None:
            old.close()
    return made


def _exchange(address: int, old: mmap.mmap | None) -> None:
    madvise = _madvise()
    if madvise is not None:
        madvise(ctypes.c_void_p(address), ctypes.c_size_t(SIZE), _POPULATE_WRITE)
    if old is not None:
        old.close()


@functools.cache
def _madvise() -> Any:
    try:
        return ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return None
