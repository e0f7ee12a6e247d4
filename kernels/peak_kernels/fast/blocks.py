"""Sums of returns by block of time: folded while a run goes on, or from its curve.

There are S blocks of ``bars // S`` bars; the ``bars % S`` behind the last one belong to none.  The return of a bar, its
equity over that of the bar before, belongs to the block of this bar; before the first bar there is the initial cash.

A stretch within a block adds its sums to those of the block.  One that crosses an edge keeps sums of the block beside
those of the stretch, so that the sums over all bars have the bits that they have without blocks.

Reads the closes and what the account holds, or a curve; writes sums of returns and of their squares.
"""

from __future__ import annotations

from peak_kernels import money, simd
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.fast.lanes import fold_across

# What a run keeps: bars of a block, the block of the next bar, the first bar behind it.
LENGTH, BLOCK, EDGE = range(3)
N_PLACES = 3
_NEVER = 1 << 62
# Share of the squares of a stretch below which the difference of two of its sums is not exact enough.
_SMALL = 1e-3

Cuts = tuple[FloatArray, IntArray]
"""Sums, float64[4, S + 1], the last column for bars of no block, the last two rows for parts of a stretch; and places,
int64[N_PLACES].
"""
Sums = tuple[float, float, float, float, float]
"""See `simd.fold_equity`."""


@jit(inline=True)
def begin_blocks(cuts: Cuts, bars: int) -> None:
    """Before a run: no sums, the first block."""
    sums, places = cuts[0], cuts[1]
    sums[:2, :] = 0.0
    places[LENGTH] = bars // (sums.shape[1] - 1)
    places[BLOCK] = 0
    places[EDGE] = places[LENGTH]


@jit(inline=True)
def _reach(cuts: Cuts, bar: int) -> None:
    """Go on to the block of a bar."""
    places = cuts[1]
    if bar >= places[EDGE]:
        last = cuts[0].shape[1] - 1
        places[BLOCK] = min(bar // places[LENGTH], last)
        places[EDGE] = (places[BLOCK] + 1) * places[LENGTH] if places[BLOCK] < last else _NEVER


@jit(inline=True)
def add_to_block(cuts: Cuts, total: float, squares: float, stop: int) -> None:
    """Add sums to the current block, and go on to that of the bar ``stop``."""
    block = cuts[1][BLOCK]
    cuts[0][0, block] += total
    cuts[0][1, block] += squares
    _reach(cuts, stop)


@jit(inline=True)
def _return_at(prices: FloatArray, bar: int, cash: float, units: float) -> float:
    """Return of a bar while the position does not change."""
    before = money.equity(cash, units, prices[t.MARK, bar - 1])
    return money.equity(cash, units, prices[t.MARK, bar]) / before - 1.0


@jit(inline=True)
def _add_parts(
    cuts: Cuts, prices: FloatArray, start: int, stop: int, cash: float, units: float, squares: float
) -> None:
    """Add the parts of a stretch to their blocks; those that are small beside the whole are summed by themselves."""
    sums, places = cuts
    at = start
    while at < stop:
        block, until = places[BLOCK], min(places[EDGE], stop)
        more, more_squares = sums[2, block], sums[3, block]
        if more_squares < _SMALL * squares:
            more, more_squares = 0.0, 0.0
            for bar in range(at, until):
                ret = _return_at(prices, bar, cash, units)
                more += ret
                more_squares += ret * ret
        add_to_block(cuts, more, more_squares, until)
        at = until


@jit(inline=True)
def fold_by_block(
    cuts: Cuts, prices: FloatArray, start: int, stop: int, cash: float, units: float, free: float
) -> Sums:
    """`simd.fold_equity` of a stretch, added to its block or blocks."""
    sums, places = cuts
    length, edge = places[LENGTH], places[EDGE]
    if stop <= edge:
        found = simd.fold_equity(prices, t.MARK, start, stop, cash, units, free)
        add_to_block(cuts, found[0], found[1], stop)
        return found
    if length >= simd.LANES:
        found = fold_across(
            prices, t.MARK, start, stop, cash, units, free, sums[2:], places[BLOCK], length, edge
        )
        _add_parts(cuts, prices, start, stop, cash, units, found[1])
        return found
    for bar in range(start, stop):
        ret = _return_at(prices, bar, cash, units)
        add_to_block(cuts, ret, ret * ret, bar + 1)
    return simd.fold_equity(prices, t.MARK, start, stop, cash, units, free)


@jit(inline=True)
def write_blocks(cuts: Cuts, out: FloatArray) -> None:
    """Sums of the blocks into the columns of a finished run: returns first, then squares."""
    blocks = cuts[0].shape[1] - 1
    for block in range(blocks):
        out[block] = cuts[0][0, block]
        out[blocks + block] = cuts[0][1, block]


@jit(inline=True)
def fold_blocks(curve: FloatArray, initial: float, out: FloatArray) -> None:
    """Sums by block from a curve, float64[1 or more, bars] with the equity first; ``out`` as `write_blocks` has it."""
    blocks = out.shape[0] // 2
    length = curve.shape[1] // blocks
    previous = initial
    for block in range(blocks):
        first = block * length
        stop = first + length
        total = curve[t.CURVE_EQUITY, first] / previous - 1.0 if previous > 0.0 else 0.0
        squares = total * total
        more, more_squares, _, _, lowest = simd.fold_equity(
            curve, t.CURVE_EQUITY, first + 1, stop, 0.0, 1.0, 0.0
        )
        if min(lowest, curve[t.CURVE_EQUITY, first]) <= 0.0:
            # Behind an equity that is gone there are no returns.
            more, more_squares = 0.0, 0.0
            for bar in range(first + 1, stop):
                earlier = curve[t.CURVE_EQUITY, bar - 1]
                ret = curve[t.CURVE_EQUITY, bar] / earlier - 1.0 if earlier > 0.0 else 0.0
                more += ret
                more_squares += ret * ret
        out[block] = total + more
        out[blocks + block] = squares + more_squares
        previous = curve[t.CURVE_EQUITY, stop - 1]
