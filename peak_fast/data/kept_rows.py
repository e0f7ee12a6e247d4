"""Rows of the user's own frame, kept in step with the bars made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.data.checks import IntArray
from peak_fast.data.frames import package_of, to_polars


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
