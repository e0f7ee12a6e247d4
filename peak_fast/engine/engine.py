"""The engine: check the input, run the kernel, hand out the result, tell the tracker.

>>> engine = BacktestEngine(costs=Costs.from_bps(10, slippage_bps=5))       # doctest: +SKIP
>>> engine.run(frame, "ma_crossover", {"fast": 20, "slow": 50}).stats["sharpe"]  # doctest: +SKIP
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import peak_fast.portfolio as _portfolio
import peak_fast.settings as _settings
import peak_fast.simulation as _simulation
import peak_fast.trials as _trials
from peak_fast.arguments import rate_of_bps, tracker_or_none
from peak_fast.data import Bars, given_bars, is_panel
from peak_fast.engine.parts import Setting, notes_of, stop_pct, with_varied
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded_class
from peak_fast.results import BacktestResult
from peak_fast.settings import Costs, EngineSettings, Execution, FractionOfEquity, RiskLimits, SizeRule, Stops
from peak_fast.strategies import Block, OrderBlock, SignalStrategy, complete_params, params_of, resolve

if TYPE_CHECKING:
    from peak_fast.data import Panel
    from peak_fast.portfolio import PortfolioResult
    from peak_fast.settings import BacktestConfig, Financing, PortfolioRules
    from peak_fast.simulation import Decisions
    from peak_fast.tracking import Tracker

R = TypeVar("R")


@guarded_class()
class BacktestEngine:
    """Runs backtests with one set of settings.

    Parameters
    ----------
    initial_cash
        Cash before the first bar.
    execution, costs, sizing, stops, risk_limits
        See `peak_fast.settings`; None: the defaults there (next open, no costs, all equity, no stops, no limits).
    tracker
        Gets every finished run if it has an active run; the engine never starts one.
    use_execution_pipeline
        Mode of `run_realistic`: True: a change of signal sets the target side, reversals allowed.  False:
        1 enters long when flat, -1 exits, with a stop of ``stop_pct`` (a strategy parameter, default 0.02).
    periods_per_year
        Bars a year for annualised metrics and `VolatilityTarget`; None: inferred from the timestamps, for sizes from
        those before the bar alone.
    risk_free
        Yearly risk-free rate of Sharpe and Sortino.
    order_book
        `peak_fast.settings.OrderBook` or `OrderRules`: decisions, and orders of blocks, go through an order book
        with latency, partial fills, paths inside bars and more (docs/orders.md); None: the fast path.
    portfolio, financing
        `PortfolioRules` of `peak_fast.settings` for runs of a `Panel` (docs/portfolio_semantics.md), and `Financing`,
        which runs of one asset take, too (docs/semantics.md#financing).
    check_lookahead
        Whether each run first looks, at a few bars, whether decisions change with later bars, and is refused if they
        do (docs/validation.md#look-ahead); `peak_fast.validation.check_lookahead` looks closer.

    registry
        A `peak_fast.trials.TrialRegistry`, or the path of its file: each run is counted there, on another thread.

    Attributes
    ----------
    settings
        All of them but the tracker and the mode as one frozen `peak_fast.settings.engine.EngineSettings`.

    Raises
    ------
    ConfigError
        A setting has the wrong type or value.
    """

    def __init__(
        self, *, initial_cash: float = 100_000.0, execution: Execution | None = None, costs: Costs | None = None,
        sizing: SizeRule | None = None, stops: Stops | None = None, risk_limits: RiskLimits | None = None,
        tracker: Tracker | None = None, use_execution_pipeline: bool = True, periods_per_year: float | None = None,
        risk_free: float = 0.0, order_book: Any = None, portfolio: PortfolioRules | None = None,
        financing: Financing | None = None, check_lookahead: bool = False, registry: Any = None,
    ) -> None:  # fmt: skip
        self.settings = EngineSettings(
            initial_cash=initial_cash,
            execution=Execution() if execution is None else execution,
            costs=Costs() if costs is None else costs,
            sizing=FractionOfEquity() if sizing is None else sizing,
            stops=Stops() if stops is None else stops,
            risk_limits=RiskLimits() if risk_limits is None else risk_limits,
            periods_per_year=periods_per_year, risk_free=risk_free, order_book=order_book, portfolio=portfolio,
            financing=financing,
        )  # fmt: skip
        self.tracker: Tracker | None = tracker_or_none(tracker)
        for name, value in (
            ("use_execution_pipeline", use_execution_pipeline),
            ("check_lookahead", check_lookahead),
        ):
            if value not in (True, False):
                raise ConfigError(f"{name}: expected True or False; got {value!r}")
        self.use_execution_pipeline = bool(use_execution_pipeline)
        self.check_lookahead = bool(check_lookahead)
        self.registry = None if registry is None else _trials.registry_or_none(registry)

    initial_cash = Setting[float]()
    execution = Setting[Execution]()
    costs = Setting[Costs]()
    sizing = Setting[SizeRule]()
    stops = Setting[Stops]()
    risk_limits = Setting[RiskLimits]()
    periods_per_year = Setting["float | None"]()
    risk_free = Setting[float]()
    order_book = Setting[Any]()
    portfolio = Setting["PortfolioRules | None"]()
    financing = Setting["Financing | None"]()

    @classmethod
    def from_config(cls, config: BacktestConfig, tracker: Tracker | None = None) -> BacktestEngine:
        """Engine with the settings of a `BacktestConfig` (``[tracking]`` is read by `build_tracker_from_config`)."""
        if not isinstance(config, _settings.BacktestConfig):
            raise ConfigError(f"config: expected a BacktestConfig; got {type(config).__name__}")
        names = _settings.BacktestConfig.model_fields.keys() - {"tracking", "sweep", "data", "rank"}
        return cls(tracker=tracker, **{name: getattr(config, name) for name in names})

    @overload
    def run(
        self, data: Panel, strategy: Any, params: Mapping[str, Any] | None = None, *,
        symbol: str | None = None, weights: bool = False,
    ) -> PortfolioResult: ...  # fmt: skip
    @overload
    def run(
        self, data: Any, strategy: Any, params: Mapping[str, Any] | None = None, *,
        symbol: str | None = None, weights: bool = False,
    ) -> BacktestResult: ...  # fmt: skip
    def run(
        self, data: Any, strategy: Any, params: Mapping[str, Any] | None = None, *,
        symbol: str | None = None, weights: bool = False,
    ) -> BacktestResult | PortfolioResult:  # fmt: skip
        """Backtest a strategy.  Of a panel: hold its assets by target weights, in one account.

        Parameters
        ----------
        data
            `Bars`, or anything `Bars.from_frame` takes; or a `Panel`, whose assets share the account.
        strategy
            Name of a registered strategy, a strategy object, a compiled block, a block that places orders
            (docs/orders.md), a signal function ``fn(df, params)`` returning 1 (buy), -1 (sell), 0 (hold), an array
            of targets with one value a bar, or a Polars expression over the frame's columns that gives targets.
            For a panel: a wide or long frame of target weights, an array float64[bar, asset], a pair
            ``(bars, weights)``, a rule that gives weights, a compiled block of all assets, or orders: a table with a
            column ``symbol``, or a block that places them.
        params
            Parameters of the strategy; missing ones take their defaults.
        symbol
            Name of the asset in the result.
        weights
            Targets are fractions of equity instead of sides.

        Raises
        ------
        DataError, StrategyError, ConfigError
            Input that cannot be used.
        """
        if not isinstance(weights, bool):
            raise ConfigError(f"weights: expected True or False; got {weights!r}")
        if is_panel(data):
            if self.check_lookahead:
                self._look(data, strategy, params, weights)
            done = _portfolio.run_portfolio(self.settings, data, strategy, params_of(params), symbol)
            return self._told(done)
        bars = given_bars(data, symbol)
        looked = self._look(bars, strategy, params, weights) if self.check_lookahead else ()
        if not isinstance(strategy, str) and _simulation.is_targets(strategy):
            notes = [*looked]
            row = _simulation.given_targets(bars, strategy, notes).row
            name = "targets" if not weights else "weights"
            decisions = _simulation.target_decisions(row, None if weights else "the targets")
            return self._finish(
                bars, decisions, name, params_of(params), symbol, weights=weights, notes=notes
            )
        item = resolve(strategy)
        values = complete_params(item, params)
        return self._run_item(bars, item, values, symbol, weights, looked=looked)

    def _look(
        self, data: Any, strategy: Any, params: Mapping[str, Any] | None, weights: bool = False
    ) -> tuple[str, ...]:
        """Refuse a strategy whose decisions change with later bars; gives notes on what could not be looked at."""
        from peak_fast.lookahead import refuse_lookahead

        return refuse_lookahead(strategy, data, params, self.settings, self.quiet_run(weights))

    def quiet_run(self, weights: bool = False) -> Callable[[Bars, Any, dict[str, Any]], BacktestResult]:
        """A function of bars, a resolved strategy and complete parameters that runs without telling anybody."""
        quiet = self._with(self.settings)
        quiet.tracker = quiet.registry = None
        return lambda bars, item, values: quiet._run_item(bars, item, values, None, weights)

    def _run_item(
        self,
        bars: Bars,
        item: Any,
        values: dict[str, Any],
        symbol: str | None,
        weights: bool,
        varied: Mapping[str, Any] | None = None,
        looked: tuple[str, ...] = (),
    ) -> BacktestResult:
        """Run a resolved strategy with complete parameters.

        ``varied``: settings that a sweep has changed; ``looked``: notes of what was looked at before.
        """
        by_weight = weights or getattr(item, "weights", False) or getattr(item, "returns", "") == "weights"
        if isinstance(item, OrderBlock) or (isinstance(item, Block) and self.settings.order_book is not None):
            return self._run_block(bars, item, values, symbol, by_weight, varied)
        flat = self.settings.vector(bars, weights=by_weight, financed=True)
        notes = [*looked]
        decisions = _simulation.decisions_of(bars, item, values, flat, notes)
        return self._finish(
            bars, decisions, item.name, values, symbol, weights=by_weight, strategy=item, notes=notes,
            varied=varied,
        )  # fmt: skip

    def _run_block(
        self,
        bars: Bars,
        block: Block | OrderBlock,
        values: dict[str, Any],
        symbol: str | None,
        weights: bool,
        varied: Mapping[str, Any] | None,
    ) -> BacktestResult:
        """Run a block through the order book."""
        from peak_fast.engine.book import run_block

        places = isinstance(block, OrderBlock)
        if places and weights:
            raise ConfigError(f"weights: expected False for {block.name!r}, which places orders; got True")
        settings = self.settings.through_book()
        run = run_block(settings, bars, block, values, weights=weights)
        targets = "orders" if places else "weights" if weights else "sides"
        used, shown = with_varied(settings.shown(targets, rules=run.orders.rules), values, varied)
        return self._told(
            BacktestResult(
                bars, run.outcome, run.flat, block.name, shown, used, symbol or bars.name, block,
                book=run.orders, notes=run.notes,
            )
        )  # fmt: skip

    def rerun(
        self,
        bars: Bars,
        item: Any,
        params: Mapping[str, Any],
        varied: Mapping[str, Any],
        *,
        symbol: str | None = None,
    ) -> BacktestResult:
        """Full result of one row of a sweep: parameters, and settings that the sweep varied by name."""
        if is_panel(bars):
            return _portfolio.run_portfolio(self.settings, bars, item, params, symbol, varied)  # type: ignore
        values = complete_params(item, params)
        if self.settings.order_book is not None or isinstance(item, OrderBlock):
            other = self._with(_settings.varied_settings(self.settings, varied))
            other.tracker = other.registry = None
            return other._run_item(bars, item, values, symbol, False, varied)
        by_weight = getattr(item, "weights", False) or getattr(item, "returns", "") == "weights"
        flat = self.settings.vector(bars, weights=by_weight, financed=True, varied=varied).copy()
        sizing = type(self.settings.sizing).__name__
        checked = {
            name: _settings.checked_values(name, [value], flat, sizing)[0] for name, value in varied.items()
        }
        for name in varied:
            row = _settings.VARIABLE[name]
            for slot in row.slots:
                flat[slot] = checked[name] / row.unit
        notes: list[str] = []
        decisions = _simulation.decisions_of(bars, item, values, flat, notes)
        payments = _simulation.payments_for(self.settings, bars)
        outcome = _simulation.run_single(bars, decisions, flat, payments)
        notes += () if payments is None else notes_of(payments, outcome, flat)
        used, shown = with_varied(self.settings.shown("weights" if by_weight else "sides"), values, varied)
        replay = _simulation.Replay.of(bars, flat, decisions, item, values, payments)
        return BacktestResult(
            bars, outcome, flat, item.name, shown, used, symbol or bars.name, item, replay=replay,
            notes=tuple(notes),
        )  # fmt: skip

    def run_realistic(
        self,
        df: Any,
        strategy_signal_fn: Callable[[Any, Mapping[str, Any]], Any],
        strategy_params: Mapping[str, Any] | None = None,
        symbol: str = "asset",
        fee_bps: float | None = None,
        slippage_bps: float | None = None,
    ) -> BacktestResult:
        """Backtest a signal function: 1 buy, -1 sell, 0 hold, in the mode of ``use_execution_pipeline``.

        ``fee_bps`` and ``slippage_bps`` replace the engine's costs for this run.  The function gets the frame as
        it was passed (Bars: their source).
        """
        engine = self._with_costs(fee_bps, slippage_bps)
        bars = given_bars(df, symbol)
        params = params_of(strategy_params)
        name = getattr(strategy_signal_fn, "__name__", "signals")
        item = SignalStrategy(strategy_signal_fn, name=name, returns="signals")
        notes = [*self._look(bars, item, params)] if self.check_lookahead else []
        given = _simulation.returned_by(item, bars, _simulation.call_function(item, bars, params), notes)
        decisions = _simulation.decided_by(item, given, notes, long_only=not self.use_execution_pipeline)
        if self.use_execution_pipeline:
            return engine._finish(bars, decisions, name, params, symbol, strategy=item, notes=notes)
        stops = engine.settings.stops
        if stops.stop_loss is None:
            stops = stops.model_copy(update={"stop_loss": stop_pct(params), "unit": "fraction"})
            engine = engine._with(engine.settings.changed(stops=stops))
        return engine._finish(bars, decisions, name, params, symbol, legacy=True, strategy=item, notes=notes)

    def run_vectorized(
        self,
        df: Any,
        strategy_signal_fn: Callable[[Any, Mapping[str, Any]], Any],
        strategy_params: Mapping[str, Any] | None = None,
        symbol: str = "asset",
    ) -> BacktestResult:
        """Quick look at a signal function: full equity on the side of the last signal, no stops, no limits.

        Costs and the fill rule are those of the engine.
        """
        plain = {"sizing": FractionOfEquity(), "stops": Stops(), "risk_limits": RiskLimits()}
        quick = self._with(self.settings.changed(**plain, order_book=None))
        quick.use_execution_pipeline = True
        return quick.run_realistic(df, strategy_signal_fn, strategy_params, symbol)

    def _with(self, settings: EngineSettings) -> BacktestEngine:
        """This engine with other settings."""
        other = copy.copy(self)
        other.settings = settings
        return other

    def _with_costs(self, fee_bps: float | None, slippage_bps: float | None) -> BacktestEngine:
        """This engine, or one with other costs."""
        if fee_bps is None and slippage_bps is None:
            return self
        values = self.settings.costs.model_dump()
        if fee_bps is not None:
            values.update(rate=rate_of_bps("fee_bps", fee_bps), maker_rate=None)
        if slippage_bps is not None:
            values.update(slippage_bps=slippage_bps)
        return self._with(self.settings.changed(costs=Costs(**values)))

    def _finish(
        self, bars: Bars, decisions: Decisions, name: str, params: dict[str, Any], symbol: str | None, *,
        weights: bool = False, legacy: bool = False, strategy: Any = None, notes: Sequence[str] = (),
        varied: Mapping[str, Any] | None = None, payments: Any = None,
    ) -> BacktestResult:  # fmt: skip
        """Run the kernel, wrap its arrays, tell the tracker; ``payments``: other ones than those of the bars."""
        settings = self.settings
        flat = settings.vector(bars, weights=weights, legacy=legacy, financed=settings.order_book is None)
        replay = rules = orders = None
        if settings.order_book is None:
            if settings.financing is not None and payments is None:
                payments = _simulation.payments_for(settings, bars, symbol)
            outcome = _simulation.run_single(bars, decisions, flat, payments)
            notes = (*notes, *notes_of(payments, outcome, flat)) if payments else notes
            replay = _simulation.Replay.of(bars, flat, decisions, strategy, params, payments)
        else:
            from peak_fast.engine.book import run_decisions

            outcome, flat, orders, own = run_decisions(settings, bars, decisions, flat)
            rules, notes = orders.rules, (*notes, *own)
        used = settings.shown("weights" if weights else "sides", "legacy" if legacy else "pipeline", rules)
        if varied:
            used, params = with_varied(used, params, varied)
        return self._told(
            BacktestResult(
                bars, outcome, flat, name, params, used, symbol or bars.name, strategy, replay=replay,
                book=orders, notes=tuple(notes),
            )
        )  # fmt: skip

    def _told(self, result: R) -> R:
        """Tell the tracker and the registry of a result."""
        if self.registry is not None:
            from peak_fast.engine.counting import count_later

            count_later(self.registry, result, self.settings)
        if self.tracker is not None:
            try:
                # A NoopTracker says that it is not enabled; trackers that say nothing are.
                if getattr(self.tracker, "enabled", True):
                    self.tracker.log_result(result)  # type: ignore[attr-defined]
            except Exception as error:
                self._track(result, error)
        return result

    def _track(self, result: Any, error: Exception) -> None:
        """A tracker did not take a result whole: log it by the protocol, or warn; never the run's trouble."""
        from peak_fast.tracking import log_backtest, warn_untracked

        try:
            whole = hasattr(self.tracker, "log_result")
        except Exception:
            whole = True
        if whole:
            warn_untracked(self.tracker, error)
        else:
            log_backtest(self.tracker, result)
