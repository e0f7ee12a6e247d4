"""What the next orders will read, asked of memory while the present ones trade; who a row of weights is about.

Prices of one bar lie far from one another, one asset's row behind the other's, so each is a wait of its own.  Asked for
a row of weights ahead they are there when they are needed.  No number depends on it.

Reads prices and weights; writes nothing.
"""

from __future__ import annotations

from typing import Any

from peak_kernels import portfolio_slots as p
from peak_kernels import simd
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

# Bars of a stretch that are asked for; what lies behind them comes by itself, as it is read in sequence.
FETCHED = 32
# Numbers of a line of memory.
LINE = 8


@jit(inline=True)
def fetch_asset(prices: FloatArray, asset: int, fields: tuple[int, int], bar: int, stop: int) -> None:
    """Ask for the fill's price of an asset, and for its marks from there on; ``fields`` of the two."""
    simd.fetch(prices, fields[0], asset, bar)
    for at in range(bar, min(stop, bar + FETCHED), LINE):
        simd.fetch(prices, fields[1], asset, at)


@jit(inline=True)
def fetch_row(prices: FloatArray, row: FloatArray, fields: tuple[int, int], bar: int, stop: int) -> None:
    """Ask for what a row of weights that fills at ``bar`` will read, up to the next one's fill at ``stop``."""
    whole = row.size // simd.BLOCK * simd.BLOCK
    for start in range(0, whole, simd.BLOCK):
        word = simd.nonzero_mask(row, start)
        while word != simd.no_bits():
            place = simd.trailing_zeros(word)
            word &= simd.bits_above(place)
            fetch_asset(prices, start + place, fields, bar, stop)
    for asset in range(whole, row.size):
        if row[asset] != 0.0:
            fetch_asset(prices, asset, fields, bar, stop)


@jit(inline=True)
def fetch_ahead(
    prices: FloatArray,
    decisions: tuple[IntArray, IntArray, FloatArray],
    desk: Any,
    fields: tuple[int, int],
    k: int,
    delay: int,
) -> None:
    """Ask for what row ``k`` will read: of the assets that it is about, and of those that the row before it is."""
    rows, picks, weights = decisions
    bars = prices.shape[2]
    if k >= rows.size or rows[k] + delay >= bars:
        return
    bar: Any = rows[k] + delay
    stop: Any = bars
    if k + 1 < rows.size:
        stop = min(stop, rows[k + 1] + delay)
    lists, counts = desk[4], desk[5]
    for place in range(counts[p.N_ASKED]):
        simd.fetch(prices, fields[0], lists[p.ASKED, place], bar)
    fetch_row(prices, weights[picks[k]], fields, bar, stop)
