"""How long the rest of a sweep takes, from what parts of the grid have taken so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from peak_kernels.arrays import FloatArray

# Into so many parts a grid is cut: configurations of one part are taken to cost the same.
_PARTS = 128
_MOST_TOLD = 4096
# How much of the processors the sweep gets is asked of so many seconds, or of the later half of all, and where it
# uses so much of one: less is a function that waits for something else.
_LEAST, _MOST, _USED = 1.5, 20.0, 0.2
# Moments that are kept for that lie so far apart, in seconds.
_APART = 0.25


class Estimate:
    """What configurations cost, by their place in the grid.

    They differ: short windows trade more, data sets differ in length.  Where nothing has run yet, what lies between is
    taken from the nearest parts on both sides.  Other programs come and go, too: the machine is taken to stay as busy
    as it was in the last seconds.

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
        self._moments: deque[tuple[float, float]] = deque()
        self._first: tuple[float, float] | None = None

    def where(self, first: int, last: int) -> None:
        """Say where in the grid the configurations lie that are finished next."""
        self._place = first, last

    def add(self, count: int, now: float, used: float) -> None:
        """Count configurations that are finished; ``used``: seconds of processors that the process has had.

        What comes before the first of them is not their cost: code is compiled there, and rows are computed that all
        share.
        """
        self._told.append((*self._place, count, now))
        if not self._moments or now - self._moments[-1][0] >= _APART:
            self._moments.append((now, used))
            self._first = self._first or self._moments[0]
            if len(self._moments) > _MOST / _APART:
                self._moments.popleft()
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
        for first, last, count, now in self._told:
            share = self._shares(first, last)
            self._left = np.maximum(self._left - count * share, 0.0)
            if self._last is not None:
                self._counted += count * share
                self._seconds += (now - self._last) * share
            self._last = now
        self._told.clear()

    def _slowness(self) -> float:
        """How much longer the same work takes now than it took in the mean of all that has run."""
        if self._first is None or self._first[1] == self._moments[-1][1]:
            return 1.0
        (begin, used), (now, last) = self._first, self._moments[-1]
        since = now - min(max((now - begin) / 2.0, _LEAST), _MOST)
        moment, before = next(mark for mark in self._moments if mark[0] >= since)
        mean, lately = (last - used) / (now - begin), (last - before) / max(now - moment, _APART)
        return mean / lately if min(mean, lately) > _USED and now - begin > 2.0 * _LEAST else 1.0

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes; None where nobody knows yet."""
        self._count()
        known = self._counted > 0.0
        if not known.any() or self._seconds.sum() <= 0.0:
            return None
        middles = (self._edges[1:] + self._edges[:-1]) / 2
        costs = np.interp(middles, middles[known], self._seconds[known] / self._counted[known])
        return float(costs @ self._left) * self._slowness()
