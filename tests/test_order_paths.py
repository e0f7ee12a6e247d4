"""Paths inside bars: the same as bars of one price each, all along the path, or as finer bars that follow it."""

import itertools
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.orders import OrderRules, simulate_orders

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
