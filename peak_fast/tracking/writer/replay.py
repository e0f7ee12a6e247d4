"""From the records of a segment to updates of runs, and from these into a store.

One :class:`SegmentReplay` follows one segment.  It may be created anew at any time: everything that it knows
(open runs, bars, environment) is in the records, and what the store has confirmed is in the ``.ack`` file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from peak_fast.errors import PeakFastError
from peak_fast.tracking import spool
from peak_fast.tracking.base import logger
from peak_fast.tracking.sanitize import MAX_NAME, clean_step, clean_tags, clean_text
from peak_fast.tracking.spool import Kind
from peak_fast.tracking.stores import Store, clean_artifact_path
from peak_fast.tracking.updates import (
    PARENT_RUN_ID,
    RUN_NAME,
    USER,
    Artifact,
    Creation,
    Rejection,
    RunUpdate,
    UnknownSpool,
)
from peak_fast.tracking.writer.passes import Pass, keep
from peak_fast.tracking.writer.thawed import Bars, Captured, Source, Static, Thawed
from peak_fast.tracking.writer.unpack import backtest_update, tell_steps

# One transaction: small enough that others get their turn, large enough that commits do not count.
RUNS_PER_BATCH = 100
BYTES_PER_BATCH = 32 << 20
# What a record may name, as the folder of the spool is no proof of who wrote it.  Of a run's id no path, and no word of
# MLflow's query language.
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)
_FILE = re.compile(r"[\w\-][\w.\- ]*")
_BEGINNINGS = frozenset((Kind.START, Kind.WHOLE, Kind.RUNS))


@dataclass(slots=True)
class RunState:
    """A run as the records seen so far leave it.

    ``joined``: a run of the user's own, which is never created, named or ended here; ``named``: by the user;
    ``n_results``: backtests logged into it; ``not_finite``: step and text of the last value of figures that were NaN or
    infinite; ``seen_ms``: time of its last record.
    """

    joined: bool
    named: bool
    seen_ms: int
    n_results: int = 0
    not_finite: dict[str, tuple[int, str]] = field(default_factory=dict)
    ended: bool = False


class Batch(NamedTuple):
    """Updates of one transaction and the offset up to which they speak."""

    updates: list[RunUpdate]
    end: int


class _Updates(dict[str, RunUpdate]):
    """Updates by run; one that is asked for is there."""

    def __missing__(self, run_id: str) -> RunUpdate:
        self[run_id] = RunUpdate(run_id)
        return self[run_id]


class SegmentReplay:
    """Follows one segment.  After :meth:`run` has raised, a new object must take over.

    ``header`` is what the owner said of itself, see :class:`~peak_fast.tracking.caller.channel.Channel`; ``killed`` are
    the runs that were ended because their process is gone.
    """

    def __init__(self, segment: Path) -> None:
        self.paths = spool.SegmentPaths(segment)
        # Which the store chose for runs of this segment.
        self.ids = spool.RunIds(self.paths.ids)
        self.header: dict[str, Any] = {}
        self._environment: dict[str, str] = {}
        self._runs: dict[str, RunState] = {}
        # Runs by the id that their caller made; that of a run of the user's own is another one.
        self._named: dict[str, str] = {}
        self._bars: dict[str, Bars] = {}
        self._statics: dict[int, Static] = {}
        self._refused: list[Rejection] = []
        self._confirmed = spool.read_ack(self.paths.ack)
        self._position = 0
        self._closed = False
        self._damaged = False
        self.killed: list[str] = []
        self.runs_per_batch = RUNS_PER_BATCH

    def read_header(self) -> bool:
        """Read what the owner said of itself; False if it did not live to say anything.

        A segment of another format, with a damaged beginning, or that others can have written, raises
        :class:`UnknownSpool`.
        """
        spool.check_file(self.paths.segment)
        record = None
        for record in spool.read_records(self.paths.segment):
            if record.kind == Kind.HEADER:
                self._note_header(record.head[1])
                return True
            if record.kind != Kind.UNREADABLE:
                break
        if record is None:
            return False
        raise UnknownSpool(
            f"{self.paths.segment} is damaged in its first records, without which the others cannot be stored; "
            "the file is left alone"
        )

    def _note_header(self, header: dict[str, Any]) -> None:
        if not self.header:
            self.header = header
            self._environment = dict(header["tags"])

    def run(self, store: Store, *, orphan: bool, must_stop: Callable[[], bool] | None = None) -> Pass:
        """Apply everything that is not confirmed yet; delete the segment once it is finished.

        Open runs of an ``orphan``, whose owner is gone (checked before this call), end as KILLED.  ``must_stop`` is
        asked after each transaction; True ends the work early, and another object must go on.
        """
        progress = Pass()
        for batch in self.batches(orphan=orphan):
            self._apply(store, batch, progress)
            if must_stop is not None and must_stop():
                return progress
        if orphan or self._closed:
            self._finish()
            progress.done = True
            progress.orphans = self.killed
        elif self._confirmed.error is not None or not self.paths.ack.exists():
            self._confirm(self._position)
        return progress

    def _apply(self, store: Store, batch: Batch, progress: Pass) -> None:
        rejections, self._refused = self._refused, []
        if batch.updates:
            rejections += store.apply(batch.updates, self.ids)
        for rejection in rejections:
            keep(self.paths, rejection)
            text = f"{rejection.run_id}: {rejection.reason}"
            logger.warning("not stored of run %s", text)
            (progress.rejected if rejection.piece is None else progress.refused).append(text)
            self._confirmed.rejected += rejection.piece is None
        progress.runs += len(batch.updates)
        self._confirm(batch.end)

    def _finish(self) -> None:
        """Delete the segment; a damaged one is put aside instead."""
        if self._damaged:
            aside = self.paths.segment.with_suffix(".damaged")
            logger.warning(
                "what could be read of %s is stored, the file is kept as %s", self.paths.segment, aside
            )
            self.paths.segment.replace(aside)
        self.paths.delete()

    def _confirm(self, offset: int) -> None:
        self._confirmed = spool.Ack(offset, time.time_ns(), None, self._confirmed.rejected)
        spool.write_ack(self.paths.ack, self._confirmed)

    def batches(self, *, orphan: bool) -> Iterator[Batch]:
        """The updates that the store has not confirmed, in transactions.

        Reading only: nothing is written or deleted, so this also serves ``peak-fast sync --dry-run``.
        """
        updates, size = _Updates(), 0
        for record in spool.read_records(self.paths.segment, self._position):
            # Before the next run, so that one which is short is written in one go.
            is_full = len(updates) >= self.runs_per_batch and record.kind in _BEGINNINGS
            if is_full or size >= BYTES_PER_BATCH:
                yield Batch(list(updates.values()), self._position)
                updates, size = _Updates(), 0
            self._position = record.end
            if record.end <= self._confirmed.offset:
                self._take(record, _Updates())
                self._refused.clear()
                continue
            self._take(record, updates)
            size += len(record.buffers)
        if orphan or self._closed:
            for run_id, state in self._runs.items():
                if not state.ended and not state.joined:
                    updates[run_id].end = ("KILLED", state.seen_ms)
                    self.killed.append(run_id)
        if updates or self._position > self._confirmed.offset:
            yield Batch(list(updates.values()), self._position)

    def _take(self, record: spool.Record, updates: _Updates) -> None:
        """Take one record; one that says what no tracker writes is refused alone."""
        try:
            self._note(record, updates)
        except (PeakFastError, ImportError, MemoryError):
            raise
        except Exception as error:
            reason = f"record at byte {record.start} cannot be read: {type(error).__name__}: {error}"
            self._refused.append(Rejection("", reason[:500]))

    def _note(self, record: spool.Record, updates: _Updates) -> None:
        """Take one record into the state and into the updates of its run."""
        head = record.head
        if isinstance(head, str):  # its letters would pass for fields
            raise ValueError(f"expected fields, got the text {head[:40]!r}")
        match record.kind:
            case Kind.HEADER:
                self._note_header(head[1])
            case Kind.ENVIRONMENT:
                self._environment.update(head[1])
                for run_id, state in self._runs.items():
                    if not state.joined:
                        updates[run_id].tags.update(head[1])
            case Kind.BARS:
                self._bars[head[1]] = Bars(head[1:], record.buffers)
            case Kind.STATIC:
                self._statics[head[1]] = Static(record.buffers, *head[2:])
            case Kind.START:
                self._start(head[0], head[1:], updates)
            case Kind.RUNS:
                self._many(record, updates)
            case Kind.WHOLE:
                run_id, when, name, parent, tags, result, rest = head
                self._start(run_id, (when, name, parent, tags), updates)
                for kind, more in ((result, rest), (Kind.END, ("FINISHED",))):
                    part = replace(record, kind=kind, head=(run_id, when, *more))
                    self._note_run(part, self._runs[run_id], updates[run_id])
            case Kind.UNREADABLE:
                self._damaged = True
                self._refused.append(Rejection("", head[1]))
            case Kind.CLOSE:
                self._closed = True
            case _:
                run_id = self._named.get(head[0], head[0])
                if run_id not in self._runs:
                    if not self._damaged:
                        return
                    # Its beginning was damaged, and is all that is lost.
                    self._start(run_id, (head[1], None), updates)
                self._note_run(record, self._runs[run_id], updates[run_id])

    def _result(self, update: RunUpdate, state: RunState, when: int, parts: int, source: Source) -> None:
        state.seen_ms = when
        named = state.named or state.joined
        before = len(update.metrics)
        backtest_update(update, source, parts, when, state.n_results, named)
        state.n_results += 1
        tell_steps(update, state, before)

    def _start(self, run_id: str, start: tuple[Any, ...], updates: _Updates) -> None:
        missing: tuple[Any, ...] = (None, None, None, False, None)
        started, name, parent, tags, joined, own = (*start, *missing[len(start) - 1 :])
        self._runs[checked_id(run_id)] = RunState(joined, bool(name), started)
        self._named[own or run_id] = run_id
        if not joined:
            update = self._created(updates, run_id, name, started, tags or {})
            if parent:
                update.tags[PARENT_RUN_ID] = checked_id(parent)

    def _created(
        self, updates: _Updates, run_id: str, name: str | None, started: int, tags: Mapping[str, str]
    ) -> RunUpdate:
        """The update with which a run begins."""
        header = self.header
        given = {USER: header["user"], "mlflow.source.name": header["source"], "mlflow.source.type": "LOCAL"}
        cleaned = clean_tags({**self._environment, **given, **tags})
        text = clean_text(str(name or ""), MAX_NAME) or f"run-{run_id[:8]}"
        if name:
            cleaned[RUN_NAME] = text
        experiment = clean_text(str(header["experiment"]), MAX_NAME) or "peak_fast"
        update = updates[run_id]
        update.create = Creation(
            experiment, str(header["folder"]), text, int(started), cleaned[USER][:MAX_NAME]
        )
        update.tags = cleaned
        return update

    def _note_run(self, record: spool.Record, state: RunState, update: RunUpdate) -> None:
        head = record.head
        match record.kind:
            case Kind.PARAMS:
                _, state.seen_ms, params = head
                for key, value in params.items():
                    update.params.setdefault(key, value)
            case Kind.METRICS:
                _, state.seen_ms, numbers, step, tags = head
                place, before = clean_step(step) or 0, len(update.metrics)
                update.metrics += [(key, value, state.seen_ms, place) for key, value in numbers.items()]
                update.tags.update(tags)
                tell_steps(update, state, before)
            case Kind.TAGS:
                _, state.seen_ms, tags = head
                update.tags.update(clean_tags(tags))
                state.named = state.named or RUN_NAME in tags
            case Kind.ARTIFACT:
                _, state.seen_ms, path, file = head
                update.artifacts.append(self._artifact(path, file, record.buffers))
            case Kind.RESULT:
                _, when, key, parts, content = head
                captured = Captured(self._bars.get(key), content, record.buffers)
                self._result(update, state, when, parts, captured)
            case Kind.FROZEN:
                _, when, flags, number, *content = head
                static = self._statics.get(number)
                bars = None if static is None else self._bars.get(static.bars_key)
                if static is None or bars is None:
                    text = f"{self.paths.segment.name}: bars or settings of a backtest are damaged, it is left out"
                    self._refused.append(Rejection(head[0], text))
                else:
                    thawed = Thawed(static, bars, (flags, *content), record.buffers)
                    self._result(update, state, when, flags & spool.Part.ALL, thawed)
            case Kind.END:
                _, state.seen_ms, status = head
                if not state.ended:  # else an interrupted call said it before
                    update.end = (status, state.seen_ms)
                state.ended = True

    def _artifact(self, path: str, file: str | None, data: bytes) -> Artifact:
        clean = clean_artifact_path(path)
        if file is None:
            return Artifact(clean, load=partial(bytes, data))
        return Artifact(clean, source=spool_file(self.paths, file))

    def _many(self, record: spool.Record, updates: _Updates) -> None:
        """Runs of a frame: each begins and ends in this record."""
        for run in spool.frame_runs(record.head, record.buffers):
            update = self._created(updates, run.run_id, run.name, run.start_ms, run.tags)
            update.params, update.metrics, update.end = run.params, run.metrics, run.end


def checked_id(run_id: Any) -> str:
    """A run id; anything else raises ValueError."""
    if type(run_id) is not str or not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"{run_id!r:.100} is no run id")
    return run_id


def spool_file(paths: spool.SegmentPaths, name: Any) -> Path:
    """The file of a name beside a segment; a name that leads to something else of the user's raises ValueError."""
    if type(name) is not str or not _FILE.fullmatch(name) or (paths.files / name).is_symlink():
        raise ValueError(f"{name!r:.100} is no file of the spool")
    return paths.files / name
