"""What workers are asked: who they are, to keep a parcel, to carry out a piece of work."""

from __future__ import annotations

import time
import traceback
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from peak_fast.cluster.careful import Limits, run_carefully
from peak_fast.cluster.child import pickled
from peak_fast.cluster.shelf import Means, Missing, Opened, Shelf
from peak_fast.cluster.versions import digest, identity
from peak_kernels.arrays import FloatArray

_KEPT_BYTES = 1 << 30
# How quickly parts of a piece may grow while it turns out how long an item takes; how much longer than asked a piece
# may take.
_GROWTH, _PATIENT = 32, 1.5
# The same of a piece that runs carefully, and how long its process may be silent where the cluster does not say.
_CAREFUL, _SILENCE = 20.0, "5 minutes"
# So many seconds without a byte a task waits for parcels that its worker lacks.
_ARRIVES = 3.0
# Frames that an error shows of where it was raised.
_SHOWN = 8


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
    lacks
        What it could not import.
    error
        What the work raised, as a pickle.
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
    lacks: ImportError | None = None
    error: bytes | None = None


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
    _await(shelf, job)
    with shelf.busy:
        try:
            run = _run_carefully if careful else _run_here
            return run(shelf, worker.address, job, (start, stop), seconds, means)
        except Missing as missing:
            return Reply(worker.address, missing=[str(missing)])
        except ImportError as error:
            return Reply(worker.address, lacks=ImportError(str(error), name=error.name))
        except BaseException as error:
            # Dask's own way of errors loses its connection over some, such as one with a thousand frames.
            error.add_note(
                f"on worker {worker.address}:\n{''.join(traceback.format_tb(error.__traceback__)[-_SHOWN:])}"
            )
            return Reply(worker.address, error=pickled(error.with_traceback(None)))


def _await(shelf: Shelf, job: str) -> None:
    """Wait for a job that is on its way, for as long as something arrives.

    A worker that joins gets tasks before the client has seen it.  One that handed them back would be idle, and clusters
    that shrink by themselves would end it while its prices arrive.
    """
    seen, limit = shelf.received, time.monotonic() + _ARRIVES
    while shelf.lacks([job]) and time.monotonic() < limit:
        time.sleep(0.02)
        if shelf.received != seen:
            seen, limit = shelf.received, time.monotonic() + _ARRIVES


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
