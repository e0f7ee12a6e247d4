"""What is open: the segment, runs of all threads together, of each thread the ones that it is inside of, locks."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from peak_fast import guard
from peak_fast.tracking.caller.capture import Capture
from peak_fast.tracking.handles import UNASKED, RunHandle
from peak_fast.tracking.spool import SegmentWriter, Subject

_HERE = str(Path(__file__).parent)


class OpenSegment(SegmentWriter):
    """A segment, and what goes with it."""

    def __init__(self, folder: Path, header: dict[str, Any], *, code: int, mapped: bool) -> None:
        # What it holds of data and settings.
        self.capture = Capture(code)
        # Up to where it was made durable and a writer was started.
        self.kicked = 0
        super().__init__(folder, header, mapped=mapped)


class OpenRun(Subject):
    """A run that has begun, or will; ``raw`` is the id that the tracker made."""

    # Defaults of the class: most runs of a loop never set them.
    joined = False  # a run of the user's own: not created, named or ended here
    name: str | None = None  # that somebody gave it
    used = False  # something was logged into it
    held = False  # a ``with`` block ends it
    store_id: str | None = None  # the id that MLflow knows, once somebody asked for it
    params: dict[str, str] | None = None  # logged so far: they cannot change

    stack: list[OpenRun]  # open runs of its thread, the innermost last
    segment: SegmentWriter | None = None  # where its first record is

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        # In MLflow's form; the store's own id where a run of the user's was joined.
        self.run_id = raw.hex()


def new_runs(own_ids: bool) -> list[RunHandle]:
    """Runs that have not begun, with ids of 16 random bytes, which are fetched for many at once.

    ``own_ids``: the handles hold them; else a store is asked for its own.
    """
    data = os.urandom(16 * 64)
    made = [OpenRun(data[i : i + 16]) for i in range(0, len(data), 16)]
    return [RunHandle(run.run_id if own_ids else UNASKED, None, run) for run in made]


class ThreadRuns(threading.local):
    """What one thread has open."""

    def __init__(self) -> None:
        # The innermost last.
        self.runs: list[OpenRun] = []
        # For each ``with tracker`` block that it is inside of, the runs that were not this block's.
        self.blocks: list[list[OpenRun]] = []


def free_lock(lock: Any, frame: FrameType | None) -> None:
    """Free a lock of this thread if an exception came between the end of its block and the release.

    ``frame`` called the method that failed.  A call from the user's code inside another one leaves the lock to that.
    """
    own = True
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_HERE) and not own:
            return
        own = own and name.startswith((_HERE, guard.__file__))
        frame = frame.f_back
    with contextlib.suppress(RuntimeError):
        while True:
            lock.release()
