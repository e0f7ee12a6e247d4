"""Figures of many configurations in many windows, in the two ways in which a window can be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from peak_fast.metrics import returns_from_equity
from peak_fast.strategies import RuleStrategy
from peak_fast.sweep import (
    PLANES,
    History,
    Team,
    WarmBatch,
    folded_result,
    free_rate,
    parse_memory,
    stretch_sums,
    stretches_of,
    year_of,
)
from peak_fast.validation.figures import SUMMED, TRADES, Windowed
from peak_fast.validation.objectives import Objective
from peak_fast.validation.tracks import result_of
from peak_kernels.arrays import FloatArray

Stretch = tuple[int, int]

SHOWN = ("total_return", "volatility", "sharpe", "max_drawdown", "closed_trades")
"""Figures that are told of a window besides the objective and `annual_return`."""


class Scored(NamedTuple):
    """Configurations in one window.

    Attributes
    ----------
    values
        The objective: float64[configurations].
    trades
        Trades that closed: float64[configurations].
    figures
        Further figures of one of them, by its place.
    """

    values: FloatArray
    trades: FloatArray
    figures: Callable[[int], dict[str, float]]


class Scorer(Protocol):
    """Looks at configurations in windows."""

    @property
    def numeric(self) -> bool:
        """Whether columns are arrays of numbers; else they hold what a single run would get."""

    def scored(self, columns: Mapping[str, Any], windows: Sequence[Stretch]) -> Iterator[Scored]:
        """Figures of configurations, given as columns, in one window after the other."""


class Means(NamedTuple):
    """What scorers share.

    Attributes
    ----------
    sweep
        Strategy, settings and data.
    objective
        What is looked for.
    threads, memory
        As in `Sweep.run`.
    notes
        Gets what was understood on the way.
    """

    sweep: Any
    objective: Objective
    threads: int
    memory: Any
    notes: dict[str, None]

    @property
    def data(self) -> Any:
        """The one data set."""
        return next(iter(self.sweep.data.values()))

    @property
    def numeric(self) -> bool:
        """Whether the strategy is one of rules, whose parameters are arrays of numbers."""
        return isinstance(self.sweep.strategy, RuleStrategy)


class CarriedScorer:
    """Windows as parts of one run over all bars, which each configuration makes once."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._year, self._free = year_of(means.sweep), free_rate(means.sweep)
        self._initial = float(means.sweep.engine.initial_cash)
        self.numeric = means.numeric

    def scored(self, columns: Mapping[str, Any], windows: Sequence[Stretch]) -> Iterator[Scored]:
        """See `Scorer`."""
        edges, places = stretches_of(windows)
        means = self._means
        sums = stretch_sums(
            means.sweep, columns, edges, threads=means.threads, memory=means.memory, notes=means.notes
        )
        returns = None if means.objective.function is None else self._returns(columns)
        for window, place in zip(windows, places, strict=True):
            of = Windowed(
                sums, place, window[1] - window[0], year=self._year, free=self._free, initial=self._initial
            )
            yield Scored(self._values(of, returns, window), of.total(TRADES), _figures(of))

    def _returns(self, columns: Mapping[str, Any]) -> list[FloatArray]:
        """Returns of every configuration, for an objective that needs them all."""
        plain = {name: np.asarray(column).tolist() for name, column in columns.items()}
        rows = zip(*plain.values(), strict=True)
        results = (self._means.sweep.rerun(dict(zip(plain, row, strict=True))) for row in rows)
        return [returns_from_equity(result.equity, self._initial) for result in results]

    def _values(self, of: Windowed, returns: Any, window: Stretch) -> FloatArray:
        objective = self._means.objective
        if objective.function is None:
            return SUMMED[objective.name](of)
        rate = float(self._means.sweep.engine.risk_free)
        found = [objective.function(one[slice(*window)], self._year, rate) for one in returns]
        return np.array(found, np.float64)


def _figures(of: Windowed) -> Callable[[int], dict[str, float]]:
    def figures(place: int) -> dict[str, float]:
        one = of.only(place)
        shown = {name: float(SUMMED[name](one)[0]) for name in SHOWN}
        return {"annual_return": float(one.mean()[0]) * of.year, **shown}

    return figures


class FlatScorer:
    """Windows as runs of their own, each of which begins flat with the bars before it behind its indicators."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._history = History(means.data)
        self._yearly = free_rate(means.sweep) * year_of(means.sweep)
        self.numeric = means.numeric

    def scored(self, columns: Mapping[str, Any], windows: Sequence[Stretch]) -> Iterator[Scored]:
        """See `Scorer`."""
        means = self._means
        names = tuple(dict.fromkeys((means.objective.name, *SHOWN)))
        count = len(next(iter(columns.values())))
        fill = self._one_by_one if means.sweep.engine.order_book is not None else self._batch
        with Team(means.threads) as team:
            for window in windows:
                out = np.empty((count, len(names)), order="F")
                fill(columns, window, names, out, team)
                yield Scored(out[:, 0], out[:, names.index("closed_trades")], self._shown(out, names))

    def _batch(
        self, columns: Mapping[str, Any], window: Stretch, names: Sequence[str], out: FloatArray, team: Team
    ) -> None:
        means = self._means
        batch = WarmBatch(
            self._history, window, means.sweep.engine.settings, means.sweep.strategy, names, team=team,
            budget=parse_memory(means.memory),
        )  # fmt: skip
        batch.run(columns, out)
        means.notes.update(batch.notes)

    def _one_by_one(
        self, columns: Mapping[str, Any], window: Stretch, names: Sequence[str], out: FloatArray, team: Team
    ) -> None:
        sweep = self._means.sweep
        plain = {name: np.asarray(column).tolist() for name, column in columns.items()}
        for row, values in zip(out, zip(*plain.values(), strict=True), strict=True):
            params = dict(zip(plain, values, strict=True))
            result = result_of(sweep.engine, sweep.strategy, self._means.data, params, *window)
            row[:] = [result.stats[name] for name in names]

    def _shown(self, out: FloatArray, names: Sequence[str]) -> Callable[[int], dict[str, float]]:
        def figures(place: int) -> dict[str, float]:
            found = dict(zip(names, out[place].tolist(), strict=True))
            risky = found["sharpe"] * found["volatility"]
            # Without any deviation there was no position.
            annual = 0.0 if risky != risky else risky + self._yearly
            return {"annual_return": annual, **{name: found[name] for name in SHOWN}}

        return figures


def tested_figures(result: Any, tests: Sequence[Stretch], means: Means) -> list[dict[str, float]]:
    """Figures of windows of one result: the objective where returns and trades tell it, and those of `SHOWN`."""
    edges, places = stretches_of(tests)
    sums = np.empty((1, len(PLANES), len(edges) - 1))
    year, free, initial = year_of(means.sweep), free_rate(means.sweep), float(means.sweep.engine.initial_cash)
    folded_result(result, edges, free, sums[0])
    objective, rate = means.objective, float(means.sweep.engine.risk_free)
    returns = returns_from_equity(result.equity, initial)
    found = []
    for window, place in zip(tests, places, strict=True):
        of = Windowed(sums, place, window[1] - window[0], year=year, free=free, initial=initial)
        own: dict[str, float] = {}
        if objective.function is not None:
            own[objective.name] = objective.function(returns[slice(*window)], year, rate)
        elif objective.name in SUMMED:
            own[objective.name] = float(SUMMED[objective.name](of)[0])
        found.append({**own, **_figures(of)(0)})
    return found
