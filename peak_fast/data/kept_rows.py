"""Rows of the user's own frame, kept in step with the bars made from it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
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


def own_frames(source: Any) -> Callable[[], Any]:
    """What gives `own_frame` again and again, for functions that are called with one frame very often.

    pandas takes as long for a copy as for a rolling mean; so a copy is given again while nothing of it has changed.
    """
    package, kind = package_of(source), type(source).__name__
    if package == "polars" and kind == "DataFrame":
        give: Callable[[], Any] = source.clone
        return give
    if package != "pandas" or kind != "DataFrame" or not _copies_on_write():
        return functools.partial(own_frame, source)
    given: _Given | None = None

    def again() -> Any:
        nonlocal given
        if given is None or not given.is_unchanged():
            given = _Given(own_frame(source))
        return given.frame

    return again


class _Given:
    """A pandas frame and what it replaces when it is changed.

    What it writes to values is among that, because the copy shares them with its source.
    """

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self._held = held = vars(frame)
        self._manager = manager = held.get("_mgr")
        self._blocks, axes = getattr(manager, "blocks", None), getattr(manager, "axes", [])
        known = type(self._blocks) is tuple and type(axes) is list and len(axes) == 2
        # Of other frames nobody knows whether they are changed.
        self._is_known = known and not held.get("_attrs") and all(axis.nlevels == 1 for axis in axes)
        self._count, self._axes = len(held), tuple(axes) if self._is_known else (None, None)
        self._names = tuple(axis.name for axis in axes)

    def is_unchanged(self) -> bool:
        """Whether nothing has been done to the frame since it was made."""
        held, manager, (columns, index) = self._held, self._manager, self._axes
        return bool(
            self._is_known
            and held.get("_mgr") is manager
            and manager.blocks is self._blocks
            and manager.axes[0] is columns
            and manager.axes[1] is index
            and index.name is self._names[1]
            and columns.name is self._names[0]
            and not held.get("_attrs")
            and len(held) == self._count
        )


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
