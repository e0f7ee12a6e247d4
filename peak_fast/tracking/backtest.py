"""Log a finished backtest to any tracker: what the engine calls after a run.

The engine never starts a run by itself: without an active run, nothing is logged.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
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
            log_backtest_metadata(tracker, result)
            _log_through_protocol(tracker, result, bundle)
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
    from peak_fast.tracking.sanitize import split_metrics
    from peak_fast.tracking.writer import backtest_params, backtest_tags, figures_of, given_params

    metadata: Mapping[str, Any] = getattr(result, "metadata", None) or {}
    split = split_metrics(figures_of(result.stats))
    params = backtest_params(metadata)
    tracker.log_params({**params, **given_params(result.stats, params)})
    tracker.log_metrics({name: value for name, value in split.numbers.items() if value == value})
    tracker.set_tags({**split.tags, **backtest_tags(metadata)})


def _log_through_protocol(tracker: Any, result: Any, bundle: bool) -> None:
    from peak_fast.tracking.artifacts import log_backtest_artifacts

    log_backtest_artifacts(tracker, result)
    if bundle:
        log_bundle(tracker, result)


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
