"""Matrices of entries and exits, with the rules of vectorbt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.signals.simulate import simulate_signals as simulate_signals

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "simulate": ("simulate_signals",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
