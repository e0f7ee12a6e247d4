"""How long the rest of a sweep takes, from what parts of the grid have taken so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from peak_kernels.arrays import FloatArray

# Into so many parts a grid is cut: configurations of one part are taken to cost the same.
_PARTS = 128
_MOST_TOLD = 4096
# The machine's speed is that of the last seconds, of the later half of what has passed: so much at least and at most,
# counted in pieces of so many seconds.
_LEAST, _MOST, _PIECE = 1.5, 20.0, 0.25


class Estimate:
    """What configurations cost, by their place in the grid.

    They differ: short windows trade more, data sets differ in length.  Where nothing has run yet, what lies between is
    taken from the nearest parts on both sides.  Other programs come and go, so how fast the machine is now is what the
    configurations of the last seconds have taken, beside what they cost by their places.

    Parameters
    ----------
    total
        Configurations of the sweep.
    ranges
        Those that are to be run, as bounds; None: any ``total - done`` of all.
    """

    def __init__(self, total: int, done: int = 0, ranges: Sequence[tuple[int, int]] | None = None) -> None:
        self._total, self._done, self._ranges = max(total, 1), done, ranges
        self._place: tuple[float, float] = (0, self._total)
        # What was told is counted when somebody asks: small sweeps are over before that.
        self._told: list[tuple[float, float, int, float]] = []
        self._edges = self._left = self._counted = self._seconds = np.empty(0)
        self._last: float | None = None
        self._pieces: deque[tuple[FloatArray, float]] = deque()

    def where(self, first: int, last: int) -> None:
        """Say where in the grid the configurations lie that are finished next."""
        self._place = first, last

    def add(self, count: int, now: float) -> None:
        """Count configurations that are finished.

        What comes before the first of them is not their cost: code is compiled there, and rows are computed that all
        share.
        """
        self._told.append((*self._place, count, now))
        if len(self._told) >= _MOST_TOLD:
            self._count()

    def _shares(self, first: float, last: float) -> FloatArray:
        """Which share of a range lies in each part."""
        inside = np.clip(self._edges, first, last)
        shares: FloatArray = np.diff(inside) / max(last - first, 1e-300)
        return shares

    def _begin(self) -> None:
        """Lay out the parts of the grid and what is to be run in each."""
        self._edges = np.linspace(0.0, self._total, min(_PARTS, self._total) + 1)
        self._left = np.zeros(len(self._edges) - 1)
        self._counted, self._seconds = np.zeros_like(self._left), np.zeros_like(self._left)
        for first, last in self._ranges or ():
            self._left += self._shares(first, last) * (last - first)
        if self._ranges is None:
            self._left += np.diff(self._edges) * (self._total - self._done) / self._total

    def _count(self) -> None:
        """Count what was told since the last time."""
        if not self._edges.size:
            self._begin()
        for first, last, count, now in self._together():
            share = self._shares(first, last)
            counts = count * share
            self._left = np.maximum(self._left - counts, 0.0)
            if self._last is not None:
                self._counted += counts
                self._seconds += (now - self._last) * share
                self._add_piece(counts, now - self._last)
            self._last = now
        self._told.clear()

    def _together(self) -> Iterator[tuple[float, float, int, float]]:
        """What was told, in one where it came soon after each other from the same place."""
        before, begun = None, self._last
        for first, last, count, now in self._told:
            if (
                before is not None
                and begun is not None
                and before[:2] == (first, last)
                and now - begun < _PIECE
            ):
                count += before[2]
            elif before is not None:
                yield before
                begun = before[3]
            before = first, last, count, now
        if before is not None:
            yield before

    def _add_piece(self, counts: FloatArray, seconds: float) -> None:
        """Count what the last seconds have seen."""
        pieces = self._pieces
        if pieces and pieces[-1][1] < _PIECE:
            before, time = pieces.pop()
            counts, seconds = counts + before, seconds + time
        pieces.append((counts, seconds))
        while len(pieces) > _MOST / _PIECE:
            pieces.popleft()

    def _slowness(self, costs: FloatArray) -> float:
        """What the last seconds have taken over what it should have taken by the costs; 1 as long as they are few."""
        wanted = min(max(float(self._seconds.sum()) / 2.0, _LEAST), _MOST)
        took = should = 0.0
        for counts, seconds in reversed(self._pieces):
            took, should = took + seconds, should + float(costs @ counts)
            if took >= wanted:
                break
        return took / should if took >= _LEAST and should > 0.0 else 1.0

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes; None where nobody knows yet."""
        self._count()
        known = self._counted > 0.0
        if not known.any() or self._seconds.sum() <= 0.0:
            return None
        middles = (self._edges[1:] + self._edges[:-1]) / 2
        costs = np.interp(middles, middles[known], self._seconds[known] / self._counted[known])
        return float(costs @ self._left) * self._slowness(costs)
