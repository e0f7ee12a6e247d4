"""Entries and exits as arrays, with the rules of vectorbt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.settings import SignalRules
    from peak_fast.signals.simulate import SignalResult, simulate_signals, simulate_sizes

__all__ = ["SignalResult", "SignalRules", "simulate_signals", "simulate_sizes"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "peak_fast.settings": ("SignalRules",),
    "simulate": ("SignalResult", "simulate_signals", "simulate_sizes"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
