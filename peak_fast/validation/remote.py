"""Worlds and windows on the workers of a cluster: what is sent, and what comes back of each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.sweep import History, Team, WarmBatch, bare, parse_memory
from peak_fast.validation.choice import Choice
from peak_fast.validation.jobs import Job, Worlds, run_worlds
from peak_fast.validation.tracks import result_of
from peak_kernels.arrays import FloatArray, IntArray

Stretch = tuple[int, int]


def best_of_worlds(
    job: Job, maker: Any, choice: Choice, worlds: int, threads: int | None, crew: Any
) -> tuple[FloatArray, IntArray, list[str]]:
    """Figure and place of the best configuration of each world, and what was noticed; ``crew`` None: on threads."""
    figures, places = np.empty(worlds), np.empty(worlds, np.int64)
    notes: dict[str, None] = {}
    if crew is None:

        def keep(number: int, values: FloatArray) -> None:
            figures[number], places[number] = choice.best(values)

        run_worlds(job, maker, choice.metrics, worlds, threads, keep)
    else:
        found = crew.table(WorldsJob(job, maker, choice), worlds, 2, notes)
        figures[:] = found[:, 0]
        places[:] = np.nan_to_num(found[:, 1], nan=-1.0)
    return figures, places, list(notes)


@dataclass(frozen=True)
class WorldsJob:
    """Worlds as they are sent to workers: what runs in them, and what makes them by their numbers."""

    job: Job
    maker: Any
    choice: Choice

    def open(self, means: Any) -> OpenedWorlds:
        """Lay it ready on a worker."""
        return OpenedWorlds(self, means.threads)


class OpenedWorlds:
    """Worlds on a worker."""

    def __init__(self, work: WorldsJob, threads: int) -> None:
        self._choice = work.choice
        self._worlds = Worlds(work.job, work.maker, work.choice.metrics, threads)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Figure and place of the best configuration in worlds ``[start, stop)``."""
        out = np.empty((stop - start, 2))

        def keep(number: int, values: FloatArray) -> None:
            out[number - start] = self._choice.best(values)

        self._worlds.run(start, stop, keep)
        return out

    def notes(self) -> list[str]:
        """Nothing: what makes the worlds has said it."""
        return []


@dataclass(frozen=True)
class WindowsJob:
    """Runs that begin flat in windows, as they are sent: item ``w * count + c`` is configuration c in window w."""

    sweep: Any
    columns: Mapping[str, Any]
    count: int
    windows: Sequence[Stretch]
    names: Sequence[str]
    memory: Any

    @classmethod
    def of(
        cls, means: Any, columns: Mapping[str, Any], windows: Sequence[Stretch], names: Sequence[str]
    ) -> Any:
        """Of what scorers share (`peak_fast.validation.scores.Means`)."""
        count = len(next(iter(columns.values())))
        return cls(bare(means.sweep), columns, count, tuple(windows), names, means.memory)

    def open(self, means: Any) -> OpenedWindows:
        """Lay it ready on a worker."""
        return OpenedWindows(self, Team(means.threads))


class OpenedWindows:
    """Windows on a worker, or here; the rows of indicators over all bars are kept for all of them."""

    def __init__(self, job: WindowsJob, team: Team, history: History | None = None) -> None:
        self._job, self._team = job, team
        self._data = next(iter(job.sweep.data.values()))
        self._history = history or History(self._data)
        self._notes: dict[str, None] = {}
        self._batch: tuple[Stretch | None, Any] = None, None

    def rows(self, start: int, stop: int) -> FloatArray:
        """Metrics of items ``[start, stop)``."""
        job, parts = self._job, []
        for number in range(start // job.count, -(-stop // job.count)):
            first, last = (min(max(edge - number * job.count, 0), job.count) for edge in (start, stop))
            columns = {name: column[first:last] for name, column in job.columns.items()}
            parts.append(self.window(columns, job.windows[number]))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def window(self, columns: Mapping[str, Any], window: Stretch) -> FloatArray:
        """Metrics of configurations in a window: float64[configurations, names]."""
        count = len(next(iter(columns.values())))
        out = np.empty((count, len(self._job.names)), order="F")
        (self._one_by_one if self._job.sweep.engine.order_book is not None else self._run)(
            columns, window, out
        )
        return out

    def _run(self, columns: Mapping[str, Any], window: Stretch, out: FloatArray) -> None:
        job = self._job
        if self._batch[0] != window:
            batch = WarmBatch(
                self._history, window, job.sweep.engine.settings, job.sweep.strategy, job.names, team=self._team,
                budget=parse_memory(job.memory),
            )  # fmt: skip
            self._batch = window, batch
        self._batch[1].run(columns, out)
        self._notes.update(self._batch[1].notes)

    def _one_by_one(self, columns: Mapping[str, Any], window: Stretch, out: FloatArray) -> None:
        sweep = self._job.sweep
        plain = {name: np.asarray(column).tolist() for name, column in columns.items()}
        for row, values in zip(out, zip(*plain.values(), strict=True), strict=True):
            params = dict(zip(plain, values, strict=True))
            result = result_of(sweep.engine, sweep.strategy, self._data, params, *window)
            row[:] = [result.stats[name] for name in self._job.names]

    def notes(self) -> list[str]:
        """What was noticed so far."""
        return list(self._notes)
