"""Cross-validation: choose on most of the data, try on the rest, in every way in which folds can be parted so.

>>> from peak_fast import synthetic
>>> from peak_fast.validation import cross_validate
>>> crossed = cross_validate("ma_crossover", {"fast": [5, 10], "slow": [30, 60]}, synthetic(1_000, seed=1),
...                          folds=6, test_folds=2)
>>> crossed.splits.height, crossed.paths.height
(15, 5)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import is_whole, whole
from peak_fast.errors import DataError
from peak_fast.guard import guarded
from peak_fast.metrics import returns_from_equity
from peak_fast.results import units_of
from peak_fast.statistics import Split, combinatorial_splits
from peak_fast.strategies import RuleStrategy
from peak_fast.sweep import (
    SweepProgress,
    check_mode,
    count_grid,
    crew_of,
    default_threads,
    free_rate,
    sent,
    stretch_sums,
    stretches_of,
    year_of,
)
from peak_fast.validation.choosing import Best, OpenedScores, chosen_on, chunks
from peak_fast.validation.crossed import CrossValidationResult, Part, Parts, idle, join
from peak_fast.validation.figures import LAST, SUMMED, TRADES, Joined
from peak_fast.validation.objectives import Objective, check_settings, objective_of
from peak_fast.validation.walking import only_data, swept
from peak_kernels.arrays import FloatArray

Window = tuple[int, int]


@guarded
def cross_validate(
    strategy: Any,
    grid: Any = None,
    data: Any = None,
    *,
    folds: int = 10,
    test_folds: int = 2,
    purge: int = 0,
    embargo: int = 0,
    objective: Any = "sharpe",
    min_trades: int = 0,
    constraint: Any = None,
    threads: int | None = None,
    memory: str | int | None = None,
    cluster: Any = None,
    progress: Any = True,
    **settings: Any,
) -> CrossValidationResult:
    """Combinatorial purged cross-validation; with ``test_folds=1`` purged k-fold.

    Each configuration runs once over all bars.  For each choice of ``test_folds`` out of ``folds`` the best one is
    chosen by what it did in the other folds, and its own run in the testing folds is what it is worth there.

    Parameters
    ----------
    strategy, grid, data, constraint
        As in `Sweep`, of one set of bars or one panel; or a `Sweep`, or its result, alone.
    folds, test_folds, purge, embargo
        See `peak_fast.statistics.combinatorial_splits`; distances in bars.
    objective, min_trades
        As in `walk_forward`, of the training folds joined.
    threads, memory, cluster, progress
        As in `Sweep.run`.
    **settings
        Settings of the engine, and ``registry`` as in `Sweep`.

    Raises
    ------
    ConfigError, DataError, StrategyError
        Something does not fit; the message says what was expected.
    """
    check_mode(progress)
    check_settings(cross_validate, settings)
    whole("min_trades", min_trades, 0, 1 << 31, "count trades of the training folds")
    goal = objective_of(objective, carried=True)
    sweep = swept(strategy, grid, data, constraint, settings)
    bars = only_data(sweep)
    if is_whole(folds) and folds >= 2 and len(bars) < 2 * folds:
        raise DataError(
            f"cross-validation: {len(bars):,} bars are too few for {folds} folds; expected fewer folds, or more bars"
        )
    splits = combinatorial_splits(len(bars), folds, test_folds, purge, embargo)
    with crew_of(cluster, threads) as crew:
        cross = Cross(sweep, splits, threads or default_threads(), memory, crew)
        with SweepProgress(len(sweep.grid), mode=progress, name="cross-validation") as shown:
            chosen = cross.choose(goal, min_trades, shown)
        tested = outside(cross, chosen)
    count_grid(sweep, "cross-validation")
    return CrossValidationResult(
        sweep, splits, chosen, tested, terms=cross.terms, folds=folds, test_folds=test_folds,
        objective=goal, notes=list(dict.fromkeys([*bars.notes, *cross.notes, *_told(chosen, splits)])),
    )  # fmt: skip


def _told(chosen: Sequence[Part], splits: Sequence[Split]) -> list[str]:
    """The notes on splits without a choice, and without training."""
    without = sum(part.number is None for part in chosen)
    if not without:
        return []
    why = (
        "as no configuration had the trades and a finite objective in training; their testing folds are flat"
    )
    return [f"cross-validation: {without} of {len(splits)} splits chose nothing, {why}"]


class Cross:
    """Sums of all configurations over the stretches that splits are made of.

    Parameters
    ----------
    sweep
        Strategy, grid, settings and the one data set.
    splits
        What trains and what tests.
    """

    def __init__(
        self, sweep: Any, splits: Sequence[Split], threads: int, memory: Any, crew: Any = None
    ) -> None:
        self.sweep, self.splits = sweep, splits
        self.notes: dict[str, None] = {}
        self._options = {"threads": threads, "memory": memory, "notes": self.notes, "cluster": crew}
        self._crew = crew
        windows = list(dict.fromkeys(w for split in splits for w in (*split.train, *split.test)))
        self._edges, places = stretches_of(windows)
        self._places = dict(zip(windows, places, strict=True))
        self.terms = {"year": year_of(sweep), "free": free_rate(sweep)}
        self.initial = float(sweep.engine.initial_cash)

    def choose(self, objective: Objective, min_trades: int, shown: SweepProgress) -> list[Part]:
        """The best configuration of each split, by its training folds."""
        grid, splits = self.sweep.grid, self.splits
        if self._crew is not None:
            memory = self._options["memory"]
            job = CrossJob(sent(self.sweep), splits, memory, objective, min_trades)
            best = chosen_on(self._crew, job, len(grid), len(splits), objective, self.notes, shown)
        else:
            best = [Best() for _ in splits]
            for first, last in chunks(len(grid), shown):
                for one, values in zip(best, self.scores(first, last, objective, min_trades), strict=True):
                    one.look(first, values, objective)
        return [
            Part(one.number, None if one.number is None else grid[one.number], one.value, one.eligible)
            for one in best
        ]

    def scores(self, first: int, last: int, objective: Objective, min_trades: int) -> Iterator[FloatArray]:
        """The objective of configurations ``[first, last)`` in the training folds of one split after the other."""
        grid, numeric = self.sweep.grid, isinstance(self.sweep.strategy, RuleStrategy)
        columns = (grid.columns if numeric else grid.plain_columns)(first, last)
        sums = stretch_sums(self.sweep, columns, self._edges, **self._options)
        returns = [] if objective.function is None else self._returns(first, last)
        for split in self.splits:
            yield self._values(sums, returns, split, objective, min_trades)

    def _values(
        self,
        sums: FloatArray,
        returns: Sequence[FloatArray],
        split: Split,
        objective: Objective,
        min_trades: int,
    ) -> FloatArray:
        """The objective in the training folds of a split, NaN where there are too few trades."""
        of = self.joined(sums, split.train)
        if of is None:
            return np.full(len(sums), np.nan)
        if objective.function is None:
            values = SUMMED[objective.name](of)
        else:
            rate, function = float(self.sweep.engine.risk_free), objective.function
            parts = (np.concatenate([one[slice(*part)] for part in split.train]) for one in returns)
            values = np.array([function(part, self.terms["year"], rate) for part in parts])
        return np.where(of.total(TRADES) >= min_trades, values, np.nan)

    def _returns(self, first: int, last: int) -> list[FloatArray]:
        results = (self.sweep.rerun(self.sweep.grid[number]) for number in range(first, last))
        return [returns_from_equity(units_of(result), self.initial) for result in results]

    def joined(self, sums: FloatArray, windows: Sequence[Window]) -> Joined | None:
        """Configurations in windows of bars, one after the other; None where there are no bars."""
        return join([self.parts(sums, window) for window in windows], self.terms)

    def parts(self, sums: FloatArray, window: Window) -> Parts:
        """Sums of a window's stretches, and the equity before each of them."""
        first, last = self._places[window]
        initial = np.full((len(sums), 1 if first == 0 else 0), self.initial)
        before = sums[:, LAST, max(first - 1, 0) : last - 1]
        return Parts(sums[:, :, first:last], np.concatenate((initial, before), axis=1), window[1] - window[0])

    def own_runs(self, numbers: Sequence[int]) -> FloatArray:
        """Sums of some configurations of the grid."""
        names = self.sweep.grid.names
        rows = [self.sweep.grid[number] for number in numbers]
        columns = {name: _column([row[name] for row in rows]) for name in names}
        return stretch_sums(self.sweep, columns, self._edges, **self._options)


