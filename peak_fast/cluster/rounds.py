"""Numbered work from the first task to the last result: what is handed out, handed out again, and given up."""

from __future__ import annotations

import contextlib
import pickle
import queue
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.cluster.couriers import no_package
from peak_fast.cluster.pace import SECONDS, Pace
from peak_fast.cluster.parcels import Packed
from peak_fast.cluster.versions import digest
from peak_fast.errors import SweepError
from peak_kernels.arrays import FloatArray

ANSWER = 60.0
"""How long a cluster may be out of reach, in seconds."""
# How often the cluster is looked at while nothing comes back, in seconds.
_LOOK = 1.0
# How often a piece is tried again after something that is not its fault.
_TRIES = 4


@dataclass(frozen=True)
class Piece:
    """Results of some items.

    Attributes
    ----------
    start, stop
        Numbers of the items.
    rows
        float64[stop - start, columns]; NaN for items that failed.
    """

    start: int
    stop: int
    rows: FloatArray


@dataclass
class Outcome:
    """What became of a task: what it gives back, what the work raised, or what went wrong with the cluster."""

    reply: Any = None
    error: BaseException | None = None
    trouble: BaseException | None = None


@dataclass
class Task:
    """Items ``[start, stop)`` on their way: whether carefully, how often tried, and when they may be handed out."""

    start: int
    stop: int
    careful: bool = False
    tries: int = 0
    ready: float = 0.0


def patience() -> float:
    """Seconds without a worker after which a sweep ends: ``peak-fast.no-workers-timeout`` of Dask's configuration."""
    import dask
    from dask.utils import parse_timedelta

    return float(parse_timedelta(dask.config.get("peak-fast.no-workers-timeout", "5 minutes")))


