"""Worlds that might have been: the same bars in another order, mirrored or jittered, each from a seed and a number.

Whole bars are moved: open, high, low and close over the last close before, and chained again.  The first bar, the
times, and the places of missing bars stay.  Volume and other columns of numbers go along with their bar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.arguments import whole, wrong
from peak_fast.data import Bars, Panel, moved_bars, moved_panel
from peak_fast.errors import DataError, did_you_mean
from peak_fast.simulation import price_table
from peak_kernels import entries as kernels
from peak_kernels.arrays import FloatArray, IntArray

METHODS = ("permutation", "block", "stationary", "sign")
"""In the order of the kernel's numbers."""
MOST_SEED = 2**63 - 1
_MARK = 4


def checked_seed(seed: Any) -> int:
    """A seed that the kernels take.

    Raises
    ------
    ConfigError
        Not a whole number from 0 to 2**63 - 1.
    """
    return whole("seed", seed, 0, MOST_SEED, "0 is as good as any")


def checked_method(method: Any) -> int:
    """Number of a method.

    Raises
    ------
    ConfigError
        An unknown one.
    """
    if method not in METHODS:
        raise wrong("method", f"one of {', '.join(METHODS)}", method, did_you_mean(str(method), METHODS))
    return METHODS.index(method)


class Order:
    """Which bars may change places, and the order of each world.

    Parameters
    ----------
    groups
        Numbers of bars, ascending; those of a group exchange places among themselves.
    bars
        How many bars there are; those in no group stay.
    method
        One of `METHODS`.
    length
        Length of blocks in bars, their mean for ``"stationary"``.
    seed
        Whole number; a world is a function of it and of the number of the world.
    """

    def __init__(self, groups: Sequence[IntArray], bars: int, method: str, length: float, seed: int) -> None:
        self.method, self.length, self.seed = method, length, seed
        self._code = checked_method(method)
        self._places = np.concatenate([np.empty(0, np.int64), *groups])
        self._bounds = np.cumsum([0, *map(len, groups)]).astype(np.int64)
        self._length = np.array([float(length)])
        self._kept = np.arange(bars, dtype=np.int64)
        self.free = int(sum(len(group) for group in groups if len(group) > 1 or method == "sign"))
        """Bars that may change."""

    def room(self) -> IntArray:
        """Memory for `draw`."""
        return self._kept.copy()

    def draw(self, number: int, out: IntArray) -> IntArray:
        """Whose moves each bar takes in a world; ``-1 - number`` of a bar whose moves are mirrored."""
        kernels.draw_order(self._code, self.seed, number, (self._places, self._bounds), self._length, out)
        return out


def _rows(order: IntArray) -> IntArray:
    """The bars that an order names, mirrored or not."""
    rows: IntArray = np.where(order < 0, -1 - order, order)
    return rows


def moves_of(table: FloatArray, what: str) -> tuple[FloatArray, int]:
    """Moves of bars, float64[n_bars, 4], and the first bar with prices.

    Raises
    ------
    DataError
        No or one bar with prices, or prices that have no ratios.
    """
    known = np.flatnonzero(~np.isnan(table[3]))
    if known.size < 2:
        raise DataError(f"{what}: expected at least two bars with prices; got {known.size}; take more bars")
    low = table[2, known]
    if low.min() <= 0.0:
        bar = int(known[np.argmax(low <= 0.0)])
        raise DataError(
            f"{what}: expected prices above zero, whose ratios are chained; got {table[2, bar]:g} at bar {bar}; "
            "monte_carlo(result) takes the returns of the account instead, and noise_test needs no ratios"
        )
    before = np.append(np.nan, table[_MARK, :-1])
    return np.ascontiguousarray((table[:4] / before).T), int(known[0])


class Permuted:
    """Worlds of the bars of one asset whose order is another.

    Raises
    ------
    DataError
        As of `moves_of`.
    """

    def __init__(self, bars: Bars, method: str, length: float, seed: int) -> None:
        self.data = bars
        self._table = price_table(bars)
        self._moves, self._first = moves_of(self._table, "bars")
        places = np.flatnonzero(~np.isnan(self._table[3]))[1:]
        self.order = Order([places], len(bars), method, length, seed)
        self.notes: list[str] = []

    def room(self) -> IntArray:
        """Memory that a thread keeps for `write`."""
        return self.order.room()

    def write(self, number: int, table: FloatArray, volume: FloatArray | None, room: IntArray) -> None:
        """Prices and volume of a world; both hold those of the real bars, or of another world, before."""
        self.order.draw(number, room)
        kernels.chain_moves(self._moves, room, self._first, table)
        if volume is not None:
            assert self.data.volume is not None
            kernels.take_along(self.data.volume, room, volume)

    def world(self, number: int) -> Bars:
        """The bars of a world, with a frame of the user's kind."""
        room, table = self.room(), self._table[: _MARK + 1].copy()
        volume = None if self.data.volume is None else self.data.volume.copy()
        self.write(number, table, volume, room)
        return moved_bars(self.data, table, volume, _rows(room))


