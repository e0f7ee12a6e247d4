"""Work on a pool's threads that Ctrl-C can stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from typing import Any

# How long the main thread sleeps before it looks for signals, in seconds.
_LOOK = 0.1


def run_all(pool: Executor, work: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Run ``work`` on every item; the first exception, Ctrl-C among them, cancels what has not begun.

    The system may hand a signal to any thread, and only the main thread acts on it: one that slept until the
    last item was done would see Ctrl-C only then.  So it wakes up ten times a second.
    """
    futures = [pool.submit(work, item) for item in items]
    pending = set(futures)
    try:
        while pending:
            done, pending = wait(pending, timeout=_LOOK, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
    finally:
        for future in pending:
            future.cancel()
