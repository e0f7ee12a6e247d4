"""Parcels on their way to workers, beside the work: a worker that dies while it is sent something keeps nobody waiting.

A scheduler tries for half a minute to reach a worker that has just died, and a call to several workers ends with the
last of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from peak_fast.cluster import tasks as _tasks
from peak_fast.cluster.parcels import Packed
from peak_fast.cluster.versions import difference, identity
from peak_fast.errors import PeakFastError, SweepError


class Couriers:
    """Threads that bring parcels to workers.

    Parameters
    ----------
    client
        A ``distributed.Client``.

    Attributes
    ----------
    present : set of str
        Addresses of the workers that are there; whoever looks at the cluster keeps it up to date.
    sent : dict of str to int
        Bytes of parcels that each worker got, by its address.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.present: set[str] = set()
        self.sent: dict[str, int] = {}
        self._lock = threading.Lock()
        self._served: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._trouble: list[PeakFastError] = []

    def bring(self, packed: Packed, workers: Iterable[str]) -> None:
        """Begin to compare workers with this machine and to send them what they lack, those that nobody serves yet."""
        with self._lock:
            idle = sorted(set(workers) - self._served)
            self._served.update(idle)
        if idle:
            thread = threading.Thread(target=self._serve, args=(packed, idle), daemon=True)
            self._threads = [*(one for one in self._threads if one.is_alive()), thread]
            thread.start()

    def serves(self, worker: str) -> bool:
        """Whether somebody is on the way to a worker."""
        with self._lock:
            return worker in self._served

    def wait(self, seconds: float) -> None:
        """Wait until everything has arrived, or for a time."""
        limit = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(limit - time.monotonic(), 0.0))

    def check(self) -> None:
        """Raise what a courier met: SweepError for a worker that would compute other bits."""
        if self._trouble:
            raise self._trouble[0]

    def _serve(self, packed: Packed, workers: list[str]) -> None:
        try:
            lacking = self._lacking(packed, workers)
            for key in packed.parcels:
                self._send(packed, key, [worker for worker, lacks in lacking.items() if key in lacks])
        except PeakFastError as error:
            self._trouble.append(error)
        except Exception:
            # The scheduler is out of reach or the client is closed, which whoever waits for results finds out; a worker
            # that lacks something says so when it gets a task.
            return
        finally:
            with self._lock:
                self._served.difference_update(workers)

    def _lacking(self, packed: Packed, workers: list[str]) -> dict[str, list[str]]:
        """Keys of the parcels that each worker lacks, of those that answer."""
        answers = self._client.run(_tasks.who, list(packed.parcels), workers=workers, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, ImportError):
                raise SweepError(no_package(worker, answer))
            if isinstance(answer, dict):
                refuse(worker, answer["identity"])
        return {worker: answer["lacks"] for worker, answer in answers.items() if isinstance(answer, dict)}

    def _send(self, packed: Packed, key: str, workers: list[str]) -> None:
        """Send a parcel, piece by piece, so that neither side holds it twice."""
        parcel = packed.parcels[key]
        for place, chunk in parcel.chunks():
            workers = [worker for worker in workers if worker in self.present]
            if workers:
                self._client.run(
                    _tasks.keep, key, parcel.size, place, chunk, workers=workers, on_error="return"
                )
        with self._lock:
            for worker in workers:
                self.sent[worker] = self.sent.get(worker, 0) + parcel.size


def refuse(worker: str, theirs: dict[str, Any]) -> None:
    """Raise SweepError for a worker that would compute other bits."""
    found = difference(worker, theirs)
    if found is not None:
        raise SweepError(f"cluster: {found}")


def no_package(worker: str, error: ImportError) -> str:
    """What to say of a worker that cannot import what it needs."""
    return (
        f"cluster: worker {worker} cannot import what it needs ({error}); it needs what is here: "
        f"pip install 'peak-fast[cluster]=={identity()['peak_fast']}'"
    )
