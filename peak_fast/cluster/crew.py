"""The client's side: hands pieces of numbered work to workers, takes what comes back, and outlives what fails there."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import random
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Any

import numpy as np

from peak_fast.cluster import tasks as _tasks
from peak_fast.cluster.connecting import check_cluster, connected, opening
from peak_fast.cluster.couriers import Couriers, no_package
from peak_fast.cluster.pace import Pace
from peak_fast.cluster.parcels import Packed, pack
from peak_fast.cluster.rounds import ANSWER, Outcome, Piece, Round
from peak_fast.cluster.shelf import Job
from peak_fast.errors import SweepError
from peak_kernels.arrays import FloatArray

# How long the beginning waits for parcels to arrive; workers that lack some say so when they get a task.
_MOMENT = 5.0
# Where some workers may not be given work, each piece is for so many of the others, any of which may take it.
_SOME = 8


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
        self._round: Round | None = None
        self._served: set[tuple[str, str]] = set()
        self._begun = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._round is not None:
            # Its generator may still be held by the traceback of an error; a second Ctrl-C may come meanwhile.
            self._stack.callback(self._round.close)
        self._stack.close()

    def run(self, job: Job, ranges: Iterable[tuple[int, int]], columns: int) -> Generator[Piece]:
        """Results of all items of the ranges, in whatever order they come.

        Whoever may stop in the middle closes it by `contextlib.closing`: an interrupt that comes while a destructor
        does so would be lost.

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
        self.connect()
        self.notes, self.failed = {}, {}
        self._round = Round(self, pack(job), Pace(ranges), columns)
        with contextlib.closing(self._round) as round_:
            yield from round_.pieces()

    @property
    def opening(self) -> str | None:
        """What is waited for until there is a connection; None: it is there."""
        return opening(self._cluster) if self._client is None else None

    def connect(self) -> None:
        """Connect to the cluster, or start its processes, where that is not done."""
        if self._client is None:
            self._client = self._stack.enter_context(connected(self._cluster))
            self._couriers = Couriers(self._client)

    def table(self, job: Job, count: int, columns: int, notes: dict[str, None]) -> FloatArray:
        """Results of items ``[0, count)`` in their order: float64[count, columns].

        ``notes`` gets what workers noticed, and which items have no result.
        """
        out = np.empty((count, columns), order="F")
        with contextlib.closing(self.run(job, [(0, count)], columns)) as pieces:
            for piece in pieces:
                out[piece.start : piece.stop] = piece.rows
        self.tell(notes)
        return out

    def tell(self, notes: dict[str, None]) -> None:
        """Add what workers noticed during the last work, and which items have no result."""
        notes.update(self.notes)
        notes.update(
            (f"number {number} has no result: {reason}", None)
            for number, reason in sorted(self.failed.items())
        )

    @property
    def sent(self) -> dict[str, int]:
        """Bytes of parcels that each worker got, by its address."""
        return self._couriers.sent

    # What rounds ask

    def look(self, packed: Packed) -> None:
        """See who is there; compare new workers with this machine and send them what they lack."""
        ask = self._client.scheduler.ncores
        addresses = set(self._client.sync(ask, workers=None, callback_timeout=ANSWER))
        self._couriers.present = addresses
        self.check()
        fresh = addresses - self._known
        self._couriers.bring(packed, fresh)
        self._known |= set(fresh)

    def bring(self, packed: Packed, worker: str) -> bool:
        """Have a worker served that lacks parcels; whether it may have had them in vain before."""
        served = (worker, packed.key) in self._served and not self._couriers.serves(worker)
        self._served.add((worker, packed.key))
        # One that has just come is there, whether it was seen yet or not.
        self._couriers.present.add(worker)
        self._couriers.bring(packed, [worker])
        return served

    def settle(self) -> None:
        """Wait a moment for parcels on their way, as at the beginning of a round."""
        self._couriers.wait(_MOMENT)
        self.check()

    def check(self) -> None:
        """Before there is any result a worker that may not be given work is an error; later ones are left out."""
        others = self._couriers.others()
        self.workers = len(self._couriers.present) - len(others)
        if others and not self._begun:
            raise SweepError(next(iter(others.values())))
        self.notes.update((f"{said}; it came later and was given no work", None) for said in others.values())

    def compare(self, worker: str, theirs: dict[str, Any] | None, lacks: ImportError | None = None) -> None:
        """Note what a worker says that could not carry out a piece."""
        if lacks is not None:
            self._couriers.refused[worker] = said = no_package(worker, lacks)
            self.check()
            if not self.workers:  # others would not have it either
                raise SweepError(said)
        elif theirs is not None:
            self._couriers.compare(worker, theirs)
        self.check()

    def chosen(self) -> list[str] | None:
        """Some workers that may be given a piece; None: whoever is there."""
        if not self._couriers.others():
            return None
        sound = sorted(self._couriers.sound & self._couriers.present - self._couriers.refused.keys())
        return random.sample(sound, min(len(sound), _SOME))

    def begun(self) -> None:
        """Note that there are results."""
        self._begun = True

    def left_out(self) -> str:
        """Workers that are there and may not be given work, as an error adds them."""
        said = [text.removeprefix("cluster: ") for text in self._couriers.others().values()]
        return f" that can be given work ({'; '.join(said)})" if said else ""

    @property
    def present(self) -> set[str]:
        """Addresses of all workers."""
        return self._couriers.present

    def submit(self, *args: Any, careful: bool, key: Any, back: queue.SimpleQueue[Any], at: Any) -> Any:
        """A task; its key and what became of it are put into a queue."""
        task, options = (_tasks.run_piece, *args, self._threads, careful), {"key": key, "pure": False}
        future = self._client.submit(*task, **options, workers=at)
        fetch = functools.partial(self._client.loop.add_callback, self._fetch, back=back)
        future.add_done_callback(fetch)
        return future

    async def _fetch(self, future: Any, back: queue.SimpleQueue[Any]) -> None:
        """Get the result of a task, on the loop of the client: that of a worker which has died takes a while."""
        found, raised = Outcome(), future.status == "error"
        try:
            got = self._client.gather(future, asynchronous=True)
            found.reply = await asyncio.wait_for(got, ANSWER)
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
