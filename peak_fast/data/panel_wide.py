"""Frames side by side: one for each asset, or for each field with a column for each asset, or two levels of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.data.bars import Bars
from peak_fast.data.checks import PRICE_COLUMNS, Columns, with_repair
from peak_fast.data.frames import collect, table_of
from peak_fast.data.kinds import package_of
from peak_fast.data.matching import check_zone, shown_time, sorted_times
from peak_fast.data.names import Names, fold
from peak_fast.data.numeric import as_float64
from peak_fast.data.options import ReadOptions, Stamp
from peak_fast.data.panel_blocks import Align, Piece, block_of_pieces
from peak_fast.data.panel_rows import Read, checked_piece, gathered
from peak_fast.data.symbols import PRICES
from peak_fast.data.time_columns import find_times
from peak_fast.data.time_zones import localise
from peak_fast.errors import DataError
from peak_kernels.arrays import FloatArray, IntArray

FIELDS = (*PRICE_COLUMNS, "volume")


class OwnOfBars:
    """Columns of the frames of the assets that are neither prices nor times."""

    def __init__(self, every: Mapping[str, Bars], time_us: IntArray) -> None:
        self._bars, self._time_us = every, time_us
        known = {name: None for bars in every.values() for name in _names(bars)}
        self.columns = tuple(known)

    def block(self, name: str) -> FloatArray:
        """One column as float64[asset, bar], NaN where an asset has no bar or no such column.

        Raises
        ------
        DataError
            It is not numeric.
        """
        out = np.full((len(self._bars), self._time_us.size), np.nan)
        for asset, bars in enumerate(self._bars.values()):
            if name not in _names(bars):
                continue
            values = bars.column(name)
            at = np.minimum(np.searchsorted(self._time_us, bars.time_us), self._time_us.size - 1)
            inside = self._time_us[at] == bars.time_us
            out[asset, at[inside]] = values[inside]
        return out


def _names(bars: Bars) -> list[str]:
    """Columns of the frame of bars that were not read as prices or times."""
    if bars._source is ... or bars._source is None:
        return []  # made from arrays: it would be a frame of these alone
    read = set(bars._read_from.values())
    return [name for name in table_of(collect(bars.source)[0]).names if name not in read]


def read_frames(frames: Mapping[Any, Any], options: ReadOptions, align: Align) -> Read:
    """Read a frame, or Bars, for each asset.

    Raises
    ------
    DataError
        A frame fails (the message begins with its asset), or times of one kind beside times of another.
    """
    if not frames:
        raise DataError("expected a frame for each asset; got an empty dict")
    every: dict[str, Bars] = {}
    for key, frame in frames.items():
        symbol = str(key)
        if symbol in every:
            raise DataError(f"symbol {symbol!r} is there twice; expected one frame for each asset")
        try:
            every[symbol] = frame if isinstance(frame, Bars) else Bars._of(frame, symbol, options)
        except DataError as error:
            raise DataError(f"symbol {symbol!r}: {error}") from None
    notes = gathered({symbol: bars._notes for symbol, bars in every.items()})
    zone, stamp, has_time = _shared(every, notes)
    pieces = [
        Piece((bars.open, bars.high, bars.low, bars.close), bars.volume, bars.time_us)
        for bars in every.values()
    ]
    block = block_of_pieces(pieces, align)
    own = OwnOfBars(every, block.time_us)
    repaired: dict[str, int] = {}
    for bars in every.values():
        for name, count in bars.repaired.items():
            repaired[name] = repaired.get(name, 0) + count
    source = next(iter(every.values()))._source
    return Read(
        tuple(every), block, zone, stamp, tuple(notes), repaired, own if own.columns else None, package_of(source),
        has_time,
    )  # fmt: skip


def _shared(every: Mapping[str, Bars], notes: list[str]) -> tuple[str | None, Stamp, bool]:
    """Zone, stamp and whether there are times, which all assets must share."""
    first_name, first = next(iter(every.items()))
    zones = dict.fromkeys(bars.time_zone for bars in every.values())
    for symbol, bars in every.items():
        if bars.has_time != first.has_time or (not first.has_time and len(bars) != len(first)):
            raise DataError(
                f"symbols {first_name!r} and {symbol!r}: expected times in both, or none in any and equally many bars; "
                f"got {len(first)} bars {_with(first)} and {len(bars)} {_with(bars)}"
            )
        if bars.stamp != first.stamp:
            raise DataError(
                f"symbols {first_name!r} and {symbol!r}: the times are the {first.stamp}s of the bars of the one and "
                f"the {bars.stamp}s of the other; expected one meaning: say stamp= for the frame where it differs"
            )
        check_zone(bars.time_zone, first.time_zone, f"symbols {first_name!r} and {symbol!r}")
    if len(zones) > 1:
        notes.append(
            f"times are shown in {first.time_zone or 'UTC'}; the frames show theirs in "
            + ", ".join(str(zone or "UTC") for zone in zones)
        )
    return first.time_zone, first.stamp, first.has_time


def _with(bars: Bars) -> str:
    return "with times" if bars.has_time else "without times"


def frames_of_levels(frame: Any) -> dict[str, Any]:
    """A pandas frame with two levels of column names, prices and symbols, as a frame for each symbol.

    Raises
    ------
    DataError
        There are more levels, or none of them holds the prices.
    """
    names = frame.columns
    folded = [
        {str(value).strip().lower() for value in names.get_level_values(at)} for at in range(names.nlevels)
    ]
    prices = next((at for at in range(names.nlevels) if folded[at] >= PRICES), None)
    if names.nlevels != 2 or prices is None:
        raise DataError(
            f"the pandas frame has {names.nlevels} levels of column names ({list(names[:4])} ...); expected two: one "
            "with open, high, low and close, one with the symbols; closes alone are passed as {'close': frame['Close']}"
        )
    other = 1 - prices
    labels = names.get_level_values(other)
    shared = [str(label) == "" for label in labels]
    found = {}
    for label in dict.fromkeys(label for label in labels if str(label) != ""):
        keep = [every or value == label for every, value in zip(shared, labels, strict=True)]
        found[str(label)] = frame.loc[:, keep].droplevel(other, axis=1)
    return found


def read_fields(fields: Mapping[str, Any], options: ReadOptions, align: Align) -> Read:
    """Read a frame for each field, with a column for each asset; of closes alone the bars have no range.

    Raises
    ------
    DataError
        No closes, some of open, high and low without the others, assets that one frame lacks.
    """
    given = {name: frame for name, frame in fields.items() if frame is not None}
    missing = [name for name in ("open", "high", "low") if name not in given]
    if "close" not in given or (missing and len(missing) < 3):
        raise DataError(
            f"expected a frame for each of open, high, low and close, or one of closes alone; got {list(given)}"
        )
    notes: list[str] = []
    tables: dict[str, tuple[dict[str, FloatArray], IntArray]] = {}
    times = None
    for name, frame in given.items():
        columns, times = _field(frame, name, options, notes)
        tables[name] = columns, times.time_us
    if missing:
        notes.append("there are closes alone: open, high and low of each bar are its close")
        tables.update(dict.fromkeys(missing, tables["close"]))
    assert times is not None
    symbols = list(tables["close"][0])
    every = np.unique(np.concatenate([time_us for _, time_us in tables.values()]))
    look_at = (lambda time_us: localise(time_us, times.label, None)) if times.local else None
    pieces, found = [], {}
    for symbol in symbols:
        values: list[Any] = [*(_in_line(tables, name, symbol, every) for name in FIELDS), every]
        rows = Columns(*values)
        piece, _, _, found[symbol] = checked_piece(rows, symbol, options, look_at)
        pieces.append(_priced(piece))
    notes += gathered(found)
    block = block_of_pieces(pieces, align)
    kind = package_of(collect(given["close"])[1])
    return Read(
        tuple(symbols),
        block,
        times.zone,
        times.stamp or options.stamp,
        tuple(dict.fromkeys(notes)),
        {},
        None,
        kind,
    )


def _priced(piece: Piece) -> Piece:
    """The bars with prices; a wide frame has a row at every time for every asset."""
    there = ~np.isnan(piece.prices[3])
    if there.all() or not there.any():
        return piece
    prices = tuple(values[there] for values in piece.prices)
    volume = None if piece.volume is None else piece.volume[there]
    return Piece(prices, volume, piece.time_us[there])  # type: ignore[arg-type]


def _field(
    frame: Any, field: str, options: ReadOptions, notes: list[str]
) -> tuple[dict[str, FloatArray], Any]:
    """Columns of one wide frame by symbol, and its times."""
    table = table_of(collect(frame)[0])
    names = Names(table.names, options.columns)
    times = find_times(table, names, options)
    if times.time_us is None:
        raise DataError(
            f"{field}: a wide frame needs times, and none were found; name their column with timestamp="
        )
    notes.extend(times.notes)
    _check_order(times.time_us, field, options, notes)
    columns = {name: as_float64(table.get(name), f"{field}[{name!r}]") for name in names.unused()}
    if not columns:
        raise DataError(f"{field}: expected a column for each asset; got {table.names}")
    return columns, times


def _check_order(time_us: IntArray, field: str, options: ReadOptions, notes: list[str]) -> None:
    """Refuse times that repeat, and rows that are in no order."""
    steps = np.diff(time_us)
    if (steps > 0).all():
        return
    sorted_times(time_us, field, DataError)
    if (steps < 0).all():
        notes.append("rows were newest first and were put in order of time")
    elif "sort" not in options.repair:
        row = int((steps < 0).argmax()) + 1
        raise DataError(
            f"{field}: row {row} ({shown_time(time_us[row])}) is earlier than the row before; bars must be in "
            f"increasing order of time: sort the frame, or pass {with_repair(options.repair, 'sort')}"
        )
    else:
        notes.append(f"{field}: rows stood out of order and were sorted by time")


def _in_line(
    tables: Mapping[str, tuple[dict[str, FloatArray], IntArray]], field: str, symbol: str, every: IntArray
) -> FloatArray | None:
    """One asset's values of a field at all times; None: there is no such field."""
    if field not in tables:
        return None
    columns, time_us = tables[field]
    if symbol not in columns or len(columns) != len(tables["close"][0]):
        strange = sorted(set(columns) ^ set(tables["close"][0]))
        raise DataError(
            f"{field}: expected a column for each asset of close; these are in one of the two only: {strange}"
        )
    if np.array_equal(time_us, every):
        return columns[symbol]
    values = np.full(every.size, np.nan)
    values[np.searchsorted(every, time_us)] = columns[symbol]
    return values


def is_by_field(frames: Mapping[Any, Any]) -> bool:
    """Whether a dict of frames holds one for each field, not one for each asset."""
    if not {fold(str(name)) for name in frames} <= set(FIELDS):
        return False
    return not any(
        isinstance(frame, Bars) or {fold(str(name)) for name in getattr(frame, "columns", frame)} >= PRICES
        for frame in frames.values()
    )
