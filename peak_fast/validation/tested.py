"""All configurations of a sweep tested against a benchmark on the workers of a cluster, 128 at a time as here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.errors import StrategyError
from peak_fast.statistics import Snooping, fold_of, folded, tester_of
from peak_fast.sweep import Team, return_tiles, sent
from peak_kernels.arrays import FloatArray, IntArray

TILE = 128
# Rows of an item's table before its samples: means, deviations, whether a configuration was refused.
_HEAD = 3


def flattened(returns: FloatArray) -> IntArray:
    """Let configurations that cannot be run earn nothing; their places."""
    bad = np.flatnonzero(np.isnan(returns[0]))
    returns[:, bad] = 0.0
    return bad


@dataclass(frozen=True)
class SnoopJob:
    """A sweep and the samples as they are sent to workers: item k is the k-th 128 configurations."""

    sweep: Any
    benchmark: Any
    block: float
    replications: int
    seed: int

    @property
    def width(self) -> int:
        """Numbers of an item."""
        return TILE * (_HEAD + self.replications)

    def open(self, means: Any) -> OpenedSnoop:
        """Lay it ready on a worker."""
        return OpenedSnoop(self, means.threads)


class OpenedSnoop:
    """A sweep and the samples on a worker."""

    def __init__(self, job: SnoopJob, threads: int) -> None:
        self._job, self._threads = job, threads
        periods = len(next(iter(job.sweep.data.values())))
        self._tester = tester_of(periods, job.benchmark, job.block, job.replications, job.seed)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Means, deviations, refusals and samples of items ``[start, stop)``."""
        job = self._job
        numbers = np.arange(start * TILE, min(stop * TILE, len(job.sweep.grid)))
        out = np.zeros((stop - start, job.width))
        tiles = enumerate(return_tiles(job.sweep, numbers, tile=TILE, threads=self._threads))

        def work(tile: tuple[int, FloatArray]) -> None:
            place, returns = tile
            table = out[place].reshape(-1, TILE)[:, : returns.shape[1]]
            table[2, flattened(returns)] = 1.0
            table[0], table[1], table[_HEAD:] = self._tester(returns, (start + place) * TILE)

        with Team(self._threads) as team:
            team.share(work, list(tiles))
        return out

    def notes(self) -> list[str]:
        """Nothing: the sweep has said it."""
        return []


def snooped_on(
    crew: Any, sweep: Any, job: SnoopJob, form: str, level: float, seed: int | None
) -> tuple[Snooping, set[int]]:
    """The answers, and configurations that could not be run.

    Raises
    ------
    StrategyError
        A configuration ended each process that ran it.
    """
    periods, count = len(next(iter(sweep.data.values()))), len(sweep.grid)
    refused: set[int] = set()

    def tested() -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        for number, row in _in_order(crew, job, -(-count // TILE)):
            table = row.reshape(-1, TILE)[:, : min(TILE, count - number * TILE)]
            refused.update((number * TILE + np.flatnonzero(table[2])).tolist())
            yield table[0], table[1], table[_HEAD:]

    fold = fold_of(job.replications, periods, form, level)
    return folded(tested, fold, job.block, seed), refused


def job_of(sweep: Any, benchmark: Any, block: float, replications: int, seed: int | None) -> SnoopJob:
    """What is sent; without a seed one is drawn here, so that all workers have the same samples."""
    drawn = int(np.random.default_rng().integers(1 << 62)) if seed is None else seed
    return SnoopJob(sent(sweep), benchmark, block, replications, drawn)


def _in_order(crew: Any, job: SnoopJob, items: int) -> Iterator[tuple[int, FloatArray]]:
    """Numbers and rows of all items, ascending."""
    waiting: dict[int, FloatArray] = {}
    wanted = 0
    with contextlib.closing(crew.run(job, [(0, items)], job.width)) as pieces:
        for piece in pieces:
            for item, reason in crew.failed.items():
                first = item * TILE
                raise StrategyError(f"configurations {first} to {first + TILE - 1} have no result: {reason}")
            waiting.update(enumerate(piece.rows, piece.start))
            while wanted in waiting:
                yield wanted, waiting.pop(wanted)
                wanted += 1
