"""Sweeps: every configuration of a grid through the kernel, in constant memory, resumable.

>>> sweep = Sweep("ma_crossover", {"fast": range(5, 50), "slow": range(20, 200, 5)}, bars)  # doctest: +SKIP
>>> sweep.run(store="sweep_1").top(5)                                                       # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from peak_fast import arguments as _arguments
from peak_fast import trials as _trials
from peak_fast.data import Bars, given_bars, is_panel
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import guarded_class, say_stopped
from peak_fast.results import code_version, jsonable
from peak_fast.settings import (
    Costs,
    Execution,
    Financing,
    PortfolioRules,
    RiskLimits,
    SizeRule,
    Stops,
    check_apart,
    names_of,
)
from peak_fast.statistics import check_blocks
from peak_fast.strategies import OrderBlock, RuleStrategy, SignalStrategy, resolve
from peak_fast.sweep.grid import Grid, given_constraints
from peak_fast.sweep.progress import SweepProgress, check_mode
from peak_fast.sweep.result import SweepResult
from peak_fast.sweep.run import Runner, Work, check_metrics, runner_of
from peak_fast.sweep.tracked import curves_wanted

DEFAULT_METRICS = ("total_return", "sharpe", "max_drawdown", "total_trades")


def _resolved(strategy: Any, data: Any) -> Any:
    """A strategy as it is run: of one asset, or what a portfolio holds where the data are a panel."""
    if not is_panel(data):
        return resolve(strategy)
    from peak_fast.portfolio import rule_of

    return rule_of(strategy)


def _is_given(item: Any) -> bool:
    """Whether it is a table of weights or orders, which has no parameters at all."""
    from peak_fast.portfolio import GivenOrders, GivenWeights

    return isinstance(item, GivenOrders | GivenWeights)


def _names(engine: BacktestEngine, item: Any, data: Any) -> tuple[str, ...]:
    """Settings that may be varied besides the parameters."""
    if is_panel(data):
        from peak_fast.portfolio import names_varied

        return names_varied(item, engine.order_book)
    return names_of(engine.order_book, orders=isinstance(item, OrderBlock))


def _blocks_of(blocks: Any, data: Mapping[str, Bars]) -> int:
    """Number of blocks of time, checked; 0: none."""
    if blocks is None or blocks is False:
        return 0
    count = 16 if blocks is True else check_blocks(blocks)
    short = [name for name, bars in data.items() if len(bars) < max(count, 4)]
    if short:
        raise ConfigError(
            f"blocks: expected at least {max(count, 4)} bars for {count} blocks; {short[0]!r} has "
            f"{len(data[short[0]])}; use fewer blocks"
        )
    return count


def _check_names(item: Any, names: Any, settings: Sequence[str]) -> None:
    """Names must be parameters or settings, where the strategy says what its parameters are."""
    known = {param.name for param in item.schema}
    unknown = [name for name in names if name not in known and name not in settings]
    if unknown and (known or isinstance(item, RuleStrategy) or _is_given(item)):
        raise ConfigError(f"no parameter {unknown[0]!r}; {did_you_mean(unknown[0], {*known, *settings})}")


@guarded_class()
class Sweep:
    """A strategy, a grid and data.

    Parameters
    ----------
    strategy
        Name, rule strategy, compiled block or signal function; a block that places orders is one, too.
    grid
        Anything `Grid.make` takes; columns may be parameters of the strategy or settings such as ``stop_loss``,
        ``take_profit``, ``trailing``, ``fee_bps``, ``slippage_bps``, ``size``; with ``order_book`` also fields of
        it such as ``latency``, ``entry_limit``, ``volume_amount``.
    data
        `Bars` or a frame, or a dict of them by name (several assets or date ranges: the grid is run on each,
        with ``data`` as the first column); or a `Panel`, or a dict of panels: then ``strategy`` is what a portfolio
        holds, and columns may be fields of `PortfolioRules`, too.
    execution, costs, sizing, stops, risk_limits, initial_cash, periods_per_year, risk_free, order_book, portfolio
        See `BacktestEngine`.
    financing
        See `BacktestEngine`.
    metrics
        Columns of the result.
    constraint
        Polars expression, text or function; configurations that do not meet it are not run.
    blocks
        Also keep sums of the returns, and of their squares, in so many blocks of time: an even number, which
        `SweepResult.overfitting` reads; True: 16.
    registry
        A `peak_fast.trials.TrialRegistry`, or the path of its file: what `run` tries is counted there.  None: in
        ``trials.sqlite`` beside the store of a run that has one.
    """

    def __init__(
        self,
        strategy: Any,
        grid: Any,
        data: Any,
        *,
        execution: Execution | None = None,
        costs: Costs | None = None,
        sizing: SizeRule | None = None,
        stops: Stops | None = None,
        risk_limits: RiskLimits | None = None,
        initial_cash: float = 100_000.0,
        periods_per_year: float | None = None,
        risk_free: float = 0.0,
        order_book: Any = None,
        portfolio: PortfolioRules | None = None,
        financing: Financing | None = None,
        metrics: Sequence[str] = DEFAULT_METRICS,
        constraint: Any = None,
        blocks: bool | int = False,
        registry: Any = None,
    ) -> None:
        if isinstance(grid, Bars) or is_panel(grid):
            remedy = "the order is Sweep(strategy, grid, data)"
            raise _arguments.wrong("Sweep: grid", "what to vary, such as {'fast': [10, 20]}", grid, remedy)
        self.data = self._bars_of(data)
        first = next(iter(self.data.values()))
        self.strategy = _resolved(strategy, first)
        self.metrics = check_metrics(metrics)
        self.blocks = _blocks_of(blocks, self.data)
        self.registry = None if registry is None else _trials.registry_or_none(registry)
        self.engine = BacktestEngine(
            initial_cash=initial_cash,
            execution=execution,
            costs=costs,
            sizing=sizing,
            stops=stops,
            risk_limits=risk_limits,
            periods_per_year=periods_per_year,
            risk_free=risk_free,
            order_book=order_book,
            portfolio=portfolio,
            financing=financing,
        )
        self._plain: tuple[Any, str] | None = None
        self._varied = _names(self.engine, self.strategy, first)
        schema = self.strategy.schema or None
        made = Grid.make(
            grid,
            schema,
            [*given_constraints(constraint), *self.strategy.constraints],
            known=self._varied,
        )
        own = {item.name for item in self.strategy.schema}
        _check_names(self.strategy, made.names, self._varied)
        check_apart(name for name in made.names if name not in own)
        self.grid = made.crossed("data", list(self.data)) if len(self.data) > 1 else made

    @staticmethod
    def _bars_of(data: Any) -> dict[str, Bars]:
        """Bars or panels by name; a dict of arrays is a frame, a dict of frames is several data sets."""
        several = isinstance(data, Mapping) and all(
            isinstance(value, Bars)
            or is_panel(value)
            or hasattr(value, "columns")
            or isinstance(value, Mapping)
            for value in data.values()
        )
        if not several:
            bars = data if is_panel(data) else given_bars(data)
            return {bars.name: bars}
        if not data:
            raise ConfigError("data: expected at least one set of bars; got an empty dict")
        kinds = {is_panel(value) for value in data.values()}
        if len(kinds) > 1:
            raise ConfigError("data: expected bars or panels; got both; sweep them one after the other")
        if kinds == {True}:
            return {str(name): panel for name, panel in data.items()}
        return {str(name): given_bars(value, str(name)) for name, value in data.items()}

    def settings(self) -> dict[str, Any]:
        """Settings that all configurations share, as plain values."""
        engine = self.engine
        # Made once: a small sweep takes hardly longer.
        if self._plain is None or self._plain[0] is not engine.settings:
            given: dict[str, Any] = {
                "initial_cash": engine.initial_cash,
                "execution": engine.execution.model_dump(),
                "costs": engine.costs.model_dump(),
                "sizing": engine.sizing.model_dump(),
                "stops": engine.stops.model_dump(),
                "risk_limits": engine.risk_limits.model_dump(),
                "periods_per_year": engine.periods_per_year,
                "risk_free": engine.risk_free,
                "strategy": self.strategy.name,
                **({} if engine.order_book is None else {"order_book": engine.order_book.identity()}),
                **({} if engine.portfolio is None else {"portfolio": engine.portfolio.model_dump()}),
                **({} if engine.financing is None else {"financing": engine.financing.described()}),
            }
            self._plain = engine.settings, json.dumps(jsonable(given))
        plain: dict[str, Any] = json.loads(self._plain[1])
        return plain

    def rerun(self, params: Mapping[str, Any]) -> Any:
        """Full result of one configuration: a dict of parameters and varied settings."""
        values = dict(params)
        name = values.pop("data", None)
        if name is not None and name not in self.data:
            raise ConfigError(f"data: got {name!r}; {did_you_mean(str(name), self.data)}")
        bars = self.data[name] if name is not None else next(iter(self.data.values()))
        own = {item.name for item in self.strategy.schema}
        varied = {k: values.pop(k) for k in list(values) if k in self._varied and k not in own}
        check_apart(varied)
        return self.engine.rerun(bars, self.strategy, values, varied, symbol=name)

    def run(
        self,
        threads: int | None = None,
        store: str | Path | None = None,
        resume: bool | Literal["restart"] = True,
        progress: bool | Literal["auto", "bar", "lines", "notebook", "off"] = True,
        tracker: Any = None,
        keep_curves: str | int | None = "best:10",
        memory: str | int | None = None,
        cluster: Any = None,
    ) -> SweepResult:
        """Run what is not yet done.

        Parameters
        ----------
        threads
            None: all processors; on a cluster, all threads of each worker.
        store
            Folder for the results; with it an interrupted sweep goes on where it stopped.
        resume
            See `SweepStore.open`.
        progress
            See `SweepProgress`.
        tracker
            Gets one parent run with the table, and child runs of the best configurations.
        keep_curves
            Equity curves of the best ``n`` that the tracker gets with the table: ``"best:n"``, n or None.
        memory
            Budget for working memory, of each worker on a cluster; None: a quarter of what is free.
        cluster
            Where it runs in place of this process: a `distributed.Client`, an address (``"tcp://host:8786"``),
            ``"local"`` or ``"local:4"``, so many processes on this machine (docs/cluster.md).

        Raises
        ------
        SweepError
            The memory budget does not hold a single configuration.
        StoreError
            The store is locked, belongs to other work, or its disk is full.
        """
        if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
            raise ConfigError(f"threads: expected at least 1; got {threads!r}; None takes all processors")
        check_mode(progress)
        curves_wanted(keep_curves)
        _arguments.tracker_or_none(tracker)
        if not isinstance(resume, bool):
            from peak_fast.sweep.store import check_resume

            check_resume(resume)
        folder = None if store is None else _arguments.place("store", store, "my_sweep")
        registry = self.registry
        if registry is None and folder is not None:
            registry = _trials.TrialRegistry(folder.expanduser().absolute().parent / _trials.NAME)
        if registry is not None:
            registry.check()
        try:
            result = self._result((threads, memory, cluster), folder, resume, progress)
        except KeyboardInterrupt as error:
            say_stopped(error, "sweep stopped; nothing was kept: run(store=...) keeps what is finished")
            raise
        if registry is not None:
            from peak_fast.sweep.counted import count_sweep

            count_sweep(registry, self, result)
        if tracker is not None:
            from peak_fast.sweep.tracked import log_sweep

            log_sweep(tracker, self, result, keep_curves)
        return result

    def _result(
        self, means: tuple[int | None, Any, Any], folder: Path | None, resume: Any, progress: Any
    ) -> SweepResult:
        """Results of all configurations, of those that a store lacks where there is one."""
        work = Work(self.engine.settings, self.strategy, self.data, self.grid, self.metrics, self.blocks)
        with runner_of(work, *means, stored=folder is not None) as runner:
            if folder is not None:
                return self._run_stored(runner, folder, resume, progress)
            with self._progress(progress) as shown:
                [(_, columns)] = runner.tiles([(0, len(self.grid))], shown)
            return self._collected(columns, runner)

    def _progress(self, mode: Any, ranges: Sequence[tuple[int, int]] | None = None) -> SweepProgress:
        total = len(self.grid)
        done = 0 if ranges is None else total - sum(stop - start for start, stop in ranges)
        return SweepProgress(total, done=done, metric=self.metrics[0], mode=mode, ranges=ranges)

    def _run_stored(self, runner: Runner, folder: Path, resume: Any, progress: Any) -> SweepResult:
        from peak_fast.sweep.store import StoreKey, SweepStore, check_room, told_of

        check_room(folder, len(self.grid), len(self.metrics))
        key = StoreKey(
            data={name: bars.hash for name, bars in self.data.items()},
            strategy={
                "name": self.strategy.name,
                "source": self.strategy.fingerprint(),
                # Parameters that the grid does not name take these.
                "defaults": {item.name: item.default for item in self.strategy.schema},
            },
            settings={**self.settings(), "blocks": self.blocks or False, **self._lengths()},
            grid=self.grid.hash,
            metrics=self.metrics,
            code_version=code_version(),
            told=told_of(self.grid, self.data),
        )
        # A Python function may take a second a run: small parts, so that an interruption loses little.
        size = 64 if isinstance(self.strategy, SignalStrategy) else None
        with SweepStore.open(folder, key, self.grid, tile_size=size, resume=resume) as opened:
            missing = opened.missing()
            bounds = [opened.bounds(tile) for tile in missing]
            try:
                with (
                    self._progress(progress, bounds) as shown,
                    contextlib.closing(runner.tiles(bounds, shown)) as tiles,
                ):
                    for number, columns in tiles:
                        opened.write(missing[number], columns)
            except KeyboardInterrupt as error:
                say_stopped(
                    error,
                    f"sweep stopped: {len(opened.finished())} of {opened.tiles} parts are in {folder}; "
                    "the same call continues there",
                )
                raise
            return self._collected(opened, runner)

    def _collected(self, table: Any, runner: Runner) -> SweepResult:
        notes = runner.notes()
        if hasattr(table, "keep_notes"):
            notes = table.keep_notes(notes)
        settings = {**self.settings(), **self._lengths()}
        return SweepResult(table, self.grid, self.metrics, self.rerun, settings, notes=notes)

    def _lengths(self) -> dict[str, Any]:
        """Bars of the data, which say how long blocks are."""
        return {"bars": {name: len(bars) for name, bars in self.data.items()}} if self.blocks else {}
