"""The client's side: hands pieces of numbered work to workers, takes what comes back, and outlives what fails there."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from peak_fast.cluster import tasks as _tasks
from peak_fast.cluster.connecting import check_cluster, connected
from peak_fast.cluster.couriers import Couriers, no_package, refuse
from peak_fast.cluster.pace import SECONDS, Pace
from peak_fast.cluster.parcels import Packed, pack
from peak_fast.cluster.shelf import Job
from peak_fast.cluster.versions import digest
from peak_fast.errors import SweepError
from peak_kernels.arrays import FloatArray

# How often the cluster is looked at while nothing comes back, and how long it may be out of reach, in seconds.
_LOOK = 1.0
_ANSWER = 60.0
# How long the beginning waits for parcels to arrive; workers that lack some say so when they get a task.
_MOMENT = 5.0
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
class _Outcome:
    """What became of a task: what it gives back, what the work raised, or what went wrong with the cluster."""

    reply: Any = None
    error: BaseException | None = None
    trouble: BaseException | None = None


@dataclass
class _Task:
    start: int
    stop: int
    careful: bool = False
    tries: int = 0
    ready: float = 0.0


class Crew:
    """The workers of a cluster; use as a context manager.

    Parameters
    ----------
    cluster
        See `peak_fast.sweep.Sweep.run`.
    threads
        At most so many threads of each worker; None: all.

    Attributes
    ----------
    workers : int
        How many there are at the moment.
    notes : dict of str to None
        What workers noticed during the last work, each sentence once.
    failed : dict of int to str
        Items of the last work that have no result, and why.
    """

    def __init__(self, cluster: Any, threads: int | None = None) -> None:
        check_cluster(cluster)
        self._cluster, self._threads = cluster, threads
        self._stack = contextlib.ExitStack()
        self._known: set[str] = set()
        self.workers = 0
        self.notes: dict[str, None] = {}
        self.failed: dict[int, str] = {}
        self._client: Any = None
        self._couriers: Couriers
        self._round: _Round | None = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._round is not None:
            self._round.close()  # its generator may still be held by the traceback of an error
        self._stack.close()

    def run(self, job: Job, ranges: Iterable[tuple[int, int]], columns: int) -> Iterator[Piece]:
        """Results of all items of the ranges, in whatever order they come.

        Parameters
        ----------
        job
            What is sent to each worker once.
        columns
            Of the results.

        Raises
        ------
        SweepError
            Workers differ from this machine in what decides on bits, the scheduler is gone, or there are no workers.
        PeakFastError
            What a worker raised that this package raises on purpose.
        """
        if self._client is None:
            self._client = self._stack.enter_context(connected(self._cluster))
            self._couriers = Couriers(self._client)
        self.notes, self.failed = {}, {}
        self._round = _Round(self, pack(job), Pace(ranges), columns)
        with contextlib.closing(self._round) as round_:
            yield from round_.pieces()

    def table(self, job: Job, count: int, columns: int, notes: dict[str, None]) -> FloatArray:
        """Results of items ``[0, count)`` in their order: float64[count, columns].

        ``notes`` gets what workers noticed, and which items have no result.
        """
        out = np.empty((count, columns), order="F")
        for piece in self.run(job, [(0, count)], columns):
            out[piece.start : piece.stop] = piece.rows
        notes.update(self.notes)
        notes.update(
            (f"number {number} has no result: {reason}", None)
            for number, reason in sorted(self.failed.items())
        )
        return out

    @property
    def sent(self) -> dict[str, int]:
        """Bytes of parcels that each worker got, by its address."""
        return self._couriers.sent

    # What rounds ask

    def look(self, packed: Packed) -> None:
        """See who is there; compare new workers with this machine and send them what they lack."""
        ask = self._client.scheduler.ncores
        addresses = set(self._client.sync(ask, workers=None, callback_timeout=_ANSWER))
        self.workers = len(addresses)
        self._couriers.present = addresses
        self._couriers.check()
        fresh = addresses - self._known
        self._couriers.bring(packed, fresh)
        self._known |= set(fresh)

    def bring(self, packed: Packed, worker: str) -> bool:
        """Have a worker served that lacks parcels; whether somebody is on the way already."""
        on_the_way = self._couriers.serves(worker)
        self._couriers.bring(packed, [worker])
        return on_the_way

    def settle(self) -> None:
        """Wait a moment for parcels on their way, as at the beginning of a round."""
        self._couriers.wait(_MOMENT)
        self._couriers.check()

    def submit(self, *args: Any, careful: bool, key: Any, back: queue.SimpleQueue[Any]) -> Any:
        """A task; its key and what became of it are put into a queue."""
        future = self._client.submit(_tasks.run_piece, *args, self._threads, careful, key=key, pure=False)
        fetch = functools.partial(self._client.loop.add_callback, self._fetch, back=back)
        future.add_done_callback(fetch)
        return future

    async def _fetch(self, future: Any, back: queue.SimpleQueue[Any]) -> None:
        """Get the result of a task, on the loop of the client: that of a worker which has died takes a while."""
        found, raised = _Outcome(), future.status == "error"
        try:
            got = self._client.gather(future, asynchronous=True)
            found.reply = await asyncio.wait_for(got, _ANSWER)
        except (Exception, asyncio.CancelledError) as error:
            if raised:
                found.error = error
            else:
                found.trouble = error
        back.put((future.key, found))

    def forget(self) -> None:
        """Look at all workers again when a round begins."""
        self._known = set()

    def cancel(self, futures: list[Any]) -> None:
        """Let nobody begin with tasks."""
        if futures and self._client.status == "running":
            # A scheduler that is gone has nothing to cancel, and a client that is being closed says so in many ways.
            with contextlib.suppress(Exception, asyncio.CancelledError):
                self._client.cancel(futures, force=True)

    @property
    def status(self) -> str:
        """Whether the scheduler is connected."""
        return str(self._client.status)


@contextlib.contextmanager
def crew_of(cluster: Any, threads: int | None = None) -> Iterator[Crew]:
    """The crew of a cluster; one that is there already as it is, and it stays."""
    if isinstance(cluster, Crew):
        yield cluster
        return
    with Crew(cluster, threads) as crew:
        yield crew


def patience() -> float:
    """Seconds without a worker after which a sweep ends: ``peak-fast.no-workers-timeout`` of Dask's configuration."""
    import dask
    from dask.utils import parse_timedelta

    return float(parse_timedelta(dask.config.get("peak-fast.no-workers-timeout", "5 minutes")))