@dataclass(frozen=True)
class CrossJob:
    """A grid and splits as they are sent to workers; see `peak_fast.cluster.shelf.Job`."""

    sweep: Any
    splits: Sequence[Split]
    memory: Any
    objective: Objective
    min_trades: int

    def open(self, means: Any) -> OpenedScores:
        """Lay it ready on a worker."""
        return OpenedScores(CrossScores(self, means.threads))


class CrossScores:
    """Objectives in the training folds of splits; see `peak_fast.validation.choosing.Scores`."""

    def __init__(self, job: CrossJob, threads: int) -> None:
        self._cross = Cross(job.sweep, job.splits, threads, job.memory)
        self._terms = job.objective, job.min_trades

    def of(self, first: int, last: int) -> Iterator[FloatArray]:
        """Objectives of configurations ``[first, last)`` in one split after the other."""
        return self._cross.scores(first, last, *self._terms)

    def notes(self) -> list[str]:
        """What was noticed so far."""
        return list(self._cross.notes)


def _column(values: list[Any]) -> Any:
    """Values of a parameter as a column; texts and mixed ones as they are."""
    column = np.array(values)
    return column if column.dtype.kind in "biuf" else np.array(values, object)


def outside(cross: Cross, chosen: Sequence[Part]) -> list[list[Parts]]:
    """For each split and each fold that it tests, what its choice did there."""
    known = sorted({part.number for part in chosen if part.number is not None})
    sums = cross.own_runs(known) if known else np.empty((0, 0, 0))
    found = []
    for part, split in zip(chosen, cross.splits, strict=True):
        if part.number is None:
            found.append([idle(stop - start, cross.terms["free"]) for start, stop in split.test])
        else:
            place = known.index(part.number)
            found.append([cross.parts(sums[place : place + 1], window) for window in split.test])
    return found
