"""Figures of many configurations in many windows, in the two ways in which a window can be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from peak_fast.metrics import returns_from_equity
from peak_fast.results import units_of
from peak_fast.strategies import RuleStrategy
from peak_fast.sweep import (
    PLANES,
    History,
    Team,
    folded_result,
    free_rate,
    stretch_sums,
    stretches_of,
    year_of,
)
from peak_fast.validation.figures import SUMMED, TRADES, Windowed
from peak_fast.validation.objectives import Objective
from peak_fast.validation.remote import OpenedWindows, WindowsJob
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
    crew
        Workers of a cluster; None: threads.
    """

    sweep: Any
    objective: Objective
    threads: int
    memory: Any
    notes: dict[str, None]
    crew: Any = None

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
            means.sweep, columns, edges, threads=means.threads, memory=means.memory, notes=means.notes,
            cluster=means.crew,
        )  # fmt: skip
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
        return [returns_from_equity(units_of(result), self._initial) for result in results]

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
        self._year = year_of(means.sweep)
        self._yearly = free_rate(means.sweep) * self._year
        self._paid = means.sweep.engine.financing is not None
        self.numeric = means.numeric

    def scored(self, columns: Mapping[str, Any], windows: Sequence[Stretch]) -> Iterator[Scored]:
        """See `Scorer`."""
        means = self._means
        names = tuple(dict.fromkeys((means.objective.name, *SHOWN)))
        for window, out in zip(
            windows, self._tables(WindowsJob.of(means, columns, windows, names)), strict=True
        ):
            shown = self._shown(out, names, window[1] - window[0])
            yield Scored(out[:, 0], out[:, names.index("closed_trades")], shown)

    def _tables(self, job: WindowsJob) -> Iterator[FloatArray]:
        """Metrics of all configurations in one window after the other."""
        means = self._means
        if means.crew is not None:
            found = means.crew.table(job, job.count * len(job.windows), len(job.names), means.notes)
            yield from np.split(found, len(job.windows))
            return
        with Team(means.threads) as team:
            opened = OpenedWindows(job, team, self._history)
            for window in job.windows:
                yield opened.window(job.columns, window)
                means.notes.update(dict.fromkeys(opened.notes()))

    def _shown(self, out: FloatArray, names: Sequence[str], bars: int) -> Callable[[int], dict[str, float]]:
        def figures(place: int) -> dict[str, float]:
            found = dict(zip(names, out[place].tolist(), strict=True))
            risky = found["sharpe"] * found["volatility"]
            # Without any deviation there was no position, and at most interest, the same at each bar.
            alike = (1.0 + found["total_return"]) ** (1.0 / bars) - 1.0 if self._paid else 0.0
            annual = alike * self._year if risky != risky else risky + self._yearly
            return {"annual_return": annual, **{name: found[name] for name in SHOWN}}

        return figures


def tested_figures(result: Any, tests: Sequence[Stretch], means: Means) -> list[dict[str, float]]:
    """Figures of windows of one result: the objective where returns and trades tell it, and those of `SHOWN`."""
    edges, places = stretches_of(tests)
    sums = np.empty((1, len(PLANES), len(edges) - 1))
    year, free, initial = year_of(means.sweep), free_rate(means.sweep), float(means.sweep.engine.initial_cash)
    folded_result(result, edges, free, sums[0])
    objective, rate = means.objective, float(means.sweep.engine.risk_free)
    returns = returns_from_equity(units_of(result), initial)
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
