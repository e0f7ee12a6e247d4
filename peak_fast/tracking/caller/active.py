"""Which runs are open: of all threads together, and of each thread the ones that it is inside of."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peak_fast.tracking.spool import SegmentWriter


class OpenRun:
    """A run that has begun.

    Parameters
    ----------
    run_id
        The id that the tracker made; the store's own id where a run of the user's was joined.
    stack
        Open runs of its thread, the innermost last.
    segment
        Where its first record is; None if there is no spool.

    Attributes
    ----------
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

    def __init__(self, run_id: str, stack: list[OpenRun], segment: SegmentWriter | None) -> None:
        self.run_id = run_id
        self.stack = stack
        self.segment = segment


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
