"""Target weights of a panel's assets: wide and long frames, put at the bars and the assets of the panel.

A row says what is decided at the close of its bar.  Only bars at which something is decided have one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from peak_fast.arguments import wrong
from peak_fast.data.columns import numbers_of
from peak_fast.data.frames import collect, table_of
from peak_fast.data.kinds import package_of
from peak_fast.data.matching import check_zone, read_times, shown_time
from peak_fast.data.names import SYMBOL_NAMES, Names
from peak_fast.data.options import DEFAULTS
from peak_fast.data.panel_rows import numbered
from peak_fast.data.time_columns import find_times
from peak_fast.errors import DataError, did_you_mean
from peak_kernels.arrays import FloatArray, IntArray

WHAT = "the weights"
WEIGHT_NAMES = ("weight", "weights", "targetweight", "target", "targetpercent", "w", "allocation", "share")
_SHOWN = 4


class Targeted(Protocol):
    """What weights are put at; a panel."""

    symbols: tuple[str, ...]
    time_us: IntArray
    has_time: bool
    time_zone: str | None


def weight_rows(frame: Any, panel: Targeted, notes: list[str]) -> tuple[IntArray, FloatArray]:
    """Deciding bars, and weights float64[row, asset] of a wide or a long frame; NaN: leave alone.

    Parameters
    ----------
    frame
        Wide: times as index or column, and a column of weights for each asset.  Long: columns (or index levels) of
        times, symbols and weights; an asset that a date does not name has the weight 0 there.
    notes
        Gets a sentence for what was understood or passed over.

    Raises
    ------
    DataError
        No times, a time that is no bar, an unknown asset, a row or an asset twice, a weight that is no number.
    """
    frame = collect(frame)[0]
    _check_columns(frame)
    read = _wide_at_once(frame)
    if read is None:
        table = table_of(frame)
        names = Names(table.names, {})
        times = find_times(table, names, DEFAULTS)
        if times.time_us is None:
            raise DataError(
                f"{WHAT}: expected a column of times, or an index of them, to say which bars they are decided at; "
                f"got the columns {table.names[:_SHOWN]}"
            )
        notes.extend(times.notes)
        symbols = _symbols_of(table, names)
        if symbols is not None:
            return _long(table, names, symbols, times, panel, notes)
        labels = names.unused()
        values = [_weights_of(table.get(name), f"{WHAT}[{name!r}]", times.time_us.size) for name in labels]
        read = times.time_us, times.zone, labels, np.array(values).T
    time_us, zone, labels, weights = read
    if not labels:
        raise DataError(f"{WHAT}: expected a column for each asset; got times alone")
    order = _bars_of(time_us, zone, panel, notes)
    return _at_assets(order, labels, weights, panel, notes)


def _check_columns(frame: Any) -> None:
    """Refuse a dict whose values are no columns."""
    for name in frame if isinstance(frame, Mapping) else ():
        if isinstance(frame[name], str | bytes | Mapping) or not np.ndim(
            np.asarray(frame[name], dtype=object)
        ):
            raise wrong(
                f"{WHAT}[{name!r}]",
                "a column, such as a list",
                frame[name],
                "give a row for each time",
                DataError,
            )


def _weights_of(values: Any, what: str, rows: int) -> FloatArray:
    """A column of weights, of which there is one for each time."""
    weights, boolean = numbers_of(values, what)
    if boolean:
        raise DataError(
            f"{what}: expected weights; got truth values; say the weight, such as 0.5 where it is True"
        )
    if weights.shape != (rows,):
        raise DataError(f"{what}: expected one weight for each of {rows} times; got shape {weights.shape}")
    return weights


def _wide_at_once(frame: Any) -> tuple[IntArray, str | None, list[str], FloatArray] | None:
    """Times, zone, names and values of a wide frame of numbers whose times nobody can mistake; None: look closer."""
    package = package_of(frame)
    if package == "polars":
        if frame.width < 3:
            return None
        if frame.width == 3 and (blocks := _long_at_once(frame)) is not None:
            return blocks
        first = frame.to_series(0)
        if first.dtype.base_type().__name__ not in ("Datetime", "Date"):
            return None
        if not all(frame.to_series(place).dtype.is_float() for place in (1, frame.width - 1)):
            return None
        rest = frame.clone()
        # Without a plan of the query engine, which takes longer than the whole portfolio.
        rest.drop_in_place(first.name)
        values = rest.to_numpy()
        if values.dtype.kind != "f":
            return None
        times, zone = read_times(first, WHAT, DataError)
        return times, zone, rest.columns, values
    if package == "pandas" and type(frame.index).__name__ == "DatetimeIndex" and frame.columns.nlevels == 1:
        if len(frame.columns) == 1:
            return None
        values = frame.to_numpy()
        if values.dtype.kind != "f":
            return None
        times, zone = read_times(frame.index, WHAT, DataError)
        return times, zone, list(map(str, frame.columns.tolist())), values
    return None


def _long_at_once(frame: Any) -> tuple[IntArray, str | None, list[str], FloatArray] | None:
    """The same of a long frame, whose dates name the same symbols in the same sequence; None: look closer."""
    names = Names(frame.columns, {}).of(SYMBOL_NAMES)
    timed = [name for name in frame.columns if frame[name].dtype.base_type().__name__ in ("Datetime", "Date")]
    values = [name for name in frame.columns if frame[name].dtype.is_float()]
    if len(names) != 1 or len(timed) != 1 or len(values) != 1 or frame.height == 0:
        return None
    symbols, weights = frame[names[0]], frame[values[0]]
    times, zone = read_times(frame[timed[0]], WHAT, DataError)
    breaks = np.flatnonzero(times[1:] != times[:-1]) + 1
    size = int(breaks[0]) if breaks.size else frame.height
    even = breaks.size == frame.height // size - 1 and bool((breaks % size == 0).all())
    if (
        not even
        or frame.height % size
        or symbols.null_count()
        or symbols.dtype.base_type().__name__ != "String"
    ):
        return None
    if not (symbols.slice(size) == symbols.slice(0, frame.height - size)).all():
        return None
    table = numbers_of(weights, WHAT)[0].reshape(-1, size)
    return times[::size], zone, symbols.head(size).to_list(), table


def _symbols_of(table: Any, names: Names) -> Any:
    """The column or index level of symbols; None: there is none, so the frame is wide."""
    found = names.of(SYMBOL_NAMES)
    if found:
        return table.get(names.take(found[0]))
    for level, get in table.levels:
        if level is not None and Names([level], {}).of(SYMBOL_NAMES):
            return get()
    return None


def _bars_of(
    time_us: IntArray, zone: str | None, panel: Targeted, notes: list[str]
) -> tuple[IntArray, IntArray]:
    """Rows that belong to bars, in their order, and these bars.

    Raises
    ------
    DataError
        A time between the bars, or twice; none is a bar.
    """
    if not panel.has_time:
        raise DataError(
            f"{WHAT}: the bars have no times to find theirs among; expected an array, bars=... by number"
        )
    check_zone(zone, panel.time_zone, WHAT)
    order: Any = np.argsort(time_us, kind="stable")
    ordered = time_us[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    if again.size:
        raise DataError(
            f"{WHAT}: the time {shown_time(ordered[again[0]])} stands there more than once; expected one row a bar; "
            "drop the duplicates"
        )
    own = panel.time_us
    at = np.searchsorted(own, ordered)
    inside = (ordered >= own[0]) & (ordered <= own[-1])
    fits = inside & (own[np.minimum(at, own.size - 1)] == ordered)
    stray = np.flatnonzero(inside & ~fits)
    if stray.size:
        first = stray[0]
        raise DataError(
            f"{WHAT}: {stray.size} of {time_us.size} times are no bars, the first {shown_time(ordered[first])} (bars "
            f"around it: {shown_time(own[at[first] - 1])} and {shown_time(own[at[first]])}); expected times of bars: "
            "move each to the bar that decides, for example the last one not behind it (join_asof, merge_asof)"
        )
    if not fits.any():
        raise DataError(
            f"{WHAT}: no time is a bar; they run from {shown_time(ordered[0])} to {shown_time(ordered[-1])}, the bars "
            f"from {shown_time(own[0])} to {shown_time(own[-1])}"
            if ordered.size
            else f"{WHAT}: expected at least one row; got none"
        )
    if not fits.all():
        notes.append(
            f"{WHAT}: {int((~fits).sum())} of {fits.size} rows passed over, before the first or behind the last bar"
        )
    return order[fits], at[fits]


def _at_assets(
    order: tuple[IntArray, IntArray],
    labels: Sequence[str],
    weights: FloatArray,
    panel: Targeted,
    notes: list[str],
) -> tuple[IntArray, FloatArray]:
    """Weights in the order of bars and assets; assets without a column are not held."""
    rows, bars = order
    if tuple(labels) == panel.symbols:
        in_order = rows.size == len(weights) and bool((rows[1:] > rows[:-1]).all())
        return bars, np.array(weights if in_order else weights[rows], dtype=np.float64, order="C")
    _known(labels, panel)
    place = {symbol: number for number, symbol in enumerate(panel.symbols)}
    given = set(labels)
    absent = [symbol for symbol in panel.symbols if symbol not in given]
    if absent:
        notes.append(
            f"{WHAT}: {len(absent)} of {len(panel.symbols)} assets have no column and are not held, the first "
            f"{absent[0]!r}"
        )
    out = np.zeros((bars.size, len(panel.symbols)))
    out[:, [place[label] for label in labels]] = weights[rows]
    return bars, out


def _known(labels: Sequence[str], panel: Targeted) -> None:
    """Refuse names that are no assets, and assets that are named twice."""
    unknown = [label for label in dict.fromkeys(labels) if label not in panel.symbols]
    if unknown:
        raise DataError(
            f"{WHAT}: {len(unknown)} names are no assets of the panel, the first {unknown[0]!r}; "
            f"{did_you_mean(unknown[0], panel.symbols)}; drop them, or add their prices"
        )
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if list(labels).count(label) > 1)
        raise DataError(f"{WHAT}: the asset {twice!r} has more than one column; expected one")


def _long(
    table: Any, names: Names, symbols: Any, times: Any, panel: Targeted, notes: list[str]
) -> tuple[IntArray, FloatArray]:
    """Weights of a long frame."""
    found = names.of(WEIGHT_NAMES) or names.unused()
    if len(found) != 1:
        raise DataError(
            f"{WHAT}: expected one column of weights beside times and symbols; got {found or table.names}"
        )
    values = _weights_of(table.get(names.take(found[0])), f"{WHAT}[{found[0]!r}]", times.time_us.size)
    series, listed = numbered(symbols)
    if (series < 0).any():
        raise DataError(f"{WHAT}: row {int(np.argmax(series < 0))} names no symbol; expected one in each row")
    _known(listed, panel)
    different, row = _by_time(times.time_us)
    kept, bars = _bars_of(different, times.zone, panel, notes)
    place = np.full(different.size, -1)
    place[kept] = np.arange(kept.size)
    number = {symbol: at for at, symbol in enumerate(panel.symbols)}
    asset = np.array([number[symbol] for symbol in listed], dtype=np.int64)[series]
    cell = row * len(panel.symbols) + asset
    counted = np.bincount(cell, minlength=different.size * len(panel.symbols))
    if (counted > 1).any():
        where = int(np.argmax(counted > 1))
        when, who = divmod(where, len(panel.symbols))
        raise DataError(
            f"{WHAT}: {panel.symbols[who]!r} has more than one row at {shown_time(different[when])}; expected one; "
            "drop the duplicates"
        )
    out = np.zeros((kept.size, len(panel.symbols)))
    inside = place[row] >= 0
    out[place[row[inside]], asset[inside]] = values[inside]
    present = counted.reshape(different.size, -1)[kept] > 0
    absent = int((~present[:, np.unique(asset)]).any(axis=1).sum())
    if absent:
        notes.append(
            f"{WHAT}: {absent} of {kept.size} dates do not name every asset of the frame; those not named have the "
            "weight 0 there (a missing weight leaves an asset alone)"
        )
    return bars, out


def _by_time(time_us: IntArray) -> tuple[IntArray, IntArray]:
    """Different times in their order, and the number of each row's time."""
    steps = np.diff(time_us)
    if (steps >= 0).all():
        starts = np.flatnonzero(steps) + 1
        different = time_us[np.concatenate([[0], starts])]
        return different, np.repeat(
            np.arange(different.size), np.diff(np.concatenate([[0], starts, [time_us.size]]))
        )
    different, row = np.unique(time_us, return_inverse=True)
    return different, row.reshape(-1)
