"""Combinatorially symmetric cross-validation over sums of returns by block of time.

All combinations of half of the blocks: who is best in sample, and how many are below it out of sample.  The sums of
a combination are those of a subset of the first half of the blocks plus those of a subset of the other half.  Both
are looked up in tables that a tile of configurations keeps in the processor's cache, so that a combination costs
one addition, nothing is carried from one to the next, and a configuration without returns in a half has exactly zero.

Reads sums and sums of squares, the combinations as masks of blocks; writes winners, counts and means.
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels import simd
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.simd import LANES
from peak_kernels.validation.lanes import count_lower, keep_best, sum_sharpes


@jit(inline=True)
def _subsets(values: FloatArray, first: int, count: int, start: int, table: FloatArray) -> None:
    """``table[mask]``: sums of the rows ``first + k`` of the bits of a mask, over the configurations of a tile."""
    width = min(values.shape[1] - start, table.shape[1])
    table[0, :] = 0.0
    for mask in range(1, 1 << count):
        rest = mask & (mask - 1)
        row: Any = first
        while (mask >> (row - first)) & 1 == 0:
            row += 1
        for k in range(width):
            table[mask, k] = table[rest, k] + values[row, start + k]
        for k in range(width, table.shape[1]):
            table[mask, k] = 0.0


@jit(inline=True)
def _fill(sums: FloatArray, squares: FloatArray, start: int, tables: FloatArray) -> None:
    """Tables of the tile that begins with a configuration; see `lanes` for their order."""
    half = sums.shape[0] // 2
    for k in range(4):
        later = k // 2
        count = sums.shape[0] - half if later else half
        _subsets(squares if k % 2 else sums, later * half, count, start, tables[k])


@jit(inline=True)
def total_of(values: FloatArray, mask: int, column: int) -> float:
    """Sum of a configuration over the blocks of a mask, added in the order of the tables."""
    blocks = values.shape[0]
    half = blocks // 2
    first, other = 0.0, 0.0
    for block in range(half - 1, -1, -1):
        if (mask >> block) & 1:
            first += values[block, column]
    for block in range(blocks - 1, half - 1, -1):
        if (mask >> block) & 1:
            other += values[block, column]
    return first + other


@jit(inline=True)
def _is_flat(flats: IntArray, k: int, mask: int) -> bool:
    """Whether an odd configuration has one and the same return all over the blocks of a mask."""
    return mask & ~flats[k, 1] == 0 or mask & ~flats[k, 2] == 0


@jit(inline=True)
def find_winners(
    sums: FloatArray,
    squares: FloatArray,
    masks: IntArray,
    odd: tuple[FloatArray, FloatArray, IntArray],
    tables: FloatArray,
    best: FloatArray,
    winners: IntArray,
) -> None:
    """The first configuration with the highest Sharpe ratio of each combination; -1 where none has one.

    Parameters
    ----------
    sums, squares
        float64[blocks, configurations], all zero for odd configurations.
    masks
        int64[combinations]: blocks in sample; neighbours should share those of the first half.
    odd
        ``(sums, squares, flats)`` of configurations that may have one and the same return other than 0 all over a
        half: float64[blocks, k], and int64[k, 3] with the number and two masks of blocks of one return each.
    tables
        Scratch, float64[4, 2 ** (blocks - blocks // 2), tile], tile a multiple of 8.
    best
        Scratch, float64[24 * combinations].
    winners
        int64[combinations], written.
    """
    tile, half = tables.shape[2], sums.shape[0] // 2
    low = (1 << half) - 1
    for c in range(masks.shape[0]):
        for lane in range(LANES):
            best[24 * c + lane] = -math.inf
            best[24 * c + LANES + lane] = 1.0
            best[24 * c + 2 * LANES + lane] = -1.0
    for start in range(0, sums.shape[1], tile):
        _fill(sums, squares, start, tables)
        for c in range(masks.shape[0]):
            keep_best(tables, masks[c] & low, masks[c] >> half, best, 24 * c, float(start))
    for c in range(masks.shape[0]):
        winners[c] = _best_of(best[24 * c : 24 * c + 24], odd, masks[c])


@jit(inline=True)
def _best_of(lanes: FloatArray, odd: tuple[FloatArray, FloatArray, IntArray], mask: int) -> int:
    """Number of the best of the lanes and of the odd configurations; of equal ones the first."""
    score, squares, number = -math.inf, 1.0, -1.0
    for k in range(LANES + odd[2].shape[0]):
        its, its_squares, its_number = -math.inf, 1.0, -1.0
        if k < LANES:
            its, its_squares, its_number = lanes[k], lanes[LANES + k], lanes[2 * LANES + k]
        elif not _is_flat(odd[2], k - LANES, mask):
            total = total_of(odd[0], mask, k - LANES)
            its, its_squares = total * abs(total), total_of(odd[1], mask, k - LANES)
            its_number = float(odd[2][k - LANES, 0])
        if its_number < 0.0:
            continue
        mine, others = its * squares, score * its_squares
        if number < 0.0 or mine > others or (mine == others and its_number < number):
            score, squares, number = its, its_squares, its_number
    return int(number)


@jit(inline=True)
def rank_winners(
    sums: FloatArray,
    squares: FloatArray,
    masks: IntArray,
    odd: tuple[FloatArray, FloatArray, IntArray],
    tables: FloatArray,
    scores: FloatArray,
    counts: IntArray,
) -> None:
    """How many configurations are below the winner of each combination out of sample, and how many equal to it.

    Parameters
    ----------
    masks
        int64[combinations]: blocks out of sample.
    scores
        float64[2, combinations]: ``s |s|`` and ``q`` of the winners out of sample.
    counts
        int64[3, combinations], written: below, equal (every configuration without returns and those that only
        fill the last tile among them), odd ones that are flat.
    sums, squares, odd, tables
        See `find_winners`.
    """
    tile, half = tables.shape[2], sums.shape[0] // 2
    low = (1 << half) - 1
    counts[:, :] = 0
    for start in range(0, sums.shape[1], tile):
        _fill(sums, squares, start, tables)
        for c in range(masks.shape[0]):
            lower, equal = count_lower(tables, masks[c] & low, masks[c] >> half, scores[0, c], scores[1, c])
            counts[0, c] += lower
            counts[1, c] += equal
    for c in range(masks.shape[0]):
        for k in range(odd[2].shape[0]):
            if _is_flat(odd[2], k, masks[c]):
                counts[2, c] += 1
                continue
            total = total_of(odd[0], masks[c], k)
            mine, others = total * abs(total) * scores[1, c], scores[0, c] * total_of(odd[1], masks[c], k)
            counts[0, c] += 1 if mine < others else 0
            counts[1, c] += 1 if mine == others else 0


@jit(inline=True)
def mean_sharpes(
    sums: FloatArray, squares: FloatArray, masks: IntArray, bars: float, tables: FloatArray, out: FloatArray
) -> None:
    """Sums of ``s / sqrt(q * bars - s * s)`` over the configurations, in lanes: float64[8 * combinations]."""
    tile, half = tables.shape[2], sums.shape[0] // 2
    low = (1 << half) - 1
    out[:] = 0.0
    lent = simd.borrow(out)
    for start in range(0, sums.shape[1], tile):
        _fill(sums, squares, start, tables)
        for c in range(masks.shape[0]):
            sum_sharpes(tables, masks[c] & low, masks[c] >> half, bars, lent, LANES * c)
