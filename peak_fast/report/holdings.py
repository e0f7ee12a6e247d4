"""What a portfolio held, as a file; and tables whose columns of numbers stand for names."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# What a portfolio is compared with.
HELD_EQUALLY = "All, held equally"
# Texts name as many symbols; the tables have all of them.
MAX_SYMBOLS = 20


def named_columns(records: Any, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Columns of a structured array, with the names that the numbers of some of them stand for."""
    columns: dict[str, Any] = {name: records[name] for name in records.dtype.names}
    for name, words in names.items():
        columns[name] = np.asarray(words, dtype=object)[np.asarray(columns[name], dtype=np.int64)]
    return columns


def with_few_symbols(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a result, those of a portfolio with the number of its assets and the first of their names."""
    data = metadata.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("assets"), (list, tuple)):
        return dict(metadata)
    symbols = [str(symbol) for symbol in data["assets"]]
    few = ", ".join(symbols[:MAX_SYMBOLS]) + ", ..." * (len(symbols) > MAX_SYMBOLS)
    return {**metadata, "data": {**data, "assets": len(symbols), "symbols": few}}


def weights_parquet(
    holdings: Any, symbols: Sequence[str], time_us: Any = None, time_zone: str | None = None
) -> bytes:
    """What was held behind the trades of each bar, as a Parquet file.

    Parameters
    ----------
    holdings
        Structured array of ``bar``, ``asset`` (number), ``units`` and ``weight``, by bar and asset.
    symbols
        Names of the assets.
    time_us : array of int64, shape (n_bars,), optional
        Times of the bars; without them the file has no times.

    Returns
    -------
    bytes
        Columns ``bar``, ``timestamp``, ``symbol``, ``units``, ``weight`` (share of the equity at the close of the bar,
        negative for a short); assets that are not held have no row.
    """
    import polars as pl

    numbers = holdings["asset"].astype(np.uint32)
    columns: dict[str, Any] = {"bar": holdings["bar"].astype(np.int64)}
    if time_us is not None:
        times = pl.Series(np.asarray(time_us)[holdings["bar"]]).cast(pl.Datetime("us", "UTC"))
        columns["timestamp"] = _in_zone(times, time_zone)
    columns["symbol"] = pl.Series(list(symbols), dtype=pl.String).gather(numbers)
    columns |= {name: np.ascontiguousarray(holdings[name]) for name in ("units", "weight")}
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def _in_zone(times: Any, time_zone: str | None) -> Any:
    import polars as pl

    try:
        return times if time_zone is None else times.dt.convert_time_zone(str(time_zone))
    except pl.exceptions.ComputeError:  # a fixed offset, which has no zone name
        return times
