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
    sound : set of str
        Workers that would compute the bits of this machine.
    refused : dict of str to str
        What is wrong with the others, by address.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.present: set[str] = set()
        self.sent: dict[str, int] = {}
        self.sound: set[str] = set()
        self.refused: dict[str, str] = {}
        self._lock = threading.Lock()
        self._served: set[str] = set()
        self._threads: list[threading.Thread] = []

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

    def compare(self, worker: str, theirs: dict[str, Any]) -> None:
        """Note whether a worker would compute the bits of this machine."""
        found = difference(worker, theirs)
        if found is None:
            self.sound.add(worker)
        else:
            self.refused[worker] = f"cluster: {found}"

    def others(self) -> dict[str, str]:
        """Workers that are there and may not be given work, and why."""
        return {worker: said for worker, said in list(self.refused.items()) if worker in self.present}

    def _serve(self, packed: Packed, workers: list[str]) -> None:
        try:
            lacking = self._lacking(packed, workers)
            for key in packed.parcels:
                self._send(packed, key, [worker for worker, lacks in lacking.items() if key in lacks])
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
                self.refused[worker] = no_package(worker, answer)
            elif isinstance(answer, dict):
                self.compare(worker, answer["identity"])
        return {worker: answers[worker]["lacks"] for worker in answers if worker in self.sound}

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


def no_package(worker: str, error: ImportError) -> str:
    """What to say of a worker that cannot import what it needs."""
    package = (error.name or "").split(".")[0]
    remedy = f"install the package {package!r} there, as it is here"
    if package in ("", "peak_fast", "peak_kernels"):
        version = identity()["peak_fast"]
        remedy = f"install peak_fast {version}, as here, there with: pip install 'peak-fast[cluster]'"
    return f"cluster: worker {worker} cannot import what it needs ({error}); {remedy}"
