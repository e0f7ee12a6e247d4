"""On a worker: items that may kill the process that runs them, in a process of their own.

A block of items that ends the child is run again one by one, and an item that ends it by itself has failed: its row
is NaN, and the signal is the reason.  The worker lives on, and with it whatever else runs there.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from peak_fast.cluster.child import ERROR, HEAD, ROWS, TICK
from peak_kernels.arrays import FloatArray

_LOOK = 0.5


@dataclass
class Limits:
    """What a child may take.

    Attributes
    ----------
    seconds
        After so many no further block is begun.
    silence
        So long a child may give no sign of life, which it gives every second unless something holds Python's lock.
    memory
        Bytes; 0: any.
    """

    seconds: float
    silence: float
    memory: int


@dataclass
class Found:
    """What a careful run found.

    Attributes
    ----------
    rows
        Of the items that it got to.
    failed
        Reasons, by number of the item.
    """

    rows: FloatArray
    failed: dict[int, str] = field(default_factory=dict)


class Died(Exception):
    """The child is gone; the message is the reason."""


def run_carefully(
    job: str, parcels: dict[str, Any], start: int, stop: int, threads: int, limits: Limits
) -> Found:
    """Items ``[start, stop)`` in child processes, as many as time allows and one block at least.

    Raises
    ------
    Exception
        What the work raises by itself.
    """
    begun, first = time.monotonic(), start
    size = max(math.isqrt(stop - start), 1)
    parts: list[FloatArray] = []
    failed: dict[int, str] = {}
    child: _Child | None = None
    alone = start  # up to here items run one by one
    try:
        while first < stop and (first == start or time.monotonic() - begun < limits.seconds):
            last = first + 1 if first < alone else min(first + size, stop)
            child = child or _Child(job, parcels, threads, limits)
            try:
                parts.append(child.rows(first, last))
            except Died as died:
                child.end()
                child = None
                if last - first > 1:
                    alone = last
                    continue
                failed[first] = str(died)
                parts.append(np.full((1, parts[0].shape[1] if parts else 1), np.nan))
            first = last
    finally:
        if child is not None:
            child.end()
    return Found(_joined(parts), failed)


def _joined(parts: list[FloatArray]) -> FloatArray:
    """Rows one below the other; items that failed before any had a result are as wide as the others."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.full((len(p), width), np.nan) if p.shape[1] < width else p for p in parts])


class _Child:
    """A process that runs items and says which."""

    def __init__(self, job: str, parcels: dict[str, Any], threads: int, limits: Limits) -> None:
        self._limits = limits
        code = "from peak_fast.cluster.child import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._heard = time.monotonic()
        self._said: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._send(pickle.dumps((job, {key: bytes(content) for key, content in parcels.items()}, threads)))

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # what is read next says why it is gone
            self._process.stdin.write(len(content).to_bytes(8, "little") + content)
            self._process.stdin.flush()

    def rows(self, start: int, stop: int) -> FloatArray:
        """Results of items; raises what they raise, and Died."""
        self._send(pickle.dumps((start, stop)))
        for kind, content in self._messages():
            if kind == ROWS:
                rows: FloatArray = pickle.loads(content)
                return rows
            if kind == ERROR:
                raise pickle.loads(content)
        raise Died(self._reason())

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        """What the child says, until it says no more."""
        while True:
            try:
                message = self._said.get(timeout=_LOOK)
            except queue.Empty:
                self._watch()
                continue
            if message is None:
                return
            if message[0] != TICK:
                yield message

    def _listen(self) -> None:
        """Hear the child; on a thread of its own."""
        pipe = self._process.stdout
        assert pipe is not None
        with contextlib.suppress(OSError, ValueError):  # the pipe was closed
            while len(head := pipe.read(HEAD)) == HEAD:
                content = pipe.read(int.from_bytes(head[1:], "little"))
                self._heard = time.monotonic()
                self._said.put((head[:1], content))
        self._said.put(None)

    def _watch(self) -> None:
        """End a child that gives no sign of life, or takes more memory than the worker has.

        Raises
        ------
        Died
            It did.
        """
        silent = time.monotonic() - self._heard
        if silent > self._limits.silence:
            raise Died(f"it held Python's lock for more than {self._limits.silence:.0f} s, and was ended")
        if self._limits.memory:
            import psutil

            try:
                taken = psutil.Process(self._process.pid).memory_info().rss
            except psutil.Error:
                return
            if taken > 0.95 * self._limits.memory:
                raise Died(
                    f"it took more than the {self._limits.memory / 1e9:,.1f} GB of its worker, and was ended"
                )

    def _reason(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"its process ended with code {code}"
        try:
            return f"its process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"its process was ended by signal {-code}"

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
