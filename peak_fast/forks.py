"""Work of one process shared with forks of it: threads that run Python wait for each other.

A fork has all that was read and imported.  It does its share, says what came out, and ends; whatever else happens to
it, its share is done again here.  So the work must be one that may be done twice.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

Item = TypeVar("Item")
Work = Callable[[Sequence[Item]], list[Any]]

_MOST = 4
_DIE_WITH_PARENT = 1


def sensible(steps: int, worth: int) -> int:
    """How many processes should share some steps, ``worth`` of which outweigh a fork (a few milliseconds).

    One where forks are not safe: only on Linux, and only while no other thread runs, as it might hold a lock.  Threads
    of libraries count: a fork would wait for ever for those of Polars, which it does not have.
    """
    if sys.platform != "linux" or _threads() != 1:
        return 1
    return max(min(_MOST, len(os.sched_getaffinity(0)), steps // worth), 1)


def _threads() -> int:
    """Threads of this process, of which Python counts only its own; 0: unknown."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return 0


def shared(items: Sequence[Item], work: Work[Item], end: Callable[[], object], count: int) -> list[Any]:
    """What ``work`` gives for each item, in their order, done by ``count`` processes.

    Parameters
    ----------
    work
        One answer that JSON can hold for each of some items.
    end
        Called by each process behind its share.

    Raises
    ------
    Exception
        What the two raise; forks that still work are ended.
    """
    shares = [items[k::count] for k in range(count)]
    forks: list[_Fork] = []
    try:
        # What the forks have in common is imported and made by the first item; that may start threads.
        before = _threads()
        own = work(shares[0][:1])
        if _threads() <= before:
            with contextlib.suppress(OSError):  # the system has no more processes
                forks.extend(_Fork(share, work, end) for share in shares[1:])
        own += work(shares[0][1:])
        end()
        said = [own, *(fork.answers() for fork in forks), *[None] * (len(shares) - 1 - len(forks))]
        answers = [work(share) if of is None else of for share, of in zip(shares, said, strict=True)]
        end()
    finally:
        for fork in forks:
            fork.stop()
    return [answers[k % count][k // count] for k in range(len(items))]


class _Fork:
    """A fork of this process that does a share."""

    def __init__(self, share: Sequence[Item], work: Work[Item], end: Callable[[], object]) -> None:
        self._source, sink = os.pipe()
        parent = os.getpid()
        try:
            self._process = os.fork()
            if self._process == 0:
                _live(share, work, end, sink, parent)
        except OSError:
            os.close(self._source)
            raise
        finally:
            os.close(sink)

    def answers(self) -> list[Any] | None:
        """What came out; None if it did not come to its end."""
        with os.fdopen(self._source, "rb", closefd=False) as stream:
            text = stream.read()
        return list(json.loads(text)) if text.endswith(b"\n") else None

    def stop(self) -> None:
        """End it, if it is not at its end."""
        os.close(self._source)
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _live(
    share: Sequence[Item], work: Work[Item], end: Callable[[], object], sink: int, parent: int
) -> NoReturn:
    """The life of a fork.  It ends with its parent, and closes nothing that is in use there."""
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() == parent:
            text = json.dumps(work(share))
            end()
            with os.fdopen(sink, "wb", closefd=False) as stream:
                stream.write(text.encode() + b"\n")
    finally:
        os._exit(0)
