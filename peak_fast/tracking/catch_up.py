"""Bring every spool into its store: the work of ``peak-fast sync``.

Replays what dead processes left, ends runs that nobody ended as KILLED, and says what it did.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from peak_fast.masking import mask, masked
from peak_fast.tracking import spool
from peak_fast.tracking.caller import start_writer
from peak_fast.tracking.writer import SegmentReplay

# Seconds for one store while another writer is at work in its folder.
TIMEOUT = 120.0
_NEEDS_CREDENTIALS = (
    "its URI has credentials, which are not kept on disk; pass tracking_uri, or set MLFLOW_TRACKING_URI"
)


@dataclass(slots=True)
class StoreReport:
    """What waits, or waited, for one store.

    Attributes
    ----------
    uri
        The store, without credentials.
    segments
        Spool files found, those of living trackers among them.
    live
        How many of them belong to living trackers.
    pending_runs
        Runs that had something to write before the sync.
    orphans
        Runs without an end whose process is gone (``dry_run``), or that were ended as KILLED.
    rejected
        Updates that the store refuses for good, or that cannot be read.
    refused
        Values and files that it refuses of runs which it has.
    error
        Why the store could not be brought up to date, or, in a dry run, cannot be; None otherwise.
    """

    uri: str
    segments: int = 0
    live: int = 0
    pending_runs: int = 0
    orphans: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(slots=True)
class SyncReport:
    """Outcome of :func:`sync`.

    Attributes
    ----------
    stores
        One entry per store with something in its spool.
    dry_run
        Whether nothing was changed.
    """

    stores: list[StoreReport] = field(default_factory=list)
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether no store failed."""
        return all(store.error is None for store in self.stores)

    @property
    def complete(self) -> bool:
        """Whether every store took everything; in a dry run, whether nothing failed."""
        return self.ok and not any(store.rejected for store in self.stores)

    def __str__(self) -> str:
        if not self.stores:
            return "nothing to sync"
        verb = "would write" if self.dry_run else "wrote"
        lines = []
        for store in self.stores:
            text = f"{store.uri}: {verb} {store.pending_runs} runs, {len(store.orphans)} ended as KILLED"
            if store.live:
                text += f", {store.live} trackers still running"
            if store.rejected:
                text += f", {len(store.rejected)} updates refused for good, the first: {store.rejected[0]}"
            if store.refused:
                text += (
                    f", {len(store.refused)} values or files of runs refused, the first: {store.refused[0]}"
                )
            lines.append(text if store.error is None else f"{store.uri}: not synced: {store.error}")
        return "\n".join(lines)


def sync(
    dry_run: bool = False, tracking_uri: str | Path | None = None, root: str | Path | None = None
) -> SyncReport:
    """Replay all spools into their stores.

    Parameters
    ----------
    dry_run
        Only say what would be done.
    tracking_uri
        Only this store; needed for a store whose URI has credentials, as these are never written to disk.
    root
        Folder of the spools; the default one if None.

    Returns
    -------
    SyncReport
        A store that fails is in the report, and the others go on.
    """
    report = SyncReport(dry_run=dry_run)
    base = Path(root) if root is not None else spool.spool_root()
    given = spool.resolve(tracking_uri) if tracking_uri is not None else os.environ.get("MLFLOW_TRACKING_URI")
    for folder in sorted({path.parent for path in base.glob("*/*.seg")}):
        is_given = given is not None and folder.name == spool.store_key(given)
        if is_given or tracking_uri is None:
            report.stores.append(_store(folder, given if is_given else None, dry_run))
    return report


def _store(folder: Path, uri: str | None, dry_run: bool) -> StoreReport:
    """Bring one spool folder into its store, whose URI is that of ``store.json`` if none is given."""
    found = StoreReport(str(folder) if uri is None else mask(uri))
    problem = found.error = spool.problem_of_spool(folder)
    if problem is not None:  # what lies there may be anybody's
        return found
    if uri is None:
        try:
            found.uri, needs_credentials = spool.described_uri(folder)
            uri, problem = (None, _NEEDS_CREDENTIALS) if needs_credentials else (found.uri, None)
        except spool.SpoolDamaged as error:
            problem = str(error)
    home = _survey(folder, found)
    if uri is None:
        # Nothing can be missing of a folder without runs, and in a dry run credentials are not needed.
        found.error = found.error if dry_run and found.uri != str(folder) else problem
    elif not dry_run:
        _replay(folder, uri, home, found)
    return found


def _survey(folder: Path, found: StoreReport) -> str:
    """Count what waits, without changing anything; returns the folder of an owner, for relative artifact roots."""
    home = ""
    for path in spool.segments(folder):
        owned = spool.SegmentPaths(path).owned()
        replay = SegmentReplay(path)
        try:
            if not replay.read_header():
                continue
            home = home or str(replay.header["folder"])
            pending = {
                update.run_id for batch in replay.batches(orphan=not owned) for update in batch.updates
            }
        except Exception as error:  # a damaged file must not hide the others
            found.error = f"{path.name}: {error}"
            pending = set()
        found.segments += 1
        found.live += owned
        found.pending_runs += len(pending)
        found.orphans += replay.killed
    return home or str(Path.cwd())


def _replay(folder: Path, uri: str, home: str, found: StoreReport) -> None:
    """Run writers over the folder until nothing of dead owners is left, and take over their reports.

    A tracker's own writer may be at work in the folder: it is asked to go on, and waited for.
    """
    found.error = None
    deadline = time.monotonic() + TIMEOUT
    asked = time.time_ns()
    while True:
        if not spool.is_locked(folder / "writer.lock"):
            process = start_writer(folder, uri, home, report=True)
            output, _ = process.communicate()
            try:
                content = json.loads(output)
            except ValueError:
                found.error = masked(
                    f"the writer ended with code {process.returncode}; see {folder / 'writer.log'}", uri
                )
                return
            found.rejected += content["rejected"]
            found.refused += content["refused"]
            if content["error"] is not None:
                found.error = content["error"]
                return
        left = [paths for paths in map(spool.SegmentPaths, spool.segments(folder)) if not paths.owned()]
        if not left:
            return
        for paths in left:
            ack = spool.read_ack(paths.ack)
            if ack.error is not None and ack.begun > asked:
                found.error = masked(ack.error, uri)
                return
            if paths.segment.exists():
                paths.request.touch()
        if time.monotonic() > deadline:
            found.error = f"{len(left)} spool files are left, see {folder / 'writer.log'}"
            return
        time.sleep(0.05)
