"""Sizes, fees, margin, interest and limits of the account: expected numbers written down from `OrderRules`."""

import numpy as np
import pytest

from peak_fast.settings.order_rules import Asset
from tests.test_orders import BUY, ends, fills, run

LIMIT = {**BUY, "type": "limit", "limit": 100.5}
ALL_IN = {"bar": 0, "side": "buy", "size": 1}


class TestFees:
    def test_tiers_count_what_was_traded_before(self):
        # 1010 and 1030 are traded at the first rate, 1020 more at the second, which begins at 2000.
        tiers = {"fee_rate": 0.01, "fee_tiers": ((2000.0, 0.005), (3000.0, 0.001))}
        three = [BUY, {**BUY, "bar": 1, "side": "sell"}, {**BUY, "bar": 2}, {**BUY, "bar": 3}]
        fees = run(*three, with_rules=tiers).fills["fee"].to_list()
        assert fees == pytest.approx([10.10, 10.30, 1020 * 0.005, 980 * 0.001])

    def test_limit_fills_have_the_maker_rate_in_every_tier(self):
        tiers = {"fee_rate": 0.002, "fee_tiers": ((0.0, 0.01),)}
        assert run(LIMIT, with_rules={**tiers, "maker_rate": 0.001}).fills["fee"][0] == pytest.approx(1.005)
        assert run(LIMIT, with_rules=tiers).fills["fee"][0] == pytest.approx(10.05)

    def test_a_rebate(self):
        rules = {"fee_rate": 0.001, "maker_rate": -0.0005, "fee_minimum": float("-inf")}
        result = run(LIMIT, with_rules=rules)
        assert result.fills["fee"][0] == pytest.approx(-0.5025)
        assert result.cash[1] == pytest.approx(10_000 - 1005 + 0.5025)

    @pytest.mark.parametrize("merge", [True, False])
    def test_a_reversal(self, merge):
        # Closes 10 and opens 5 at 103: fixed 2, 0.1 a unit, at least 4 a fill.
        rules = {"fee_fixed": 2, "fee_per_unit": 0.1, "fee_minimum": 3.2, "merge_fills": merge}
        result = run(BUY, {**BUY, "bar": 1, "side": "sell", "size": 15}, with_rules=rules)
        assert result.fills["fee"].to_list() == pytest.approx([3.2, 3.5] if merge else [3.2, 3.2, 3.2])
        assert result.cash[-1] == pytest.approx(10_000 - 1010 + 1545 - sum(result.fills["fee"]))


class TestSpread:
    @pytest.mark.parametrize("merge", [True, False])
    def test_fills_tell_what_was_paid(self, merge):
        rules = {"spread": 0.01, "merge_fills": merge}
        result = run(BUY, {**BUY, "bar": 1, "side": "sell", "size": 15}, with_rules=rules)
        # Openings are worse, closings are not.
        opened, closed, short = 101 * 1.01, 103.0, 103 * 0.99
        prices = [opened, (10 * closed + 5 * short) / 15] if merge else [opened, closed, short]
        assert result.fills["price"].to_list() == pytest.approx(prices)
        assert result.fills["slippage"].sum() == pytest.approx(10 * 1.01 + 5 * 1.03)
        value = result.fills["price"] * result.fills["size"] * result.fills["side"]
        assert result.cash[-1] == pytest.approx(10_000 - value.sum())


