"""Paths inside bars: the same as bars of one price each, all along the path, or as finer bars that follow it."""

import itertools
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_rules import OrderRules
from tests.test_orders import BUY, ends, fills, run

COUNT = 14
START = datetime(2024, 1, 1)


def whole_bars(rng):
    """Bars whose prices are whole numbers, so that every price on the way is one."""
    close = 1000.0 + np.cumsum(rng.integers(-12, 13, COUNT))
    open_ = np.concatenate(([close[0]], close[:-1])) + rng.integers(-4, 5, COUNT)
    high = np.maximum(open_, close) + rng.integers(0, 9, COUNT)
    low = np.minimum(open_, close) - rng.integers(0, 9, COUNT)
    return {"open": open_, "high": high, "low": low, "close": close}


def corners(bars, bar, path):
    """The four prices of a bar in the order in which the path visits them."""
    o, h, low, c = (float(bars[name][bar]) for name in ("open", "high", "low", "close"))
    up = path == "ohlc" or (path == "nearest" and h - o <= o - low)
    return (o, h, low, c) if up else (o, low, h, c)


def steps(bars, path):
    """Every price on the way, one after the other, and the bar of each."""
    prices, of = [], []
    for bar in range(COUNT):
        way = corners(bars, bar, path)
        here = [way[0]]
        for goal in way[1:]:
            step = 1.0 if goal > here[-1] else -1.0
            while here[-1] != goal:
                here.append(here[-1] + step)
        # The close again, so that what the last price did has a bar to be worked in.
        prices += [*here, here[-1]]
        of += [bar] * (len(here) + 1)
    return np.array(prices), np.array(of)


def random_orders(rng, bars):
    """Orders of all kinds with exits at whole distances; nothing that counts bars or volume."""
    rows = []
    for number in range(8):
        bar = int(rng.integers(0, COUNT - 2))
        close, side = float(bars["close"][bar]), 1 if rng.random() < 0.5 else -1
        kind = str(rng.choice(["market", "limit", "stop", "stop_limit", "trailing_stop"]))
        row = {"bar": bar, "type": kind, "side": "buy" if side > 0 else "sell", "tag": str(number)}
        row["size"] = float(rng.integers(1, 5))
        if kind == "limit":
            row["limit"] = close - side * int(rng.integers(1, 12))
        if kind in ("stop", "stop_limit"):
            row["stop"] = close + side * int(rng.integers(1, 12))
        if kind == "stop_limit":
            row["limit"] = row["stop"] + side * int(rng.integers(-4, 3))
        if kind == "trailing_stop":
            row["trail"], row["trail_unit"] = float(rng.integers(3, 12)), "distance"
        if rng.random() < 0.5:
            row["stop_loss"], row["exit_unit"] = float(rng.integers(2, 12)), "distance"
        if rng.random() < 0.5:
            row["take_profit"], row["exit_unit"] = float(rng.integers(2, 12)), "distance"
        if rng.random() < 0.3:
            row["valid_until"] = min(bar + int(rng.integers(1, 5)), COUNT - 1)
        if rng.random() < 0.2:
            row["oco_group"] = f"group {rng.integers(2)}"
        rows.append(row)
    return sorted(rows, key=lambda row: row["bar"])


def outcome(result, bar_of):
    fills = result.fills.select("bar", "side", "size", "price", "reason").rows()
    ends = result.orders.select("row", "role", "filled", "status", "reason").rows()
    return [(int(bar_of[bar]), *rest) for bar, *rest in fills], ends


@pytest.mark.parametrize("path", ["ohlc", "olhc", "nearest"])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_path_is_its_prices_one_by_one(path, seed):
    rng = np.random.default_rng(seed)
    bars = whole_bars(rng)
    # Which of two extremes that are equally near comes first depends on the position.
    bars["high"] += bars["high"] - bars["open"] == bars["open"] - bars["low"]
    rows = random_orders(rng, bars)
    prices, of = steps(bars, path)
    last = np.searchsorted(of, np.arange(COUNT), side="right") - 1
    single = dict.fromkeys(("open", "high", "low", "close"), prices)
    moved = [
        {name: int(last[value]) if name in ("bar", "valid_until") and value is not None else value
         for name, value in row.items()}
        for row in rows
    ]  # fmt: skip
    fee = {"fee_fixed": 1.0, "leverage": 4.0}
    ours = simulate_orders(bars, rows, initial_cash=5_000, rules=OrderRules(path=path, **fee))
    theirs = simulate_orders(single, moved, initial_cash=5_000, rules=OrderRules(**fee))
    assert outcome(ours, np.arange(COUNT)) == outcome(theirs, of)
    np.testing.assert_allclose(ours.equity, theirs.equity[last], rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_finer_bars_along_a_path_are_the_path(seed):
    rng = np.random.default_rng(seed)
    bars = whole_bars(rng)
    rows = random_orders(rng, bars)
    path = str(rng.choice(["ohlc", "olhc"]))
    fine = {"open": [], "high": [], "low": [], "close": [], "timestamp": []}
    for bar in range(COUNT):
        way = corners(bars, bar, path)
        for n, (start, end) in enumerate(itertools.pairwise(way)):
            values = (start, max(start, end), min(start, end), end, START + timedelta(days=bar, hours=n))
            for name, value in zip(fine, values, strict=True):
                fine[name].append(value)
    bars["timestamp"] = [START + timedelta(days=bar) for bar in range(COUNT)]
    ours = simulate_orders(bars, rows, initial_cash=5_000, rules=OrderRules(path=path))
    theirs = simulate_orders(bars, rows, initial_cash=5_000, detail=fine)
    assert outcome(ours, np.arange(COUNT)) == outcome(theirs, np.arange(COUNT))
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_bounds_hold_the_result(seed):
    rng = np.random.default_rng(seed)
    bars = whole_bars(rng)
    entry = {
        "bar": 0,
        "side": "buy",
        "size": 3,
        "stop_loss": 6.0,
        "take_profit": 7.0,
        "exit_unit": "distance",
    }
    found = simulate_orders(bars, [entry, {**entry, "bar": 7}], initial_cash=50_000).ambiguity
    assert found.worst <= found.final_equity <= found.best
    assert found.bars > 0 or found.worst == found.best


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
