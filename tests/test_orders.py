"""Orders: each kind, each rule and each reason, with answers worked out by hand."""

import numpy as np
import polars as pl
import pytest

from peak_fast.orders.peak_trade import run_peak_trade
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_rules import Asset, OrderRules

#         0    1    2    3    4    5
OPEN = [100, 101, 103, 102, 98, 105]
HIGH = [102, 104, 105, 103, 100, 107]
LOW = [99, 100, 102, 97, 95, 104]
CLOSE = [101, 103, 104, 98, 99, 106]
BARS = {"open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": [100, 200, 0, 400, 50, 80]}


def run(*orders, cash=10_000.0, bars=BARS, **options):
    rules = options.pop("rules", None) or OrderRules(**options.pop("with_rules", {}))
    return simulate_orders(bars, list(orders), initial_cash=cash, rules=rules, **options)


def fills(result):
    return result.fills.select("bar", "side", "size", "price").rows()


def ends(result):
    return result.orders.select("status", "reason").rows()


BUY = {"bar": 0, "side": "buy", "size": 10}


@pytest.mark.parametrize(
    ("order", "bar", "price"),
    [
        ({**BUY}, 1, 101),
        ({**BUY, "type": "limit", "limit": 100.5}, 1, 100.5),
        ({**BUY, "type": "limit", "limit": 99}, 3, 99),
        ({**BUY, "type": "limit", "limit": 101.5}, 1, 101),
        ({**BUY, "type": "stop", "stop": 103.5}, 1, 103.5),
        ({**BUY, "type": "stop", "stop": 100}, 1, 101),
        ({**BUY, "side": "sell", "type": "stop", "stop": 99}, 3, 99),
        ({**BUY, "side": "sell", "type": "limit", "limit": 104.5}, 2, 104.5),
        ({**BUY, "type": "stop_limit", "stop": 103.5, "limit": 104}, 1, 103.5),
        ({**BUY, "type": "stop_limit", "stop": 103.5, "limit": 102}, 2, None),
        ({**BUY, "type": "market_on_close"}, 1, 103),
    ],
)
def test_each_kind_of_order_fills_where_it_should(order, bar, price):
    result = run(order)
    if price is None:
        # Triggered in bar 1, rests as a limit order; bar 2 touches the limit at its low.
        assert fills(result)[0][0::3] == (2, 102.0)
    else:
        assert [(fill[0], fill[3]) for fill in fills(result)] == [(bar, price)]


def test_trailing_stop_follows_the_high_after_each_bar():
    result = run(
        {**BUY},
        {"bar": 1, "side": "sell", "size": 10, "type": "trailing_stop", "trail": 4, "trail_unit": "distance"},
    )
    # Close of bar 1 is 103: stop 99; after bar 2 (high 105): 101; bar 3 opens at 102 and falls through 101.
    assert fills(result)[1][0::3] == (3, 101.0)


def test_trailing_stop_can_follow_the_close():
    order = {"bar": 1, "side": "sell", "size": 10, "type": "trailing_stop", "trail": 0.02}
    result = run({**BUY}, order, with_rules={"trail_watermark": "close"})
    assert fills(result)[1][3] == pytest.approx(104 * 0.98)


def test_trailing_stop_limit_moves_its_limit_with_the_stop():
    order = {
        "bar": 1,
        "side": "sell",
        "size": 10,
        "type": "trailing_stop_limit",
        "trail": 4,
        "trail_unit": "distance",
    }
    result = run({**BUY}, {**order, "limit": 102.0})
    # The limit lies 1 below the reference close of 103: it moves to 104 with the stop's 101 + (103 - 102) below.
    assert result.orders["limit"][1] == pytest.approx(result.orders["stop"][1] - 1.0)


def test_exits_work_in_the_entry_bar_after_a_market_order():
    result = run({**BUY, "stop_loss": 100.5, "take_profit": 110})
    assert fills(result) == [(1, 1, 10.0, 101.0), (1, -1, 10.0, 100.5)]
    later = run({**BUY, "stop_loss": 100.5, "take_profit": 110}, with_rules={"exits_active": "next_bar"})
    assert fills(later)[1] == (3, -1, 10.0, 100.5)


def test_exit_distances_refer_to_the_fill_price():
    result = run({**BUY, "stop_loss": 0.05, "take_profit": 0.02, "exit_unit": "fraction"})
    assert fills(result)[1][0::3] == (1, pytest.approx(101 * 1.02))
    result = run({**BUY, "stop_loss": 3, "exit_unit": "distance"})
    assert fills(result)[1][0::3] == (3, 98.0)


