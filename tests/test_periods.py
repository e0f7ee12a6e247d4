"""Calendar periods, returns over them, and figures in a moving window, against pandas and plain loops."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import metrics
from peak_fast.errors import PeakFastError

DAY = 86_400_000_000


def us(*parts):
    return int(dt.datetime(*parts, tzinfo=dt.UTC).timestamp() * 1_000_000)


@given(
    st.lists(st.integers(us(1969, 12, 20), us(2031, 1, 1)), min_size=1, max_size=60, unique=True),
    st.sampled_from(["day", "week", "month", "quarter", "year"]),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_periods_are_those_of_pandas(times, every, zone):
    pd = pytest.importorskip("pandas")
    times = np.array(sorted(times), dtype=np.int64)
    local = pd.to_datetime(times, unit="us", utc=True).tz_convert(zone).tz_localize(None)
    code = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}[every]
    wanted = local.to_period(code)
    found = metrics.periods_of(times, every, zone)
    ends = [i for i in range(len(times)) if i + 1 == len(times) or wanted[i + 1] != wanted[i]]
    assert found.last.tolist() == ends
    starts = [(wanted[i].start_time.normalize() - pd.Timestamp(0)).days for i in ends]
    assert found.key.tolist() == starts


def test_a_bar_stamped_by_its_close_belongs_to_the_day_that_ends():
    times = [us(2024, 1, 31), us(2024, 2, 1), us(2024, 2, 2)]
    assert metrics.periods_of(times, "month").last.tolist() == [0, 2]
    assert metrics.periods_of(times, "month", stamp="close").last.tolist() == [1, 2]


def test_returns_of_periods_multiply_to_the_whole():
    equity = np.array([101.0, 99.0, 110.0, 121.0, 60.5])
    times = np.array([us(2024, 1, 2), us(2024, 1, 31), us(2024, 2, 1), us(2024, 3, 1), us(2024, 3, 2)])
    returns = metrics.period_returns(equity, metrics.periods_of(times, "month"), 100.0)
    assert returns == pytest.approx([-0.01, 110 / 99 - 1, 60.5 / 110 - 1], abs=1e-15)
    assert np.prod(1 + returns) == pytest.approx(60.5 / 100)


def naive(what, own, other, per_year):
    """One window by the definitions of docs/metrics.md."""
    if what == "return":
        return np.prod(1 + own) - 1
    if what == "volatility":
        return own.std(ddof=1) * np.sqrt(per_year)
    if what == "sharpe":
        return own.mean() / own.std(ddof=1) * np.sqrt(per_year)
    if what == "sortino":
        return own.mean() / np.sqrt((np.minimum(own, 0) ** 2).mean()) * np.sqrt(per_year)
    if what == "max_drawdown":
        curve = np.cumprod(np.concatenate(([1.0], 1 + own)))
        return (curve / np.maximum.accumulate(curve) - 1).min()
    covariance = np.cov(own, other, ddof=1)
    if what == "beta":
        return covariance[0, 1] / covariance[1, 1]
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])


@pytest.mark.parametrize(
    "what", ["return", "volatility", "sharpe", "sortino", "max_drawdown", "beta", "correlation"]
)
@pytest.mark.parametrize("window", [2, 21, 100])
def test_moving_figures_are_those_of_each_window(what, window):
    random = np.random.default_rng(5)
    own, other = random.normal(0.0004, 0.012, 300), random.normal(0.0002, 0.01, 300)
    found = metrics.rolling(what, own, window, periods_per_year=252.0, benchmark=other)
    assert np.isnan(found[: window - 1]).all()
    for end in range(window, 301):
        part = slice(end - window, end)
        if what == "sortino" and not (own[part] < 0).any():
            assert np.isnan(found[end - 1])
            continue
        assert found[end - 1] == pytest.approx(
            naive(what, own[part], other[part], 252.0), rel=1e-8, abs=1e-10
        )


def test_moving_figures_of_nothing_have_no_value():
    assert np.isnan(metrics.rolling("sharpe", np.zeros(10), 4)).all()
    assert metrics.rolling("volatility", np.zeros(10), 4)[3:].tolist() == [0.0] * 7
    assert np.isnan(metrics.rolling("beta", np.arange(10) / 100, 4, benchmark=np.zeros(10))).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: metrics.rolling("sharp", [0.1, 0.2], 2), "did you mean 'sharpe'"),
        (lambda: metrics.rolling("sharpe", [0.1, 0.2], 1), "window: expected a whole number from 2"),
        (lambda: metrics.rolling("beta", [0.1, 0.2], 2), "expected a benchmark"),
        (lambda: metrics.rolling("beta", [0.1, 0.2], 2, benchmark=[0.1]), "one length"),
        (lambda: metrics.periods_of([0], "fortnight"), "every: expected one of day"),
    ],
)
def test_bad_input_is_one_clear_error(call, text):
    with pytest.raises(PeakFastError, match=text):
        call()


def test_deepest_episodes_are_the_deepest_of_all():
    random = np.random.default_rng(2)
    for seed in range(30):
        equity = 100.0 * np.exp(np.cumsum(random.normal(0, 0.01, 200))) if seed else np.arange(1.0, 50.0)
        every = sorted(metrics.drawdown_episodes(equity, 100.0), key=lambda one: one.depth)
        assert metrics.deepest_episodes(equity, 100.0, 5) == every[:5]
