"""Combinatorially symmetric cross-validation (CSCV): how often the best of a search is below the middle elsewhere.

Time is cut into S blocks of equal length, and each way of taking half of them is a combination: the configuration with
the highest Sharpe ratio on that half is looked up among all of them on the other half.  The probability of backtest
overfitting (PBO) is the share of combinations where it is in the lower half there.

Sums and sums of squares of the returns of each block are enough, so no combination looks at returns again.

References
----------
Bailey, Borwein, Lopez de Prado & Zhu (2017), The Probability of Backtest Overfitting, Journal of Computational Finance
20(4), section 2 (algorithm) and 3 (figures).

>>> import numpy as np
>>> from peak_fast.statistics import cscv
>>> found = cscv(np.random.default_rng(1).normal(size=(320, 20)), blocks=8)
>>> found.combinations, round(found.pbo, 3)
(70, 0.671)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_fast.errors import DataError
from peak_fast.guard import guarded
from peak_fast.statistics.blocks import (
    BlockSums,
    block_sums,
    check_blocks,
    check_finite,
    combinations_of,
    covered,
    fillers,
    prepared,
    subset_sums,
    summed,
    tile_of,
)
from peak_fast.statistics.normal import chosen
from peak_fast.statistics.symmetric_result import CSCV, Ranks


@guarded
def cscv(returns: Any, blocks: int = 16, *, ties: str = "low") -> CSCV:
    """CSCV of a matrix of returns.

    Parameters
    ----------
    returns
        float64[bars, configurations], or a frame with one column a configuration.  The last ``bars % blocks`` rows are
        left out.
    blocks
        Blocks of time, even.
    ties
        Rank of a winner that others equal out of sample: ``"low"`` is that of the lowest, ``"average"`` of the middle.

    Raises
    ------
    ConfigError
        An odd number of blocks, or too many for the rows.
    DataError
        A return that is no finite number; the column is named.
    """
    blocks = check_blocks(blocks)
    names = [str(name) for name in getattr(returns, "columns", ())]
    return _found(block_sums(returns, blocks, names), ties, names)


@guarded
def cscv_of_sums(sums: Any, squares: Any, bars: int, *, ties: str = "low") -> CSCV:
    """CSCV of sums by block, as a sweep with ``blocks`` keeps them.

    Parameters
    ----------
    sums, squares
        float64[configurations, blocks]: sums of the returns of each block, and of their squares.
    bars
        Bars of the whole run; each block has ``bars // blocks`` of them.
    ties
        See `cscv`.

    Raises
    ------
    ConfigError, DataError
        As `cscv`, and shapes that do not fit.
    """
    try:
        totals, powers = (
            np.ascontiguousarray(np.asarray(part, dtype=np.float64).T) for part in (sums, squares)
        )
    except (TypeError, ValueError) as error:
        raise DataError(f"sums, squares: expected arrays of numbers; {error}") from error
    if totals.ndim != 2 or totals.shape != powers.shape or not totals.size:
        raise DataError(
            "sums, squares: expected float64[configurations, blocks] of one shape; got "
            f"{totals.T.shape} and {powers.T.shape}"
        )
    check_finite(totals + powers, [], "configuration")
    return _found(summed(totals, powers, bars), ties, [])


def _found(given: BlockSums, ties: str, names: list[str]) -> CSCV:
    """Winners and their ranks."""
    from peak_kernels.entries import cscv_ranks, cscv_winners

    chosen("ties", ties, ("low", "average"))
    blocks, count = given.sums.shape
    masks, order = combinations_of(blocks)
    ready = prepared(given)
    tile = tile_of(count)
    inside, outside = masks[order], ((1 << blocks) - 1) ^ masks[order]
    winners = np.empty(len(masks), dtype=np.int64)
    cscv_winners(ready.sums, ready.squares, inside, ready.odd, tile, winners)
    totals, powers = (subset_sums(part, outside, winners) for part in (given.sums, given.squares))
    counts = np.empty((3, len(masks)), dtype=np.int64)
    # Nobody is below, or equal to, a winner that is none.
    scores = np.where(winners < 0, np.nan, [totals * np.abs(totals), powers])
    cscv_ranks(ready.sums, ready.squares, outside, ready.odd, tile, scores, counts)
    flat = covered(outside, ready.flat_masks, blocks)
    equal = counts[1] - flat - fillers(ready, tile)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    found = Ranks(winners[back], counts[0][back], equal[back], (flat + counts[2])[back])
    return CSCV(given, ties, tuple(names), masks, found)
