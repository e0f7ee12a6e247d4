"""Sizes that are estimated: volatility target and Kelly, by hand."""

import math

import pytest

from peak_fast import BacktestEngine, Costs, Execution, KellyFraction, VolatilityTarget
from peak_fast.studies.search.narrowing import narrow

CLOSES = [100.0, 110.0, 99.0, 108.9, 100.0, 100.0]


def flat_bars(closes):
    """Bars whose four prices are the close."""
    return dict.fromkeys(("open", "high", "low", "close"), closes)


def run(closes, targets, **settings):
    engine = BacktestEngine(initial_cash=1000.0, periods_per_year=4.0, **settings)
    return engine.run(flat_bars(closes), targets)


def sizes(result):
    return result.fills["size"].to_list()


class TestVolatility:
    # Returns 10 %, -10 %, 10 %: the standard deviation of the last two is 0.2 / sqrt(2), a year has 4 bars.
    RISK = 0.2 / math.sqrt(2) * 2

    def test_by_hand(self):
        sizing = VolatilityTarget(volatility=0.1, window=2)
        result = run(CLOSES, [0, 0, 0, 1, 1, 1], sizing=sizing)
        # Decided at bar 3, filled at 100 in bar 4, whose close is not in the estimate.
        assert sizes(result) == pytest.approx([1000 * 0.1 / self.RISK / 100], rel=1e-14)
        changed = run([*CLOSES[:4], 100.0, 50.0], [0, 0, 0, 1, 1, 1], sizing=sizing)
        assert sizes(changed) == sizes(result)

    def test_the_deciding_bar_counts_even_when_it_fills_at_its_close(self):
        sizing = VolatilityTarget(volatility=0.1, window=2)
        result = run(CLOSES, [0, 0, 0, 1, 1, 1], sizing=sizing, execution=Execution(fill_at="close"))
        assert sizes(result) == pytest.approx([1000 * 0.1 / self.RISK / 108.9], rel=1e-14)

    def test_bars_without_prices_are_skipped(self):
        nan = math.nan
        sizing = VolatilityTarget(volatility=0.1, window=2)
        result = run([100.0, 110.0, nan, 99.0, nan, 108.9, nan, 100.0], [0] * 6 + [1, 1], sizing=sizing)
        assert sizes(result) == pytest.approx([1000 * 0.1 / self.RISK / 100], rel=1e-14)

    def test_cap_and_calm_prices(self):
        loose = VolatilityTarget(volatility=9.0, window=2, max_fraction=0.4)
        assert sizes(run(CLOSES, [0, 0, 0, 1, 1, 1], sizing=loose)) == pytest.approx([4.0], rel=1e-14)
        calm = VolatilityTarget(volatility=0.1, window=2, max_fraction=0.5)
        assert sizes(run([100.0] * 6, [0, 0, 0, 1, 1, 1], sizing=calm)) == pytest.approx([5.0], rel=1e-14)

    def test_leverage_caps_it(self):
        wild = VolatilityTarget(volatility=9.0, window=2, max_fraction=8.0)
        orders = run(CLOSES, [0, 0, 0, 1, 1, 1], sizing=wild, execution=Execution(leverage=2)).orders
        assert orders["filled"].to_list() == pytest.approx([20.0], rel=1e-14)
        assert orders["status"].to_list() == ["filled"]

    def test_warm_up_is_refused_or_falls_back(self):
        # Three returns are known at bar 3, two at bar 2.
        orders = run(CLOSES, [0, 0, 1, -1, -1, -1], sizing=VolatilityTarget(window=3)).orders
        assert orders["reason"].to_list() == ["no_estimate", ""]
        assert orders["status"].to_list() == ["rejected", "filled"]
        back = run(CLOSES, [0, 0, 1, 1, 1, 1], sizing=VolatilityTarget(window=3, fallback=0.25))
        assert sizes(back) == pytest.approx([1000 * 0.25 / 108.9], rel=1e-14)

    def test_weights_name_their_fraction_themselves(self):
        engine = BacktestEngine(initial_cash=1000.0, sizing=VolatilityTarget(window=2))
        result = engine.run(flat_bars(CLOSES), [0, 0, 0, 0.5, 0.5, 0.5], weights=True)
        assert sizes(result) == pytest.approx([5.0], rel=1e-14)


