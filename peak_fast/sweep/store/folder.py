"""A store's folder for those who read it: names of its files, its manifest, its table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import ConfigError, StoreError
from peak_fast.sweep.grid import Array

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.sweep.grid import Grid

FORMAT = 1
MANIFEST = "manifest.json"
_PART = re.compile(r"part-(\d{8,})\.parquet")


def part_name(tile: int) -> str:
    """File name of a tile."""
    return f"part-{tile:08d}.parquet"


def find_parts(folder: Path) -> dict[int, Path]:
    """Part files of a folder by tile, ascending."""
    found = {int(match[1]): path for path in folder.iterdir() if (match := _PART.fullmatch(path.name))}
    return dict(sorted(found.items()))


def scan_parts(folder: Path) -> pl.LazyFrame:
    """All parts of a folder as one lazy frame in the order of the configurations.

    Raises
    ------
    StoreError
        There is no part.
    """
    import polars as pl

    parts = list(find_parts(folder).values()) if folder.is_dir() else []
    if not parts:
        raise StoreError(f"expected a store with finished tiles in {folder}; got none; run the sweep first")
    return pl.scan_parquet(parts, glob=False)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Content of the manifest; None where there is none.

    Raises
    ------
    StoreError
        The file is not a manifest of a format that this version reads.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"expected a sweep's manifest in {path}; could not read it ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        got = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise StoreError(
            f"expected a store of format {FORMAT} in {folder}; got format {got!r}; "
            "use another folder or the version of peak_fast that wrote it"
        )
    return content


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
