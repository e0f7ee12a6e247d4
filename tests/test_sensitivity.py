"""Sensitivity and regimes: every figure is that of a run; no regime knows the future."""

import math

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Costs,
    Execution,
    Param,
    PeakFastError,
    Rank,
    Rebalance,
    Stops,
    synthetic,
)
from peak_fast.guard import keywords
from peak_fast.portfolio import Momentum
from peak_fast.settings import OrderBook, OrderRules
from peak_fast.strategies import SignalStrategy
from peak_fast.validation import noise_test, permutation_test, regimes, sensitivity

BARS = synthetic(600, seed=3)
PARAMS = {"fast": 5, "slow": 20}
PANEL = synthetic(300, seed=4, assets=5)
RULE = Rank(Momentum("lookback"), 2, rebalance=Rebalance("every"))
FOUND = sensitivity("ma_crossover", PARAMS, BARS, costs=Costs(slippage_bps=3.0), starts=4, delays=2)


def single(params=PARAMS, bars=BARS, **rules):
    rules = {"costs": Costs(slippage_bps=3.0)} | rules
    return BacktestEngine(**rules).run(bars, "ma_crossover", params).stats


def test_parameters_one_at_a_time():
    rows = {(name, value): figure for name, value, figure in FOUND.parameters.iter_rows()}
    assert rows["fast", "5"] == rows["slow", "20"] == FOUND.real == single()["sharpe"]
    assert rows["fast", "4"] == single({"fast": 4, "slow": 20})["sharpe"]
    assert rows["slow", "30"] == single({"fast": 5, "slow": 30})["sharpe"]
    assert rows["allow_short", "True"] == single({**PARAMS, "allow_short": True})["sharpe"]


def test_two_parameters():
    row = FOUND.pairs.filter(x="fast", y="slow", x_value="6", y_value="25")["sharpe"][0]
    assert row == single({"fast": 6, "slow": 25})["sharpe"]


def test_costs_beginnings_and_fills():
    for added, sharpe, ends in FOUND.costs.iter_rows():
        stats = single(costs=Costs(slippage_bps=3.0 + added))
        assert (sharpe, ends) == (stats["sharpe"], stats["total_return"])
    for start, sharpe in FOUND.starts.iter_rows():
        assert sharpe == single(bars=BARS.slice(start))["sharpe"]
    later = dict(FOUND.delays.iter_rows())
    assert list(later) == ["same close", "next open", "1 bar later", "2 bars later"]
    assert later["same close"] == single(execution=Execution(fill_at="close"))["sharpe"]
    assert later["next open"] == FOUND.real
    book = OrderBook(rules=OrderRules(latency=2))
    assert later["2 bars later"] == single(order_book=book)["sharpe"]


def test_break_even():
    ends = dict(FOUND.costs.select("added_bps", "total_return").iter_rows())
    last, first = FOUND.break_even_bps
    if not math.isnan(last):
        assert ends[last] > 0
    if not math.isnan(first):
        assert ends[first] <= 0


def test_values_of_ones_own_and_parts():
    found = sensitivity("ma_crossover", PARAMS, BARS, parts=["parameters"], around={"fast": [3, 4]})
    assert found.parameters.filter(parameter="fast")["value"].to_list() == ["3", "4", "5"]
    assert found.costs.height == found.pairs.height == found.phases.height == 0
    assert found.range_of("parameters")[0] == found.parameters["sharpe"].min()
    assert all(math.isnan(value) for value in found.range_of("costs"))


def test_constraints_and_choices():
    def signals(df, params):
        return df["close"] > df["close"].shift(params["days"] if params["way"] == "slow" else 1)

    ways = Param("way", "choice", "slow", choices=("slow", "quick"))
    schema = (Param("days", "int", 4, low=3, high=5), ways)
    rule = SignalStrategy(signals, name="picked", schema=schema, constraints=("days > 3",))
    found = sensitivity(rule, None, BARS, parts=["parameters", "delays"], delays=1)
    rows = {(name, value): figure for name, value, figure in found.parameters.iter_rows()}
    assert math.isnan(rows["days", "3"]) and rows["days", "4"] == found.real
    assert rows["way", "quick"] == BacktestEngine().run(BARS, rule, {"way": "quick"}).stats["sharpe"]
    assert any("constraints" in note for note in found.notes)


def test_a_varied_setting_is_a_parameter():
    found = sensitivity("ma_crossover", {**PARAMS, "stop_loss": 0.04}, BARS, parts=["parameters"])
    rows = {(name, value): figure for name, value, figure in found.parameters.iter_rows()}
    stats = BacktestEngine(stops=Stops(stop_loss=0.02)).run(BARS, "ma_crossover", PARAMS).stats
    assert rows["stop_loss", "0.02"] == stats["sharpe"]


