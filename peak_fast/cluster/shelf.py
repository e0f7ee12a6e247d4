"""On a worker: the objects that were sent to it, and the work that it has opened."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from peak_fast.cluster.parcels import unpacked
from peak_kernels.arrays import FloatArray

_MOST_OPEN = 4


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


class Shelf:
    """What one worker keeps; of several in a process each has its own.

    Attributes
    ----------
    busy
        Held by the piece that runs.
    received : int
        Bytes of parcels that have come so far.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._arriving: dict[str, tuple[Any, list[int]]] = {}
        self._bytes: OrderedDict[str, Any] = OrderedDict()
        self._objects: dict[str, Any] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self.busy = threading.Lock()
        self.received = 0

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
        self.received += len(chunk)
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
