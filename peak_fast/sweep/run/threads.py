"""Threads that share a list of work, the caller's among them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

import numpy as np

from peak_kernels.arrays import IntArray

Item = TypeVar("Item")

# How long the caller's thread sleeps before it looks for signals, in seconds.
_LOOK = 0.1
# How long a thread without work stays for the next team, in seconds.
_STAY = 5.0


class _Helper(threading.Thread):
    """A thread that does one work after another, for one team after another."""

    def __init__(self) -> None:
        super().__init__(name="peak_fast", daemon=True)
        self._works: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._free = threading.Event()
        self._free.set()
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        while True:
            try:
                work = self._works.get(timeout=_STAY)
            except Empty:
                # Only the list says whether a team has taken it.
                with contextlib.suppress(ValueError):
                    _idle.remove(self)
                    return
                continue
            try:
                work()
            except BaseException as error:
                self._error = error
            # What the work holds, arrays among it, is not kept until the next one.
            del work
            self._free.set()

    def begin(self, work: Callable[[], None]) -> None:
        """Let it do something; the last work must have been waited for."""
        self._free.clear()
        self._error = None
        self._works.put(work)

    def wait(self) -> None:
        """Wait for the end of its work.

        The system may hand a signal to any thread, and only the main thread acts on it: one that slept until the
        last item was done would see Ctrl-C only then.  So it wakes up ten times a second.
        """
        while not self._free.wait(_LOOK):
            pass

    def check(self) -> None:
        """Raise what its work raised."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            # Its traceback holds this frame.
            del error

    def leave(self) -> None:
        """Be free for the next team, when its work has ended."""
        self.wait()
        self._error = None
        _idle.append(self)


# Threads that no team has: starting and ending one takes as long as a hundred configurations.
_idle: list[_Helper] = []
if hasattr(os, "register_at_fork"):
    # A child has no thread but the one that forked.
    os.register_at_fork(after_in_child=_idle.clear)


class Team:
    """A number of threads; use as a context manager.

    Parameters
    ----------
    threads
        The caller's thread is one of them, so a team of one starts none.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._helpers: list[_Helper] = []

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._helpers:
            helper = self._helpers.pop()
            helper.leave()

    def share(self, work: Callable[[Item], None], items: Sequence[Item]) -> None:
        """Run ``work`` on every item; a thread that is done with one takes the next, in their order.

        After an exception, Ctrl-C among them, no further item is begun, and the exception is raised here.
        """
        queue: Iterator[Item] = iter(items)
        stopped = False

        def take() -> None:
            nonlocal stopped
            try:
                for item in queue:
                    if stopped:
                        return
                    work(item)
            except BaseException:
                stopped = True
                raise

        helpers = self._start(take, min(self.threads, len(items)) - 1)
        try:
            take()
            _wait(helpers)
        finally:
            # Ctrl-C may come while this thread waits for the others.
            stopped = True
            _wait(helpers)
        for helper in helpers:
            helper.check()

    def begin(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do something beside what the caller does; what is returned waits for its end.

        A team of one does it at once.
        """
        helpers = self._start(work, min(self.threads - 1, 1))
        if not helpers:
            work()

        def wait() -> None:
            _wait(helpers)
            for helper in helpers:
                helper.check()

        return wait

    def _start(self, work: Callable[[], None], count: int) -> Sequence[_Helper]:
        """Let helpers begin, on threads that the team gets with the first work for them."""
        if count < 1:
            return ()
        while len(self._helpers) < count:
            try:
                self._helpers.append(_idle.pop())
            except IndexError:
                self._helpers.append(_Helper())
        helpers = self._helpers[:count]
        for helper in helpers:
            helper.begin(work)
        return helpers


def _wait(helpers: Sequence[_Helper]) -> None:
    for helper in helpers:
        helper.wait()


def cut(count: int, largest: int, smallest: int, threads: int) -> list[tuple[int, int]]:
    """Bounds of tiles over ``count`` configurations, for threads that take them one after the other.

    With several threads tiles shrink towards the end, so that all threads finish at about the same time:
    each takes a share of what is left, at least ``smallest``, as tiles have a fixed cost, and never more than
    ``largest``.
    """
    bounds, first = [], 0
    while first < count:
        left = count - first
        fair = left if threads == 1 else left // (2 * threads)
        size = min(max(fair, smallest, 1), largest, left)
        bounds.append((first, first + size))
        first += size
    return bounds


def spread(count: int) -> IntArray:
    """int64[count]: all numbers below ``count``, so that the first of them, however many, lie evenly among all.

    Work that is done in this order takes about as long in each part of its time, though it takes longer at one end of a
    grid than at the other: so the time that is left can be told early.  (Bits of ascending numbers in reverse: the
    sequence of van der Corput.)
    """
    if count < 3:
        return np.arange(count)
    bits = (count - 1).bit_length()
    numbers, found = np.arange(1 << bits), np.zeros(1 << bits, np.int64)
    for _ in range(bits):
        found = found << 1 | numbers & 1
        numbers >>= 1
    return found[found < count]


def cut_spread(count: int, largest: int, smallest: int, threads: int) -> list[tuple[int, int]]:
    """As `cut`; the tiles of full size, which come first, in the order of `spread`."""
    tiles = cut(count, largest, smallest, threads)
    if len(tiles) < 4:
        return tiles
    full = sum(1 for first, last in tiles if last - first == largest)
    return [tiles[number] for number in spread(full)] + tiles[full:]
