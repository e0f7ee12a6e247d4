"""Rules of money, by hand: what the two machines have in common, at the edges where they used to part.

`tests/test_kernel_oracle.py` compares whole runs with the rules in plain Python, `tests/test_order_book.py` the two
machines with each other; here stands what a person can check with a pencil.
"""

import math
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Costs,
    Execution,
    FixedUnits,
    Param,
    RiskLimits,
    Stops,
    Sweep,
    simulate_orders,
    strategy,
)
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import OrderRules
from peak_kernels import money
from peak_kernels.compiling.options import jit

START = datetime(2024, 1, 1)
BOTH = pytest.mark.parametrize("book", [None, OrderRules()], ids=["fast", "book"])
SIDES = pytest.mark.parametrize("side", [1.0, -1.0], ids=["long", "short"])


def flat(*prices, hours=24):
    """Bars of one price each."""
    return candles(*[(price,) * 4 for price in prices], hours=hours)


def candles(*rows, hours=24):
    """Bars of (open, high, low, close)."""
    columns = zip(("open", "high", "low", "close"), zip(*rows, strict=True), strict=True)
    times = [START + timedelta(hours=hours * number) for number in range(len(rows))]
    return pl.DataFrame(
        {"timestamp": times, **{name: [float(value) for value in values] for name, values in columns}}
    )


def fills(result):
    return result.fills.select("bar", "side", "size", "price").rows()


@jit
def whole_lots(size, lot, held):
    """Parts of kernels have no door for Python."""
    return money.whole_lots(size, lot, held)


# Lots -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "lot", "held", "whole"),
    [
        (0.3, 0.1, 0.0, 3),
        (0.7, 0.1, 0.0, 7),
        (1.0 - 0.9, 0.1, 1.0, 1),
        (100_000.1 - 100_000.0, 0.1, 100_000.1, 1),
        (0.29, 0.1, 0.0, 2),
        (2.9999, 1.0, 10.0, 2),
    ],
)
def test_rounding_costs_no_lot(size, lot, held, whole):
    assert whole_lots(size, lot, held) == pytest.approx(whole * lot, rel=1e-12)


@BOTH
@SIDES
@pytest.mark.parametrize(
    ("first", "then", "lots"), [(0.3, 0.2, 1), (0.7, 0.6, 1), (0.9, 0.2, 7), (0.6, 0.3, 3)]
)
def test_a_reduction_by_lots_loses_none(book, side, first, then, lots):
    # 100 of equity at a price of 100: a weight of 0.3 is 3 lots of 0.1.
    engine = BacktestEngine(initial_cash=100, execution=Execution(lot_size=0.1), order_book=book)
    weights = [side * first, side * first, side * then, side * then]
    result = engine.run(flat(100, 100, 100, 100), weights, weights=True)
    assert [round(size / 0.1) for size in result.fills["size"]] == [round(first / 0.1), lots]
    assert abs(result.position[-1]) == pytest.approx(then, rel=1e-12)


@BOTH
def test_a_weight_of_almost_nothing_leaves_no_dust(book):
    engine = BacktestEngine(initial_cash=1000, execution=Execution(lot_size=0.1), order_book=book)
    result = engine.run(flat(*[100] * 6), [0.03, 0.03, 0.06, 0.06, 1e-16, 1e-16], weights=True)
    assert result.position[-1] == 0.0
    assert result.trades.height == 1
    assert result.trades["exit_reason"][0] == "signal"


# Slippage ---------------------------------------------------------------------------------------------
@SIDES
@pytest.mark.parametrize("exit_by", ["signal", "stop"])
def test_slippage_takes_no_more_than_the_price(side, exit_by):
    engine = {
        "initial_cash": 100_000,
        "costs": Costs(slippage_abs=12.0),
        "sizing": FixedUnits(units=10),
        "stops": Stops(stop_loss=40.0, unit="absolute") if exit_by == "stop" else Stops(),
    }
    bars = flat(50, 50, 50, 8, 8) if side > 0 else flat(50, 50, 50, 90, 90)
    targets = [side, side, side, 0, 0]
    fast = BacktestEngine(**engine).run(bars, targets)
    book = BacktestEngine(**engine, order_book=OrderRules()).run(bars, targets)
    assert fast.fills["price"].to_list() == ([62.0, 0.0] if side > 0 else [38.0, 102.0])
    assert fills(book) == fills(fast)
    assert book.equity.tolist() == fast.equity.tolist()


