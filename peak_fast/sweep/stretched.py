"""Sums of many configurations over stretches of time, on whatever kind of data a sweep has."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.data import is_panel
from peak_fast.strategies import OrderBlock
from peak_fast.sweep.run import (
    PLANES,
    StretchBatch,
    Team,
    crew_of,
    default_threads,
    folded_result,
    parse_memory,
)
from peak_fast.sweep.runner import Sweep
from peak_kernels.arrays import FloatArray, IntArray


def stretch_sums(
    sweep: Sweep, columns: Mapping[str, Any], edges: IntArray, *, threads: int | None = None,
    memory: str | int | None = None, notes: dict[str, None] | None = None, cluster: Any = None,
) -> FloatArray:  # fmt: skip
    """What each configuration did in each stretch of bars: float64[configurations, PLANES, stretches].

    Each runs once over all bars; on the fast path only what is kept of it leaves the kernel's thread, and through the
    order book and in portfolios it is a single run.

    Parameters
    ----------
    sweep
        Strategy, settings and the one data set; its grid is not read.
    columns
        Values of parameters and settings, one for each configuration.
    edges
        int64[stretches + 1], ascending bars from 0 on.
    notes
        Gets what was understood on the way.
    threads, memory, cluster
        As in `Sweep.run`.
    """
    data = next(iter(sweep.data.values()))
    count, room = len(next(iter(columns.values()))), len(PLANES) * (len(edges) - 1)
    said = {} if notes is None else notes
    if cluster is not None:
        with crew_of(cluster, threads) as crew:
            sums: FloatArray = crew.table(StretchJob(bare(sweep), columns, edges, memory), count, room, said)
        return np.ascontiguousarray(sums).reshape(count, len(PLANES), -1)
    out = np.empty((count, room))
    if is_panel(data) or sweep.engine.order_book is not None or isinstance(sweep.strategy, OrderBlock):
        _one_by_one(sweep, columns, edges, out.reshape(count, len(PLANES), -1), said)
    else:
        with Team(threads or default_threads()) as team:
            batch = StretchBatch(
                sweep.engine.settings,
                sweep.strategy,
                data,
                edges=edges,
                team=team,
                budget=parse_memory(memory),
            )
            batch.run(columns, out)
        said.update(batch.notes)
    return out.reshape(count, len(PLANES), -1)


def bare(sweep: Sweep) -> Sweep:
    """The same strategy, settings and data without what stays here: the grid, and the registry of trials."""
    twin = copy.copy(sweep)
    twin.registry = twin.grid = None  # type: ignore[assignment]
    return twin


@dataclass(frozen=True)
class StretchJob:
    """Configurations and stretches as they are sent to workers."""

    sweep: Sweep
    columns: Mapping[str, Any]
    edges: IntArray
    memory: str | int | None

    def open(self, means: Any) -> OpenedStretches:
        """Lay it ready on a worker."""
        return OpenedStretches(self, means.threads)


class OpenedStretches:
    """Configurations and stretches on a worker."""

    def __init__(self, job: StretchJob, threads: int) -> None:
        self._job, self._threads = job, threads
        self._notes: dict[str, None] = {}

    def rows(self, start: int, stop: int) -> FloatArray:
        """Sums of configurations ``[start, stop)``, those of one in a row."""
        job = self._job
        columns = {name: column[start:stop] for name, column in job.columns.items()}
        options: dict[str, Any] = {"threads": self._threads, "memory": job.memory, "notes": self._notes}
        return stretch_sums(job.sweep, columns, job.edges, **options).reshape(stop - start, -1)

    def notes(self) -> list[str]:
        """What was noticed so far."""
        return list(self._notes)


def _one_by_one(
    sweep: Sweep, columns: Mapping[str, Any], edges: IntArray, out: FloatArray, notes: dict[str, None]
) -> None:
    plain = {name: np.asarray(column).tolist() for name, column in columns.items()}
    free = free_rate(sweep)
    for number, row in enumerate(out):
        result = sweep.rerun({name: column[number] for name, column in plain.items()})
        folded_result(result, edges, free, row)
        notes.update(dict.fromkeys(result.notes))


def year_of(sweep: Sweep) -> float:
    """Bars a year by which the figures of a sweep are annualised."""
    data = next(iter(sweep.data.values()))
    return float(sweep.engine.periods_per_year or data.periods_per_year)


def free_rate(sweep: Sweep) -> float:
    """Risk-free rate of a bar."""
    return float((1.0 + sweep.engine.risk_free) ** (1.0 / year_of(sweep)) - 1.0)
