"""What a time means, the open or the close of its bar: kept everywhere, and days and orders go by it."""

import pickle
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, BacktestResult, Bars, DataError, RiskLimits, synthetic
from peak_fast.orders.columns import detail_bars
from peak_fast.orders.simulate import simulate_orders

HOUR_US = 3_600_000_000
OPEN = synthetic(240, "1h", seed=5, start="2024-01-01")
CLOSE = Bars.from_frame(
    OPEN.to_polars().with_columns(pl.col("timestamp") + pl.duration(hours=1)), name="synthetic", stamp="close"
)


def test_the_same_bars_under_both_meanings():
    assert (OPEN.stamp, CLOSE.stamp) == ("open", "close")
    np.testing.assert_array_equal(CLOSE.time_us, OPEN.time_us + HOUR_US)
    np.testing.assert_array_equal(CLOSE.opens_us, OPEN.opens_us)
    np.testing.assert_array_equal(CLOSE.day, OPEN.day)
    assert CLOSE.periods_per_year == OPEN.periods_per_year == 8760.0
    assert any("closes" in note for note in CLOSE.notes)
    assert "stamped by close" in repr(CLOSE)


def test_a_bar_opens_no_longer_than_a_step_before_its_close():
    """Over a night the close before is not the open."""
    kept = OPEN.to_polars().filter(pl.col("timestamp").dt.hour().is_between(9, 15))
    night = Bars.from_frame(kept.with_columns(pl.col("timestamp") + pl.duration(hours=1)), stamp="close")
    np.testing.assert_array_equal(night.opens_us, Bars.from_frame(kept).time_us)


def test_when_a_bar_opened_does_not_depend_on_later_bars():
    """Hourly bars of sessions, then daily ones: what comes later does not move an open."""
    hourly = OPEN.to_polars().filter(pl.col("timestamp").dt.hour().is_between(9, 15))
    closes = hourly["timestamp"].to_numpy().astype("M8[us]").astype(np.int64) + HOUR_US
    days = closes[-1] + 24 * HOUR_US * np.arange(1, 400)
    prices = {name: np.full(closes.size + days.size, 10.0) for name in ("open", "high", "low", "close")}
    times = np.concatenate((closes, days)).astype("M8[us]")
    whole = Bars.from_frame({"close_time": times, **prices}).opens_us
    for count in (2, 3, 9, 40, closes.size, closes.size + 1, closes.size + 200):
        part = {"close_time": times[:count], **{name: values[:count] for name, values in prices.items()}}
        np.testing.assert_array_equal(Bars.from_frame(part).opens_us[1:], whole[1:count])
    np.testing.assert_array_equal(whole[1 : closes.size], closes[1:] - HOUR_US)
    assert (np.diff(whole[-100:]) == 24 * HOUR_US).all() and whole[-1] == days[-1] - 24 * HOUR_US
    assert (
        Bars.from_frame({"close_time": times[:1], **{n: v[:1] for n, v in prices.items()}}).opens_us.size == 1
    )


def test_the_stamp_stays(tmp_path):
    for bars in (
        CLOSE.slice(10, 50),
        pickle.loads(pickle.dumps(CLOSE)),
        Bars.from_frame(CLOSE.to_polars()),
        Bars.from_frame(CLOSE.to_polars().to_pandas()),
    ):
        assert bars.stamp == "close"
    result = BacktestEngine().run(CLOSE, "ma_crossover")
    assert result.metadata["data"]["stamp"] == "close"
    assert any("closes" in note for note in result.metadata["notes"])
    result.save(tmp_path / "saved")
    again = BacktestResult.load(tmp_path / "saved")
    assert again.bars.stamp == "close"
    np.testing.assert_array_equal(again.bars.time_us, CLOSE.time_us)


