"""The metrics folded in the kernel are those of `peak_fast.metrics.returns` on the stored curve and trades."""

import math

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st

from peak_fast.metrics import returns as m
from peak_fast.metrics.catalog import METRICS
from peak_fast.settings.sizing import FractionOfEquity
from peak_fast.settings.slots import settings_vector
from peak_fast.settings.trading import Costs, Execution, RiskLimits, Stops
from peak_kernels import slots as t
from tests.kernel_cases import decisions_of, kernel_settings, make_bars, price_bars, rules_of, run_kernel
from tests.oracle import Rules


def from_the_curve(outcome, settings):
    """Every metric of `types.METRICS` from curve and records, by the functions of `peak_fast.metrics.returns`."""
    equity, _, position = outcome.curve
    initial, year = settings[t.INITIAL_CASH], settings[t.PERIODS_PER_YEAR]
    yearly = (1.0 + settings[t.RISK_FREE]) ** year - 1.0
    returns = m.returns_from_equity(equity, initial)
    pnl = outcome.trades[:, t.TRADE_COLUMNS.index("net_pnl")]
    entry = outcome.trades[:, t.TRADE_COLUMNS.index("entry_price")]
    size = outcome.trades[:, t.TRADE_COLUMNS.index("size")]
    status = outcome.orders[:, t.ORDER_COLUMNS.index("status")]
    return {
        "final_equity": equity[-1],
        "total_return": m.total_return(returns),
        "cagr": m.cagr(returns, year),
        "volatility": m.volatility(returns, year),
        "sharpe": m.sharpe(returns, year, yearly),
        "sortino": m.sortino(returns, year, yearly),
        "calmar": m.calmar(returns, year),
        "max_drawdown": m.max_drawdown(returns),
        "recovery_factor": m.recovery_factor(returns),
        "exposure": m.exposure(position),
        "total_trades": len(pnl) + (position[-1] != 0),
        "closed_trades": len(pnl),
        "win_rate": m.win_rate(pnl),
        "profit_factor": m.profit_factor(pnl),
        "expectancy": m.expectancy(pnl),
        "sqn": m.sqn(pnl),
        "average_trade_return": average_trade_return(pnl, entry * size),
        "total_fees": outcome.fills[:, t.FILL_COLUMNS.index("fee")].sum(),
        "total_slippage": outcome.fills[:, t.FILL_COLUMNS.index("slippage")].sum(),
        "total_orders": len(outcome.orders),
        "filled_orders": (status <= t.CUT).sum(),
        "rejected_orders": (status == t.REJECTED).sum(),
        # Nothing is lent, and nothing is charged, on the fast path.
        "total_interest": 0.0,
        "total_funding": 0.0,
        "max_drawdown_duration": m.max_drawdown_duration(returns),
        "ulcer_index": m.ulcer_index(returns),
    }


def average_trade_return(pnl, invested):
    """Mean return; infinite for a fixed fee on next to nothing."""
    with np.errstate(over="ignore"):
        return float(np.mean(pnl / invested)) if len(pnl) else math.nan


def condition(outcome, settings):
    """How much rounding in equity is magnified: by the ratio of the mean to the spread, and near ruin."""
    equity = outcome.curve[t.CURVE_EQUITY]
    returns = m.returns_from_equity(equity, settings[t.INITIAL_CASH])
    spread = returns.std()
    return max(1.0, np.abs(returns).max() / spread if spread > 0 else 1.0)


def compare(outcome, settings):
    folded = dict(zip(METRICS, outcome.metrics.tolist(), strict=True))
    expected = from_the_curve(outcome, settings)
    assert expected.keys() == folded.keys() - {"ambiguous_bars"}
    noise = 1e-9 * condition(outcome, settings)
    equity = outcome.curve[t.CURVE_EQUITY]
    if equity.min() <= 0.0:
        # Returns after a ruin are 0, so their product stops there; these figures are those of the equity itself.
        depth = m.drawdown(equity, settings[t.INITIAL_CASH])
        expected["total_return"] = equity[-1] / settings[t.INITIAL_CASH] - 1.0
        expected["max_drawdown"] = depth.min()
        expected["ulcer_index"] = math.sqrt(np.mean(depth * depth))
        expected["calmar"] = expected["cagr"] / -depth.min()
        expected["recovery_factor"] = expected["total_return"] / -depth.min()
    if 0.0 < -expected["max_drawdown"] < 1e-6 and folded["max_drawdown"] < 0.0:
        # A drawdown not far above rounding errors has few digits: what is divided by it has the folded ones.
        expected["calmar"] = folded["cagr"] / -folded["max_drawdown"]
        expected["recovery_factor"] = folded["total_return"] / -folded["max_drawdown"]
    for name, value in expected.items():
        mine = folded[name]
        if not math.isfinite(value):
            assert mine == value or (math.isnan(mine) and math.isnan(value)), (name, mine, value)
        else:
            # Absolute: quantities that are differences of numbers around 1, or of money around the account.
            scale = settings[t.INITIAL_CASH] if name in ("expectancy", "final_equity") else 1.0
            rtol = noise
            if name == "sqn":
                # The spread of trades comes from sums of squares: its rounding is magnified by (mean / spread)^2.
                rtol += np.finfo(float).eps * value * value / len(outcome.trades)
            np.testing.assert_allclose(mine, value, rtol=rtol, atol=1e-12 * scale, err_msg=name)


