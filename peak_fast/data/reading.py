"""A frame and what the user says about it, read into bar columns; nothing is checked here but names and types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from peak_fast.data.adjusting import adjusted, scaled
from peak_fast.data.checks import PRICE_COLUMNS, Checked, Columns, check
from peak_fast.data.dialects import with_header_form
from peak_fast.data.frames import Table, collect, table_of
from peak_fast.data.kept_rows import take_rows
from peak_fast.data.names import FINISHED_NAMES, MIXING_NAMES, TICK_VOLUME, Names, fold, plain_names, unit_of
from peak_fast.data.numeric import as_float64
from peak_fast.data.options import DEFAULTS, ReadOptions, Stamp
from peak_fast.data.symbols import distinct, one_level, rows_of_symbol
from peak_fast.data.time_columns import find_times, is_temporal
from peak_fast.data.time_values import Times, read_time
from peak_fast.data.time_zones import localise, separate_series
from peak_fast.errors import DataError
from peak_kernels.arrays import FloatArray, IntArray


class Extracted(NamedTuple):
    """Bar columns as they came, unchecked, and what the frame says about them."""

    columns: Columns
    times: Times
    stamp: Stamp
    source: Any
    symbol: str | None
    notes: list[str]
    read_from: Mapping[str, str]
    series: IntArray | None = None
    """Number of the symbol of each row; None: the rows are of one."""


def extract(frame: Any, options: ReadOptions) -> Extracted:
    """Read open, high, low, close, volume and time from a frame.

    Parameters
    ----------
    frame
        See :meth:`peak_fast.data.Bars.from_frame`.
    options
        What the user said.

    Raises
    ------
    DataError
        Not a frame, a missing or ambiguous column, a column of the wrong type, several symbols.
    """
    frame, source = collect(frame)
    frame, chosen = one_level(frame, options.symbol)
    source = source if chosen is None else frame
    notes: list[str] = []
    table = table_of(frame)
    options, said = with_header_form(table.names, options, lambda name: as_float64(table.get(name), name))
    notes += said
    if (options is DEFAULTS or options == DEFAULTS) and chosen is None:
        plain = _plain(table)
        if plain is not None:
            columns, times, read_from = plain
            return Extracted(columns, times, options.stamp, source, None, [], read_from)
    names = Names(table.names, options.columns)
    rows, symbol = rows_of_symbol(table, names, options.symbol, chosen, notes)
    if rows is not None:
        frame, source = take_rows(frame, rows), take_rows(source, rows)
        table = table_of(frame)
    return read_columns(frame, source, table, names, options, notes)._replace(symbol=symbol)


def read_columns(
    frame: Any, source: Any, table: Table, names: Names, options: ReadOptions, notes: list[str],
    series: IntArray | None = None,
) -> Extracted:  # fmt: skip
    """Prices, volume and times of rows whose symbols are settled.

    Parameters
    ----------
    frame, source, table, names
        The frame to read, the frame to keep, and what the first consists of.
    options
        What the user said.
    notes
        What was noticed before.
    series
        Number of the symbol of each row; None: the rows are of one.

    Raises
    ------
    DataError
        A missing or ambiguous column, or one of the wrong type.
    """
    finished = _finished_rows(table, names, notes)
    if finished is not None:
        frame, source = take_rows(frame, finished), take_rows(source, finished)
        table = table_of(frame)
        series = None if series is None else series[finished]
    mixed = "all rows are read as one series" if series is None else "it does not tell assets apart"
    for name in names.of(MIXING_NAMES):
        different = distinct(table.get(name))
        if len(different) > 1:
            listed = ", ".join(map(repr, different[:4])) + (", ..." if len(different) > 4 else "")
            notes.append(f"column {name!r} holds {len(different)} values ({listed}); {mixed}")
    read_from = {role: names.price(role) for role in PRICE_COLUMNS}
    found = [as_float64(table.get(name), role) for role, name in read_from.items()]
    prices = (found[0], found[1], found[2], found[3])
    volume = _volume(table, names, notes, read_from)
    with separate_series(series):
        times = find_times(table, names, options) if prices[0].size else Times(None)
    if times.time_us is not None:
        read_from = {"timestamp": times.label, **read_from}
    _check_lengths(Columns(*prices, volume, times.time_us))
    prices = scaled(prices, options.scale, notes)
    prices = adjusted(
        prices,
        times.time_us,
        names,
        lambda name: as_float64(table.get(name), name),
        options.adjust,
        notes,
        series,
    )
    stamp: Stamp = "open" if times.time_us is None else times.stamp or options.stamp
    if stamp == "close":
        notes.append("times are the closes of the bars (stamp='close')")
    notes = [*names.notes, *times.notes, *notes]
    return Extracted(
        Columns(*prices, volume, times.time_us), times, stamp, source, None, notes, read_from, series
    )


def read(frame: Any, options: ReadOptions) -> tuple[Extracted, Checked]:
    """What `extract` finds, its source in the rows of the bars, and its columns as `check` leaves them."""
    extracted = extract(frame, options)
    times = extracted.times
    # Local times out of order may be the hour that repeats when summer time ends.
    look_at = (lambda time_us: localise(time_us, times.label, None)) if times.local else None
    checked = check(extracted.columns, options.repair, look_at)
    if checked.rows is not None:
        extracted = extracted._replace(source=take_rows(extracted.source, checked.rows))
    return extracted, checked


def _finished_rows(table: Table, names: Names, notes: list[str]) -> IntArray | None:
    """Rows of finished bars where a column marks others, whose close is not yet one; None: all."""
    for name in names.of(FINISHED_NAMES):
        values = table.get(name)
        texts = [
            str(value).strip().lower()
            for value in (values.to_list() if hasattr(values, "to_list") else values)
        ]
        if not set(texts) <= {"true", "false", "1", "0", "1.0", "0.0"}:
            continue
        rows = np.flatnonzero([text in ("true", "1", "1.0") for text in texts]).astype(np.int64)
        if 0 < rows.size < len(texts):
            left = len(texts) - rows.size
            bars = "1 bar is" if left == 1 else f"{left} bars are"
            notes.append(f"{bars} marked as unfinished in column {name!r} and left out")
            return rows
        if not rows.size and texts:
            notes.append(f"column {name!r} marks every bar as unfinished; all are kept")
    return None


def _plain(table: Table) -> tuple[Columns, Times, Mapping[str, str]] | None:
    """Columns and times of a frame whose names leave nothing to decide; None where there is more to look at."""
    found = plain_names(tuple(table.names))
    if found is None or (found.time is None) != (len(table.levels) == 1):
        return None
    if found.time is None:
        label, get = table.levels[0]
        index = get()
        if not is_temporal(index):
            return None
        times = read_time(index, label or "index", DEFAULTS)
    else:
        times = read_time(table.get(found.time), found.time, DEFAULTS)
    prices = [
        as_float64(table.get(name), role) for name, role in zip(found.prices, PRICE_COLUMNS, strict=True)
    ]
    if not prices[0].size:
        return None
    volume = None if found.volume is None else as_float64(table.get(found.volume), "volume")
    columns = Columns(prices[0], prices[1], prices[2], prices[3], volume, times.time_us)
    _check_lengths(columns)
    if times.notes:  # text may leave some, which the longer way keeps
        return None
    index_name = {"timestamp": times.label} if found.time is None else {}
    return columns, times, {**index_name, **found.read_from}


def _volume(table: Table, names: Names, notes: list[str], read_from: dict[str, str]) -> FloatArray | None:
    """The volume, and notes on the columns that could be it as well."""
    found = names.volumes()
    if not found:
        return None
    name, *others = found
    ticks = [other for other in others if fold(other) in TICK_VOLUME]
    values = as_float64(table.get(name), name)
    if ticks and fold(name) not in TICK_VOLUME and not values.any():
        others = [name if other == ticks[0] else other for other in others]
        notes.append(f"volume is {ticks[0]!r}, the number of price changes, because {name!r} is 0 throughout")
        name, values = ticks[0], as_float64(table.get(ticks[0]), ticks[0])
    elif fold(name) in TICK_VOLUME:
        notes.append(f"volume is {name!r}: the number of price changes, not of units traded")
    elif fold(name) != "volume":
        notes.append(f"column {name!r} is read as volume")
    unit = unit_of(name)
    if unit != 1.0:
        values = values * unit
        notes.append(
            f"volume: {name!r} counts {'thousands' if unit == 1e3 else 'millions'}, as its name says; multiplied"
        )
    read_from["volume"] = names.take(name)
    others = [other for other in others if other not in names.used]
    if others:
        listed = ", ".join(repr(other) for other in others)
        notes.append(
            f"volume comes from {name!r}; not used: {listed} (columns={{'volume': ...}} chooses another)"
        )
    return values


def _check_lengths(columns: Columns) -> None:
    expected = columns.open.size
    for name, values in zip(Columns._fields, columns, strict=True):
        if values is not None and values.size != expected:
            raise DataError(
                f"column {name!r} has {values.size} rows, column 'open' has {expected}; expected the same"
            )
