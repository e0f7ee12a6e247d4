"""Columns out of any frame: Polars, pandas, Arrow, DuckDB, dict of arrays, structured array.

Polars, pandas and numpy are read directly, without a copy where a column already is contiguous float64. Every
other frame goes through the Arrow C stream interface or, where it has none, through narwhals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.checks import PRICE_COLUMNS, Columns, FloatArray, IntArray, describe
from peak_fast.data.times import time_from_array
from peak_fast.errors import DataError, did_you_mean

TIME_NAMES = ("timestamp", "datetime", "date", "time", "ts", "open_time")


class Table(NamedTuple):
    """A frame reduced to names and a way to get a column; ``index`` is a pandas index of times, or None."""

    names: list[str]
    get: Callable[[str], Any]
    index: Any


class Extracted(NamedTuple):
    """Bar columns as they came, unchecked, and what the frame says about them."""

    columns: Columns
    time_zone: str | None
    source: Any
    hint: str


def package_of(value: Any) -> str:
    """Top-level package that defines the type of a value ("polars", "pandas", "numpy", ...)."""
    return type(value).__module__.partition(".")[0]


def extract(frame: Any, timestamp: str | None) -> Extracted:
    """Read open, high, low, close, volume and time from a frame.

    Parameters
    ----------
    frame
        See :meth:`peak_fast.data.Bars.from_frame`.
    timestamp
        Name of the time column, or None to look for one.

    Raises
    ------
    DataError
        Not a frame, a missing or ambiguous column, a column of the wrong type.
    """
    frame, source = _collect(frame)
    table = _table(frame)
    known = _lower_names(table.names)
    prices = [as_float64(table.get(_find(name, known, table.names)), name) for name in PRICE_COLUMNS]
    volume = None
    if "volume" in known:
        volume = as_float64(table.get(_find("volume", known, table.names)), "volume")
    time_us, zone = _times(table, known, timestamp) if prices[0].size else (None, None)
    columns = Columns(prices[0], prices[1], prices[2], prices[3], volume, time_us)
    _check_lengths(columns)
    return Extracted(columns, zone, source, _symbol_hint(table, known))


def _collect(frame: Any) -> tuple[Any, Any]:
    """The frame to read and the frame to keep for the user's own functions.

    A lazy frame is collected once; what is kept is a lazy view of the collected rows, so that a signal
    function sees the type that came in without running the whole query again.  A frame of pandas or Polars is kept as a
    shallow copy: what the user writes into the own one later reaches neither the bars nor a later run.
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
        frame = frame.select("*")
    if package_of(frame) == "pyarrow":
        return pl.from_arrow(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return pl.DataFrame(frame)
    import narwhals as nw

    try:
        wrapped = nw.from_native(frame)
    except TypeError:
        raise DataError(
            "expected a frame (Polars, pandas, pyarrow, DuckDB relation) or a dict of arrays with columns "
            f"open, high, low, close; got {type(frame).__module__}.{type(frame).__qualname__}"
        ) from None
    collected = wrapped.lazy().collect("polars")
    return collected.to_native()


def _table(frame: Any) -> Table:
    if isinstance(frame, Mapping):
        return Table([name for name in frame if isinstance(name, str)], frame.__getitem__, None)
    package, kind = package_of(frame), type(frame).__name__
    if package == "polars" and kind == "DataFrame":
        return Table(frame.columns, frame.get_column, None)
    if package == "pandas" and kind == "DataFrame":
        return _pandas_table(frame)
    if isinstance(frame, np.ndarray) and frame.dtype.names is not None:
        return Table(list(frame.dtype.names), frame.__getitem__, None)
    raise DataError(
        f"expected a frame or a dict of arrays with columns open, high, low, close; got {package}.{kind}, "
        "which has no column names"
    )


def _pandas_table(frame: Any) -> Table:
    if frame.columns.nlevels > 1:
        raise DataError(
            "the pandas frame has several levels of column names (one per symbol, as some downloads return "
            "them); select one symbol first, for example frame.xs('AAPL', axis=1, level=1)"
        )
    is_time = type(frame.index).__name__ in ("DatetimeIndex", "PeriodIndex")
    index = frame.index if is_time else None
    return Table([name for name in frame.columns if isinstance(name, str)], frame.__getitem__, index)


def _lower_names(names: list[str]) -> dict[str, list[str]]:
    """Names as they are, by their lower-case form without surrounding blanks."""
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(name.strip().lower(), []).append(name)
    return known


def _find(name: str, known: dict[str, list[str]], names: list[str]) -> str:
    """The column that carries ``name`` in any case; the exact name wins over other spellings."""
    found = known.get(name)
    if found is None:
        raise DataError(
            f"column {name!r} is missing; {did_you_mean(name, names)}; rename the column that holds it"
        )
    if len(found) == 1 or name in found:
        return name if name in found else found[0]
    raise DataError(f"column {name!r} is there {len(found)} times, as {found}; keep one of them")


def as_float64(values: Any, label: str) -> FloatArray:
    """A column as a C-contiguous float64 array, without a copy where it already is one; null becomes NaN.

    Raises
    ------
    DataError
        The column is not numeric, or not one-dimensional.
    """
    if hasattr(values, "__len__") and len(values) == 0:
        return np.empty(0)  # a file without rows has no types
    package = package_of(values)
    if package == "polars":
        array = _polars_floats(values, label)
    elif package == "pandas":
        array = _pandas_floats(values, label)
    elif package == "pyarrow":
        import polars as pl

        array = _polars_floats(pl.Series(label, values), label)
    elif isinstance(values, np.ma.MaskedArray):
        array = np.ma.filled(values.astype(np.float64), np.nan)
    else:
        array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"column {label!r} has {array.ndim} dimensions; expected one value per bar")
    if array.dtype != np.float64:
        if array.dtype.kind == "O":
            array = _object_floats(array, label)
        elif array.dtype.kind not in "fiu":
            raise _not_numeric(label, str(array.dtype), array)
    # Rejects byte-swapped and unaligned memory too, which compiled code cannot read.
    return np.require(array, np.float64, ["C_CONTIGUOUS", "ALIGNED"])


