"""A store's folder for those who read it: names of its files, its manifest, its table."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import ConfigError, StoreError
from peak_fast.files import checksum, format_of, sealed, unsealed, write_atomically
from peak_fast.sweep.grid import Array

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.sweep.grid import Grid

FORMAT = 2
MANIFEST = "manifest.json"
_PART = re.compile(r"part-(\d{8,})(?:-([0-9a-f]{8}))?\.parquet")
_CONTENT = {"hash": str, "key": dict, "parameters": dict | list, "metrics": list, "is_full": bool}


def part_name(tile: int, content: bytes | memoryview, about: str) -> str:
    """File name of a tile: its number and the checksum of what the file holds.

    The name carries the sum so that both appear at the same moment, and no part waits for a list of all.

    Parameters
    ----------
    about
        The store's hash: a part of other work, or of another tile, is not taken for this one.
    """
    return f"part-{tile:08d}-{checksum(content, f'{about} {tile}')}.parquet"


def find_parts(folder: Path) -> dict[int, Path]:
    """Part files of a folder by tile, ascending; those without a checksum in their name, too."""
    found = {int(match[1]): path for path in folder.iterdir() if (match := _PART.fullmatch(path.name))}
    return dict(sorted(found.items()))


def remove_unfinished(folder: Path) -> None:
    """Remove what killed writers left of parts and manifests."""
    for leftover in [*folder.glob(".part-*.tmp"), *folder.glob(f".{MANIFEST}.*.tmp")]:
        leftover.unlink(missing_ok=True)


class Parts:
    """Part files of a folder that hold what they held when they were written.

    Every part is read once to see that, and again when its file has changed since.

    Parameters
    ----------
    folder
        Of the store.
    manifest
        Its manifest.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.configurations: int | None = manifest.get("configurations")
        self._about = manifest["hash"]
        self._tile_size: int | None = manifest.get("tile_size")
        self._columns = {"config", *manifest["parameters"], *manifest["metrics"]}
        self._whole: dict[str, tuple[int, int]] = {}

    def name(self, tile: int, content: bytes | memoryview) -> str:
        """File name of a tile with this content."""
        return part_name(tile, content, self._about)

    def damage(self, tile: int, path: Path) -> str | None:
        """What is wrong with the file of a tile; None: nothing."""
        import polars as pl

        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            if self._whole.get(path.name) == stamp:
                return None
            content = path.read_bytes()
            if path.name != self.name(tile, content):
                return "its bytes are not those that were written"
            # All parts of a store have the same columns: whoever wrote one under the right sum wrote them all.
            if not self._whole and not self._columns <= set(pl.read_parquet_schema(io.BytesIO(content))):
                return "it lacks columns of this store"
        except (OSError, pl.exceptions.PolarsError) as error:
            return f"it cannot be read ({error})"
        self._whole[path.name] = stamp
        return None

    def checked(self, configs: Array | None = None) -> list[Path]:
        """Parts in the order of the configurations: all, or those that hold certain configurations.

        Raises
        ------
        StoreError
            A part is damaged, or one that was there is gone.
        """
        parts = find_parts(self.folder) if self.folder.is_dir() else {}
        gone = sorted(set(self._whole) - {path.name for path in parts.values()})
        if gone:
            raise StoreError(f"expected {gone[0]} in {self.folder}; the file is gone; {_AGAIN}")
        for tile, path in parts.items():
            wrong = self.damage(tile, path)
            if wrong is not None:
                raise StoreError(f"expected {path} as it was written; {wrong}; {_AGAIN}")
        if configs is not None and self._tile_size:
            wanted = set((configs // self._tile_size).tolist())
            parts = {tile: path for tile, path in parts.items() if tile in wanted}
        return list(parts.values())

    def scan(self, configs: Array | None = None) -> pl.LazyFrame:
        """Parts as one lazy frame in the order of the configurations.

        Parameters
        ----------
        configs
            Numbers of the configurations that are wanted, at least one of them finished; the frame holds more. None:
            all.

        Raises
        ------
        StoreError
            There is no part, or one is damaged.
        """
        import polars as pl

        parts = self.checked(configs) or self.checked()
        if not parts:
            raise StoreError(
                f"expected a store with finished tiles in {self.folder}; got none; run the sweep first"
            )
        return pl.scan_parquet(parts, glob=False)


_AGAIN = "run the same sweep on this store: that computes the part again"


def write_manifest(folder: Path, content: Mapping[str, Any], remedy: str = "try again") -> None:
    """Write the manifest with its checksum."""
    write_atomically(folder / MANIFEST, sealed(content), remedy)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Content of the manifest without its checksum; None where there is none.

    Raises
    ------
    StoreError
        The file is damaged, or not a manifest of a format that this version reads.
    """
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        old = format_of(raw)
        content = unsealed(raw) if old is None else {"format": old}
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"expected {path} as it was written; {error}; {_OVER}") from error
    if content.get("format") != FORMAT:
        raise StoreError(
            f"expected a store of format {FORMAT} in {folder}; got format {content.get('format')!r}, whose tables "
            f"polars.read_parquet({str(folder / 'part-*.parquet')!r}) reads; {_OVER}"
        )
    absent = [name for name, kind in _CONTENT.items() if not isinstance(content.get(name), kind)]
    if absent:
        raise StoreError(f"expected a sweep's manifest in {path}; it lacks {', '.join(absent)}; {_OVER}")
    return content


_OVER = "use another folder, or run the sweep with resume='restart' (--restart) to compute it again"


def table(grid: Grid, columns: Mapping[str, Array], start: int = 0, stop: int | None = None) -> pl.DataFrame:
    """Frame of configurations ``[start, stop)``: number, parameters, then the given result columns.

    Raises
    ------
    ConfigError
        A result column is named like a parameter or ``config``.
    """
    import polars as pl

    clash = [name for name in columns if name == "config" or name in grid.names]
    if clash:
        raise ConfigError(
            f"expected result columns named unlike the parameters; got {clash} in both; rename the parameter"
        )
    results = [pl.Series(name, np.ascontiguousarray(column)) for name, column in columns.items()]
    return grid.frame(start, stop).hstack(results)