@pytest.mark.parametrize(
    "rules",
    [
        OrderRules(slippage="fraction", slippage_amount=0.5, slippage_extra=150.0),
        OrderRules(slippage="absolute", slippage_amount=150.0),
        OrderRules(slippage="half_spread"),
        OrderRules(slippage="volume_linear", slippage_amount=1000.0),
        OrderRules(slippage="volume_root", slippage_amount=1000.0),
    ],
    ids=lambda rules: rules.slippage,
)
def test_no_slippage_model_goes_below_zero(rules):
    bars = flat(*[100.0] * 4).with_columns(pl.lit(10.0).alias("volume"))
    orders = pl.DataFrame([{"bar": 0, "side": "buy", "size": 1.0}, {"bar": 1, "side": "sell", "size": 1.0}])
    half = {"half_spread": 150.0} if rules.slippage == "half_spread" else {}
    result = simulate_orders(bars, orders, initial_cash=1e7, rules=rules, **half)
    assert result.fills["price"][1] == 0.0
    short = simulate_orders(bars, orders.tail(1), initial_cash=1e7, rules=rules, **half)
    assert short.orders.select("status", "reason").row(0) == ("rejected", "bad_price")


# Sizes of orders ----------------------------------------------------------------------------------------
SLIPPERY = [
    OrderRules(slippage="fraction", slippage_amount=0.01),
    OrderRules(slippage="fraction", slippage_amount=0.01, slippage_extra=0.5, fee_rate=0.001),
    OrderRules(slippage="absolute", slippage_amount=1.0, fee_fixed=3.0),
    OrderRules(slippage="half_spread", fee_per_unit=0.1),
    OrderRules(slippage="volume_linear", slippage_amount=0.5),
    OrderRules(slippage="volume_root", slippage_amount=0.1, fee_minimum=5.0),
    OrderRules(slippage="fraction", slippage_amount=0.01, spread=0.01),
    OrderRules(slippage="fraction", slippage_amount=0.01, leverage=3.0, afford="financed", fee_rate=0.002),
]


