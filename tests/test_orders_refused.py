"""Orders and rules that are refused: every reason is reached, and what cannot be used is one clear error."""

import numpy as np
import polars as pl
import pytest

from peak_fast.errors import ConfigError, DataError
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_rules import OrderRules
from peak_kernels.order_slots import REASONS
from tests.test_orders import BARS, BUY, run

REACHED = {
    "by_user": (
        [{**BUY, "type": "limit", "limit": 90, "tag": "a"}, {"bar": 1, "action": "cancel", "tag": "a"}],
        {},
    ),
    "one_cancels_other": ([{**BUY, "oco_group": "g"}, {**BUY, "oco_group": "g"}], {}),
    "parent_ended": (
        [
            {**BUY, "type": "limit", "limit": 90, "tag": "a"},
            {**BUY, "parent": "a"},
            {"bar": 1, "action": "cancel", "tag": "a"},
        ],
        {},
    ),
    "exclusive_order": ([{**BUY, "type": "limit", "limit": 90}, {**BUY, "bar": 1}], {"exclusive": True}),
    "lot_closed": ([{**BUY, "stop_loss": 97.5, "take_profit": 104.5}], {}),
    "replaced": ([{**BUY, "stop_loss": 90}, {"bar": 1, "action": "set_exits", "stop_loss": 91}], {}),
    "validity_over": ([{**BUY, "type": "limit", "limit": 90, "valid_until": 2}], {}),
    "immediate_or_cancel": ([{**BUY, "type": "limit", "limit": 90, "time_in_force": "ioc"}], {}),
    "fill_or_kill": ([{**BUY, "type": "limit", "limit": 90, "time_in_force": "fok"}], {}),
    "insufficient_cash": ([{**BUY, "size": 200}], {"afford": "cash"}),
    "insufficient_margin": ([{**BUY, "size": 200}], {}),
    "not_payable_at_submission": ([{**BUY, "size": 200}], {"check_submission": True}),
    "size_zero": ([{**BUY, "size": 0}], {}),
    "nothing_to_reduce": ([{**BUY, "reduce_only": True}], {}),
    "parent_missing": ([{**BUY, "size": 0, "tag": "a"}, {**BUY, "parent": "a"}], {}),
    "halted": ([{**BUY, "size": 90}, {**BUY, "bar": 4}], {"equity_floor": 9_900.0}),
    "end_of_data": ([{**BUY, "type": "limit", "limit": 90}], {}),
    "cut_to_cash": ([{**BUY, "size": 200}], {"shortfall": "cut"}),
    "shorting_not_allowed": ([{**BUY, "side": "sell"}], {"shorting": False}),
    "sibling_ended": (
        [
            {**BUY, "tag": "a"},
            {"bar": 0, "side": "sell", "size": 10, "type": "limit", "limit": 104, "parent": "a"},
            {"bar": 0, "side": "sell", "size": 10, "type": "stop", "stop": 90, "parent": "a"},
        ],
        {},
    ),
    "liquidation": ([{**BUY, "size": 490}], {"leverage": 5.0, "maintenance": 0.18}),
    "bad_price": ([{**BUY, "type": "limit", "limit": -1}], {}),
    "position_open": ([{**BUY}, {**BUY, "bar": 1}], {"only_flat": True}),
    "value_too_small": ([{**BUY}], {"min_value": 5_000.0}),
}


# No reason, one that needs a small book, one that only a block can reach (tests/test_order_block.py).
ELSEWHERE = {"", "book_full", "too_many_instructions"}


@pytest.mark.parametrize("reason", sorted(set(REASONS) - ELSEWHERE))
def test_every_reason_is_reached(reason):
    orders, rules = REACHED[reason]
    assert reason in run(*orders, with_rules=rules).orders["reason"].to_list()