class TestKelly:
    def test_by_hand(self):
        # Trades of +20 %, -10 %, +20 %: W = 2/3, R = 2, so k = 1/2; half of it is a quarter of the equity.
        closes = [100.0, 100.0, 120.0, 120.0, 120.0, 108.0, 100.0, 100.0, 120.0, 100.0, 100.0, 100.0]
        engine = {"execution": Execution(fill_at="close")}
        at_close = [1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1]
        sizing = KellyFraction(share=0.5, min_trades=3, fallback=0.2)
        result = run(closes, at_close, sizing=sizing, **engine)
        trades = result.trades
        assert trades["return"].to_list()[:3] == pytest.approx([0.2, -0.1, 0.2], rel=1e-12)
        equity = result.equity[8]
        assert trades["size"].to_list()[3] == pytest.approx(0.25 * equity / 100, rel=1e-12)
        assert trades["size"].to_list()[0] == pytest.approx(0.2 * 1000 / 100, rel=1e-12)

    def test_no_edge_is_refused_for_good(self):
        closes = [100.0, 90.0, 100.0, 200.0, 100.0, 200.0]
        result = run(
            closes,
            [1, 0, 1, 0, 1, 0],
            sizing=KellyFraction(min_trades=1, fallback=1.0),
            execution=Execution(fill_at="close"),
        )
        assert result.orders["reason"].to_list() == ["", "", "no_edge", "no_edge"]
        assert result.equity[-1] == 900.0
        kept = run(
            closes,
            [1, 0, 1, 0, 1, 0],
            sizing=KellyFraction(min_trades=1, fallback=1.0, min_fraction=0.5),
            execution=Execution(fill_at="close"),
        )
        # Half of 900 doubles; then one loss of 10 % and one gain of 100 %: k = 0.5 - 0.5 / 10, half of it below 0.5.
        assert kept.equity[-1] == pytest.approx(1350 * 1.5, rel=1e-14)

    def test_a_reversal_does_not_count_the_trade_it_closes(self):
        result = run(
            [100.0, 120.0, 100.0, 100.0],
            [1, -1, 1, 1],
            sizing=KellyFraction(share=1.0, min_trades=1, fallback=0.1),
            execution=Execution(fill_at="close"),
        )
        # The short of bar 1 falls back, though it closes the first trade; the long of bar 2 knows one gain: W = 1.
        equity = result.equity
        assert sizes(result)[:3] == pytest.approx([1.0, 1.0, 0.1 * equity[1] / 120], rel=1e-12)
        assert result.position[2] == pytest.approx(equity[2] / 100, rel=1e-12)

    def test_net_results_count(self):
        closes = [100.0, 100.5, 100.0, 100.0]
        sizing = KellyFraction(share=1.0, min_trades=1, fallback=0.1)
        at_close = Execution(fill_at="close")
        free = run(closes, [1, 0, 1, 1], sizing=sizing, execution=at_close)
        paid = run(closes, [1, 0, 1, 1], sizing=sizing, execution=at_close, costs=Costs(rate=0.01))
        assert free.orders["reason"].to_list() == ["", "", ""]
        assert paid.orders["reason"].to_list() == ["", "", "no_edge"]

    def test_zero_fallback_never_trades(self):
        result = run(CLOSES, [1, -1, 1, -1, 1, 1], sizing=KellyFraction(fallback=0.0))
        assert set(result.orders["reason"].to_list()) == {"no_estimate"}
        assert (result.equity == 1000.0).all()


def test_counts_are_searched_as_whole_numbers():
    found = narrow((), {"size_window": (5, 60), "size_fallback": (0.1, 1)})
    assert [(item.name, item.kind) for item in found] == [("size_window", "int"), ("size_fallback", "float")]
    assert narrow((), {"size_min_trades": "5:60:5"})[0].grid(3) == [5, 35, 60]
    assert narrow((), {"size_window": 30})[0].grid(3) == [30]
