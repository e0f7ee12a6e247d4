"""Files of many runs, made by several processes at once: threads that run Python wait for each other.

A writer that has a process of its own is forked, where that is safe: on Linux, while no other thread runs.  A fork has
all that was read and imported, draws and writes the files of its share, and says what it could not write.  Whatever
happens to it, its share is written again by the writer itself: writing a file twice changes nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from peak_fast.tracking.stores.calls import is_our_process
from peak_fast.tracking.stores.files import FileWriter, Problems
from peak_fast.tracking.updates import Artifact

Job = tuple[str, Path, Sequence[Artifact]]
"""Id of a run, the root of its artifacts, and these."""

_MOST = 4
# A fork takes a few milliseconds, a file about one.
_WORTH = 64
_DIE_WITH_PARENT = 1


def write_shared(jobs: Sequence[Job], count: int | None = None) -> list[tuple[str, Problems]]:
    """Write artifacts durably; ``count`` processes do, by default as many as are worth it.

    Returns
    -------
    list of (str, list of (Artifact, str))
        What could not be written of each run, see :meth:`FileWriter.write`, which says what is raised, too.
    """
    count = _processes(sum(len(artifacts) for _, _, artifacts in jobs)) if count is None else count
    shares = [jobs[k::count] for k in range(count)]
    helpers: list[_Helper] = []
    files = FileWriter()
    try:
        # What forks have in common is imported and made by the first run.
        said = [_write(files, shares[0][:1])]
        with contextlib.suppress(OSError):  # the system has no more processes
            helpers.extend(map(_Helper, shares[1:]))
        said[0] += _write(files, shares[0][1:])
        files.make_durable()
        said += [helper.problems() or _write(files, helper.share) for helper in helpers]
        said += [_write(files, share) for share in shares[1 + len(helpers) :]]
        files.make_durable()
    finally:
        for helper in helpers:
            helper.end()
    pairs = zip(shares, said, strict=True)
    return [(job[0], problems) for share, of in pairs for job, problems in zip(share, of, strict=True)]


def _processes(files: int) -> int:
    if sys.platform != "linux" or threading.active_count() > 1 or not is_our_process():
        return 1
    return max(min(_MOST, len(os.sched_getaffinity(0)), files // _WORTH), 1)


def _write(files: FileWriter, jobs: Sequence[Job]) -> list[Problems]:
    return [files.write(root, artifacts) for _, root, artifacts in jobs]


class _Helper:
    """A fork of this process that writes some jobs."""

    def __init__(self, share: Sequence[Job]) -> None:
        self.share = share
        self._answer, sink = os.pipe()
        parent = os.getpid()
        self._process = os.fork()
        if self._process == 0:
            _help(share, sink, parent)
        os.close(sink)

    def problems(self) -> list[Problems] | None:
        """What it could not write of each job; None if it did not come to its end."""
        with os.fdopen(self._answer, "rb", closefd=False) as stream:
            answer = stream.read()
        if not answer.endswith(b"\n"):
            return None
        pairs = zip(self.share, json.loads(answer), strict=True)
        return [[(artifacts[k], reason) for k, reason in said] for (_, _, artifacts), said in pairs]

    def end(self) -> None:
        """Stop it, if it is not at its end."""
        os.close(self._answer)
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _help(share: Sequence[Job], sink: int, parent: int) -> NoReturn:
    """The life of a fork; it holds the lock of the spool's folder for as long as it writes."""
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() == parent:
            files = FileWriter()
            said = [
                [(artifacts.index(artifact), reason) for artifact, reason in problems]
                for (_, _, artifacts), problems in zip(share, _write(files, share), strict=True)
            ]
            files.make_durable()
            with os.fdopen(sink, "wb") as stream:
                stream.write(json.dumps(said).encode() + b"\n")
    finally:
        # Nothing of the writer is closed here: its connections are still in use there.
        os._exit(0)
