"""The engine: its doors, its modes, its errors."""

import math

import numpy as np
import polars as pl
import pytest

import peak_fast as pf
from peak_fast import (
    BacktestEngine,
    Costs,
    Execution,
    RiskLimits,
    RiskPerTrade,
    Stops,
    sample,
    strategy,
    synthetic,
)
from peak_fast.errors import ConfigError, DataError, StrategyError
from peak_fast.strategies.builtin import NAMES
from peak_fast.strategies.functions import SignalStrategy
from peak_fast.strategies.registry import _registry

STATS = [
    "total_return",
    "cagr",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "max_drawdown_duration",
    "volatility",
    "win_rate",
    "profit_factor",
    "expectancy",
    "sqn",
    "exposure",
    "total_trades",
    "blocked_trades",
    "total_fees",
    "ulcer_index",
    "recovery_factor",
    "benchmark_return",
    "start",
    "end",
    "periods_per_year",
]


@pytest.fixture
def bars():
    return synthetic(400, seed=11)


def frame_of(closes, opens=None):
    """Bars whose open is the close before, so that fills are easy to say."""
    closes = np.asarray(closes, float)
    opens = np.concatenate([closes[:1], closes[:-1]]) if opens is None else np.asarray(opens, float)
    return pl.DataFrame(
        {"open": opens, "high": np.maximum(opens, closes), "low": np.minimum(opens, closes), "close": closes}
    )


def test_by_hand_next_open():
    # Buy decided at bar 0 fills at bar 1's open (10), sell decided at bar 2 fills at bar 3's open (13).
    frame = frame_of([10, 12, 13, 11, 11], opens=[9, 10, 12, 13, 11])
    result = BacktestEngine(initial_cash=1000, costs=Costs(rate=0.01)).run(frame, [1, 1, 0, 0, 0])
    size = 1000 / (10 * 1.01)
    assert result.fills["bar"].to_list() == [1, 3]
    assert result.fills["price"].to_list() == [10.0, 13.0]
    assert result.equity[1] == pytest.approx(size * 12, rel=1e-12)
    assert result.stats["final_equity"] == pytest.approx(size * 13 * 0.99, rel=1e-12)
    assert result.metadata["fill_rule"] == "next bar's open after the deciding close"


def test_by_hand_same_close_says_so():
    frame = frame_of([10, 12, 13, 11, 11])
    engine = BacktestEngine(initial_cash=1000, execution=Execution(fill_at="close"))
    result = engine.run(frame, [1, 1, 0, 0, 0])
    assert result.fills["bar"].to_list() == [0, 2]
    assert result.stats["final_equity"] == pytest.approx(1300)
    assert "same bar's close" in result.metadata["fill_rule"]
    assert "same bar's close" in result.summary()


def test_stats_has_everything_promised(bars):
    stats = BacktestEngine().run(bars, "ma_crossover", {"fast": 5, "slow": 20}).stats
    assert [name for name in STATS if name not in stats] == []
    assert stats["total_trades"] > 5


@pytest.mark.parametrize("name", NAMES)
def test_built_in_strategies_run(name, bars):
    result = BacktestEngine(costs=Costs.from_bps(5)).run(bars, name)
    assert result.strategy_name == name
    assert len(result.equity) == len(bars)
    if name == "buy_and_hold":
        assert result.stats["total_trades"] == 1
        assert result.trades["exit_reason"].to_list() == ["open"]


@pytest.mark.parametrize("name", [n for n in NAMES if n != "buy_and_hold"])
def test_built_in_strategies_trade_both_ways(name):
    prices = synthetic(2000, seed=5)
    result = BacktestEngine().run(prices, name, {"allow_short": True})
    assert set(result.trades["side"]) == {"long", "short"}


def test_one_strategy_four_ways(bars):
    """Rules, targets, a Polars expression and a signal function make the same trades."""
    frame = bars.to_polars()
    fast, slow = pl.col("close").rolling_mean(5), pl.col("close").rolling_mean(20)
    target = (fast > slow).cast(pl.Float64).fill_null(0.0)

    def signals(df, params):
        wanted = df.select(target.alias("t"))["t"].to_numpy()
        return np.where(wanted > 0, 1, -1)

    engine = BacktestEngine(costs=Costs.from_bps(10, 5))
    by_rule = engine.run(frame, "ma_crossover", {"fast": 5, "slow": 20})
    by_expression = engine.run(frame, target)
    by_array = engine.run(frame, frame.select(target.alias("t"))["t"].to_numpy())
    assert by_rule.fills.equals(by_expression.fills)
    assert by_rule.hash == by_expression.hash == by_array.hash
    by_signal = engine.run(frame, signals)
    assert by_signal.fills["side"].head(1).to_list() == [-1]  # signals may open shorts, targets of 0 do not