class Jittered:
    """Worlds of the bars of one asset whose prices are moved inside them."""

    def __init__(self, bars: Bars, most: float, seed: int) -> None:
        self.data, self.seed = bars, seed
        self._table, self._most = price_table(bars), np.array([most])
        self.notes: list[str] = []

    def room(self) -> None:
        """Nothing is kept."""

    def write(self, number: int, table: FloatArray, volume: FloatArray | None, room: None) -> None:
        """Prices of a world; volume stays."""
        kernels.jitter(self._table, self._most, self.seed, number, table)

    def world(self, number: int) -> Bars:
        """The bars of a world."""
        table = self._table[: _MARK + 1].copy()
        self.write(number, table, None, None)
        volume = None if self.data.volume is None else self.data.volume.copy()
        return moved_bars(self.data, table, volume)


class PermutedPanel:
    """Worlds of a panel: the same dates change places for all assets.

    Dates on which the same assets have prices exchange places, so that each asset keeps its bars where they are and
    assets stay side by side.
    """

    def __init__(self, panel: Panel, method: str, length: float, seed: int) -> None:
        self.data = panel
        self._tables = [_asset_table(panel, asset) for asset in range(panel.n_assets)]
        named = zip(self._tables, panel.symbols, strict=True)
        self._moves = {
            asset: moves_of(table, f"asset {symbol!r}")
            for asset, (table, symbol) in enumerate(named)
            if np.count_nonzero(~np.isnan(table[3])) > 1
        }
        groups = _groups(panel, {asset: first for asset, (_, first) in self._moves.items()})
        self.order = Order(groups, len(panel), method, length, seed)
        self.notes = _panel_notes(self.order, len(panel), len(groups))

    def world(self, number: int) -> Panel:
        """The panel of a world."""
        order = self.order.draw(number, self.order.room())
        prices = np.array(self.data.prices)
        for asset, (moves, first) in self._moves.items():
            table = self._tables[asset].copy()
            kernels.chain_moves(moves, order, first, table)
            prices[:4, asset] = table[:4]
        rows = _rows(order)
        if len(prices) > 4:
            prices[4:] = self.data.prices[4:, :, rows]
        return moved_panel(self.data, prices, rows)


class JitteredPanel:
    """Worlds of a panel whose prices are moved inside the bars, each asset by itself."""

    def __init__(self, panel: Panel, most: float, seed: int) -> None:
        self.data, self.seed, self._most = panel, seed, np.array([most])
        self.notes: list[str] = []

    def world(self, number: int) -> Panel:
        """The panel of a world."""
        prices = np.array(self.data.prices)
        assets = self.data.n_assets
        for asset in range(assets):
            table = _asset_table(self.data, asset)
            kernels.jitter(table.copy(), self._most, self.seed, number * assets + asset, table)
            prices[:4, asset] = table[:4]
        return moved_panel(self.data, prices)


def _asset_table(panel: Panel, asset: int) -> FloatArray:
    """Open, high, low, close and last known close of one asset: float64[5, n_bars]."""
    table = np.empty((_MARK + 1, len(panel)))
    table[:4] = panel.prices[:4, asset]
    rows = np.where(np.isnan(table[3]), 0, np.arange(len(panel)))
    table[_MARK] = table[3, np.maximum.accumulate(rows)]
    return table


def _groups(panel: Panel, firsts: Mapping[int, int]) -> list[IntArray]:
    """Bars at which the same assets have prices, and none its first; what has one price is no part of it."""
    state = (~np.isnan(panel.close)).astype(np.int8)
    state[list(firsts), list(firsts.values())] = 2
    state = state[list(firsts)]
    free = (state != 2).all(axis=0) & (state != 0).any(axis=0)
    at = np.flatnonzero(free)
    if not at.size:
        return []
    _, number = np.unique(state[:, at], axis=1, return_inverse=True)
    return [at[number.reshape(-1) == k] for k in range(int(number.max()) + 1)]


def _panel_notes(order: Order, bars: int, groups: int) -> list[str]:
    if groups == 1:
        return []
    said = f"{order.free:,} of {bars:,} dates change places, within {groups:,} groups of dates on which the same assets"
    return [f"{said} have prices"]


def maker_of(data: Bars | Panel, method: str, length: float, seed: int) -> Any:
    """What makes the permuted worlds of bars or of a panel."""
    return (Permuted if isinstance(data, Bars) else PermutedPanel)(data, method, length, seed)  # type: ignore[arg-type]


def jitter_of(data: Bars | Panel, most: float, seed: int) -> Any:
    """What makes the jittered worlds of bars or of a panel."""
    return (Jittered if isinstance(data, Bars) else JitteredPanel)(data, most, seed)  # type: ignore[arg-type]
