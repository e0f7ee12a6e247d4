"""Performance metrics: pure functions on arrays, one documented convention each.

>>> from peak_fast import metrics
>>> round(metrics.max_drawdown([-0.10, 0.02, 0.03]), 12)
-0.1

Conventions
-----------
* ``returns`` are *simple* returns per period, ``e_t / e_(t-1) - 1``, the first one against the initial cash.
  Arrays, Series and lists are taken; results are plain floats.
* ``periods_per_year`` (q) annualises; a risk-free rate is given per *year* and becomes
  ``(1 + rf)^(1/q) - 1`` per period.
* NaN returns are missing: left out of means, deviations and quantiles; growth, drawdowns and the number of
  periods treat them as returns of 0.
* A ratio is NaN for 0/0 and infinite for x/0.  Ratios to a standard deviation are NaN where it is 0: a
  spread below 1e-15 of the sum of squares is rounding noise and counts as 0.  Too few values give NaN.
* Equity at or below zero: total return -1 or less, annual growth -1.

Where other libraries differ, a keyword selects their convention; docs/metrics.md has the table.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_fast.arguments import number
from peak_fast.columns import as_float_array
from peak_fast.guard import guarded
from peak_fast.metrics.benchmark import alpha, beta, capture, information_ratio, r_squared
from peak_fast.metrics.catalog import CATALOG
from peak_fast.metrics.drawdowns import (
    DrawdownEpisode,
    deepest_episodes,
    drawdown,
    drawdown_episodes,
    max_drawdown,
    max_drawdown_duration,
    ulcer_index,
)
from peak_fast.metrics.ratios import (
    deviation,
    growth_curve,
    known,
    mean,
    per_period,
    positive,
    power,
    ratio,
)
from peak_fast.metrics.tails import (
    conditional_value_at_risk,
    kurtosis,
    skew,
    tail_ratio,
    value_at_risk,
)
from peak_fast.metrics.trades import (
    average_loss,
    average_win,
    expectancy,
    exposure,
    kelly_fraction,
    longest_streak,
    payoff_ratio,
    profit_factor,
    sqn,
    win_rate,
)
from peak_kernels.arrays import FloatArray

__all__ = [
    "DrawdownEpisode",
    "alpha",
    "average_loss",
    "average_win",
    "beta",
    "cagr",
    "calmar",
    "capture",
    "conditional_value_at_risk",
    "deepest_episodes",
    "downside_deviation",
    "drawdown",
    "drawdown_episodes",
    "expectancy",
    "exposure",
    "gain_to_pain",
    "geometric_mean",
    "growth_curve",
    "information_ratio",
    "kelly_fraction",
    "kurtosis",
    "longest_streak",
    "martin_ratio",
    "max_drawdown",
    "max_drawdown_duration",
    "omega",
    "payoff_ratio",
    "probabilistic_sharpe_ratio",
    "profit_factor",
    "r_squared",
    "recovery_factor",
    "return_statistics",
    "returns_from_equity",
    "sharpe",
    "skew",
    "sortino",
    "sqn",
    "stability",
    "tail_ratio",
    "total_return",
    "ulcer_index",
    "value_at_risk",
    "volatility",
    "win_rate",
]


@guarded
def returns_from_equity(equity: Any, initial: float | None = None) -> FloatArray:
    """Simple returns of an equity curve.

    Parameters
    ----------
    equity
        Equity at each bar's close, shape ``(n,)``.
    initial
        Equity before the first bar.  None: the first bar has no return and the result is one shorter.

    Returns
    -------
    ndarray
        Shape ``(n,)`` or ``(n - 1,)``; 0 where the equity before is not positive, NaN next to a NaN.
    """
    curve = as_float_array(equity, "equity")
    if initial is not None:
        curve = np.concatenate(([positive(initial, "initial")], curve))
    before = curve[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before <= 0.0, 0.0, curve[1:] / before - 1.0)


# Growth


@guarded
def total_return(returns: Any) -> float:
    """Growth over the whole time, ``prod(1 + r) - 1``, a fraction; NaN for no returns."""
    curve = growth_curve(returns)
    return float(curve[-1]) - 1.0 if curve.size else math.nan


@guarded
def cagr(returns: Any, periods_per_year: float, years: float | None = None) -> float:
    """Compound annual growth rate, ``prod(1 + r)^(q / n) - 1``; -1 where nothing is left.

    A few bars of a fast clock can give a power beyond float64: infinity.

    Parameters
    ----------
    returns
        Simple returns; NaN counts as 0 and in ``n``.
    periods_per_year
        Periods per year, q.
    years
        Length in years instead of ``n / q``, for calendar time (ffn: seconds / 31,557,600).
    """
    curve = growth_curve(returns)
    if curve.size == 0:
        return math.nan
    span = curve.size / positive(periods_per_year, "periods_per_year") if years is None else years
    return power(float(curve[-1]), 1.0 / positive(span, "years")) - 1.0 if curve[-1] > 0.0 else -1.0


@guarded
def geometric_mean(returns: Any) -> float:
    """Constant return per period of that growth, ``prod(1 + r)^(1 / n) - 1``; -1 where nothing is left."""
    return cagr(returns, 1.0)


# Risk-adjusted


@guarded
def volatility(returns: Any, periods_per_year: float) -> float:
    """Annualised standard deviation, ``std(r, ddof 1) * sqrt(q)``; NaN below two returns."""
    return deviation(known(returns)) * math.sqrt(positive(periods_per_year, "periods_per_year"))


@guarded
def downside_deviation(returns: Any, periods_per_year: float, risk_free: float = 0.0) -> float:
    """Annualised root mean square of the shortfalls, ``sqrt(mean(min(r - rf, 0)^2)) * sqrt(q)``.

    The mean is over all returns, not over the negative ones only (Sortino & Price 1994).
    """
    shortfall = np.minimum(known(returns) - per_period(risk_free, periods_per_year), 0.0)
    return math.sqrt(mean(shortfall * shortfall)) * math.sqrt(periods_per_year)


@guarded
def sharpe(returns: Any, periods_per_year: float, risk_free: float = 0.0) -> float:
    """Sharpe ratio, ``mean(r - rf) / std(r, ddof 1) * sqrt(q)``; NaN for constant returns.

    Source: Sharpe (1994), doi:10.3905/jpm.1994.409501.
    """
    values = known(returns)
    free, spread = per_period(risk_free, periods_per_year), deviation(values)
    return (mean(values) - free) / spread * math.sqrt(periods_per_year) if spread > 0.0 else math.nan


@guarded
def sortino(returns: Any, periods_per_year: float, risk_free: float = 0.0) -> float:
    """Sortino ratio, ``mean(r - rf) * q`` over `downside_deviation`; the rate is also the target.

    Infinite without a shortfall, NaN where the excess is 0 as well.  Source: Sortino & Price (1994),
    doi:10.3905/joi.3.3.59.
    """
    excess = mean(known(returns)) - per_period(risk_free, periods_per_year)
    return ratio(excess * periods_per_year, downside_deviation(returns, periods_per_year, risk_free))


@guarded
def calmar(
    returns: Any, periods_per_year: float, years: float | None = None, include_start: bool = True
) -> float:
    """Annual growth over the deepest drawdown, ``cagr / |max_drawdown|``; NaN without a drawdown.

    ``years`` and ``include_start`` as in `cagr` and `max_drawdown`.
    """
    growth, deepest = cagr(returns, periods_per_year, years), max_drawdown(returns, include_start)
    return growth / -deepest if deepest < 0.0 else math.nan


@guarded
def recovery_factor(returns: Any, include_start: bool = True, compounded: bool = True) -> float:
    """Total return over the deepest drawdown; NaN without one.

    ``compounded=False`` takes the sum of the returns instead (quantstats, which also drops the sign).
    """
    deepest = max_drawdown(returns, include_start)
    gain = total_return(returns) if compounded else float(known(returns).sum())
    return gain / -deepest if deepest < 0.0 else math.nan


@guarded
def martin_ratio(
    returns: Any,
    periods_per_year: float,
    risk_free: float = 0.0,
    include_start: bool = True,
) -> float:
    """Annual growth above the risk-free rate over the ulcer index; NaN or infinite without a drawdown."""
    threshold = number("risk_free", risk_free, "an annual rate (0.03 is 3 %)", "0 leaves it out")
    excess = cagr(returns, periods_per_year) - threshold
    return ratio(excess, ulcer_index(returns, include_start))


@guarded
def omega(returns: Any, periods_per_year: float, risk_free: float = 0.0) -> float:
    """Omega ratio, ``sum(max(x, 0)) / sum(max(-x, 0))`` with ``x = r - rf``; the rate is the threshold.

    Infinite without a loss (vectorbt; empyrical and quantstats: NaN), NaN where no return differs from the
    threshold.  Source: Keating & Shadwick, A Universal Performance Measure (2002).
    """
    excess = known(returns) - per_period(risk_free, periods_per_year)
    return ratio(float(np.maximum(excess, 0.0).sum()), float(np.maximum(-excess, 0.0).sum()))


@guarded
def gain_to_pain(returns: Any) -> float:
    """Sum of the returns over the sum of the losses, ``sum(r) / sum(max(-r, 0))`` (Schwager 2012)."""
    values = known(returns)
    return ratio(float(values.sum()), float(np.maximum(-values, 0.0).sum()))


@guarded
def probabilistic_sharpe_ratio(
    returns: Any, benchmark_sharpe: float = 0.0, periods_per_year: float = 1.0, bias: bool = False
) -> float:
    """Probability that the true Sharpe ratio exceeds a benchmark, in the form of 2012.

    ``Phi((S - S*) sqrt(n - 1) / sqrt(1 - g3 S + (g4 - 1) / 4 S^2))`` with the Sharpe ratio S per period, the
    skewness g3 and the kurtosis g4 (normal: 3).  The revision of 2026 (SSRN 5520741) gives other numbers.

    Parameters
    ----------
    returns
        Simple returns; NaN are left out.
    benchmark_sharpe
        Sharpe ratio to beat, per year; with the default ``periods_per_year`` of 1, per period.
    periods_per_year
        Periods per year; only the benchmark is divided by its root.
    bias
        Moments with 1/n (True) or corrected for small samples (False; quantstats).

    Returns
    -------
    float
        0 to 1; NaN for constant returns, too few for the moments, or where the root has no real value.

    References
    ----------
    Bailey & Lopez de Prado (2012), doi:10.21314/JOR.2012.255, equation 9.
    """
    values = known(returns)
    benchmark = number("benchmark_sharpe", benchmark_sharpe, "a Sharpe ratio", "0 asks for any skill at all")
    spread = deviation(values)
    if not spread > 0.0:
        return math.nan
    observed = mean(values) / spread
    target = benchmark / math.sqrt(positive(periods_per_year, "periods_per_year"))
    third, fourth = skew(values, bias), kurtosis(values, bias) + 3.0
    variance = 1.0 - third * observed + (fourth - 1.0) / 4.0 * observed * observed
    if not variance > 0.0:
        return math.nan
    from statistics import NormalDist

    return NormalDist().cdf((observed - target) * math.sqrt((values.size - 1) / variance))


@guarded
def stability(returns: Any) -> float:
    """R squared of a straight line through the logarithm of the growth curve (empyrical), 0 to 1.

    NaN below two returns, for a flat curve, and where a return is -100 % or less.
    """
    values = known(returns)
    if values.size < 2 or values.min() <= -1.0:
        return math.nan
    curve = np.cumsum(np.log1p(values))
    return r_squared(curve, np.arange(curve.size))


@guarded
def return_statistics(returns: Any, periods_per_year: float, risk_free: float = 0.0) -> dict[str, float]:
    """All figures above that need nothing but returns, in our conventions.

    Parameters
    ----------
    returns
        Simple returns per period, shape ``(n,)``.
    periods_per_year
        Periods per year.
    risk_free
        Risk-free rate per year.

    Returns
    -------
    dict
        Name of the function -> value; ``max_drawdown_duration`` in bars, all else fractions or ratios.
    """
    values = as_float_array(returns, "returns")
    given = {"periods_per_year": periods_per_year, "risk_free": risk_free}
    return {
        row.name: float(globals()[row.name](values, *(given[name] for name in row.takes)))
        for row in CATALOG.values()
        if row.takes is not None
    }
