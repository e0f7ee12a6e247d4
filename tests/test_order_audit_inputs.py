"""Settings and instructions that cannot be meant: one error each that says what was expected, and nothing ignored."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from peak_fast import Costs, Execution
from peak_fast.errors import ConfigError, DataError
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules
from tests.test_orders import BARS, BUY, ends, fills, run

NAN = float("nan")
TIMED = {
    **BARS,
    "timestamp": np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]").astype("datetime64[us]"),
}
ENTRY = {**BUY, "tag": "a"}


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({**BUY, "bar": 1.7}, r"row 0: bar 1\.7 is not a whole number"),
        ({**BUY, "bar": "x"}, "row 0: bar must be a number, got 'x'"),
        ({**BUY, "bar": True}, "row 0: bar must be a number, got True"),
        ({**BUY, "bar": NAN}, "neither bar nor timestamp"),
        ({**BUY, "bar": None, "timestamp": "soon"}, "'timestamp': row 0 is 'soon', which is not a date"),
        ({**BUY, "valid_until": "soon"}, "'valid_until': row 0 is 'soon', which is not a date"),
        ({**BUY, "valid_until": 2.5}, "valid_until=2.5 is not a whole number"),
        ({**BUY, "size": float("inf")}, "size must be a finite number"),
        ({**BUY, "size": True}, "size must be a number, got True"),
        ({**BUY, "size": NAN}, "size is missing"),
        ({**BUY, "side": 0}, "side=0; known"),
        ({**BUY, "asset": True}, "asset=True; known"),
        ({**BUY, "reduce_only": "False"}, "reduce_only must be True or False, got 'False'"),
        ({**BUY, "stop": 100}, "type='market' takes no stop"),
        ({**BUY, "limit": 100}, "type='market' takes no limit price"),
        ({**BUY, "type": "limit", "limit": 100, "stop": 99}, "type='limit' takes no stop"),
        ({**BUY, "type": "stop", "stop": 100, "trail": 0.1}, "type='stop' takes no trail"),
        ({**BUY, "type": "trailing_stop", "trail": 0}, "trail must be > 0, got 0"),
        ({**BUY, "type": "market_on_close", "stop": 100}, "type='market_on_close' takes no stop"),
        ({**BUY, "stop_loss": -5}, "stop_loss must be > 0, got -5"),
        ({**BUY, "take_profit": 0, "exit_unit": "fraction"}, "take_profit must be > 0, got 0"),
        ({"bar": 0, "size": -0.5, "size_unit": "position_fraction"}, "size must be >= 0, the part"),
        ({**BUY, "size_unit": "target_units"}, "size_unit='target_units' takes no side"),
    ],
)
def test_orders(order, message):
    with pytest.raises(DataError, match=message):
        run(order)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"action": "cancel", "tag": "b"}, "no order has the tag 'b'; known: 'a'"),
        ({"action": "close", "tag": "b"}, "no order has the tag 'b'"),
        ({"action": "modify", "limit": 5}, "need the tag"),
        ({"action": "modify", "tag": "a"}, "action='modify' changes nothing: give size or limit or stop"),
        ({"action": "modify", "tag": "a", "limit": 0}, "limit must be > 0, got 0"),
        ({"action": "modify", "tag": "a", "size": 0}, "size must be > 0; action='cancel' ends an order"),
        ({"action": "modify", "tag": "a", "size": 1, "size_unit": "target_units"}, "as its new size_unit"),
        ({"action": "modify", "tag": "a", "limit": 9, "time_in_force": "ioc"}, "takes gtc, day or gtd"),
        ({"action": "modify", "tag": "a", "limit": 9, "type": "stop"}, "action='modify' takes no type"),
        (
            {"action": "modify", "tag": "a", "stop_loss": 9, "exit_unit": "fraction"},
            "takes no exit_unit: .* are prices",
        ),
        ({"action": "modify", "tag": "a", "limit": 9, "parent": "a"}, "action='modify' takes no parent"),
        ({"action": "cancel", "tag": "a", "limit": 9}, "action='cancel' takes no limit"),
        ({"action": "cancel", "tag": "a", "reduce_only": True}, "action='cancel' takes no reduce_only"),
        ({"action": "close", "size": 2}, "portion, above 0 and at most 1; got 2"),
        ({"action": "close", "size": 0}, "portion, above 0 and at most 1; got 0"),
        ({"action": "close", "limit": 9}, "action='close' takes no limit"),
        ({"action": "close", "valid_until": 3}, "action='close' takes no valid_until"),
        ({"action": "set_exits"}, "action='set_exits' changes nothing: give stop_loss or take_profit"),
        (
            {"action": "set_exits", "stop_loss": -1},
            r"stop_loss must be a price > 0 \(0 takes it away\), got -1",
        ),
        ({"action": "set_exits", "stop_loss": 0.05, "exit_unit": "fraction"}, "takes no exit_unit"),
        ({"action": "trail_stops"}, "action='trail_stops' changes nothing: give trail"),
        ({"action": "trail_stops", "trail": -1}, "trail must be > 0, got -1"),
    ],
)
def test_other_actions(action, message):
    with pytest.raises(DataError, match=f"orders row 1: .*{message}"):
        run(ENTRY, {"bar": 1, **action})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latency": 1.5}, "latency must be a whole number"),
        ({"latency": -1}, "latency must be >= 0"),
        ({"seed": -3}, "seed must lie in"),
        ({"fee_rate": float("inf")}, "fee_rate must be finite"),
        ({"fee_rate": -0.1, "fee_minimum": 1.0}, "is a rebate"),
        ({"maker_rate": -0.1, "fee_minimum": 1.0}, "is a rebate"),
        ({"fee_tiers": ((0.0, -0.1),), "fee_minimum": 1.0}, "is a rebate"),
        ({"maker_rate": "x"}, "maker_rate must be a number"),
        ({"fee_tiers": 5}, "pairs of traded value and rate"),
        ({"fee_tiers": ((1.0,),)}, "pairs of traded value and rate"),
        ({"fee_tiers": ((5.0, 0.1), (1.0, 0.2))}, "must rise in the traded value"),
        ({"fee_tiers": (("a", 0.1),)}, "a traded value must be a number"),
        ({"fee_tiers": tuple((float(n), 0.0) for n in range(13))}, "has 13 tiers, the most is 12"),
        ({"slippage_amount": 0.1}, "has no effect without a model"),
        ({"slippage": "fraction", "slippage_amount": 1.0}, "needs a slippage_amount below 1"),
        ({"slippage": "absolute", "slippage_amount": -0.1}, "slippage_amount must be >= 0"),
        ({"slippage_extra": 1.0}, "no effect without slippage='fraction'"),
        ({"limit_chance": 0.5}, "no effect without limit_fill='chance'"),
        ({"limit_fill": "chance", "limit_chance": 1.5}, r"limit_chance must lie in \[0, 1\]"),
        ({"volume": "share"}, "needs volume_amount > 0"),
        ({"volume": "share", "volume_amount": 150.0}, "is a percentage"),
        ({"volume_amount": 5.0}, "no effect without a limit"),
        ({"volume": "fixed", "volume_amount": 5.0, "volume_step": 1.0}, "no effect without volume='range'"),
        ({"spread": 1.0}, "spread must lie in"),
        ({"min_value": -1.0}, "min_value must be >= 0"),
        ({"maintenance": 1.5}, "maintenance must lie in"),
        ({"liquidation_fee": 0.1}, "no effect without maintenance"),
        ({"max_drawdown": 1.5}, "max_drawdown must lie in"),
        ({"daily_loss": -0.1}, "daily_loss must lie in"),
        ({"leverage": float("inf")}, "leverage must be finite"),
        ({"path": 3}, "path=3: known"),
    ],
)
def test_rules(settings, message):
    with pytest.raises(ConfigError, match=message):
        run(BUY, with_rules=settings)


def test_numbers_of_numpy_are_numbers():
    rules = OrderRules(latency=np.int64(1), fee_rate=np.float64(0.01), fee_tiers=[[0.0, 0.02]])
    assert run(BUY, rules=rules).fills.select("bar", "fee").rows() == [(2, pytest.approx(10 * 103 * 0.02))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cash": NAN}, "initial_cash must be > 0"),
        ({"cash": "x"}, "initial_cash must be > 0"),
        ({"cash": float("inf")}, "initial_cash must be > 0 and finite"),
        ({"rules": {"latency": 1}}, "rules: expected OrderRules; got dict"),
        ({"costs": {"rate": 0.1}}, "costs: expected Costs; got dict"),
        ({"execution": "close"}, "execution: expected Execution; got str"),
        ({"assets": 5}, "assets: expected an Asset, or a dict"),
        ({"assets": {"A": Asset()}}, "assets names 'A', which has no bars"),
        ({"assets": {"bars": 5}}, r"assets\['bars'\]: expected Asset; got int"),
        ({"half_spread": 1.0}, "half_spread has no effect with slippage='none'"),
        ({"rules": OrderRules(slippage="half_spread")}, "needs half_spread="),
        ({"session_end": "25:99"}, "session_end must look like"),
        ({"session_end": "17"}, "session_end must look like"),
        ({"book_size": 2.5}, r"book_size must be >= 1, a whole number, got 2\.5"),
        ({"rules": OrderRules(first_bar=6)}, "first_bar=6 lies behind the 6 bars"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ConfigError, match=message):
        run(BUY, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"funding": "x"}, "funding: expected one number"),
        ({"funding": [0.0, np.inf, 0, 0, 0, 0]}, "funding must be finite"),
        (
            {"half_spread": -1.0, "rules": OrderRules(slippage="half_spread")},
            "half_spread must be finite and not neg",
        ),
        ({"detail": BARS}, "need a column of time stamps"),
        ({"rules": OrderRules(first_bar=2)}, "row 0: bar 0 lies before first_bar=2"),
    ],
)
def test_data(options, message):
    with pytest.raises(DataError, match=message):
        run(BUY, **options)


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        ({"lot": "x"}, r"Asset\(lot=\.\.\.\) must be a number"),
        ({"tick": NAN}, r"Asset\(tick=\.\.\.\) must be >= 0, got nan"),
        ({"multiplier": 0.0}, r"Asset\(multiplier=\.\.\.\) must be > 0, got"),
        ({"margin": float("inf")}, r"Asset\(margin=\.\.\.\) must be finite"),
    ],
)
def test_assets(asset, message):
    with pytest.raises(ConfigError, match=message):
        Asset(**asset)


def test_the_order_book_of_an_engine():
    with pytest.raises(ConfigError, match="book_size must be >= 1"):
        OrderBook(book_size=0)


class TestAccepted:
    def test_no_orders_at_all(self):
        assert run().equity.tolist() == [10_000.0] * 6

    def test_not_a_frame(self):
        with pytest.raises(ConfigError, match="orders must be a data frame or a list of dicts, got NoneType"):
            simulate_orders(BARS, None)

    @pytest.mark.parametrize(
        "order",
        [
            {**BUY, "side": 1.0, "bar": 0.0, "reduce_only": 0, "tag": NAN, "valid_until": NAN},
            {**BUY, "bar": None, "timestamp": "2024-01-01"},
            {**BUY, "bar": None, "timestamp": "2024-01-01T23:00:00"},
            {**BUY, "valid_until": "2024-01-02"},
        ],
    )
    def test_words_and_numbers(self, order):
        result = run(order, bars=TIMED)
        assert fills(result) == [(1, 1, 10.0, 101.0)]
        assert result.orders["tag"].to_list() == [None]

    @pytest.mark.parametrize("make", [pd.DataFrame, lambda rows: pl.DataFrame(rows).to_arrow()])
    def test_frames_of_other_libraries(self, make):
        rows = [
            {**ENTRY, "action": None},
            {"bar": 1, "side": None, "size": None, "tag": None, "action": "close"},
        ]
        assert fills(simulate_orders(BARS, make(rows)))[1] == (2, -1, 10.0, 103.0)

    def test_a_day_ends_before_a_later_date(self):
        far = {**BUY, "type": "limit", "limit": 96, "valid_until": 5}
        assert ends(run({**far, "time_in_force": "day"})) == [("expired", "validity_over")]
        assert fills(run(far)) == [(4, 1, 10.0, 96.0)]

    def test_an_order_for_the_close_takes_its_time(self):
        late = {**BUY, "type": "market_on_close"}
        assert fills(run(late, with_rules={"latency": 2})) == [(3, 1, 10.0, 98.0)]

    def test_exits_that_no_price_reaches_are_recorded(self):
        result = run({**BUY, "stop_loss": 2, "exit_unit": "fraction"})
        assert ends(result) == [("filled", ""), ("rejected", "bad_price")]
        assert run(BUY, costs=Costs(), execution=Execution()).fills.height == 1