def test_weights_rebalance():
    frame = frame_of([10.0, 10, 20, 20, 20])
    result = BacktestEngine(initial_cash=1000).run(frame, [0.5, 0.5, 0.5, 0.25, 0.25], weights=True)
    # Bought 50 at 10; at 20 the position is worth 1000 of 1500, and 0.25 of 1500 are 18.75 units.
    assert result.position.tolist() == [0.0, 50.0, 50.0, 50.0, 18.75]


class TestRunRealistic:
    def test_pipeline_reverses(self):
        frame = frame_of([10, 11, 12, 11, 10, 9])
        engine = BacktestEngine(initial_cash=1000)
        result = engine.run_realistic(frame, lambda df, p: [1, 0, -1, 0, 0, 0], {}, symbol="X")
        assert result.position.round(6).tolist() == pytest.approx([0, 100, 100, -100, -100, -100], rel=0.2)
        assert (result.position[3:] < 0).all()
        assert result.symbol == "X"
        for name in ("total_orders", "filled_orders", "rejected_orders", "total_fees"):
            assert name in result.stats

    def test_legacy_is_long_only_with_a_stop(self):
        closes = [100, 100, 101, 90, 100, 100, 100]
        engine = BacktestEngine(initial_cash=1000, use_execution_pipeline=False)
        result = engine.run_realistic(frame_of(closes), lambda df, p: [1, 0, 0, 0, 1, 0, -1], {})
        assert result.trades["exit_reason"].to_list() == ["stop_loss", "open"]
        assert (result.position >= 0).all()
        assert result.fills["price"][1] == pytest.approx(98.0)  # 2 % below the entry at 100
        assert result.metadata["settings"]["stops"]["stop_loss"] == 0.02

    def test_legacy_stop_pct_comes_from_the_parameters(self):
        engine = BacktestEngine(initial_cash=1000, use_execution_pipeline=False)
        result = engine.run_realistic(
            frame_of([100, 100, 80, 80]), lambda df, p: [1, 0, 0, 0], {"stop_pct": 0.1}
        )
        assert result.fills["price"][1] == pytest.approx(90.0)
        with pytest.raises(ConfigError, match="stop_pct"):
            engine.run_realistic(frame_of([1, 1]), lambda df, p: [1, 0], {"stop_pct": 3})

    def test_costs_of_the_call_replace_the_engines(self):
        engine = BacktestEngine(initial_cash=1000, costs=Costs(rate=0.5))
        result = engine.run_realistic(
            frame_of([10, 10, 10]), lambda df, p: [1, 0, 0], fee_bps=10, slippage_bps=0
        )
        assert result.stats["total_fees"] == pytest.approx(1000 / 1.001 * 0.001)

    def test_the_function_sees_the_frame_that_came_in(self):
        pandas = pytest.importorskip("pandas")
        seen = []

        def look(df, params):
            seen.append((type(df), params["x"]))
            return np.zeros(len(df))

        frame = frame_of([10, 11, 12])
        engine = BacktestEngine()
        engine.run_realistic(frame, look, {"x": 1})
        engine.run_realistic(pandas.DataFrame(frame.to_dict(as_series=False)), look, {"x": 2})
        assert seen == [(pl.DataFrame, 1), (pandas.DataFrame, 2)]

    def test_vectorized_ignores_stops(self):
        engine = BacktestEngine(initial_cash=1000, stops=Stops(stop_loss=0.01))
        result = engine.run_vectorized(frame_of([100, 100, 50, 60]), lambda df, p: [1, 0, 0, 0])
        assert result.trades["exit_reason"].to_list() == ["open"]


