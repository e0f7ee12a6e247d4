"""Ranges of a sweep's grid on the workers of a cluster: the rows come back in pieces and become tiles here."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.cluster import Crew, Means, Piece
from peak_fast.errors import SweepError
from peak_fast.metrics import higher_is_better
from peak_fast.settings import EngineSettings
from peak_fast.sweep.progress import SweepProgress
from peak_fast.sweep.run.batch import Batch
from peak_fast.sweep.run.batches import make_batch
from peak_fast.sweep.run.budget import amount, parse_memory
from peak_fast.sweep.run.ranges import Ranges, Work
from peak_fast.sweep.run.threads import Team
from peak_fast.sweep.run.watching import watched
from peak_fast.sweep.view import format_params
from peak_kernels.arrays import FloatArray

_MOST_TOLD = 20


@dataclass(frozen=True)
class SweepJob:
    """A sweep as it is sent to workers; see `peak_fast.cluster.shelf.Job`.

    Attributes
    ----------
    memory
        Budget of each worker; None: a quarter of what is free there.
    """

    work: Work
    memory: str | int | None = None

    def open(self, means: Means) -> Opened:
        """Lay it ready on a worker."""
        return Opened(Ranges(self.work, Team(means.threads), budget_of(self.memory, means), stored=True))


def budget_of(memory: str | int | None, means: Means) -> int:
    """Budget of a worker: what the user says, else a quarter of what is free, and half of the worker's own at most."""
    budget = parse_memory(memory)
    return min(budget, means.memory // 2) if memory is None and means.memory else budget


class Opened:
    """A sweep on a worker."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def rows(self, start: int, stop: int) -> FloatArray:
        """Results of configurations ``[start, stop)``."""
        return self._ranges.rows(start, stop)

    def notes(self) -> list[str]:
        """What was noticed so far."""
        return self._ranges.notes()


@dataclass(frozen=True)
class ColumnsJob:
    """Listed configurations as they are sent to workers; see `peak_fast.sweep.evaluate`."""

    shared: EngineSettings
    strategy: Any
    data: Any
    metrics: Sequence[str]
    columns: Mapping[str, Any]
    memory: str | int | None = None

    def open(self, means: Means) -> OpenedColumns:
        """Lay it ready on a worker."""
        team, budget = Team(means.threads), budget_of(self.memory, means)
        batch = make_batch(self.shared, self.strategy, self.data, self.metrics, team=team, budget=budget)
        return OpenedColumns(batch, self.columns, len(self.metrics))


class OpenedColumns:
    """Listed configurations on a worker."""

    def __init__(self, batch: Batch, columns: Mapping[str, Any], width: int) -> None:
        self._batch, self._columns, self._width = batch, columns, width

    def rows(self, start: int, stop: int) -> FloatArray:
        """Metrics of configurations ``[start, stop)``."""
        out = np.empty((stop - start, self._width), order="F")
        self._batch.run({name: column[start:stop] for name, column in self._columns.items()}, out)
        return out

    def notes(self) -> list[str]:
        """What was noticed so far."""
        return list(self._batch.notes)


class RemoteRanges:
    """As `Ranges`, with the workers of a crew in place of threads."""

    def __init__(self, work: Work, crew: Crew, memory: str | int | None, *, stored: bool) -> None:
        self.work, self._crew, self._memory = work, crew, memory
        results, budget = len(work.grid) * 8 * work.width, parse_memory(memory)
        if not stored and results > budget:
            raise SweepError(
                f"this sweep of {len(work.grid):,} configurations needs about {amount(results)} of results here, more "
                f"than the budget of {amount(budget)}; raise memory=..., pass fewer metrics or configurations, or "
                "store=..., which keeps results on the disk"
            )

    def notes(self) -> list[str]:
        """Notes of all bars, of what ran on them, and of configurations that failed."""
        told = sorted(self._crew.failed.items())[:_MOST_TOLD]
        said = [
            f"configuration {number} ({format_params(self.work.grid[number])}) has no result: {reason}"
            for number, reason in told
        ]
        more = len(self._crew.failed) - len(told)
        return [*self._crew.notes, *said, *([f"{more:,} more configurations have no result"] if more else [])]

    def tiles(
        self, bounds: Sequence[tuple[int, int]], shown: SweepProgress
    ) -> Generator[tuple[int, dict[str, Any]]]:
        """Number and result columns of each tile, as they are finished."""
        tiles = _Tiles(bounds, self.work.width)
        best = np.fmax if higher_is_better(self.work.metrics[0]) else np.fmin
        job = SweepJob(self.work, self._memory)
        with contextlib.closing(watched(self._crew, job, bounds, self.work.width, shown)) as pieces:
            for piece in pieces:
                shown.advance(piece.stop - piece.start, float(best.reduce(piece.rows[:, 0])))
                for number, out in tiles.finished(piece):
                    yield number, self.work.columns(out)


class _Tiles:
    """Tiles that pieces fill, wherever these begin and end."""

    def __init__(self, bounds: Sequence[tuple[int, int]], width: int) -> None:
        self._order = np.argsort([start for start, _ in bounds], kind="stable")
        self._starts = np.array([bounds[number][0] for number in self._order])
        self._bounds, self._width = bounds, width
        self._open: dict[int, list[Any]] = {}

    def finished(self, piece: Piece) -> Iterator[tuple[int, FloatArray]]:
        """Tiles that a piece completes, by number."""
        place = int(np.searchsorted(self._starts, piece.start, side="right")) - 1
        first = piece.start
        while first < piece.stop:
            number = int(self._order[place])
            start, stop = self._bounds[number]
            last = min(stop, piece.stop)
            if number not in self._open:
                self._open[number] = [np.empty((stop - start, self._width), order="F"), stop - start]
            tile = self._open[number]
            tile[0][first - start : last - start] = piece.rows[first - piece.start : last - piece.start]
            tile[1] -= last - first
            if not tile[1]:
                del self._open[number]
                yield number, tile[0]
            first, place = last, place + 1