def test_phases_of_a_cycle():
    found = sensitivity(RULE, {"lookback": 20, "every": 10}, PANEL, parts=["phases", "costs"])
    assert found.phases["phase"].to_list() == list(range(10))
    for phase in (0, 3, 9):
        rule = Rank(Momentum("lookback"), 2, rebalance=Rebalance(10, start=phase))
        assert (
            found.phases["sharpe"][phase]
            == BacktestEngine().run(PANEL, rule, {"lookback": 20}).stats["sharpe"]
        )
    paid = BacktestEngine(costs=Costs(slippage_bps=20.0)).run(PANEL, RULE, {"lookback": 20, "every": 10})
    assert found.costs.filter(added_bps=20.0)["total_return"][0] == paid.stats["total_return"]
    monthly = sensitivity(Rank(Momentum(20), 2), None, PANEL, parts=["phases", "delays"])
    assert monthly.phases.height >= 20 and monthly.phases["sharpe"][0] == monthly.real
    assert any("no order book" in note for note in monthly.notes)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"parts": ["cost"]}, "did you mean 'costs'"),
        ({"around": {"fats": [1]}}, "did you mean 'fast'"),
        ({"around": {"fast": []}}, "at least one value"),
        ({"added_bps": [5, 1]}, "rising numbers"),
        ({"starts": -1}, "starts: expected a whole number from 0"),
        ({"delays": -1}, "delays: expected"),
        ({"feee": 3}, "no argument 'feee'"),
    ],
)
def test_wrong_input_is_one_clear_error(change, text):
    with pytest.raises(PeakFastError) as error:
        sensitivity("ma_crossover", PARAMS, BARS, **change)
    assert text in str(error.value)


def test_few_bars_give_few_beginnings():
    found = sensitivity("momentum", None, BARS.slice(0, 6), parts=["starts"])
    assert found.starts["start"].to_list() == [0, 1, 2, 3, 4] and "fewer are left out" in found.notes[0]


# Regimes


RESULT = BacktestEngine().run(BARS, "ma_crossover", PARAMS)


def slow_regimes(closes, trend, volatility):
    """From the words of docs/validation.md, a bar at a time."""
    returns = [closes[k] / closes[k - 1] - 1 for k in range(1, len(closes))]
    found, spreads = [], []
    for bar in range(len(closes)):
        known = returns[: max(bar - 1, 0)]
        if len(known) >= volatility:
            spreads.append(np.std(known[-volatility:], ddof=1))
        if bar < trend or len(known) < volatility:
            found.append(4)
            continue
        bull = closes[bar - 1] > np.mean(closes[bar - trend : bar])
        found.append(2 * (not bull) + int(spreads[-1] > np.median(spreads)))
    return found


@pytest.mark.parametrize(("trend", "volatility"), [(50, 10), (5, 40)])
def test_regimes_are_those_of_the_words(trend, volatility):
    found = regimes(RESULT, trend=trend, volatility=volatility)
    assert found.regime_of.tolist() == slow_regimes(BARS.close.tolist(), trend, volatility)


def test_no_regime_knows_the_future():
    whole = regimes(RESULT, trend=50).regime_of
    for stop in (60, 200, 431):
        part = BacktestEngine().run(BARS.slice(0, stop), "ma_crossover", PARAMS)
        np.testing.assert_array_equal(regimes(part, trend=50).regime_of, whole[:stop])


def test_figures_of_regimes():
    found = regimes(RESULT, trend=50)
    frame = found.frame
    every = frame.filter(regime="all").row(0, named=True)
    assert every["sharpe"] == pytest.approx(RESULT.stats["sharpe"], rel=1e-9)
    assert every["total_return"] == pytest.approx(RESULT.stats["total_return"], rel=1e-9)
    assert every["max_drawdown"] == pytest.approx(RESULT.stats["max_drawdown"], rel=1e-9)
    assert every["trades"] == len(RESULT.trades)
    parts = frame.head(5)
    assert parts["bars"].sum() == 600 and parts["trades"].sum() == len(RESULT.trades)
    assert np.prod(1 + parts["total_return"].to_numpy()) == pytest.approx(1 + every["total_return"])
    inside = found.regime_of == 1
    returns = RESULT.equity / np.append(100_000.0, RESULT.equity[:-1]) - 1
    row = frame.row(1, named=True)
    assert row["mean"] == pytest.approx(returns[inside].mean() * RESULT.bars.periods_per_year)
    assert "not known" in found.summary() and found.notes


def test_regimes_of_portfolios_and_other_markets():
    result = BacktestEngine().run(PANEL, RULE, {"lookback": 20, "every": 10})
    found = regimes(result, trend=30)
    assert found.frame["bars"][:5].sum() == 300
    other = regimes(result, market=PANEL["A0"], trend=30)
    assert (other.regime_of != found.regime_of).any()
    with pytest.raises(PeakFastError, match="expected the 300 times"):
        regimes(result, market=BARS)
    below = BARS.to_polars().with_columns(pl.col("open", "high", "low", "close") - 150.0)
    with pytest.raises(PeakFastError, match="closes above zero"):
        regimes(RESULT, market=below)
    with pytest.raises(PeakFastError, match="result of a run"):
        regimes([1.0, 2.0])


def test_pictures_are_drawn():
    pytest.importorskip("matplotlib")
    phases = sensitivity(RULE, {"lookback": 20, "every": 10}, PANEL, parts=["phases"])
    for result in (FOUND, phases, regimes(RESULT, trend=50)):
        assert result.plot().axes
        assert isinstance(result.to_dict(), dict) and result.summary()


@pytest.mark.parametrize("function", (permutation_test, noise_test, sensitivity))
def test_an_argument_that_is_not_there_is_answered_with_those_that_are(function):
    own = keywords(function)[3:]
    for name in own:
        with pytest.raises(PeakFastError, match=f"no argument '{name}s'; did you mean '{name}'"):
            function("ma_crossover", PARAMS, BARS, **{f"{name}s": 1})
    for name in {"worlds", "noise", "parts", "delays"} - set(own):
        with pytest.raises(PeakFastError) as caught:
            function("ma_crossover", PARAMS, BARS, **{name: 1})
        assert f"'{name}'" not in str(caught.value).replace(f"no argument '{name}'", "")
