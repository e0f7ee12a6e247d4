"""Pieces of work that come from the workers of a cluster, and the display that shows them come."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from peak_fast.sweep.progress import SweepProgress


def watched(crew: Any, job: Any, bounds: Any, width: int, shown: SweepProgress) -> Generator[Any]:
    """Pieces of work from the workers of a cluster; until the first comes, what is waited for is shown."""
    shown.waits(crew.opening)
    crew.connect()
    shown.waits("waiting for the first results")
    with contextlib.closing(crew.run(job, bounds, width)) as pieces:
        for piece in pieces:
            shown.waits(None)
            shown.workers = crew.workers
            yield piece
