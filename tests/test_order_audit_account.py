"""Sizes, fees, margin, interest and limits of the account: expected numbers written down from `OrderRules`."""

import pytest

from peak_fast.orders import Asset
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
