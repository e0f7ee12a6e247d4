"""The best of each training window as a study finds it, instead of all of a grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.metrics import CATALOG
from peak_fast.validation.scores import Scorer, Stretch
from peak_fast.validation.walked import Choice


class Search(NamedTuple):
    """How a study looks for the best.

    Attributes
    ----------
    strategy, data
        What is searched, and all bars.
    space
        As in `Study`; None: all parameters of the strategy.
    objective
        `peak_fast.validation.objectives.Objective`, of a metric.
    min_trades
        Trades that must close in the window.
    sampler, n_trials, seed, constraint
        As in `Study`.
    seen
        Gets the columns of all that is tried.
    """

    strategy: Any
    data: Any
    space: Any
    objective: Any
    min_trades: int
    sampler: Any
    n_trials: int
    seed: int | None
    constraint: Any
    seen: list[Mapping[str, Any]]


class _OneWindow:
    """A scorer on one window, as a study's evaluator."""

    def __init__(
        self, scorer: Scorer, window: Stretch, objective: str, seen: list[Mapping[str, Any]]
    ) -> None:
        self._scorer, self._window, self._objective, self._seen = scorer, window, objective, seen

    def __call__(self, columns: Mapping[str, Any], bars: Any, metrics: Sequence[str]) -> Mapping[str, Any]:
        """Metrics of many configurations; see `peak_fast.studies.evaluation.Evaluator`."""
        scored = next(iter(self._scorer.scored(columns, [self._window])))
        self._seen.append({name: np.asarray(column) for name, column in columns.items()})
        found = {self._objective: np.where(np.isfinite(scored.values), scored.values, np.nan)}
        return {"closed_trades": scored.trades, **found}


def searched_choices(scorer: Scorer, search: Search, windows: Sequence[Any]) -> list[Choice]:
    """What a study of its own chooses in each training window."""
    if search.objective.name not in CATALOG:
        raise ConfigError(
            "objective: expected the name of a metric where a study searches, such as 'sharpe'; got a function"
        )
    return [_choice(scorer, search, window.train, number) for number, window in enumerate(windows)]


def _choice(scorer: Scorer, search: Search, window: Stretch, number: int) -> Choice:
    """The best trial of one window."""
    from peak_fast.studies import Study

    name = search.objective.name
    study = Study(
        search.strategy,
        search.data.slice(*window),
        objectives=str(search.objective),
        sampler="auto" if search.sampler is None else search.sampler,
        seed=None if search.seed is None else search.seed + number,
        space=search.space,
        constraints=search.constraint,
        feasible=f"closed_trades >= {search.min_trades}" if search.min_trades else None,
        study_name=f"fold {number}",
        evaluator=_OneWindow(scorer, window, name, search.seen),
    )
    study.run(n_trials=search.n_trials)
    params, tried, eligible = study.result.best_params, study.trials.height, _eligible(study.trials, name)
    nothing = Choice(None, math.nan, {}, {}, tried, eligible)
    if not params:
        return nothing
    columns = {key: np.array([value]) for key, value in params.items()}
    scored = next(iter(scorer.scored(columns, [window])))
    if not np.isfinite(scored.values[0]) or scored.trades[0] < search.min_trades:
        return nothing
    return nothing._replace(params=params, value=float(scored.values[0]), inside=scored.figures(0))


def _eligible(trials: Any, name: str) -> int:
    """Different parameters among the trials that could be chosen."""
    import polars as pl

    first = pl.col("duplicate_of").is_null() & pl.col("feasible")
    return int(trials.filter(first & pl.col(name).is_finite()).height)
