"""What a pass over the spool did, and what of it the store refused."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from peak_fast.tracking.spool import SegmentPaths, write_atomically
from peak_fast.tracking.updates import Rejection


@dataclass(slots=True)
class Pass:
    """What was done to one or more segments."""

    # Runs touched.
    runs: int = 0
    # Ids of runs ended as KILLED because their process is gone.
    orphans: list[str] = field(default_factory=list)
    # Updates that the store refuses for good, or that cannot be read.
    rejected: list[str] = field(default_factory=list)
    # Values and files that it refuses of runs which it has.
    refused: list[str] = field(default_factory=list)
    # Segments whose owner is alive.
    live: int = 0
    # Why the store did not take everything; None if it did.
    error: str | None = None
    # Whether everything is confirmed and the segment was deleted.
    done: bool = False

    def add(self, other: Pass) -> None:
        """Take in what was done next."""
        self.runs += other.runs
        self.orphans += other.orphans
        self.rejected += other.rejected
        self.refused += other.refused
        self.live, self.error = other.live, other.error


def keep(paths: SegmentPaths, rejection: Rejection) -> None:
    """Say beside the segment what the store refuses for good, and keep the file if it is one."""
    piece = rejection.piece
    kind = "run" if piece is None else "part"
    with paths.rejected.open("a") as file:
        file.write(json.dumps([rejection.run_id, rejection.reason, kind]) + "\n")
    for artifact in () if piece is None else piece.artifacts:
        digits = hashlib.blake2b(artifact.path.encode(), digest_size=4).hexdigest()
        kept = (
            paths.segment.with_suffix(".refused") / rejection.run_id / f"{digits}-{Path(artifact.path).name}"
        )
        with contextlib.suppress(Exception):  # one that could not be made: the reason says so
            data = artifact.content()
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(kept, data)