class TestErrors:
    def test_unknown_strategy_suggests(self, bars):
        with pytest.raises(StrategyError, match="did you mean 'ma_crossover'"):
            BacktestEngine().run(bars, "ma_crosover")

    def test_unknown_parameter_suggests(self, bars):
        with pytest.raises(StrategyError, match="fast"):
            BacktestEngine().run(bars, "ma_crossover", {"fats": 3})

    def test_constraint(self, bars):
        with pytest.raises(StrategyError, match="fast < slow"):
            BacktestEngine().run(bars, "ma_crossover", {"fast": 50, "slow": 20})

    @pytest.mark.parametrize("values", [[1, 0], np.zeros((400, 2)), "text", [math.inf] * 400])
    def test_wrong_targets(self, bars, values):
        with pytest.raises(StrategyError):
            BacktestEngine().run(bars, values)

    def test_fractions_are_no_sides(self, bars):
        """Half a position must not become a full one because ``weights=True`` was forgotten."""
        halves = np.full(len(bars), 0.5)
        halves[:9] = 1
        message = r"expected -1 \(short\), 0 \(flat\) or 1 \(long\); got 0\.5 at bar 9; .* weights=True"
        with pytest.raises(StrategyError, match=f"the targets: {message}"):
            BacktestEngine().run(bars, halves)
        item = SignalStrategy(lambda df, params: halves, name="half")
        with pytest.raises(StrategyError, match=f"the strategy 'half': {message}"):
            BacktestEngine().run(bars, item)
        result = BacktestEngine().run(bars, halves, weights=True)
        assert result.orders["bar"].to_list()[:2] == [0, 9]

    def test_an_expression_over_columns_that_are_not_there(self, bars):
        with pytest.raises(StrategyError, match=r"ColumnNotFoundError: .*clos.*; did you mean 'close'"):
            BacktestEngine().run(bars, pl.col("clos") > 1)

    def test_parameters_are_a_dict(self, bars):
        with pytest.raises(StrategyError, match=r"params: expected a dict such as .*; got list"):
            BacktestEngine().run(bars, "momentum", [20])

    def test_wrong_signals_name_the_bar(self, bars):
        with pytest.raises(StrategyError, match="at bar 7"):
            BacktestEngine().run(bars, lambda df, p: [0] * 7 + [3] + [0] * 392)

    def test_wrong_settings(self):
        with pytest.raises(ConfigError, match="costs: expected Costs"):
            BacktestEngine(costs=0.1)
        with pytest.raises(ConfigError, match="initial_cash"):
            BacktestEngine(initial_cash=-5)
        with pytest.raises(ConfigError, match=r"Stops\.stop_los: no such setting; did you mean 'stop_loss'"):
            Stops(stop_los=0.1)
        with pytest.raises(ConfigError, match="fraction below 1"):
            Stops(stop_loss=2)
        for year in ("a", 0, float("nan")):
            with pytest.raises(ConfigError, match="periods_per_year: expected a positive number"):
                BacktestEngine(periods_per_year=year)
        with pytest.raises(ConfigError, match="config: expected a BacktestConfig; got NoneType"):
            BacktestEngine.from_config(None)

    def test_wrong_arguments_of_a_run(self, bars):
        with pytest.raises(ConfigError, match="weights: expected True or False; got 'a'"):
            BacktestEngine().run(bars, "momentum", weights="a")
        for call in (
            lambda: BacktestEngine().run_realistic(bars, lambda df, params: np.zeros(len(df)), 3),
            lambda: BacktestEngine().run(bars, np.zeros(len(bars)), 3),
        ):
            with pytest.raises(StrategyError, match="params: expected a dict"):
                call()

    def test_risk_sizing_needs_a_stop(self, bars):
        with pytest.raises(ConfigError, match="no stop is set"):
            BacktestEngine(sizing=RiskPerTrade()).run(bars, "momentum")

    def test_bad_data(self):
        with pytest.raises(DataError):
            BacktestEngine().run({"open": [1.0]}, "momentum")

    def test_not_a_strategy(self, bars):
        with pytest.raises(StrategyError, match="expected the name of a strategy"):
            BacktestEngine().run(bars, 3.5)


class TestRiskLimits:
    def test_drawdown_halts_for_good(self):
        closes = [100, 100, 80, 80, 80, 120, 130]
        engine = BacktestEngine(initial_cash=1000, risk_limits=RiskLimits(max_drawdown=0.1))
        result = engine.run(frame_of(closes), [1, 1, 1, 0, 1, 1, 1])
        assert result.orders["kind"].to_list() == ["signal", "risk_limit", "signal"]
        assert result.orders["reason"].to_list()[-1] == "drawdown_limit"
        assert result.stats["blocked_trades"] == 1

    def test_max_position_cuts_and_says_so(self):
        engine = BacktestEngine(initial_cash=1000, risk_limits=RiskLimits(max_position=0.5))
        result = engine.run(frame_of([10, 10, 10]), [1, 1, 1])
        assert result.orders.row(0, named=True)["status"] == "cut"
        assert result.orders.row(0, named=True)["reason"] == "max_position"
        assert result.position[-1] == pytest.approx(50)


