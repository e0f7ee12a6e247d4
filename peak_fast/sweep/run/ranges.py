"""Ranges of a sweep's grid through the kernel, in working memory that stays the same from one to the next."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.errors import SweepError
from peak_fast.metrics import higher_is_better
from peak_fast.settings import EngineSettings
from peak_fast.strategies import Block, OrderBlock, RuleStrategy, SignalStrategy
from peak_fast.sweep.grid import Grid
from peak_fast.sweep.progress import SweepProgress
from peak_fast.sweep.run.batch import Batch
from peak_fast.sweep.run.batches import make_batch
from peak_fast.sweep.run.budget import amount, duration
from peak_fast.sweep.run.threads import Team, spread
from peak_kernels.arrays import FloatArray

logger = logging.getLogger(__name__)

# A bar of a configuration, in seconds of one thread: rules, compiled blocks, the order book (docs/BENCHMARKS.md).
_SECONDS = (0.5e-9, 7.5e-9, 12e-9)

# Configurations whose rules and settings are laid out at a time: about 10 MB of tables, and about so many seconds.
_CHUNK, _CHUNK_SECONDS = 16_384, 0.05
# Parts of a sweep that run first where a tile takes longer than that, so that it can be told what the whole takes.
_SAMPLES = 32
# From so many calls of a Python function on, its cost is said louder.
_MANY_CALLS = 1_000


@dataclass(frozen=True, slots=True)
class Work:
    """What a sweep runs.

    Attributes
    ----------
    shared
        Settings that the configurations share.
    strategy
        Resolved strategy.
    data
        Bars by name.
    grid
        The configurations; with several data sets ``data`` is their first column.
    metrics
        Names of the metrics.
    blocks
        Into how many blocks of time returns are summed, too; 0: none.
    """

    shared: EngineSettings
    strategy: Any
    data: Mapping[str, Bars]
    grid: Grid
    metrics: tuple[str, ...]
    blocks: int = 0

    @property
    def width(self) -> int:
        """Columns of the results."""
        return len(self.metrics) + 2 * self.blocks

    def columns(self, out: FloatArray) -> dict[str, Any]:
        """Results by name, the sums of blocks as two tables."""
        columns: dict[str, Any] = {name: out[:, k] for k, name in enumerate(self.metrics)}
        if self.blocks:
            first, second = len(self.metrics), len(self.metrics) + self.blocks
            columns["block_sum"] = np.ascontiguousarray(out[:, first:second])
            columns["block_sumsq"] = np.ascontiguousarray(out[:, second:])
        return columns


class Ranges:
    """Evaluates ranges of a sweep's grid, keeping indicator rows between them."""

    def __init__(self, work: Work, team: Team, memory: int, *, stored: bool) -> None:
        self.work, self.team, self.memory = work, team, memory
        self._rows_held = min(len(work.grid), 16_384) if stored else len(work.grid)
        self._batches: dict[str, Batch] = {}
        self._known: list[tuple[int, int, FloatArray]] = []
        self._check_memory()
        if isinstance(work.strategy, SignalStrategy):
            logger.log(
                logging.WARNING if len(work.grid) >= _MANY_CALLS else logging.INFO,
                "%r is a Python function: it is called once a configuration, %s times, on one thread, and its time "
                "is the sweep's; as a RuleStrategy or a compiled block, @strategy on a function of "
                "(i, bars, params, memory, account), it runs compiled on all threads (docs/strategies.md)",
                work.strategy.name,
                f"{len(work.grid):,}",
            )

    def _time(self) -> str:
        """About how long the sweep takes, to be told before its memory; empty where nobody can tell."""
        if isinstance(self.work.strategy, SignalStrategy):
            return ""
        bars = sum(len(bars) for bars in self.work.data.values()) / len(self.work.data)
        seconds = len(self.work.grid) * bars * self._seconds_a_bar / self.team.threads
        return f"takes {duration(seconds)} and "

    def _check_memory(self) -> None:
        """Say at once when the results or one thread's working memory exceed the budget."""
        work = self.work
        results = self._rows_held * 8 * work.width
        longest = max(len(bars) for bars in self.work.data.values())
        # Rows of the length of the data: decisions and a curve; through the book three curves and a block's bars.
        by_book = self.work.shared.order_book is not None or isinstance(self.work.strategy, OrderBlock)
        rows = 12 if by_book else 3
        working = self.team.threads * longest * 8 * rows + results + longest * 8 * 5
        if working > self.memory:
            raise SweepError(
                f"this sweep of {len(work.grid):,} configurations {self._time()}needs about {amount(working)} "
                f"({amount(results)} of results, the rest for {self.team.threads} threads over {longest:,} bars), more "
                f"than the budget of {amount(self.memory)}; raise memory=..., use fewer threads, pass fewer metrics or "
                "configurations, or store=..., which keeps results on the disk"
            )
        self._plane = (self.memory - working) // max(len(self.work.data), 1)

    def batch(self, name: str) -> Batch:
        """Batch of one set of bars."""
        if name not in self._batches:
            work = self.work
            self._batches[name] = make_batch(
                work.shared,
                work.strategy,
                work.data[name],
                work.metrics,
                team=self.team,
                budget=max(self._plane, 1),
                blocks=work.blocks,
            )
            if isinstance(work.strategy, RuleStrategy):
                self._batches[name].expect(*self._expected)
        return self._batches[name]

    @functools.cached_property
    def _expected(self) -> tuple[int, int]:
        """Distinct indicator rows that the sweep needs at most on one data set, and its configurations there."""
        axes = {name: len(axis) for name, axis in self.work.grid.axes.items()}
        count = max(len(self.work.grid) // len(self.work.data), 1)
        rows = {row for c in self.work.strategy.conditions if c is not None for row in (c.x, c.y)}
        sizes = [math.prod(axes.get(a, 1) for a in row.args if isinstance(a, str)) for row in rows]
        return sum(min(size, count) for size in sizes), count

    def notes(self) -> list[str]:
        """Notes of all bars and of what was run on them, those of one name of several with it."""
        several = len(self.work.data) > 1
        found: dict[str, None] = {}
        for name, bars in self.work.data.items():
            every = self._batches[name].notes if name in self._batches else bars.notes
            found.update((f"{name}: {note}" if several else note, None) for note in every)
        return list(found)

    def tiles(
        self, bounds: Sequence[tuple[int, int]], shown: SweepProgress
    ) -> Generator[tuple[int, dict[str, Any]]]:
        """Number and result columns of each tile, one after the other; the first lie evenly among all."""
        self._sample(bounds, shown)
        for number in spread(len(bounds)).tolist():
            start, stop = bounds[number]
            yield number, self.work.columns(self.rows(start, stop, shown))

    def _sample(self, bounds: Sequence[tuple[int, int]], shown: SweepProgress) -> None:
        """Run a few configurations from everywhere, and keep their results until their tiles are run."""
        sizes = np.array([stop - start for start, stop in bounds])
        is_function = isinstance(self.work.strategy, SignalStrategy)
        if len(sizes) < 2 or not (is_function or sizes.max() > self._chunk_size):
            return
        size = 1 if is_function else min(self._chunk_size // 4, int(sizes.sum()) // (8 * _SAMPLES))
        ends = np.cumsum(sizes)
        for number in spread(min(_SAMPLES, int(ends[-1]) // 8)).tolist() if size else ():
            place = int((number + 0.5) * ends[-1] / _SAMPLES)
            tile = int(np.searchsorted(ends, place, side="right"))
            first = bounds[tile][0] + place - int(ends[tile] - sizes[tile])
            last = min(first + size, bounds[tile][1])
            if not any(first < stop and start < last for start, stop, _ in self._known):
                self._known.append((first, last, self.rows(first, last, shown)))

    def rows(self, start: int, stop: int, shown: SweepProgress | None = None) -> FloatArray:
        """Results of configurations ``[start, stop)``: float64[stop - start, width]."""
        # A column of the result is one piece of memory, so that it need not be copied.
        out = np.empty((stop - start, self.work.width), order="F")
        for first, last in self._chunks(start, stop, out):
            if shown is not None:
                shown.where(first, last)
            self._chunk(first, last, out[first - start : last - start], shown)
        return out

    def _chunks(self, start: int, stop: int, out: FloatArray) -> list[tuple[int, int]]:
        """Bounds of what is laid out at a time; results that are known already are copied."""
        if not self._known and stop - start <= self._chunk_size:
            return [(start, stop)]
        known = sorted((first, last) for first, last, _ in self._known if start <= first and last <= stop)
        for first, last, rows in self._known:
            if (first, last) in known:
                out[first - start : last - start] = rows
        self._known = [piece for piece in self._known if piece[:2] not in known]
        found, size = [], self._chunk_size
        for begin, end in zip([start, *(b for _, b in known)], [*(a for a, _ in known), stop], strict=True):
            found += [(first, min(first + size, end)) for first in range(begin, end, size)]
        return [found[number] for number in spread(len(found)).tolist()]

    @functools.cached_property
    def _chunk_size(self) -> int:
        """Configurations that are laid out at a time: about a tenth of a second, and at most 10 MB of tables."""
        longest = max(len(bars) for bars in self.work.data.values())
        seconds = longest * self._seconds_a_bar
        return min(_CHUNK, max(int(_CHUNK_SECONDS * self.team.threads / seconds), 16 * self.team.threads))

    @property
    def _seconds_a_bar(self) -> float:
        """About what a bar of a configuration costs."""
        by_book = self.work.shared.order_book is not None or isinstance(self.work.strategy, OrderBlock)
        return _SECONDS[2] if by_book else _SECONDS[isinstance(self.work.strategy, Block)]

    def _chunk(self, first: int, last: int, out: Any, shown: SweepProgress | None) -> None:
        grid = self.work.grid
        # Rows and rules take numbers; functions and blocks what a single run would get.
        numeric = isinstance(self.work.strategy, RuleStrategy)
        columns = grid.columns(first, last) if numeric else grid.plain_columns(first, last)
        report = self._reporter(shown)
        if "data" not in columns or len(self.work.data) == 1:
            columns.pop("data", None)
            self.batch(next(iter(self.work.data))).run(columns, out, report)
            return
        which = columns.pop("data")
        for name in dict.fromkeys(which.tolist()):
            mine = which == name
            part = {key: column[mine] for key, column in columns.items()}
            found = np.empty((int(mine.sum()), out.shape[1]))
            self.batch(name).run(part, found, report)
            out[mine] = found

    def _reporter(self, shown: SweepProgress | None) -> Callable[[int, Any], None] | None:
        if shown is None:
            return None
        best = np.fmax if higher_is_better(self.work.metrics[0]) else np.fmin

        def report(count: int, values: Any) -> None:
            shown.advance(count, float(best.reduce(values)))

        return report
