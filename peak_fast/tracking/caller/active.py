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
    """A segment, and what goes with it.

    Attributes
    ----------
    capture
        What it holds of data and settings.
    kicked
        Up to where it was made durable and a writer was started.
    """

    def __init__(self, folder: Path, header: dict[str, Any], *, code: int, mapped: bool) -> None:
        self.capture = Capture(code)
        self.kicked = 0
        super().__init__(folder, header, mapped=mapped)


class OpenRun(Subject):
    """A run that has begun, or will.

    Parameters
    ----------
    raw
        The id that the tracker made.

    Attributes
    ----------
    run_id
        The same in MLflow's form; the store's own id where a run of the user's was joined.
    stack
        Open runs of its thread, the innermost last.
    segment
        Where its first record is; None if there is no spool.
    joined
        A run of the user's own: not created, named or ended here.
    name
        The name that somebody gave it; None if nobody did.
    used
        Whether anything was logged into it.
    held
        Whether a ``with`` block ends it.
    store_id
        The id that MLflow knows, once somebody asked for it.
    params
        Parameters logged so far: they cannot change.  None stands for none.
    """

    # Defaults of the class: most runs of a loop never set them.
    joined = False
    name: str | None = None
    used = False
    held = False
    store_id: str | None = None
    params: dict[str, str] | None = None

    stack: list[OpenRun]
    segment: SegmentWriter | None = None

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.run_id = raw.hex()


def new_runs(own_ids: bool) -> list[RunHandle]:
    """Runs that have not begun, with ids of 16 random bytes, which are fetched for many at once.

    ``own_ids``: the handles hold them; else a store is asked for its own.
    """
    data = os.urandom(16 * 64)
    made = [OpenRun(data[i : i + 16]) for i in range(0, len(data), 16)]
    return [RunHandle(run.run_id if own_ids else UNASKED, None, run) for run in made]


class ThreadRuns(threading.local):
    """What one thread has open.

    Attributes
    ----------
    runs
        Its open runs, the innermost last.
    blocks
        For each ``with tracker`` block that it is inside of, the runs that were not this block's.
    """

    def __init__(self) -> None:
        self.runs: list[OpenRun] = []
        self.blocks: list[list[OpenRun]] = []


def free_lock(lock: Any, frame: FrameType | None) -> None:
    """Free a lock of this thread if an exception came between the end of its block and the release.

    Parameters
    ----------
    frame
        Who called the method that failed.  A call from the user's code inside another one leaves the lock to that one.
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