class TestSizes:
    @pytest.mark.parametrize(
        ("rules", "units"),
        [
            ({"fee_rate": 0.01}, 10_000 / (101 * 1.01)),
            ({"fee_rate": 0.01, "fee_fixed": 8, "fee_per_unit": 0.5}, (10_000 - 8) / (101 * 1.01 + 0.5)),
            ({"fee_minimum": 5}, (10_000 - 5) / 101),
            ({"fee_rate": 0.001, "fee_minimum": 5}, 10_000 / (101 * 1.001)),
            ({"fee_tiers": ((0.0, 0.02),)}, 10_000 / (101 * 1.02)),
            ({"spread": 0.01, "fee_rate": 0.01}, 10_000 / (101 * 1.01 * 1.01)),
        ],
    )
    @pytest.mark.parametrize("unit", ["equity_fraction", "margin_fraction"])
    def test_a_fraction_leaves_room_for_the_fee(self, rules, units, unit):
        result = run({**ALL_IN, "size_unit": unit}, with_rules=rules)
        assert result.fills["size"].to_list() == [pytest.approx(units)]
        assert result.cash[1] == pytest.approx(0.0, abs=1e-9)

    def test_limit_fills_leave_room_for_their_own_fee(self):
        rules = {"fee_rate": 0.001, "maker_rate": 0.01}
        order = {**LIMIT, "size": 1, "size_unit": "equity_fraction"}
        assert run(order, with_rules=rules).fills["size"][0] == pytest.approx(10_000 / (100.5 * 1.01))

    @pytest.mark.parametrize(
        ("rules", "asset", "units"),
        [
            # Half of the free margin of 10,000, less the fee.
            ({"leverage": 4.0}, Asset(), 5000 * 4 / 101),
            ({"leverage": 4.0, "fee_rate": 0.01}, Asset(), 5000 / (101 / 4 + 1.01)),
            ({"leverage": 4.0, "fee_rate": 0.01, "afford": "financed"}, Asset(), 5000 / (101 / 4 + 1.01 / 4)),
            ({"fee_per_unit": 2.0}, Asset(multiplier=50, margin=500), 5000 / 502),
            ({"fee_per_unit": 2.0}, Asset(multiplier=50, margin=500, lot=1), 9),
        ],
    )
    def test_a_fraction_of_the_margin(self, rules, asset, units):
        order = {**ALL_IN, "size": 0.5, "size_unit": "margin_fraction"}
        assert run(order, with_rules=rules, assets=asset).fills["size"].to_list() == [pytest.approx(units)]

    @pytest.mark.parametrize(
        ("rules", "units"),
        [
            ({"fee_rate": 0.01}, 10_000 / (101 * 1.01)),
            ({"fee_rate": 0.01, "fee_fixed": 10, "fee_minimum": 500}, 9_500 / 101),
            ({"fee_rate": 0.01, "fee_fixed": 10, "fee_minimum": 5}, 9_990 / (101 * 1.01)),
            ({"fee_rate": -0.01, "fee_minimum": float("-inf")}, 10_000 / (101 * 0.99)),
            ({"fee_rate": 0.01, "afford": "cash"}, 10_000 / (101 * 1.01)),
            ({"fee_rate": 0.01, "leverage": 2.0}, 10_000 / (50.5 + 1.01)),
            ({"fee_rate": 0.01, "leverage": 2.0, "afford": "financed"}, 20_000 / (101 * 1.01)),
        ],
    )
    def test_what_is_cut_is_what_can_be_paid(self, rules, units):
        result = run({**BUY, "size": 400}, with_rules={**rules, "shortfall": "cut"})
        assert result.fills["size"].to_list() == [pytest.approx(units)]
        assert ends(result) == [("filled", "cut_to_cash")]

    def test_whole_units_of_a_fixed_volume(self):
        rules = {"volume": "fixed", "volume_amount": 2.5, "volume_whole": True}
        assert [fill[2] for fill in fills(run({**BUY, "size": 5}, with_rules=rules))] == [2.0, 2.0, 1.0]


def days(*numbers):
    """A column of times at these days."""
    return (np.array(numbers) * 86_400_000_000).astype("datetime64[us]")


FLAT = {name: [100.0] * 5 for name in ("open", "high", "low", "close")}