class Round:
    """One piece of numbered work, from the first task to the last result."""

    def __init__(self, crew: Any, packed: Packed, pace: Pace, columns: int) -> None:
        self._crew, self._packed, self._pace, self._columns = crew, packed, pace, columns
        self._name = f"peak_fast_piece-{uuid.uuid4().hex}"
        self._count = 0
        self._running: dict[Any, tuple[Any, Task, list[str] | None]] = {}
        self._again: list[Task] = []
        self._back: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seen = self._looked = time.monotonic()
        self._without = self._seen
        self._out_of_reach: float | None = None
        crew.forget()

    def close(self) -> None:
        """Cancel what still runs."""
        running = [future for future, *_ in self._running.values()]
        self._running = {}
        self._crew.cancel(running)

    def pieces(self) -> Iterator[Piece]:
        """All results."""
        self._look(at_once=True)
        self._crew.settle()
        while self._pace.left or self._running or self._again:
            self._hand_out()
            with contextlib.suppress(queue.Empty):
                key, found = self._back.get(timeout=0.25)
                if key in self._running:
                    future, task, _ = self._running.pop(key)
                    future.release()
                    yield from self._taken(task, found)
            self._look()

    def _hand_out(self) -> None:
        workers = self._crew.workers
        now = time.monotonic()
        for task in [task for task in self._again if task.ready <= now]:
            self._again.remove(task)
            self._begin(task)
        # Pieces that wait count: a worker that lacks parcels hands its pieces back at once, and would get all others.
        while self._pace.wants(len(self._running) + len(self._again), max(workers, 1)):
            self._begin(Task(*self._pace.take(workers)))

    def _begin(self, task: Task) -> None:
        self._count += 1
        key, at = (self._name, self._count), self._crew.chosen()
        if at == []:
            self._later(task)
            return
        piece = task.start, task.stop, SECONDS
        future = self._crew.submit(
            self._packed.key, *piece, digest(), careful=task.careful, key=key, back=self._back, at=at
        )
        self._running[key] = future, task, at

    def _take_back(self) -> None:
        """Hand pieces out again that only workers were to take which are gone."""
        present = self._crew.present
        lost = [key for key, (*_, at) in self._running.items() if at is not None and present.isdisjoint(at)]
        parts = [self._running.pop(key) for key in lost]
        self._crew.cancel([future for future, *_ in parts])
        self._again += [task for _, task, _ in parts]

    def _look(self, at_once: bool = False) -> None:
        """Look at the cluster when it is time to: who came, who went, whether anybody is there."""
        now = time.monotonic()
        if not at_once and now - self._looked < _LOOK:
            return
        self._looked = now
        try:
            self._crew.look(self._packed)
        except (OSError, TimeoutError) as error:
            self._out_of_reach = self._out_of_reach or now
            if now - self._out_of_reach > ANSWER or self._crew.status not in ("running", "connecting"):
                raise SweepError(_gone(error)) from error
            return
        self._out_of_reach = None
        self._take_back()
        if self._crew.workers:
            self._without = now
        elif now - self._without > patience():
            raise SweepError(
                f"cluster: no worker{self._crew.left_out()} for {patience():.0f} s; start some with `dask worker "
                "ADDRESS`, or scale the cluster; DASK_PEAK_FAST__NO_WORKERS_TIMEOUT=2h waits longer; with a store the "
                "same call continues"
            )

    def _taken(self, task: Task, found: Outcome) -> Iterator[Piece]:
        """What a finished task brings: results, a parcel that is missing, or trouble."""
        if found.trouble is not None:
            if self._crew.status != "running":
                raise SweepError(_gone(found.trouble)) from found.trouble
            self._retry(task, f"{type(found.trouble).__name__}: {found.trouble}")
            return
        if found.error is not None:
            yield from self._failed(task, found.error)
            return
        reply = found.reply
        if reply.theirs is not None or reply.lacks is not None:
            self._crew.compare(reply.worker, reply.theirs, reply.lacks)
            self._later(task)
            return
        if reply.error is not None:
            raise pickle.loads(reply.error)
        if reply.missing:
            if self._crew.bring(self._packed, reply.worker):
                self._retry(task, f"worker {reply.worker} does not keep what it is sent")
            else:
                self._later(task)
            return
        self._pace.measured(reply.stop - task.start, reply.seconds, fresh=reply.fresh)
        self._give_back(task, reply.stop)
        self._crew.notes.update(dict.fromkeys(reply.notes))
        self._crew.failed |= reply.failed
        self._crew.begun()
        yield Piece(task.start, reply.stop, reply.rows)

    def _give_back(self, task: Task, reached: int) -> None:
        """Let what a worker did not get to be done by the next one, as carefully."""
        if not task.careful:
            self._pace.give_back(reached, task.stop)
        elif reached < task.stop:
            self._again.append(Task(reached, task.stop, careful=True))

    def _later(self, task: Task) -> None:
        """Hand a piece out again after a moment."""
        task.ready = time.monotonic() + _LOOK
        self._again.append(task)

    def _retry(self, task: Task, reason: str) -> None:
        task.tries += 1
        if task.tries > _TRIES:
            raise SweepError(
                f"cluster: gave up after {_TRIES} tries: {reason}; with a store the same call continues"
            )
        task.ready = time.monotonic() + 0.25 * (task.tries - 1)
        self._again.append(task)

    def _failed(self, task: Task, error: BaseException) -> Iterator[Piece]:
        """Run a piece carefully whose workers died; raise what the work itself raised."""
        if isinstance(error, ImportError):
            self._import_failed(task, error)
            return
        if type(error).__name__ not in ("KilledWorker", "NoValidWorkerError"):
            raise error
        self._look(at_once=True)
        task.tries += 1
        if not task.careful or task.tries <= _TRIES:
            task.careful, task.tries = True, task.tries if task.careful else 0
            self._again.append(task)
        elif task.stop - task.start > 1:
            middle = (task.start + task.stop) // 2
            self._again += [Task(task.start, middle, True), Task(middle, task.stop, True)]
        else:
            self._crew.failed[task.start] = "each worker that ran it died"
            yield Piece(task.start, task.stop, np.full((1, self._columns), np.nan))

    def _import_failed(self, task: Task, error: ImportError) -> None:
        """See which worker cannot even import a task: the one that does not answer as it should."""
        self._crew.forget()
        self._look(at_once=True)
        self._crew.settle()
        task.tries += 1
        if self._crew.chosen() is None and task.tries > _TRIES:
            raise SweepError(no_package("of this cluster", error)) from error
        self._later(task)


def _gone(error: BaseException) -> str:
    return (
        f"cluster: the scheduler is gone ({type(error).__name__}); start it again; with a store the same call "
        "continues where this one stopped"
    )
