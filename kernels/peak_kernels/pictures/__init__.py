"""Loops of pictures: curves drawn into palette pixels, and these packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.pictures.curves import draw_spans as draw_spans
    from peak_kernels.pictures.curves import fold_columns as fold_columns
    from peak_kernels.pictures.packing import pack_pixels as pack_pixels

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {"curves": ("draw_spans", "fold_columns"), "packing": ("pack_pixels",)}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
