"""Rules of the presets that a scenario decides: auctions at a session's end, whole targets, rebates."""

import polars as pl
import pytest

from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.presets import backtesting_py, backtrader

HOURS = ["09", "11", "13", "15"]
TIMES = [f"2024-03-0{day}T{hour}:00:00" for day in (4, 5) for hour in HOURS]
CLOSE = [101.0, 103.0, 104.0, 98.0, 99.0, 106.0, 107.0, 105.0]
BARS = pl.DataFrame(
    {
        "time": TIMES,
        "open": [100.0, 102.0, 103.0, 104.0, 98.5, 100.0, 106.5, 107.0],
        "high": [102.0, 104.0, 105.0, 105.0, 100.0, 107.0, 108.0, 108.0],
        "low": [99.0, 101.0, 102.0, 97.0, 95.0, 99.0, 105.0, 104.0],
        "close": CLOSE,
        "volume": [100.0, 200.0, 50.0, 0.0, 60.0, 80.0, 90.0, 40.0],
    }
).with_columns(pl.col("time").str.to_datetime())
ON_CLOSE = {"bar": 0, "side": "buy", "type": "market_on_close", "size": 30}


def fills(*orders, rules, session_end=None):
    result = simulate_orders(BARS, list(orders), initial_cash=10_000.0, rules=rules, session_end=session_end)
    return result.fills.select("bar", "side", "size", "price").rows()


@pytest.mark.parametrize(
    ("session_end", "expected"),
    [
        # Without a session's end: the last bar of the day.
        (None, [(3, 1, 30.0, 98.0)]),
        # A bar of that time gets its own close, a later one the close of the bar before.
        ("13:00", [(2, 1, 30.0, 104.0)]),
        ("14:00", [(2, 1, 30.0, 104.0)]),
        # The time has passed when the order is placed: the next day's.
        ("08:00", [(3, 1, 30.0, 98.0)]),
        # The next bar is the first that the order sees.
        ("10:00", [(1, 1, 30.0, 103.0)]),
    ],
)
def test_an_auction_order_waits_for_the_end_of_the_session(session_end, expected):
    assert fills(ON_CLOSE, rules=backtrader(), session_end=session_end) == expected


def test_what_an_auction_leaves_fills_at_its_reference_with_the_volume_of_the_bar_before():
    """At most half of a bar's volume: 25 at 13:00; nothing of the empty bar; the rest stays at 11:00's close."""
    rules = backtrader(filler=("share", 50.0, 0.0))
    order = {**ON_CLOSE, "size": 60}
    assert fills(order, rules=rules, session_end="13:00") == [
        (2, 1, 25.0, 104.0), (2, 1, 25.0, 103.0), (4, 1, 10.0, 103.0)
    ]  # fmt: skip
    # The bar of the end itself is missing: all of it at 13:00's close, with the volumes from 13:00 on.
    assert fills(order, rules=rules, session_end="14:00") == [(2, 1, 25.0, 104.0), (4, 1, 30.0, 104.0),
                                                              (5, 1, 5.0, 104.0)]  # fmt: skip


def test_a_fixed_filler_without_a_size_is_limited_by_the_volume_alone():
    rules = backtrader(filler=("fixed", float("inf"), 0.0))
    order = {"bar": 0, "side": "buy", "size": 70}
    poor = BARS.with_columns(volume=pl.Series([9.0, 40.0, 20.0, 0.0, 60.0, 1.0, 1.0, 1.0]))
    found = simulate_orders(poor, [order], initial_cash=10_000.0, rules=rules).fills
    assert found.select("bar", "size", "price").rows() == [
        (1, 40.0, 102.0),
        (2, 20.0, 103.0),
        (4, 10.0, 98.5),
    ]


def test_targets_of_the_equity_are_whole_where_other_sizes_are_not():
    rules = backtrader()
    target = {"bar": 0, "size": 0.5, "size_unit": "target_fraction"}
    assert fills(target, rules=rules)[0][2] == 5000 // 101
    assert fills({"bar": 0, "side": "buy", "size": 2.5}, rules=rules)[0][2] == 2.5


@pytest.mark.parametrize(
    "rules",
    [backtrader(commission=-0.001), backtesting_py(commission=-0.001)],
    ids=["backtrader", "backtesting"],
)
def test_a_negative_commission_is_a_rebate(rules):
    result = simulate_orders(
        BARS, [{"bar": 1, "side": "buy", "size": 10}], initial_cash=10_000.0, rules=rules
    )
    assert result.fills["fee"].to_list() == pytest.approx([-0.001 * 10 * 103.0])


def test_a_fixed_filler_takes_the_volume_as_it_is():
    """backtrader's FixedSize: the smaller of size and volume; its percentages of the volume are whole units."""
    bars = BARS.with_columns(volume=pl.lit(19.98))
    order = [{"bar": 0, "side": "buy", "size": 30}]
    for filler, expected in ((("fixed", float("inf"), 0.0), 19.98), (("share", 50.0, 0.0), 9.0)):
        result = simulate_orders(bars, order, initial_cash=10_000.0, rules=backtrader(filler=filler))
        assert result.fills["size"][0] == expected
