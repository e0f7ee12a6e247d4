"""A shallow copy of a pandas frame, put together when somebody asks for it.

A run keeps the frame as it was, which hardly anybody looks at; with copy-on-write that is a matter of keeping its
blocks of columns, a fifth of what a copy costs.
"""

from __future__ import annotations

from typing import Any

from peak_fast.data.kept_rows import pandas_version

# From this version on blocks that are kept are copied before their frame is written to, without any option.
_COPIES_ON_WRITE = 3


class LateFrame:
    """What a frame of pandas consists of; `made` gives the frame."""

    __slots__ = ("_axes", "_blocks", "_kind", "_manager", "_names")

    def __init__(self, frame: Any) -> None:
        manager = frame._mgr
        self._kind, self._manager = type(frame), type(manager)
        self._blocks = tuple([block.copy(deep=False) for block in manager.blocks])
        self._axes = tuple(manager.axes)
        # All that can be changed in place about an axis.
        self._names = [axis.name for axis in self._axes]

    def made(self) -> Any:
        """The frame as it was."""
        axes = [axis.rename(name) for axis, name in zip(self._axes, self._names, strict=True)]
        manager = self._manager(self._blocks, axes, verify_integrity=False)
        return self._kind._from_mgr(manager, manager.axes)


def kept_pandas(frame: Any) -> Any:
    """A frame of pandas as it is now: a shallow copy, or what it takes to make one.

    What the user writes to the frame later reaches neither.
    """
    if pandas_version() < _COPIES_ON_WRITE or frame.attrs or not frame.flags.allows_duplicate_labels:
        return frame.copy(deep=False)
    try:
        return LateFrame(frame)
    except (AttributeError, TypeError):  # a pandas whose frames consist of something else
        return frame.copy(deep=False)