class _Round:
    """One piece of numbered work, from the first task to the last result."""

    def __init__(self, crew: Crew, packed: Packed, pace: Pace, columns: int) -> None:
        self._crew, self._packed, self._pace, self._columns = crew, packed, pace, columns
        self._name = f"peak_fast_piece-{uuid.uuid4().hex}"
        self._count = 0
        self._running: dict[Any, tuple[Any, _Task]] = {}
        self._again: list[_Task] = []
        self._back: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seen = self._looked = time.monotonic()
        self._without = self._seen
        self._out_of_reach: float | None = None
        crew.forget()

    def close(self) -> None:
        """Cancel what still runs."""
        running = [future for future, _ in self._running.values()]
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
                    future, task = self._running.pop(key)
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
            self._begin(_Task(*self._pace.take(workers)))

    def _begin(self, task: _Task) -> None:
        self._count += 1
        key = (self._name, self._count)
        piece = task.start, task.stop, SECONDS
        future = self._crew.submit(
            self._packed.key, *piece, digest(), careful=task.careful, key=key, back=self._back
        )
        self._running[key] = future, task

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
            if now - self._out_of_reach > _ANSWER or self._crew.status not in ("running", "connecting"):
                raise SweepError(_gone(error)) from error
            return
        self._out_of_reach = None
        if self._crew.workers:
            self._without = now
        elif now - self._without > patience():
            raise SweepError(
                f"cluster: no worker for {patience():.0f} s; start some with `dask worker ADDRESS`, or scale the "
                "cluster; DASK_PEAK_FAST__NO_WORKERS_TIMEOUT=2h waits longer; with a store the same call continues"
            )

    def _taken(self, task: _Task, found: _Outcome) -> Iterator[Piece]:
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
        if reply.theirs is not None:
            refuse(reply.worker, reply.theirs)
        if reply.missing:
            if self._crew.bring(self._packed, reply.worker):
                self._later(task)
            else:
                self._retry(task, f"worker {reply.worker} does not keep what it is sent")
            return
        self._pace.measured(reply.stop - task.start, reply.seconds, fresh=reply.fresh)
        self._give_back(task, reply.stop)
        self._crew.notes.update(dict.fromkeys(reply.notes))
        self._crew.failed |= reply.failed
        yield Piece(task.start, reply.stop, reply.rows)

    def _give_back(self, task: _Task, reached: int) -> None:
        """Let what a worker did not get to be done by the next one, as carefully."""
        if not task.careful:
            self._pace.give_back(reached, task.stop)
        elif reached < task.stop:
            self._again.append(_Task(reached, task.stop, careful=True))

    def _later(self, task: _Task) -> None:
        """Hand a piece out again after a moment."""
        task.ready = time.monotonic() + _LOOK
        self._again.append(task)

    def _retry(self, task: _Task, reason: str) -> None:
        task.tries += 1
        if task.tries > _TRIES:
            raise SweepError(
                f"cluster: gave up after {_TRIES} tries: {reason}; with a store the same call continues"
            )
        task.ready = time.monotonic() + 0.25 * (task.tries - 1)
        self._again.append(task)

    def _failed(self, task: _Task, error: BaseException) -> Iterator[Piece]:
        """Run a piece carefully whose workers died; raise what the work itself raised."""
        if isinstance(error, ImportError):
            raise SweepError(no_package("of this cluster", error)) from error
        if type(error).__name__ not in ("KilledWorker", "NoValidWorkerError"):
            raise error
        self._look(at_once=True)
        task.tries += 1
        if not task.careful or task.tries <= _TRIES:
            task.careful, task.tries = True, task.tries if task.careful else 0
            self._again.append(task)
        elif task.stop - task.start > 1:
            middle = (task.start + task.stop) // 2
            self._again += [_Task(task.start, middle, True), _Task(middle, task.stop, True)]
        else:
            self._crew.failed[task.start] = "each worker that ran it died"
            yield Piece(task.start, task.stop, np.full((1, self._columns), np.nan))


def _gone(error: BaseException) -> str:
    return (
        f"cluster: the scheduler is gone ({type(error).__name__}); start it again; with a store the same call "
        "continues where this one stopped"
    )
