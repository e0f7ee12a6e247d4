"""Results of a sweep on disk: parts that are written once, and a manifest that says what they belong to.

A store is a folder::

    manifest.json                     what was swept: hashes of data, strategy, settings, grid, metrics and code
    part-00000000-1c291ca3.parquet    configurations [0, tile_size): number, parameters, metrics
    part-00000001-d6d2fc21.parquet    the next tile, in whatever order tiles finished
    lock                              who writes at the moment

A part is written under a temporary name, flushed to the disk and renamed, so a part that exists is whole: a
process killed at any moment loses only the tiles it was working on. Opening the store again with the same key
continues; another key is refused with the list of what changed. The second number in a part's name is the checksum
of its bytes: a part that changed on the disk is computed again. The manifest holds a checksum of itself.
"""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from peak_fast.errors import ConfigError, StoreError
from peak_fast.files import refuse_address, sync_folder, write_atomically
from peak_fast.sweep.grid import Array
from peak_fast.sweep.store.folder import (
    FORMAT,
    MANIFEST,
    Parts,
    find_parts,
    read_manifest,
    remove_unfinished,
    table,
    write_manifest,
)
from peak_fast.sweep.store.key import StoreKey, changes
from peak_fast.sweep.store.lock import FolderLock
from peak_kernels.folders import make_private

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.sweep.grid import Grid

logger = logging.getLogger(__name__)

LOCK = "lock"
_REMEDY = "run again: what was written before stays readable, and the same call continues from there"


