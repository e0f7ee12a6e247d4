"""Sums of returns by block of time, as CSCV takes them: made, checked, laid out for the kernels."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from peak_fast.arguments import is_whole
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import FloatArray, IntArray

MOST_BLOCKS = 20
# Configurations whose sums of all subsets lie in the cache together.
_TILE = 256
# Sums do not say exactly that all returns of a block are equal: below this share of the squares it is rounding.
_ROUNDING = 1e-13


class BlockSums(NamedTuple):
    """Sums of returns by block of time.

    Attributes
    ----------
    sums, squares
        float64[blocks, configurations].
    levels
        float64[blocks, configurations]: the one return that all bars of a block have; NaN where they differ.
    length
        Bars of a block.
    left_out
        Bars behind the last block.
    """

    sums: FloatArray
    squares: FloatArray
    levels: FloatArray
    length: int
    left_out: int


def check_blocks(blocks: Any) -> int:
    """Number of blocks, checked.

    Raises
    ------
    ConfigError
        Odd, or not from 2 to 20.
    """
    if not is_whole(blocks) or blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise ConfigError(
            f"blocks: expected an even number from 2 to {MOST_BLOCKS}, half of which is in sample; got {blocks!r}; "
            "16 is usual"
        )
    return int(blocks)


def _length(bars: Any, blocks: int) -> int:
    """Bars of a block; at least two in each half."""
    if not is_whole(bars) or bars < max(blocks, 4):
        raise ConfigError(
            f"expected at least {max(blocks, 4)} bars for {blocks} blocks; got {bars!r}; use fewer blocks"
        )
    return int(bars) // blocks


def block_sums(returns: Any, blocks: int, names: list[str]) -> BlockSums:
    """Sums by block of a matrix, block by block: no copy of the whole."""
    try:
        matrix = np.asarray(returns, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"returns: expected a table of numbers; {error}") from error
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise DataError(f"returns: expected float64[bars, configurations]; got the shape {matrix.shape}")
    length = _length(len(matrix), blocks)
    shape = blocks, matrix.shape[1]
    sums, squares, levels = np.empty(shape), np.empty(shape), np.empty(shape)
    with np.errstate(invalid="ignore", over="ignore"):
        for block in range(blocks):
            part = matrix[block * length : (block + 1) * length]
            sums[block], squares[block] = part.sum(axis=0), np.einsum("ij,ij->j", part, part)
            levels[block] = np.where(part.max(axis=0) == part.min(axis=0), part[0], np.nan)
        check_finite(sums + squares, names, "column")
    return BlockSums(sums, squares, levels, length, len(matrix) % blocks)


def check_finite(values: FloatArray, names: list[str], kind: str) -> None:
    """Refuse what no sum came out of; the first such column is named."""
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(wrong):
        which = f"{kind} {names[wrong[0]] if names else int(wrong[0])!r}"
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise DataError(
            f"returns: expected finite numbers; {which}{more} holds NaN or an infinite value; leave it out, or say "
            "what a missing return means (0.0: nothing was held)"
        )


def summed(totals: FloatArray, powers: FloatArray, bars: Any) -> BlockSums:
    """Sums as they are, float64[blocks, configurations], with blocks of equal returns as far as sums tell them."""
    length = _length(bars, check_blocks(len(totals)))
    spread = length * powers - totals * totals
    wrong = np.flatnonzero(
        (spread < -1e-6 * (length * np.abs(powers))).any(axis=0) | (powers < 0.0).any(axis=0)
    )
    if len(wrong):
        raise DataError(
            f"sums, squares: expected sums of returns and of their squares over {length:,} bars a block; those of "
            f"configuration {int(wrong[0])} belong to no returns, as sum^2 > bars * squares; pass sums of x and of x^2"
        )
    flat = spread <= _ROUNDING * length * powers
    return BlockSums(totals, powers, np.where(flat, totals / length, np.nan), length, int(bars) % len(totals))


@functools.cache
def combinations_of(blocks: int) -> tuple[IntArray, IntArray]:
    """Masks of the blocks in sample, in the order of `itertools.combinations`, and the order in which to run them."""
    every = np.arange(1 << blocks)
    bits = ((every[:, None] >> np.arange(blocks)) & 1).sum(axis=1)
    masks = every[bits == blocks // 2]
    # The first block is the lowest bit of a mask and the first place of a combination.
    block = np.arange(blocks)
    places = (((masks[:, None] >> block) & 1) << (blocks - 1 - block)).sum(axis=1)
    masks = masks[np.argsort(-places)]
    low = masks & ((1 << blocks // 2) - 1)
    return masks, np.lexsort((masks, low, bits[low]))


def subset_sums(values: FloatArray, masks: IntArray, columns: IntArray) -> FloatArray:
    """Sum of one configuration over the blocks of each mask, added in the order of the kernels."""
    blocks = len(values)
    halves = []
    for first, stop in ((0, blocks // 2), (blocks // 2, blocks)):
        total = np.zeros(len(masks))
        for block in range(stop - 1, first - 1, -1):
            total += np.where((masks >> block) & 1, values[block, columns], 0.0)
        halves.append(total)
    return np.asarray(halves[0] + halves[1])


class Prepared(NamedTuple):
    """Sums as the kernels take them: what can be flat other than without returns stands apart."""

    sums: FloatArray
    squares: FloatArray
    odd: tuple[FloatArray, FloatArray, IntArray]
    flat_masks: IntArray


def prepared(given: BlockSums) -> Prepared:
    """Find configurations that are flat in some half of the blocks."""
    blocks, count = given.sums.shape
    bit = (1 << np.arange(blocks))[:, None]
    empty = (given.levels == 0.0) | (given.squares == 0.0)
    flat_masks = np.where(empty, bit, 0).sum(axis=0)
    level = ~np.isnan(given.levels) & ~empty
    suspects = np.flatnonzero(level.sum(axis=0) + empty.sum(axis=0) >= blocks // 2)
    suspects = suspects[level[:, suspects].any(axis=0)]
    rows = [(int(n), *_level_masks(given.levels[:, n])) for n in suspects]
    flats = np.array([row for row in rows if row[1] or row[2]], dtype=np.int64).reshape(-1, 3)
    sums, squares = (np.where(empty, 0.0, part) for part in (given.sums, given.squares))
    apart = flats[:, 0]
    odd = np.ascontiguousarray(sums[:, apart]), np.ascontiguousarray(squares[:, apart]), flats
    sums[:, apart], squares[:, apart] = 0.0, 0.0
    mine = np.ones(count, dtype=bool)
    mine[apart] = False
    return Prepared(sums, squares, odd, flat_masks[mine])


def _level_masks(levels: FloatArray) -> tuple[int, int]:
    """Masks of blocks that share one return, of the at most two that fill a half; 0 where there is none."""
    found: list[int] = []
    known = levels[~np.isnan(levels)]
    for value in dict.fromkeys(known.tolist()):
        same = np.abs(levels - value) <= 1e-12 * abs(value)
        mask = int((same << np.arange(len(levels))).sum())
        if same.sum() >= len(levels) // 2 and mask not in found:
            found.append(mask)
    first, second, *_ = [*found, 0, 0]
    return first, second


def covered(masks: IntArray, flat_masks: IntArray, blocks: int) -> IntArray:
    """For each mask, how many configurations are flat on all of its blocks."""
    counts = np.bincount(flat_masks, minlength=1 << blocks)
    for block in range(blocks):
        halves = counts.reshape(-1, 2, 1 << block)
        halves[:, 0] += halves[:, 1]
    return np.asarray(counts[masks])


def tile_of(count: int) -> int:
    """Configurations of a tile: a multiple of the vector's lanes."""
    return int(min(_TILE, -(-count // 8) * 8))


def fillers(ready: Prepared, tile: int) -> int:
    """Columns of zeros that stand for no configuration, or for one that is looked at apart."""
    count = ready.sums.shape[1]
    return int(-(-count // tile) * tile - count + len(ready.odd[2]))


def mean_sharpes_of(given: BlockSums, masks: IntArray) -> FloatArray:
    """Sum over the configurations of their Sharpe ratios on the blocks of each mask, those without one left out."""
    from peak_kernels.entries import cscv_means

    blocks, count = given.sums.shape
    ready, bars = prepared(given), given.length * (blocks // 2)
    order = np.lexsort((masks, masks & ((1 << blocks // 2) - 1)))
    lanes = np.empty(8 * len(masks))
    cscv_means(ready.sums, ready.squares, masks[order], bars, tile_of(count), lanes)
    totals = np.empty(len(masks))
    totals[order] = lanes.reshape(-1, 8).sum(axis=1)
    for k, (_, *flats) in enumerate(ready.odd[2].tolist()):
        column = np.full(len(masks), k)
        part, powers = (subset_sums(values, masks, column) for values in ready.odd[:2])
        flat = np.any([(masks & ~mask) == 0 for mask in flats], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            totals += np.where(flat, 0.0, part / np.sqrt(powers * bars - part * part))
    return np.asarray(totals * np.sqrt((bars - 1) / bars))
