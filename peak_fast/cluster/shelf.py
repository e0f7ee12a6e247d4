"""On a worker: the objects that were sent to it, the work that it has opened, and the tasks that it carries out."""

from __future__ import annotations

import hashlib
import threading
import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from peak_fast.cluster.parcels import unpacked
from peak_fast.cluster.versions import digest, identity
from peak_kernels.arrays import FloatArray

_KEPT_BYTES = 1 << 30
_MOST_OPEN = 4
# How quickly parts of a piece may grow while it turns out how long an item takes; how much longer than asked a piece
# may take.
_GROWTH, _PATIENT = 32, 1.5
# The same of a piece that runs carefully, and how long its process may be silent where the cluster does not say.
_CAREFUL, _SILENCE = 20.0, "5 minutes"


@dataclass(frozen=True)
class Means:
    """What a worker has for a piece of work.

    Attributes
    ----------
    threads
        Threads that compute.
    memory
        Bytes that the worker may take in all; 0: nobody says.
    """

    threads: int
    memory: int


class Opened(Protocol):
    """Work that lies ready on a worker."""

    def rows(self, start: int, stop: int) -> FloatArray:
        """Results of items ``[start, stop)``: float64[stop - start, columns]."""

    def notes(self) -> list[str]:
        """What was noticed so far."""


class Job(Protocol):
    """Numbered work, as it is sent."""

    def open(self, means: Means) -> Opened:
        """Lay it ready on a worker."""


class Missing(Exception):
    """Parcels that a worker does not have."""


@dataclass
class Reply:
    """What a task gives back.

    Attributes
    ----------
    worker
        Address.
    rows
        Results of the items from the first to ``stop``; None: there are none.
    stop
        Where the worker stopped, as time was up.
    seconds
        How long it took.
    fresh
        Whether machine code, prices or rows had to be made ready: what comes next is quicker.
    missing
        Keys of parcels that it needs first.
    failed
        Why items have no result, by number.
    theirs
        The worker's identity where it is not that of the client.
    """

    worker: str
    rows: FloatArray | None = None
    stop: int = 0
    seconds: float = 0.0
    fresh: bool = False
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    theirs: dict[str, str] | None = None


