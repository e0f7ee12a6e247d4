"""The caller's side of the writer process: start it, ask it, wait for its word."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from peak_fast.errors import TrackingError
from peak_fast.masking import mask, masked
from peak_fast.tracking import spool
from peak_fast.tracking.base import logger
from peak_fast.tracking.spool import SegmentPaths, is_locked, read_ack

DEFAULT_TIMEOUT = 90.0
# A writer that is starting, or that comes forward, is not the store's silence: it gets this long, and this long more.
_START_TIMEOUT = 30.0
_STEP_TIMEOUT = 3.0
_POLL = 0.002
_LOG_LIMIT = 1 << 20
# -P: a file of the user's named like a module of the library must not be imported in its place.
_COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "peak_fast.tracking.writer")
# A process of its own on Windows; elsewhere a new session makes it one.
_FLAGS = sum(getattr(subprocess, name, 0) for name in ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP"))

# Writers that this process started: kept so that they are reaped, and never waited for.
_started: list[subprocess.Popen[bytes]] = []


def start_writer(
    folder: Path, uri: str, home: str, *, idle: bool = False, report: bool = False
) -> subprocess.Popen[bytes]:
    """Start the writer process of a store's spool folder; it ends at once if there is one already.

    It runs in the folder ``home``, the caller's, for relative artifact roots; ``idle`` at a low priority, until one
    asks for more; for a ``report`` it makes one pass, and the caller reads its standard output.  The URI with its
    credentials is handed over in the environment, never on the command line.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    options = ["--idle"] * idle + ["--once", "--report"] * report
    log = folder / "writer.log"
    with log.open("wb" if log.exists() and log.stat().st_size > _LOG_LIMIT else "ab") as stream:
        process = subprocess.Popen(
            [*_COMMAND, str(folder), *options],
            cwd=home if Path(home).is_dir() else None,
            env=spool.child_environment() | {spool.URI_VARIABLE: uri},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if report else subprocess.DEVNULL,
            stderr=stream,
            start_new_session=os.name != "nt",
            creationflags=_FLAGS,
        )
    if not report:
        _started.append(process)
    return process


def forget_writers() -> None:
    """At exit the writers may outlive this process, and in the child of a fork the parent reaps them."""
    for process in _started:
        process.returncode = 0
    _started.clear()


def confirm(
    targets: Sequence[tuple[SegmentPaths, int]],
    folder: Path,
    uri: str,
    home: str,
    timeout: float | None,
    *,
    while_starting: bool = False,
) -> None:
    """Wait until the store has confirmed segments up to given offsets.

    A segment that is gone is confirmed.  ``timeout`` are seconds; None is 90 without any progress.  With
    ``while_starting`` it is meant for the store: a writer that still starts, or comes forward, may take longer.  Raises
    :class:`TrackingError` where the store refused, or the time is over.
    """
    clock = _Clock(folder, timeout, while_starting)
    asked = time.time_ns()
    for paths, _ in targets:
        if paths.segment.exists():
            paths.request.touch()
    # One that is at work sees the request.
    process = None if is_locked(folder / "writer.lock") else start_writer(folder, uri, home)
    while True:
        waiting = [(paths, offset) for paths, offset in targets if not confirmed(paths, offset)]
        if not waiting:
            return
        acks = [read_ack(paths.ack) for paths, _ in waiting]
        # An error of an attempt that began before this request says nothing about now.
        errors = [ack.error for ack in acks if ack.error is not None and ack.begun > asked]
        code = None if process is None else process.poll()
        if code not in (None, 0, 3):
            errors.append(f"the writer process ended with code {code}: {_tail(folder, uri)}")
        if clock.is_over((len(waiting), sum(ack.offset for ack in acks))):
            errors.append("the writer has not confirmed in time")
        if errors:
            raise TrackingError(missing_text(uri, waiting, errors[0]))
        # Another writer holds the folder; it works on the request, or ended before it saw it.
        others = process is None or code is not None
        if others and not is_locked(folder / "writer.lock"):
            process = start_writer(folder, uri, home)
        time.sleep(_POLL if not others else 5 * _POLL)


class _Clock:
    """When to stop waiting for a store."""

    def __init__(self, folder: Path, timeout: float | None, while_starting: bool) -> None:
        self._contact = folder / spool.CONTACT
        self._while_starting = while_starting
        self._begin = self._moved = time.monotonic()
        self._timeout = timeout
        self._state: tuple[int, int] | None = None

    def is_over(self, state: tuple[int, int]) -> bool:
        """Whether the time is over; ``state`` changes with every step forward."""
        now = time.monotonic()
        if state != self._state:
            self._state, self._moved = state, now
        if self._timeout is None:
            return now - self._moved > DEFAULT_TIMEOUT
        if now - self._begin <= self._timeout:
            return False
        if not self._while_starting:
            return True
        if now - self._moved <= _STEP_TIMEOUT:
            return False
        try:
            return time.time() - self._contact.stat().st_mtime > _STEP_TIMEOUT
        except OSError:
            return now - self._begin > _START_TIMEOUT


def confirmed(paths: SegmentPaths, offset: int) -> bool:
    """Whether the store has a segment up to an offset."""
    return read_ack(paths.ack).offset >= offset or not paths.segment.exists()


def missing_text(uri: str, waiting: Sequence[tuple[SegmentPaths, int]], reason: str) -> str:
    """What is said of segments that are not in the store."""
    missing = sum(_missing(paths, offset) for paths, offset in waiting)
    place = waiting[0][0].segment.parent
    text = (
        f"not all runs are in {mask(uri)}: {reason}. {missing:,} bytes of log wait in {place}; nothing is "
        "lost: they are written by the next flush, by the next tracker of this store, or by `peak-fast sync`"
    )
    return masked(text, uri)


def _missing(paths: SegmentPaths, offset: int) -> int:
    begin = read_ack(paths.ack).offset
    try:
        ends = [record.end for record in spool.read_records(paths.segment, begin)]
    except OSError:
        return 0
    return max(min(offset, max(ends, default=begin)) - begin, 0)


def _tail(folder: Path, uri: str) -> str:
    try:
        lines = (folder / "writer.log").read_text(errors="replace").strip().splitlines()
    except OSError as error:
        logger.debug("no writer log: %s", error)
        return "no log"
    return masked(lines[-1], uri)[:300] if lines else "no log"
