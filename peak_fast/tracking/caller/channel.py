"""The way from one tracker to its store: a spool segment, and who replays it.

``mode="background"``: the writer process replays.  ``mode="sync"``: this process replays after every call;
what the store does not take stays in the spool all the same, so both modes lose nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from peak_fast.errors import TrackingError
from peak_fast.masking import mask, masked
from peak_fast.tracking import reach, spool
from peak_fast.tracking.base import TrackingWarning, logger
from peak_fast.tracking.caller import background, environment, launch
from peak_fast.tracking.caller.active import OpenRun, OpenSegment, ThreadRuns, free_lock, new_runs
from peak_fast.tracking.handles import RunHandle
from peak_fast.tracking.spool import Curve, Kind, Part, SegmentPaths, SegmentWriter

if TYPE_CHECKING:
    from peak_fast.tracking.caller.inprocess import InProcess

Mode = Literal["background", "sync"]

_ALL = 1 << 62


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Channel:
    """Appends records and gets them confirmed.

    Interrupts (Ctrl-C, any exception) may come between any two instructions: what is known of runs and segments changes
    once the record that says so is written, and in one assignment where two would have to agree.  ``parts`` is what is
    wanted of a logged backtest (:mod:`peak_fast.tracking.spool.curves`).
    """

    def __init__(self, uri: str, experiment: str, mode: Mode, parts: int) -> None:
        self.uri = uri
        self.experiment = experiment
        self.mode = mode
        self.parts = parts
        self._code = Kind.PACKED + 256 * (parts | Curve.TRADES if parts & Part.FIGURE else parts)
        self.home = str(Path.cwd())
        # Guards the channel and the tracker above it.
        self.lock = threading.RLock()
        self.local = ThreadRuns()
        # Runs of all threads, in the order of their beginning.
        self.open: dict[OpenRun, None] = {}
        # Where records go.  What runs for every backtest writes there itself.
        self.segment: OpenSegment | None = None
        # Segments before it that the store may not have confirmed.
        self._older: list[OpenSegment] = []
        self._folder: Path | None = None
        self._replayer: InProcess | None = None
        self._unreached = False
        self._git: environment.GitStatus | None = None
        self._warned: set[str] = set()
        # How many refusals beside a segment the user has heard of.
        self._told: dict[Path, int] = {}
        self._n_unrecorded = 0
        # Runs that will begin: what is random in them is fetched for many at once.
        self.runs: list[RunHandle] = []
        # Before this time a store that did not answer is not asked for an id.
        self.ask_again = 0.0
        # What a handle holds as plain memory: the id where it is ours in all likelihood.
        self.own_ids = (
            spool.scheme_of(uri) in spool.SQL_SCHEMES and os.environ.get("PEAK_FAST_BULK", "1") != "0"
        )
        # Found once per process: not in the first run of a loop.
        environment.user_name()
        environment.git_tags(self.home)
        background.know(self)

    def more_runs(self) -> list[RunHandle]:
        """Runs that have not begun, at least one."""
        if not self.runs:
            self.runs = new_runs(self.own_ids)
        return self.runs

    @property
    def folder(self) -> Path:
        """Spool folder of the store."""
        if self._folder is None:
            self._folder = spool.store_folder(self.uri)
        return self._folder

    def warn(self, topic: str, message: str) -> None:
        """Warn once per topic."""
        if topic not in self._warned:
            self._warned.add(topic)
            warnings.warn(masked(message, self.uri), TrackingWarning, stacklevel=4)
        else:
            logger.debug("%s", masked(message, self.uri))

    @property
    def told_of_store(self) -> bool:
        """Whether a call that writes to the store itself has told the user that it does not take the log."""
        return self.mode == "sync" and "store" in self._warned

    def append(self, kind: int, head: Any, buffers: Sequence[Any] = ()) -> None:
        """Append a record; the lock is held by the caller.  Never raises because of the disk."""
        segment = self.segment or self.opened()
        if segment is not None:
            segment.append(kind, head, buffers)
            self.warn_disk(segment)

    def opened(self) -> OpenSegment | None:
        """A new segment for the next record; None, which counts as a record that is lost, if there can be none."""
        segment = self._open()
        if segment is None:
            self._n_unrecorded += 1
        return segment

    def warn_disk(self, segment: SegmentWriter) -> None:
        """Warn, once, if records wait in memory."""
        if segment.error is not None:
            text = f"tracking: {segment.paths.segment} cannot be written ({segment.error}); records wait in memory"
            self.warn("spool", f"{text}, the work goes on; call flush() when there is room again")

    def look_after(self, segment: SegmentWriter) -> None:
        """After a record that was more than a copy."""
        self.warn_disk(segment)
        self.applied()

    def unlock(self) -> None:
        """After an exception in a call: other threads do not wait for its lock for ever."""
        free_lock(self.lock, sys._getframe(2))

    def applied(self) -> None:
        """After records were appended: in sync mode replay them now."""
        if self.mode == "sync" and self.segment is not None:
            self._collect_git(wait=False)
            try:
                self.replay_now(force=False)
            except TrackingError as error:
                self.warn("store", f"tracking: the store did not take the log now ({error})")

    def replay_now(self, *, force: bool) -> None:
        """Sync mode: replay the current segment in this process.

        Raises
        ------
        TrackingError
            The store did not take it; ``force`` asks it again however short ago that was.
        """
        with self.lock:
            segment = self.segment
            if segment is None:
                return
            if self._replayer is None:
                from peak_fast.tracking.caller.inprocess import InProcess

                self._replayer = InProcess(self.uri, self.home)
            problem = self._replayer.replay(segment.paths, force=force)
        if problem is not None:
            raise TrackingError(self._missing(segment, problem))

    def _open(self) -> OpenSegment | None:
        header = {
            "experiment": self.experiment,
            "folder": self.home,
            "mode": self.mode,
            "user": environment.user_name(),
            "source": environment.source_name(),
            "pid": os.getpid(),
            "tags": {**environment.version_tags(), **environment.git_tags(self.home)},
        }
        background.watch(self)
        try:
            folder = spool.check_folder(self.folder)
            self.segment = OpenSegment(folder, header, code=self._code, mapped=self.mode != "sync")
        except (OSError, TrackingError) as error:
            self.warn(
                "spool",
                f"tracking: no spool can be created in {spool.spool_root()} ({error}); nothing is "
                "recorded; set PEAK_FAST_SPOOL_DIR to a folder that can be written",
            )
            return None
        self._git = environment.git_status(self.home)
        return self.segment

    def _collect_git(self, wait: bool) -> None:
        """Append git's answer to "is the work tree dirty?" once it is there."""
        if self._git is not None and self.segment is not None:
            tags = self._git.result(wait)
            if tags is not None:
                self._git = None
                if tags:
                    self.segment.append(Kind.ENVIRONMENT, (None, tags))

    def rotate(self) -> None:
        """Begin a new segment once the current one is large; only while no run is open."""
        segment = self.segment
        if segment is None or self.open or not segment.full or segment.n_waiting:
            return
        self._collect_git(wait=True)
        self.applied()
        self._shut(segment)

    def _shut(self, segment: OpenSegment) -> InProcess | None:
        """The next record begins a new segment, which holds neither bars nor settings yet.

        Returns the replayer of sync mode, whose store is closed.
        """
        # First, so that what is interrupted from here on is finished by the next one who asks for older ones.
        self._older.append(segment)
        self.segment = None
        segment.close()
        replayer, self._replayer = self._replayer, None
        if replayer is not None:
            replayer.close()
        return replayer

    def _left(self) -> list[OpenSegment]:
        """Segments before the current one that are not confirmed; those that are, are forgotten."""
        left = [segment for segment in self._older if segment is not self.segment]
        for segment in left:
            segment.close()
        self._older = [segment for segment in left if segment.paths.segment.exists()]
        return self._older

    def flush(self, timeout: float | None) -> None:
        """Return when all records are in the store.

        Raises
        ------
        TrackingError
            They are not; the message says what is missing and where it waits.
        """
        with self.lock:
            segment = self.segment
            lost, self._n_unrecorded = self._n_unrecorded, 0
            if lost:
                raise TrackingError(
                    f"nothing was recorded: {lost} records found no spool in {spool.spool_root()}; set "
                    "PEAK_FAST_SPOOL_DIR to a folder that can be written"
                )
            if segment is not None:
                self._collect_git(wait=True)
                self.write_waiting(segment)
                if self.mode == "sync":
                    self.replay_now(force=True)
                    self._check_rejected(segment.paths)
                    return
                segment.prepare()
            targets = [(older.paths, _ALL) for older in self._left()]
            if segment is not None and segment.paths.segment.exists():
                targets.append((segment.paths, segment.offset))
        if not targets:
            return
        self.confirm(targets, timeout)
        self.ask_again = 0.0
        for paths, _ in targets:
            self._check_rejected(paths)

    def write_waiting(self, segment: SegmentWriter) -> None:
        """Write what waits in memory, and make it survive a power cut.

        Raises
        ------
        TrackingError
            The disk does not take it.
        """
        try:
            if not segment.retry() or segment.lost:
                raise TrackingError(
                    self._missing(segment, segment.error or "memory for waiting records ran out")
                )
            segment.sync()
        except OSError as error:
            raise TrackingError(self._missing(segment, str(error))) from error

    def _missing(self, segment: SegmentWriter, reason: str) -> str:
        return masked(f"not all runs are in {mask(self.uri)}: {reason}; {segment.where_it_waits()}", self.uri)

    def _check_rejected(self, paths: SegmentPaths) -> None:
        """Tell once what of a segment the store refused for good: parts of runs as a warning.

        Raises
        ------
        TrackingError
            It refused whole updates.
        """
        told = self._told.get(paths.rejected, 0)
        lines = spool.rejections(paths)[told:]
        self._told[paths.rejected] = told + len(lines)
        whole = [f"run {run}: {reason}" for run, reason, kind in lines if kind != "part"]
        for run, reason, kind in lines:
            if kind == "part":
                text = f"tracking: {mask(self.uri)} does not take a part of run {run}: {reason}; the rest is there"
                self.warn(f"part {run}: {reason}", text)
        if whole:
            text = f"{mask(self.uri)} refused {len(whole)} updates for good, the last one: {whole[-1]}"
            raise TrackingError(masked(f"{text}; see {paths.rejected}", self.uri))

    def kick(self) -> None:
        """From the background thread: make the spool durable on disk and start an idle writer."""
        with self.lock:
            self._collect_git(wait=False)
            segment, left = self.segment, self._left()
            if segment is None and not left:
                background.unwatch(self)
                return
            if segment is not None:
                end, known = segment.offset, segment.kicked
                segment.kicked = end
                if end == known and not left:
                    return
        try:
            if segment is not None:
                segment.sync()
            if self.mode == "background" or left:
                launch.start_writer(self.folder, self.uri, self.home, idle=True)
        except (OSError, ValueError) as error:  # the disk, or the segment was closed meanwhile
            logger.debug("background writer: %s", error)

    @property
    def failing(self) -> bool:
        """Whether the writer's last word was an error, or nobody answered at the store's address."""
        segment = self.segment
        return self._unreached or (
            segment is not None and spool.read_ack(segment.paths.ack).error is not None
        )

    def forget(self, run: OpenRun) -> None:
        """A run has ended; one that is half forgotten is forgotten."""
        stack = run.stack
        if stack and stack[-1] is run:
            stack.pop()
        elif run in stack:
            stack.remove(run)
        self.open.pop(run, None)

    def end_runs(self, status: str) -> None:
        """End every open run of every thread, the innermost first; a joined run of the user's stays open."""
        for run in reversed(list(self.open)):
            if not run.joined:
                self.append(Kind.END, (run.run_id, now_ms(), status))
            self.forget(run)

    def finish(self, status: str, timeout: float | None) -> None:
        """End the open runs, close the segment and wait for the store; a later record begins a new segment.

        Raises
        ------
        TrackingError
            See :meth:`flush`; the segment stays for ``peak-fast sync``.
        """
        replayer = None
        with self.lock:
            self.end_runs(status)
            segment = self.segment
            if segment is not None:
                self._collect_git(wait=True)
        try:
            if segment is not None and self.mode == "sync":
                self.flush(timeout)
            elif segment is not None:
                self.write_waiting(segment)
        finally:
            with self.lock:
                if segment is not None and segment is self.segment:
                    replayer = self._shut(segment)
                left, self._older = self._left(), []
            background.unwatch(self)
        if replayer is not None and segment is not None:
            segment.paths.delete()
        targets = [(older.paths, _ALL) for older in left if older.paths.segment.exists()]
        if targets:
            self.confirm(targets, timeout)
        for paths, _ in targets:
            try:
                self._check_rejected(paths)
            except TrackingError as error:
                # The end of a run that was deleted meanwhile: there is no work left to stop.
                self.warn(f"rejected {paths.rejected}", f"tracking: {error}")

    def confirm(
        self, targets: list[tuple[SegmentPaths, int]], timeout: float | None, *, while_starting: bool = False
    ) -> None:
        """Wait for the store, see :func:`launch.confirm`; one whose address does not answer is not waited for."""
        begin = time.monotonic()
        targets = [target for target in targets if not launch.confirmed(*target)]
        problem = reach.unreachable(self.uri) if targets else None
        self._unreached = problem is not None
        if problem is not None:
            raise TrackingError(launch.missing_text(self.uri, targets, problem))
        rest = None if timeout is None else timeout - (time.monotonic() - begin)
        launch.confirm(targets, self.folder, self.uri, self.home, rest, while_starting=while_starting)

    def drop(self) -> None:
        """The tracker was forgotten without being closed: end its runs, and leave the rest to a writer."""
        try:
            with self.lock:
                self.end_runs("FINISHED")
                self._collect_git(wait=False)
                self.applied()
                if self.segment is not None:
                    self._shut(self.segment)
        except Exception as error:  # called by the garbage collector: nobody could catch it
            logger.debug("tracker dropped: %s", error)

    def abandon(self) -> None:
        """In the child of a fork: runs and segment belong to the parent."""
        self.lock = threading.RLock()
        self.local, self.open = ThreadRuns(), {}
        self.runs = []  # the parent goes on with the same ones
        for segment in (*self._older, self.segment):
            if segment is not None:
                segment.close(abandon=True)
        self.segment, self._older = None, []
        self._replayer, self._git = None, None
