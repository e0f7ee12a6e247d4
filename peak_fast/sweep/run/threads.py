"""Threads that share a list of work, the caller's among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

Item = TypeVar("Item")

# How long the caller's thread sleeps before it looks for signals, in seconds.
_LOOK = 0.1


class Team:
    """A number of threads; use as a context manager.

    Parameters
    ----------
    threads
        The caller's thread is one of them, so a team of one starts none.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

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
            _await(helpers)
        finally:
            # Ctrl-C may come while this thread waits for the others.
            stopped = True
            wait(helpers)

    def begin(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do something beside what the caller does; what is returned waits for its end.

        A team of one does it at once.
        """
        helpers = self._start(work, min(self.threads - 1, 1))
        if not helpers:
            work()
        return lambda: _await(helpers)

    def _start(self, work: Callable[[], None], count: int) -> list[Future[None]]:
        """Let helpers begin, on threads that are started with the first work for them."""
        if count < 1:
            return []
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="peak_fast")
        return [self._pool.submit(work) for _ in range(count)]


def _await(helpers: Sequence[Future[Any]]) -> None:
    """Wait for helpers; raise what one of them raised.

    The system may hand a signal to any thread, and only the main thread acts on it: one that slept until the
    last item was done would see Ctrl-C only then.  So it wakes up ten times a second.
    """
    pending = set(helpers)
    while pending:
        done, pending = wait(pending, timeout=_LOOK, return_when=FIRST_EXCEPTION)
        for helper in done:
            helper.result()


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