def test_daily_limits_go_by_the_days_of_the_bars():
    engine = BacktestEngine(risk_limits=RiskLimits(daily_loss=0.002))
    targets = np.where(np.arange(240) % 6 < 5, 1, 0)
    shifted = Bars.from_frame(CLOSE.to_polars().rename({"close_time": "timestamp"}))
    of_open, of_close, misread = (
        engine.run(bars, targets).stats["total_trades"] for bars in (OPEN, CLOSE, shifted)
    )
    assert of_open == of_close
    assert of_open != misread  # days of the stamps themselves are other days


def filled(bars, **order):
    frame = pl.DataFrame([{"type": "market", "side": "buy", "size": 1.0, **order}])
    return simulate_orders(bars, frame).fills["bar"].to_list()


@pytest.mark.parametrize("minute", [1, 30, 59])
def test_an_order_of_a_time_belongs_to_the_bar_around_it(minute):
    when = datetime(2024, 1, 2, 10, minute, tzinfo=UTC)
    assert filled(OPEN, timestamp=when) == filled(CLOSE, timestamp=when) == [35]


def test_an_order_at_a_stamp_belongs_to_the_bar_of_that_stamp():
    """Decided at the close of the bar: no order fills before its own time."""
    when = datetime(2024, 1, 2, 10, 0, tzinfo=UTC)
    assert filled(OPEN, timestamp=when) == [35]  # in bar 34, 10:00 to 11:00
    assert filled(CLOSE, timestamp=when) == [34]  # in bar 33, 9:00 to 10:00
    with pytest.raises(DataError, match="before the first bar"):
        filled(CLOSE, timestamp=datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="behind the last"):
        filled(CLOSE, timestamp=datetime(2024, 1, 11, 0, 1, tzinfo=UTC))


def test_orders_of_a_day_and_for_the_close():
    order = {"type": "limit", "side": "buy", "size": 1.0, "limit": 1e-9, "time_in_force": "day", "bar": 30}
    for bars in (OPEN, CLOSE):
        result = simulate_orders(bars, pl.DataFrame([order]))
        assert result.orders["last_bar"].to_list() == [48]
    at_close = pl.DataFrame([{"type": "market_on_close", "side": "buy", "size": 1.0, "bar": 30}])
    for end in (None, "16:00"):
        fills = [simulate_orders(bars, at_close, session_end=end).fills for bars in (OPEN, CLOSE)]
        assert fills[0].drop("time", "asset").equals(fills[1].drop("time", "asset"))


@pytest.mark.parametrize("fine_stamp", ["open", "close"])
@pytest.mark.parametrize("stamp", ["open", "close"])
def test_finer_bars_lie_in_their_bars(stamp, fine_stamp):
    minutes = synthetic(240 * 4, "15m", seed=1, start="2024-01-01")
    fine = minutes.to_polars()
    hours = fine.group_by_dynamic("timestamp", every="1h").agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last()
    )
    if stamp == "close":
        hours = hours.with_columns(pl.col("timestamp") + pl.duration(hours=1))
    if fine_stamp == "close":
        fine = fine.with_columns(pl.col("timestamp") + pl.duration(minutes=15))
    notes = []
    detail = Bars.from_frame(fine, stamp=fine_stamp)
    _, start = detail_bars(detail, Bars.from_frame(hours, stamp=stamp), notes)
    np.testing.assert_array_equal(start, np.arange(0, 961, 4))
    assert notes == []


def test_assets_of_one_run_share_the_meaning():
    orders = pl.DataFrame([{"bar": 1, "type": "market", "side": "buy", "size": 1.0, "asset": "a"}])
    with pytest.raises(DataError, match="the same stamp="):
        simulate_orders({"a": OPEN, "b": CLOSE}, orders)


def test_without_times_there_is_nothing_to_stamp():
    frame = OPEN.to_polars().drop("timestamp")
    assert Bars.from_frame(frame, stamp="close").stamp == "open"


@pytest.mark.parametrize(
    "name", ["interval_end", "period_end", "bar_end", "candle_close_time", "close_date", "timestamp_close"]
)
def test_names_of_closing_times(name):
    bars = Bars.from_frame(OPEN.to_polars().rename({"timestamp": name}))
    assert bars.stamp == "close" and any("closes" in note for note in bars.notes)
