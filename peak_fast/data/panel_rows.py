"""Long frames, with a row for each asset and time, read into one block of prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from peak_fast.data.checks import (
    Columns,
    check,
    times_in_range,
    values_are_clean,
)
from peak_fast.data.dialects import with_header_form
from peak_fast.data.frames import Table, collect, table_of
from peak_fast.data.kept_rows import take_rows
from peak_fast.data.kinds import package_of
from peak_fast.data.names import Names
from peak_fast.data.numeric import as_float64
from peak_fast.data.options import ReadOptions, Stamp
from peak_fast.data.panel_blocks import (
    Align,
    Block,
    Piece,
    Places,
    block_of_pieces,
    found_in,
    places_of,
    scattered,
)
from peak_fast.data.reading import Extracted, read_columns
from peak_fast.data.symbols import columns_of_symbols
from peak_fast.data.time_zones import localise
from peak_fast.errors import DataError
from peak_kernels.arrays import FloatArray, IntArray

_LISTED = 3


class Own(NamedTuple):
    """Columns of the user's frame that are neither prices nor times, and where their rows go.

    ``rows`` are those that became bars (None: all, as they are), ``cells`` where they lie (`Places`).
    """

    columns: Mapping[str, Any]
    rows: IntArray | None
    places: Places

    def block(self, name: str) -> FloatArray:
        """One column as float64[asset, bar], NaN where there is no row.

        Raises
        ------
        DataError
            It is not numeric.
        """
        values = as_float64(self.columns[name], name)
        out = np.empty((self.places.assets, self.places.time_us.size))
        scattered(values if self.rows is None else values[self.rows], self.places, out)
        return out


class Read(NamedTuple):
    """What a panel is made of."""

    symbols: tuple[str, ...]
    block: Block
    zone: str | None
    stamp: Stamp
    notes: tuple[str, ...]
    repaired: dict[str, int]
    own: Any = None
    kind: str = "polars"
    has_time: bool = True


def read_long(frame: Any, options: ReadOptions, align: Align) -> Read:
    """Read a frame whose rows name their asset.

    Raises
    ------
    DataError
        No column or level of symbols, no times, a missing or ambiguous column, bars that fail the checks.
    """
    frame, source = collect(frame)
    kind = package_of(source)
    table = table_of(frame)
    options, said = with_header_form(table.names, options, lambda name: as_float64(table.get(name), name))
    notes = list(said)
    names = Names(table.names, options.columns)
    series, symbols, missing = _symbols(table, names, notes)
    if missing is not None:
        frame, series = take_rows(frame, missing), series[missing]
        table = table_of(frame)
    read = read_columns(frame, frame, table, names, options, notes, series)
    times = read.times
    if times.time_us is None:
        raise DataError(
            "a frame with rows of several assets needs their times, and none were found (timestamp=False says there "
            "are none); name their column with timestamp="
        )
    assert read.series is not None
    series, columns = read.series, read.columns
    clean = align == "union" and values_are_clean(columns._replace(time_us=None))
    places = places_of(series, len(symbols), times.time_us) if clean else None
    rows = None
    repaired: dict[str, int] = {}
    if places is not None and times_in_range(places.time_us):
        block = _block(columns, places)
    else:
        block, rows, places, repaired, more = _checked_block(read, series, symbols, options, align)
        read.notes.extend(more)
    own = {name: table_of(read.source).get(name) for name in names.unused()}
    return Read(
        tuple(symbols), block, times.zone, read.stamp, tuple(read.notes), repaired,
        Own(own, rows, places) if own else None, kind,
    )  # fmt: skip


def _symbols(table: Table, names: Names, notes: list[str]) -> tuple[IntArray, list[str], IntArray | None]:
    """Number of the symbol of each row, the symbols in order, and the rows that have one (None: all)."""
    for place, values in columns_of_symbols(table, names):
        series, symbols = numbered(values)
        if not series.size:
            raise DataError("the frame has no rows; expected prices of at least one asset")
        if not symbols:
            continue
        names.used += [name for name in table.names if place == f"column {name!r}"]
        without = int(np.count_nonzero(series < 0))
        if not without:
            return series, symbols, None
        if without > series.size - without:
            raise DataError(
                f"{place} names a symbol in {series.size - without} rows only and is empty in {without}; fill it, or "
                "name the column of symbols with symbol_column="
            )
        notes.append(f"{without} of {series.size} rows have no symbol in {place} and are left out")
        return series, symbols, np.flatnonzero(series >= 0).astype(np.int64)
    raise DataError(
        "the frame has no column or index level of symbols, so nothing says which asset a row is of; name it with "
        "symbol_column=, or pass a dict of one frame for each asset; a frame of closes with a column for each asset is "
        "passed as {'close': frame}"
    )


def numbered(values: Any) -> tuple[IntArray, list[str]]:
    """Number of the symbol of each row (-1: it has none), and the symbols as text, in alphabetical order."""
    if package_of(values) == "pandas":
        import pandas as pd

        codes, different = pd.factorize(values)
        return _in_order(codes, list(different))
    import polars as pl

    if package_of(values) != "polars":
        listed = values.tolist() if isinstance(values, np.ndarray) else values
        if not hasattr(listed, "to_pylist"):
            listed = [item.decode() if isinstance(item, bytes) else item for item in listed]
        values = pl.Series(listed, strict=False)
    if values.dtype.is_float():
        values = pl.Series(
            [None if value is None else _text(value) for value in values.to_list()], dtype=pl.String
        )
    if values.dtype == pl.Null:
        return np.full(len(values), -1, dtype=np.int64), []
    runs = values.rle()
    lengths, labels = runs.struct.field("len").to_numpy(), runs.struct.field("value")
    # Rows that are together by symbol have few runs, and their labels alone are looked at.
    if len(labels) * 4 < len(values):
        codes, symbols = _codes(labels)
        return np.repeat(codes, lengths), symbols
    return _codes(values)


def _text(value: Any) -> str:
    """Text of a symbol; a column of whole numbers in which one was missing may have come as floats."""
    if isinstance(value, float):
        return "" if value != value else str(int(value)) if value.is_integer() else str(value)
    return value.decode() if isinstance(value, bytes) else str(value)


def _codes(values: Any) -> tuple[IntArray, list[str]]:
    import polars as pl

    texts = values if values.dtype == pl.String else values.cast(pl.String)
    different = texts.unique(maintain_order=True).drop_nulls()
    codes = texts.cast(pl.Enum(different)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    return _in_order(codes, different.to_list())


def _in_order(codes: Any, different: Sequence[Any]) -> tuple[IntArray, list[str]]:
    """Codes by the alphabet instead of by appearance; blank texts are no symbols."""
    texts = [_text(value) for value in different]
    symbols = sorted({text for text in texts if text.strip()})
    place = {text: at for at, text in enumerate(symbols)}
    moved = np.array([*(place.get(text, -1) for text in texts), -1], dtype=np.int64)
    if np.array_equal(moved[:-1], np.arange(len(texts))):
        return np.asarray(codes, dtype=np.int64), symbols
    return moved[np.asarray(codes)], symbols


def _block(columns: Columns, places: Places) -> Block:
    """The block of rows that passed."""
    fields = [values for values in columns[:5] if values is not None]
    prices = np.empty((len(fields), places.assets, places.time_us.size))
    for out, values in zip(prices, fields, strict=True):
        scattered(values, places, out)
    return Block(prices, places.time_us)


def _checked_block(
    read: Extracted, series: IntArray, symbols: list[str], options: ReadOptions, align: Align
) -> tuple[Block, IntArray, Places, dict[str, int], list[str]]:
    """Check the rows of each symbol by themselves: block, rows and their places, repairs, notes."""
    order = np.argsort(series, kind="stable")
    bounds = np.searchsorted(series[order], np.arange(len(symbols) + 1))
    label = read.times.label
    look_at = (lambda time_us: localise(time_us, label, None)) if read.times.local else None
    pieces, taken, notes = [], [], {}
    repaired: dict[str, int] = {}
    for number, symbol in enumerate(symbols):
        rows = order[bounds[number] : bounds[number + 1]]
        piece, kept, done, found = checked_piece(_rows_of(read.columns, rows), symbol, options, look_at)
        pieces.append(piece)
        taken.append(rows if kept is None else rows[kept])
        notes[symbol] = found
        for name, count in done.items():
            repaired[name] = repaired.get(name, 0) + count
    block = block_of_pieces(pieces, align)
    cells, kept_rows = [], []
    for number, piece in enumerate(pieces):
        at, inside = found_in(block.time_us, piece.time_us)
        cells.append(number * block.time_us.size + at)
        kept_rows.append(taken[number][inside])
    places = Places(np.concatenate(cells), len(symbols), block.time_us)
    return block, np.concatenate(kept_rows), places, repaired, gathered(notes)


def _rows_of(columns: Columns, rows: IntArray) -> Columns:
    """Some rows of all columns; a view where they follow one another."""
    first, last = int(rows[0]), int(rows[-1])
    index: Any = (
        slice(first, last + 1) if last - first + 1 == rows.size and (np.diff(rows) == 1).all() else rows
    )
    return Columns(*(None if values is None else values[index] for values in columns))  # type: ignore[arg-type]


def checked_piece(
    columns: Columns, symbol: str, options: ReadOptions, look_at: Callable[[IntArray], object] | None
) -> tuple[Piece, IntArray | None, dict[str, int], list[str]]:
    """One asset's rows, checked as bars are: piece, rows kept (None: all), repairs, notes.

    Raises
    ------
    DataError
        They fail; the message begins with the symbol.
    """
    try:
        checked = check(columns, options.repair, look_at)
    except DataError as error:
        raise DataError(f"symbol {symbol!r}: {error}") from None
    open_, high, low, close, volume, time_us = checked.columns
    assert time_us is not None
    return Piece((open_, high, low, close), volume, time_us), checked.rows, checked.repaired, checked.notes()


def gathered(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Notes of the assets as few sentences: equal ones stand there once, with the assets that they are of."""
    owners: dict[str, list[str]] = {}
    for symbol, sentences in notes.items():
        for sentence in sentences:
            owners.setdefault(sentence, []).append(symbol)
    found = [f"{_assets(symbols, len(notes))}: {sentence}" for sentence, symbols in owners.items()]
    if len(found) <= 2 * _LISTED:
        return found
    rest = {symbol for symbols in list(owners.values())[_LISTED:] for symbol in symbols}
    return [*found[:_LISTED], f"{len(found) - _LISTED} more remarks of this kind, on {len(rest)} assets"]


def _assets(symbols: Sequence[str], every: int) -> str:
    if len(symbols) == every > 1:
        return "every asset"
    listed = ", ".join(symbols[:_LISTED])
    return listed if len(symbols) <= _LISTED else f"{listed} and {len(symbols) - _LISTED} more"