@pytest.mark.parametrize("rules", SLIPPERY, ids=lambda rules: rules.slippage)
@pytest.mark.parametrize("unit", ["equity_fraction", "margin_fraction", "value"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_size_by_money_is_of_the_price_that_is_paid(rules, unit, side):
    bars = flat(*[100.0] * 4).with_columns(pl.lit(10_000.0).alias("volume"))
    size = 90_000.0 if unit == "value" else 1.0
    order = pl.DataFrame([{"bar": 0, "side": side, "size": size, "size_unit": unit}])
    half = {"half_spread": 1.0} if rules.slippage == "half_spread" else {}
    result = simulate_orders(bars, order, rules=rules, **half)
    assert result.orders.select("status", "reason").row(0) == ("filled", "")
    fill = result.fills.row(0, named=True)
    assert (fill["price"] > 100.0) == (side == "buy")
    paid = fill["size"] * fill["price"]
    exact = 2e-2 if rules.slippage.startswith("volume") else 1e-9
    if unit == "value":
        assert paid == pytest.approx(90_000.0, rel=exact)
    elif unit == "equity_fraction":
        assert paid + fill["fee"] == pytest.approx(100_000.0, rel=exact)
        assert paid + fill["fee"] <= 100_000.0 * (1 + 1e-12) or side == "sell"


def test_an_all_in_order_buys_what_the_engine_buys():
    bars, order = (
        flat(100, 100, 110, 120),
        {"bar": 0, "side": "buy", "size": 1.0, "size_unit": "equity_fraction"},
    )
    costs = Costs(slippage_bps=25, slippage_abs=0.05, rate=0.001)
    engine = BacktestEngine(costs=costs).run(bars, [1, 1, 1, 1])
    orders = simulate_orders(bars, pl.DataFrame([order]), costs=costs)
    np.testing.assert_allclose(orders.equity, engine.equity, rtol=1e-12)


def test_sizes_before_slippage_where_the_rules_say_so():
    order = pl.DataFrame([{"bar": 0, "side": "buy", "size": 0.5, "size_unit": "equity_fraction"}])
    rules = OrderRules(slippage="fraction", slippage_amount=0.01, size_for_fee=False)
    assert simulate_orders(flat(100, 100, 100), order, rules=rules).fills["size"][0] == 500.0


# Weights ------------------------------------------------------------------------------------------------
@BOTH
@SIDES
def test_stops_lie_around_the_cost_of_what_is_held(book, side):
    # 100 units at 10, all but 2 of them back at 10; then 0.8 of the equity at 11: 2 units cost 10, the others 11.
    held = 0.8 * (1000 + side * 2) / 11
    cost = (2 * 10 + (held - 2) * 11) / held
    engine = BacktestEngine(initial_cash=1000, stops=Stops(stop_loss=2.0, unit="absolute"), order_book=book)
    bars = flat(10, 10, 10, 11, 11, cost - side * 2.01)
    weights = [side * weight for weight in (1.0, 0.02, 0.8, 0.8, 0.8, 0.8)]
    result = engine.run(bars, weights, weights=True)
    trade = result.trades.row(0, named=True)
    assert (trade["exit_reason"], trade["exit_bar"]) == ("stop_loss", 5)
    near = engine.run(flat(10, 10, 10, 11, 11, cost - side * 1.99), weights, weights=True)
    assert near.trades["exit_reason"][0] == "open"


@strategy(schema=(Param("unused", "int", 1, low=1, high=9),), memory=2, weights=True)
def remembers_its_cost(i, bars, params, memory, account):
    """Weights 1, 0.5 and 1 again; a fourth one that says what the account named as the average cost."""
    memory[0] = account[3] if i == 5 else memory[0]
    if i < 2:
        return 1.0
    if i < 4:
        return 0.5
    return 1.0 if i < 6 else memory[0] / 100.0


@BOTH
def test_a_block_sees_the_cost_of_what_is_held(book):
    result = BacktestEngine(initial_cash=1000, order_book=book).run(
        flat(10, 10, 10, 10, 20, 20, 20, 20), remembers_its_cost, {}
    )
    # 100 units at 10, half of them gone; at 20 equity is 1,500: 75 units, 25 of which cost 20.
    cost = (50 * 10 + 25 * 20) / 75
    assert result.fills["size"].to_list()[:3] == pytest.approx([100, 50, 25])
    assert result.fills["size"][3] == pytest.approx(75 - cost / 100 * 1500 / 20)


@BOTH
@SIDES
def test_a_smaller_weight_of_no_equity_sells_what_is_held(book, side):
    prices = (100, 100, 100, 40, 40) if side > 0 else (100, 100, 100, 160, 160)
    engine = BacktestEngine(execution=Execution(leverage=2), order_book=book)
    weights = [side * weight for weight in (2.0, 2.0, 1.0, 1.0, 1.0)]
    result = engine.run(flat(*prices), weights, weights=True)
    signed = (result.fills["side"] * result.fills["size"]).to_list()
    assert signed == [side * 2000.0, side * -2000.0]
    # In the book the account without equity is liquidated before the decision, which is refused then.
    asked = result.orders.filter(pl.col("filled") > 0.0)
    assert asked["requested"].to_list() == asked["filled"].to_list() == [2000.0, 2000.0]
    assert result.orders.height == (3 if book else 2)
    assert result.equity[-1] == -20_000.0
    assert result.position[-1] == 0.0


def test_a_smaller_weight_of_no_equity_sells_what_is_held_in_lots():
    engine = BacktestEngine(execution=Execution(leverage=2, lot_size=0.3))
    result = engine.run(flat(100, 100, 100, 40, 40), [2.0, 2.0, 1.0, 1.0, 1.0], weights=True)
    assert result.position[-1] == 0.0
    assert result.fills["size"][0] == result.fills["size"][1]


@BOTH
def test_an_addition_is_paid_as_the_formula_says(book):
    for leverage in (0.5, 0.8, 1.0, 2.0):
        engine = BacktestEngine(
            execution=Execution(leverage=leverage), costs=Costs(slippage_bps=100), order_book=book
        )
        weights = [leverage / 2, leverage / 2, 2.0 * leverage, 2.0 * leverage, 2.0 * leverage]
        result = engine.run(flat(*[100.0] * 5), weights, weights=True)
        units = leverage / 2 * 100_000 / 101
        equity = 100_000 - units * 101 + units * 100
        assert result.fills["size"].to_list() == pytest.approx(
            [units, (leverage * equity - units * 100) / 101], rel=1e-9
        )
        assert result.orders["status"].to_list() == ["filled", "filled"]


# Entries that nothing is left to pay for -------------------------------------------------------------------
@BOTH
@SIDES
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("fee", [49_000, 50_000, 60_000])
def test_a_reversal_that_costs_all_equity(book, side, weights, fee):
    engine = BacktestEngine(costs=Costs(fixed=fee), order_book=book)
    result = engine.run(flat(*[100.0] * 4), [side, -side, -side, -side], weights=weights)
    orders = result.orders.to_dicts()
    closed = (100_000 - fee) / 100
    assert result.fills["size"].to_list() == [closed, closed]
    last = orders[-1]
    assert last["reason"] == "no_cash"
    assert all(order["requested"] >= order["filled"] for order in orders)
    assert last["status"] == ("rejected" if book else "cut")
    wanted = max((100_000 - 2 * fee) / 100, 0.0)
    assert last["requested"] == pytest.approx(wanted + (0.0 if book else closed))


@BOTH
@pytest.mark.parametrize("weights", [False, True])
def test_an_entry_without_equity_is_recorded(book, weights):
    # Flat and in debt since bar 2: the next decision is refused, not passed over.
    engine = BacktestEngine(costs=Costs(fixed=60_000), order_book=book)
    result = engine.run(flat(*[100.0] * 6), [1, 0, 0, 1, 1, 1], weights=weights)
    assert result.orders.select("bar", "requested", "filled", "status", "reason").row(-1) == (
        3, 0.0, 0.0, "rejected", "no_cash",
    )  # fmt: skip
    assert result.stats["rejected_orders"] == 1


@BOTH
def test_a_weight_that_is_held_makes_no_order_under_a_halt(book):
    engine = BacktestEngine(
        initial_cash=1000,
        execution=Execution(lot_size=1.0),
        risk_limits=RiskLimits(max_drawdown=0.5),
        order_book=book,
    )
    # The surplus of 0.4 units is no lot; nothing is asked for, so nothing is refused, halted or not.
    result = engine.run(flat(100, 100, 100, 100), [0.5, 0.46, 0.46, 0.46], weights=True)
    assert result.orders.height == 1
    assert (result.orders["requested"] > 0.0).all()


# Exits ----------------------------------------------------------------------------------------------------
@SIDES
@pytest.mark.parametrize("book", [None, OrderRules()], ids=["fast", "book"])
@pytest.mark.parametrize("unit", ["fraction", "absolute"])
def test_a_tie_goes_to_the_stop(side, book, unit):
    wrong = []
    for cents in range(1000, 20_000, 173):
        price = cents / 100
        distance = 0.05 if unit == "fraction" else 0.37
        engine = BacktestEngine(
            stops=Stops(stop_loss=distance, take_profit=distance, unit=unit),
            execution=Execution(both_hit="nearest_to_open"),
            order_book=book,
        )
        bars = candles((price,) * 4, (price, price * 1.25, price * 0.75, price), (price,) * 4)
        if engine.run(bars, [side] * 3).trades["exit_reason"][0] != "stop_loss":
            wrong.append(price)
    assert wrong == []


@SIDES
def test_what_is_nearer_by_a_cent_is_nearer(side):
    engine = BacktestEngine(
        stops=Stops(stop_loss=5.0, take_profit=4.99, unit="absolute"),
        execution=Execution(both_hit="nearest_to_open"),
    )
    bars = candles((100,) * 4, (100, 120, 80, 100), (100,) * 4)
    assert engine.run(bars, [side] * 3).trades["exit_reason"][0] == "take_profit"


@SIDES
@pytest.mark.parametrize("both_hit", ["stop_first", "target_first"])
@pytest.mark.parametrize("at_entry", [False, True])
def test_finer_bars_that_are_as_ambiguous_change_nothing(side, both_hit, at_entry):
    still, wild = (100, 100, 100, 100), (100, 110, 80, 101)
    wild = wild if side > 0 else (100, 120, 90, 99)
    days = candles(still, wild, still)
    halves = (
        [still, still, wild, still, still, still] if at_entry else [still, still, still, wild, still, still]
    )
    settings = {
        "stops": Stops(stop_loss=0.05, take_profit=0.05),
        "execution": Execution(both_hit=both_hit),
    }
    expected = "stop_loss" if both_hit == "stop_first" else "take_profit"
    for detail in (None, candles(*halves, hours=12)):
        book = OrderBook(detail=detail)
        result = BacktestEngine(**settings, order_book=book).run(days, [side] * 3)
        assert result.trades["exit_reason"][0] == expected
        assert result.stats["ambiguous_bars"] == 1


def test_finer_bars_that_know_more_decide():
    days = candles((100,) * 4, (100, 110, 80, 100), (100,) * 4)
    halves = candles(
        (100,) * 4, (100,) * 4, (100, 110, 100, 100), (100, 100, 80, 100), (100,) * 4, (100,) * 4, hours=12
    )
    engine = BacktestEngine(
        stops=Stops(stop_loss=0.05, take_profit=0.05), order_book=OrderBook(detail=halves)
    )
    assert engine.run(days, [1, 1, 1]).trades["exit_reason"][0] == "take_profit"


# The end of the data ----------------------------------------------------------------------------------------
@SIDES
def test_the_end_of_the_data_renames_no_fill(side):
    bars = flat(*[100.0] * 9).with_columns(pl.lit(1000.0).alias("volume"))
    targets = [side] * 4 + [0.0] * 5
    for weights in (False, True):
        engine = BacktestEngine(order_book=OrderRules(volume="share", volume_amount=10.0))
        whole = engine.run(bars, targets, weights=weights)
        for cut in range(2, 9):
            part = engine.run(bars.head(cut), targets[:cut], weights=weights)
            known = whole.fills.head(part.fills.height)
            assert part.fills.drop("order_id").equals(known.drop("order_id"))
            assert set(part.trades["exit_reason"]) <= {"signal", "open"}
            waiting = part.orders.filter(pl.col("reason") == "end_of_data")
            assert set(waiting["status"]) <= {"unfilled"}
            assert set(waiting["kind"]) <= {"signal"}


# Sweeps -------------------------------------------------------------------------------------------------------
METRICS = (
    "final_equity", "total_return", "sharpe", "max_drawdown", "total_trades", "win_rate", "total_fees",
    "total_slippage", "filled_orders", "rejected_orders", "ambiguous_bars",
)  # fmt: skip


@strategy(schema=(Param("weight", "float", 0.5, low=0.0, high=4.0),), weights=True)
def up_and_down(df, params):
    """A weight, a smaller one, a larger one, a short."""
    pattern = [params["weight"], params["weight"], 0.3, 0.1, 1.7, -1.0, -0.2, 2.0]
    return np.array([pattern[(bar // 3) % len(pattern)] for bar in range(len(df))])


@BOTH
def test_a_sweep_row_is_the_single_run(book):
    rng = np.random.default_rng(5)
    prices = np.round(20 * np.exp(np.cumsum(rng.normal(0, 0.15, 120))), 2)
    settings = {
        "execution": Execution(leverage=2.0, lot_size=0.1, both_hit="nearest_to_open"),
        "costs": Costs(slippage_abs=3.0, fixed=40.0),
        "stops": Stops(stop_loss=0.2, take_profit=0.2),
        "initial_cash": 5_000,
        "order_book": book,
    }
    bars = flat(*prices)
    values = [0.2, 0.5, 1.0, 2.5]
    frame = (
        Sweep(up_and_down, {"weight": values}, bars, metrics=METRICS, **settings).run().frame.sort("weight")
    )
    for value, row in zip(values, frame.to_dicts(), strict=True):
        single = BacktestEngine(**settings).run(bars, up_and_down, {"weight": value})
        for name in METRICS:
            assert row[name] == single.stats[name] or math.isnan(row[name]), name
