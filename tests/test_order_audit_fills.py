"""Orders, times in force and prices: expected numbers written down from docs/orders.md and `OrderRules`."""

import numpy as np
import pytest

from peak_fast.orders.block import BUY as BUY_SIDE
from peak_fast.orders.block import SELL as SELL_SIDE
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_rules import Asset
from peak_fast.strategies.blocks import OrderBlock
from peak_kernels.orders.place import close_lots, modify, place_market, place_trailing_stop, set_exits
from tests.test_orders import BARS, BUY, ends, fills, run

SELL = {**BUY, "side": "sell"}
PATHS = ("queue", "ohlc", "olhc", "nearest", "worst", "best")


class TestLife:
    def test_market_orders_end_with_their_validity(self):
        assert ends(run({**BUY, "valid_until": 2}, with_rules={"latency": 3})) == [
            ("expired", "validity_over")
        ]
        day = run({**BUY, "time_in_force": "day"}, with_rules={"volume": "fixed", "volume_amount": 4})
        # A bar without a time stamp is a day of its own.
        assert fills(day) == [(1, 1, 4.0, 101.0)]
        assert day.log.select("order_id", "bar", "status", "reason", "filled").rows() == [
            (0, 0, "working", "", 0.0),
            (0, 1, "working", "", 4.0),
            (0, 2, "expired", "validity_over", 4.0),
        ]
        assert BARS["volume"][2] == 0

    def test_a_child_says_when_it_begins_to_work(self):
        child = {"bar": 0, "side": "sell", "size": 10, "type": "limit", "limit": 104.5, "parent": "in"}
        result = run({**BUY, "tag": "in"}, child)
        assert result.log.select("order_id", "bar", "status").rows() == [
            (0, 0, "working"), (1, 0, "waiting"), (0, 1, "filled"), (1, 1, "working"), (1, 2, "filled")
        ]  # fmt: skip

    @pytest.mark.parametrize("path", ["queue", "ohlc"])
    def test_what_is_over_ends_its_group_before_the_bar_begins(self, path):
        over = {**BUY, "type": "limit", "limit": 90, "valid_until": 1, "oco_group": "g"}
        for last, expected in ((1, ("cancelled", "one_cancels_other")), (2, ("filled", ""))):
            result = run(
                {**over, "valid_until": last}, {**BUY, "bar": 1, "oco_group": "g"}, with_rules={"path": path}
            )
            assert ends(result)[1] == expected

    def test_all_or_nothing_is_not_cut(self):
        big = {**BUY, "size": 200}
        cut = {"shortfall": "cut"}
        assert ends(run({**big, "time_in_force": "fok"}, with_rules=cut)) == [
            ("rejected", "insufficient_margin")
        ]
        assert ends(run({**big, "time_in_force": "ioc"}, with_rules=cut)) == [("filled", "cut_to_cash")]


