"""Which id a store gave to each of our runs, on disk."""

from __future__ import annotations

import json
from pathlib import Path


class RunIds:
    """Which id a store gave to each of our runs, on disk.

    Parameters
    ----------
    path
        The segment's ``.ids`` file: JSON lines ``["begin", ours]`` and ``["done", ours, theirs]``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        self._begun: set[str] = set()
        for line in _lines(path):
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the line that a kill tore
            if entry[0] == "begin":
                self._begun.add(entry[1])
            else:
                self._known[entry[1]] = entry[2]

    def get(self, run_id: str) -> str | None:
        """The store's id, if it is known."""
        return self._known.get(run_id)

    def uncertain(self, run_id: str) -> bool:
        """Whether the run may exist although its id is not known."""
        return run_id in self._begun and run_id not in self._known

    def begin(self, run_id: str) -> None:
        """Say that the run is about to be created."""
        self._append(["begin", run_id])
        self._begun.add(run_id)

    def done(self, run_id: str, store_id: str) -> None:
        """Say which id the run got."""
        self._append(["done", run_id, store_id])
        self._known[run_id] = store_id

    def _append(self, entry: list[str]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