def test_stop_comes_before_target_unless_the_rules_turn_it_round():
    both = {"bar": 1, "side": "buy", "size": 1, "stop_loss": 102.5, "take_profit": 104.5}
    assert fills(run(both))[1][3] == 102.5
    assert fills(run(both, with_rules={"target_first": True}))[1][3] == 104.5
    assert fills(run(both, with_rules={"path": "ohlc"}))[1][3] == 104.5
    assert fills(run(both, with_rules={"path": "olhc"}))[1][3] == 102.5


def test_ambiguity_counts_the_bars_and_bounds_the_result():
    result = run({"bar": 1, "side": "buy", "size": 1, "stop_loss": 102.5, "take_profit": 104.5})
    assert result.ambiguity.bars == 1
    assert result.ambiguity.worst == pytest.approx(10_000 - 0.5)
    assert result.ambiguity.best == pytest.approx(10_000 + 1.5)
    assert run({**BUY}).ambiguity.bars == 0


def test_finer_bars_decide_the_order_of_events():
    day = 86_400_000_000
    stamp = [n * day for n in range(6)]
    coarse = pl.DataFrame({"timestamp": stamp, **BARS}).with_columns(
        pl.col("timestamp").cast(pl.Datetime("us"))
    )
    fine = {
        "timestamp": [2 * day, 2 * day + day // 2],
        "open": [103.0, 105],
        "high": [105.0, 105],
        "low": [103.0, 102],
        "close": [105.0, 104],
    }
    detail = pl.DataFrame(fine).with_columns(pl.col("timestamp").cast(pl.Datetime("us")))
    order = {"bar": 1, "side": "buy", "size": 1, "stop_loss": 102.5, "take_profit": 104.5}
    assert fills(run(order, bars=coarse, detail=detail))[1][3] == 104.5


def test_one_cancels_other_and_parents():
    result = run(
        {**BUY, "type": "limit", "limit": 100.5, "oco_group": "g"},
        {**BUY, "type": "stop", "stop": 103.5, "oco_group": "g"},
    )
    assert ends(result) == [("filled", ""), ("cancelled", "one_cancels_other")]
    result = run(
        {**BUY, "tag": "in"},
        {"bar": 0, "side": "sell", "size": 10, "type": "stop", "stop": 97.5, "parent": "in"},
        {"bar": 0, "side": "sell", "size": 10, "type": "limit", "limit": 104.5, "parent": "in"},
    )
    assert ends(result) == [("filled", ""), ("cancelled", "sibling_ended"), ("filled", "")]


def test_modify_cancel_close_and_set_exits():
    limit = {**BUY, "type": "limit", "limit": 90, "tag": "a"}
    assert fills(run(limit, {"bar": 1, "action": "modify", "tag": "a", "limit": 102.5, "size": 4})) == [
        (2, 1, 4.0, 102.5)
    ]
    assert ends(run(limit, {"bar": 1, "action": "cancel", "tag": "a"})) == [("cancelled", "by_user")]
    entry = {**BUY, "tag": "a"}
    assert fills(run(entry, {"bar": 1, "action": "close", "tag": "a", "size": 0.5}))[1] == (2, -1, 5.0, 103.0)
    assert fills(run(entry, {"bar": 1, "action": "set_exits", "stop_loss": 98}))[1][0::3] == (3, 98.0)
    assert fills(run(entry, {"bar": 2, "action": "trail_stops", "trail": 0.05}))[1][3] == pytest.approx(
        104 * 0.95
    )


def test_cancel_with_exits_takes_the_exits_of_the_lots():
    entry = {**BUY, "tag": "a", "stop_loss": 98}
    result = run(entry, {"bar": 2, "action": "cancel_with_exits", "tag": "a"})
    assert ends(result) == [("filled", ""), ("cancelled", "by_user")]
    assert fills(run(entry, {"bar": 2, "action": "cancel", "tag": "a"}))[1][0::3] == (3, 98.0)


def test_orders_with_and_without_a_tag_share_the_tables():
    result = run({**BUY}, {**BUY, "bar": 1, "tag": "a"})
    assert result.fills["tag"].to_list() == result.orders["tag"].to_list() == [None, "a"]


def test_time_in_force():
    far = {**BUY, "type": "limit", "limit": 99.5}
    assert ends(run({**far, "time_in_force": "day"})) == [("expired", "validity_over")]
    assert ends(run({**far, "time_in_force": "gtd", "valid_until": 2})) == [("expired", "validity_over")]
    assert fills(run({**far, "valid_until": 3}))[0][0] == 3
    assert ends(run({**far, "time_in_force": "ioc"})) == [("cancelled", "immediate_or_cancel")]
    capped = {"volume": "share", "volume_amount": 2.5}
    assert fills(run({**BUY, "time_in_force": "ioc"}, with_rules=capped)) == [(1, 1, 5.0, 101.0)]
    assert ends(run({**BUY, "time_in_force": "fok"}, with_rules=capped)) == [("cancelled", "fill_or_kill")]


def test_volume_limits_make_partial_fills_and_no_volume_no_fill():
    result = run({**BUY}, with_rules={"volume": "share", "volume_amount": 2.5})
    assert fills(result) == [(1, 1, 5.0, 101.0), (3, 1, 5.0, 102.0)]
    result = run({**BUY}, with_rules={"volume": "fixed", "volume_amount": 4})
    assert [fill[2] for fill in fills(result)] == [4.0, 4.0, 2.0]
    shares = {"volume": "range", "volume_amount": 10, "volume_step": 1}
    assert fills(run({**BUY}, with_rules=shares))[0][2] == pytest.approx(200 / 5 * 0.1)


@pytest.mark.parametrize(
    ("rules", "price"),
    [
        ({"slippage": "fraction", "slippage_amount": 0.01}, 101 * 1.01),
        ({"slippage": "absolute", "slippage_amount": 0.5}, 101.5),
        ({"slippage": "absolute", "slippage_amount": 5, "slip_cap": "range"}, 104),
        ({"slippage": "volume_linear", "slippage_amount": 0.2}, 101 * (1 + 0.2 * 10 / 200)),
        ({"slippage": "volume_root", "slippage_amount": 0.02}, 101 * (1 + 0.02 * np.sqrt(0.05))),
        ({"slippage": "fraction", "slippage_amount": 0.01, "slip_open": False}, 101),
    ],
)
def test_slippage_models(rules, price):
    assert fills(run({**BUY}, with_rules=rules))[0][3] == pytest.approx(price)


def test_half_spread_is_a_column_or_a_constant():
    rules = {"slippage": "half_spread"}
    assert fills(run({**BUY}, half_spread=0.25, with_rules=rules))[0][3] == 101.25
    column = [0, 0.5, 0, 0, 0, 0]
    assert fills(run({**BUY}, half_spread=column, with_rules=rules))[0][3] == 101.5


def test_slippage_that_leaves_the_bar_can_mean_no_fill():
    rules = {"slippage": "absolute", "slippage_amount": 2.5, "slip_cap": "no_fill"}
    assert fills(run({**BUY}, with_rules=rules))[0][0] == 1
    rules["slippage_amount"] = 3.5
    assert fills(run({**BUY, "valid_until": 2}, with_rules=rules)) == []


def test_limit_touch_through_and_chance():
    touch = {**BUY, "type": "limit", "limit": 100}
    assert fills(run(touch))[0][0] == 1
    assert fills(run(touch, with_rules={"limit_fill": "through"}))[0][0] == 3
    assert fills(run(touch, with_rules={"limit_fill": "chance", "limit_chance": 0.0}))[0][0] == 3
    assert fills(run(touch, with_rules={"limit_fill": "chance", "limit_chance": 1.0}))[0][0] == 1


def test_fees_fixed_per_unit_minimum_maker_and_tiers():
    def fee(order=BUY, **rules):
        return run(order, with_rules=rules).fills["fee"][0]

    assert fee(fee_rate=0.001, fee_fixed=1, fee_per_unit=0.1) == pytest.approx(1 + 1 + 1.01)
    assert fee(fee_rate=0.001, fee_minimum=5) == 5
    limit = {**BUY, "type": "limit", "limit": 100.5}
    assert fee(limit, fee_rate=0.01, maker_rate=0.002) == pytest.approx(10 * 100.5 * 0.002)
    two = run({**BUY}, {**BUY, "bar": 1}, with_rules={"fee_rate": 0.01, "fee_tiers": ((1000.0, 0.005),)})
    np.testing.assert_allclose(two.fills["fee"], [10.1, 10 * 103 * 0.005])


def test_latency_and_same_close():
    assert fills(run({**BUY}, with_rules={"latency": 2}))[0][0::3] == (3, 102.0)
    assert fills(run({**BUY}, with_rules={"market_fill": "same_close"}))[0][0::3] == (0, 101.0)


def test_lots_ticks_and_smallest_sizes():
    result = run({**BUY, "size": 10.7}, assets=Asset(lot=0.5))
    assert fills(result)[0][2] == 10.5
    slip = {"slippage": "fraction", "slippage_amount": 0.0011}
    assert fills(run({**BUY}, assets=Asset(tick=0.25), with_rules=slip))[0][3] == 101.25
    assert ends(run({**BUY, "size": 0.2}, assets=Asset(lot=0.5))) == [("rejected", "size_zero")]


def test_units_of_a_size():
    def size(**order):
        side = {} if order["size_unit"].startswith("target") else {"side": "buy"}
        return fills(run({"bar": 0, **side, **order}))[0][1:3]

    assert size(size=1010, size_unit="value") == (1, pytest.approx(10.0))
    assert size(size=0.5, size_unit="equity_fraction") == (1, pytest.approx(5000 / 101))
    assert size(size=0.5, size_unit="margin_fraction") == (1, pytest.approx(5000 / 101))
    assert size(size=-3, size_unit="target_units") == (-1, 3.0)
    assert size(size=0.101, size_unit="target_fraction") == (1, pytest.approx(10.0))
    assert size(size=-505, size_unit="target_value") == (-1, pytest.approx(5.0))
    half = run({**BUY}, {"bar": 1, "size": 0.5, "size_unit": "position_fraction"})
    assert fills(half)[1][1:3] == (-1, 5.0)


def test_reversal_is_one_fill_with_one_fee_and_two_lots():
    result = run({**BUY}, {"bar": 1, "side": "sell", "size": 15}, with_rules={"fee_fixed": 2})
    assert fills(result)[1] == (2, -1, 15.0, 103.0)
    assert result.fills["fee"].to_list() == [2.0, 2.0]
    assert result.position[0].tolist() == [0, 10, -5, -5, -5, -5]
    assert result.trades.select("size", "gross_pnl").rows() == [(10.0, 20.0)]


def test_hedging_keeps_both_sides_and_netting_closes_oldest_first():
    rules = OrderRules(hedging=True, ledger="settled", merge_fills=False)
    result = run({**BUY}, {"bar": 1, "side": "sell", "size": 10}, rules=rules)
    assert result.trades.height == 0
    assert result.equity[-1] == pytest.approx(10_000 + 20)
    result = run({**BUY}, {**BUY, "bar": 1}, {"bar": 2, "side": "sell", "size": 15})
    assert result.trades.select("size", "entry_price").rows() == [(10.0, 101.0), (5.0, 103.0)]


def test_cash_that_is_missing_rejects_or_cuts():
    big = {**BUY, "size": 200}
    assert ends(run(big)) == [("rejected", "insufficient_margin")]
    cut = run(big, with_rules={"shortfall": "cut", "fee_rate": 0.001})
    assert ends(cut) == [("filled", "cut_to_cash")]
    assert cut.cash[1] == pytest.approx(0.0, abs=1e-6)
    assert fills(run(big, with_rules={"leverage": 3.0}))[0][2] == 200.0
    short = {"bar": 0, "side": "sell", "size": 200}
    assert ends(run(short)) == [("rejected", "insufficient_margin")]


def test_futures_settle_every_day_and_tie_up_their_margin():
    result = run(
        {**BUY, "size": 2}, assets=Asset(multiplier=50, margin=1000), with_rules={"fee_per_unit": 2.0}
    )
    assert result.cash[1] == pytest.approx(10_000 - 2000 - 4 + 2 * 50 * (103 - 101))
    np.testing.assert_allclose(np.diff(result.equity[1:]), 100 * np.diff(CLOSE[1:]))


def test_interest_funding_and_liquidation():
    short = {"bar": 0, "side": "sell", "size": 10}
    result = run(short, with_rules={"borrow_short": 0.365})
    assert result.cash[2] - result.cash[1] == pytest.approx(-10 * 103 * 0.001)
    paid = run({**BUY}, funding=0.01, funding_times="bar")
    assert paid.cash[1] == pytest.approx(10_000 - 1010 - 10 * 103 * 0.01)
    rules = OrderRules(leverage=5.0, maintenance=0.1, liquidation_fee=0.01)
    result = run({**BUY, "size": 450}, rules=rules)
    # Equity 10,000 at 101; it equals a tenth of the value at (450 x 101 - 10,000) / (450 x 0.9).
    level = (450 * 101 - 10_000) / (450 * 0.9)
    assert result.fills["reason"].to_list() == ["order"]
    crash = {**BARS, "low": [99, 100, 102, 80, 79, 104], "close": [101, 103, 104, 85, 99, 106]}
    result = run({**BUY, "size": 450}, bars=crash, rules=rules)
    assert result.fills["reason"].to_list() == ["order", "liquidation"]
    assert result.fills["price"][1] == pytest.approx(level)
    assert ends(result)[1] == ("filled", "liquidation")


def test_equity_floor_and_daily_loss_leave_and_refuse():
    orders = [{**BUY, "size": 90}, {**BUY, "bar": 4, "size": 1}]
    result = run(*orders, with_rules={"equity_floor": 9_900.0})
    assert fills(result)[1] == (4, -1, 90.0, 98.0)
    assert ends(result)[1] == ("rejected", "halted") or "halted" in [reason for _, reason in ends(result)]
    result = run(*orders, with_rules={"daily_loss": 0.03})
    assert fills(result)[1][0] == 4


def test_exclusive_orders_replace_everything():
    result = run({**BUY}, {"bar": 1, "side": "sell", "size": 3}, with_rules={"exclusive": True})
    assert [fill[1:3] for fill in fills(result)] == [(1, 10.0), (-1, 10.0), (-1, 3.0)]
    pending = {**BUY, "type": "limit", "limit": 90}
    assert ends(run(pending, {**BUY, "bar": 1}, with_rules={"exclusive": True}))[0] == (
        "cancelled",
        "exclusive_order",
    )


def test_a_full_book_is_a_recorded_rejection():
    limit = {**BUY, "type": "limit", "limit": 90}
    result = run(limit, limit, limit, book_size=2)
    assert ends(result)[2] == ("rejected", "book_full")


def test_several_assets_share_the_cash():
    other = {name: [10.0 * value for value in values] for name, values in BARS.items()}
    bars = {"A": BARS, "B": other}
    result = run({**BUY, "asset": "A"}, {**BUY, "asset": "B", "size": 2}, bars=bars)
    assert result.fills["asset"].to_list() == ["A", "B"]
    assert result.equity[1] == pytest.approx(10_000 + 10 * 2 + 2 * 20)
    assert result.positions.columns == ["bar", "A", "B"]


def test_bars_without_prices_neither_fill_nor_mark():
    holes = {name: [float(value) for value in values] for name, values in BARS.items()}
    for name in ("open", "high", "low", "close"):
        holes[name][1] = float("nan")
    result = run({**BUY}, bars=holes)
    assert fills(result)[0][0] == 2
    held = {name: [float(value) for value in values] for name, values in BARS.items()}
    for name in ("open", "high", "low", "close"):
        held[name][2] = float("nan")
    assert run({**BUY}, bars=held).equity[2] == run({**BUY}, bars=held).equity[1]


def test_peak_trade_legacy_by_hand():
    # Entry at the close of bar 1 (103); 0.02 / 0.05 is cut to half of the equity; stop 97.85 hit in bar 3.
    signal = [0, 1, 0, 0, 1, 0]
    result, curve = run_peak_trade(
        BARS, signal, mode="legacy", initial_cash=1000, risk_per_trade=0.05, stop_pct=0.05, max_position=0.5
    )
    size = 500 / 103
    loss = size * 103 * 0.05
    second = (1000 - loss) * 0.5 / 99
    assert fills(result)[1] == (3, -1, pytest.approx(size), pytest.approx(103 * 0.95))
    np.testing.assert_allclose(
        curve, [1000, 1000, 1000, 1000, 1000 - loss, 1000 - loss, 1000 - loss + second * 7]
    )
    refused, flat = run_peak_trade(BARS, signal, mode="legacy", initial_cash=1000, min_value=600)
    assert refused.fills.height == 0
    assert flat.tolist() == [1000.0] * 7


def test_peak_trade_pipeline_by_hand():
    result, curve = run_peak_trade(
        BARS,
        [0, 1, 1, -1, -1, -1],
        mode="pipeline",
        initial_cash=1000,
        max_position=0.5,
        fee_rate=0.001,
        slippage=0.01,
    )
    size = 500 / 103
    price = 103 * 1.01
    cash = 1000 - size * price * 1.001
    out = 98 * 0.99
    equity = cash + size * out * 0.999
    short = equity * 0.5 / 98
    assert [fill[0] for fill in fills(result)] == [1, 3, 3, 5]
    np.testing.assert_allclose(result.fills["size"].to_list(), [size, size, short, short])
    np.testing.assert_allclose(curve[3], equity + short * out * 0.999 - short * 98)
