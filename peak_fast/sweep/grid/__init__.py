"""What a sweep runs: grids, axes, samples, conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.sweep.grid.axis import RESERVED as RESERVED
    from peak_fast.sweep.grid.axis import Array as Array
    from peak_fast.sweep.grid.filters import given_constraints as given_constraints
    from peak_fast.sweep.grid.grid import Grid as Grid

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "axis": ("Array", "RESERVED"),
    "filters": ("given_constraints",),
    "grid": ("Grid",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
