"""The command line ``peak-fast``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.cli.start import main

__all__ = ["main"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "start": ("main",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