class TestModify:
    RESTING = {**BUY, "type": "limit", "limit": 97, "tag": "a"}  # noqa: RUF012
    CHANGE = {"bar": 1, "action": "modify", "tag": "a"}  # noqa: RUF012

    def test_a_trail_is_for_trailing_orders(self):
        result = run(self.RESTING, {**self.CHANGE, "trail": 0.05})
        assert result.orders.select("limit", "stop").rows() == [
            (97.0, pytest.approx(float("nan"), nan_ok=True))
        ]
        assert fills(result) == [(3, 1, 10.0, 97.0)]
        follow = {
            "bar": 1,
            "side": "sell",
            "size": 10,
            "type": "trailing_stop",
            "trail": 8,
            "trail_unit": "distance",
        }
        change = {"bar": 2, "action": "modify", "tag": "t", "trail": 1, "trail_unit": "distance"}
        # After bar 2 (high 105) the stop was 97; bar 3 is tested with it and moves it to its high of 103 less 1.
        assert fills(run(BUY, {**follow, "tag": "t"}, change))[1] == (3, -1, 10.0, 97.0)
        assert fills(run(BUY, {**follow, "trail": 9, "tag": "t"}, change))[1] == (4, -1, 10.0, 98.0)

    def test_sizes(self):
        def resized(unit="units", **settings):
            size = settings.pop("size")
            return run(self.RESTING, {**self.CHANGE, "size": size, "size_unit": unit}, **settings)

        assert fills(resized(size=4)) == [(3, 1, 4.0, 97.0)]
        assert fills(resized(size=485, unit="value")) == [(3, 1, 5.0, 97.0)]
        assert ends(resized(size=0.2, assets=Asset(lot=0.5))) == [("cancelled", "size_zero")]
        slow = {"with_rules": {"volume": "fixed", "volume_amount": 4}}
        entry = {**BUY, "tag": "a"}
        # Four are filled in bar 1: an order of three is complete, one of six has two to go.
        done = run(
            entry, {**self.CHANGE, "size": 3}, {"bar": 1, "side": "sell", "size": 1, "parent": "a"}, **slow
        )
        assert done.orders.select("size", "filled", "status").rows() == [
            (4.0, 4.0, "filled"),
            (1.0, 1.0, "filled"),
        ]
        assert [fill[:3] for fill in fills(run(entry, {**self.CHANGE, "size": 6}, **slow))] == [
            (1, 1, 4.0),
            (3, 1, 2.0),
        ]
        # A value cannot be meant where units are filled.
        value = {**self.CHANGE, "size": 600, "size_unit": "value"}
        assert fills(run(entry, value, **slow))[-1][:3] == (4, 1, 2.0)

    def test_a_limit_that_trails_keeps_its_new_distance(self):
        order = {
            "bar": 1,
            "side": "sell",
            "size": 10,
            "type": "trailing_stop_limit",
            "trail": 8,
            "limit": 102.0,
        }
        result = run(BUY, {**order, "trail_unit": "distance", "tag": "a"}, {**self.CHANGE, "limit": 90.0})
        # Stop 95 and limit 90; bar 2 goes up to 105.
        assert result.orders.select("stop", "limit").rows()[1] == (97.0, 92.0)

    def test_an_exit_may_become_a_price(self):
        entry = {
            **self.RESTING,
            "limit": 100,
            "stop_loss": 0.05,
            "take_profit": 0.045,
            "exit_unit": "fraction",
        }
        result = run(entry, {**self.CHANGE, "bar": 0, "stop_loss": 99})
        # The target stays a fraction: 104.5, reached in bar 2.
        assert fills(result) == [(1, 1, 10.0, 100.0), (2, -1, 10.0, 104.5)]
        assert sorted(result.orders["stop"].drop_nans().to_list()) == [99.0]

    def test_exits_of_lots_of_any_asset(self):
        bars = {"A": BARS, "B": BARS}
        result = run({**BUY, "asset": "B", "tag": "a"}, {**self.CHANGE, "stop_loss": 98}, bars=bars)
        assert fills(result)[1] == (3, -1, 10.0, 98.0)


class TestSteps:
    def test_prices_are_rounded_to_the_tick(self):
        tick = {"assets": Asset(tick=0.25)}
        assert fills(run({**BUY, "type": "limit", "limit": 100.3}, **tick)) == [(1, 1, 10.0, 100.25)]
        assert fills(run({**BUY, "type": "stop", "stop": 103.4}, **tick)) == [(1, 1, 10.0, 103.5)]
        exits = {**BUY, "stop_loss": 98.1, "take_profit": 200.1}
        assert run(exits, **tick).orders.select("limit", "stop").rows()[1:] == [
            (200.0, pytest.approx(float("nan"), nan_ok=True)),
            (pytest.approx(float("nan"), nan_ok=True), 98.0),
        ]
        follow = {"bar": 1, "side": "sell", "size": 10, "type": "trailing_stop", "trail": 0.02}
        # 103 x 0.98 = 100.94, then 105 x 0.98 = 102.9; bar 3 opens at 102, below 103.
        assert run(BUY, follow, **tick).orders["stop"][1] == 103.0
        change = {"bar": 0, "action": "modify", "tag": "a", "limit": 100.6}
        assert fills(run({**BUY, "type": "limit", "limit": 90, "tag": "a"}, change, **tick))[0][3] == 100.5

    def test_smallest_size_and_value(self):
        small = {"assets": Asset(min_size=5)}
        assert ends(run({**BUY, "size": 4}, **small)) == [("rejected", "value_too_small")]
        # Parts may be smaller, closings too; a cut may not.
        slow = {"with_rules": {"volume": "fixed", "volume_amount": 3}}
        assert [fill[2] for fill in fills(run({**BUY, "size": 5}, **small, **slow))] == [3.0, 2.0]
        assert fills(run(BUY, {"bar": 1, "side": "sell", "size": 1}, **small))[1] == (2, -1, 1.0, 103.0)
        cut = {"with_rules": {"shortfall": "cut"}}
        assert ends(run({**BUY, "size": 6}, cash=500.0, **small, **cut)) == [
            ("rejected", "insufficient_margin")
        ]

    def test_portions_of_a_lot(self):
        def closing(size, **options):
            return run(BUY, {"bar": 1, "action": "close", "size": size}, **options)

        assert fills(closing(0.26, assets=Asset(lot=1)))[1][2] == 3.0
        assert fills(closing(0.01, assets=Asset(lot=1)))[1][2] == 1.0


