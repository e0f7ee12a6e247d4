"""Tracking: every run recorded, at a cost nobody notices, nothing lost.

``NoopTracker`` records nothing; ``MLflowTracker`` records in MLflow; ``build_tracker_from_config`` chooses by
a configuration.  All obey the protocol ``Tracker``.  Importing this package imports neither mlflow nor
Polars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.tracking.artifacts import log_backtest_artifacts
    from peak_fast.tracking.backtest import log_backtest, log_backtest_metadata
    from peak_fast.tracking.backtest import warn_untracked as warn_untracked
    from peak_fast.tracking.base import Tracker, TrackingWarning
    from peak_fast.tracking.base import has_run as has_run
    from peak_fast.tracking.caller import MLflowTracker
    from peak_fast.tracking.catch_up import sync
    from peak_fast.tracking.config import build_tracker_from_config
    from peak_fast.tracking.handles import RunHandle
    from peak_fast.tracking.handles import status_of as status_of
    from peak_fast.tracking.noop import NoopTracker

__all__ = [
    "MLflowTracker",
    "NoopTracker",
    "RunHandle",
    "Tracker",
    "TrackingWarning",
    "build_tracker_from_config",
    "log_backtest",
    "log_backtest_artifacts",
    "log_backtest_metadata",
    "sync",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "artifacts": ("log_backtest_artifacts",),
    "backtest": ("log_backtest", "log_backtest_metadata", "warn_untracked"),
    "base": ("Tracker", "TrackingWarning", "has_run"),
    "caller": ("MLflowTracker",),
    "catch_up": ("sync",),
    "config": ("build_tracker_from_config",),
    "handles": ("RunHandle", "status_of"),
    "noop": ("NoopTracker",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
