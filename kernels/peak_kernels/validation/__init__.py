"""Loops of validation: combinations of blocks of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.validation.cscv import find_winners as find_winners
    from peak_kernels.validation.cscv import mean_sharpes as mean_sharpes
    from peak_kernels.validation.cscv import rank_winners as rank_winners

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {"cscv": ("find_winners", "mean_sharpes", "rank_winners")}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
