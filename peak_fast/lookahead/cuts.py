"""After which bars the future is taken away."""

from __future__ import annotations

import numpy as np

from peak_fast.lookahead.rows import DECISION, Rows, changes_of
from peak_kernels.arrays import IntArray

_GOLDEN = 0.6180339887498949


def spread_cuts(bars: int, count: int) -> list[int]:
    """Numbers of first bars, about evenly spread but in step with no calendar; the last leaves one bar out.

    >>> spread_cuts(100, 4)
    [35, 60, 84, 99]
    """
    shares = (np.arange(count - 1) + _GOLDEN) / max(count - 1, 1) * 0.75 + 0.2
    inner = {int(share * bars) for share in shares.tolist()}
    return sorted(cut for cut in {*inner, bars - 1} if 0 < cut < bars)


def changing_cuts(rows: Rows, bars: int, count: int) -> list[int]:
    """Numbers of first bars that end where a decision changes, or right before that.

    What reads one bar ahead differs at the last known bar alone, and only where the answer matters.
    """
    changes: list[IntArray] = [changes_of(row.values) for row in rows.values() if row.role == DECISION]
    every = np.unique(np.concatenate(changes)) if changes else np.empty(0, dtype=np.int64)
    if not every.size:
        return []
    picks = every[np.unique(np.linspace(0, every.size - 1, min(count, every.size)).round().astype(int))]
    # A change at bar b: with b as the last known bar, now and then with the bar before it.
    cuts = {int(bar) + (1 if turn % 6 else 0) for turn, bar in enumerate(picks, 1)}
    return sorted(cut for cut in cuts if 1 < cut < bars)


def chosen_cuts(rows: Rows, bars: int, count: int) -> list[int]:
    """Both kinds, ascending."""
    some = min(count, max(2, count // 3))
    changing = changing_cuts(rows, bars, count - some)
    return sorted({*spread_cuts(bars, count - len(changing)), *changing})
