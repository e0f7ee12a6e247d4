"""Many configurations on one set of bars: rules in tiles on threads, anything else one by one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast import _run
from peak_fast._slots import SIZINGS, VARIABLE, WHOLE
from peak_fast._strategy import RuleStrategy, complete_params
from peak_fast.data import Bars
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError, SweepError, did_you_mean
from peak_fast.sweep.rows import PlaneFull, RowCache, RulePlan, capacity_for
from peak_fast.sweep.threads import run_all
from peak_kernels import types as t

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

BLOCKS = 16
# A tile is about this many bars of work: long enough to hide its fixed cost, short enough to stop within it.
_TILE_BARS = 4_000_000
_SMALL_PLANE = 8 << 20
_ALIASES = {"blocked_trades": "rejected_orders"}


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
    known = (*t.METRICS, *_ALIASES)
    for name in names:
        if name not in known:
            raise ConfigError(f"no metric {name!r} in sweeps; {did_you_mean(name, known)}")
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"expected distinct names of metrics; got {list(names)}")
    return tuple(names)


def metric_places(names: Sequence[str]) -> list[int]:
    """Columns of the kernel's output for metrics."""
    return [t.METRICS.index(_ALIASES.get(name, name)) for name in names]


@dataclass(slots=True)
class Scratch:
    """Working memory of one thread."""

    bar_of: Any
    target_of: FloatArray
    state: FloatArray
    records: FloatArray
    curve: FloatArray


