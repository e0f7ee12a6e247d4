"""Returns of many configurations bar by bar, a tile at a time: for statistics that need more than sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.settings import EngineSettings
from peak_fast.sweep.run.batch import Scratch
from peak_fast.sweep.run.stretches import StretchBatch
from peak_fast.sweep.run.threads import Team
from peak_kernels.arrays import FloatArray

# Numbers of a tile of curves: 8 MB for each thread.
_CURVES = 1 << 20


def returns_from(equity: FloatArray, initial: float) -> FloatArray:
    """Simple returns at the closes, the first against the initial cash; 0 where nothing is left to lose."""
    before = np.concatenate([[initial], equity[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = np.where(before > 0.0, equity / before - 1.0, 0.0)
    return found


class CurveBatch(StretchBatch):
    """A `Batch` of the fast path that gives the returns of every bar in place of metrics; NaN where it refuses."""

    def __init__(self, shared: EngineSettings, strategy: Any, bars: Bars, *, team: Team, budget: int) -> None:
        super().__init__(shared, strategy, bars, np.array([0, len(bars)]), team=team, budget=budget)
        self.width = self._own + len(bars)
        self._places = list(range(self._own, self.width))

    @property
    def tile(self) -> int:
        """Most configurations that are run at a time."""
        return int(min(super().tile, max(_CURVES // len(self.bars), 1)))

    def _scratch(self) -> Scratch:
        room = super()._scratch()
        room.results[:] = np.nan
        return room

    def _folded(self, room: Scratch, row: FloatArray) -> bool:
        row[self._own :] = returns_from(self._values(room), self.shared.initial_cash)
        return True