class TestInterest:
    @pytest.mark.parametrize(
        ("order", "rules", "charges"),
        [
            # Friday to Monday are three days; a thousandth of the value or of the debt for each.
            ({"side": "sell", "size": 10}, {"borrow_short": 0.365}, [0.0, 1.0, 3.0, 1.0]),
            ({"side": "sell", "size": 10}, {"borrow_long": 0.365}, [0.0] * 4),
            ({"side": "buy", "size": 10}, {"borrow_long": 0.365}, [0.0, 1.0, 3.0, 1.0]),
            (
                {"side": "buy", "size": 150},
                {"borrow_cash": 0.365, "afford": "any"},
                [0, 5.0, 3 * 5.005, 5.020015],
            ),
            ({"side": "buy", "size": 50}, {"borrow_cash": 0.365}, [0.0] * 4),
        ],
    )
    def test_days(self, order, rules, charges):
        bars = {**FLAT, "timestamp": days(1, 2, 3, 6, 7)}
        result = run({"bar": 0, **order}, bars=bars, with_rules=rules)
        assert (-np.diff(result.equity)).tolist() == pytest.approx(charges)

    @pytest.mark.parametrize(("average", "charge"), [(False, 1.03), (True, 1.01)])
    def test_on_the_mark_or_the_average(self, average, charge):
        rules = {"borrow_short": 0.365, "interest_on_average": average}
        result = run({**BUY, "side": "sell"}, with_rules=rules)
        # Sold at 101; the close of bar 1 is 103.
        assert result.cash[1] - result.cash[2] == pytest.approx(charge)

    def test_bars_of_one_day_cost_nothing(self):
        bars = {**FLAT, "timestamp": days(1, 1.25, 1.5, 1.75, 2)}
        result = run({**BUY, "side": "sell"}, bars=bars, with_rules={"borrow_short": 0.365})
        assert result.equity.tolist() == pytest.approx([10_000] * 4 + [9_999.0])

    def test_funding(self):
        rates = [0.0, 0.001, float("nan"), -0.002, 0.0, 0.0]
        # Longs pay on the value at the close: 1030, none, 980; shorts receive.
        long, short = run(BUY, funding=rates), run({**BUY, "side": "sell"}, funding=rates)
        paid = [0.0, -1.03, 0.0, 1.96]
        assert np.diff(long.cash).tolist()[1:3] == pytest.approx(paid[2:4])
        assert long.cash[1] == pytest.approx(10_000 - 1010 - 1.03)
        assert short.cash[3] == pytest.approx(10_000 + 1010 + 1.03 - 1.96)


class TestMargin:
    def test_initial_margin(self):
        # A third of 101 for each unit: 297 units need 9,999.
        three = {"leverage": 3.0}
        assert ends(run({**BUY, "size": 297}, with_rules=three)) == [("filled", "")]
        assert ends(run({**BUY, "size": 298}, with_rules=three)) == [("rejected", "insufficient_margin")]
        assert ends(run({**BUY, "side": "sell", "size": 298}, with_rules=three))[0][0] == "rejected"

    @pytest.mark.parametrize("side", ["buy", "sell"])
    @pytest.mark.parametrize("gap", [False, True])
    def test_liquidation(self, side, gap):
        # 400 at 100, equity 9,998: a long has a tenth of its value at (40,000 - 9,998) / (400 x 0.9) = 83.34,
        # a short at (40,000 + 9,998) / (400 x 1.1) = 113.63.
        way = -1 if side == "buy" else 1
        level = 30_002 / 360 if side == "buy" else 49_998 / 440
        far = 100.0 + way * 20
        path = [100.0, 100.0, far if gap else 100.0, far]
        close = [100.0, 100.0, far, far]
        bars = {"open": path, "close": close, "high": np.maximum(path, close), "low": np.minimum(path, close)}
        rules = {"leverage": 5.0, "maintenance": 0.1, "liquidation_fee": 0.01, "fee_fixed": 2.0}
        result = run({"bar": 0, "side": side, "size": 400}, bars=bars, with_rules=rules)
        price = far if gap else level
        fill = result.fills.row(1, named=True)
        assert (fill["bar"], fill["reason"], fill["price"]) == (
            2,
            "liquidation",
            pytest.approx(price, rel=1e-9),
        )
        assert fill["fee"] == pytest.approx(2 + 0.01 * 400 * fill["price"])
        assert result.equity[-1] == pytest.approx(
            10_000 - 2 - way * 400 * (fill["price"] - 100) - fill["fee"]
        )
        assert result.log.rows()[-1][2:4] == ("filled", "liquidation")
        assert result.trades["exit_reason"].to_list() == ["liquidation"]

    def test_several_assets_are_judged_at_the_close(self):
        fall = {name: [100.0, 100.0, 70.0, 70.0] for name in ("open", "high", "low", "close")}
        flat = {name: [100.0] * 4 for name in fall}
        orders = [{"bar": 0, "side": "buy", "size": 200, "asset": name} for name in ("A", "B")]
        rules = {"leverage": 5.0, "maintenance": 0.15}
        result = run(*orders, bars={"A": fall, "B": flat}, with_rules=rules)
        # Equity 10,000 - 6,000 is less than 15 % of 34,000: both are closed at their marks.
        assert result.fills.select("bar", "asset", "price", "reason").rows()[2:] == [
            (2, "A", 70.0, "liquidation"), (2, "B", 100.0, "liquidation")
        ]  # fmt: skip
        assert result.equity.tolist() == [10_000, 10_000, 4_000, 4_000]

    def test_short_collateral(self):
        # The short ties up its value; its result stays outside of the cash until it is closed.
        result = run(
            {**BUY, "side": "sell"}, {"bar": 2, "action": "close"}, with_rules={"short_proceeds": False}
        )
        assert result.cash.tolist() == [10_000, 8_990, 8_990, 9_990, 9_990, 9_990]
        assert result.equity.tolist() == [10_000, 9_980, 9_970, 9_990, 9_990, 9_990]

    def test_futures_that_turn_round(self):
        asset = Asset(multiplier=50, margin=500)
        result = run(
            {**BUY, "size": 2},
            {**BUY, "bar": 2, "side": "sell", "size": 3},
            assets=asset,
            with_rules={"leverage": 3.0},
        )
        # Bought at 101, sold at 102 (bar 3); one is left short.  Marks: 103, 104, 98, 99, 106.
        margin = [0, 1_000, 1_000, 500, 500, 500]
        equity = [10_000, 10_200, 10_300, 10_300, 10_250, 9_900]
        assert result.equity.tolist() == pytest.approx(equity)
        assert result.cash.tolist() == pytest.approx([e - m for e, m in zip(equity, margin, strict=True)])
        assert result.trades.select("size", "net_pnl").rows() == [(2.0, 100.0)]