class TestReduceOnly:
    def test_it_closes_and_never_opens(self):
        result = run(BUY, {"bar": 1, "side": "sell", "size": 15, "reduce_only": True})
        assert fills(result)[1] == (2, -1, 10.0, 103.0)
        assert ends(result)[1] == ("cancelled", "nothing_to_reduce")
        assert result.position[0, -1] == 0.0

    def test_it_closes_the_other_side_of_a_hedge(self):
        hedge = {"hedging": True, "ledger": "settled", "merge_fills": False}
        result = run(
            BUY,
            {**SELL, "bar": 1, "size": 4},
            {**SELL, "bar": 2, "size": 12, "reduce_only": True},
            with_rules=hedge,
        )
        # Ten bought at 101, four sold short at 103, ten closed at 102 (bar 3); the short is left.
        assert fills(result)[2] == (3, -1, 10.0, 102.0)
        assert result.trades.select("size", "entry_price", "gross_pnl").rows() == [(10.0, 101.0, 10.0)]
        assert result.equity.tolist() == [10_000, 10_020, 10_026, 10_030, 10_026, 9_998]
        assert ends(result)[2] == ("cancelled", "nothing_to_reduce")


def idle(i, bars, params, memory, account, orders):
    """What a frame would refuse."""
    if i == 0:
        place_market(orders, BUY_SIDE, 10, stop_loss=-4.0, tag=1)
        place_trailing_stop(orders, SELL_SIDE, 10, 0.0)
    if i == 1:
        close_lots(orders, 0.0)
        close_lots(orders, np.nan)
        close_lots(orders, 7.0)
        modify(orders, 1, limit=-3.0, size=0.0)
        set_exits(orders)


def test_a_block_has_records_where_a_frame_has_errors():
    result = simulate_orders(BARS, OrderBlock(idle), initial_cash=10_000)
    assert ends(result) == [
        ("filled", ""), ("rejected", "bad_price"), ("rejected", "bad_price"), ("rejected", "size_zero"),
        ("rejected", "size_zero"), ("filled", ""),
    ]  # fmt: skip
    # A portion of seven is all of it.
    assert fills(result)[1] == (2, -1, 10.0, 103.0)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        # Closings are orders, too: decided in bar 2 they work from bar 4 on.
        ({"action": "close"}, [(2, 1, 10.0, 103.0), (4, -1, 10.0, 98.0)]),
        ({"action": "set_exits", "stop_loss": 100}, [(2, 1, 10.0, 103.0), (3, -1, 10.0, 100.0)]),
    ],
)
def test_latency_is_for_orders(late, expected):
    assert fills(run(BUY, {"bar": 2, **late}, with_rules={"latency": 1})) == expected
    far = {**BUY, "type": "limit", "limit": 97, "tag": "a"}
    assert (
        ends(run(far, {"bar": 2, "action": "cancel", "tag": "a"}, with_rules={"latency": 2}))[0][1]
        == "by_user"
    )


class TestChildren:
    def test_a_child_may_arrive_after_its_parent_was_filled(self):
        # The parent is placed first; with three bars of latency it fills in bar 4, the child arrives in bar 5.
        child = {"bar": 1, "side": "sell", "size": 10, "parent": "in"}
        result = run({**BUY, "tag": "in"}, child, with_rules={"latency": 3})
        assert fills(result) == [(4, 1, 10.0, 98.0), (5, -1, 10.0, 105.0)]

    def test_a_child_for_the_close_waits_for_it(self):
        hours = np.arange("2024-01-01T00", "2024-01-02T12", 6, dtype="datetime64[h]").astype("datetime64[us]")
        # Bars 1 to 3 end the first day: the entry fills in bar 1, the child at the close of bar 3.
        child = {"bar": 0, "side": "sell", "size": 10, "type": "market_on_close", "parent": "in"}
        result = run({**BUY, "tag": "in"}, child, bars={**BARS, "timestamp": hours})
        assert fills(result) == [(1, 1, 10.0, 101.0), (3, -1, 10.0, 98.0)]


