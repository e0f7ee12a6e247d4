"""From a frame, files or a query to what a panel is made of, and the options of reading one."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from peak_fast.arguments import place, wrong
from peak_fast.data.bars import Bars
from peak_fast.data.files import read_file, read_query
from peak_fast.data.frames import table_of, to_polars
from peak_fast.data.kinds import package_of
from peak_fast.data.names import SYMBOL_NAMES, Names, fold
from peak_fast.data.options import DEFAULTS, ReadOptions, read_options
from peak_fast.data.panel_blocks import Align
from peak_fast.data.panel_parquet import read_plain
from peak_fast.data.panel_rows import Read, read_long
from peak_fast.data.panel_wide import frames_of_levels, is_by_field, read_fields, read_frames
from peak_fast.data.symbols import columns_of_symbols
from peak_fast.errors import DataError, did_you_mean
from peak_kernels.arrays import FloatArray

_ALIGN = ("union", "intersection")


def panel_options(values: Mapping[str, Any], symbol_column: str | None) -> ReadOptions:
    """Options of reading from what the user passed; those left at None say nothing.

    Raises
    ------
    ConfigError
        An unknown name, or a value that the option cannot have.
    """
    said = {name: value for name, value in values.items() if value is not None}
    if symbol_column is not None:
        said["columns"] = {**said.get("columns", {}), "symbol": symbol_column}
    return read_options(said) if said else DEFAULTS


def checked_align(align: Any) -> Align:
    """Which times are bars of the panel.

    Raises
    ------
    ConfigError
        Another word.
    """
    if align not in _ALIGN:
        raise wrong("align", "'union' or 'intersection'", align, did_you_mean(str(align), _ALIGN))
    return align  # type: ignore[no-any-return]


def read_panel(frame: Any, options: ReadOptions, align: Align) -> Read:
    """Read a frame, or a dict of frames, by its shape.

    Raises
    ------
    DataError
        See `read_long`, `read_frames` and `read_fields`.
    """
    if isinstance(frame, Mapping):
        _refuse_columns(frame, options)
    if isinstance(frame, Mapping) and any(_is_nested(value) for value in frame.values()):
        if is_by_field(frame):
            return read_fields(
                {str(name).strip().lower(): value for name, value in frame.items()}, options, align
            )
        return read_frames(frame, options, align)
    if package_of(frame) == "pandas" and getattr(getattr(frame, "columns", None), "nlevels", 1) > 1:
        return read_frames(frames_of_levels(frame), options, align)
    if isinstance(frame, Bars):
        raise DataError(
            f"expected prices of several assets; got Bars of one; pass a dict: {{{frame.name!r}: bars}}"
        )
    return read_long(frame, options, align)


_COLUMNS = ("Series", "ndarray", "list", "tuple", "ChunkedArray")
_CLOSES = "closes alone, a column for each asset, are passed as {'close': frame}"


def _refuse_columns(columns: Mapping[Any, Any], options: ReadOptions) -> None:
    """Refuse a dict that gives an asset a column of numbers where it needs a frame.

    Raises
    ------
    DataError
        Some values, or all, are columns, and the names are not those of one frame of all assets.
    """
    single = [
        name for name, value in columns.items() if type(value).__name__ in _COLUMNS and not _is_nested(value)
    ]
    prices = {fold(str(name)) for name in columns} & {"open", "high", "low", "close", "o", "h", "l", "c"}
    symbols = "symbol" in options.columns or bool(Names([str(name) for name in columns], {}).of(SYMBOL_NAMES))
    if not single or (len(single) == len(columns) and (prices or symbols)):
        return
    kind = type(columns[single[0]])
    raise DataError(
        f"{single[0]!r} is a {kind.__name__}, one column; expected a frame with open, high, low and close for each "
        f"asset; {_CLOSES} (pandas: {{'close': pandas.DataFrame(columns)}} of Series with their times as index)"
    )


def _is_nested(value: Any) -> bool:
    """Whether a value of a dict is a frame of its own, not a column."""
    return (
        isinstance(value, Mapping | Bars)
        or type(value).__name__ in ("DataFrame", "LazyFrame", "Table", "DuckDBPyRelation")
        or (isinstance(value, np.ndarray) and value.dtype.names is not None)
    )


def read_paths(path: Any, options: ReadOptions, align: Align) -> tuple[Read, str]:
    """Read files or a query; also gives a name for the panel.

    Raises
    ------
    DataError
        No such file, nothing that fits a pattern, files of one asset beside files of several.
    """
    if isinstance(path, str) and path.startswith("duckdb:"):
        frame, notes = read_query(path.removeprefix("duckdb:"), options)
        return _noted(read_long(frame, options, align), notes), "duckdb"
    files = _files(path)
    plain = read_plain(files[0], options, align) if len(files) == 1 else None
    if plain is not None:
        return plain, _stem(files[0])
    frames: dict[str, Any] = {}
    long: dict[str, Any] = {}
    notes = []
    settled = options
    for file in files:
        frame, settled, more = read_file(file, options)
        notes += more if len(files) == 1 else [f"{file.name}: {note}" for note in more]
        (long if _names_symbols(frame, settled) else frames)[_stem(file, frames, long)] = frame
    if long and frames:
        raise DataError(
            f"expected files of one asset each, or files whose rows name their asset; {min(long)!r} has a column of "
            f"symbols and {min(frames)!r} has none; read the two kinds apart and pass a dict of frames"
        )
    stem = next(iter(long or frames)) if len(files) == 1 else files[0].parent.name or "panel"
    if frames:
        return _noted(read_frames(frames, settled, align), notes), stem
    return _noted(read_long(_joined(list(long.values())), settled, align), notes), stem


def _noted(read: Read, notes: list[str]) -> Read:
    return read._replace(notes=(*notes, *read.notes)) if notes else read


def _files(path: Any) -> list[Path]:
    if not isinstance(path, str | Path) and isinstance(path, Iterable):
        files = [Path(place("path", item, "prices.parquet")) for item in path]
        if not files:
            raise DataError("expected at least one file; got an empty list")
        return files
    text = str(place("path", path, "prices/*.parquet"))
    file = Path(text)
    if file.is_dir():
        found = sorted(
            entry for entry in file.iterdir() if entry.is_file() and not entry.name.startswith(".")
        )
        if not found:
            raise DataError(f"{file}: the folder holds no files")
        return found
    if not file.exists() and glob.has_magic(text):
        matched = sorted(Path(item) for item in glob.glob(text, recursive=True))  # noqa: PTH207  a pattern may begin at the root
        if not matched:
            raise DataError(f"{text}: no file fits the pattern")
        return matched
    return [file]


def _stem(file: Path, *taken: Mapping[str, Any]) -> str:
    stem = file.name.split(".")[0]
    if any(stem in names for names in taken):
        raise DataError(f"{file}: another file is called {stem!r}, too; assets are named after their files")
    return stem


def _names_symbols(frame: Any, options: ReadOptions) -> bool:
    table = table_of(frame)
    if "symbol" in options.columns:
        return options.columns["symbol"] in table.names
    return bool(columns_of_symbols(table, Names(table.names, options.columns)))


def _joined(frames: list[Any]) -> Any:
    """Long frames below one another; a column that one of them lacks is missing there."""
    if len(frames) == 1:
        return frames[0]
    import polars as pl

    return pl.concat([to_polars(frame) for frame in frames], how="diagonal_relaxed")


class OwnPart:
    """Own columns of a part of a panel."""

    def __init__(self, whole: Any, picked: Any, bars: Any) -> None:
        self._whole, self._picked, self._bars = whole, picked, bars
        self.columns = tuple(whole.columns)

    def block(self, name: str) -> FloatArray:
        """One column as float64[asset, bar]."""
        part: FloatArray = np.ascontiguousarray(self._whole.block(name)[self._picked, self._bars])
        return part


class OwnBlocks:
    """Own columns that were read already, as a pickle carries them."""

    def __init__(self, blocks: dict[str, FloatArray]) -> None:
        self.columns = blocks

    @classmethod
    def of(cls, own: Any) -> OwnBlocks:
        """Those columns that are numbers."""
        blocks = {}
        for name in own.columns:
            try:
                blocks[name] = own.block(name)
            except DataError:
                continue
        return cls(blocks)

    def block(self, name: str) -> FloatArray:
        """One column as float64[asset, bar]."""
        return self.columns[name]
