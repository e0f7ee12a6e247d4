"""Which id a store gave to each of our runs, on disk."""

from __future__ import annotations

import json
from pathlib import Path

from peak_fast.files import checksum
from peak_fast.tracking.spool.spool import fdatasync


class RunIds:
    """Which id a store gave to each of our runs, on disk.

    Parameters
    ----------
    path
        The segment's ``.ids`` file: JSON lines ``["begin", ours]`` and ``["done", ours, theirs]``, each with a
        checksum.  A run whose line is damaged is looked up in the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        self._begun: set[str] = set()
        # A line cannot be read, so any run may have begun: also the one whose line a kill tore.
        self._damaged = False
        for line in _lines(path):
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

    def begin(self, run_id: str) -> None:
        """Say that the run is about to be created."""
        self._append(["begin", run_id])
        self._begun.add(run_id)

    def done(self, run_id: str, store_id: str) -> None:
        """Say which id the run got."""
        self._append(["done", run_id, store_id])
        self._known[run_id] = store_id

    def _append(self, entry: list[str]) -> None:
        content = json.dumps(entry)
        with self._path.open("ab") as file:
            file.write(f"{checksum(content.encode())} {content}\n".encode())
            file.flush()
            fdatasync(file.fileno())


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