class TestLimits:
    @pytest.mark.parametrize("chance", [0.25, 0.6])
    def test_a_chance_is_a_frequency(self, chance):
        # Every bar touches 99 and no more; each order is valid for one bar.
        flat = {"open": [100.0] * 4001, "high": [101.0] * 4001, "low": [99.0] * 4001, "close": [100.0] * 4001}
        rows = [
            {**BUY, "bar": n, "size": 0.01, "type": "limit", "limit": 99, "valid_until": n + 1}
            for n in range(4000)
        ]
        rules = {"limit_fill": "chance", "limit_chance": chance, "seed": 5}
        first, again = run(*rows, bars=flat, with_rules=rules), run(*rows, bars=flat, with_rules=rules)
        other = run(*rows, bars=flat, with_rules={**rules, "seed": 6})
        # Four standard deviations.
        assert abs(first.fills.height / 4000 - chance) < 4 * (chance * (1 - chance) / 4000) ** 0.5
        assert fills(first) == fills(again) != fills(other)
        # Orders and bars are drawn for independently: each half has its share.
        early = (first.fills["bar"] < 2000).sum() / 2000
        assert abs(early - chance) < 4 * (chance * (1 - chance) / 2000) ** 0.5

    @pytest.mark.parametrize("rule", ["touch", "through", "chance"])
    def test_what_trades_through_a_limit_fills_it(self, rule):
        rules = {"limit_fill": rule} | ({"limit_chance": 0.0} if rule == "chance" else {})
        assert fills(run({**BUY, "type": "limit", "limit": 97.5}, with_rules=rules)) == [(3, 1, 10.0, 97.5)]
        sell = {**SELL, "type": "limit", "limit": 104}
        assert fills(run(sell, with_rules=rules))[0][0] == (1 if rule == "touch" else 2)
        # The open is better: no touch is needed.
        assert fills(run({**sell, "limit": 103, "bar": 1}, with_rules=rules)) == [(2, -1, 10.0, 103.0)]


class TestVolume:
    KINDS = ({"volume": "fixed", "volume_amount": 50}, {"volume": "share", "volume_amount": 50},
             {"volume": "range", "volume_amount": 50, "volume_step": 1})  # fmt: skip

    @pytest.mark.parametrize("rules", KINDS)
    @pytest.mark.parametrize("order", [{}, {"type": "limit", "limit": 104}, {"type": "stop", "stop": 102}])
    def test_a_bar_without_volume_fills_nothing(self, rules, order):
        # Bar 2 has none.
        assert fills(run({**BUY, **order, "bar": 1}, with_rules=rules))[0][0] == 3

    @pytest.mark.parametrize("shared", [True, False])
    def test_orders_share_the_limit_or_have_it_each(self, shared):
        rules = {"volume": "share", "volume_amount": 2, "volume_shared": shared}
        # Two percent of 200, 400 and 50 units are 4, 8 and 1.
        result = run(BUY, {**BUY, "size": 6}, with_rules=rules)
        if shared:
            assert [fill[:3] for fill in fills(result)] == [
                (1, 1, 4.0),
                (3, 1, 6.0),
                (3, 1, 2.0),
                (4, 1, 1.0),
                (5, 1, 1.6),
            ]
        else:
            assert [fill[:3] for fill in fills(result)] == [
                (1, 1, 4.0),
                (1, 1, 4.0),
                (3, 1, 6.0),
                (3, 1, 2.0),
            ]

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("shared", [True, False])
    def test_a_bar_gives_its_volume_once(self, path, shared):
        rules = {"volume": "fixed", "volume_amount": 4, "volume_shared": shared, "path": path}
        order = {**BUY, "type": "limit", "limit": 104}
        assert [fill[:3] for fill in fills(run(order, with_rules=rules))] == [
            (1, 1, 4.0),
            (3, 1, 4.0),
            (4, 1, 2.0),
        ]
        # What trades at the close has what is left of its bar.
        late = {**BUY, "type": "market_on_close"}
        found = fills(run({**order, "size": 3}, late, with_rules=rules))
        assert found[1] == (1, 1, 1.0 if shared else 4.0, 103.0)
        again = run(
            {**order, "size": 3}, {**BUY, "bar": 1}, with_rules={**rules, "market_fill": "same_close"}
        )
        assert fills(again)[1] == (1, 1, 1.0 if shared else 4.0, 103.0)

    def test_exits_take_part(self):
        rules = {"volume": "fixed", "volume_amount": 6}
        result = run({**BUY, "size": 6, "stop_loss": 98}, {**BUY, "bar": 2, "size": 6}, with_rules=rules)
        # Bar 3: the market order is first and takes the six units that can trade; the stop follows in bar 4.
        assert [fill[:3] for fill in fills(result)] == [(1, 1, 6.0), (3, 1, 6.0), (4, -1, 6.0)]


