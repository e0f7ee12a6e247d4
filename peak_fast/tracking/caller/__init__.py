"""The caller's side of tracking: what a run costs the process that backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.tracking.caller.launch import start_writer as start_writer
    from peak_fast.tracking.caller.mlflow import MLflowTracker as MLflowTracker

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {"launch": ("start_writer",), "mlflow": ("MLflowTracker",)}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
