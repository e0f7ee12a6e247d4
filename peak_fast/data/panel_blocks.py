"""Rows of several assets in one block of memory: which bar and asset each row belongs to.

A block is float64[field, asset, bar]: open, high, low, close and, where there is one, volume.  The bars of a panel are
the times of all its assets, or those that all of them have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.arrays import read_only
from peak_fast.errors import DataError
from peak_kernels.arrays import FloatArray, IntArray

Align = Literal["union", "intersection"]


class Piece(NamedTuple):
    """Bars of one asset: open, high, low, close, volume (None: unknown), and strictly rising times."""

    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    volume: FloatArray | None
    time_us: IntArray


class Block(NamedTuple):
    """Prices of all assets, float64[field, asset, bar], and the times of the bars."""

    prices: NDArray[np.float64]
    time_us: IntArray


def block_of_pieces(pieces: Sequence[Piece], align: Align) -> Block:
    """Bars of several assets side by side; NaN where an asset has no bar.

    Raises
    ------
    DataError
        ``align="intersection"`` and no time that all assets have.
    """
    times = _common(pieces) if align == "intersection" else union_of([piece.time_us for piece in pieces])
    fields = 4 + any(piece.volume is not None for piece in pieces)
    prices = np.empty((fields, len(pieces), times.size))
    for asset, piece in enumerate(pieces):
        columns: list[Any] = [*piece.prices, piece.volume][:fields]
        if piece.time_us.size == times.size and np.array_equal(piece.time_us, times):
            for field, values in enumerate(columns):
                prices[field, asset] = np.nan if values is None else values
            continue
        at, inside = found_in(times, piece.time_us)
        prices[:, asset] = np.nan
        for field, values in enumerate(columns):
            if values is not None:
                prices[field, asset, at] = values[inside]
    return Block(prices, times)


def found_in(times: IntArray, own: IntArray) -> tuple[IntArray, Any]:
    """Places among rising times of those that are there, and which they are."""
    at = np.minimum(np.searchsorted(times, own), times.size - 1)
    inside = times[at] == own
    return (at, slice(None)) if inside.all() else (at[inside], inside)


def union_of(times: Sequence[IntArray]) -> IntArray:
    """All times of several strictly rising arrays, each once; cheap where most of them are the same."""
    known = max(times, key=lambda array: array.size)
    missing = []
    for array in times:
        if array.size == known.size and (array is known or np.array_equal(array, known)):
            continue
        at = np.minimum(np.searchsorted(known, array), known.size - 1)
        new = array[known[at] != array]
        if new.size:
            missing.append(new)
    if not missing:
        return known
    union: IntArray = np.unique(np.concatenate([known, *missing]))
    return union


def _common(pieces: Sequence[Piece]) -> IntArray:
    common = pieces[0].time_us
    for piece in pieces[1:]:
        if not np.array_equal(common, piece.time_us):
            common = np.intersect1d(common, piece.time_us, assume_unique=True)
    if not common.size:
        raise DataError(
            "align='intersection': there is no time at which every asset has a bar; pass align='union', or leave out "
            "the assets that do not overlap"
        )
    return common


class Places(NamedTuple):
    """Where the rows of a long frame go.

    ``cells`` are asset * bars + bar of each row; None: the rows are the cells, in order.
    """

    cells: IntArray | None
    assets: int
    time_us: IntArray


def places_of(series: IntArray, assets: int, time_us: IntArray) -> Places | None:
    """Cells of rows in order of symbol and time, or of time alone; None: in another order, or a time repeats.

    Parameters
    ----------
    series
        int64[rows], number of the asset of each row.
    assets
        Number of assets, each with at least one row.
    time_us
        int64[rows], microseconds UTC.
    """
    later = time_us[1:] > time_us[:-1]
    other = series[1:] != series[:-1]
    starts = np.append(0, np.flatnonzero(other) + 1)
    if starts.size == assets:
        return _by_symbol(series, starts, time_us) if (later | other).all() else None
    if not (time_us[1:] >= time_us[:-1]).all():
        return None
    steps = np.empty(time_us.size, dtype=np.int64)
    steps[0] = 0
    np.cumsum(later, out=steps[1:])
    bars = int(steps[-1]) + 1
    cells = series * bars
    cells += steps
    filled = np.zeros(assets * bars, dtype=bool)
    filled[cells] = True
    if np.count_nonzero(filled) < cells.size:
        return None
    times: IntArray = time_us[np.append(0, np.flatnonzero(later) + 1)]
    return Places(cells, assets, times)


def _by_symbol(series: IntArray, starts: IntArray, time_us: IntArray) -> Places:
    """Places of rows that are together by symbol, rising in time within each."""
    stops = np.append(starts[1:], time_us.size)
    runs = [time_us[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    times = union_of(runs)
    owners = series[starts]
    in_order = bool((owners[1:] > owners[:-1]).all())
    if in_order and time_us.size == starts.size * times.size:
        return Places(None, starts.size, times)
    cells = np.empty(time_us.size, dtype=np.int64)
    for start, stop, owner, run in zip(starts.tolist(), stops.tolist(), owners.tolist(), runs, strict=True):
        np.add(np.searchsorted(times, run), owner * times.size, out=cells[start:stop])
    return Places(cells, starts.size, times)


def scattered(values: FloatArray, places: Places, out: FloatArray) -> None:
    """Write one value a row into its cell of float64[asset, bar]; NaN where no row belongs."""
    flat = out.reshape(-1)
    if places.cells is None:
        flat[:] = values
        return
    if values.size < flat.size:
        flat.fill(np.nan)
    flat[places.cells] = values


def first_and_last(values: FloatArray) -> tuple[IntArray, IntArray]:
    """First bar with a value, and the one behind the last, of each row; where there is none, all bars and 0."""
    there = ~np.isnan(values)
    some, bars = there.any(axis=1), values.shape[1]
    first = np.where(some, there.argmax(axis=1), bars).astype(np.int64)
    last = np.where(some, bars - there[:, ::-1].argmax(axis=1), 0).astype(np.int64)
    return read_only(first), read_only(last)
