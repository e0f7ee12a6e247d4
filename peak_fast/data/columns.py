"""Values of any library as numbers, and whether they were truth values."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from peak_fast.data.kinds import package_of
from peak_fast.errors import DataError, PeakFastError
from peak_kernels.arrays import FloatArray


def numbers_of(values: Any, what: str, error: type[PeakFastError] = DataError) -> tuple[FloatArray, bool]:
    """Values as float64, missing ones as NaN, and whether they were truth values.

    Raises
    ------
    PeakFastError
        Something that is no number, or booleans mixed with numbers.
    """
    if type(values) is np.ndarray and values.dtype.kind == "f":
        return np.ascontiguousarray(values, dtype=np.float64), False
    kind = type(values).__name__
    if package_of(values) == "polars" and kind == "Series":
        found = known_part(values) if values.null_count() else None
        if found is not None:
            row = np.empty(len(values))
            row[: found[0]], row[found[0] :] = np.nan, found[1]
            return row, found[2]
        values = _polars_numbers(values, what, error)
    elif isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        values = np.asarray(values.data).astype(object)
        values[hidden] = None
    if isinstance(values, list | tuple) and bool in set(map(type, values)):
        array: Any = np.array(values, dtype=object)
    elif package_of(values) == "pandas" and kind == "Series" and not isinstance(values.dtype, np.dtype):
        array = values.to_numpy(dtype=object, na_value=None)
    else:
        try:
            array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
        except (TypeError, ValueError):
            raise _not_numeric(values, what, error) from None
    # NumPy would read texts and spans of time as numbers and drop imaginary parts.
    if array.dtype.kind not in "fiubO":
        raise _not_numeric(values, what, error)
    boolean = array.dtype.kind == "b"
    if array.dtype.kind == "O":
        array, boolean = _objects(array, what, error)
    try:
        return np.ascontiguousarray(array, dtype=np.float64), boolean
    except (TypeError, ValueError, OverflowError):
        raise _not_numeric(values, what, error) from None


def known_part(series: Any) -> tuple[int, Any, bool] | None:
    """What follows the nulls of a Polars series, as NumPy has it, without a copy where they are numbers.

    None: it is of a kind that NumPy does not have, or nulls follow on values.  What begins with the first value of an
    indicator, the usual case, costs a tenth of Polars' own way.

    Returns
    -------
    tuple
        How many nulls come first, the values behind them, and whether they are truth values.
    """
    nulls = series.null_count()
    known = series.slice(nulls) if nulls else series
    if known.null_count() or not len(known):
        return None
    try:
        values = known.to_numpy()
    except Exception:  # whole numbers of 128 bits, which are read in another way
        return None
    kind = values.dtype.kind
    return (nulls, values, kind == "b") if kind in "fiub" and values.ndim == 1 else None


def _not_numeric(values: Any, what: str, error: type[PeakFastError]) -> PeakFastError:
    return error(f"{what}: expected one number a bar; got {type(values).__name__} that is not numeric")


def _polars_numbers(series: Any, what: str, error: type[PeakFastError]) -> Any:
    """A series of a kind that NumPy has as numbers."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric():
        small = dtype.is_float() or (dtype.is_integer() and "128" not in str(dtype))
        return series if small else series.cast(pl.Float64)
    if dtype in (pl.Boolean, pl.Null, pl.Object):
        return series
    raise error(f"{what}: expected one number a bar; got a column of {dtype}; convert it to numbers first")


def _objects(array: Any, what: str, error: type[PeakFastError]) -> tuple[Any, bool]:
    """Python objects with None for what is missing, and whether they are truth values, as of a shifted mask."""
    items = array.ravel().tolist()
    kinds = {kind.__name__: kind for kind in set(map(type, items))}
    if "NAType" in kinds:
        items = [None if type(value) is kinds["NAType"] else value for value in items]
        array = np.array(items, dtype=object).reshape(array.shape)
    truths = kinds.keys() & {"bool", "bool_"}
    for name in kinds.keys() - truths - {"NoneType", "NAType"}:
        if not issubclass(
            kinds[name], Real | Decimal
        ):  # texts would be read, of complex numbers a part be lost
            raise error(f"{what}: expected one number a bar; got a {name} that is none; convert it first")
    others = kinds.keys() - truths - {"NoneType", "NAType"}
    if truths and "float" in others and all(value != value for value in items if type(value) is float):
        others -= {"float"}
    if truths and others:
        raise error(
            f"{what}: booleans and values of type {min(others)} in one column; expected either booleans (held while "
            "True) or numbers"
        )
    return array, bool(truths)
