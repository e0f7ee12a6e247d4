"""Returns of a sweep's configurations, computed again in tiles: the whole matrix never exists."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import shown
from peak_fast.data import is_panel
from peak_fast.errors import ConfigError, StrategyError
from peak_fast.guard import guarded
from peak_fast.results import units_of
from peak_fast.strategies import OrderBlock, RuleStrategy
from peak_fast.sweep.run import CurveBatch, Team, default_threads, parse_memory, returns_from
from peak_kernels.arrays import FloatArray, IntArray

_TILE = 128


@guarded
def return_tiles(
    sweep: Any, configs: Any = None, *, tile: int = _TILE, threads: int | None = None
) -> Iterator[FloatArray]:
    """Returns of every bar, ``float64[bars, up to tile configurations]``, tile after tile.

    Parameters
    ----------
    sweep
        A `Sweep` of one data set.
    configs
        Numbers of configurations, in the order wanted; None: all of the grid.
    tile
        Configurations at a time.
    threads
        Of rules and compiled blocks; None: all processors.

    Yields
    ------
    numpy.ndarray
        Simple returns at the closes, the first against the initial cash.  A configuration that the kernel refuses
        (its sweep's row is NaN) is NaN throughout.

    Raises
    ------
    ConfigError
        Several data sets, or a number that the grid does not have.
    """
    if len(sweep.data) > 1:
        raise ConfigError(
            f"returns: expected a sweep of one data set; got {len(sweep.data)} ({', '.join(sweep.data)}); "
            "sweep each alone"
        )
    numbers = _numbers(sweep, configs)
    data = next(iter(sweep.data.values()))
    if is_panel(data) or sweep.engine.order_book is not None or isinstance(sweep.strategy, OrderBlock):
        for first in range(0, len(numbers), tile):
            yield _one_by_one(sweep, numbers[first : first + tile], len(data))
        return
    with Team(threads or default_threads()) as team:
        batch = CurveBatch(
            sweep.engine.settings, sweep.strategy, data, team=team, budget=parse_memory(None)
        )  # fmt: skip
        for first in range(0, len(numbers), tile):
            part = numbers[first : first + tile]
            out = np.empty((len(part), len(data)))
            batch.run(columns_at(sweep, part), out)
            yield out.T


def _numbers(sweep: Any, configs: Any) -> IntArray:
    count = len(sweep.grid)
    numbers = np.arange(count) if configs is None else np.asarray(configs)
    whole = numbers.ndim == 1 and numbers.dtype.kind in "iu"
    if not whole or (numbers.size and (numbers.min() < 0 or numbers.max() >= count)):
        raise ConfigError(
            f"configs: expected numbers of configurations below {count:,}; got {shown(configs)}"
        )
    return numbers.astype(np.int64)


def columns_at(sweep: Any, numbers: IntArray) -> dict[str, Any]:
    """Columns of any configurations, as the batch of the strategy takes them."""
    plain = not isinstance(sweep.strategy, RuleStrategy)
    axes = zip(sweep.grid.axes.items(), sweep.grid.codes_at(numbers), strict=True)
    return {name: (axis.python_values() if plain else axis.values)[code] for (name, axis), code in axes}


def _one_by_one(sweep: Any, numbers: IntArray, bars: int) -> FloatArray:
    found = np.empty((bars, len(numbers)))
    for place, number in enumerate(numbers.tolist()):
        result = sweep.rerun(sweep.grid[number])
        found[:, place] = returns_from(units_of(result), float(result.stats["initial_cash"]))
    return found


def returns_on(crew: Any, sweep: Any, configs: IntArray) -> FloatArray:
    """Returns of some configurations from the workers of a cluster: float64[bars, configurations].

    Raises
    ------
    StrategyError
        A configuration ended each process that ran it.
    """
    data = next(iter(sweep.data.values()))
    rows = crew.table(ReturnsJob(sent(sweep), configs), len(configs), len(data), {})
    for place, reason in crew.failed.items():
        raise StrategyError(f"configuration {int(configs[place])} has no result: {reason}")
    return np.ascontiguousarray(rows).T


def sent(sweep: Any) -> Any:
    """A sweep without what stays here, the registry of trials."""
    twin = copy.copy(sweep)
    twin.registry = None
    return twin


@dataclass(frozen=True)
class ReturnsJob:
    """Some configurations whose returns are wanted, as they are sent to workers."""

    sweep: Any
    configs: IntArray

    def open(self, means: Any) -> OpenedReturns:
        """Lay it ready on a worker."""
        return OpenedReturns(self, means.threads)


class OpenedReturns:
    """Configurations on a worker whose returns are wanted."""

    def __init__(self, job: ReturnsJob, threads: int) -> None:
        self._job, self._threads = job, threads

    def rows(self, start: int, stop: int) -> FloatArray:
        """Returns of items ``[start, stop)``, those of one in a row."""
        part = self._job.configs[start:stop]
        (returns,) = return_tiles(self._job.sweep, part, tile=len(part), threads=self._threads)
        return np.ascontiguousarray(returns.T)

    def notes(self) -> list[str]:
        """Nothing: the sweep has said it."""
        return []