class TestAccountLimits:
    BIG = {**BUY, "size": 90}  # noqa: RUF012
    LATER = {**BUY, "bar": 4, "size": 1}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("rules", "reason"),
        [
            # Equity: 10,000, 10,180, 10,270, 9,730 and, sold at 98, 9,730.
            ({"equity_floor": 9_740.0}, "halted"),
            ({"max_drawdown": 0.05}, "halted"),
            ({"daily_loss": 0.05}, ""),
        ],
    )
    def test_a_limit_leaves_at_the_next_open(self, rules, reason):
        resting = {**BUY, "bar": 2, "type": "limit", "limit": 50}
        result = run(self.BIG, resting, self.LATER, with_rules=rules)
        assert fills(result)[1] == (4, -1, 90.0, 98.0)
        assert ends(result)[1] == ("cancelled", "halted")
        assert result.equity.tolist()[:5] == [10_000, 10_180, 10_270, 9_730, 9_730]
        # A daily limit refuses for the day only: the order of bar 4 works in bar 5.
        by_row = result.orders.filter(result.orders["row"] == 2).select("status", "reason").row(0)
        assert by_row == (("rejected", "halted") if reason else ("filled", ""))

    @pytest.mark.parametrize(
        "rules", [{"equity_floor": 9_700.0}, {"max_drawdown": 0.06}, {"daily_loss": 0.06}]
    )
    def test_a_limit_that_is_not_reached(self, rules):
        assert run(self.BIG, self.LATER, with_rules=rules).position[0].tolist() == [0, 90, 90, 90, 90, 91]

    def test_a_daily_limit_counts_from_the_close_before_the_day(self):
        bars = {name: [100.0, 100, 98, 96, 96, 96] for name in ("open", "high", "low", "close")}
        bars["timestamp"] = days(1, 1.5, 2, 2.5, 2.75, 3)
        result = run(
            {**BUY, "size": 100},
            {**BUY, "bar": 4},
            {**BUY, "bar": 5},
            bars=bars,
            with_rules={"daily_loss": 0.03},
        )
        # Two percent are lost in the first bar of the day, four in the second.
        assert fills(result) == [(1, 1, 100.0, 100.0), (4, -1, 100.0, 96.0), (5, 1, 10.0, 96.0)]

    def test_ruin(self):
        bars = {name: [100.0, 100, 50, 60, 60] for name in ("open", "high", "low", "close")}
        rules = {"leverage": 3.0, "ruin": True}
        result = run({**BUY, "size": 250}, {**BUY, "bar": 3}, bars=bars, with_rules=rules)
        assert result.equity.tolist() == [10_000, 10_000, 0, 0, 0]
        assert result.fills.height == 2

    @pytest.mark.parametrize(("finalize", "position"), [("keep", 10.0), ("close", 0.0), ("second_pass", 0.0)])
    def test_the_end(self, finalize, position):
        result = run(BUY, with_rules={"finalize": finalize, "fee_fixed": 1.0})
        assert result.position[0, -1] == position
        # The last bar opens at 105 and closes at 106.
        final = {"keep": 10_000 - 1 + 50, "close": 10_000 - 2 + 50, "second_pass": 10_000 - 2 + 40}[finalize]
        assert result.equity[-1] == pytest.approx(final)


