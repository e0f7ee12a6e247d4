"""Many configurations on one set of bars: rules and blocks in tiles on threads, functions one by one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast import simulation as _simulation
from peak_fast.arguments import listing
from peak_fast.data import Bars
from peak_fast.errors import ConfigError, SweepError, did_you_mean
from peak_fast.metrics import CATALOG, FOLDED, METRICS, PLACES
from peak_fast.settings import EngineSettings, VolatilityTarget, names_of
from peak_fast.simulation import (
    NO_CHARGES,
    Payments,
    calendar_table,
    payments_for,
    prepare_many,
    price_table,
    rows_of,
    run_block,
    warm_up_name,
    warm_up_note,
)
from peak_fast.strategies import Block, OrderBlock, RuleStrategy, SignalStrategy
from peak_fast.sweep.run.functions import check_columns, run_calls
from peak_fast.sweep.run.rows import PlaneFull, RowCache, RulePlan, capacity_for
from peak_fast.sweep.run.settings import SettingsTable
from peak_fast.sweep.run.threads import Team, cut, cut_spread
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.entries import block_memory, run_configurations

Report = Callable[[int, FloatArray], None]

# A tile is about this many bars of work: long enough to hide its fixed cost, short enough to stop within it.
_TILE_BARS = 4_000_000
# The last tiles are shorter, so that all threads end at about the same time.
SMALLEST_TILE_BARS = 200_000
_SMALL_PLANE = 8 << 20
# Indicators without a value that a note names.
_MOST_NAMED = 3
# Rows of a whole sweep are kept, from one call to the next, in so much.
_SHARED_PLANE = 256 << 20
# Rows that are not shared are worth a plane for each thread if it holds so many.
_LEAST_ROWS = 16


def default_threads() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def check_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Names of metrics, checked.

    Raises
    ------
    ConfigError
        Unknown, repeated or no names.
    """
    names = listing("metrics", names, "['sharpe', 'total_return']")
    for name in names:
        if not isinstance(name, str) or name not in PLACES:
            raise ConfigError(f"no metric {name!r} in sweeps; {_remedy(str(name))}")
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"expected distinct names of metrics; got {list(names)}")
    return names


def _remedy(name: str) -> str:
    """What to write instead of a metric that sweeps do not have."""
    if name in CATALOG and CATALOG[name].found == "array":
        return f"compute it of one run: peak_fast.metrics.{name}, or ask for one of {', '.join(PLACES)}"
    return did_you_mean(name, PLACES)


def metric_places(names: Sequence[str]) -> list[int]:
    """Columns of the kernel's output for metrics."""
    return [PLACES[name] for name in names]


@dataclass(slots=True)
class Scratch:
    """Working memory of one thread."""

    bar_of: Any
    target_of: FloatArray
    state: FloatArray
    records: FloatArray
    curve: FloatArray
    results: FloatArray
    cuts: Any = None
    financing: Any = None


