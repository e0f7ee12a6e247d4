"""Values of one column or index level to times: int64 microseconds UTC, whatever their type."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.checks import MISSING_TIME
from peak_fast.data.kinds import package_of
from peak_fast.data.options import DEFAULTS, ReadOptions, Stamp
from peak_fast.data.time_zones import localise
from peak_fast.data.times import time_from_array
from peak_fast.errors import DataError
from peak_kernels.arrays import IntArray

_NUMBER_TYPES = ("Int64", "Int32", "UInt64", "UInt32", "Float64", "Int16", "Int8")


class Times(NamedTuple):
    """Times of the bars: int64 microseconds UTC (None: there are none), zone to show, stamp, notes.

    ``local`` says that they are naive datetimes, whose order has not been looked at.
    """

    time_us: IntArray | None
    zone: str | None = None
    stamp: Stamp | None = None
    label: str = "timestamp"
    local: bool = False
    notes: tuple[str, ...] = ()


def read_time(values: Any, label: str, options: ReadOptions) -> Times:
    """Times of one column or level.

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
        return _polars_time(values, label, options)
    if package == "pandas":
        return _pandas_time(values, label, options)
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise _missing(label, int(np.ma.getmaskarray(values).argmax()))
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"column {label!r} has {array.ndim} dimensions; expected one timestamp per bar")
    return _array_time(array, label, options)


def _polars_time(series: Any, label: str, options: ReadOptions) -> Times:
    kind = type(series.dtype).__name__
    if kind in ("Duration", "Time"):
        raise DataError(
            f"column {label!r} holds {kind.lower()}s, not dates; combine it with the date, or name another "
            "column with timestamp= (a pair such as ('Date', 'Time') is joined; False: the bars have no times)"
        )
    if kind in ("Categorical", "Enum"):
        import polars as pl

        series, kind = series.cast(pl.String), "String"
    if kind == "String":
        return _text_time(series, label, options)
    zone = getattr(series.dtype, "time_zone", None)
    if kind in _NUMBER_TYPES and series.null_count():
        raise _missing(label, int(series.is_null().arg_max() or 0))
    array = series.to_numpy()  # instants in UTC, also where the series has a time zone
    return _array_time(array, label, options, zone)


def _pandas_time(values: Any, label: str, options: ReadOptions) -> Times:
    if getattr(values, "ndim", 1) != 1:
        raise DataError(f"column {label!r} is there several times; keep one of them")
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return _array_time(np.asarray(values.values), label, options)
    if str(dtype).startswith("period"):
        return _pandas_time(getattr(values, "dt", values).to_timestamp(), label, options)
    if str(dtype).startswith("category"):
        return _pandas_time(values.astype(dtype.categories.dtype), label, options)
    zone = getattr(dtype, "tz", None)
    if zone is not None:
        return _array_time(values.array.tz_convert(None).to_numpy(), label, options, str(zone))
    return _pandas_extension_time(values, label, options)


def _pandas_extension_time(values: Any, label: str, options: ReadOptions) -> Times:
    """A column of an extension type: text, nullable integers, Arrow timestamps."""
    import polars as pl

    if values.dtype.kind in "iuf":
        missing = np.asarray(values.isna())
        if missing.any():
            raise _missing(label, int(missing.argmax()))
        return _array_time(
            values.to_numpy(dtype=np.int64 if values.dtype.kind in "iu" else np.float64), label, options
        )
    if is_arrow_time(values.dtype):
        return _polars_time(pl.from_pandas(values), label, options)
    objects = values.astype(object).to_numpy()
    missing = np.asarray(values.isna())
    if missing.any():
        objects = np.where(missing, None, objects)
    return _array_time(objects, label, options)


def is_arrow_time(dtype: Any) -> bool:
    """Whether a pandas type is an Arrow timestamp or date."""
    return str(dtype).startswith(("timestamp[", "date32", "date64"))


def _missing(label: str, row: int) -> DataError:
    return DataError(
        f"column {label!r}: row {row} is missing; every bar needs its time: drop or fill such rows"
    )


