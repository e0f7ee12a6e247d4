"""What belongs to which bar: columns that carry times are put into the order of the bars, or refused.

Every door that takes one value a bar (targets, what a signal function returns, rates, funding, a benchmark, matrices of
signals) asks `aligned` or `aligned_table`.  A pandas object carries times in its index, any frame in a column of times.
NumPy arrays and lists carry none: they are taken by position.

>>> calendar = Calendar(3, np.array([0, 1, 2]) * 86_400_000_000, None)
>>> notes: list[str] = []
>>> import polars as pl
>>> from datetime import date
>>> days = [date(1970, 1, 3), date(1970, 1, 1), date(1970, 1, 2)]
>>> aligned(pl.DataFrame({"date": days, "side": [3, 1, 2]}), calendar, "the targets", notes).to_list(), notes
([1, 2, 3], ['the targets: put into the order of the bars by their times'])
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data.columns import numbers_of
from peak_fast.data.kinds import package_of
from peak_fast.data.matching import Calendar, read_times, rows_by_time, sorted_times
from peak_fast.data.names import PLAIN_TIME_NAMES, fold
from peak_fast.errors import DataError, PeakFastError, did_you_mean
from peak_kernels.arrays import IntArray

if TYPE_CHECKING:
    from peak_fast.data.bars import Bars


def calendar_of_bars(bars: Bars, *, derived: bool = False) -> Calendar:
    """Calendar of bars."""
    source = bars.source
    is_frame = package_of(source) == "pandas" and type(source).__name__ == "DataFrame"
    time_us = bars.time_us if bars.has_time else None
    labels = source.index if is_frame else None
    moved = bool(bars.repaired.get("sort") or bars.repaired.get("reverse")) and not derived
    turned = bars._turned and not derived
    return Calendar(len(bars), time_us, bars.time_zone, labels, moved, derived, bars.stamp, turned)


def calendar_of_column(values: Any, what: str, error: type[PeakFastError] = DataError) -> Calendar | None:
    """Calendar of the first of several columns, which the others follow; None: it carries no times.

    Raises
    ------
    PeakFastError
        Its times repeat or cannot be read.
    """
    if package_of(values) == "pandas" and hasattr(values, "index"):
        labels = values.index
        if type(labels).__name__ in ("DatetimeIndex", "PeriodIndex"):
            times, zone = read_times(labels, what, error)
            return Calendar(len(labels), times if labels.is_unique else None, zone, labels)
        return Calendar(len(labels), None, None, labels)
    found = _time_column(values) if is_frame(values) else None
    if found is None:
        return None
    times, zone = read_times(values[found], what, error)
    sorted_times(times, what, error)
    return Calendar(times.size, times, zone)


def aligned(
    values: Any,
    calendar: Calendar,
    what: str,
    notes: list[str],
    error: type[PeakFastError] = DataError,
    *,
    levels: bool = False,
) -> Any:
    """One value a bar in the order of the bars, where the values say to which bar they belong.

    Parameters
    ----------
    values
        A pandas Series, or a pandas or Polars frame of one column of values (and one of times): by its times, or by
        the labels of the frame that the bars came from.  Anything else is returned as it is.
    calendar
        Of the bars.
    what
        What the values are, for errors and notes.
    notes
        Gets a sentence for everything that was reordered, passed over or taken by position.
    error
        Class of the errors.
    levels
        Whether the values are states (prices, rates), so that rows between the bars can be passed over; rows of
        decisions and payments there are refused, because they would be lost.

    Raises
    ------
    PeakFastError
        A bar without a value, a time twice, a zone beside none, more than one column of values.
    """
    if isinstance(values, np.ndarray | list | tuple):
        if calendar.turned and _is_per_bar(values, calendar.bars):
            raise untold(what, calendar, error)
        if calendar.moved and len(values) > 1:
            notes.append(f"{what}: no times in them; taken in the order of the bars, which were sorted")
        return values
    package, kind = package_of(values), type(values).__name__
    if package == "polars" and kind == "LazyFrame":
        values, kind = values.collect(), "DataFrame"
    if package == "pyarrow" and kind in ("Table", "RecordBatch"):
        import polars as pl

        values, package, kind = pl.DataFrame(values), "polars", "DataFrame"
    if kind == "DataFrame" and package in ("pandas", "polars"):
        column, times = _of_frame(values, what, error)
        if times is not None:
            rows = rows_by_time(*read_times(times, what, error), calendar, what, notes, error, levels)
            return _taken(column, rows)
        values, kind = column, "Series"
    if kind != "Series" or package not in ("pandas", "polars"):
        if calendar.turned and _is_per_bar(values, calendar.bars):
            raise untold(what, calendar, error)
        return values
    if package == "pandas":
        return _taken(values, _rows_of_index(values.index, calendar, what, notes, error, levels))
    if calendar.moved:
        raise untold(what, calendar, error)
    return values


def aligned_table(
    values: Any,
    calendar: Calendar,
    names: Sequence[str] | None,
    what: str,
    notes: list[str],
    error: type[PeakFastError] = DataError,
    *,
    levels: bool = False,
) -> Any:
    """As `aligned`, for several assets: a frame has a row for each bar and a column for each asset.

    Parameters
    ----------
    names
        Names of the assets; None: the columns are the assets, in their order.

    Returns
    -------
    object
        A frame as ``[asset, bar]``; one column that is no asset's, or what is no frame, as `aligned` returns it.

    Raises
    ------
    PeakFastError
        As `aligned`; also an asset without a column, or a column that is no asset.
    """
    if not is_frame(values):
        return aligned(values, calendar, what, notes, error, levels=levels)
    if type(values).__name__ == "LazyFrame":
        values = values.collect()
    time_name, columns = _time_column(values), columns_of(values)
    if names is not None and len(columns) == 1 and columns[0] not in names:
        return aligned(values, calendar, what, notes, error, levels=levels)
    order = columns if names is None else list(names)
    for name in columns:
        if name not in order:
            raise error(
                f"{what}: column {name!r} is none of the assets; {did_you_mean(str(name), [str(n) for n in order])}"
            )
    for name in order:
        if name not in columns:
            raise error(f"{what}: expected a column for each asset; got none for {name!r}; got {columns}")
    if time_name is not None:
        read = read_times(values[time_name], what, error)
        rows = rows_by_time(*read, calendar, what, notes, error, levels)
    elif package_of(values) == "pandas":
        rows = _rows_of_index(values.index, calendar, what, notes, error, levels)
    else:
        rows = None
    found = [numbers_of(_taken(values[name], rows), f"{what}[{name!r}]", error) for name in order]
    table = np.array([array for array, _ in found])
    if not all(boolean for _, boolean in found):
        return table
    # Truth values stay what they are: it is for the caller to say what they mean.
    truths = (table == 1.0).astype(object)
    truths[np.isnan(table)] = None
    return truths


def in_line(columns: Mapping[str, Any], error: type[PeakFastError] = DataError) -> dict[str, Any]:
    """Several columns by name, those behind the first put at its times; what has no times stays as it is.

    Raises
    ------
    PeakFastError
        As `aligned`.
    """
    name, first = next(iter(columns.items()))
    if type(first) is np.ndarray and all(type(values) is np.ndarray for values in columns.values()):
        return dict(columns)
    calendar = calendar_of_column(first, name, error)
    if calendar is None:
        if not hasattr(first, "__len__"):
            return dict(columns)
        calendar = Calendar(len(first))
    return {key: aligned(values, calendar, key, [], error) for key, values in columns.items()}


def is_frame(values: Any) -> bool:
    """Whether a value is a frame of pandas or Polars."""
    return type(values).__name__ in ("DataFrame", "LazyFrame") and package_of(values) in ("pandas", "polars")


def _time_column(frame: Any) -> Any:
    """Name of the column of times; None: there is none, or the index of a pandas frame says them."""
    if package_of(frame) == "pandas" and not _is_plain(frame.index):
        return None
    names = list(frame.columns) if type(frame).__name__ != "LazyFrame" else frame.collect_schema().names()
    known = [name for name in names if isinstance(name, str) and fold(name) in PLAIN_TIME_NAMES]
    if known or type(frame).__name__ == "LazyFrame":
        return known[0] if known else None
    typed = [name for name in names if _is_temporal(frame[name].dtype)]
    return typed[0] if len(typed) == 1 else None


def _is_temporal(dtype: Any) -> bool:
    return getattr(dtype, "kind", None) == "M" or type(dtype).__name__ in ("Datetime", "Date")


def columns_of(frame: Any) -> list[Any]:
    """Names of the columns of a frame that hold values, not times."""
    time_name = _time_column(frame)
    return [name for name in frame.columns if name != time_name]


def _is_plain(index: Any) -> bool:
    """Whether an index only numbers the rows."""
    return type(index).__name__ == "RangeIndex" and index.step == 1


def _of_frame(frame: Any, what: str, error: type[PeakFastError]) -> tuple[Any, Any]:
    """The column of values of a frame, and that of its times where it has one."""
    time_name = _time_column(frame)
    names = [name for name in frame.columns if name != time_name]
    if len(names) != 1:
        raise error(
            f"{what}: expected one column of values; got {names}; pass the one that is meant, for example "
            f"frame[{(names or ['signal'])[-1]!r}], or a frame of it and the times"
        )
    return frame[names[0]], None if time_name is None else frame[time_name]


def _taken(column: Any, rows: IntArray | None) -> Any:
    """Rows of a column of pandas or Polars; None: all, as they are."""
    if rows is None:
        return column
    return column.iloc[rows] if package_of(column) == "pandas" else column[rows]


def _rows_of_index(
    index: Any,
    calendar: Calendar,
    what: str,
    notes: list[str],
    error: type[PeakFastError],
    levels: bool,
) -> IntArray | None:
    """Row of a pandas object for each bar, by its labels or its times; None: by position."""
    labels = calendar.labels
    if labels is not None and _is_temporal(index.dtype) != _is_temporal(labels.dtype):
        labels = None
    if labels is not None and (index.is_(labels) or index.equals(labels)):
        return None
    rows = _rows_by_label(index, labels)
    if _is_plain(index) and index.start == 0:
        # Numbers of rows in another sequence than the frame's own: of the frame as it was before, or of arrays?
        if not calendar.derived and (calendar.moved or rows is not None):
            raise untold(what, calendar, error)
        return None
    if rows is not None:
        notes.append(f"{what}: put into the order of the bars by their index")
        return rows
    if index.nlevels > 1:
        index = _time_level(index, what, error)
    return rows_by_time(*read_times(index, what, error), calendar, what, notes, error, levels)


def _rows_by_label(index: Any, labels: Any) -> IntArray | None:
    """Row of each label where an index holds the same labels in another sequence, else None."""
    if labels is None or len(index) != len(labels) or not (index.is_unique and labels.is_unique):
        return None
    rows: IntArray = np.asarray(index.get_indexer(labels), dtype=np.int64)
    return rows if (rows >= 0).all() else None


def _time_level(index: Any, what: str, error: type[PeakFastError]) -> Any:
    """The level of an index with several that holds times."""
    every = [index.get_level_values(level) for level in range(index.nlevels)]
    found = [level for level in every if type(level).__name__ in ("DatetimeIndex", "PeriodIndex")]
    found = found or [level for level in every if fold(str(level.name)) in PLAIN_TIME_NAMES]
    if len(found) != 1:
        raise error(
            f"{what}: the index has the levels {list(index.names)}, and not one of them alone holds times; expected "
            "one value a bar with its times as index: select one asset, values.xs('AAPL', level=...)"
        )
    return found[0]


def _is_per_bar(values: Any, bars: int) -> bool:
    """Whether values without times have one for each of several bars."""
    try:
        shape = np.shape(values)
    except ValueError:  # rows of unequal length, which are refused for that
        return False
    return bars > 1 and bars in shape


def untold(what: str, calendar: Calendar, error: type[PeakFastError]) -> PeakFastError:
    """The rows were put in order, and the values say neither of the two orders."""
    if calendar.turned:
        return error(
            f"{what}: the rows of the frame are newest first, and nothing says in which order these values count the "
            "bars; expected their times (a pandas index, or a frame with a column of times), or both in order of time: "
            "sort the frame by time, or pass Bars.from_frame(frame), whose bars are in order"
        )
    return error(
        f"{what}: the rows of the bars' frame were put into another order, and the values do not say to which bar "
        "each belongs; expected their times (a pandas index, or a frame with a column of times), or a NumPy array in "
        "the order of the bars: to_numpy()"
    )


def fingerprint(values: Any) -> str:
    """Hash that tells columns apart: by their values and, where they carry them, their times."""
    digest = hashlib.blake2b(digest_size=16)
    for part in _parts(values):
        digest.update(repr(part.tolist()).encode() if part.dtype.kind == "O" else np.ascontiguousarray(part))
    return digest.hexdigest()


def _parts(values: Any) -> list[Any]:
    """Arrays that a column or a frame consists of."""
    if type(values).__name__ == "LazyFrame":
        values = values.collect()
    labels = [] if package_of(values) != "pandas" else [np.asarray(values.index.astype(str), dtype=object)]
    if is_frame(values):
        return [
            *labels,
            *(part for n in values.columns for part in (np.array(n, object), np.asarray(values[n]))),
        ]
    return [*labels, np.asarray(values)]
