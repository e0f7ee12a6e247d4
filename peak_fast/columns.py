"""Columns in, columns out: any one-dimensional input as float64, results in the type that came in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from peak_fast.arguments import is_whole, shown
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import FloatArray

_MOST = 10_000_001
_FLOAT64 = np.dtype(np.float64)
Wrap = Callable[[FloatArray, str], Any]


def _library(values: object) -> str:
    return type(values).__module__.partition(".")[0]


def as_float_array(values: Any, name: str) -> FloatArray:
    """One-dimensional, C-contiguous, read-only float64 array; missing values (null, None) become NaN.

    Read-only like the arrays of `peak_fast.data.Bars`, so that numba needs one version of a kernel, not two.

    Raises
    ------
    DataError
        For anything that is not one column of numbers.
    """
    if type(values) is np.ndarray and values.dtype is _FLOAT64 and values.ndim == 1:
        flags = values.flags
        if flags.c_contiguous:
            return _read_only(values) if flags.writeable else values
    if _library(values) == "polars" and not hasattr(values, "to_numpy"):
        raise DataError(
            f"{name}: expected numbers, got a Polars {type(values).__name__} that is not computed yet; in an "
            "expression: pl.col('close').map_batches(lambda s: ta.sma(s, 20), return_dtype=pl.Float64)"
        )
    try:
        raw = values.to_numpy() if hasattr(values, "to_numpy") else values
        array = np.ascontiguousarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name}: expected a column of numbers, got {type(values).__name__} ({error}); "
            "pass a numpy array, a Polars or pandas Series, or a list of numbers"
        ) from error
    if np.ndim(raw) != 1:
        raise DataError(
            f"{name}: expected one dimension, got shape {np.shape(raw)}; pass one column: frame['close']"
        )
    return _read_only(array)


def _read_only(array: FloatArray) -> FloatArray:
    view = array.view()
    view.flags.writeable = False
    return view


def wrapper_for(values: Any) -> Wrap:
    """Function that turns ``(array, name)`` into the kind of column that ``values`` is."""
    library = _library(values)
    if library == "polars":
        series_type = type(values)
        return lambda array, name: series_type(name, array)
    if library == "pandas":
        series_type, index = type(values), values.index
        return lambda array, name: series_type(array, index=index, name=name)
    return lambda array, name: array


def whole_number(value: Any, name: str, minimum: int) -> int:
    """Check a period: a whole number (not a bool) of at least ``minimum`` that a kernel can count to.

    Raises
    ------
    ConfigError
        Naming the parameter, what was expected and what came.
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    if not is_whole(value) or not minimum <= value < _MOST:
        raise ConfigError(
            f"{name}: expected a whole number of at least {minimum}, got {shown(value)}; at most {_MOST - 1:,} bars"
        )
    return int(value)
