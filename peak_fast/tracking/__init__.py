"""Tracking: every run recorded, at a cost nobody notices, nothing lost.

``NoopTracker`` records nothing; ``MLflowTracker`` records in MLflow; ``build_tracker_from_config`` chooses by
a configuration.  All obey the protocol ``Tracker``.  Importing this package imports neither mlflow nor
Polars.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peak_fast.tracking.artifacts import log_backtest_artifacts
    from peak_fast.tracking.backtest import log_backtest, log_backtest_metadata
    from peak_fast.tracking.base import Tracker, TrackingWarning
    from peak_fast.tracking.config import build_tracker_from_config
    from peak_fast.tracking.handles import RunHandle
    from peak_fast.tracking.mlflow import MLflowTracker
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
]

_HOMES = {
    "MLflowTracker": "mlflow",
    "NoopTracker": "noop",
    "RunHandle": "handles",
    "Tracker": "base",
    "TrackingWarning": "base",
    "build_tracker_from_config": "config",
    "log_backtest": "backtest",
    "log_backtest_artifacts": "artifacts",
    "log_backtest_metadata": "backtest",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
