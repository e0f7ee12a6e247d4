"""How long the rest of a sweep takes, from what parts of the grid have taken so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from peak_kernels.arrays import FloatArray

# Into so many parts a grid is cut: configurations of one part are taken to cost the same.
_PARTS = 128


class Estimate:
    """What configurations cost, by their place in the grid.

    They differ: short windows trade more, data sets differ in length.  Where nothing has run yet, what lies between is
    taken from the nearest parts on both sides.

    Parameters
    ----------
    total
        Configurations of the sweep.
    ranges
        Those that are to be run, as bounds; None: any ``total - done`` of all.
    """

    def __init__(self, total: int, done: int = 0, ranges: Sequence[tuple[int, int]] | None = None) -> None:
        self._total = max(total, 1)
        self._edges = np.linspace(0.0, self._total, min(_PARTS, self._total) + 1)
        self._left = np.zeros(len(self._edges) - 1)
        self._counted, self._seconds = np.zeros_like(self._left), np.zeros_like(self._left)
        self._last: float | None = None
        self.where(0, self._total)
        for first, last in ranges or ():
            self._left += self._shares(first, last) * (last - first)
        if ranges is None:
            self._left += np.diff(self._edges) * (self._total - done) / self._total

    def _shares(self, first: float, last: float) -> FloatArray:
        """Which share of a range lies in each part."""
        inside = np.clip(self._edges, first, last)
        shares: FloatArray = np.diff(inside) / max(last - first, 1e-300)
        return shares

    def where(self, first: int, last: int) -> None:
        """Say where in the grid the configurations lie that are finished next."""
        self._share = self._shares(first, last)

    def add(self, count: int, now: float) -> None:
        """Count configurations that are finished.

        What comes before the first of them is not their cost: code is compiled there, and rows are computed that all
        share.
        """
        self._left = np.maximum(self._left - count * self._share, 0.0)
        if self._last is not None:
            self._counted += count * self._share
            self._seconds += (now - self._last) * self._share
        self._last = now

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes; None where nobody knows yet."""
        known = self._counted > 0.0
        if not known.any() or self._seconds.sum() <= 0.0:
            return None
        middles = (self._edges[1:] + self._edges[:-1]) / 2
        costs = np.interp(middles, middles[known], self._seconds[known] / self._counted[known])
        return float(costs @ self._left)
