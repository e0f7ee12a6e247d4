"""Rows of the user's own frame, kept in step with the bars made from it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.data.frames import to_polars
from peak_fast.data.kinds import package_of
from peak_kernels.arrays import IntArray


def take_rows(source: Any, rows: IntArray) -> Any:
    """The user's frame reduced to the given rows, in that order; its type is kept where that is possible."""
    if source is None:
        return None
    if isinstance(source, Mapping):
        return {name: _as_indexable(values)[rows] for name, values in source.items()}
    package, kind = package_of(source), type(source).__name__
    if package == "polars":
        return source.collect()[rows].lazy() if kind == "LazyFrame" else source[rows]
    if package == "pandas":
        return source.iloc[rows]
    if package == "pyarrow":
        return source.take(rows)
    if package == "numpy":
        return source[rows]
    return to_polars(source)[rows]


def slice_rows(source: Any, start: int, stop: int) -> Any:
    """Rows ``start`` to ``stop`` of the user's frame, as a view where the library offers one."""
    if source is None:
        return None
    if isinstance(source, Mapping):
        return {name: values[start:stop] for name, values in source.items()}
    package = package_of(source)
    if package == "pandas":
        return source.iloc[start:stop]
    if package == "numpy":
        return source[start:stop]
    if package not in ("polars", "pyarrow"):
        source = to_polars(source)
    return source.slice(start, stop - start)


def _as_indexable(values: Any) -> Any:
    return (
        np.asarray(values) if isinstance(values, list | tuple) or package_of(values) == "pandas" else values
    )


def own_frame(source: Any) -> Any:
    """A view of the user's frame whose changes, in place too, do not reach the frame.

    Frames of pandas 3 and Polars share their memory until one of them is written to; arrays of a dict and structured
    arrays come as read-only views, so that writing to them raises ValueError.  Of a frame of pandas 2 (without its
    option ``mode.copy_on_write``) only a whole copy is safe.
    """
    if isinstance(source, Mapping):
        return {name: _own_column(values) for name, values in source.items()}
    package, kind = package_of(source), type(source).__name__
    if package == "pandas" and kind == "DataFrame":
        return source.copy(deep=not _copies_on_write())
    if package == "polars" and kind == "DataFrame":
        return source.clone()
    if isinstance(source, np.ndarray):
        return _locked(source)
    return source


def _own_column(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return _locked(values)
    if isinstance(values, list):
        return values.copy()
    package, kind = package_of(values), type(values).__name__
    if package == "pandas" and kind == "Series":
        return values.copy(deep=not _copies_on_write())
    return values.clone() if package == "polars" and kind == "Series" else values


def _locked(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view


@functools.cache
def pandas_version() -> int:
    """The first number of the version of pandas."""
    import pandas

    return int(pandas.__version__.partition(".")[0])


def _copies_on_write() -> bool:
    """Whether a shallow copy of a pandas frame keeps its own values when one of the two is written to."""
    if pandas_version() >= 3:
        return True
    import pandas

    return pandas.options.mode.copy_on_write is True
