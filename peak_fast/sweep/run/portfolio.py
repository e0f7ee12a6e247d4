"""Sweeps of portfolios: weights of one configuration after another, what they share made once, on threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.data import Panel
from peak_fast.errors import ConfigError
from peak_fast.portfolio import (
    Bench,
    Rank,
    TargetWeights,
    decided,
    measure_orders,
    names_varied,
    places_orders,
    setup_of,
    target_weights,
)
from peak_fast.settings import EngineSettings, varied_portfolio
from peak_fast.strategies import PanelBlock
from peak_fast.sweep.run.batch import Report, metric_places
from peak_fast.sweep.run.functions import check_columns, each, told
from peak_fast.sweep.run.threads import Team, cut
from peak_kernels.arrays import FloatArray
from peak_kernels.entries import fold_blocks

# Configurations that a thread runs between two looks at what stops it.
_LARGEST, _SMALLEST = 64, 4
# Different settings that a thread keeps as the kernel reads them.
_MOST_SETUPS = 256


class _Room(threading.local):
    """What a thread keeps from one configuration to the next."""

    bench: Bench | None = None
    maker: Any = None
    weights: FloatArray | None = None

    def __init__(self) -> None:
        self.setups: dict[Any, Any] = {}


def _one_by_one(work: Callable[[tuple[int, int]], None], tiles: Sequence[tuple[int, int]]) -> None:
    for tile in tiles:
        work(tile)


class PortfolioBatch:
    """Evaluates configurations of one rule on one panel; the arguments are those of `Batch`."""

    def __init__(
        self, shared: EngineSettings, strategy: Any, bars: Panel, metrics: Sequence[str], *, team: Team,
        budget: int = 1 << 30, blocks: int = 0,
    ) -> None:  # fmt: skip
        self.shared, self.strategy, self.bars = shared, strategy, bars
        self._places_orders = places_orders(strategy)
        if self._places_orders and blocks:
            raise ConfigError(
                "blocks: expected False for orders over several assets, whose sweeps keep no sums of returns; got "
                f"{blocks}; peak_fast.statistics.cscv takes the returns of single runs"
            )
        self.metrics, self.team, self.blocks = tuple(metrics), team, blocks
        self._places = metric_places(metrics)
        self._names = names_varied(strategy, shared.order_book)
        self._own = {item.name for item in strategy.schema}
        self._room = _Room()
        self.notes: dict[str, None] = dict.fromkeys(bars.notes)
        """What was understood or passed over: of the panel, and of the weights."""

    def run(self, columns: Mapping[str, Any], out: FloatArray, done: Report | None = None) -> None:
        """Write the metrics of configurations to ``out``: float64[configurations, len(metrics)]."""
        count = len(out)
        varied = {
            n: np.asarray(c).tolist() for n, c in columns.items() if n in self._names and n not in self._own
        }
        params = {name: column for name, column in columns.items() if name not in varied}
        for item in self.strategy.schema:
            if item.name not in params:
                params[item.name] = np.broadcast_to(np.asarray(item.default), count)
        plain = check_columns(self.strategy, params)
        settings, sets = (list(each(given, range(count))) for given in (varied, plain))
        order = self._order(plain, count)

        def work(bounds: tuple[int, int]) -> None:
            for place in order[bounds[0] : bounds[1]]:
                with told({**plain, **varied}, place):
                    self._one(sets[place], settings[place], plain, out[place])
            if done is not None:
                done(bounds[1] - bounds[0], out[order[bounds[0] : bounds[1]], 0])

        # Python functions are called in this thread.
        threads = self.team.threads if isinstance(self.strategy, Rank | PanelBlock) else 1
        share = self.team.share if threads > 1 else _one_by_one
        if isinstance(self.strategy, PanelBlock) and threads > 1:
            # A block is compiled when it is first run.
            work((0, 1))
            share(lambda tile: work((tile[0] + 1, tile[1] + 1)), cut(count - 1, _LARGEST, 1, threads))
            return
        share(work, cut(count, _LARGEST, _SMALLEST, threads))

    def _order(self, columns: Mapping[str, list[Any]], count: int) -> list[int]:
        """Configurations with equal scores follow one another, so that each is made once."""
        if not isinstance(self.strategy, Rank):
            return list(range(count))
        names = [name for name in columns if name in self.strategy.score_parameters]
        if not names:
            return list(range(count))
        numbers: dict[Any, int] = {}
        keys = [
            numbers.setdefault(key, len(numbers)) for key in zip(*(columns[n] for n in names), strict=True)
        ]
        return np.argsort(np.array(keys), kind="stable").tolist()  # type: ignore[no-any-return]

    def _one(
        self,
        params: dict[str, Any],
        varied: dict[str, Any],
        columns: Mapping[str, list[Any]],
        out: FloatArray,
    ) -> None:
        if self._places_orders:
            metrics, notes = measure_orders(self.shared, self.bars, self.strategy, params, varied)
            self.notes.update(dict.fromkeys(notes))
            out[:] = metrics[self._places]
            return
        room = self._room
        if room.bench is None:
            room.bench = Bench(self.bars)
        key = tuple(varied.items())
        setup = room.setups.get(key)
        if setup is None:
            if len(room.setups) >= _MOST_SETUPS:
                room.setups.clear()
            setup = room.setups[key] = setup_of(self.bars, varied_portfolio(self.shared, varied))
        targets = self._weights(room, setup, params, columns)
        if targets.notes:
            self.notes.update(dict.fromkeys(targets.notes))
        asked = len(self.metrics)
        out[:asked] = room.bench.measure(setup, targets)[self._places]
        if self.blocks:
            sums = np.empty(2 * self.blocks)
            values, initial = room.bench.course()
            fold_blocks(values.reshape(1, -1), initial, sums)
            out[asked:] = sums

    def _weights(
        self, room: _Room, setup: Any, params: dict[str, Any], columns: Mapping[str, list[Any]]
    ) -> TargetWeights:
        """Weights of one configuration; of a `Rank` in memory that the next one gets again."""
        if isinstance(self.strategy, PanelBlock):
            return decided(self.bars, setup, self.strategy, params)
        if not isinstance(self.strategy, Rank):
            return target_weights(self.bars, self.strategy, params)
        if room.maker is None:
            room.maker = self.strategy.maker(self.bars)
        room.maker.announce(columns)
        made: TargetWeights = room.maker.weights(params, room.weights)
        if room.weights is None or made.weights.base is not room.weights:
            room.weights = made.weights if made.weights.base is None else made.weights.base
        return made