def _array_time(array: NDArray[Any], label: str, options: ReadOptions, zone: str | None = None) -> Times:
    if array.dtype.kind in "iu" or array.dtype.kind == "f":
        from peak_fast.data.time_numbers import number_times

        time_us, shown, notes = number_times(array, label, options.time_zone, options.date_order)
        return Times(time_us, shown, label=label, notes=tuple(notes))
    array = _unpacked(array, label)
    if array.dtype.kind in "iu":
        return _array_time(array, label, options)
    texts = _texts(array)
    if texts is not None:
        import polars as pl

        return _text_time(pl.Series(label, texts, dtype=pl.String, strict=False), label, options)
    time_us, found = time_from_array(array, label)
    zone = zone or found
    if zone is not None:
        return Times(
            time_us, options.time_zone or zone, label=label, notes=_zone_note(zone, options.time_zone)
        )
    if options.time_zone is None:
        return Times(time_us, None, label=label, local=True)
    time_us, shown, notes = localise(time_us, label, options.time_zone)
    return Times(time_us, shown, label=label, notes=tuple(notes))


def _zone_note(zone: str, wanted: str | None) -> tuple[str, ...]:
    if wanted is None or wanted == zone:
        return ()
    return (
        f"times are instants already (their zone is {zone}); time_zone={wanted!r} only shows them in that zone",
    )


def _unpacked(array: NDArray[Any], label: str) -> NDArray[Any]:
    """Python integers and pandas Periods out of an array of objects; other arrays as they are."""
    if array.dtype.kind != "O":
        return array
    items = array.tolist()
    first = next((item for item in items if item is not None and item == item), None)
    if type(first).__name__ == "Period":
        array = np.array([item.to_timestamp() if hasattr(item, "to_timestamp") else None for item in items])
    elif isinstance(first, int) and not isinstance(first, bool):
        row = next((at for at, item in enumerate(items) if not isinstance(item, int)), None)
        if row is not None:
            raise _missing(label, row)
        array = np.array(items, dtype=np.int64)
    return array


def _texts(array: NDArray[Any]) -> list[str | None] | None:
    """Items of an array of text (bytes are decoded); None where it holds something else."""
    if array.dtype.kind not in "OUST":
        return None
    items: list[Any] = array.tolist()
    first = next((item for item in items if item is not None and item == item), None)
    if isinstance(first, bytes):
        items = [item.decode() if isinstance(item, bytes) else item for item in items]
        first = first.decode()
    if not isinstance(first, str):
        return None
    return [None if item is None or item != item else str(item) for item in items]


def _text_time(series: Any, label: str, options: ReadOptions) -> Times:
    from peak_fast.data.dates import parse_times  # only text needs it

    time_us, zone, notes = parse_times(series, label, options.date_order, options.time_zone)
    return Times(time_us, zone, label=label, notes=tuple(notes))


def as_time(values: Any, label: str) -> tuple[IntArray, str | None]:
    """A column as int64 microseconds UTC, and the name of its time zone (None: naive, taken as UTC).

    Raises
    ------
    DataError
        The column does not hold times, or one of them cannot be read.
    """
    times = read_time(values, label, ReadOptions())
    return (times.time_us if times.time_us is not None else np.empty(0, dtype=np.int64)), times.zone


def bar_of(prices: Any, when: Any) -> int | None:
    """A bar of a panel or of bars by its number, or the first that is not before a time.

    Raises
    ------
    DataError
        It is no time, or there are no times.
    """
    if when is None or (isinstance(when, int | np.integer) and not isinstance(when, bool)):
        return None if when is None else int(when)
    if not prices.has_time:
        raise DataError(f"there are no times; expected the number of a bar, got {when!r}")
    return int(np.searchsorted(prices.time_us, instant(when, prices.time_zone)))


def instant(when: Any, time_zone: str | None) -> int:
    """A time as text, date or datetime in microseconds UTC; without a zone it is on the clock of the panel.

    Raises
    ------
    DataError
        It is no time.
    """
    values: Any = [when] if not hasattr(when, "dtype") else np.asarray([when])
    times = read_time(values, "slice", ReadOptions(time_zone=time_zone) if time_zone else DEFAULTS)
    if times.time_us is None or not times.time_us.size or times.time_us[0] == MISSING_TIME:
        raise DataError(f"expected a time or the number of a bar; got {when!r}")
    return int(times.time_us[0])
