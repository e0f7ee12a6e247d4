"""The same columns as every kind of frame that ``Bars.from_frame`` reads."""

import numpy as np
import polars as pl
import pytest

DAY = np.timedelta64(1, "D")


def daily_times(rows, start="2024-01-01"):
    """Times one day apart, as datetime64[us]."""
    return np.datetime64(start, "us") + np.arange(rows) * DAY.astype("m8[us]")


def clean_columns(rows=6):
    """Small valid bars: timestamp, open, high, low, close, volume."""
    base = 100.0 + np.arange(rows, dtype=np.float64)
    return {
        "timestamp": daily_times(rows),
        "open": base + 0.25,
        "high": base + 1.0,
        "low": base - 1.0,
        "close": base - 0.5,
        "volume": 1000.0 + base,
    }


def with_value(name, row, value, rows=6):
    """Clean columns with one value replaced."""
    columns = clean_columns(rows)
    columns[name] = columns[name].copy()
    columns[name][row] = value
    return columns


def _polars(columns):
    return pl.DataFrame(columns)


def _lazy(columns):
    return pl.LazyFrame(columns)


def _pandas(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def _pandas_index(columns):
    pandas = pytest.importorskip("pandas")
    rest = {name: values for name, values in columns.items() if name != "timestamp"}
    if "timestamp" not in columns:
        return pandas.DataFrame(rest)
    return pandas.DataFrame(rest, index=pandas.DatetimeIndex(columns["timestamp"], name="when"))


def _pandas_arrow(columns):
    return _pandas_extension(columns, "float64[pyarrow]")


def _pandas_nullable(columns):
    return _pandas_extension(columns, "Float64")


def _pandas_extension(columns, floats):
    """Float columns of an extension type; the conversion of pandas warns of infinite values."""
    frame = _pandas(columns)
    numbers = [name for name in frame.columns if frame[name].dtype == np.float64]
    return frame.astype(dict.fromkeys(numbers, floats))


def _arrow(columns):
    return pytest.importorskip("pyarrow").table(columns)


def _duckdb(columns):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    return duckdb.from_arrow(_arrow(columns))


def _dict(columns):
    return dict(columns)


def _lists(columns):
    return {name: np.asarray(values).tolist() for name, values in columns.items()}


def _structured(columns):
    rows = len(next(iter(columns.values())))
    dtype = [(name, np.asarray(values).dtype) for name, values in columns.items()]
    array = np.empty(rows, dtype=dtype)
    for name, values in columns.items():
        array[name] = values
    return array


KINDS = {
    "polars": _polars,
    "polars lazy": _lazy,
    "pandas column": _pandas,
    "pandas index": _pandas_index,
    "pandas pyarrow": _pandas_arrow,
    "pandas nullable": _pandas_nullable,
    "pyarrow": _arrow,
    "duckdb": _duckdb,
    "dict of arrays": _dict,
    "dict of lists": _lists,
    "structured array": _structured,
}
