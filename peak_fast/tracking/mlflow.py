"""The tracker that records runs in MLflow.

>>> from peak_fast.tracking import MLflowTracker
>>> with MLflowTracker("sqlite:///mlflow.db", "ideas") as tracker:        # doctest: +SKIP
...     tracker.start_run("first")
...     BacktestEngine(tracker=tracker).run(bars, strategy)

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
from time import time_ns
from types import TracebackType
from typing import Any, Literal

from peak_fast._guard import guarded_class
from peak_fast.errors import ConfigError, MissingDependencyError, did_you_mean
from peak_fast.tracking import launch, spool
from peak_fast.tracking._locks import is_locked
from peak_fast.tracking.base import STATUSES, RunHandle, TrackingWarning, logger, status_of
from peak_fast.tracking.channel import Channel, Mode, OpenRun, now_ms
from peak_fast.tracking.curves import ARTIFACT_PARTS, VALUES
from peak_fast.tracking.recorder import Recorder
from peak_fast.tracking.segment import Prefixes
from peak_fast.tracking.updates import RUN_NAME
from peak_fast.tracking.uris import is_file_store, mask, resolve, store_key

Artifacts = Literal["full", "light", "none"]
MODES = ("background", "sync")
_NAMED, _UNNAMED = Prefixes(spool.QUICK_START, spool.NAMED), Prefixes(spool.QUICK_START)
_END = Prefixes(spool.QUICK_END)


@guarded_class()
class MLflowTracker(Recorder):
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
        What a logged backtest gains: ``"full"`` picture, trade statistics and report; ``"light"`` all but the
        picture; ``"none"`` nothing.
    tags
        Tags of every run.

    Raises
    ------
    ConfigError
        An unknown mode or kind of artifacts, or a URI that cannot work.
    MissingDependencyError
        MLflow is not installed.
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
        if mode not in MODES:
            raise ConfigError(f"mode: got {mode!r}; {did_you_mean(str(mode), MODES)}")
        if artifacts not in ARTIFACT_PARTS:
            raise ConfigError(f"artifacts: got {artifacts!r}; {did_you_mean(str(artifacts), ARTIFACT_PARTS)}")
        _check_installed()
        uri = resolve(tracking_uri)
        if is_file_store(uri):
            _warn_file_store(uri)
        self._explicit = tracking_uri is not None
        self._run_name = run_name
        self._tags = dict(tags or {})
        self._artifacts = artifacts
        name = str(experiment_name or "peak_fast")[:250]
        super().__init__(Channel(uri, name, mode, VALUES | ARTIFACT_PARTS[artifacts]))
        self._finalizer = weakref.finalize(self, self._channel.drop)
        self._finalizer.atexit = False  # the exit handler of ``background`` knows how the process ended
        self._entered: list[str] = []
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
    def active(self) -> bool:
        """Whether a run is open."""
        return bool(self._channel.runs)

    def start_run(
        self, run_name: str | None = None, *, nested: bool = False, tags: Mapping[str, Any] | None = None
    ) -> RunHandle:
        """Start a run, or keep the active one.

        A run of the user's own (``mlflow.start_run``) that is active in this thread is joined: logged into,
        and not ended by us.

        Parameters
        ----------
        run_name
            Name; without one the first backtest names the run.
        nested
            With a run active: start a child of it.
        tags
            Tags of this run, besides those of the tracker.

        Returns
        -------
        RunHandle
            The run id; as a context manager it ends the run.
        """
        channel = self._channel
        with channel.lock:
            if channel.runs and not nested:
                return self._keep(channel.runs[-1], run_name, tags)
            if nested or tags or self._tags or "mlflow" in sys.modules:
                run = self._start_with_relations(run_name, nested, tags)
            else:
                run = OpenRun(channel.ids.pop() if channel.ids else channel.new_run_id())
                run.named = run_name is not None
                text = f"{run.run_id}\n{time_ns()}\n{run_name}"
                try:
                    head = text.encode()
                except UnicodeEncodeError:
                    head = text.encode("utf-8", "surrogatepass")
                segment = channel.segment or channel.opened()
                if segment is not None:
                    segment.put_head(_NAMED if run.named else _UNNAMED, head)
                    if segment.error is not None:
                        channel.warn_disk(segment)
            channel.runs.append(run)
            if channel.mode == "sync":
                channel.applied()
            handle = str.__new__(RunHandle, run.run_id)  # as RunHandle(run.run_id, self), in half the time
            handle._owner = self
            return handle

    def _start_with_relations(
        self, run_name: str | None, nested: bool, tags: Mapping[str, Any] | None
    ) -> OpenRun:
        """Start a run that may have a parent, tags, or be a run of the user's own."""
        channel = self._channel
        theirs = self._users_run() if not channel.runs else None
        joined = theirs is not None and not nested
        run = OpenRun(theirs if theirs is not None and joined else channel.new_run_id())
        run.joined, run.named = joined, joined or run_name is not None
        parent = None if joined else channel.runs[-1].run_id if channel.runs else theirs
        name = None if run_name is None else str(run_name)
        head = (run.run_id, now_ms(), name, parent, {**self._tags, **(tags or {})}, joined)
        channel.append(spool.START, head)
        return run

    def _keep(self, run: OpenRun, run_name: str | None, tags: Mapping[str, Any] | None) -> RunHandle:
        """A run is active: keep it.  One that nobody named and used yet (of a ``with`` block) takes the
        name."""
        if run_name and not run.named and not run.used and not run.joined:
            run.named = True
            self._append(spool.TAGS, {RUN_NAME: run_name})
        else:
            logger.debug("a run is active: %s is kept", run.run_id)
        if tags:
            self._append(spool.TAGS, dict(tags))
        return RunHandle(run.run_id)

    def _users_run(self) -> str | None:
        """Id of the user's own active fluent run in the same store; mlflow is not imported for it."""
        mlflow = sys.modules.get("mlflow")
        find = getattr(mlflow, "active_run", None)
        if find is None:
            return None
        try:
            run = find()
            if run is None:
                return None
            if self._explicit and resolve(getattr(mlflow, "get_tracking_uri")()) != self._channel.uri:  # noqa: B009
                return None
            return str(run.info.run_id)
        except Exception as error:  # another version of mlflow, or a half-initialised one
            logger.debug("mlflow.active_run(): %s", error)
            return None

    def end_run(self, status: str = "FINISHED") -> None:
        """End the innermost run.

        Parameters
        ----------
        status
            ``FINISHED``, ``FAILED`` or ``KILLED``; anything else counts as ``FINISHED``, with a warning.
        """
        channel = self._channel
        with channel.lock:
            if not channel.runs:
                logger.debug("no active run: end_run is ignored")
                return
            if status not in STATUSES:
                channel.warn(
                    "status", f"end_run: {status!r} is not one of {STATUSES}; the run ends as FINISHED"
                )
                status = "FINISHED"
            run = channel.runs.pop()
            segment = channel.segment or channel.opened()
            if segment is None:
                return
            if not run.joined:
                segment.put_head(_END, f"{run.run_id}\n{time_ns()}\n{status}".encode())
                if segment.error is not None:
                    channel.warn_disk(segment)
                if channel.mode == "sync":
                    channel.applied()
            if segment.full:
                channel.rotate()

    def end_run_by_id(self, run_id: str, status: str) -> None:
        """End a run and the runs inside it; nothing happens if it has ended."""
        channel = self._channel
        with channel.lock:
            if any(run.run_id == run_id for run in channel.runs):
                while channel.runs[-1].run_id != run_id:
                    self.end_run(status)
                self.end_run(status)

    def get_run_id(self) -> str | None:
        """Id of the innermost active run, or None.

        In SQL stores this is the store's id.  Over HTTP and in file stores the store chooses its own: it is
        known after a ``flush`` (see :meth:`store_run_id`), and our id is the tag ``peak_fast.run_id``.
        """
        runs = self._channel.runs
        return runs[-1].run_id if runs else None

    def store_run_id(self, run_id: str | None = None) -> str | None:
        """The store's id of a run (default: the active one), after a ``flush``.

        Raises
        ------
        TrackingError
            See :meth:`flush`.
        """
        wanted = run_id or self.get_run_id()
        if wanted is None:
            return None
        self.flush()
        return self._channel.store_id(str(wanted))

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
        self._entered.clear()
        self._channel.finish("FINISHED", timeout)

    def __enter__(self) -> MLflowTracker:
        """Start a run unless one is active; ``start_run`` inside the block may still name it."""
        started = "" if self.active else str(self.start_run(self._run_name))
        self._entered.append(started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run that the block started, and everything inside it."""
        started = self._entered.pop() if self._entered else ""
        if started:
            self.end_run_by_id(started, status_of(kind))


def _check_installed() -> None:
    """Without importing mlflow, which takes two seconds and 200 MB.

    Raises
    ------
    MissingDependencyError
        MLflow is not installed.
    """
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
            f"the MLflow file store {uri} is deprecated and slow; it works here, but MLflow >= 3.13 "
            "itself refuses it without MLFLOW_ALLOW_FILE_STORE=true. Move the runs with "
            "`mlflow migrate-filestore` and use the default tracking_uri 'sqlite:///mlflow.db'",
            TrackingWarning,
            stacklevel=3,
        )


def _finish_old_segments(channel: Channel) -> None:
    """Start a writer if an earlier process left something for this store."""
    try:
        folder = spool.spool_root() / store_key(channel.uri)
        left = [path for path in spool.segments(folder) if not is_locked(path)]
        if left:
            logger.info("%d unfinished spool files of earlier processes are replayed", len(left))
            launch.start_writer(channel.folder, channel.uri, channel.home, idle=True)
    except OSError as error:
        logger.debug("unfinished spool files: %s", error)
