"""What runs beside the trackers of a process: one sleeping thread, one exit handler, one fork handler.

The thread wakes every two seconds.  Where a spool has grown it makes it durable on disk and starts a writer
at a low priority, so that a long loop can be watched in the UI while it runs.  It ends when no spool is
open.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import time
import weakref
from typing import Protocol

from peak_fast.masking import masked
from peak_fast.tracking.base import logger
from peak_fast.tracking.caller import environment, launch
from peak_fast.tracking.handles import status_of

INTERVAL = float(os.environ.get("PEAK_FAST_WRITER_INTERVAL", "2"))
MAX_INTERVAL = 60.0
# Seconds at the end of the process for what is not yet in the store; beyond them it stays in the spool.
EXIT_TIMEOUT = 30.0


class Watched(Protocol):
    """What the thread and the handlers ask of a channel."""

    def kick(self) -> None:
        """Make the spool durable on disk and start a writer."""

    @property
    def failing(self) -> bool:
        """Whether the writer's last word was an error."""
        ...

    def finish(self, status: str, timeout: float | None) -> None:
        """End what is open and wait for the store."""

    def abandon(self) -> None:
        """Forget what belongs to the parent of a fork."""


# Channels with an open segment, or with one that is closed and not confirmed.  Changes are single steps of sets: nobody
# waits for a lock that a fork or an interrupt left behind.
_channels: set[Watched] = set()
# All of them, for the child of a fork.
_known: weakref.WeakSet[Watched] = weakref.WeakSet()
_running = False


def know(channel: Watched) -> None:
    """A channel was made: in the child of a fork it begins anew."""
    _known.add(channel)


def watch(channel: Watched) -> None:
    """Look after a channel until it has nothing to look after."""
    global _running
    _channels.add(channel)
    if INTERVAL > 0 and not _running:
        try:
            # threading.Thread waits until the thread runs, which costs the first run of a loop a millisecond
            _thread.start_new_thread(_run, ())
            _running = True
        except RuntimeError as error:  # the interpreter is shutting down
            logger.debug("no background thread: %s", error)


def unwatch(channel: Watched) -> None:
    """The channel has no open segment any more."""
    _channels.discard(channel)


def _run() -> None:
    global _running
    pause = INTERVAL
    while True:
        time.sleep(pause)
        if INTERVAL <= 0:  # set meanwhile: nobody looks any more
            _running = False
            return
        failing = _round()
        # A store that does not answer is asked less and less often.
        pause = min(pause * 2, MAX_INTERVAL) if failing else INTERVAL
        if not _channels:
            _running = False
            if not _channels:  # else somebody came who still saw this thread run
                return
            _running = True


def _round() -> bool:
    """Look at every channel once; whether a store does not answer."""
    channels = list(_channels)
    for channel in channels:
        try:
            channel.kick()
        except Exception as error:  # the others, and the rounds to come, do not depend on it
            logger.debug("background round: %s: %s", type(error).__name__, error)
    return any(channel.failing for channel in channels)


def _at_exit() -> None:
    """End what is open, say how, and wait a little for the store."""
    status = _exit_status()
    deadline = time.monotonic() + EXIT_TIMEOUT
    for channel in list(_channels):
        try:
            channel.finish(status, max(deadline - time.monotonic(), 0.5))
        except Exception as error:
            # Nobody is left to catch it, and the spool has everything.
            sys.stderr.write(masked(f"peak_fast tracking: {error}\n"))
    environment.collect_all()
    launch.forget_writers()


def _exit_status() -> str:
    """Status of runs that are still open at exit: an uncaught exception of a script leaves its trace here."""
    if hasattr(sys, "ps1"):
        return "FINISHED"  # interactive: the last error may be hours old
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return status_of(None if error is None else type(error))


def _in_child() -> None:
    """After a fork: runs and segments belong to the parent; the child may start its own."""
    global _running
    _running = False
    _channels.clear()
    environment.forget()
    launch.forget_writers()
    for channel in list(_known):
        channel.abandon()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    # At once, so that it runs before what others register who use a tracker there.
    os.register_at_fork(after_in_child=_in_child)
