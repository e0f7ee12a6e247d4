"""Orders, times in force, prices and paths: expected numbers written down from docs/orders.md and `OrderRules`."""

import pytest

from tests.test_orders import BARS, BUY, ends, fills, run

SELL = {**BUY, "side": "sell"}
LIMIT_96 = {**BUY, "type": "limit", "limit": 96}
BRACKET = {"bar": 1, "side": "buy", "size": 1, "stop_loss": 102.5, "take_profit": 104.5}
PATHS = ("queue", "ohlc", "olhc", "nearest", "worst", "best")


class TestPaths:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("life", [{"valid_until": 2}, {"time_in_force": "day"}])
    def test_validity_ends_on_every_path(self, path, life):
        # The limit is reached in bar 4 only.
        assert ends(run({**LIMIT_96, **life}, with_rules={"path": path})) == [("expired", "validity_over")]
        assert fills(run(LIMIT_96, with_rules={"path": path})) == [(4, 1, 10.0, 96.0)]

    @pytest.mark.parametrize("path", PATHS)
    def test_an_order_for_the_close_gets_the_close(self, path):
        rules = {"path": path}
        assert fills(run({**BUY, "type": "market_on_close"}, with_rules=rules)) == [(1, 1, 10.0, 103.0)]

    @pytest.mark.parametrize("path", PATHS)
    def test_an_order_for_the_close_comes_after_what_the_bar_reached(self, path):
        leave = {"bar": 2, "side": "sell", "size": 10, "type": "market_on_close", "reduce_only": True}
        # Bar 3 falls from 102 through 100 to its close of 98: the stop is first.
        result = run({**BUY, "stop_loss": 100, "bar": 1}, leave, with_rules={"path": path})
        assert fills(result)[1:] == [(3, -1, 10.0, 100.0)]
        assert ends(result)[1:] == [("filled", ""), ("cancelled", "nothing_to_reduce")]

    @pytest.mark.parametrize("path", PATHS)
    def test_caps_and_volume_shares_mean_the_whole_bar(self, path):
        # Bar 1: open 101, high 104, low 100, volume 200, five steps of 1.
        slip = {"slippage": "absolute", "slip_cap": "range", "path": path}
        assert fills(run(BUY, with_rules={**slip, "slippage_amount": 1.0}))[0][3] == 102.0
        assert fills(run(SELL, with_rules={**slip, "slippage_amount": 5.0}))[0][3] == 100.0
        steps = {"volume": "range", "volume_amount": 10, "volume_step": 1, "path": path}
        assert fills(run(BUY, with_rules=steps))[0][2] == pytest.approx(200 / 5 * 0.1)

    @pytest.mark.parametrize(
        ("watermark", "bar", "price"), [("close", 3, 102.0), ("high", 3, 102.0), ("low", 3, 101.0)]
    )
    def test_watermarks_of_the_bar_move_a_stop_after_it(self, watermark, bar, price):
        # Stop of bar 2: 103 - 2.  After it: close 104 - 2, high 105 - 2 (bar 3 opens at 102), low 102 - 2 < 101.
        stop = {
            "bar": 1,
            "side": "sell",
            "size": 10,
            "type": "trailing_stop",
            "trail": 2,
            "trail_unit": "distance",
        }
        for path in ("queue", "ohlc"):
            found = fills(run(BUY, stop, with_rules={"path": path, "trail_watermark": watermark}))
            assert found[1] == (bar, -1, 10.0, price)

    @pytest.mark.parametrize("path", PATHS)
    def test_ambiguous_bars_are_counted_on_every_path(self, path):
        # Bar 2: open 103, high 105, low 102; the entry is at its open.
        found = run(BRACKET, with_rules={"path": path}).ambiguity
        assert (found.bars, found.worst, found.best) == (1, 9_999.5, 10_001.5)

    @pytest.mark.parametrize("link", [{"parent": "in"}, {"oco_group": "out"}])
    def test_pairs_of_orders_count_as_exits_do(self, link):
        entry = {"bar": 1, "side": "buy", "size": 1, "tag": "in"}
        leave = {"bar": 1, "side": "sell", "size": 1, **link}
        pair = ({**leave, "type": "stop", "stop": 102.5}, {**leave, "type": "limit", "limit": 104.5})
        found = run(entry, *pair).ambiguity
        assert (found.bars, found.final_equity, found.worst, found.best) == (1, 9_999.5, 9_999.5, 10_001.5)
        apart = run(entry, *({**order, "parent": None, "oco_group": None} for order in pair))
        assert apart.ambiguity.bars == 0

    def test_the_range_caps_a_fill_at_the_close(self):
        slip = {
            "slippage": "absolute",
            "slippage_amount": 1.0,
            "slip_cap": "range",
            "market_fill": "same_close",
        }
        # Close 101, high 102; then close 104, high 105 (bar 2).
        assert fills(run(BUY, with_rules=slip))[0] == (0, 1, 10.0, 102.0)
        assert fills(run({**BUY, "bar": 2}, with_rules={**slip, "slippage_amount": 3.0}))[0][3] == 105.0


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