class TestSlippage:
    ONE = {"slippage": "absolute", "slippage_amount": 1.0}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("cap", "expected"), [("free", (1, 104.5)), ("range", (1, 104.0)), ("no_fill", (2, 104.0))]
    )
    def test_stops(self, cap, expected):
        # Stop 103.5 in bar 1 (high 104); once triggered it takes the next open, 103, plus 1.
        order = {**BUY, "type": "stop", "stop": 103.5}
        assert fills(run(order, with_rules={**self.ONE, "slip_cap": cap}))[0][0::3] == expected
        spared = {**self.ONE, "slip_cap": cap, "slip_stop": False}
        assert fills(run(order, with_rules=spared))[0][0::3] == (1, 103.5)

    @pytest.mark.parametrize(
        ("cap", "expected"), [("free", (1, 102.0)), ("range", (1, 101.5)), ("no_fill", (3, 101.5))]
    )
    def test_limits_at_the_open(self, cap, expected):
        # Open 101 plus 1 is beyond the limit of 101.5; bar 3 opens at 102 and falls to it.
        order = {**BUY, "type": "limit", "limit": 101.5}
        rules = {**self.ONE, "slip_limit": True, "slip_limit_cap": cap}
        assert fills(run(order, with_rules=rules))[0][0::3] == expected
        assert fills(run(order, with_rules=self.ONE))[0][0::3] == (1, 101.0)

    @pytest.mark.parametrize(
        ("rules", "price"),
        [
            ({"slippage": "fraction", "slippage_amount": 0.01, "slippage_extra": 0.5}, 101 * 0.99 - 0.5),
            ({"slippage": "volume_linear", "slippage_amount": 0.4}, 101 * (1 - 0.4 * 10 / 200)),
            ({"slippage": "volume_root", "slippage_amount": 0.4}, 101 * (1 - 0.4 * (10 / 200) ** 0.5)),
            ({"slippage": "absolute", "slippage_amount": 3.0, "slip_cap": "range"}, 100.0),
        ],
    )
    def test_sales_get_less(self, rules, price):
        result = run(SELL, with_rules=rules)
        assert fills(result) == [(1, -1, 10.0, pytest.approx(price))]
        assert result.fills["slippage"][0] == pytest.approx((101 - price) * 10)

    def test_a_half_spread_at_stops_of_both_sides(self):
        rules = {"slippage": "half_spread"}
        spread = [0, 0.25, 0, 0.5, 0, 0]
        buy = {**BUY, "type": "stop", "stop": 103.5, "stop_loss": 98}
        assert [fill[3] for fill in fills(run(buy, half_spread=spread, with_rules=rules))] == [103.75, 97.5]
        patient = {**BUY, "type": "limit", "limit": 100.5, "take_profit": 104.5}
        assert [fill[3] for fill in fills(run(patient, half_spread=spread, with_rules=rules))] == [
            100.5,
            104.5,
        ]


class TestBook:
    def test_what_does_not_fit_is_recorded_wherever_it_comes_from(self):
        far = {**BUY, "type": "limit", "limit": 90}
        result = run(
            BUY, far, {"bar": 1, "action": "set_exits", "stop_loss": 98, "take_profit": 120}, book_size=2
        )
        assert ends(result) == [
            ("filled", ""), ("cancelled", "end_of_data"), ("cancelled", "end_of_data"), ("rejected", "book_full")
        ]  # fmt: skip
        assert result.orders["role"].to_list() == ["order", "order", "take_profit", "stop_loss"]
        assert result.position[0, -1] == 10.0

    def test_an_order_that_ended_leaves_room(self):
        far = {**BUY, "type": "limit", "limit": 90, "valid_until": 1}
        # An order ends when the bar after its last one begins: at the close of bar 1 it still has its place.
        rows = (far, {**BUY, "bar": 1}, {**far, "bar": 2, "valid_until": 3}, {**BUY, "bar": 4})
        assert ends(run(*rows, book_size=1)) == [
            ("expired", "validity_over"), ("rejected", "book_full"), ("expired", "validity_over"), ("filled", "")
        ]  # fmt: skip