def test_a_tracker_that_raises_changes_nothing(bars):
    class Broken:
        def get_run_id(self):
            raise RuntimeError("no")

        def __getattr__(self, name):
            raise RuntimeError("no")

    with pytest.warns(Warning):
        with_tracker = BacktestEngine(tracker=Broken()).run(bars, "momentum")
    assert with_tracker.hash == BacktestEngine().run(bars, "momentum").hash


def test_from_config(tmp_path, bars):
    path = tmp_path / "settings.toml"
    path.write_text(
        "initial_cash = 5000\n[costs]\nrate = 0.001\n[sizing]\nkind = 'risk_per_trade'\nrisk = 0.02\n"
        "[stops]\nstop_loss = 0.05\n"
    )
    engine = BacktestEngine.from_config(pf.BacktestConfig.from_toml(path))
    assert engine.initial_cash == 5000
    assert engine.sizing == RiskPerTrade(risk=0.02)
    assert engine.run(bars, "momentum").stats["initial_cash"] == 5000
    path.write_text("[cost]\nrate = 1")
    with pytest.raises(ConfigError, match="did you mean 'costs'"):
        pf.BacktestConfig.from_toml(path)
    with pytest.raises(ConfigError, match="no settings file"):
        pf.BacktestConfig.from_toml(tmp_path / "none.toml")


def test_sample_data_with_all_costs_is_known():
    """Numbers worked out once by the oracle; a change of semantics shows here first."""
    from tests import oracle

    bars = sample("IBM")
    engine = BacktestEngine(
        costs=Costs.from_bps(10, 5), stops=Stops(stop_loss=0.05, take_profit=0.1, trailing=0.08)
    )
    result = engine.run(bars, "ema_crossover", {"fast": 12, "slow": 40, "allow_short": True})
    rows = np.column_stack([bars.open, bars.high, bars.low, bars.close]).tolist()
    decided = {
        int(r["bar"]): 0.0 for r in result.orders.filter(pl.col("kind") == "signal").iter_rows(named=True)
    }
    from peak_fast.simulation.decisions import target_decisions

    # The decisions themselves come from the rule; what is checked is everything after them.
    target = _targets(bars)
    decisions = target_decisions(target)
    decide = dict(zip(decisions.bar_of.tolist(), decisions.target_of.tolist(), strict=True))
    assert set(decided) <= set(decide)
    rules = oracle.Rules(
        initial_cash=100_000.0, rate=0.001, slippage_bps=5, stop_loss=0.05, take_profit=0.1, trailing=0.08
    )
    account, equity, _, _ = oracle.run([tuple(row) for row in rows], decide, rules)
    np.testing.assert_allclose(result.equity, equity, rtol=1e-9)
    assert result.stats["closed_trades"] == len(account.trades) > 50


def _targets(bars):
    """Side of the EMA cross, with the conventions of the rule, from the indicators alone."""
    from peak_fast.indicators import functions as indicators

    fast, slow = indicators.ema(bars.close, 12), indicators.ema(bars.close, 40)
    target = np.full(len(bars), math.nan)
    state = 0.0
    for bar in range(len(bars)):
        if fast[bar] > slow[bar]:
            state = 1.0
        elif slow[bar] > fast[bar]:
            state = -1.0
        elif fast[bar] == slow[bar]:
            state = 0.0
        target[bar] = state
    return target


def test_strategy_decorator_registers_and_refuses():
    @strategy(name="always_long_for_test")
    def always(df, params):
        """Long."""
        return np.ones(len(df))

    try:
        result = BacktestEngine().run(synthetic(50, seed=1), "always_long_for_test")
        assert result.stats["exposure"] == pytest.approx(0.98)
        with pytest.raises(StrategyError, match="arguments"):
            strategy(lambda a: a)
        with pytest.raises(StrategyError, match="taken"):
            strategy(lambda df, p: df, name="always_long_for_test")
    finally:
        _registry.pop("always_long_for_test", None)
