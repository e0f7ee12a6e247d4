"""Runs of a tracker: how they begin, which one is active, what their ids are, how they end."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any, Self

from peak_fast.errors import TrackingError
from peak_fast.guard import guarded_class
from peak_fast.tracking.base import TrackingWarning, logger
from peak_fast.tracking.caller import identify
from peak_fast.tracking.caller.active import OpenRun
from peak_fast.tracking.caller.channel import Channel, now_ms
from peak_fast.tracking.caller.many import ManyRuns
from peak_fast.tracking.handles import ENDED, UNASKED, RunHandle, status_of
from peak_fast.tracking.spool import Kind, resolve
from peak_fast.tracking.updates import RUN_NAME

_CODES = {status: Kind.END + 256 * word for word, status in enumerate(ENDED)}
_EMPTY = (
    "nothing was recorded in the run{} of this block; what runs inside must know the tracker: "
    "BacktestEngine(tracker=...), Sweep.run(tracker=...), Study(tracker=...)"
)


@guarded_class(without=("id_of", "end_started"))
class RunKeeper(ManyRuns):
    """Begins and ends runs; each thread has its own active run.

    Parameters
    ----------
    channel
        Where the records go.
    run_name
        Name of the run that a ``with`` block starts.
    tags
        Tags of every run.
    explicit
        Whether the user named the store: a run of ``mlflow.start_run`` is joined only if it is in the same one.
    """

    def __init__(
        self, channel: Channel, run_name: str | None, tags: Mapping[str, Any], explicit: bool
    ) -> None:
        super().__init__(channel)
        self._run_name = run_name
        self._tags = dict(tags)
        self._explicit = explicit
        # Runs of the user's own that hold something of ours.
        self._joined_before: set[str] = set()

    @property
    def active(self) -> bool:
        """Whether this thread has an open run."""
        return bool(self._channel.local.runs)

    def start_run(
        self, run_name: str | None = None, *, nested: bool = False, tags: Mapping[str, Any] | None = None
    ) -> RunHandle:
        """Start a run of this thread.

        A run that is open and that nobody named or used takes the name.  Any other open one ends first (as
        ``FINISHED`` if something was recorded in it, else as ``FAILED``), with a warning.

        A run of the user's own (``mlflow.start_run``) that is active in this thread is joined, if no name is
        given and it holds nothing of ours yet: logged into, and not ended by us.  Otherwise the new run is its
        child.

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
            As text the run's id in MLflow; as a context manager it ends the run.  It does not wait.
        """
        channel = self._channel
        try:
            with channel.lock:
                stack = channel.local.runs
                segment = channel.segment
                if stack or nested or tags or segment is None or self._tags or "mlflow" in sys.modules:
                    return self._start_with_relations(stack, run_name, nested, tags)
                handle = (channel.runs or channel.more_runs()).pop()
                run: OpenRun = handle._run
                if run_name:
                    run.name = str(run_name)
                more = segment.put(Kind.START, run, (run.name or "").encode("utf-8", "surrogatepass"), 0)
                handle._owner = self
                run.segment = segment
                run.stack = stack
                stack.append(run)
                channel.open[run] = None
                if more:
                    channel.look_after(segment)
                return handle
        except BaseException:
            channel.unlock()
            raise

    def _start_with_relations(
        self, stack: list[OpenRun], run_name: str | None, nested: bool, tags: Mapping[str, Any] | None
    ) -> RunHandle:
        """Start a run beside or inside of others, with tags, or the first of a segment; the lock is held."""
        channel = self._channel
        if stack and not nested:
            run = stack[-1]
            if run.name is None and not run.used and not run.joined:
                self._describe(run, run_name, tags)
                return self._handle(run)
            self._end_forgotten(stack, run_name)
        name = str(run_name) if run_name else None
        run = self._related(stack, name, nested, tags)
        run.name = name
        stack.append(run)
        channel.open[run] = None
        if run.segment is not None:
            channel.look_after(run.segment)
        return self._handle(run)

    def _handle(self, run: OpenRun) -> RunHandle:
        known = self._channel.own_ids or run.joined
        return RunHandle(run.run_id if known else UNASKED, self, run)

    def _describe(self, run: OpenRun, run_name: str | None, tags: Mapping[str, Any] | None) -> None:
        """Name and tags of a run that has begun without them."""
        added = dict(tags or {})
        if run_name:
            added[RUN_NAME] = str(run_name)
        if added:
            self._channel.append(Kind.TAGS, (run.run_id, now_ms(), added))
            if run_name:
                run.name = str(run_name)
            if self._channel.mode == "sync":
                self._channel.applied()

    def _end_forgotten(self, stack: list[OpenRun], run_name: str | None) -> None:
        """Another run begins: end what is open, and say so."""
        ended = []
        for run in reversed(stack[:]):
            label = repr(str(run.name)) if run.name else run.run_id
            if run.joined:
                ended.append(f"your run {label} is left open")
            else:
                status = "FINISHED" if run.used else "FAILED"
                ended.append(f"the run {label} was open and ends as {status}")
            self._end(run, "FINISHED" if run.used else "FAILED")
        new = f"start_run({run_name!r})" if run_name else "start_run()"
        warnings.warn(
            f"{new}: {', '.join(ended)}; end a run with end_run() or a with block before the next one, or pass "
            "nested=True to start a child of it",
            TrackingWarning,
            stacklevel=5,
        )

    def _related(
        self, stack: list[OpenRun], name: str | None, nested: bool, tags: Mapping[str, Any] | None
    ) -> OpenRun:
        """A run that may have a parent, tags, or be a run of the user's own, and its first record."""
        channel = self._channel
        theirs = self._users_run() if not stack else None
        run: OpenRun = channel.more_runs().pop()._run
        run.stack, run.segment = stack, channel.segment or channel.opened()
        parent, own = theirs, run.run_id
        if theirs is not None and not nested and not name and theirs not in self._joined_before:
            run.joined, run.run_id, parent = True, theirs, None
        if stack:
            parent, stack[-1].used = stack[-1].run_id, True
        if run.segment is not None:
            head = (run.run_id, now_ms(), name, parent, {**self._tags, **(tags or {})}, run.joined, own)
            run.segment.append(Kind.START, head)
        return run

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
        """End this thread's innermost run; nothing waits for the store.

        Parameters
        ----------
        status
            ``FINISHED``, ``FAILED`` or ``KILLED``; anything else counts as ``FINISHED``, with a warning.
        """
        channel = self._channel
        try:
            with channel.lock:
                stack = channel.local.runs
                if not stack:
                    logger.debug("no active run: end_run is ignored")
                    return
                if status not in ENDED:
                    channel.warn(
                        "status", f"end_run: {status!r} is not one of {ENDED}; the run ends as FINISHED"
                    )
                    status = "FINISHED"
                self._end(stack[-1], status)
        except BaseException:
            channel.unlock()
            raise

    def end_started(self, run: OpenRun, status: str) -> None:
        """End a run, of whatever thread, and the runs inside it; nothing happens if it has ended."""
        channel = self._channel
        try:
            with channel.lock:
                if run in channel.open:
                    stack = run.stack
                    while run in stack and stack[-1] is not run:
                        self._end(stack[-1], status)
                    self._end(run, status)
        except BaseException:
            channel.unlock()
            raise

    def _end(self, run: OpenRun, status: str) -> None:
        """End an open run; the lock is held by the caller."""
        channel = self._channel
        if run.joined:
            if run.used:
                self._joined_before.add(run.run_id)
            channel.forget(run)
            return
        segment = channel.segment or channel.opened()
        more = segment is not None and segment.put(_CODES[status], run, b"", 0)
        channel.forget(run)
        if segment is not None:
            if more:
                channel.look_after(segment)
            if segment.full:
                channel.rotate()

    def get_run_id(self) -> str | None:
        """MLflow's id of this thread's innermost active run, or None without one.

        The run is in the store when this returns, so the id can be used at once with ``MlflowClient``: asking
        waits for it.  A store that does not answer within five seconds gives None and one warning.  To see only whether
        there is a run, :attr:`active` costs nothing.
        """
        runs = self._channel.local.runs
        return self.id_of(runs[-1]) if runs else None

    def id_of(self, run: OpenRun) -> str | None:
        """The id of a run in the store, once it is there; None if the store does not answer."""
        if run.store_id is None:
            if run.joined:
                run.store_id = run.run_id
            else:
                (run.store_id,) = identify.ask(self._channel, run.segment, [run.run_id])
        return run.store_id

    def __enter__(self) -> Self:
        """Start a run unless this thread has one; the block ends it, and what is started inside.

        A run that was open and that no other block ends, as that of ``auto_start_run``, belongs to this one.
        """
        local = self._channel.local
        if not local.runs:
            self.start_run(self._run_name)
        others = [run for run in local.runs if run.held]
        for run in local.runs:
            run.held = True
        local.blocks.append(others)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """End the runs of the block, and return when the store has everything; a dead store is a warning.

        So is a run in which nothing was recorded.
        """
        channel = self._channel
        local = channel.local
        others = local.blocks.pop() if local.blocks else []
        with channel.lock:
            ended = [run for run in reversed(local.runs) if run not in others]
            for run in ended:
                self._end(run, status_of(kind))
        try:
            channel.flush(None)
            if not channel.open:  # nothing is left for the end of the process
                channel.finish("FINISHED", None)
        except TrackingError as problem:
            try:
                if not channel.told_of_store:
                    warnings.warn(f"tracking: {problem}", TrackingWarning, stacklevel=2)
            except TrackingWarning:  # made an error by a filter: it must not hide what ended the block
                logger.warning("tracking: %s", problem)
        if kind is None and ended and not ended[-1].used and not ended[-1].joined:
            name = f" {str(ended[-1].name)!r}" if ended[-1].name else ""
            warnings.warn(_EMPTY.format(name), TrackingWarning, stacklevel=2)
