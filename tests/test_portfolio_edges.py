"""Corners of the rules of portfolios that an accountant with the page alone came to by other figures."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, DataError, Panel
from peak_fast.settings import PortfolioRules

DAYS = [dt.datetime(2024, 1, 1) + dt.timedelta(days=k) for k in range(6)]


def panel_of(**closes):
    """Opens are the close before; assets without a number in a bar have no bar there."""
    close = {name: np.asarray(values, float) for name, values in closes.items()}
    opens = {name: np.where(np.isnan(c), np.nan, np.r_[c[0], c[:-1]]) for name, c in close.items()}
    fields = {
        "open": opens,
        "high": {name: np.fmax(opens[name], close[name]) for name in close},
        "low": {name: np.fmin(opens[name], close[name]) for name in close},
        "close": close,
    }
    size = len(next(iter(close.values())))
    return Panel.from_frame({
        field: pl.DataFrame({"timestamp": DAYS[:size], **table}) for field, table in fields.items()
    })  # fmt: skip


def run(panel, rows, **rules):
    weights = pl.DataFrame({
        "timestamp": [DAYS[bar] for bar in rows],
        **{name: [row[k] for row in rows.values()] for k, name in enumerate(panel.symbols)},
    })  # fmt: skip
    rules = PortfolioRules(**{"over_invested": "allowed", "fill_at": "next_close", **rules})
    return BacktestEngine(initial_cash=1_000.0, portfolio=rules).run(panel, weights)


def test_limits_count_a_holding_by_the_prices_of_the_equity():
    """Sized by the close that decided, what is left alone has its share by that close, too."""
    panel = panel_of(A=[10, 10, 10, 20, 20], B=[10, 10, 10, 10, 10])
    result = run(panel, {0: [0.5, 0.0], 2: [np.nan, 0.5]}, size_at="decision", max_gross=0.8)
    # A is half of the equity at the deciding close, so B may be 0.3 of 1,000 at 10.
    assert np.allclose(result.orders["filled"], [50.0, 30.0], rtol=1e-12)


def test_shorts_that_are_refused_take_no_room_in_limits():
    panel = panel_of(A=[10, 10, 10], B=[10, 10, 10])
    result = run(panel, {0: [0.5, -0.5]}, shorts="refused", max_gross=0.5)
    filled = result.orders.filter(pl.col("status") == "filled")
    assert filled["filled"].to_list() == [50.0] and filled["reason"].to_list() == [""]
    assert result.orders.filter(pl.col("symbol") == "B")["reason"].to_list() == ["shorting_not_allowed"]


def test_a_band_is_about_the_change_through_zero_as_a_whole():
    panel = panel_of(A=[10, 10, 10, 10, 10])
    result = run(panel, {0: [0.5], 2: [-0.05]}, band=0.1)
    assert result.orders["filled"].to_list() == [50.0, 50.0, 5.0]
    assert set(result.orders["status"]) == {"filled"}


def test_behind_the_one_that_does_not_fit_nobody_is_served_even_where_it_got_no_lot():
    panel = panel_of(A=[600, 600, 600], B=[10, 10, 10])
    result = run(panel, {0: [0.8, 0.3]}, short_cash="cut_last", lot_size=1.0, leverage=0.5)
    assert result.orders["status"].to_list() == ["rejected", "rejected"]
    assert result.orders["reason"].to_list() == ["cash", "no_cash"]
    # Refusing whole, a later one may fit.
    served = run(panel, {0: [0.8, 0.3]}, short_cash="reject", lot_size=1.0, leverage=0.5)
    assert served.orders["filled"].to_list() == [0.0, 30.0]


def test_assets_without_a_column_of_weights_are_told():
    panel = panel_of(A=[10, 10, 10], B=[10, 10, 10])
    weights = pl.DataFrame({"timestamp": DAYS[:1], "A": [0.5]})
    result = BacktestEngine().run(panel, weights)
    assert any(
        "1 of 2 assets have no column and are not held, the first 'B'" in note for note in result.notes
    )


def test_the_smallest_trade_is_measured_in_whole_lots_on_both_sides():
    """3.9 units are three: worth 300, less than 350, bought no more than sold."""
    panel = panel_of(A=[100, 100, 100, 100, 100])
    bought = run(panel, {0: [0.39]}, lot_size=1.0, min_trade=350.0).orders
    assert bought["reason"].to_list() == ["below_minimum_value"]
    sold = run(panel, {0: [0.9], 2: [0.51]}, lot_size=1.0, min_trade=350.0).orders
    assert sold["reason"].to_list() == ["", "below_minimum_value"]


def long_frame(symbols):
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 5), "1d", eager=True)
    prices = {name: [1.5] * 10 for name in ("open", "high", "low", "close")}
    return pl.DataFrame({"timestamp": [*days, *days], "symbol": symbols, **prices})


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_symbols_that_are_whole_numbers_are_written_as_such(kind):
    frame = long_frame([5.0] * 5 + [7.0] * 5)
    assert Panel.from_frame(frame if kind == "polars" else frame.to_pandas()).symbols == ("5", "7")
    assert Panel.from_frame(long_frame([5.5] * 5 + [7.0] * 5)).symbols == ("5.5", "7")


def test_frames_that_hold_no_panel_say_what_would():
    with pytest.raises(DataError, match="the frame has no rows"):
        Panel.from_frame(long_frame(["A"] * 5 + ["B"] * 5).head(0))
    closes = (
        long_frame(["A"] * 5 + ["B"] * 5)
        .to_pandas()
        .pivot(index="timestamp", columns="symbol", values=["close"])
    )
    with pytest.raises(DataError, match=r"closes alone are passed as \{'close': frame\['Close'\]\}"):
        Panel.from_frame(closes)


def test_a_sum_that_one_limit_has_made_is_within_the_same_other_limit():
    """Whatever the order in which the weights are summed: 0.5 of rounded parts is not above 0.5."""
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 3), "1d", eager=True)
    frames = {
        name: pl.DataFrame({"timestamp": days, **{k: [8.0] * 3 for k in ("open", "high", "low", "close")}})
        for name in "CADB"
    }
    weights = {"C": 1.25, "A": 0.125, "D": 0.625, "B": 0.8125}
    engine = BacktestEngine(portfolio=PortfolioRules(max_gross=0.5, max_net=0.5, over_invested="allowed"))
    for names in ("CADB", "CABD", "BDAC", "DBCA"):
        panel = Panel.from_frame({name: frames[name] for name in names})
        result = engine.run(panel, ([0], [[weights[name] for name in panel.symbols]]))
        assert set(result.orders["reason"]) == {"gross_limit"}