def default_tile_size(configurations: int) -> int:
    """Configurations per part: about ten parts, none below 256 or above 16,384 rows.

    A part costs some milliseconds whatever its size, and a killed sweep loses the parts it was working on.
    """
    return int(min(max(-(-configurations // 10), 256), 16_384))


@dataclass(frozen=True, slots=True)
class _Layout:
    """How configurations are cut into tiles."""

    configurations: int
    tile_size: int

    @property
    def tiles(self) -> int:
        return -(-self.configurations // self.tile_size)

    def bounds(self, tile: int) -> tuple[int, int]:
        if not 0 <= tile < self.tiles:
            raise IndexError(f"expected a tile below {self.tiles}; got {tile}")
        start = tile * self.tile_size
        return start, min(start + self.tile_size, self.configurations)


def check_resume(resume: Any) -> None:
    """Raise ConfigError for something that does not say what to do with an existing store."""
    if not isinstance(resume, bool) and not (isinstance(resume, str) and resume == "restart"):
        raise ConfigError(f"expected resume as True, False or 'restart'; got {resume!r}")


class SweepStore:
    """A store that is open for writing by this process alone; use ``open``.

    Attributes
    ----------
    folder : pathlib.Path
        Where it is.
    tile_size : int
        Configurations per part, fixed when the store was created.
    tiles : int
        Number of parts of the finished sweep.
    is_resumed : bool
        Whether the store existed already.
    files : Parts
        Its parts for those who read them.
    """

    def __init__(self, folder: Path, grid: Grid, manifest: Mapping[str, Any], lock: FolderLock) -> None:
        self.folder = folder
        self.manifest = dict(manifest)
        self.tile_size = int(manifest["tile_size"])
        self.is_resumed = False
        self._layout = _Layout(len(grid), self.tile_size)
        self.tiles = self._layout.tiles
        self._grid = grid
        self._lock = lock
        self._metrics = tuple(manifest["metrics"])
        self._finished: set[int] = set()
        self._damaged: list[str] = []
        self.files = Parts(folder, self.manifest)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        key: StoreKey,
        grid: Grid,
        *,
        tile_size: int | None = None,
        resume: bool | Literal["restart"] = True,
    ) -> SweepStore:
        """Create a store or continue one.

        Parameters
        ----------
        folder
            Created if needed.
        key
            What the results depend on.
        grid
            The configurations.
        tile_size
            Configurations per part of a new store; an existing one keeps its own.
        resume
            True continues what is there, ``"restart"`` deletes it first, False refuses if there is any.

        Raises
        ------
        StoreError
            Another process writes to it, it belongs to other work (the message says what changed), it exists
            and ``resume`` is False, or the folder cannot be written.
        """
        check_resume(resume)
        path = Path(folder).expanduser()
        refuse_address(path)
        try:
            # The folder itself is this user's alone; those above it are part of his project.
            path.parent.mkdir(parents=True, exist_ok=True)
            make_private(path)
        except OSError as error:
            raise StoreError(
                f"expected a folder for the store; could not create {path} ({error}); choose another"
            ) from error
        lock = FolderLock(path / LOCK)
        try:
            return cls._open_locked(path, key, grid, tile_size, resume, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open_locked(
        cls,
        path: Path,
        key: StoreKey,
        grid: Grid,
        tile_size: int | None,
        resume: bool | Literal["restart"],
        lock: FolderLock,
    ) -> SweepStore:
        remove_unfinished(path)
        if resume == "restart":
            for part in find_parts(path).values():
                part.unlink()
            sync_folder(path)  # the parts must be gone before a manifest speaks for their successors
            manifest = None
        else:
            manifest = _existing(path, key, bool(resume))
        if manifest is None:
            manifest = _new_manifest(key, grid, tile_size)
            write_manifest(path, manifest)
            return cls(path, grid, manifest, lock)
        store = cls(path, grid, manifest, lock)
        store.is_resumed = True
        store._find_finished()
        return store

    def _find_finished(self) -> None:
        """Keep the parts that are as they were written; remove the others, so that they are computed again."""
        for tile, path in find_parts(self.folder).items():
            wrong = self.files.damage(tile, path) if tile < self.tiles else "the sweep has no such part"
            if wrong is None:
                self._finished.add(tile)
                continue
            path.unlink()
            self._damaged.append(f"{path.name} of this store was damaged ({wrong}) and was computed again")
            logger.warning("%s: %s; the part is computed again", path, wrong)

    def bounds(self, tile: int) -> tuple[int, int]:
        """Configuration numbers ``[start, stop)`` of a tile."""
        return self._layout.bounds(tile)

    def finished(self) -> set[int]:
        """Tiles whose part is on the disk."""
        return set(self._finished)

    def missing(self) -> list[int]:
        """Tiles that are not finished, ascending."""
        return [tile for tile in range(self.tiles) if tile not in self._finished]

    @property
    def is_complete(self) -> bool:
        """Whether every tile is finished."""
        return len(self._finished) == self.tiles

    def write(self, tile: int, columns: Mapping[str, Array]) -> None:
        """Write the results of one tile; safe to call from several threads for different tiles.

        Parameters
        ----------
        tile
            Number of the tile.
        columns
            One array per metric, in the order of the tile's configurations; ``[rows, k]`` arrays (block sums)
            become fixed-size lists. The store adds ``config`` and the parameters itself.

        Raises
        ------
        StoreError
            The disk is full or the folder cannot be written; earlier parts stay readable.
        ConfigError
            Columns of another length, missing metrics, or names that the store adds itself.
        """
        start, stop = self.bounds(tile)
        self._check_columns(tile, columns, stop - start)
        frame = table(self._grid, columns, start, stop)
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="lz4")
        content = buffer.getbuffer()
        write_atomically(self.folder / self.files.name(tile, content), content, _REMEDY)
        self._finished.add(tile)

    def _check_columns(self, tile: int, columns: Mapping[str, Array], rows: int) -> None:
        lengths = {name: len(column) for name, column in columns.items() if len(column) != rows}
        if lengths:
            raise ConfigError(f"expected {rows} rows for tile {tile}; got {lengths}")
        absent = [name for name in self._metrics if name not in columns]
        if absent:
            raise ConfigError(f"expected a column for every metric of the store; missing: {absent}")

    def keep_notes(self, notes: Sequence[str]) -> list[str]:
        """Keep what was noticed in the manifest; returns it with what earlier runs noticed, each sentence once."""
        kept = self.manifest.get("notes", [])
        every = list(dict.fromkeys([*kept, *notes, *self._damaged]))
        if every != kept:
            self.manifest["notes"] = every
            write_manifest(self.folder, self.manifest, _REMEDY)
        return every

    def scan(self) -> pl.LazyFrame:
        """Everything finished so far, in the order of the configurations."""
        return self.files.scan()

    def close(self) -> None:
        """Let others write; what is stored stays readable."""
        self._lock.release()

    def __enter__(self) -> SweepStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _existing(path: Path, key: StoreKey, resume: bool) -> dict[str, Any] | None:
    """Manifest of the store to continue; None for a folder without one."""
    manifest = read_manifest(path)
    if manifest is None:
        if find_parts(path):
            raise StoreError(
                f"expected a store or an empty folder; {path} holds parts without {MANIFEST}; "
                "use another folder, or resume='restart' (--restart) to delete the parts"
            )
        return None
    if not resume:
        raise StoreError(
            f"expected no store yet (resume=False); {path} holds one of {manifest['created']}; "
            "pass resume=True to continue it, resume='restart' to delete it, or use another folder"
        )
    changed = changes(manifest["key"], key.parts(), manifest.get("told"), key.told)
    if changed:
        raise StoreError(
            f"expected the same work as stored in {path}; changed: {'; '.join(changed)}; "
            "undo the change, use another folder, or pass resume='restart' (--restart) to delete the stored results"
        )
    return manifest


def check_room(folder: Path, configurations: int, metrics: int) -> None:
    """Say at once when not even a byte a number has room on the disk.

    Raises
    ------
    StoreError
        There is less.
    """
    place = folder.expanduser().absolute()
    while not place.exists():
        place = place.parent
    free, least = shutil.disk_usage(place).free, configurations * metrics
    if least > free:
        raise StoreError(
            f"expected room for {configurations:,} configurations of {metrics} metrics in {folder}; that is at least "
            f"{least / 1e9:,.0f} GB, and {free / 1e9:,.0f} GB are free; sweep fewer configurations, keep fewer "
            "metrics, or use another disk"
        )


def _new_manifest(key: StoreKey, grid: Grid, tile_size: int | None) -> dict[str, Any]:
    size = default_tile_size(len(grid)) if tile_size is None else tile_size
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ConfigError(f"expected a positive whole number as tile_size; got {tile_size!r}")
    return {
        "format": FORMAT,
        "hash": key.hash,
        "key": key.parts(),
        "configurations": len(grid),
        "tile_size": int(size),
        "parameters": {name: axis.kind for name, axis in grid.axes.items()},
        "is_full": grid.is_full,
        "metrics": list(key.metrics),
        "told": dict(key.told),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
