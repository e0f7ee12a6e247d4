"""The same configurations again and again, on bars whose prices change in place: what a world costs beside its bars.

What depends on the configurations alone (which rows they compare, where the rows lie, their settings) is laid out
once; a round computes the rows and runs the kernel, on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.indicators import Key, compute_group, groups_of
from peak_fast.settings import EngineSettings
from peak_fast.strategies import RuleStrategy
from peak_fast.sweep.run.batch import Batch
from peak_fast.sweep.run.rows import RowCache, RulePlan
from peak_fast.sweep.run.threads import Team
from peak_kernels.arrays import FloatArray, IntArray

# Rows of indicators that a thread computes at a time; they stay in its part of the cache.
_PLANE = 32 << 20
# Rows of one kind that a call computes.
_GROUP = 64


class _Places(RowCache):
    """Places of rows that are computed again in each round."""

    def __init__(self, bars: Bars, keys: Sequence[Key], plane: FloatArray) -> None:
        self.bars, self.stride, self.plane = bars, plane.shape[1], plane
        self._places = {}
        self.jobs = []
        for group in groups_of(keys, _GROUP):
            first = len(self._places)
            self.jobs.append((group, plane[first : first + len(group)]))
            self._places.update(zip(group, range(first, first + len(group)), strict=True))

    jobs: list[tuple[list[Key], FloatArray]]


class Repeated:
    """Configurations of rules, or of a compiled block, on movable bars (`peak_fast.simulation.movable`).

    Parameters
    ----------
    columns
        Parameters and varied settings, one value for each of ``count`` configurations.
    metrics
        Names of metrics.
    plane
        Bytes for rows of indicators.
    """

    def __init__(
        self, shared: EngineSettings, strategy: Any, bars: Bars, columns: Mapping[str, Any], count: int,
        metrics: Sequence[str], *, plane: int = _PLANE,
    ) -> None:  # fmt: skip
        self.batch = Batch(shared, strategy, bars, metrics, team=Team(1))
        self.out = np.empty((count, len(self.batch.metrics)), order="F")
        self._columns = columns
        self._parts: list[tuple[_Places, list[tuple[int, int, IntArray, FloatArray]]]] = []
        if isinstance(strategy, RuleStrategy):
            params, varied = self.batch.split(columns, count)
            self._settings = self.batch.settings(varied)
            self._most = max(plane // (8 * -(-len(bars) // 64) * 64), 1)
            self._plane: FloatArray | None = None
            self._lay_out(params, 0, count)

    def _lay_out(self, params: Mapping[str, Any], first: int, last: int) -> None:
        """Tiles of the configurations ``[first, last)``; of halves of them where their rows do not fit."""
        part = {name: np.asarray(column)[first:last] for name, column in params.items()}
        plan = RulePlan(self.batch.strategy, part, last - first)
        keys = list(dict.fromkeys(plan.keys()))
        if len(keys) > self._most and last - first > 1:
            middle = (first + last) // 2
            self._lay_out(params, first, middle)
            self._lay_out(params, middle, last)
            return
        places = _Places(self.batch.bars, keys, self._room(len(keys)))
        plan.place(places)
        tiles = []
        for start in range(first, last, self.batch.tile):
            stop = min(start + self.batch.tile, last)
            rules = plan.table(slice(start - first, stop - first), stop - start)
            tiles.append((start, stop, rules, self._settings.rows(start, stop)))
        self._parts.append((places, tiles))

    def _room(self, rows: int) -> FloatArray:
        """Memory that all parts use, one after the other."""
        if self._plane is None or len(self._plane) < rows:
            self._plane = RowCache(self.batch.bars, rows).plane
        return self._plane

    def run(self) -> FloatArray:
        """Metrics at the prices as they are now: float64[configurations, metrics], overwritten by the next round."""
        if not self._parts:
            self.batch.run(self._columns, self.out)
            return self.out
        batch = self.batch
        room, calendar = batch._scratch(), batch._calendar(self._settings)
        for places, tiles in self._parts:
            for group, rows in places.jobs:
                compute_group(batch.bars, group, rows)
            for first, last, rules, settings in tiles:
                found = room.results[: last - first]
                batch._kernel(calendar, places.flat, places.stride, rules, settings, room, found)
                batch._keep(found, slice(first, last), self.out, None)
        return self.out
