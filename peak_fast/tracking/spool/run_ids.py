"""Which id a store gave to each of our runs, on disk."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable
from pathlib import Path

from peak_fast.files import checksum, sync_folder
from peak_fast.tracking.spool.spool import fdatasync


class RunIds:
    """The ids of a segment's ``.ids`` file: JSON lines ``["begin", ours]`` and ``["done", ours, theirs]``.

    Each has a checksum; a run whose line is damaged is looked up in the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        self._begun: set[str] = set()
        self._lock = threading.Lock()
        # A line cannot be read, so any run may have begun: also the one whose line a kill tore.
        self._damaged = False
        lines = b""
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_bytes()
        for line in lines.splitlines():
            said, _, content = line.partition(b" ")
            if said != checksum(content).encode():
                self._damaged = True
                continue
            word, *ids = json.loads(content)
            if word == "begin":
                self._begun.add(ids[0])
            else:
                self._known[ids[0]] = ids[1]

    @property
    def empty(self) -> bool:
        """Whether no run of the segment has an id that the store chose, or may have one."""
        return not (self._begun or self._known or self._damaged)

    def get(self, run_id: str) -> str | None:
        """The store's id, if it is known."""
        return self._known.get(run_id)

    def uncertain(self, run_id: str) -> bool:
        """Whether the run may exist although its id is not known."""
        return (self._damaged or run_id in self._begun) and run_id not in self._known

    def begin(self, run_ids: Iterable[str]) -> None:
        """Say that runs are about to be created."""
        entries = [["begin", run_id] for run_id in run_ids]
        if entries:
            is_new = not self._path.exists()
            self._append(entries)
            self.keep()
            if is_new:
                sync_folder(self._path.parent)  # the name of the file, too
            self._begun.update(run_id for _, run_id in entries)

    def done(self, run_id: str, store_id: str) -> None:
        """Say which id a run got; a power cut may lose it until :meth:`keep`, and then the run is looked up."""
        self._append([["done", run_id, store_id]])
        self._known[run_id] = store_id

    def keep(self) -> None:
        """Ask the disk to keep what was said."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb+") as file:
            fdatasync(file.fileno())

    def _append(self, entries: list[list[str]]) -> None:
        lines = [json.dumps(entry).encode() for entry in entries]
        with self._lock, self._path.open("ab") as file:
            file.write(b"".join(b"%s %s\n" % (checksum(line).encode(), line) for line in lines))
