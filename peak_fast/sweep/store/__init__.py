"""Where a sweep keeps its results, and how it continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.sweep.store.folder import FORMAT as FORMAT
    from peak_fast.sweep.store.folder import MANIFEST as MANIFEST
    from peak_fast.sweep.store.folder import Parts as Parts
    from peak_fast.sweep.store.folder import find_parts as find_parts
    from peak_fast.sweep.store.folder import part_name as part_name
    from peak_fast.sweep.store.folder import read_manifest as read_manifest
    from peak_fast.sweep.store.folder import remove_unfinished as remove_unfinished
    from peak_fast.sweep.store.folder import table as table
    from peak_fast.sweep.store.folder import write_manifest as write_manifest
    from peak_fast.sweep.store.key import StoreKey as StoreKey
    from peak_fast.sweep.store.key import changes as changes
    from peak_fast.sweep.store.lock import FolderLock as FolderLock
    from peak_fast.sweep.store.store import LOCK as LOCK
    from peak_fast.sweep.store.store import SweepStore as SweepStore
    from peak_fast.sweep.store.store import check_resume as check_resume
    from peak_fast.sweep.store.store import check_room as check_room
    from peak_fast.sweep.store.told import told_of as told_of

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "folder": (
        "FORMAT",
        "MANIFEST",
        "Parts",
        "find_parts",
        "part_name",
        "read_manifest",
        "remove_unfinished",
        "table",
        "write_manifest",
    ),
    "key": ("StoreKey", "changes"),
    "lock": ("FolderLock",),
    "store": ("LOCK", "SweepStore", "check_resume", "check_room"),
    "told": ("told_of",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
