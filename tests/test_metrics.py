"""Metrics: worked examples, conventions, edges, and agreement with the sums folded in the kernel."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, synthetic
from peak_fast.errors import ConfigError, DataError
from peak_fast.metrics import returns as m

YEAR = 252.0
RETURNS = st.lists(st.floats(-0.5, 0.5).map(lambda x: round(x, 4)), min_size=1, max_size=60)
SOME = np.array([0.01, -0.02, 0.03, 0.0, -0.01, 0.02, 0.015, -0.005])


def curve_of(returns, initial=1.0):
    value, values = initial, []
    for r in returns:
        value *= 1.0 + r
        values.append(value)
    return values


# Worked by hand


def test_growth_beyond_float64_is_infinite():
    """One doubling a minute is 2**98280 a year."""
    doubling = np.array([1.0, 1.0])
    assert m.cagr(doubling, 98_280.0) == math.inf
    assert m.calmar([3.0, -0.5], 98_280.0) == math.inf
    assert m.alpha([1.0, 1.5], [0.1, 0.2], 98_280.0) == math.inf
    assert m.capture([0.001, -0.002], doubling, 98_280.0) == 0.0


def test_worked_example_of_growth_and_risk():
    returns = [0.10, -0.50, 0.20]
    assert m.total_return(returns) == pytest.approx(1.1 * 0.5 * 1.2 - 1.0)
    assert m.cagr(returns, 3.0) == pytest.approx(-0.34)
    assert m.cagr(returns, 6.0) == pytest.approx(0.66**2 - 1.0)
    assert m.cagr(returns, 3.0, years=2.0) == pytest.approx(math.sqrt(0.66) - 1.0)
    assert m.geometric_mean(returns) == pytest.approx(0.66 ** (1 / 3) - 1.0)
    deviation = math.sqrt(((0.1 + 0.2 / 3) ** 2 + (-0.5 + 0.2 / 3) ** 2 + (0.2 + 0.2 / 3) ** 2) / 2)
    assert m.volatility(returns, 4.0) == pytest.approx(2.0 * deviation)
    assert m.sharpe(returns, 4.0) == pytest.approx(-0.2 / 3 / deviation * 2.0)
    assert m.downside_deviation(returns, 4.0) == pytest.approx(2.0 * 0.5 / math.sqrt(3))
    assert m.sortino(returns, 4.0) == pytest.approx((-0.2 / 3 * 4.0) / (2.0 * 0.5 / math.sqrt(3)))
    assert m.max_drawdown(returns) == pytest.approx(-0.5)
    assert m.calmar(returns, 3.0) == pytest.approx(-0.34 / 0.5)
    assert m.recovery_factor(returns) == pytest.approx(-0.34 / 0.5)
    assert m.recovery_factor(returns, compounded=False) == pytest.approx(-0.2 / 0.5)
    assert m.omega(returns, 4.0) == pytest.approx(0.3 / 0.5)
    assert m.gain_to_pain(returns) == pytest.approx(-0.2 / 0.5)
    assert m.ulcer_index(returns) == pytest.approx(math.sqrt((0.5**2 + 0.4**2) / 3))
    assert m.ulcer_index(returns, ddof=1) == pytest.approx(math.sqrt((0.5**2 + 0.4**2) / 2))
    assert m.martin_ratio(returns, 3.0, 0.06) == pytest.approx(-0.40 / math.sqrt((0.5**2 + 0.4**2) / 3))


def test_a_risk_free_rate_is_annual_and_compounds():
    monthly = 1.03 ** (1 / 12) - 1
    excess = SOME - monthly
    assert m.sharpe(SOME, 12.0, 0.03) == pytest.approx(excess.mean() / SOME.std(ddof=1) * math.sqrt(12))
    shortfall = np.minimum(excess, 0.0)
    assert m.sortino(SOME, 12.0, 0.03) == pytest.approx(
        excess.mean() * 12 / (math.sqrt((shortfall**2).mean()) * math.sqrt(12))
    )
    assert m.omega(SOME, 12.0, 0.03) == pytest.approx(excess[excess > 0].sum() / -shortfall.sum())


def test_the_start_is_a_peak_unless_asked_otherwise():
    returns = [-0.10, 0.02, -0.04, 0.03]
    assert m.max_drawdown(returns) == pytest.approx(0.9 * 1.02 * 0.96 - 1.0)
    assert m.max_drawdown(returns, include_start=False) == pytest.approx(-0.04)
    assert m.max_drawdown_duration(returns) == 4
    assert m.max_drawdown_duration(returns, include_start=False) == 2
    assert m.calmar(returns, 4.0, include_start=False) == pytest.approx(m.cagr(returns, 4.0) / 0.04)


def test_drawdown_curve_and_episodes():
    equity = [100.0, 90.0, 110.0, 99.0, 88.0, 110.0, 120.0, 60.0]
    depth = m.drawdown(equity, initial=100.0)
    np.testing.assert_allclose(depth, [0.0, -0.1, 0.0, -0.1, -0.2, 0.0, 0.0, -0.5], atol=1e-15)
    episodes = m.drawdown_episodes(equity, initial=100.0)
    assert [e[:3] for e in episodes] == [(0, 1, 2), (2, 4, 5), (6, 7, 7)]
    assert [e.recovered for e in episodes] == [True, True, False]
    np.testing.assert_allclose([e.depth for e in episodes], [-0.1, -0.2, -0.5], rtol=1e-14)
    assert m.drawdown_episodes([90.0, 80.0], initial=100.0)[0].peak == -1
    assert m.drawdown_episodes([1.0, 2.0, 2.0]) == []
    np.testing.assert_array_equal(m.drawdown([math.nan, 10.0, math.nan, 5.0]), [math.nan, 0.0, 0.0, -0.5])
    assert m.drawdown([]).size == 0


def test_trades():
    pnl = [100.0, -50.0, 0.0, 30.0, -20.0]
    assert m.win_rate(pnl) == pytest.approx(0.4)
    assert m.profit_factor(pnl) == pytest.approx(130.0 / 70.0)
    assert m.average_win(pnl) == pytest.approx(65.0)
    assert m.average_loss(pnl) == pytest.approx(-35.0)
    assert m.payoff_ratio(pnl) == pytest.approx(65.0 / 35.0)
    assert m.expectancy(pnl) == pytest.approx(12.0)
    spread = math.sqrt(sum((x - 12.0) ** 2 for x in pnl) / 4)
    assert m.sqn(pnl) == pytest.approx(math.sqrt(5) * 12.0 / spread)
    assert m.kelly_fraction(pnl) == pytest.approx(0.5 - 0.5 / (65.0 / 35.0))
    assert m.longest_streak([1, 2, -1, 3, 4, 5, 0, 6]) == 3
    assert m.longest_streak([1, -2, -1, math.nan, -4], winning=False) == 2
    assert m.exposure([0.0, 1.0, -2.0, math.nan]) == 0.5


def test_tails():
    returns = np.arange(-10, 11) / 100.0
    assert m.value_at_risk(returns, 0.05) == pytest.approx(-0.09)
    assert m.value_at_risk(returns, 0.075) == pytest.approx(-0.085)
    assert m.conditional_value_at_risk(returns, 0.05) == pytest.approx((-0.10 - 0.09) / 2)
    assert m.tail_ratio(returns) == pytest.approx(1.0)
    spread = returns.std(ddof=1)
    assert m.value_at_risk(returns, method="normal") == pytest.approx(-1.6448536269514722 * spread)
    # The density at the 5 % quantile over 5 %: the mean of a standard normal's worst 5 %.
    assert m.conditional_value_at_risk(returns, method="normal") == pytest.approx(
        -2.0627128075074257 * spread
    )
    assert m.skew(returns) == pytest.approx(0.0, abs=1e-12)


def test_moments_of_a_small_sample():
    values = [1.0, 2.0, 4.0, 8.0]
    assert m.skew(values) == pytest.approx(1.1376243669576889)  # pandas 3.0
    assert m.kurtosis(values) == pytest.approx(0.7576559546313781)  # pandas 3.0
    assert m.skew(values, bias=True) == pytest.approx(0.6568077344996993)  # scipy 1.18
    assert m.kurtosis(values, bias=True) == pytest.approx(-1.0989792060491494)  # scipy 1.18


def test_published_probabilistic_sharpe_ratio():
    """Bailey & Lopez de Prado (2012): PSR(0) = 0.982 for S = 0.458 a month, 24 months, normal moments."""
    half = np.array([1.0, -1.0] * 12)
    returns = half / half.std(ddof=1) + 0.45755008833277844
    observed = m.probabilistic_sharpe_ratio(returns, bias=True)
    kurtosis = m.kurtosis(returns, bias=True) + 3.0
    spread = math.sqrt((1.0 + (kurtosis - 1.0) / 4.0 * 0.45755008833277844**2) / 23.0)
    assert observed == pytest.approx(0.5 * math.erfc(-0.45755008833277844 / spread / math.sqrt(2.0)))
    annual = 0.45755008833277844 * math.sqrt(12.0)
    assert m.probabilistic_sharpe_ratio(returns, annual, 12.0) == pytest.approx(0.5)


def test_benchmark():
    other = np.array([0.02, -0.01, 0.0, 0.01, -0.02, 0.03])
    own = 0.001 + 1.5 * other
    assert m.beta(own, other) == pytest.approx(1.5)
    assert m.r_squared(own, other) == pytest.approx(1.0)
    assert m.alpha(own, other, 12.0, compounded=False) == pytest.approx(0.012)
    assert m.alpha(own, other, 12.0) == pytest.approx(1.001**12 - 1.0)
    active = own - other
    assert m.information_ratio(own, other) == pytest.approx(active.mean() / active.std(ddof=1))
    assert m.capture(own, other, 12.0) == pytest.approx(m.cagr(own, 12.0) / m.cagr(other, 12.0))
    up = other > 0
    assert m.capture(own, other, 12.0, "up") == pytest.approx(m.cagr(own[up], 12.0) / m.cagr(other[up], 12.0))
    own[2] = math.nan
    assert m.beta(own, other) == pytest.approx(1.5)


# Conventions at the edges


@pytest.mark.parametrize("returns", [[], [math.nan, math.nan]])
def test_no_returns_give_nan(returns):
    growth = {"total_return", "cagr", "max_drawdown", "ulcer_index", "max_drawdown_duration"}
    for name, value in m.return_statistics(returns, YEAR).items():
        if len(returns) and name in growth:
            assert value == 0.0, name
        elif name == "max_drawdown_duration":
            assert value == 0.0
        else:
            assert math.isnan(value), name


def test_one_return():
    values = m.return_statistics([-0.1], YEAR)
    assert values["total_return"] == pytest.approx(-0.1)
    assert values["max_drawdown"] == pytest.approx(-0.1)
    assert values["value_at_risk"] == pytest.approx(-0.1)
    for name in ("volatility", "sharpe", "skew", "kurtosis", "stability", "probabilistic_sharpe_ratio"):
        assert math.isnan(values[name]), name


@pytest.mark.parametrize("constant", [0.0, 0.001, -0.003, 1e-9])
def test_constant_returns(constant):
    values = m.return_statistics(np.full(40, constant), YEAR)
    assert values["volatility"] == 0.0
    for name in ("sharpe", "skew", "kurtosis", "probabilistic_sharpe_ratio"):
        assert math.isnan(values[name]), name
    if constant == 0.0:
        assert all(math.isnan(values[name]) for name in ("sortino", "omega", "calmar", "recovery_factor"))
    elif constant > 0.0:
        assert values["sortino"] == values["omega"] == values["martin_ratio"] == math.inf
        assert math.isnan(values["calmar"])


def test_a_compounding_account_is_constant_although_it_rounds():
    equity = 1000.0 * 1.001 ** np.arange(1, 300)
    returns = m.returns_from_equity(equity, 1000.0)
    assert np.ptp(returns) > 0.0
    assert math.isnan(m.sharpe(returns, YEAR))


def test_missing_returns_are_left_out_of_moments_and_are_zero_in_growth():
    holed = np.insert(SOME, [0, 3, 8], math.nan)
    filled = np.nan_to_num(holed, nan=0.0)
    for function in (m.sharpe, m.sortino, m.volatility, m.omega):
        assert function(holed, YEAR) == function(SOME, YEAR)
    for function in (m.tail_ratio, m.value_at_risk, m.conditional_value_at_risk, m.skew, m.stability):
        assert function(holed) == function(SOME)
    assert m.total_return(holed) == pytest.approx(m.total_return(SOME))
    assert m.cagr(holed, YEAR) == m.cagr(filled, YEAR)
    assert m.ulcer_index(holed) == m.ulcer_index(filled)


@pytest.mark.parametrize("loss", [-1.0, -1.5])
def test_total_loss(loss):
    returns = [0.1, loss, 0.2]
    assert m.total_return(returns) == pytest.approx(1.1 * (1.0 + loss) * 1.2 - 1.0)
    assert m.cagr(returns, YEAR) == -1.0
    assert m.max_drawdown(returns) <= -1.0
    assert m.calmar(returns, YEAR) == pytest.approx(-1.0 / -m.max_drawdown(returns))
    assert math.isnan(m.stability(returns))
    equity = [110.0, 0.0, 0.0, 5.0]
    np.testing.assert_allclose(m.returns_from_equity(equity, 100.0), [0.1, -1.0, 0.0, 0.0], rtol=1e-12)


def test_returns_from_equity():
    np.testing.assert_allclose(m.returns_from_equity([110.0, 99.0], 100.0), [0.1, -0.1], rtol=1e-12)
    np.testing.assert_allclose(m.returns_from_equity([110.0, 99.0]), [-0.1], rtol=1e-12)
    assert m.returns_from_equity([]).size == 0


@pytest.mark.parametrize(
    ("pnl", "factor"), [([], math.nan), ([0.0], math.nan), ([1.0], math.inf), ([-1.0], 0.0), ([1, -1], 1.0)]
)
def test_profit_factor_edges(pnl, factor):
    assert m.profit_factor(pnl) == pytest.approx(factor, nan_ok=True)


def test_trade_figures_of_no_trades():
    for function in (m.win_rate, m.expectancy, m.sqn, m.payoff_ratio, m.kelly_fraction, m.average_win):
        assert math.isnan(function([]))
    assert math.isnan(m.sqn([5.0]))
    assert math.isnan(m.sqn([5.0, 5.0, 5.0]))
    assert m.longest_streak([]) == 0
    assert math.isnan(m.exposure([]))


# Properties


@given(returns=RETURNS)
def test_drawdowns_against_a_loop(returns):
    peak, run, longest, worst, squares, value = 1.0, 0, 0, 0.0, 0.0, 1.0
    for r in returns:
        value *= 1.0 + r
        if value >= peak:
            peak, run = value, 0
        else:
            run += 1
            longest = max(longest, run)
        worst = min(worst, value / peak - 1.0)
        squares += (value / peak - 1.0) ** 2
    assert m.max_drawdown(returns) == pytest.approx(worst, abs=1e-15)
    assert m.max_drawdown_duration(returns) == longest
    assert m.ulcer_index(returns) == pytest.approx(math.sqrt(squares / len(returns)), abs=1e-15)
    episodes = m.drawdown_episodes(m.growth_curve(returns), 1.0)
    assert min((e.depth for e in episodes), default=0.0) == pytest.approx(worst, abs=1e-15)


@given(returns=RETURNS, scale=st.floats(0.1, 5.0))
def test_ratios_do_not_change_with_leverage(returns, scale):
    values = np.array(returns)
    for function in (m.sharpe, m.sortino):
        assert function(values * scale, YEAR) == pytest.approx(function(values, YEAR), rel=1e-9, nan_ok=True)
    assert m.tail_ratio(values * scale) == pytest.approx(m.tail_ratio(values), rel=1e-9, nan_ok=True)


@given(returns=RETURNS)
def test_equity_and_returns_are_inverse(returns):
    equity = np.array(curve_of(returns, 1000.0))
    np.testing.assert_allclose(m.returns_from_equity(equity, 1000.0), returns, atol=1e-12)
    assert m.total_return(returns) == pytest.approx(equity[-1] / 1000.0 - 1.0, abs=1e-12)


@given(returns=RETURNS)
def test_worst_periods_are_worse_than_the_threshold(returns):
    assert m.conditional_value_at_risk(returns, 0.2) <= m.value_at_risk(returns, 0.2) + 1e-12


@given(returns=st.lists(st.floats(-0.05, 0.05), min_size=2, max_size=60))
def test_a_benchmark_against_itself(returns):
    values = np.array(returns)
    assume(values.std() > 1e-6)
    assert m.beta(values, values) == pytest.approx(1.0)
    assert m.alpha(values, values, 12.0) == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(m.information_ratio(values, values))


# The sums folded in the kernel are the same figures


@pytest.mark.parametrize("seed", range(4))
def test_the_statistics_of_a_run_are_these_functions(seed):
    bars = synthetic(900, seed=seed)
    result = BacktestEngine().run(bars, "ma_crossover", {"fast": 5, "slow": 20})
    stats, year = result.stats, result.stats["periods_per_year"]
    returns = m.returns_from_equity(result.equity, stats["initial_cash"])
    ours = m.return_statistics(returns, year)
    for name in stats.keys() & ours.keys():
        assert stats[name] == pytest.approx(ours[name], rel=1e-9, nan_ok=True), name
    assert len(stats.keys() & ours.keys()) >= 9
    closed = result.trades.filter(pl.col("exit_reason") != "open")["net_pnl"].to_numpy()
    for name in ("win_rate", "profit_factor", "expectancy", "sqn"):
        assert stats[name] == pytest.approx(getattr(m, name)(closed), rel=1e-9, nan_ok=True), name
    assert stats["exposure"] == pytest.approx(m.exposure(result.position))
    np.testing.assert_allclose(
        result.drawdown["drawdown"].to_numpy(), m.drawdown(result.equity, stats["initial_cash"]), rtol=1e-12
    )


# Inputs


def test_series_are_taken():
    assert m.sharpe(pl.Series(SOME), YEAR) == m.sharpe(SOME, YEAR) == m.sharpe(SOME.tolist(), YEAR)
    assert m.total_return(pl.Series([0.1, None, 0.1])) == pytest.approx(0.21)


def test_bad_input():
    with pytest.raises(ConfigError, match="periods_per_year"):
        m.sharpe(SOME, 0.0)
    with pytest.raises(ConfigError, match="annual rate"):
        m.sharpe(SOME, YEAR, -1.0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        m.value_at_risk(SOME, 5.0)
    with pytest.raises(ConfigError, match="historical"):
        m.value_at_risk(SOME, method="gaussian")
    with pytest.raises(ConfigError, match="historical"):
        m.conditional_value_at_risk(SOME, method="gaussian")
    with pytest.raises(ConfigError, match="side"):
        m.capture(SOME, SOME, YEAR, side="sideways")
    with pytest.raises(DataError, match="one length"):
        m.beta(SOME, SOME[1:])
    with pytest.raises(DataError, match="one dimension"):
        m.total_return(np.ones((2, 2)))


def test_all_names_exist_and_are_documented():
    for name in m.__all__:
        assert getattr(m, name).__doc__
