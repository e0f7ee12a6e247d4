"""Blocks that place orders, run by the engine: the bits of `simulate_orders`, and a whole result around them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    BacktestResult,
    Costs,
    Execution,
    FixedUnits,
    Param,
    RiskLimits,
    Stops,
    sample,
    simulate_orders,
    strategy,
    synthetic,
)
from peak_fast.errors import ConfigError
from peak_fast.orders.block import BUY, CLOSE, EQUITY_FRACTION, FRACTION, POSITION, SELL  # fmt: skip
from peak_fast.settings import presets
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_kernels.orders.place import (  # fmt: skip
    cancel,
    close_lots,
    new_fill,
    new_fills,
    place_limit,
    place_market,
    place_market_on_close,
    place_trailing_stop,
)
from tests.test_order_block_replay import REPLAY, more_orders, same_bits
from tests.test_order_properties import RULES, make_bars, make_orders

ENTRY, EXIT = 1, 2
REFUSED = "expected the default with a block that places orders"


@strategy(
    name="dips",
    schema=(
        Param("below", "float", 0.01, low=0.0, high=0.2),
        Param("trail", "float", 0.03, low=0.01, high=0.5),
    ),
    memory=1,
)
def dips(i, bars, params, memory, account, orders):
    """Bid below the market; answer each fill with a trailing stop for what was filled."""
    for n in range(new_fills(orders)):
        tag, size, price, _role, _asset = new_fill(orders, n)
        if tag == ENTRY:
            place_trailing_stop(orders, SELL, size, params[1], FRACTION, price, tag=EXIT)
    if account[POSITION] == 0.0:
        cancel(orders, ENTRY)
        place_limit(orders, BUY, 0.5, bars[CLOSE, i] * (1.0 - params[0]), tag=ENTRY, unit=EQUITY_FRACTION)


@strategy(name="turns")
def turns(i, bars, params, memory, account, orders):
    """Turn round with one order every fifth bar, in three unequal steps."""
    if i % 5 == 0:
        place_market(orders, BUY if i % 10 == 0 else SELL, 7.0 + i % 3, tag=i % 4)
    if i % 7 == 0:
        place_market(orders, BUY, 2.0)


def limits_of(rng):
    drawdown = float(rng.choice([0.0, 0.02]))
    return RiskLimits(max_drawdown=drawdown or None, daily_loss=float(rng.choice([0.0, 0.03])) or None)


@given(
    seed=st.integers(0, 2**32 - 1),
    rules=st.sampled_from(
        (*RULES, OrderRules(exclusive=True), presets.backtrader(), presets.backtesting_py())
    ),
)
def test_the_engine_gives_the_bits_of_simulate_orders(seed, rules):
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 40)
    rows = more_orders(rng, bars, make_orders(rng, bars, 14)[0])
    assume(rows)
    cells = simulate_orders(bars, rows)._run.actions.ravel()
    params = dict(enumerate(cells.tolist()))
    free = (rules.fee_rate, rules.fee_fixed, rules.fee_minimum) == (0.0, 0.0, 0.0)
    costs = Costs(rate=0.001, fixed=float(rng.choice([0.0, 1.5]))) if free else None
    # What the rules leave open may be said by the engine.
    plain = rules.market_fill == "next_open" and rules.leverage == 1.0 and rules.path == "queue"
    both_hit = str(rng.choice(["stop_first", "target_first", "nearest_to_open"]))
    execution = Execution(both_hit=both_hit, lot_size=float(rng.choice([0.0, 3.0]))) if plain else None
    if rules.exits_active == "next_bar" and execution is not None:
        execution = execution.model_copy(update={"entry_bar_stops": False})
    drawdown, loss = rules.max_drawdown, rules.daily_loss
    limits = RiskLimits() if drawdown or loss else limits_of(rng)
    engine = BacktestEngine(
        initial_cash=20_000, costs=costs, execution=execution, risk_limits=limits, order_book=rules
    )
    result = engine.run(bars, REPLAY, params)
    drawdown, loss = limits.max_drawdown or drawdown, limits.daily_loss or loss
    same_rules = replace(rules, max_drawdown=drawdown, daily_loss=loss)
    direct = simulate_orders(
        bars, REPLAY, params, initial_cash=20_000, rules=same_rules, costs=costs, execution=execution
    )
    same_bits(result.book, direct)
    assert result.equity.tobytes() == direct.equity.tobytes()
    assert result.fills.height == direct.fills.height and result.orders.height == direct.orders.height
    for name in ("bar", "side", "size", "price", "fee", "slippage", "tag"):
        assert result.fills[name].to_list() == direct.fills[name].to_list()
    assert result.stats["ambiguous_bars"] == direct.stats["ambiguous_bars"]


class TestSameAsSimulateOrders:
    @pytest.mark.parametrize("rules", [None, OrderRules(fee_rate=0.001, latency=1), presets.backtrader()])
    def test_rules_alone(self, rules):
        bars = sample("AAPL")
        for block in (dips, turns):
            result = BacktestEngine(order_book=rules).run(bars, block)
            same_bits(result.book, simulate_orders(bars, block, rules=rules))

    def test_everything_that_a_book_holds(self):
        bars = synthetic(300, seed=4)
        shape = {"half_spread": 0.02, "funding": np.where(np.arange(300) % 8 == 0, 0.0001, np.nan)}
        asset = Asset(multiplier=5.0, tick=0.01, lot=1.0)
        rules = OrderRules(slippage="half_spread")
        book = OrderBook(rules=rules, asset=asset, **shape, session_end="12:00", book_size=50)
        costs, execution = Costs(rate=0.0005), Execution(leverage=3.0)
        result = BacktestEngine(order_book=book, costs=costs, execution=execution).run(
            bars, dips, {"below": 0.005}
        )
        direct = simulate_orders(
            bars, dips, {"below": 0.005}, rules=rules, assets=asset, costs=costs, execution=execution,
            session_end="12:00", book_size=50, **shape,
        )  # fmt: skip
        assert direct.stats["fills"] > 4
        same_bits(result.book, direct)
        assert result.metadata["settings"]["order_book"]["asset"]["multiplier"] == 5.0

    def test_a_session_that_ends_in_the_day(self):
        @strategy(name="at_the_close")
        def at_the_close(i, bars, params, memory, account, orders):
            if i == 0:
                place_market_on_close(orders, BUY, 1.0)

        times = np.arange("2024-01-01T08", "2024-01-02T04", dtype="datetime64[h]").astype("datetime64[us]")
        bars = {"timestamp": times, **dict.fromkeys(("open", "high", "low", "close"), np.arange(20.0) + 10)}
        result = BacktestEngine(order_book=OrderBook(session_end="12:00")).run(bars, at_the_close)
        direct = simulate_orders(bars, at_the_close, session_end="12:00")
        assert result.fills["bar"].to_list() == direct.fills["bar"].to_list() == [4]


class TestResult:
    @pytest.mark.parametrize("block", [dips, turns])
    @pytest.mark.parametrize("merge", [True, False])
    def test_trades_add_up(self, block, merge):
        rules = OrderRules(merge_fills=merge, slippage="fraction", slippage_amount=0.001)
        result = BacktestEngine(order_book=rules, costs=Costs(rate=0.001)).run(synthetic(400, seed=5), block)
        trades, fills = result.trades, result.fills
        assert trades.height > 20
        assert 100_000 + trades["net_pnl"].sum() == pytest.approx(result.equity[-1], rel=1e-12)
        assert trades["fees"].sum() == pytest.approx(fills["fee"].sum(), rel=1e-9)
        assert trades["slippage"].sum() == pytest.approx(fills["slippage"].sum(), rel=1e-9)
        assert result.stats["total_slippage"] == pytest.approx(result.book.stats["total_slippage"], rel=1e-12)
        np.testing.assert_allclose(
            result.cash + result.position * result.bars.close, result.equity, rtol=1e-12
        )
        assert result.stats["closed_trades"] == result.book.trades.height
        assert result.stats["max_drawdown"] == pytest.approx(result.book.stats["max_drawdown"], rel=1e-12)

    def test_one_fill_that_closes_and_opens(self):
        rules = OrderRules(slippage="fraction", slippage_amount=0.01)
        bars = dict.fromkeys(("open", "high", "low", "close"), [100.0] * 9)

        @strategy(name="twice_then_turn")
        def twice_then_turn(i, bars, params, memory, account, orders):
            if i < 2:
                place_market(orders, BUY, 1.0 + i)
            if i == 3:
                place_market(orders, SELL, 5.0)

        result = BacktestEngine(order_book=rules).run(bars, twice_then_turn)
        assert result.fills.select("side", "size").rows() == [(1, 1.0), (1, 2.0), (-1, 5.0)]
        # Entry and exit each slip by 1 a unit; the short of 2 units is still open.
        assert result.trades["slippage"].to_list() == pytest.approx([2.0, 4.0, 2.0])
        assert result.trades["exit_reason"].to_list() == ["order", "order", "open"]

    def test_roles_and_tags(self):
        @strategy(name="bracket_then_close")
        def bracket_then_close(i, bars, params, memory, account, orders):
            if i == 0:
                parent = place_market(orders, BUY, 1.0, tag=7)
                place_limit(orders, SELL, 1.0, 104.0, parent=parent, tag=11)
                place_market(orders, BUY, 1.0, tag=8, take_profit=0.05, exit_unit=FRACTION)
                place_market(orders, BUY, 1.0, tag=9, stop_loss=0.05, exit_unit=FRACTION)
                place_market(orders, BUY, 2.0, tag=10)
            if i == 4:
                close_lots(orders, 0.5, 10)

        closes = [100.0, 100.0, 104.5, 108.0, 94.0, 100.0, 101.0]
        result = BacktestEngine().run(
            dict.fromkeys(("open", "high", "low", "close"), closes), bracket_then_close
        )
        assert result.trades.select("tag", "exit_reason").rows() == [
            ("7", "child"), ("8", "take_profit"), ("9", "stop_loss"), ("10", "close"), (None, "open")
        ]  # fmt: skip
        assert set(result.orders["kind"]) >= {"order", "take_profit", "stop_loss", "close", "child"}
        assert result.orders.filter(result.orders["kind"] == "order")["tag"].to_list() == [
            "7",
            "8",
            "9",
            "10",
        ]
        assert result.fills["tag"].null_count() == 0

    def test_only_results_of_order_blocks_have_tags(self):
        result = BacktestEngine().run(synthetic(100, seed=1), "momentum")
        assert "tag" not in {*result.trades.columns, *result.fills.columns, *result.orders.columns}

    def test_lots_of_both_sides(self):
        @strategy(name="both_sides")
        def both_sides(i, bars, params, memory, account, orders):
            if i == 0:
                place_market(orders, BUY, 3.0)
                place_market(orders, SELL, 1.0)

        rules = OrderRules(hedging=True, ledger="settled", merge_fills=False)
        closes = [100.0, 100.0, 110.0]
        result = BacktestEngine(order_book=rules).run(
            dict.fromkeys(("open", "high", "low", "close"), closes), both_sides
        )
        assert result.trades.select("size", "net_pnl").rows() == [(2.0, 20.0)]
        assert result.equity[-1] == 100_020.0

    def test_settings_hash_and_what_the_result_names(self):
        bars = sample("AAPL")
        engine = BacktestEngine(costs=Costs(rate=0.001), risk_limits=RiskLimits(max_drawdown=0.5))
        result = engine.run(bars, dips, {"below": 0.02}, symbol="A")
        again = engine.run(bars, dips, {"below": 0.02})
        assert result.hash == again.hash != engine.run(bars, dips, {"below": 0.03}).hash
        settings = result.metadata["settings"]
        assert settings["targets"] == "orders" and settings["order_book"]["rules"]["max_drawdown"] == 0.5
        assert settings["order_book"]["rules"]["fee_rate"] == 0.001
        strategy_ = result.metadata["strategy"]
        assert strategy_["params"] == {"below": 0.02, "trail": 0.03}
        assert strategy_["fingerprint"] == dips.fingerprint()
        assert result.symbol == "A" and result.book.rules.merge_fills
        assert engine.run(bars, "dips", {"below": 0.02}).hash == result.hash

    def test_the_fill_rule_is_that_of_the_book(self):
        book = OrderRules(market_fill="same_close")
        result = BacktestEngine(order_book=book).run(synthetic(60, seed=1), turns)
        assert "assumes the close is known" in result.metadata["fill_rule"]
        assert result.fills["bar"][0] == 0

    def test_ambiguity(self):
        @strategy(name="both_in_reach")
        def both_in_reach(i, bars, params, memory, account, orders):
            if i == 0:
                place_market(orders, BUY, 10.0, stop_loss=9.0, take_profit=11.0)

        bars = {"open": [10.0, 10.0], "high": [10.0, 12.0], "low": [10.0, 8.0], "close": [10.0, 10.0]}
        found = BacktestEngine(initial_cash=1000).run(bars, both_in_reach).ambiguity
        assert (found.bars, found.worst, found.best) == (1, 990.0, 1010.0)

    def test_save_load_and_report(self, tmp_path):
        result = BacktestEngine(order_book=OrderRules(finalize="close")).run(sample("AAPL"), dips)
        loaded = BacktestResult.load(result.save(tmp_path / "r"))
        assert loaded.hash == result.hash and loaded.metadata == result.metadata
        for name in ("trades", "fills", "orders", "equity_curve"):
            assert getattr(loaded, name).equals(getattr(result, name))
        assert loaded.trades["tag"].to_list() == result.trades["tag"].to_list()
        assert "order" in set(result.trades["exit_reason"])

    def test_no_orders_at_all(self):
        @strategy(name="idle_orders")
        def idle_orders(i, bars, params, memory, account, orders):
            if i < 0:
                place_market(orders, BUY, 1.0)

        result = BacktestEngine().run(synthetic(50, seed=1), idle_orders)
        assert (
            result.trades.is_empty() and result.equity[-1] == 100_000.0 and result.stats["total_orders"] == 0
        )
        assert result.trades.columns[-1] == result.fills.columns[-1] == "tag"


class TestErrors:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"stops": Stops(stop_loss=0.1)}, f"stops: {REFUSED}.*stop_loss and take_profit in the block"),
            ({"sizing": FixedUnits(3)}, f"sizing: {REFUSED}.*size and unit in the block"),
            ({"risk_limits": RiskLimits(max_position=0.5)}, rf"risk_limits\.max_position: {REFUSED}"),
            ({"order_book": OrderBook(entry_limit=0.01)}, r"OrderBook\.entry_limit: expected None"),
            (
                {"order_book": OrderRules(max_drawdown=0.1), "risk_limits": RiskLimits(max_drawdown=0.2)},
                r"rules\.max_drawdown=0\.1 contradicts the engine's own settings, which give 0\.2",
            ),
        ],
    )
    def test_settings_that_mean_nothing(self, settings, message):
        with pytest.raises(ConfigError, match=message):
            BacktestEngine(**settings).run(sample("AAPL"), dips)

    def test_weights(self):
        with pytest.raises(ConfigError, match="weights: expected False for 'dips'"):
            BacktestEngine().run(sample("AAPL"), dips, weights=True)