def test_time_stamps_mean_the_last_bar_that_is_not_later():
    days = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 6), "1d", eager=True)
    bars = pl.DataFrame(BARS).insert_column(0, days.alias("timestamp"))
    noon = days.dt.offset_by("12h")
    frame = pl.DataFrame({"timestamp": [days[1], noon[2], days[3]], "side": [1.0, -1.0, 1.0], "size": 1})
    expected = [1, 2, 3]
    assert simulate_orders(bars, frame).orders["bar"].to_list() == expected
    text = frame.with_columns(pl.col("timestamp").dt.to_string("%Y-%m-%d %H:%M:%S"))
    assert simulate_orders(bars, text).orders["bar"].to_list() == expected
    mixed = frame.with_columns(bar=pl.Series([None, 4, None])).with_columns(
        timestamp=pl.when(pl.col("bar").is_null()).then("timestamp")
    )
    assert simulate_orders(bars, mixed).orders["bar"].to_list() == [1, 3, 4]
    limited = frame.with_columns(
        type=pl.lit("limit"), limit=1.0, valid_until=pl.Series([noon[3], None, None])
    )
    assert simulate_orders(bars, limited).orders["last_bar"].to_list()[0] == 4


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"bar": 0, "side": "buy", "size": 1, "type": "limt"}, "did you mean 'limit'"),
        ({"bar": 0, "side": "buy", "size": 1, "type": "limit"}, "row 0: type='limit' needs limit"),
        ({"bar": 0, "size": 1}, "side is missing"),
        ({"bar": 9, "side": "buy", "size": 1}, "bar 9 is not in 0..5"),
        ({"bar": 0.5, "side": "buy", "size": 1}, "bar 0.5 is not a whole number"),
        ({"bar": 0, "side": "buy", "size": 1, "limit": "low"}, "limit must be a number, got 'low'"),
        ({"bar": 0, "side": "up", "size": 1}, "side='up'"),
        ({"bar": 0, "side": 0.5, "size": 1}, "side=0.5"),
        ({"bar": 0, "side": "buy", "size": np.inf}, "size must be a finite number"),
        ({"bar": "x", "side": "buy", "size": 1}, "bar must be a number, got 'x'"),
        ({"bar": 0, "side": "buy", "size": 1, "reduce_only": "no"}, "reduce_only must be True or False"),
        ({"bar": None, "timestamp": None, "side": "buy", "size": 1}, "neither bar nor timestamp"),
        (
            {"timestamp": 4, "side": "buy", "size": 1},
            r"expected times; got numbers such as 4; .* column .bar",
        ),
        ({"timestamp": 4.0, "side": "buy", "size": 1}, r"expected times; got numbers such as 4\.0"),
        ({"bar": 0, "side": "buy", "size": -1}, "size must be >= 0"),
        ({"bar": 0, "side": "buy", "sise": 1}, "did you mean 'size'"),
        ({"bar": 0, "side": "buy", "size": 1, "parent": "x"}, "no order with the tag 'x'"),
        ({"bar": 0, "action": "cancel"}, "need the tag"),
        ({"bar": 0, "side": "buy", "size": 1, "time_in_force": "gtd"}, "needs valid_until"),
        ({"bar": 0, "side": "buy", "size": 1, "asset": "Q"}, "asset='Q'"),
        ({"side": "buy", "size": 1}, "needs a column 'bar'"),
    ],
)
def test_unusable_instructions_are_one_clear_error(order, message):
    with pytest.raises(DataError, match=message):
        run(order)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "worse"}, "did you mean 'worst'"),
        ({"leverage": 0.0}, "leverage must be > 0"),
        ({"hedging": True}, "ledger='settled'"),
        ({"ledger": "settled"}, "merge_fills=False"),
        ({"volume": "range"}, "volume_step"),
        ({"exclusive": 1}, "True or False"),
    ],
)
def test_unusable_rules_are_one_clear_error(settings, message):
    with pytest.raises(ConfigError, match=message):
        OrderRules(**settings)
