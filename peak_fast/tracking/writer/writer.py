"""The writer process: replays a store's spool into the store.

Started by trackers (at ``flush``, ``close``, exit, or at idle priority while a loop runs) and by
``peak-fast sync``::

    python -m peak_fast.tracking.writer FOLDER [--idle] [--once] [--report]

One writer per folder: a second one ends at once.  It stays while trackers of the folder are alive and for
some seconds after their last request, so that the next ``flush`` finds it warm; it ends when all owners are
gone or the store does not answer.  Exit codes: 0 done, 3 the store did not answer, anything else a defect.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from peak_fast.errors import MissingDependencyError, TrackingError
from peak_fast.masking import MaskedStream, masked, remember
from peak_fast.tracking import spool
from peak_fast.tracking.base import logger
from peak_fast.tracking.stores import Store, open_store
from peak_fast.tracking.updates import ExperimentDeleted, StoreUnavailable, UnknownSpool
from peak_fast.tracking.writer.passes import Pass
from peak_fast.tracking.writer.replay import RUNS_PER_BATCH, SegmentReplay

# Seconds that a writer waits for more work of living trackers.
LINGER = float(os.environ.get("PEAK_FAST_WRITER_LINGER", "15"))
# Without a request, what has grown is written this often.
IDLE_INTERVAL = 2.0
_POLL = 0.01
# Runs per transaction of a writer with a low priority, and of one that nobody waits for.
IDLE_BATCH = 20
# A segment without content that is younger than this may still get its owner's lock; a request that is older
# was made by somebody who is gone.
_YOUNG = 10.0


class FolderWriter:
    """Replays the segments of one spool folder; ``uri`` has the credentials.

    With ``idle`` this process has a low priority: on a busy machine it would make a ``flush`` wait long, so it works in
    small steps and ends when somebody asks; the one who asks starts a writer of its own.
    """

    def __init__(self, folder: Path, uri: str, *, idle: bool = False) -> None:
        self._folder = folder
        self._contact = folder / spool.CONTACT
        self._uri = uri
        self._idle = idle
        self._begun = 0
        self._is_slow = idle
        self._store: Store | None = None
        self._replays: dict[Path, SegmentReplay] = {}

    def serve(self, linger: float) -> Pass:
        """Replay until there is nothing more to expect; the sum of all passes.

        ``linger`` are the seconds to wait for more work while owners are alive; 0 makes one pass.
        """
        total = Pass()
        with spool.only_writer(self._folder) as is_free:
            if is_free:
                try:
                    self._serve(linger, total)
                finally:
                    self._drop_store()
                    self._contact.unlink(missing_ok=True)
        return total

    def _serve(self, linger: float, total: Pass) -> None:
        self._contact.unlink(missing_ok=True)
        spool.remove_strays(self._folder)
        while True:
            step = self.replay_all()
            total.add(step)
            if step.error is not None or step.live == 0 or self._must_stop():
                return
            if not self._await_work(linger):
                return

    def replay_all(self) -> Pass:
        """One pass over all segments, oldest first."""
        step = Pass()
        # Before the pass, so that a request which comes during it leads to another one.
        requests = [] if self._idle else list(self._folder.glob("*.flush"))
        for request in requests:
            request.unlink(missing_ok=True)
        # What nobody waits for is written in small steps, which leave the other cores to whoever computes.
        self._is_slow = self._idle or bool(self._begun and not requests)
        self._begun = time.time_ns()
        for path in spool.segments(self._folder):
            if self._must_stop():
                step.live += 1
                return step
            paths = spool.SegmentPaths(path)
            # Asked before reading: what an owner writes before it ends is then read below.
            owned = paths.owned()
            step.live += owned
            if step.error is not None:
                self._say(paths, step.error)
                continue
            try:
                self._replay(path, owned, step)
            except (ExperimentDeleted, UnknownSpool) as error:
                logger.warning("%s", error)
                self._replays.pop(path, None)
                self._say(paths, str(error))
            except (StoreUnavailable, MissingDependencyError) as error:
                step.error = masked(str(error), self._uri)
                self._drop_store()
                self._replays.clear()
                self._say(paths, step.error)
            except Exception as error:
                # A defect or a damaged file: the others go on, this segment stays.
                traceback.print_exc()
                self._replays.pop(path, None)
                self._say(paths, masked(f"{type(error).__name__}: {error}", self._uri))
        return step

    def _replay(self, path: Path, owned: bool, step: Pass) -> None:
        replay = self._replays.get(path)
        if replay is None:
            replay = SegmentReplay(path)
            if not replay.read_header():
                if not owned and spool.age_of(path) > _YOUNG:
                    replay.paths.delete()  # its owner did not live to begin it
                return
            self._replays[path] = replay
        replay.runs_per_batch = IDLE_BATCH if self._is_slow else RUNS_PER_BATCH
        if owned and replay.header["mode"] == "sync":
            return  # its owner applies it
        store = self._open(replay.header["folder"])
        progress = replay.run(store, orphan=not owned, must_stop=self._must_stop)
        progress.live = step.live
        step.add(progress)
        if progress.done:
            self._replays.pop(path, None)

    def _must_stop(self) -> bool:
        """Whether a process with a higher priority should do the work: somebody has just asked for it."""
        return self._idle and any(spool.age_of(request) < _YOUNG for request in self._folder.glob("*.flush"))

    def _open(self, home: str) -> Store:
        if self._store is None:
            try:
                os.chdir(home)  # relative artifact roots are relative to the owner's folder
            except OSError as error:
                logger.info("folder %s: %s", home, error)
            self._store = open_store(self._uri, home, self._contact.touch)
        return self._store

    def _drop_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _say(self, paths: spool.SegmentPaths, error: str) -> None:
        """Tell the owner, who may be waiting, that the store did not take everything."""
        ack = spool.read_ack(paths.ack)
        try:
            spool.write_ack(
                paths.ack, spool.Ack(ack.offset, time.time_ns(), error, ack.rejected, self._begun)
            )
        except OSError as problem:
            logger.warning("%s: %s", paths.ack, problem)

    def _await_work(self, linger: float) -> bool:
        """Wait for a request or for growth; False when the time is over or all owners are gone."""
        end = time.monotonic() + linger
        look = time.monotonic() + IDLE_INTERVAL
        while time.monotonic() < end:
            time.sleep(_POLL)
            names = [path.name for path in self._folder.iterdir()]
            if any(name.endswith(".flush") for name in names) and (not self._idle or self._must_stop()):
                return True
            if not any(name.endswith(".seg") for name in names):
                return False
            if time.monotonic() > look:
                look = time.monotonic() + IDLE_INTERVAL
                if self._grown():
                    return True
        return False

    def _grown(self) -> bool:
        for path in spool.segments(self._folder):
            replay = self._replays.get(path)
            own_work = replay is not None and replay.header["mode"] == "sync"
            paths = spool.SegmentPaths(path)
            if not own_work and spool.has_record(path, spool.read_ack(paths.ack).offset):
                return True
            if path.exists() and not paths.owned():
                return True
        return False


def uri_of(folder: Path) -> str:
    """The tracking URI of a spool folder, which whoever starts this process hands over in the environment."""
    uri = os.environ.get(spool.URI_VARIABLE, "")
    if spool.store_key(uri) != folder.name:
        raise TrackingError(
            f"{spool.URI_VARIABLE} is not the address of the store of {folder}; run `peak-fast sync`"
        )
    return uri


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the writer process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m peak_fast.tracking.writer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--idle", action="store_true", help="run at a low priority, until somebody asks")
    parser.add_argument("--once", action="store_true", help="make one pass and end")
    parser.add_argument("--report", action="store_true", help="print what was done as JSON")
    options = parser.parse_args(arguments)
    # What libraries say of the store may repeat its password; tracebacks and logs go through here.
    sys.stderr = MaskedStream(sys.stderr)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    if options.idle and hasattr(os, "nice"):
        os.nice(10)
    try:
        uri = uri_of(spool.check_folder(options.folder))
        remember(uri)
        linger = 0.0 if options.once else LINGER
        total = FolderWriter(options.folder, uri, idle=options.idle).serve(linger)
    except TrackingError as error:
        total = Pass(error=str(error))
    if options.report:
        sys.stdout.write(json.dumps(asdict(total)) + "\n")
    if total.error is not None:
        logger.warning("%s", total.error)
        return 3
    return 0
