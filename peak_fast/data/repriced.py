"""The same bars at other prices, for worlds that might have been: the user's frame goes along."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data.arrays import read_only
from peak_fast.data.bars import Bars
from peak_fast.data.checks import PRICE_COLUMNS
from peak_fast.data.frames import to_polars
from peak_fast.data.kinds import package_of
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data.panel import Panel

_NUMBERS = "biuf"


def bars_over(bars: Bars, table: FloatArray, volume: FloatArray | None, source: Any = None) -> Bars:
    """Bars whose prices are the rows of a table: open, high, low, close, last known close.

    They share its memory, so whoever writes there changes them; then nothing derived from them may be kept.
    """
    made = Bars(
        (table[0], table[1], table[2], table[3]), volume, bars.time_us, name=bars.name, time_zone=bars.time_zone,
        source=source, n_invalid=bars.n_invalid, notes=bars.notes, stamp=bars.stamp,
    )  # fmt: skip
    known: dict[str, Any] = {
        "_remarks": (), "has_time": bars.has_time, "_turned": bars._turned, "_mark": read_only(table[4]),
        "_periods_per_year": bars.periods_per_year, "_n_not_positive": bars.n_not_positive,
        "_read_from": bars._read_from,
    }  # fmt: skip
    for slot, value in known.items():
        object.__setattr__(made, slot, value)
    return made


def moved_bars(
    bars: Bars, table: FloatArray, volume: FloatArray | None, rows: IntArray | None = None
) -> Bars:
    """Bars at other prices and the same times, with a frame of the kind that the user's was.

    Parameters
    ----------
    table
        As of `bars_over`; it must not be written to any more.
    rows
        Where each bar's other columns of numbers come from; None: they stay.  Columns of times and of text stay.
    """
    source = ... if bars._source is ... else bars.source
    if source is None or source is ...:
        return bars_over(bars, table, volume, source)
    prices = dict(zip(PRICE_COLUMNS, table[:4], strict=True))
    new = {bars._read_from[role]: values for role, values in prices.items() if role in bars._read_from}
    if volume is not None and "volume" in bars._read_from:
        new[bars._read_from["volume"]] = volume
    times = bars._read_from.get("timestamp", "").split(" + ")
    return bars_over(bars, table, volume, _moved(source, rows, times, new))


def _moved(source: Any, rows: IntArray | None, times: list[str], new: Mapping[str, FloatArray]) -> Any:
    """The user's frame with new columns, the other numbers taken from other rows."""

    def column(name: Any, values: Any) -> Any:
        """Values of one column; None: as they are."""
        if str(name) in new:
            return new[str(name)].copy()
        if rows is None or str(name) in times:
            return None
        plain = np.asarray(values)
        return plain[rows] if plain.dtype.kind in _NUMBERS else None

    if isinstance(source, Mapping):
        found = {name: column(name, values) for name, values in source.items()}
        return {name: source[name] if values is None else values for name, values in found.items()}
    package = package_of(source)
    if package == "pandas":
        moved = source.copy()
        for place, name in enumerate(source.columns):
            values = column(name, source.iloc[:, place])
            if values is not None:
                moved.isetitem(place, values)
        return moved
    if package == "numpy":
        moved = source.copy()
        for name in source.dtype.names:
            values = column(name, source[name])
            moved[name] = source[name] if values is None else values
        return moved
    return _moved_polars(source, column)


def _moved_polars(source: Any, column: Any) -> Any:
    """As `_moved`, of a frame of Polars, or of any other as one of Polars."""
    import polars as pl

    lazy = type(source).__name__ == "LazyFrame"
    frame = (
        source.collect() if lazy else source if type(source).__name__ == "DataFrame" else to_polars(source)
    )
    plain = {name: frame[name] for name in frame.columns if not frame[name].dtype.is_temporal()}
    found = {name: column(name, values.to_numpy()) for name, values in plain.items()}
    moved = frame.with_columns(
        [pl.Series(name, values) for name, values in found.items() if values is not None]
    )
    return moved.lazy() if lazy else moved


def moved_panel(panel: Panel, prices: Any, rows: IntArray | None = None) -> Panel:
    """The panel at other prices and the same times; own columns are taken from other bars, as in `moved_bars`.

    Parameters
    ----------
    prices
        float64[field, asset, bar], as ``panel.prices``.
    """
    from peak_fast.data.panel_reading import OwnPart

    moved = copy.copy(panel)
    own = panel._own
    known: dict[str, Any] = {
        "prices": read_only(prices), "_notes": panel.notes, "_remarks": (), "memo": {}, "_hash": None,
        "_listed": None, "_periods_per_year": panel.periods_per_year,
        "_own": own if own is None or rows is None else OwnPart(own, slice(None), rows),
    }  # fmt: skip
    for slot, value in known.items():
        object.__setattr__(moved, slot, value)
    return moved
