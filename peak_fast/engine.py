"""The engine: check the input, run the kernel, hand out the result, tell the tracker.

>>> engine = BacktestEngine(costs=Costs.from_bps(10, slippage_bps=5))       # doctest: +SKIP
>>> engine.run(frame, "ma_crossover", {"fast": 20, "slow": 50}).stats["sharpe"]  # doctest: +SKIP
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from peak_fast import _given, _run
from peak_fast._arguments import rate_of_bps, tracker_or_none
from peak_fast._guard import guarded_class
from peak_fast._slots import VARIABLE, settings_vector
from peak_fast._strategy import (
    Block,
    OrderBlock,
    RuleStrategy,
    SignalStrategy,
    complete_params,
    params_of,
    resolve,
)
from peak_fast.config import (
    BacktestConfig,
    Costs,
    Execution,
    FractionOfEquity,
    RiskLimits,
    SizeRule,
    Stops,
)
from peak_fast.data import Bars
from peak_fast.data.given import given_bars
from peak_fast.errors import ConfigError, StrategyError
from peak_fast.result import BacktestResult
from peak_fast.signed_prices import check_engine
from peak_kernels import types as t

if TYPE_CHECKING:
    from peak_fast.tracking.base import Tracker

LEGACY_STOP = 0.02


@guarded_class()
class BacktestEngine:
    """Runs backtests with one set of settings.

    Parameters
    ----------
    initial_cash
        Cash before the first bar.
    execution, costs, sizing, stops, risk_limits
        See `peak_fast.config`; None: the defaults there (next open, no costs, all equity, no stops, no limits).
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
        `peak_fast.order_book.OrderBook` or `OrderRules`: decisions, and orders of blocks, go through an order book
        with latency, partial fills, paths inside bars and more (docs/orders.md); None: the fast path.

    Raises
    ------
    ConfigError
        A setting has the wrong type or value.
    """

    def __init__(
        self,
        *,
        initial_cash: float = 100_000.0,
        execution: Execution | None = None,
        costs: Costs | None = None,
        sizing: SizeRule | None = None,
        stops: Stops | None = None,
        risk_limits: RiskLimits | None = None,
        tracker: Tracker | None = None,
        use_execution_pipeline: bool = True,
        periods_per_year: float | None = None,
        risk_free: float = 0.0,
        order_book: Any = None,
    ) -> None:
        for name, value, kind in (
            ("execution", execution, Execution),
            ("costs", costs, Costs),
            ("sizing", sizing, SizeRule),
            ("stops", stops, Stops),
            ("risk_limits", risk_limits, RiskLimits),
        ):
            if value is not None and not isinstance(value, kind):
                wanted = "a size such as FractionOfEquity(0.5)" if kind is SizeRule else kind.__name__
                raise ConfigError(f"{name}: expected {wanted}; got {type(value).__name__}")
        for name, number in (("initial_cash", initial_cash), ("periods_per_year", periods_per_year)):
            absent = number is None and name == "periods_per_year"
            if not absent and not (isinstance(number, int | float) and 0 < number < float("inf")):
                raise ConfigError(f"{name}: expected a positive number; got {number!r}")
        if not (isinstance(risk_free, int | float) and -1 < risk_free < float("inf")):
            raise ConfigError(f"risk_free: expected a yearly rate above -1; got {risk_free!r}")
        self.initial_cash = float(initial_cash)
        self.execution = execution or Execution()
        self.costs = costs or Costs()
        self.sizing = sizing or FractionOfEquity()
        self.stops = stops or Stops()
        self.risk_limits = risk_limits or RiskLimits()
        self.tracker: Tracker | None = tracker_or_none(tracker)
        self.use_execution_pipeline = use_execution_pipeline
        self.periods_per_year = periods_per_year
        self.risk_free = risk_free
        self.order_book = None
        if order_book is not None:
            from peak_fast.order_book import as_book

            self.order_book = as_book(order_book)
        self._vectors: dict[Any, Any] = {}

    @classmethod
    def from_config(cls, config: BacktestConfig, tracker: Tracker | None = None) -> BacktestEngine:
        """Engine with the settings of a `BacktestConfig` (``[tracking]`` is read by `build_tracker_from_config`)."""
        if not isinstance(config, BacktestConfig):
            raise ConfigError(f"config: expected a BacktestConfig; got {type(config).__name__}")
        names = BacktestConfig.model_fields.keys() - {"tracking", "sweep", "data"}
        return cls(tracker=tracker, **{name: getattr(config, name) for name in names})

    def run(
        self,
        data: Any,
        strategy: Any,
        params: Mapping[str, Any] | None = None,
        *,
        symbol: str | None = None,
        weights: bool = False,
    ) -> BacktestResult:
        """Backtest a strategy.

        Parameters
        ----------
        data
            `Bars`, or anything `Bars.from_frame` takes.
        strategy
            Name of a registered strategy, a strategy object, a compiled block, a block that places orders
            (docs/orders.md), a signal function ``fn(df, params)`` returning 1 (buy), -1 (sell), 0 (hold), an array
            of targets with one value a bar, or a Polars expression over the frame's columns that gives targets.
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
        bars = given_bars(data, symbol)
        if not isinstance(strategy, str) and _given.is_targets(strategy):
            notes: list[str] = []
            row = _given.targets(bars, strategy, notes).row
            name = "targets" if not weights else "weights"
            decisions = _run.target_decisions(row, None if weights else "the targets")
            return self._finish(
                bars, decisions, name, params_of(params), symbol, weights=weights, notes=notes
            )
        item = resolve(strategy)
        values = complete_params(item, params)
        return self._run_item(bars, item, values, symbol, weights)

    def _run_item(
        self, bars: Bars, item: Any, values: dict[str, Any], symbol: str | None, weights: bool
    ) -> BacktestResult:
        """Run a resolved strategy with complete parameters."""
        if isinstance(item, OrderBlock) or (isinstance(item, Block) and self.order_book is not None):
            from peak_fast.order_book import block_result

            return self._told(block_result(self, bars, item, values, symbol or bars.name, weights))
        by_weight = weights or getattr(item, "weights", False) or getattr(item, "returns", "") == "weights"
        settings = self._settings(bars, weights=by_weight)
        notes: list[str] = []
        decisions = self.decisions(bars, item, values, settings, notes)
        return self._finish(
            bars, decisions, item.name, values, symbol, weights=by_weight, strategy=item, notes=notes
        )

    def decisions(
        self, bars: Bars, item: Any, values: dict[str, Any], settings: Any, notes: list[str]
    ) -> _run.Decisions:
        """What a resolved strategy decides with complete parameters.

        ``settings`` is the kernel's flat vector; ``notes`` gets what was reordered, passed over or understood.
        """
        if isinstance(item, RuleStrategy):
            return _run.rule_decisions(item, bars, values, notes)
        if isinstance(item, Block):
            return _run.block_decisions(item, bars, values)
        if isinstance(item, OrderBlock):
            raise StrategyError(
                f"{item.name!r} places orders and decides nothing here: run it with engine.run or simulate_orders"
            )
        given = _given.returned(item, bars, _given.call(item, bars, values), notes)
        return _given.decided(item, given, notes, weights=settings[t.WEIGHT_TARGETS] != 0.0)

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
        values = complete_params(item, params)
        if self.order_book is not None or isinstance(item, OrderBlock):
            from peak_fast.order_axes import run_varied

            return run_varied(self, bars, item, values, varied, symbol)
        by_weight = getattr(item, "weights", False) or getattr(item, "returns", "") == "weights"
        settings = self._settings(bars, weights=by_weight, varied=varied).copy()
        for name, value in varied.items():
            slots, divisor = VARIABLE[name]
            for slot in slots:
                settings[slot] = (0.0 if value is None or value != value else float(value)) / divisor
        notes: list[str] = []
        decisions = self.decisions(bars, item, values, settings, notes)
        outcome = _run.run_single(bars, decisions, settings)
        used = self._used(None, legacy=False, weights=by_weight)
        if varied:
            used["varied"] = dict(varied)
        shown = {**values, **varied}
        replay = _run.Replay.of(bars, settings, decisions, item, values)
        return BacktestResult(
            bars, outcome, settings, item.name, shown, used, symbol or bars.name, item, replay=replay,
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
        notes: list[str] = []
        given = _given.returned(item, bars, _given.call(item, bars, params), notes)
        decisions = _given.decided(item, given, notes, long_only=not self.use_execution_pipeline)
        if self.use_execution_pipeline:
            return engine._finish(bars, decisions, name, params, symbol, strategy=item, notes=notes)
        stops = engine.stops
        if stops.stop_loss is None:
            stops = stops.model_copy(update={"stop_loss": _stop_pct(params), "unit": "fraction"})
        return engine._finish(
            bars, decisions, name, params, symbol, stops=stops, legacy=True, strategy=item, notes=notes
        )

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
        quick = copy.copy(self)
        quick.sizing, quick.stops, quick.risk_limits = FractionOfEquity(), Stops(), RiskLimits()
        quick.use_execution_pipeline, quick.order_book, quick._vectors = True, None, {}
        return quick.run_realistic(df, strategy_signal_fn, strategy_params, symbol)

    def _with_costs(self, fee_bps: float | None, slippage_bps: float | None) -> BacktestEngine:
        """This engine, or one with other costs."""
        if fee_bps is None and slippage_bps is None:
            return self
        values = self.costs.model_dump()
        if fee_bps is not None:
            values.update(rate=rate_of_bps("fee_bps", fee_bps), maker_rate=None)
        if slippage_bps is not None:
            values.update(slippage_bps=slippage_bps)
        other = copy.copy(self)
        other.costs, other._vectors = Costs(**values), {}
        return other

    def _settings(
        self,
        bars: Bars,
        *,
        weights: bool = False,
        stops: Stops | None = None,
        legacy: bool = False,
        **used: Any,
    ) -> Any:
        """Flat settings for the kernel, kept for the next run with the same ones.

        ``used``: what of them a run uses, see `peak_fast.signed_prices.check_engine`.
        """
        year, signed = self.periods_per_year or bars.periods_per_year, False
        if bars.n_not_positive:
            signed = check_engine(bars, self.sizing, stops or self.stops, weights=weights, **used)
        year_at_bars = self.periods_per_year is None and bars.has_time
        key = (year, year_at_bars, weights, legacy, stops, signed)
        if key not in self._vectors:
            self._vectors[key] = settings_vector(
                initial_cash=self.initial_cash,
                execution=self.execution,
                costs=self.costs,
                stops=stops or self.stops,
                sizing=self.sizing,
                risk_limits=self.risk_limits,
                periods_per_year=year,
                year_at_bars=year_at_bars,
                risk_free=self.risk_free,
                weights=weights,
                enter_only_flat=legacy,
                signed=signed,
            )
        return self._vectors[key]

    def _finish(
        self,
        bars: Bars,
        decisions: _run.Decisions,
        name: str,
        params: dict[str, Any],
        symbol: str | None,
        *,
        weights: bool = False,
        stops: Stops | None = None,
        legacy: bool = False,
        strategy: Any = None,
        notes: Sequence[str] = (),
    ) -> BacktestResult:
        """Run the kernel, wrap its arrays, tell the tracker."""
        settings = self._settings(bars, weights=weights, stops=stops, legacy=legacy)
        used = self._used(stops, legacy=legacy, weights=weights)
        names = (name, params, used, symbol or bars.name, strategy)
        if self.order_book is None:
            outcome = _run.run_single(bars, decisions, settings)
            replay = _run.Replay.of(bars, settings, decisions, strategy, params)
            result = BacktestResult(bars, outcome, settings, *names, replay=replay, notes=tuple(notes))
        else:
            from peak_fast.order_book import result_of

            result = result_of(self, bars, decisions, settings, names, tuple(notes))
        return self._told(result)

    def _told(self, result: BacktestResult) -> BacktestResult:
        """Tell the tracker of a result."""
        if self.tracker is not None:
            try:
                # A NoopTracker says that it is not enabled; trackers that say nothing are.
                if getattr(self.tracker, "enabled", True):
                    self.tracker.log_result(result)  # type: ignore[attr-defined]
            except Exception as error:
                self._track(result, error)
        return result

    def _used(
        self, stops: Stops | None = None, *, legacy: bool = False, weights: bool = False
    ) -> dict[str, Any]:
        """Settings as the result names them."""
        return {
            "initial_cash": self.initial_cash,
            "execution": self.execution,
            "costs": self.costs,
            "stops": stops or self.stops,
            "sizing": self.sizing,
            "risk_limits": self.risk_limits,
            "risk_free": self.risk_free,
            "mode": "legacy" if legacy else "pipeline",
            "targets": "weights" if weights else "sides",
        }

    def _track(self, result: BacktestResult, error: Exception) -> None:
        """A tracker did not take a result whole: log it by the protocol, or warn; never the run's trouble."""
        from peak_fast.tracking.backtest import log_backtest, warn_untracked

        try:
            whole = hasattr(self.tracker, "log_result")
        except Exception:
            whole = True
        if whole:
            warn_untracked(self.tracker, error)
        else:
            log_backtest(self.tracker, result)


def _stop_pct(params: Mapping[str, Any]) -> float:
    """Stop distance of the long-only mode from the strategy's parameters."""
    value = params.get("stop_pct", LEGACY_STOP)
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigError(f"stop_pct: expected a fraction between 0 and 1; got {value!r}")
    return float(value)