class Batch:
    """Evaluates configurations of one strategy on one set of bars.

    Parameters
    ----------
    shared
        Settings that the configurations share.
    strategy
        Resolved strategy.
    bars
        Prices.
    metrics
        Names out of `peak_fast.metrics.catalog.PLACES`.
    team
        Threads of rules and blocks; functions are called in the caller's.
    budget
        Bytes for indicator rows.
    blocks
        Into how many blocks of time returns are summed, too; 0: none.
    """

    def __init__(
        self,
        shared: EngineSettings,
        strategy: Any,
        bars: Bars,
        metrics: Sequence[str],
        *,
        team: Team,
        budget: int = 1 << 30,
        blocks: int = 0,
    ) -> None:
        self.shared, self.strategy, self.bars = shared, strategy, bars
        self.metrics = tuple(metrics)
        self.team = team
        self.blocks = blocks
        self._budget = budget
        self._places = metric_places(metrics)
        self._needs_curve = max(self._places) >= len(FOLDED)
        metrics_computed = len(METRICS) if self._needs_curve else len(FOLDED)
        self.width = metrics_computed + 2 * blocks
        self._places += range(metrics_computed, self.width)
        self._local = threading.local()
        self._cache: RowCache | None = None
        self._dates: Any = None
        self._expected: tuple[int, int] | None = None
        self._prices = price_table(bars, isinstance(shared.sizing, VolatilityTarget))
        self._rows_of_prices = rows_of(self._prices)
        self._payments = self._paid()
        self._schema_names = {item.name for item in strategy.schema}
        self._known = names_of(shared.order_book, orders=isinstance(strategy, OrderBlock))
        self._compiled: Any = Block
        self.notes: dict[str, None] = dict.fromkeys(
            (*bars.notes, *(self._payments.notes if self._payments else ()))
        )
        """What was understood, passed over or reordered: of the bars, and of the values of functions."""
        self._noting, self._said, self._names = threading.Lock(), "", dict[str, None]()
        self._planned = self._silent = 0

    def _paid(self) -> Payments | None:
        """What financing pays and gets."""
        found = payments_for(self.shared, self.bars)
        return found.with_blocks(self.blocks) if found is not None and self.blocks else found

    def pay(self, payments: Payments) -> None:
        """Have the next runs on this thread pay and get something else."""
        self._payments = payments
        self._scratch().financing = payments.arrays(NO_CHARGES, np.empty(p.N_ASSET_SUMS))

    def expect(self, rows: int, configurations: int) -> None:
        """Say how many distinct indicator rows so many configurations, over all calls of ``run``, need at most."""
        self._expected = rows, configurations

    def split(self, columns: Mapping[str, Any], count: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Columns of strategy parameters, completed with defaults, and columns of settings."""
        settings = {n: c for n, c in columns.items() if n in self._known and n not in self._schema_names}
        params = {n: c for n, c in columns.items() if n not in settings}
        for item in self.strategy.schema:
            if item.name not in params:
                params[item.name] = np.broadcast_to(np.asarray(item.default), count)
        return params, settings

    def settings(self, columns: Mapping[str, Any]) -> SettingsTable:
        """The engine's settings, with what the columns vary."""
        weights = (
            getattr(self.strategy, "weights", False) or getattr(self.strategy, "returns", "") == "weights"
        )
        base = self.shared.vector(self.bars, weights=weights, financed=True, varied=columns)
        return SettingsTable(base, columns, type(self.shared.sizing).__name__)

    def run(self, columns: Mapping[str, Any], out: FloatArray, done: Report | None = None) -> None:
        """Write the metrics of configurations to ``out``: float64[configurations, len(metrics)].

        With ``blocks`` it has twice as many columns more.  ``done(n, values of the first metric)`` is called as tiles
        finish.
        """
        params, varied = self.split(columns, len(out))
        settings = self.settings(varied)
        if isinstance(self.strategy, RuleStrategy):
            self._run_rules(params, settings, out, done)
        elif isinstance(self.strategy, self._compiled):
            self._run_blocks(params, settings, out, done)
        elif isinstance(self.strategy, SignalStrategy):
            run_calls(self, params, settings, out, done)
        else:
            # Nothing that the engine decides with: it says what to do instead.
            _simulation.decisions_of(self.bars, self.strategy, {}, settings.rows(0, 1)[0], [])

    @property
    def tile(self) -> int:
        """Most configurations that are run at a time."""
        return int(min(max(_TILE_BARS // len(self.bars), 1), 1024))

    def _run_rules(
        self, params: Mapping[str, Any], settings: SettingsTable, out: FloatArray, done: Report | None
    ) -> None:
        """Rules: compute the rows, then tiles of configurations on threads."""
        count = len(out)
        plan = RulePlan(self.strategy, params, count)
        rows = len(dict.fromkeys(plan.keys()))
        every, among = self._expected or (rows, count)
        apart = rows * 2 >= count and every * 2 >= among
        # Rows that hardly any two configurations share need not all be there at once: a plane that
        # stays in the cache beats one whose pages the system must provide first.
        budget = min(self._budget, _SMALL_PLANE) if apart else self._budget
        each = capacity_for(self.bars, rows, budget // self.team.threads)
        if apart and self.team.threads > 1 and _LEAST_ROWS <= each < rows:
            self._run_apart((each, each * count // rows), params, settings, out, done)
            return
        if self._cache is None or len(self._cache.plane) < rows:
            capacity = capacity_for(self.bars, max(rows, 8), budget)
            capacity = max(capacity, capacity_for(self.bars, min(rows, 64), self._budget))
            if not apart:
                # Memory is taken as rows are written: room for those of later calls costs nothing now.
                capacity = max(capacity, capacity_for(self.bars, every, min(budget, _SHARED_PLANE)))
            if self._cache is None or capacity > len(self._cache.plane):
                self._cache = self._rows(capacity)
        self._run_planned(plan, params, settings, (0, count), out, done, (self._cache, self.team))

    def _rows(self, capacity: int) -> RowCache:
        """Memory for so many rows."""
        return RowCache(self.bars, capacity)

    def _run_apart(
        self,
        sizes: tuple[int, int],
        params: Mapping[str, Any],
        settings: SettingsTable,
        out: FloatArray,
        done: Report | None,
    ) -> None:
        """Rows that are not shared: each thread computes those of its configurations and keeps them to itself.

        ``sizes``: rows of a thread's plane, and about as many configurations as need so many.
        """
        self._calendar(settings)
        alone = Team(1)

        def work(bounds: tuple[int, int]) -> None:
            cache: RowCache | None = getattr(self._local, "cache", None)
            if cache is None or len(cache.plane) < sizes[0]:
                cache = self._local.cache = self._rows(sizes[0])
            plan = self._part(params, bounds)
            self._run_planned(plan, params, settings, bounds, out, done, (cache, alone))

        self.team.share(work, cut(len(out), sizes[1], min(sizes[1], 8), self.team.threads))

    def _part(self, params: Mapping[str, Any], bounds: tuple[int, int]) -> RulePlan:
        """Plan of some of the configurations."""
        first, last = bounds
        part = {name: np.asarray(column)[first:last] for name, column in params.items()}
        return RulePlan(self.strategy, part, last - first)

    def _run_planned(
        self,
        plan: RulePlan,
        params: Mapping[str, Any],
        settings: SettingsTable,
        bounds: tuple[int, int],
        out: FloatArray,
        done: Report | None,
        means: tuple[RowCache, Team],
    ) -> None:
        """The configurations of a plan, ``[start, stop)`` of all; halves of them where their rows do not fit."""
        cache, team = means
        start, stop = bounds
        try:
            cache.ensure(plan.keys(), team)
        except PlaneFull:
            if stop - start == 1:
                raise SweepError(
                    f"one configuration needs {len(set(plan.keys()))} indicator rows of {len(self.bars)} bars, "
                    f"more than the memory budget of {self._budget:,} bytes; expected a larger memory=..."
                ) from None
            middle = (start + stop) // 2
            for half in ((start, middle), (middle, stop)):
                self._run_planned(self._part(params, half), params, settings, half, out, done, means)
            return
        plan.place(cache)
        self._note_silent(plan, cache, stop - start)
        calendar, order = self._calendar(settings), plan.order(8 * cache.stride)

        def work(tile: tuple[int, int]) -> None:
            first, last = start + tile[0], start + tile[1]
            room = self._scratch()
            found = room.results[: last - first]
            mine: Any = slice(*tile) if order is None else order[slice(*tile)]
            places = slice(first, last) if order is None else start + mine
            rules, own = plan.table(mine, last - first), settings.at(places, last - first)
            self._kernel(calendar, cache.flat, cache.stride, rules, own, room, found)
            self._keep(found, places, out, done)

        smallest = SMALLEST_TILE_BARS // len(self.bars)
        team.share(work, cut_spread(stop - start, self.tile, smallest, team.threads))

    def _note_silent(self, plan: RulePlan, cache: RowCache, count: int) -> None:
        """Say in how many configurations an indicator has no value, because its warm-up is longer than the data."""
        silent, names = plan.silent(cache)
        with self._noting:
            self._planned += count
            if not (silent or self._silent):
                return
            self._silent += silent
            self._names.update(dict.fromkeys(map(warm_up_name, names[:_MOST_NAMED])))
            self.notes.pop(self._said, None)
            self._said = warm_up_note(
                list(self._names)[:_MOST_NAMED], len(self.bars), self._silent, self._planned
            )
            self.notes[self._said] = None

    def _keep(self, found: FloatArray, places: Any, out: FloatArray, done: Report | None) -> None:
        """Copy what was asked for out of a thread's results, to a slice of all configurations or to any of them."""
        out[places] = found[:, self._places]
        if done is not None:
            done(len(found), out[places, 0])

    def _kernel(
        self,
        calendar: Any,
        plane: FloatArray,
        stride: int,
        rules: Any,
        settings: FloatArray,
        room: Scratch,
        out: FloatArray,
    ) -> None:
        run_configurations(
            self._rows_of_prices,
            calendar,
            plane,
            stride,
            rules,
            settings,
            (room.bar_of, room.target_of, 0),
            (room.state, room.records, room.curve),
            out,
            room.cuts,
            room.financing,
        )

    def _calendar(self, settings: SettingsTable) -> Any:
        """Calendar table, made once where it is needed."""
        if self._dates is None or (settings.any_daily_limit and self._dates.shape[1] == 0):
            self._dates = calendar_table(self.bars, settings.any_daily_limit)
        return self._dates

    def _scratch(self) -> Scratch:
        kept: Scratch | None = getattr(self._local, "scratch", None)
        if kept is None:
            count = len(self.bars)
            kept = self._local.scratch = Scratch(
                np.empty(count, np.int64),
                np.empty(count),
                np.empty(t.N_STATE),
                np.empty((3, 0, t.RECORD_WIDTH)),
                np.empty((1, count if self._needs_curve else 0)),
                np.empty((self.tile, self.width)),
                block_memory(self.blocks) if self.blocks else None,
            )
            if self._payments is not None:
                # Behind the equity there is what a unit of the account is worth; blocks are summed of it.
                kept.curve = np.empty((2, count if self._needs_curve or self.blocks else 0))
                kept.financing = self._payments.arrays(NO_CHARGES, np.empty(p.N_ASSET_SUMS))
        return kept

    def _run_blocks(
        self, params: Mapping[str, Any], settings: SettingsTable, out: FloatArray, done: Report | None
    ) -> None:
        """A compiled block: tiles of configurations on threads."""
        params = check_columns(self.strategy, params)
        call = prepare_many(self.strategy, self.bars, params, len(out))
        calendar = self._calendar(settings)

        def work(tile: tuple[int, int]) -> None:
            room = self._scratch()
            found = room.results[: tile[1] - tile[0]]
            scratch = (room.state, room.records, room.curve)
            run_block(
                call.part(*tile), self._prices, calendar, settings.rows(*tile), scratch, found, room.cuts,
                room.financing,
            )  # fmt: skip
            self._keep(found, slice(*tile), out, done)

        smallest = SMALLEST_TILE_BARS // len(self.bars)
        self.team.share(work, cut_spread(len(out), self.tile, smallest, self.team.threads))
