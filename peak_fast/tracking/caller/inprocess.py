"""Sync mode: the owner of a segment replays it in its own process."""

from __future__ import annotations

import time

from peak_fast.masking import masked
from peak_fast.tracking.reach import unreachable
from peak_fast.tracking.spool import SegmentPaths
from peak_fast.tracking.stores import Store, open_store
from peak_fast.tracking.updates import StoreUnavailable
from peak_fast.tracking.writer import SegmentReplay

# After the store failed, the next attempt comes at the earliest after this many seconds (flush: at once).
RETRY = 5.0


class InProcess:
    """Replays a segment in the owner's process, whose folder is ``home``."""

    def __init__(self, uri: str, home: str) -> None:
        self._uri, self._home = uri, home
        self._store: Store | None = None
        self._replay: SegmentReplay | None = None
        self._again = 0.0

    def replay(self, paths: SegmentPaths, *, force: bool) -> str | None:
        """Apply what is new; the reason if the store does not take it."""
        if not force and time.monotonic() < self._again:
            return "waiting before the next attempt"
        try:
            if self._store is None:
                problem = unreachable(self._uri)
                if problem is not None:
                    raise StoreUnavailable(problem)
                self._store = open_store(self._uri, self._home)
            if self._replay is None or self._replay.paths.segment != paths.segment:
                self._replay = SegmentReplay(paths.segment)
            self._replay.run(self._store, orphan=False)
        except (StoreUnavailable, OSError) as error:
            self.close()
            self._again = time.monotonic() + RETRY
            return masked(str(error), self._uri)
        except BaseException:
            self.close()  # it may have read what it has not applied
            raise
        return None

    def close(self) -> None:
        """Close the store's connection."""
        if self._store is not None:
            self._store.close()
        self._store = self._replay = None