class Batch:
    """Evaluates configurations of one strategy on one set of bars.

    Parameters
    ----------
    engine
        Settings that the configurations share.
    strategy
        Resolved strategy.
    bars
        Prices.
    metrics
        Names out of `peak_kernels.types.METRICS`.
    threads
        Threads of rule strategies; others run in the caller's.
    budget
        Bytes for indicator rows.
    blocks
        Also fold sums of returns in 16 stretches of time.
    """

    def __init__(
        self,
        engine: BacktestEngine,
        strategy: Any,
        bars: Bars,
        metrics: Sequence[str],
        *,
        threads: int = 1,
        budget: int = 1 << 30,
        blocks: bool = False,
    ) -> None:
        self.engine, self.strategy, self.bars = engine, strategy, bars
        self.metrics = tuple(metrics)
        self.threads = threads
        self.blocks = blocks
        self._budget = budget
        self._places = metric_places(metrics)
        self._needs_curve = blocks or max(self._places) >= t.N_FOLDED
        self._width = t.N_METRICS + 2 * BLOCKS if blocks else t.N_METRICS if self._needs_curve else t.N_FOLDED
        self._local = threading.local()
        self._cache: RowCache | None = None
        self._prices = _run.price_table(bars)
        self._schema_names = {item.name for item in strategy.schema}

    def split(self, columns: Mapping[str, Any], count: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Columns of strategy parameters, completed with defaults, and columns of settings."""
        settings = {n: c for n, c in columns.items() if n in VARIABLE and n not in self._schema_names}
        params = {n: c for n, c in columns.items() if n not in settings}
        for item in self.strategy.schema:
            if item.name not in params:
                params[item.name] = np.full(count, item.default)
        return params, settings

    def settings_rows(self, columns: Mapping[str, Any], count: int) -> FloatArray:
        """float64[count, N_SETTINGS]: the engine's settings, with what the columns vary.

        Raises
        ------
        ConfigError
            A value that the setting cannot take.
        """
        weights = (
            getattr(self.strategy, "weights", False) or getattr(self.strategy, "returns", "") == "weights"
        )
        base = self.engine._settings(self.bars, weights=weights)
        rows = np.repeat(base.reshape(1, -1), count, axis=0)
        for name, column in columns.items():
            values = np.asarray(column, dtype=np.float64)
            values = np.where(np.isnan(values), 0.0, values)
            bad = (values < 0.0) | np.isinf(values)
            if name in ("stop_loss", "trailing") and base[t.STOP_ABSOLUTE] == 0.0:
                bad |= values >= 1.0
            if name in ("size", "leverage", "initial_cash", "size_max_fraction"):
                bad |= values == 0.0
            if name in WHOLE:
                bad |= (values < WHOLE[name]) | (values != np.rint(values))
            if bad.any():
                raise ConfigError(f"{name}: {values[np.argmax(bad)]!r} in the grid is out of range")
            if name in SIZINGS and base[t.SIZE_MODE] not in SIZINGS[name]:
                raise ConfigError(
                    f"{name}: the sizing {type(self.engine.sizing).__name__} has no such setting; expected "
                    "sizing=VolatilityTarget(...) or KellyFraction(...)"
                )
            slots, divisor = VARIABLE[name]
            for slot in slots:
                rows[:, slot] = values / divisor
        if (rows[:, t.SIZE_MODE] == t.SIZE_RISK).any():
            bare = (rows[:, t.STOP_LOSS] == 0.0) & (rows[:, t.TRAILING] == 0.0)
            if bare.any():
                raise ConfigError(
                    "RiskPerTrade needs a stop in every configuration; stop_loss and trailing are 0"
                )
        return rows

    def run(
        self,
        columns: Mapping[str, Any],
        count: int,
        done: Callable[[int, FloatArray], None] | None = None,
        stop: threading.Event | None = None,
    ) -> FloatArray:
        """Metrics of ``count`` configurations: float64[count, len(metrics)], then block sums where asked for.

        ``done(n, rows)`` is called as tiles finish; a set ``stop`` ends early with `KeyboardInterrupt`.
        """
        params, settings = self.split(columns, count)
        rows = self.settings_rows(settings, count)
        out = np.empty((count, self._width))
        if isinstance(self.strategy, RuleStrategy):
            self._run_rules(params, rows, out, done, stop)
        else:
            self._run_each(params, rows, out, done, stop)
        picked: FloatArray = out[:, self._places]
        return np.hstack([picked, out[:, t.N_METRICS :]]) if self.blocks else picked

    def _tile(self) -> int:
        return int(min(max(_TILE_BARS // len(self.bars), 1), 1024))

    def _run_rules(
        self, params: Mapping[str, Any], rows: FloatArray, out: FloatArray, done: Any, stop: Any
    ) -> None:
        """Rules: compute the rows, then tiles of configurations on threads."""
        count = len(rows)
        plan = RulePlan(self.strategy, params, count)
        keys = list(dict.fromkeys(plan.keys()))
        if self._cache is None or len(self._cache.plane) < len(keys):
            # Rows that hardly any two configurations share need not all be there at once: a plane that
            # stays in the cache beats one whose pages the system must provide first.
            budget = self._budget if len(keys) * 2 < count else min(self._budget, _SMALL_PLANE)
            capacity = capacity_for(self.bars, max(len(keys), 8), budget)
            capacity = max(capacity, capacity_for(self.bars, min(len(keys), 64), self._budget))
            if self._cache is None or capacity > len(self._cache.plane):
                self._cache = RowCache(self.bars, capacity)
        if self.threads == 1 or count <= self._tile():
            self._run_planned(plan, keys, params, rows, out, done, stop, None)
            return
        with ThreadPoolExecutor(self.threads, thread_name_prefix="peak_fast") as pool:
            self._run_planned(plan, keys, params, rows, out, done, stop, pool)

    def _run_planned(
        self, plan: RulePlan, keys: Any, params: Any, rows: Any, out: Any, done: Any, stop: Any, pool: Any
    ) -> None:
        cache = self._cache
        assert cache is not None
        count = len(rows)
        try:
            cache.ensure(keys, pool)
        except PlaneFull:
            if count == 1:
                raise SweepError(
                    f"one configuration needs {len(keys)} indicator rows of {len(self.bars)} bars, more than the "
                    f"memory budget of {self._budget:,} bytes; expected a larger memory=..."
                ) from None
            for first, last in ((0, count // 2), (count // 2, count)):
                part = {name: np.asarray(column)[first:last] for name, column in params.items()}
                half = RulePlan(self.strategy, part, last - first)
                self._run_planned(
                    half, half.keys(), part, rows[first:last], out[first:last], done, stop, pool
                )
            return
        rules = plan.table(cache)
        size = self._tile()
        if pool is not None:
            size = max(1, min(size, -(-count // (4 * self.threads))))
        edges = [(first, min(first + size, count)) for first in range(0, count, size)]

        def work(edge: tuple[int, int]) -> None:
            if stop is not None and stop.is_set():
                return
            first, last = edge
            self._kernel(cache.flat, cache.stride, rules[first:last], rows[first:last], out[first:last])
            if done is not None:
                done(last - first, out[first:last][:, self._places])

        _each(work, edges, pool, stop)

    def _kernel(self, plane: Any, stride: int, rules: Any, settings: Any, out: Any) -> None:
        from peak_kernels.simulate import run_configurations

        scratch = self._scratch()
        calendar = self._calendar(settings)
        run_configurations(
            self._prices,
            calendar,
            plane,
            stride,
            rules,
            settings,
            (scratch.bar_of, scratch.target_of, 0),
            (scratch.state, scratch.records, scratch.curve),
            out,
        )

    def _calendar(self, settings: FloatArray) -> Any:
        """Calendar table, made once where it is needed."""
        daily = bool((settings[:, t.DAILY_LOSS_LIMIT] > 0.0).any())
        kept = getattr(self._local, "calendar", None)
        if kept is None or (daily and kept.shape[1] == 0):
            kept = self._local.calendar = _run.calendar_table(self.bars, daily)
        return kept

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
            )
        return kept

    def _run_each(
        self, params: Mapping[str, Any], rows: FloatArray, out: FloatArray, done: Any, stop: Any
    ) -> None:
        """Python functions and blocks: decisions per configuration, then the same kernel."""
        names = list(params)
        plain = [np.asarray(params[name]).tolist() for name in names]
        for number in range(len(rows)):
            if stop is not None and stop.is_set():
                raise KeyboardInterrupt
            values = {name: column[number] for name, column in zip(names, plain, strict=True)}
            self._one(
                complete_params(self.strategy, values), rows[number : number + 1], out[number : number + 1]
            )
            if done is not None:
                done(1, out[number : number + 1][:, self._places])

    def _one(self, values: dict[str, Any], settings: FloatArray, out: FloatArray) -> None:
        decisions = self.engine.decisions(self.bars, self.strategy, values, settings[0])
        scratch = self._scratch()
        room = (scratch.state, scratch.records, scratch.curve)
        _run.call_kernel(self.bars, self._calendar(settings), decisions, settings, room, out)


def _each(work: Callable[[Any], None], items: Sequence[Any], pool: Any, stop: Any) -> None:
    """Run work on every item, on the pool's threads or here; Ctrl-C stops after the tiles under way."""
    if pool is None:
        for item in items:
            work(item)
    else:
        run_all(pool, work, items)
    if stop is not None and stop.is_set():
        raise KeyboardInterrupt