def _polars_floats(series: Any, label: str) -> NDArray[Any]:
    import polars as pl

    dtype = series.dtype
    if dtype == pl.Float64:
        array: NDArray[Any] = series.to_numpy()
        return array
    if dtype.is_numeric() or dtype == pl.Null:
        return np.asarray(series.cast(pl.Float64).to_numpy())
    raise _not_numeric(label, str(dtype), series)


def _pandas_floats(series: Any, label: str) -> NDArray[Any]:
    if getattr(series, "ndim", 1) != 1:
        raise DataError(f"column {label!r} is there several times; keep one of them")
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return np.asarray(series.to_numpy())
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(dtype) or is_bool_dtype(dtype):
        raise _not_numeric(label, str(dtype), series)
    return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))


def _object_floats(array: NDArray[Any], label: str) -> FloatArray:
    """Python numbers (int, float, Decimal) and None, as object columns carry them."""
    from numbers import Number

    result = np.empty(array.size, dtype=np.float64)
    for row, value in enumerate(array.tolist()):
        if value is None or type(value).__name__ == "NAType":
            result[row] = np.nan
        elif isinstance(value, Number) and not isinstance(value, bool | complex):
            result[row] = float(value)  # type: ignore[arg-type]
        else:
            raise _not_numeric(label, "object", array, row)
    return result


def _not_numeric(label: str, dtype: str, values: Any, row: int = 0) -> DataError:
    """Error for a column of the wrong type; names the first value that reads as no number, else ``row``."""
    items = list(values)
    row = next((i for i, value in enumerate(items) if not _reads_as_number(value)), row)
    shown = describe(items[row]) if items else "nothing"
    return DataError(
        f"column {label!r} is not numeric (its type is {dtype}); row {row} is {shown}; "
        "convert the column to float64 first"
    )


