"""Bars a year as they were known at each bar: what later times say changes no estimate and no size."""

import math
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Execution, Param, Sweep, VolatilityTarget, strategy
from peak_fast.data.times import periods_per_year
from peak_fast.data.year_estimates import known_years
from peak_fast.settings.order_rules import OrderRules

START = datetime(2024, 1, 1)
HOUR = 3_600_000_000
DAY = 24 * HOUR
TARGET = VolatilityTarget(volatility=0.2, window=5)


def hours(count):
    return np.arange(count, dtype=np.int64) * HOUR + 19_723 * DAY  # from the first of January 2024, a Monday


@given(st.data())
def test_later_times_change_nothing(data):
    step = data.draw(st.sampled_from([60, 24 * 60, 7 * 24 * 60, 17]))
    count = data.draw(st.integers(1, 300))
    kept = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    minutes = np.flatnonzero(kept).astype(np.int64) * step
    time_us = minutes * 60_000_000 + data.draw(st.integers(0, 10**9)) * 60_000_000
    years = known_years(time_us)
    for cut in range(1, len(time_us) + 1, 7):
        np.testing.assert_array_equal(known_years(time_us[:cut]), years[:cut])


def test_by_hand():
    # The first date shows 24 bars; it counts from the second on.
    years = known_years(hours(24 * 30))
    assert np.isnan(years[:24]).all()
    assert years[24] == 24 * 252
    # A Saturday and a Sunday have been seen.
    assert years[7 * 24] == 24 * 365
    assert years[-1] == periods_per_year(hours(24 * 30)) == 24 * 365
    # Days: two bars have to be there, on earlier dates than the bar's own; bar 5 is a Saturday, bar 6 a Sunday.
    days = np.arange(10, dtype=np.int64) * DAY + 19_723 * DAY
    np.testing.assert_array_equal(known_years(days), [math.nan] * 2 + [252] * 4 + [312] + [365] * 3)
    # Weeks.
    np.testing.assert_array_equal(known_years(days * 7), [math.nan] * 2 + [52] * 8)
    assert np.isnan(known_years(days[:1])).all()


def test_looks_are_few():
    years = known_years(np.arange(2000, dtype=np.int64) * DAY)
    assert years[-1] == 365
    thinned = known_years(hours(24 * 400)[np.random.default_rng(1).random(24 * 400) < 0.7])
    known = thinned[~np.isnan(thinned)]
    assert 20 < np.count_nonzero(np.diff(known)) < 60


def frame(times):
    rng = np.random.default_rng(3)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(times))))
    return pl.DataFrame({"timestamp": times, **dict.fromkeys(("open", "high", "low", "close"), price)})


def outage():
    """Hours, all of them for ten days, then two of three."""
    every = [START + timedelta(hours=number) for number in range(24 * 60)]
    rng = np.random.default_rng(2)
    return [time for number, time in enumerate(every) if number < 240 or rng.random() > 0.3]


@strategy(schema=(Param("phase", "int", 24, low=1, high=48),))
def half_of_the_time(df, params):
    return np.where(np.arange(len(df)) % 48 < params["phase"], 1, 0)


@strategy(name="half_block", schema=(Param("phase", "int", 24, low=1, high=48),))
def half_block(i, bars, params, memory, account):
    return 1.0 if i % 48 < params[0] else 0.0


@pytest.mark.parametrize("book", [None, OrderRules()], ids=["fast", "book"])
@pytest.mark.parametrize("item", [half_of_the_time, half_block], ids=["function", "block"])
@pytest.mark.parametrize("fill_at", ["next_open", "close"])
def test_sizes_do_not_know_what_comes(book, item, fill_at):
    bars, cut = frame(outage()), 300
    engine = BacktestEngine(sizing=TARGET, order_book=book, execution=Execution(fill_at=fill_at))
    short, whole = engine.run(bars.head(cut), item), engine.run(bars, item)
    assert short.stats["periods_per_year"] != whole.stats["periods_per_year"]
    assert short.fills.height > 5
    assert short.fills["size"].to_list() == whole.fills.head(short.fills.height)["size"].to_list()
    # The first date says nothing: the first decision is refused.
    assert short.orders.select("bar", "reason").row(0) == (0, "no_estimate")


@pytest.mark.parametrize("item", [half_of_the_time, half_block], ids=["function", "block"])
def test_both_machines_and_a_sweep_know_the_same(item):
    bars = frame(outage())
    values = [5, 12, 24]
    for book in (None, OrderRules()):
        engine = BacktestEngine(sizing=TARGET, order_book=book)
        rows = Sweep(item, {"phase": values}, bars, sizing=TARGET, order_book=book).run().frame.sort("phase")
        for value, row in zip(values, rows.to_dicts(), strict=True):
            single = engine.run(bars, item, {"phase": value})
            assert row["total_return"] == single.stats["total_return"]
            fast = BacktestEngine(sizing=TARGET).run(bars, item, {"phase": value})
            np.testing.assert_allclose(single.equity, fast.equity, rtol=1e-9)


def test_a_size_by_hand_and_a_year_that_is_given():
    bars = frame(outage())
    targets = np.zeros(len(bars))
    targets[200:] = 1
    close = bars["close"].to_numpy()
    deviation = np.std(close[196:201] / close[195:200] - 1, ddof=1)
    # Bar 200 lies on the ninth date; eight whole ones have 24 bars, among them a Saturday and a Sunday.
    for year, given_year in ((24 * 365, None), (1000.0, 1000.0)):
        result = BacktestEngine(sizing=TARGET, periods_per_year=given_year).run(bars, targets)
        fraction = min(0.2 / (deviation * math.sqrt(year)), 1.0)
        assert result.fills["size"][0] == pytest.approx(100_000 * fraction / close[201], rel=1e-12)


def test_bars_without_times_have_the_year_of_their_kind():
    bars = {name: [100.0, 110.0, 99.0, 108.9, 100.0, 100.0] for name in ("open", "high", "low", "close")}
    sizing = VolatilityTarget(volatility=0.1, window=2)
    result = BacktestEngine(initial_cash=1000.0, sizing=sizing).run(bars, [0, 0, 0, 1, 1, 1])
    year = result.stats["periods_per_year"]
    risk = 0.2 / math.sqrt(2) * math.sqrt(year)
    assert result.fills["size"].to_list() == pytest.approx([1000 * 0.1 / risk / 100], rel=1e-12)
