"""Worlds that might have been: the bars of a market in another order, mirrored, or jittered.

An order says for each bar whose moves it takes: the number of that bar, or ``-1 - number`` for its moves mirrored.
Moves are open, high, low and close over the last close before; chained, they are prices again.

Reads moves, prices and a seed; writes an order, or a table of prices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.validation.draws import after, begin, below, fraction, mixed

PERMUTATION, BLOCK, STATIONARY, SIGN = range(4)


@jit(inline=True)
def _permuted(state: Any, places: IntArray, order: IntArray) -> Any:
    """Each order of the places is as likely as another (Durstenfeld 1964, inside out)."""
    for k in range(places.size):
        state, other = below(state, k + 1)
        order[places[k]] = order[places[other]]
        order[places[other]] = places[k]
    return state


@jit(inline=True)
def _in_blocks(state: Any, places: IntArray, length: int, order: IntArray) -> Any:
    """Blocks of one length from anywhere on the circle (Politis and Romano 1992)."""
    count = places.size
    source: Any = np.int64(0)
    for k in range(count):
        if k % length == 0:
            state, source = below(state, count)
        order[places[k]] = places[source]
        source = source + 1 if source + 1 < count else 0
    return state


@jit(inline=True)
def _in_random_blocks(state: Any, places: IntArray, mean: float, order: IntArray) -> Any:
    """Blocks whose lengths are geometric (Politis and Romano 1994)."""
    count = places.size
    source: Any = np.int64(0)
    for k in range(count):
        state = after(state)
        if k == 0 or fraction(mixed(state)) * mean < 1.0:
            state, source = below(state, count)
        order[places[k]] = places[source]
        source = source + 1 if source + 1 < count else 0
    return state


@jit(inline=True)
def _mirrored(state: Any, places: IntArray, order: IntArray) -> Any:
    """Each place mirrored or not, with equal chances."""
    for k in range(places.size):
        state = after(state)
        place = places[k]
        order[place] = -1 - place if fraction(mixed(state)) < 0.5 else place
    return state


@jit(inline=True)
def draw_order(
    method: int, seed: int, number: int, places: IntArray, bounds: IntArray, length: float, order: IntArray
) -> None:
    """Order of the bars of one world.

    Parameters
    ----------
    places, bounds
        Bars that may change places, group after group: only those between two neighbouring bounds exchange theirs.
    length
        Of blocks, in bars; their mean for STATIONARY.
    order
        Output, int64[n_bars]; bars outside the groups keep their own number, which must stand there.
    """
    state = begin(seed, number)
    for group in range(bounds.size - 1):
        mine = places[bounds[group] : bounds[group + 1]]
        if method == PERMUTATION:
            state = _permuted(state, mine, order)
        elif method == BLOCK:
            state = _in_blocks(state, mine, int(length), order)
        elif method == STATIONARY:
            state = _in_random_blocks(state, mine, length, order)
        else:
            state = _mirrored(state, mine, order)


@jit(inline=True)
def chain_moves(moves: FloatArray, order: IntArray, first: int, table: FloatArray) -> None:
    """Prices of a world from the moves of its bars.

    Parameters
    ----------
    moves
        float64[n_bars, 4]: open, high, low, close over the last close before; NaN where a bar is missing.
    first
        The first bar with prices; it and the missing ones before it stay as they stand in ``table``.
    table
        float64[MARK + 1 or more, n_bars]: open, high, low, close, last known close.
    """
    level = table[t.MARK, first]
    for bar in range(first + 1, order.size):
        source = order[bar]
        if source >= 0:
            start, top, bottom, finish = (
                moves[source, 0],
                moves[source, 1],
                moves[source, 2],
                moves[source, 3],
            )
        else:
            source = -1 - source
            start, finish = 1.0 / moves[source, 0], 1.0 / moves[source, 3]
            top, bottom = 1.0 / moves[source, 2], 1.0 / moves[source, 1]
        table[t.OPEN, bar] = level * start
        table[t.HIGH, bar] = level * top
        table[t.LOW, bar] = level * bottom
        table[t.CLOSE, bar] = level * finish
        if finish == finish:
            level = level * finish
        table[t.MARK, bar] = level


@jit(inline=True)
def take_along(values: FloatArray, order: IntArray, out: FloatArray) -> None:
    """Values that belong to bars, such as volume, in the order of a world."""
    for bar in range(values.size):
        source = order[bar]
        out[bar] = values[source if source >= 0 else -1 - source]


@jit(inline=True)
def _between(low: float, high: float, share: float) -> float:
    """The place of a share between two prices, never beyond them."""
    place = low + share * (high - low)
    return low if place < low else high if place > high else place


@jit(inline=True)
def _larger(a: float, b: float) -> float:
    return a if a > b else b


@jit(inline=True)
def _smaller(a: float, b: float) -> float:
    return a if a < b else b


@jit(inline=True)
def jitter(real: FloatArray, most: float, seed: int, number: int, table: FloatArray) -> None:
    """Bars whose prices are moved inside them, by at most ``most`` times the range of each.

    Open and close: anywhere inside the bar that is not farther.  High and low: nearer to each other by as much, but
    not beyond the new open and close.
    """
    state = begin(seed, number)
    for bar in range(real.shape[1]):
        high, low = real[t.HIGH, bar], real[t.LOW, bar]
        reach = most * (high - low)
        for row in (t.OPEN, t.CLOSE):
            state = after(state)
            value = real[row, bar]
            share = fraction(mixed(state))
            table[row, bar] = _between(_larger(low, value - reach), _smaller(high, value + reach), share)
        opened, closed = table[t.OPEN, bar], table[t.CLOSE, bar]
        state = after(state)
        table[t.HIGH, bar] = _between(
            _larger(_larger(opened, closed), high - reach), high, fraction(mixed(state))
        )
        state = after(state)
        table[t.LOW, bar] = _between(
            low, _smaller(_smaller(opened, closed), low + reach), fraction(mixed(state))
        )
        table[t.MARK, bar] = real[t.MARK, bar] if closed != closed else closed
