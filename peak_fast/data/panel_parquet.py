"""Long Parquet files whose columns leave nothing to decide, read one column at a time.

A frame of all columns beside the block would take as much memory again.  Whatever is not plain gives None, and is read
as a whole by `panel_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.checks import Columns, times_in_range, values_are_clean
from peak_fast.data.dialects import with_header_form
from peak_fast.data.names import SYMBOL_NAMES, Names, plain_names
from peak_fast.data.numeric import as_float64
from peak_fast.data.options import DEFAULTS, ReadOptions
from peak_fast.data.panel_blocks import Align, Block, Places, places_of
from peak_fast.data.panel_rows import Read, numbered
from peak_fast.data.time_values import Times, read_time
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

# Assets that are looked at together: their prices stay in the cache.
_TOGETHER = 8
# Rows of a column that are read at a time.
_PART = 2_097_152


def read_plain(file: Path, options: ReadOptions, align: Align) -> Read | None:
    """A long file of a time, a symbol and prices; None: it is another one, or has something to say."""
    if file.suffix.lower() != ".parquet" or options != DEFAULTS or align != "union" or not file.is_file():
        return None
    import polars as pl

    try:
        found = _roles(list(pl.read_parquet_schema(file)))
        if found is None:
            return None
        symbol, time, fields = found
        whole = pl.scan_parquet(file, glob=False)
        placed = _placed(*_numbered(whole, symbol), _times(whole, time))
        if placed is None:
            return None
        symbols, times, places = placed
        prices = np.empty((len(fields), places.assets, places.time_us.size))
        for out, name in zip(prices, fields, strict=True):
            _scatter(whole, name, places, out)
    except (pl.exceptions.PolarsError, OSError):
        return None  # the usual way says what is wrong
    rows = prices[0].size if places.cells is None else places.cells.size
    if not _is_clean(prices, rows):
        return None
    return Read(tuple(symbols), Block(prices, places.time_us), times.zone, "open", (), {})


def _roles(names: list[str]) -> tuple[str, str, list[str]] | None:
    """Columns of symbols, of times, and of prices and volume, where there are no others."""
    symbols = Names(names, {}).of(SYMBOL_NAMES)
    if len(symbols) != 1 or len(set(names)) < len(names):
        return None
    others = [name for name in names if name != symbols[0]]
    plain = plain_names(tuple(others))
    if plain is None or plain.time is None:
        return None
    fields = [*plain.prices, *([] if plain.volume is None else [plain.volume])]
    formed, said = with_header_form(names, DEFAULTS, lambda name: np.empty(0))
    if set(others) != {plain.time, *fields} or said or formed is not DEFAULTS:
        return None
    return symbols[0], plain.time, fields


def _parts(whole: pl.LazyFrame, name: str) -> Iterator[tuple[int, Any]]:
    """A column in parts, each with its first row: one at a time, what Polars needs for it stays small."""
    start, size = 0, _PART
    while size == _PART:
        part = whole.slice(start, _PART).select(name).collect()[name].rechunk()
        size = len(part)
        if size:
            yield start, part
        start += size


def _numbered(whole: pl.LazyFrame, name: str) -> tuple[IntArray, list[str]]:
    """`numbered` of a column of texts, which take far more room than their numbers."""
    place: dict[str, int] = {}
    parts = []
    for _, part in _parts(whole, name):
        series, symbols = numbered(part)
        own = np.array([*(place.setdefault(symbol, len(place)) for symbol in symbols), -1], dtype=np.int64)
        parts.append(own[series])
    order = {symbol: at for at, symbol in enumerate(sorted(place))}
    moved = np.array([*(order[symbol] for symbol in place), -1], dtype=np.int64)
    if len(parts) == 1 and np.array_equal(moved[:-1], np.arange(len(place))):
        return parts[0], sorted(place)
    return moved[np.concatenate(parts)] if parts else np.empty(0, dtype=np.int64), sorted(place)


def _scatter(whole: pl.LazyFrame, name: str, places: Places, out: FloatArray) -> None:
    """Write a column into its cells; NaN where no row belongs."""
    flat = out.reshape(-1)
    if places.cells is not None and places.cells.size < flat.size:
        flat.fill(np.nan)
    for start, part in _parts(whole, name):
        values = as_float64(part, name)
        rows = slice(start, start + values.size)
        flat[rows if places.cells is None else places.cells[rows]] = values


def _times(whole: pl.LazyFrame, name: str) -> Times:
    """Times of all rows; those of a type of times may be read in parts, others are understood as a whole."""
    import polars as pl

    if whole.collect_schema()[name] not in (pl.Datetime, pl.Date):
        return read_time(whole.select(name).collect()[name].rechunk(), name, DEFAULTS)
    parts = [read_time(part, name, DEFAULTS) for _, part in _parts(whole, name)]
    every = [part.time_us.copy() for part in parts if part.time_us is not None]
    return parts[0]._replace(time_us=np.concatenate(every)) if every else Times(None)


def _placed(series: IntArray, different: list[str], times: Times) -> tuple[list[str], Times, Places] | None:
    """The symbols, the times and where rows go; None where a row has no place of its own."""
    if not series.size or (series < 0).any():
        return None
    if times.time_us is None or times.notes or times.time_us.size != series.size:
        return None
    time_us: IntArray = times.time_us
    places = places_of(series, len(different), time_us)
    if places is None or not times_in_range(places.time_us):
        return None
    return different, times, places


def _is_clean(prices: NDArray[np.float64], rows: int) -> bool:
    """Whether no check of bars can fail, and every row is a bar with prices; cells without a row are NaN."""
    if rows == prices[0].size:
        columns: list[Any] = [field.reshape(-1) for field in prices]
        return values_are_clean(Columns(*columns, *([None] * (6 - len(columns)))))
    priced = 0
    for start in range(0, prices.shape[1], _TOGETHER):
        open_, high, low, close, *volume = prices[:, start : start + _TOGETHER]
        inside = (
            (low > 0.0)
            & (low <= open_)
            & (open_ <= high)
            & (low <= close)
            & (close <= high)
            & (high < np.inf)
        )
        for values in volume:
            inside &= (values >= 0.0) & (values < np.inf)
        priced += int(np.count_nonzero(inside))
    return priced == rows