@st.composite
def cases(draw):
    rules = draw(rules_of())
    bars = draw(price_bars(max_bars=60))
    decide = draw(decisions_of(len(bars), rules.weights))
    return (
        rules,
        bars,
        decide,
        draw(st.sampled_from([0.0, 0.03])),
        draw(st.sampled_from([52.0, 252.0, 98_280.0])),
    )


@given(cases())
@example((Rules(minimum=1.0, trailing=0.125, weights=True), [(1,) * 4, (0.8,) * 4], {0: 5e-324}, 0.0, 52.0))
@example((Rules(), [None, (1.0, 1.0, 0.96875, 0.96875)], {0: -1.0}, 0.0, 98_280.0))
@example(
    (
        Rules(take_profit=0.015625, entry_bar_stops=False, enter_only_flat=True),
        [None, (1.0,) * 4, None, (1.0, 1.0, 0.94140625, 0.94140625), (0.753125,) * 4],
        {3: -1.0, 0: -1.0},
        0.0,
        52.0,
    )
)
# Slippage of half the price: the equity goes below zero twice, and returns after the first time are 0.
@example(
    case=(
        Rules(slippage_abs=51.0, entry_bar_stops=False),
        [None, (100.0,) * 4, (100.0,) * 4],
        {0: -1.0},
        0.0,
        52.0,
    )
)
def test_folded_metrics_are_those_of_the_curve(case):
    rules, bars, decide, risk_free, year = case
    settings = kernel_settings(rules, year)
    settings[t.RISK_FREE] = (1.0 + risk_free) ** (1.0 / year) - 1.0
    outcome = run_kernel(make_bars(bars), decide, settings)
    # An account of exactly nothing that gains again: no return says it, so the returns do not multiply to the total.
    assume((outcome.curve[t.CURVE_EQUITY][:-1] != 0.0).all())
    compare(outcome, settings)


def plain_settings(**changed):
    given = {
        "initial_cash": 10_000.0,
        "execution": Execution(),
        "costs": Costs(rate=0.001, slippage_bps=5),
        "stops": Stops(),
        "sizing": FractionOfEquity(),
        "risk_limits": RiskLimits(),
        "periods_per_year": 252.0,
    }
    return settings_vector(**{**given, **changed})


def walk(seed, count):
    """A long random walk with drift and bars whose open gaps."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0002, 0.015, count)))
    opening = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0, 0.003, count))
    high = np.maximum(opening, close) * 1.004
    low = np.minimum(opening, close) * 0.996
    return list(zip(opening, high, low, close, strict=True))


@given(st.integers(0, 2**31), st.integers(2, 90), st.booleans())
def test_long_stretches_fold_like_single_bars(seed, every, stops):
    """Stretches longer than a vector register's eight bars, with every remainder."""
    bars = walk(seed, 700)
    rng = np.random.default_rng(seed)
    decide = {int(bar): float(rng.integers(-1, 2)) for bar in range(0, 700, every)}
    settings = plain_settings(
        stops=Stops(stop_loss=0.05, trailing=0.08) if stops else Stops(), risk_free=0.02
    )
    compare(run_kernel(make_bars(bars), decide, settings), settings)


def test_flat_account():
    settings = plain_settings(risk_free=0.05)
    outcome = run_kernel(make_bars(walk(1, 50)), {}, settings)
    compare(outcome, settings)
    found = dict(zip(METRICS, outcome.metrics.tolist(), strict=True))
    assert found["volatility"] == 0.0 and math.isnan(found["sharpe"]) and math.isnan(found["calmar"])
    assert found["sortino"] < 0.0


def test_ambiguous_bars_are_counted():
    bars = [(100, 100, 100, 100), (100, 110, 90, 100), (100, 110, 90, 100), (100, 100, 100, 100)]
    settings = plain_settings(stops=Stops(stop_loss=0.05, take_profit=0.05))
    outcome = run_kernel(make_bars(bars), {0: 1.0, 1: -1.0}, settings)
    assert outcome.metrics[METRICS.index("ambiguous_bars")] == 2


def test_ruin():
    """A short that gaps beyond its collateral leaves less than nothing; growth ends at -100 %."""
    bars = [(100, 100, 100, 100), (100, 100, 100, 100), (400, 400, 400, 400), (400, 500, 400, 500)]
    settings = plain_settings(costs=Costs())
    outcome = run_kernel(make_bars(bars), {0: -1.0}, settings)
    found = dict(zip(METRICS, outcome.metrics.tolist(), strict=True))
    assert outcome.curve[t.CURVE_EQUITY].tolist() == [10_000, 10_000, -20_000, -20_000]
    assert (found["total_return"], found["cagr"], found["max_drawdown"]) == (-3.0, -1.0, -3.0)
    assert found["max_drawdown_duration"] == 2
