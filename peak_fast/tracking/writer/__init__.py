"""The writer process: from the spool to the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.tracking.writer.replay import SegmentReplay as SegmentReplay
    from peak_fast.tracking.writer.unpack import values_of as values_of

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {"replay": ("SegmentReplay",), "unpack": ("values_of",)}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