class Shelf:
    """What one worker keeps; of several in a process each has its own."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._arriving: dict[str, tuple[Any, list[int]]] = {}
        self._bytes: OrderedDict[str, Any] = OrderedDict()
        self._objects: dict[str, Any] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self.busy = threading.Lock()

    def lacks(self, keys: list[str]) -> list[str]:
        """Those of the parcels that are not here."""
        return [key for key in keys if key not in self._bytes]

    def keep(self, key: str, size: int, place: int, chunk: bytes) -> None:
        """Put a piece of a parcel where it belongs; one that is whole is kept."""
        if key in self._bytes:
            return
        if key not in self._arriving:
            self._arriving[key] = np.empty(size, np.uint8), [0]
        content, count = self._arriving[key]
        content[place : place + len(chunk)] = np.frombuffer(chunk, np.uint8)
        count[0] += len(chunk)
        if count[0] < size:
            return
        del self._arriving[key]
        if hashlib.blake2b(content, digest_size=16).hexdigest() == key:
            content.flags.writeable = False
            self._bytes[key] = content

    def load(self, key: str) -> Any:
        """The object of a parcel, made once.

        Raises
        ------
        Missing
            It is not here.
        """
        if key not in self._bytes:
            raise Missing(key)
        self._bytes.move_to_end(key)
        if key not in self._objects:
            needs: dict[str, None] = {}

            def found(other: str) -> Any:
                needs.update(dict.fromkeys((*self._needs.get(other, ()), other)))
                return self.load(other)

            self._objects[key] = unpacked(self._bytes[key], found)
            self._needs[key] = tuple(needs)
        return self._objects[key]

    def contents(self, key: str) -> dict[str, Any]:
        """Bytes of a parcel and of those that it needs."""
        self.load(key)
        return {each: self._bytes[each] for each in (*self._needs.get(key, ()), key)}

    def opened(self, key: str, means: Means) -> tuple[Opened, bool]:
        """A job that lies ready, and whether it was made so now."""
        fresh = key not in self._opened
        if fresh:
            job: Job = self.load(key)
            self._opened[key] = job.open(means)
            while len(self._opened) > _MOST_OPEN:
                self._drop(next(iter(self._opened)))
            self._make_room()
        self._opened.move_to_end(key)
        return self._opened[key], fresh

    def _drop(self, key: str) -> None:
        """Forget a job and its own parcel."""
        self._opened.pop(key, None)
        self._objects.pop(key, None)
        self._bytes.pop(key, None)

    def _make_room(self) -> None:
        """Forget what was not used for longest; what an open job uses is not freed before the job is."""
        while sum(map(len, self._bytes.values())) > self._limit and len(self._bytes) > 2:
            oldest = next(iter(self._bytes))
            self._drop(oldest)


_shelves: weakref.WeakKeyDictionary[Any, Shelf] = weakref.WeakKeyDictionary()


def _shelf(worker: Any) -> Shelf:
    if worker not in _shelves:
        _shelves[worker] = Shelf(max(_KEPT_BYTES, _memory(worker) // 4))
    return _shelves[worker]


def _memory(worker: Any) -> int:
    return int(getattr(worker.memory_manager, "memory_limit", 0) or 0)


# What a client calls outside of tasks, on the worker's event loop


def who(keys: list[str], dask_worker: Any) -> dict[str, Any]:
    """Identity of a worker, and which of the parcels it lacks."""
    return {"identity": identity(), "lacks": _shelf(dask_worker).lacks(keys)}


def keep(key: str, size: int, place: int, chunk: bytes, dask_worker: Any) -> None:
    """Take a piece of a parcel."""
    _shelf(dask_worker).keep(key, size, place, chunk)


# Tasks


def run_piece(
    job: str, start: int, stop: int, seconds: float, ours: str, threads: int | None, careful: bool = False
) -> Reply:
    """Carry out items ``[start, stop)`` of a job, as many as ``seconds`` allow and one at least.

    One piece at a time runs on a worker, on all its threads: they share rows of indicators and scratch memory, which
    several pieces side by side would each have to hold and to fill.

    Parameters
    ----------
    job
        Key of its parcel.
    ours
        Digest of the client's identity.
    threads
        At most so many threads of the worker; None: all.
    careful
        In processes of their own; see `peak_fast.cluster.careful`.
    """
    from distributed import get_worker

    worker = get_worker()
    if digest() != ours:
        return Reply(worker.address, theirs=identity())
    shelf, count = _shelf(worker), worker.state.nthreads
    means = Means(min(threads or count, count), _memory(worker))
    with shelf.busy:
        try:
            run = _run_carefully if careful else _run_here
            return run(shelf, worker.address, job, (start, stop), seconds, means)
        except Missing as missing:
            return Reply(worker.address, missing=[str(missing)])


def _run_here(
    shelf: Shelf, address: str, job: str, piece: tuple[int, int], seconds: float, means: Means
) -> Reply:
    begun = time.perf_counter()
    opened, fresh = shelf.opened(job, means)
    rows, reached, spent = _run(opened, *piece, seconds)
    took = time.perf_counter() - begun if fresh else spent
    return Reply(address, rows, reached, took, fresh, opened.notes())


def _run_carefully(
    shelf: Shelf, address: str, job: str, piece: tuple[int, int], seconds: float, means: Means
) -> Reply:
    import dask
    from dask.utils import parse_timedelta

    from peak_fast.cluster.careful import Limits, run_carefully

    begun = time.perf_counter()
    silence = parse_timedelta(dask.config.get("distributed.scheduler.worker-ttl") or _SILENCE)
    limits = Limits(_CAREFUL * seconds, silence, means.memory)
    found = run_carefully(job, shelf.contents(job), *piece, means.threads, limits)
    reached = piece[0] + len(found.rows)
    return Reply(address, found.rows, reached, time.perf_counter() - begun, True, failed=found.failed)


def _run(opened: Opened, start: int, stop: int, seconds: float) -> tuple[FloatArray, int, float]:
    """Results of as many items as fit into the time, where it stopped, and how long it took."""
    parts, first, size = [], start, 1
    begun = before = time.perf_counter()
    while first < stop:
        last = min(first + size, stop)
        parts.append(opened.rows(first, last))
        now = time.perf_counter()
        each = max(now - before, 1e-9) / (last - first)
        first, before = last, now
        if now - begun > _PATIENT * seconds:
            break
        size = max(min(_GROWTH * size, int(seconds / 4.0 / each)), 1)
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return rows, first, before - begun
