"""The tracker that records runs in MLflow.

>>> from peak_fast.tracking import MLflowTracker
>>> with MLflowTracker("sqlite:///mlflow.db", "ideas", run_name="first") as tracker:        # doctest: +SKIP
...     BacktestEngine(tracker=tracker).run(bars, strategy)

Leaving the block ends the run, and returns when it is in the store.

In the default mode a call appends a few hundred bytes to a spool file, and mlflow is never imported in the
caller's process: see ``docs/tracking.md`` for how the runs get into the store.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from peak_fast.errors import ConfigError, MissingDependencyError, did_you_mean
from peak_fast.guard import guarded_class
from peak_fast.masking import mask
from peak_fast.tracking import spool
from peak_fast.tracking.base import TrackingWarning, logger
from peak_fast.tracking.caller import launch
from peak_fast.tracking.caller.channel import Channel, Mode
from peak_fast.tracking.caller.runs import RunKeeper
from peak_fast.tracking.spool import ARTIFACT_PARTS, Part, is_file_store, is_locked, resolve, store_key

Artifacts = Literal["report", "full", "light", "none"]
MODES = ("background", "sync")


@guarded_class()
class MLflowTracker(RunKeeper):
    """Records runs in an MLflow store.

    Parameters
    ----------
    tracking_uri
        ``sqlite:///file.db``, ``postgresql://...``, ``http://...``, or a folder (the old file store).  None
        takes ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the current folder.
    experiment_name
        Experiment of the runs; created with the first of them.
    auto_start_run
        Start a run at once, named ``run_name``.
    run_name
        Name of the run that ``auto_start_run`` or the context manager starts.
    mode
        ``"background"``: a call costs microseconds, a separate process writes to the store.  ``"sync"``: each
        call returns when the store has it.
    artifacts
        What a logged backtest gains: ``"full"`` picture, trade statistics and report; ``"report"`` the tear
        sheet, too (``reports/tearsheet.html``); ``"light"`` all but the picture; ``"none"`` nothing.
    tags
        Tags of every run.

    Raises
    ------
    ConfigError
        An unknown mode or kind of artifacts, tags that are no mapping, or a URI that cannot work.
    MissingDependencyError
        MLflow is not installed.
    TrackingError
        Others may write to the folder of the spool; the message names the command that mends it.
    """

    def __init__(
        self,
        tracking_uri: str | Path | None = None,
        experiment_name: str = "peak_fast",
        auto_start_run: bool = False,
        run_name: str | None = None,
        mode: Mode = "background",
        artifacts: Artifacts = "full",
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        for option, given, known in (("mode", mode, MODES), ("artifacts", artifacts, tuple(ARTIFACT_PARTS))):
            if given not in known:
                raise ConfigError(f"{option}: got {given!r}; {did_you_mean(str(given), known)}")
        if tracking_uri is not None and not isinstance(tracking_uri, (str, Path)):
            raise ConfigError(f"tracking_uri: expected a text or a path, got {type(tracking_uri).__name__}")
        if tags is not None and not isinstance(tags, Mapping):
            raise ConfigError(f"tags: expected a mapping of names to values, got {type(tags).__name__}")
        _check_installed()
        uri = resolve(tracking_uri)
        if is_file_store(uri):
            _warn_file_store(uri)
        self._artifacts = artifacts
        name = str(experiment_name or "peak_fast")[:250]
        channel = Channel(uri, name, mode, Part.VALUES | ARTIFACT_PARTS[artifacts])
        super().__init__(channel, run_name, tags or {}, tracking_uri is not None)
        self._finalizer = weakref.finalize(self, self._channel.drop)
        self._finalizer.atexit = False  # the exit handler of ``background`` knows how the process ended
        _finish_old_segments(self._channel)
        if auto_start_run:
            self.start_run(run_name)

    def __repr__(self) -> str:
        channel = self._channel
        return (
            f"MLflowTracker({mask(channel.uri)!r}, {channel.experiment!r}, mode={channel.mode!r}, "
            f"artifacts={self._artifacts!r})"
        )

    @property
    def tracking_uri(self) -> str:
        """The resolved tracking URI, with its credentials if it has any."""
        return self._channel.uri

    @property
    def experiment_name(self) -> str:
        """Name of the experiment."""
        return self._channel.experiment

    @property
    def mode(self) -> str:
        """``"background"`` or ``"sync"``."""
        return self._channel.mode

    @property
    def artifacts(self) -> str:
        """``"report"``, ``"full"``, ``"light"`` or ``"none"``."""
        return self._artifacts

    def flush(self, timeout: float | None = None) -> None:
        """Return when everything logged so far is durable in the store.

        Parameters
        ----------
        timeout
            Seconds to wait; None is 90.  A store that does not answer is reported at once.

        Raises
        ------
        TrackingError
            Something is not in the store; the message says what and where it waits.
        """
        self._channel.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """End all runs, flush, and delete the spool; the tracker can be used again afterwards.

        Raises
        ------
        TrackingError
            See :meth:`flush`; the spool stays for ``peak-fast sync``.
        """
        self._channel.finish("FINISHED", timeout)


def _check_installed() -> None:
    """Without importing mlflow, which takes two seconds and 200 MB."""
    try:
        found = "mlflow" in sys.modules or importlib.util.find_spec("mlflow") is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise MissingDependencyError(
            "MLflowTracker needs the package 'mlflow', which is not installed; install it with: "
            "pip install 'peak-fast[mlflow]'"
        )


_warned_file_store = False


def _warn_file_store(uri: str) -> None:
    global _warned_file_store
    if not _warned_file_store:
        _warned_file_store = True
        warnings.warn(
            f"the MLflow file store {mask(uri)} is deprecated and slow; it works here, but MLflow >= 3.13 "
            "itself refuses it without MLFLOW_ALLOW_FILE_STORE=true. Move the runs with "
            "`mlflow migrate-filestore` and use the default tracking_uri 'sqlite:///mlflow.db'",
            TrackingWarning,
            stacklevel=3,
        )


def _finish_old_segments(channel: Channel) -> None:
    """Start a writer if an earlier process left something for this store; refuse a spool that others may write."""
    try:
        folder = spool.check_folder(spool.spool_root() / store_key(channel.uri))
        left = [path for path in spool.segments(folder) if not is_locked(path)]
        if left:
            logger.info("%d unfinished spool files of earlier processes are replayed", len(left))
            launch.start_writer(channel.folder, channel.uri, channel.home, idle=True)
    except OSError as error:
        logger.debug("unfinished spool files: %s", error)
