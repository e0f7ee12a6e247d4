"""Frames of any library as one table: names, columns, index levels.

Polars, pandas and numpy are read directly, without a copy where a column already is contiguous float64. Every
other frame goes through the Arrow C stream interface or, where it has none, through narwhals.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from peak_fast.data.kinds import ArrowStream, package_of
from peak_fast.data.names import Names
from peak_fast.data.numeric import as_float64
from peak_fast.errors import DataError
from peak_kernels.arrays import FloatArray

Levels = list[tuple[str | None, Callable[[], Any]]]


class Table(NamedTuple):
    """A frame reduced to names and a way to get a column.

    ``levels`` are the levels of a pandas index that is not only a count of rows, as names (None: it has none)
    and a way to get each.
    """

    names: list[str]
    get: Callable[[str], Any]
    levels: Levels


def collect(frame: Any) -> tuple[Any, Any]:
    """The frame to read and the frame to keep for the user's own functions.

    A lazy frame is collected once; what is kept is a lazy view of the collected rows, so that a signal
    function sees the type that came in without running the whole query again. A frame of pandas or Polars is
    kept as a shallow copy: what the user writes into the own one later reaches neither the bars nor a later
    run.

    Raises
    ------
    DataError
        Not a frame.
    """
    if isinstance(frame, str | PurePath):
        raise DataError(f"expected a frame, got a path or query; use load({str(frame)!r})")
    package = package_of(frame)
    if package == "polars" and type(frame).__name__ == "LazyFrame":
        collected = frame.collect()
        return collected, collected.lazy()
    if package in ("polars", "pandas") and type(frame).__name__ == "DataFrame":
        frame = frame.clone() if package == "polars" else frame.copy(deep=False)
        return frame, frame
    if package in ("polars", "pandas", "numpy") or isinstance(frame, Mapping):
        return frame, frame
    if package == "pyarrow" and type(frame).__name__ == "RecordBatchReader":
        frame = frame.read_all()  # a stream is gone once it is read; the table stays
    return to_polars(frame), frame


def to_polars(frame: Any) -> Any:
    """The frame as a Polars frame, whatever library it comes from; without a copy where Arrow allows it."""
    import polars as pl

    if package_of(frame) in ("duckdb", "_duckdb"):
        # A relation may be read only once; one derived from it leaves the user's own untouched.
        frame = ArrowStream(frame.select("*"))
    if package_of(frame) == "pyarrow":
        return pl.from_arrow(frame)
    if package_of(frame) == "pandas" and type(frame).__name__ == "DataFrame":
        return _zoned(pl.DataFrame(_without_zones(frame)), frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return pl.DataFrame(frame)
    import narwhals as nw

    try:
        wrapped = nw.from_native(frame)
    except TypeError:
        raise DataError(
            "expected a frame (Polars, pandas, pyarrow, DuckDB relation) or a dict of arrays with columns "
            f"open, high, low, close; got {type(frame).__module__}.{type(frame).__qualname__}; make a frame of records "
            "or rows: polars.from_dicts(...), or pandas.DataFrame(rows, columns=[...])"
        ) from None
    collected = wrapped.lazy().collect("polars")
    return collected.to_native()


def _without_zones(frame: Any) -> Any:
    """A pandas frame whose times are naive ones in UTC: pandas 3.1 warns of the way that pyarrow reads zones."""
    zoned = [name for name in frame.columns if getattr(frame[name].dtype, "tz", None) is not None]
    return frame.assign(**{name: frame[name].dt.tz_convert(None) for name in zoned}) if zoned else frame


def _zoned(table: Any, frame: Any) -> Any:
    """The Polars frame with the zones that the pandas frame had; a fixed offset, which has no name, becomes UTC."""
    import polars as pl

    for name in frame.columns:
        zone = getattr(frame[name].dtype, "tz", None)
        if zone is not None:
            times = table[str(name)].dt.replace_time_zone("UTC")
            with contextlib.suppress(pl.exceptions.ComputeError):
                times = times.dt.convert_time_zone(str(zone))
            table = table.with_columns(times)
    return table


def table_of(frame: Any) -> Table:
    """Names, columns and index levels of a collected frame with one level of names.

    Raises
    ------
    DataError
        The value has no column names.
    """
    if isinstance(frame, Mapping):
        return _by_name(list(frame), frame.__getitem__, _shared_index(frame))
    package, kind = package_of(frame), type(frame).__name__
    if package == "polars" and kind == "DataFrame":
        return Table(frame.columns, frame.get_column, [])
    if package == "pandas" and kind == "DataFrame":
        return _pandas_table(frame)
    if isinstance(frame, np.ndarray) and frame.dtype.names is not None:
        return Table(list(frame.dtype.names), frame.__getitem__, [])
    raise DataError(
        f"expected a frame or a dict of arrays with columns open, high, low, close; got {package}.{kind}, "
        "which has no column names"
    )


def _by_name(names: list[Any], get: Callable[[Any], Any], levels: Levels) -> Table:
    """A table whose labels need not be text; columns numbered 0, 1, ... are called by their number."""
    if set(map(type, names)) == {str}:
        return Table(names, get, levels)
    labels = {str(name): name for name in names}
    return Table([str(name) for name in names], lambda name: get(labels[name]), levels)


def _pandas_table(frame: Any) -> Table:
    levels = _index_levels(frame.index)
    get = frame.__getitem__ if frame.columns.is_unique else _once(frame)
    return _by_name(frame.columns.tolist(), get, levels)


def _once(frame: Any) -> Callable[[Any], Any]:
    """Columns of a pandas frame in which some name is there several times."""

    def get(name: Any) -> Any:
        column = frame[name]
        if getattr(column, "ndim", 1) != 1:
            raise DataError(f"column {name!r} is there several times; keep one of them")
        return column

    return get


def _shared_index(columns: Mapping[Any, Any]) -> Levels:
    """The index that the pandas Series of a dict share; none where they only count the rows.

    Raises
    ------
    DataError
        They have different ones.
    """
    indexes = [
        (name, values.index)
        for name, values in columns.items()
        if package_of(values) == "pandas" and type(values).__name__ == "Series"
    ]
    indexes = [(name, index) for name, index in indexes if type(index).__name__ != "RangeIndex"]
    if not indexes:
        return []
    first, shared = indexes[0]
    for name, index in indexes[1:]:
        if not index.equals(shared):
            raise DataError(
                f"columns {first!r} and {name!r} have different indexes: bring them together first, for example "
                "pandas.DataFrame(columns)"
            )
    return _index_levels(shared)


def _index_levels(index: Any) -> Levels:
    if index.nlevels > 1:
        return [(_text(name), _level(index, at)) for at, name in enumerate(index.names)]
    return [(_text(index.name), lambda: index)] if type(index).__name__ != "RangeIndex" else []


def _text(name: Any) -> str | None:
    return None if name is None else str(name)


def _level(index: Any, at: int) -> Callable[[], Any]:
    return lambda: index.get_level_values(at)


def source_column(source: Any, name: str) -> FloatArray:
    """One numeric column of the user's frame as float64; names are matched without case and punctuation.

    Raises
    ------
    DataError
        There is no such column, or it is not numeric.
    """
    table = table_of(collect(source)[0])
    found = Names(table.names, {}).exact(name, "column")
    return as_float64(table.get(found), found)
