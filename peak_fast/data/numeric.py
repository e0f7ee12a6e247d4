"""Columns of any library as float64: numbers of every kind are converted, everything else is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.checks import describe
from peak_fast.data.kinds import package_of
from peak_fast.errors import DataError
from peak_kernels.arrays import FloatArray

# The one object that stands for native float64; other instances take the longer way.
_FLOAT64 = np.dtype(np.float64)


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
    if array.dtype is _FLOAT64 and array.flags.c_contiguous and array.flags.aligned:
        return array
    # Copies byte-swapped and unaligned memory too, which compiled code cannot read.
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
        return np.asarray(series.values)  # of a numpy type the same as to_numpy(), in half the time
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
