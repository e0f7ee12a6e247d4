"""Walk forward: choose on one window, try the choice on the next, and join what was tried to one result.

>>> from peak_fast import synthetic
>>> from peak_fast.validation import walk_forward
>>> walked = walk_forward("ma_crossover", {"fast": [5, 10], "slow": [30, 60]}, synthetic(1_000, seed=1),
...                       train=400, test=100)
>>> walked.folds.height, len(walked.result.bars)
(6, 601)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from peak_fast.arguments import whole
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.strategies import resolve
from peak_fast.sweep import (
    Sweep,
    SweepProgress,
    check_mode,
    columns_at,
    count_grid,
    crew_of,
    default_threads,
    sent,
)
from peak_fast.validation.choosing import Best, OpenedScores, chosen_on, chunks, numbers_of
from peak_fast.validation.jobs import sweep_of
from peak_fast.validation.objectives import Objective, check_settings, objective_of
from peak_fast.validation.scores import CarriedScorer, FlatScorer, Means, Scored, Scorer, tested_figures
from peak_fast.validation.searching import Search, searched_choices
from peak_fast.validation.stitching import stitched
from peak_fast.validation.tracks import check_decides
from peak_fast.validation.walked import Choice, WalkForwardResult
from peak_fast.validation.windows import Window, windows_of
from peak_kernels.arrays import FloatArray

_MODES = ("carry", "flat")


@guarded
def walk_forward(
    strategy: Any,
    grid: Any = None,
    data: Any = None,
    *,
    train: int | str,
    test: int | str,
    step: int | str | None = None,
    anchored: bool = False,
    purge: int | str = 0,
    embargo: int | str = 0,
    objective: Any = "sharpe",
    min_trades: int = 0,
    positions: Literal["carry", "flat"] = "carry",
    n_trials: int | None = None,
    sampler: Any = None,
    seed: int | None = 0,
    constraint: Any = None,
    threads: int | None = None,
    memory: str | int | None = None,
    cluster: Any = None,
    progress: Any = True,
    **settings: Any,
) -> WalkForwardResult:
    """Choose parameters on one window after the other, each time out of the whole grid, and try each choice later.

    Parameters
    ----------
    strategy, grid, data, constraint
        As in `Sweep`, of one set of bars or one panel; or a `Sweep`, or its result, alone.
    train, test, step, anchored, purge, embargo
        See `windows_of`: bars, or stretches of the calendar such as ``"3y"``.
    objective
        Metric of the training window that decides, such as ``"sharpe"`` or ``"max_drawdown:min"``, or a function of
        its returns, of which more is better.  Values that are no finite number never win; of equal ones the first does.
    min_trades
        Trades that must close in the training window; where no configuration has so many, nothing is held.
    positions
        ``"carry"``: each configuration runs once over all bars, a window's figures are those of its bars, and a
        position goes on over the edge of a fold.  ``"flat"``: each window is a run of its own that begins flat, with
        the bars before it behind its indicators, and each fold sells so that its last bar is flat.
    n_trials, sampler, seed
        With ``n_trials`` a `Study` with so many trials looks for the best of each training window, and ``grid`` is
        its ``space``: ``{"fast": (3, 40), "slow": [50, 100]}``, or None for all parameters of the strategy.
    threads, memory, cluster, progress
        As in `Sweep.run`; a search by a study shows none.
    **settings
        Settings of the engine: initial_cash, execution, costs, sizing, stops, risk_limits, order_book, portfolio; and
        ``registry`` as in `Sweep`: each configuration counts once.

    Raises
    ------
    ConfigError, DataError, StrategyError
        Something does not fit; the message says what was expected.
    """
    check_mode(progress)
    if positions not in _MODES:
        raise ConfigError(f"positions: expected 'carry' or 'flat'; got {positions!r}")
    check_settings(walk_forward, settings)
    whole("min_trades", min_trades, 0, 1 << 31, "count trades of a training window")
    searched = n_trials is not None
    flat = positions == "flat"
    if searched:
        whole("n_trials", n_trials, 1, 1 << 31, "count trials of each fold")
    elif sampler is not None:
        raise ConfigError("sampler: expected n_trials with it, the trials of each fold; got none")
    if searched:
        sweep = Sweep(strategy, _defaults(strategy, grid), data, **settings)
    else:
        sweep = swept(strategy, grid, data, constraint, settings)
    notes: list[str] = []
    bars = only_data(sweep)
    check_decides(sweep, flat=flat)
    windows = windows_of(
        bars, train=train, test=test, step=step, anchored=anchored, purge=purge, embargo=embargo, notes=notes
    )
    check_apart(windows)
    single = sum(window.test[1] - window.test[0] < 2 for window in windows)
    if flat and single:
        notes.append(
            f"walk forward: {single} test windows of one bar hold nothing, as each of them ends flat"
        )
    said: dict[str, None] = {}
    goal = objective_of(objective, carried=not flat)
    tried: list[Mapping[str, Any]] = []
    with crew_of(cluster, threads) as crew:
        means = Means(sweep, goal, threads or default_threads(), memory, said, crew)
        scorer = FlatScorer(means) if flat else CarriedScorer(means)
        if n_trials is None:
            with SweepProgress(len(sweep.grid), mode=progress, name="walk forward") as shown:
                chosen = choices_of(scorer, means, windows, min_trades, shown)
        else:
            search = Search(
                strategy, bars, grid, goal, min_trades, sampler, n_trials, seed, constraint, tried
            )
            chosen = searched_choices(scorer, search, windows)
    count_grid(sweep, "walk forward", tried if searched else None)
    notes += _without(chosen, min_trades)
    result = stitched(
        sweep, [one.params for one in chosen], [window.test for window in windows], flat=flat, notes=notes
    )
    chosen = with_tests(chosen, windows, result, means)
    return WalkForwardResult(
        result, windows, chosen, objective=str(means.objective), positions=positions, times=bars.timestamp,
        notes=list(dict.fromkeys([*result.notes, *notes, *said])),
    )  # fmt: skip


def swept(strategy: Any, grid: Any, data: Any, constraint: Any, settings: Mapping[str, Any]) -> Sweep:
    """The sweep that is validated: one that is given, or one of what is given.

    Raises
    ------
    ConfigError
        There are no data, or a sweep and something that it has already.
    """
    found = sweep_of(strategy)
    if found is None:
        if data is None:
            raise ConfigError(
                "data: expected bars, a frame or a panel; got none; pass a Sweep or its result alone"
            )
        return Sweep(strategy, grid, data, constraint=constraint, **settings)
    given = {"grid": grid, "data": data, "constraint": constraint, **settings}
    besides = [name for name, value in given.items() if value is not None]
    if besides:
        raise ConfigError(f"{besides[0]}: expected none besides a sweep, which has its own; got one")
    return found


def _defaults(strategy: Any, space: Any) -> list[dict[str, Any]]:
    """One configuration, of all that a study may vary; its values are not read."""
    if space is not None and not isinstance(space, Mapping):
        raise ConfigError(
            f"grid: expected a space of a study with n_trials, such as {{'fast': (5, 60)}}; got {space!r}"
        )
    if sweep_of(strategy) is not None:
        raise ConfigError(
            "n_trials: expected a strategy, a space and data with it; got a sweep, which has a grid"
        )
    item = strategy if hasattr(strategy, "schema") else resolve(strategy)
    defaults = {param.name: param.default for param in item.schema}
    return [{**defaults, **dict.fromkeys(name for name in space or () if name not in defaults)}]


def only_data(sweep: Sweep) -> Any:
    """The one data set.

    Raises
    ------
    ConfigError
        There are several.
    """
    if len(sweep.data) > 1:
        raise ConfigError(f"data: expected one data set; got {len(sweep.data)}; validate on each by itself")
    return next(iter(sweep.data.values()))


def check_apart(windows: Sequence[Window]) -> None:
    """Refuse test windows that share bars, which no single run can be joined of.

    Raises
    ------
    ConfigError
        A step is shorter than the test.
    """
    for before, window in itertools.pairwise(windows):
        if window.test[0] < before.test[1]:
            raise ConfigError(
                "step: expected at least the length of test, so that no bar is tested twice; got less"
            )


def choices_of(
    scorer: Scorer, means: Means, windows: Sequence[Window], min_trades: int, shown: SweepProgress
) -> list[Choice]:
    """The best configuration of each training window."""
    grid, objective = means.sweep.grid, means.objective
    trains = [window.train for window in windows]
    figures: list[dict[str, float]] = [{} for _ in windows]
    if means.crew is not None:
        flat = isinstance(scorer, FlatScorer)
        job = WalkJob(sent(means.sweep), objective, means.memory, trains, min_trades, flat)
        best = chosen_on(means.crew, job, len(grid), len(windows), objective, means.notes, shown)
        numbers = numbers_of(best)
        if numbers:
            columns = columns_at(means.sweep, np.array(numbers))
            for one, scored, found in zip(best, scorer.scored(columns, trains), figures, strict=True):
                found.update({} if one.number is None else scored.figures(numbers.index(one.number)))
    else:
        best = [Best() for _ in windows]
        for first, last in chunks(len(grid), shown):
            tables = scorer.scored(columns_of(scorer, grid, first, last), trains)
            for number, scored in enumerate(tables):
                if best[number].look(first, allowed(scored, min_trades), objective):
                    figures[number] = scored.figures(int(best[number].number or 0) - first)
    return [
        Choice(
            None if one.number is None else grid[one.number], one.value, found, {}, len(grid), one.eligible
        )
        for one, found in zip(best, figures, strict=True)
    ]


@dataclass(frozen=True)
class WalkJob:
    """A grid and training windows as they are sent to workers; see `peak_fast.cluster.shelf.Job`."""

    sweep: Sweep
    objective: Objective
    memory: Any
    windows: Sequence[tuple[int, int]]
    min_trades: int
    flat: bool

    def open(self, means: Any) -> OpenedScores:
        """Lay it ready on a worker."""
        return OpenedScores(WalkScores(self, means.threads))


class WalkScores:
    """Objectives in training windows; see `peak_fast.validation.choosing.Scores`."""

    def __init__(self, job: WalkJob, threads: int) -> None:
        self._job, self._notes = job, dict[str, None]()
        means = Means(job.sweep, job.objective, threads, job.memory, self._notes)
        self._scorer: Scorer = FlatScorer(means) if job.flat else CarriedScorer(means)

    def of(self, first: int, last: int) -> Iterator[FloatArray]:
        """Objectives of configurations ``[first, last)`` in one window after the other."""
        columns = columns_of(self._scorer, self._job.sweep.grid, first, last)
        for scored in self._scorer.scored(columns, self._job.windows):
            yield allowed(scored, self._job.min_trades)

    def notes(self) -> list[str]:
        """What was noticed so far."""
        return list(self._notes)


def allowed(scored: Scored, min_trades: int) -> FloatArray:
    """The objective, NaN where too few trades closed."""
    return np.where(scored.trades >= min_trades, scored.values, np.nan)


def columns_of(scorer: Scorer, grid: Any, first: int, last: int) -> dict[str, Any]:
    """Configurations of a grid as the batches take them."""
    columns: dict[str, Any] = (grid.columns if scorer.numeric else grid.plain_columns)(first, last)
    return columns


def _without(chosen: Sequence[Choice], min_trades: int) -> list[str]:
    """The note on folds that chose nothing."""
    folds = [number for number, choice in enumerate(chosen) if choice.params is None]
    if not folds:
        return []
    why = (
        f"with {min_trades} closed trades and a finite objective" if min_trades else "with a finite objective"
    )
    word = "fold" if len(folds) == 1 else "folds"
    named = ", ".join(map(str, folds[:8])) + (", ..." if len(folds) > 8 else "")
    return [f"walk forward: no configuration {why} in the training of {word} {named}; nothing is held there"]


def with_tests(
    chosen: Sequence[Choice], windows: Sequence[Window], result: Any, means: Means
) -> list[Choice]:
    """Choices with the figures of their test windows in the joined result."""
    first = windows[-1].test[1] - len(result.equity)
    tests = [(window.test[0] - first, window.test[1] - first) for window in windows]
    return [
        choice._replace(outside=figures)
        for choice, figures in zip(chosen, tested_figures(result, tests, means), strict=True)
    ]
