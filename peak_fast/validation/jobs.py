"""What is run in each world: a strategy with parameters or with a grid, the settings, and how a thread runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import mapping, shown, whole
from peak_fast.data import Bars, given_bars, is_panel
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError
from peak_fast.guard import keywords, no_argument
from peak_fast.settings import VolatilityTarget, names_of, portfolio_names
from peak_fast.simulation import is_targets, movable, payments_for
from peak_fast.strategies import Block, OrderBlock, RuleStrategy, SignalStrategy, complete_params, resolve
from peak_fast.sweep import Repeated, Sweep, SweepResult, Team, cut, default_threads, make_batch, metrics_on
from peak_fast.validation.paid import Paying, settings_in
from peak_kernels.arrays import FloatArray
from peak_kernels.slots import MARK

# Worlds that a thread takes at a time, at most.
_TILE = 64
_NAMES = keywords(BacktestEngine.__init__)
_NOT = ("tracker", "use_execution_pipeline")


@dataclass(frozen=True)
class Job:
    """Configurations on one set of data.

    Attributes
    ----------
    engine
        The settings.
    strategy
        Resolved.
    data
        `Bars` or a `Panel`.
    columns
        Parameters and varied settings, one value for each configuration.
    count
        How many configurations.
    """

    engine: BacktestEngine
    strategy: Any
    data: Any
    columns: Mapping[str, Any]
    count: int

    def params(self, place: int) -> dict[str, Any]:
        """Plain parameters and varied settings of a configuration."""
        found = {name: column[place] for name, column in self.columns.items()}
        plain = {name: value.item() if hasattr(value, "item") else value for name, value in found.items()}
        # Grids of numbers write NaN where a setting is not set.
        return {name: None if value != value else value for name, value in plain.items()}

    @property
    def is_compiled(self) -> bool:
        """Whether no Python of the user runs, so that worlds may be run on threads."""
        if is_panel(self.data):
            from peak_fast.portfolio import Rank

            return isinstance(self.strategy, Rank)
        return isinstance(self.strategy, RuleStrategy | Block | OrderBlock)

    def result(self, place: int, data: Any = None) -> Any:
        """Full result of a configuration, on other data of the same kind where they are given."""
        values = self.params(place)
        own = {item.name for item in self.strategy.schema}
        known = names_of(self.engine.order_book, orders=isinstance(self.strategy, OrderBlock))
        known = portfolio_names() if is_panel(self.data) else known
        varied = {name: values.pop(name) for name in list(values) if name in known and name not in own}
        return self.engine.rerun(self.data if data is None else data, self.strategy, values, varied)


def sweep_of(source: Any) -> Sweep | None:
    """The sweep that a result is of, or the sweep itself; None: something else.

    Raises
    ------
    ConfigError
        A result that was loaded, which has no sweep.
    """
    if isinstance(source, Sweep):
        return source
    if not isinstance(source, SweepResult):
        return None
    sweep = getattr(source._rerun, "__self__", None)
    if not isinstance(sweep, Sweep):
        raise ConfigError(
            "found: this result was loaded and has neither data nor strategy; expected a Sweep, or one that ran here: "
            "Sweep(...).run(store=...) takes what is finished from the store"
        )
    return sweep


def job_of(
    name: str, strategy: Any, params: Any, data: Any, settings: Mapping[str, Any], select: bool = False
) -> Job:
    """The job of a call of a public function.

    Parameters
    ----------
    name
        The function, for errors.
    params
        One value for each parameter; with ``select`` a grid.
    settings
        Keyword arguments of `BacktestEngine`, with ``select`` also ``constraint``.

    Raises
    ------
    ConfigError
        No data, several sets of data, a grid without ``select``, an unknown setting.
    """
    known = [word for word in _NAMES if word not in _NOT] + ["constraint"] * select
    for word in settings:
        if word not in known:
            raise no_argument(name, word, [*known, *_OWN[name]])
    given = sweep_of(strategy)
    if given is not None:
        if params is not None or data is not None or settings:
            raise ConfigError(f"{name}: expected a sweep alone; got parameters, data or settings beside it")
        return _of_sweep(name, given)
    if data is None:
        raise ConfigError(
            f"{name}: expected data, as in {name}('ma_crossover', {{'fast': 10}}, bars); got none"
        )
    item = _strategy(name, strategy)
    if select:
        return _of_sweep(name, Sweep(item, params, data, **settings))
    return _of_params(name, item, params, data, settings)


# Arguments of the public functions beside settings, for the nearest name of one that they do not have.
_SHARED = ("objective", "threads", "cluster")
_OWN = {
    "permutation_test": ("worlds", "method", "block", "select", "min_trades", "seed", *_SHARED),
    "noise_test": ("noise", "runs", "seed", *_SHARED),
    "sensitivity": ("parts", "around", "added_bps", "starts", "delays", *_SHARED),
}


def _strategy(name: str, strategy: Any) -> Any:
    """What is run: an expression becomes a function that returns it; fixed decisions are refused."""
    if isinstance(strategy, str) or not is_targets(strategy):
        return strategy
    if hasattr(strategy, "meta"):
        return SignalStrategy(lambda frame, params: strategy, name="expression", returns="targets")
    raise ConfigError(
        f"{name}: expected a strategy, which decides anew on other prices; got {shown(strategy)}, decisions that are "
        "made already; pass the function or the expression that made them"
    )


def _of_sweep(name: str, sweep: Sweep) -> Job:
    if len(sweep.data) > 1:
        raise ConfigError(
            f"{name}: expected one set of data; got {len(sweep.data)} ({', '.join(sweep.data)}); call it for each"
        )
    count = len(sweep.grid)
    numeric = isinstance(sweep.strategy, RuleStrategy)
    columns = sweep.grid.columns(0, count) if numeric else sweep.grid.plain_columns(0, count)
    return Job(sweep.engine, sweep.strategy, next(iter(sweep.data.values())), columns, count)


def _of_params(name: str, strategy: Any, params: Any, data: Any, settings: Mapping[str, Any]) -> Job:
    """A job of one configuration."""
    given = dict(mapping("params", {} if params is None else params, "{'fast': 10, 'slow': 50}"))
    several = [key for key, value in given.items() if isinstance(value, list | range | tuple | np.ndarray)]
    if several:
        raise ConfigError(
            f"{name}: expected one value of {several[0]!r}; got {shown(given[several[0]])}; a grid needs select=True, "
            "which repeats the choice in each world"
        )
    engine = BacktestEngine(**settings)
    if is_panel(data):
        from peak_fast.portfolio import rule_of

        item, held = rule_of(strategy), data
    else:
        item, held = resolve(strategy), given_bars(data)
    own = {param.name for param in item.schema}
    known = (
        portfolio_names()
        if is_panel(data)
        else names_of(engine.order_book, orders=isinstance(item, OrderBlock))
    )
    varied = {key: value for key, value in given.items() if key in known and key not in own}
    values = complete_params(item, {key: value for key, value in given.items() if key not in varied})
    columns = {key: np.array([value]) for key, value in {**values, **varied}.items()}
    return Job(engine, item, held, columns, 1)


def runner_of(job: Job, maker: Any, metrics: Sequence[str]) -> Callable[[int], FloatArray]:
    """How one thread runs a world: a function of its number that gives float64[configurations, metrics]."""
    shared, item = job.engine.settings, job.strategy
    fast = shared.order_book is None and isinstance(item, RuleStrategy | Block)
    if fast and isinstance(job.data, Bars):
        bars, table, volume = movable(job.data, isinstance(shared.sizing, VolatilityTarget))
        repeated, room = Repeated(shared, item, bars, job.columns, job.count, metrics), maker.room()
        paid = payments_for(shared, job.data)
        paying = None if paid is None else Paying(paid, job.data)

        def run_moved(number: int) -> FloatArray:
            maker.write(number, table, volume, room)
            if paying is not None:
                repeated.batch.pay(paying.of(table[MARK], room))
            return repeated.run()

        return run_moved
    out = np.empty((job.count, len(metrics)))

    def run_anew(number: int) -> FloatArray:
        world = maker.world(number)
        own = settings_in(shared, maker, number, world)
        make_batch(own, item, world, metrics, team=Team(1)).run(job.columns, out)
        return out

    return run_anew


def run_worlds(
    job: Job,
    maker: Any,
    metrics: Sequence[str],
    worlds: int,
    threads: int | None,
    keep: Callable[[int, FloatArray], None],
) -> None:
    """Run the job in worlds 0, 1, ... and hand the metrics of each to ``keep(world, float64[count, metrics])``.

    A world depends on its number alone, so the number of threads changes nothing.
    """
    with Worlds(job, maker, metrics, threads) as ran:
        ran.run(0, worlds, keep)


class Worlds:
    """Runs worlds on threads, which keep what they laid out from one call to the next; use as a context manager."""

    def __init__(self, job: Job, maker: Any, metrics: Sequence[str], threads: int | None) -> None:
        self._parts = job, maker, metrics
        self._local = threading.local()
        self._team = Team((threads or default_threads()) if job.is_compiled else 1)

    def __enter__(self) -> Worlds:
        return self

    def __exit__(self, *exception: object) -> None:
        self._team.__exit__(*exception)

    def run(self, start: int, stop: int, keep: Callable[[int, FloatArray], None]) -> None:
        """Run worlds ``[start, stop)``; see `run_worlds`."""

        def work(bounds: tuple[int, int]) -> None:
            run = getattr(self._local, "run", None)
            if run is None:
                run = self._local.run = runner_of(*self._parts)
            for number in range(start + bounds[0], start + bounds[1]):
                keep(number, run(number))

        self._team.share(work, cut(stop - start, _TILE, 1, self._team.threads))


def real_metrics(job: Job, metrics: Sequence[str], threads: int | None, crew: Any = None) -> FloatArray:
    """Metrics of the configurations on the real data: float64[configurations, metrics]; several on a crew."""
    settings = job.engine.settings
    if crew is not None and job.count > 1:
        found: FloatArray = metrics_on(crew, settings, job.strategy, job.data, metrics, job.columns)
        return found
    out = np.empty((job.count, len(metrics)), order="F")
    with Team(threads or default_threads()) as team:
        make_batch(settings, job.strategy, job.data, metrics, team=team).run(job.columns, out)
    return out


def checked_threads(threads: Any) -> int | None:
    """A number of threads, or None for all processors.

    Raises
    ------
    ConfigError
        Something else.
    """
    return None if threads is None else whole("threads", threads, 1, 1024, "None takes all processors")