NOTHING_LEFT = {"leverage": 10.0, "maintenance": 1e-12}


class TestLiquidationBesideExits:
    """What the price comes to first ends the position: the stop, the liquidation, or the fill that leaves nothing."""

    @pytest.mark.parametrize("path", ["queue", "worst", "ohlc", "olhc"])
    @pytest.mark.parametrize(("side", "stop"), [("buy", 0.5), ("buy", 0.1), ("sell", 0.5), ("sell", 0.1)])
    def test_the_tighter_level_comes_first(self, path, side, stop):
        # 500 at 100 on 10,000: nothing is left 20 away.
        way = 1 if side == "buy" else -1
        far = 100.0 - way * 60
        bars = {"open": [100.0] * 4, "close": [100.0, 100.0, far, 100.0]}
        bars |= {
            "high": np.maximum(bars["open"], bars["close"]),
            "low": np.minimum(bars["open"], bars["close"]),
        }
        order = {"bar": 0, "side": side, "size": 500, "stop_loss": stop, "exit_unit": "fraction"}
        exit_ = run(order, bars=bars, with_rules={**NOTHING_LEFT, "path": path}).fills.row(1, named=True)
        price, reason = (100 - way * 20, "liquidation") if stop > 0.2 else (100 - way * 10, "stop_loss")
        assert (exit_["bar"], exit_["reason"]) == (2, reason)
        assert exit_["price"] == pytest.approx(price)

    @pytest.mark.parametrize("path", ["queue", "worst", "best"])
    @pytest.mark.parametrize("side", ["buy", "sell"])
    @pytest.mark.parametrize("exits", [{}, {"take_profit": 0.05, "stop_loss": 0.1, "exit_unit": "fraction"}])
    def test_an_entry_that_leaves_nothing_is_undone_at_its_own_price(self, side, exits, path):
        # The fee is more than the account has.
        bars = {"open": [100.0] * 3, "high": [110.0] * 3, "low": [80.0] * 3, "close": [100.0] * 3}
        order = {"bar": 0, "side": side, "size": 500, **exits}
        exit_ = run(
            order, bars=bars, with_rules={**NOTHING_LEFT, "fee_fixed": 11_000, "afford": "any", "path": path}
        ).fills
        assert exit_.select("bar", "price", "reason").row(1) == (1, 100.0, "liquidation")

    def test_exits_from_the_next_bar_on_spare_the_bar_of_the_entry(self):
        bars = {"open": [100.0] * 4, "high": [100.0, 230, 100, 230], "low": [100.0] * 4, "close": [100.0] * 4}
        order = {"bar": 0, "side": "sell", "size": 100}
        for when, bar in (("next_bar", 3), ("after_market", 1)):
            rules = {"maintenance": 1e-12, "exits_active": when}
            exit_ = run(order, bars=bars, with_rules=rules).fills.row(1, named=True)
            assert (exit_["bar"], exit_["reason"], exit_["price"]) == (bar, "liquidation", pytest.approx(200))