def _reads_as_number(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, bool | np.bool_):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _times(
    table: Table, known: dict[str, list[str]], timestamp: str | None
) -> tuple[IntArray | None, str | None]:
    """Microseconds UTC and the time zone's name; None where the frame has no time."""
    if timestamp is not None:
        if timestamp not in table.names:
            if table.index is not None and table.index.name == timestamp:
                return as_time(table.index, timestamp)
            raise DataError(
                f"timestamp column {timestamp!r} is missing; {did_you_mean(timestamp, table.names)}"
            )
        return as_time(table.get(timestamp), timestamp)
    if table.index is not None:
        return as_time(table.index, str(table.index.name or "index"))
    for name in TIME_NAMES:
        if name in known:
            found = _find(name, known, table.names)
            return as_time(table.get(found), found)
    typed = [name for name in table.names if _is_temporal(table.get(name))]
    if len(typed) == 1:
        return as_time(table.get(typed[0]), typed[0])
    if typed:
        raise DataError(f"several columns hold times: {typed}; say which one with timestamp=")
    return None, None


def _is_temporal(values: Any) -> bool:
    dtype = getattr(values, "dtype", None)
    kind = getattr(dtype, "kind", None)
    if kind is not None:
        return bool(kind == "M")
    return package_of(values) == "polars" and type(dtype).__name__ in ("Datetime", "Date")


def as_time(values: Any, label: str) -> tuple[IntArray, str | None]:
    """A column as int64 microseconds UTC, and the name of its time zone (None: naive, taken as UTC).

    Raises
    ------
    DataError
        The column does not hold times, or one of them cannot be read.
    """
    package = package_of(values)
    if package == "pyarrow":
        import polars as pl

        values, package = pl.Series(label, values), "polars"
    if package == "polars":
        return _polars_time(values, label)
    if package == "pandas":
        return _pandas_time(values, label)
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"column {label!r} has {array.ndim} dimensions; expected one timestamp per bar")
    return time_from_array(array, label)


def _polars_time(series: Any, label: str) -> tuple[IntArray, str | None]:
    kind = type(series.dtype).__name__
    if kind in ("Duration", "Time"):
        raise DataError(
            f"column {label!r} holds {kind.lower()}s, not dates; combine it with the date, or name another "
            "column with timestamp="
        )
    array = series.to_numpy()  # instants in UTC, also where the series has a time zone
    time_us, zone = time_from_array(array, label)
    return time_us, getattr(series.dtype, "time_zone", None) or zone


def _pandas_time(values: Any, label: str) -> tuple[IntArray, str | None]:
    if type(values).__name__ == "PeriodIndex" or str(values.dtype).startswith("period"):
        values = values.to_timestamp() if hasattr(values, "to_timestamp") else values.dt.to_timestamp()
    zone = getattr(values.dtype, "tz", None)
    if zone is not None:
        array = values.array.tz_convert(None).to_numpy()
        return time_from_array(array, label)[0], str(zone)
    if values.dtype.kind == "M":
        return time_from_array(values.to_numpy(dtype=None), label)
    return time_from_array(np.asarray(values), label)


def _check_lengths(columns: Columns) -> None:
    expected = columns.open.size
    for name, values in zip(Columns._fields, columns, strict=True):
        if values is not None and values.size != expected:
            raise DataError(
                f"column {name!r} has {values.size} rows, column 'open' has {expected}; expected the same"
            )


def _symbol_hint(table: Table, known: dict[str, list[str]]) -> str:
    """What to say about unsorted times where the frame may hold several symbols."""
    for name in ("symbol", "ticker", "asset"):
        if name in known:
            return f"; if column {known[name][0]!r} holds several symbols, filter the frame to one"
    return ""


def source_column(source: Any, name: str) -> FloatArray:
    """One numeric column of the user's frame as float64; names are matched in any case.

    Raises
    ------
    DataError
        There is no such column, or it is not numeric.
    """
    table = _table(_collect(source)[0])
    found = (
        name if name in table.names else _find(name.strip().lower(), _lower_names(table.names), table.names)
    )
    return as_float64(table.get(found), found)
