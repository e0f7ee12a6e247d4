"""Log a finished backtest to any tracker: what the engine calls after a run.

The engine never starts a run by itself: without an active run, nothing is logged.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from peak_fast.tracking.base import TrackingWarning, has_run, logger
from peak_fast.tracking.noop import NoopTracker

_warned: set[str] = set()


def log_backtest(tracker: Any, result: Any, *, bundle: bool = False) -> None:
    """Log settings, strategy, data, metrics and artifacts of a finished backtest.

    Costs nothing (well below a microsecond) without a tracker, with a :class:`NoopTracker`, or without an
    active run.  Never raises: a tracker that fails is one warning, and never changes or stops the work.

    Parameters
    ----------
    tracker
        Any :class:`~peak_fast.tracking.base.Tracker`, or None.
    result
        A ``BacktestResult``: ``stats``, ``metadata``, ``equity``, ``trades`` (``trade_records`` if there are
        any), ``bars``.
    bundle
        Also log everything that ``result.save`` writes.
    """
    if tracker is None or type(tracker) is NoopTracker:
        return
    try:
        native = getattr(tracker, "log_result", None)
        if native is not None:
            native(result, bundle=bundle)
        elif has_run(tracker):
            from peak_fast.tracking.artifacts import log_backtest_artifacts

            log_backtest_metadata(tracker, result)
            log_backtest_artifacts(tracker, result)
            if bundle:
                log_bundle(tracker, result)
    except Exception as error:
        warn_untracked(tracker, error)


def log_backtest_metadata(tracker: Any, result: Any) -> None:
    """Log only the values of a backtest (parameters, finite metrics, tags), without artifacts.

    Parameters
    ----------
    tracker
        Any tracker, or None; nothing happens without an active run.
    result
        A ``BacktestResult``.
    """
    if tracker is None or type(tracker) is NoopTracker:
        return
    try:
        if not has_run(tracker):
            return
        native = getattr(tracker, "log_result_values", None)
        if native is not None:
            native(result)
        else:
            _log_values(tracker, result)
    except Exception as error:
        warn_untracked(tracker, error)


def _log_values(tracker: Any, result: Any) -> None:
    """The same values as the writer's, through the protocol alone."""
    from peak_fast.tracking.writer import values_of

    params, numbers, tags = values_of(result.stats, getattr(result, "metadata", None) or {})
    tracker.log_params(params)
    tracker.log_metrics(numbers)
    tracker.set_tags(tags)


def log_bundle(tracker: Any, result: Any) -> None:
    """Log everything that ``result.save`` writes, below ``bundle/``."""
    from peak_fast.results import make_flat

    with tempfile.TemporaryDirectory(prefix="peak-fast-") as folder:
        target = Path(folder) / "bundle"
        result.save(target)
        make_flat(target)
        tracker.log_artifact(target)


def warn_untracked(tracker: Any, error: Exception) -> None:
    """One warning per kind of failure; not even ``-W error`` makes it stop the work."""
    topic = f"{type(tracker).__name__}: {type(error).__name__}"
    if topic in _warned:
        logger.debug("tracking failed again: %s", error)
        return
    _warned.add(topic)
    try:
        warnings.warn(f"the backtest is not tracked: {topic}: {error}", TrackingWarning, stacklevel=4)
    except TrackingWarning:
        logger.warning("the backtest is not tracked: %s: %s", topic, error)
