"""What a Sharpe ratio is worth: probabilistic, deflated, and the history that it needs.

Parameters that the functions share, each a number or an array, broadcast against the others:

``sharpe``
    Observed Sharpe ratio S, per *period*, not annualised.
``observations``
    Number of returns T.
``skew``, ``kurtosis``
    g3 and g4 of the returns; 0 and 3 for a normal.
``benchmark``
    Sharpe ratio S* per period that is to be beaten.
``autocorrelation``
    First autocorrelation r of the returns, for the form of 2026 only.
``level``
    Confidence; 0.95 rejects at 5 %.
``form``
    Which paper.  "2012" (of the deflated ratio: "2014") is Bailey & Lopez de Prado.  "2026" is Lopez de Prado, Lipton &
    Zoonekynd, Sharpe Ratio Inference (SSRN 5520741): variance under the null hypothesis, over T in place of T - 1.  For
    one and the same example they give 0.913 and 0.987.

A figure whose variance is not positive (moments that no returns have, too few returns) is NaN.  All raise
`ConfigError` for an unknown form or an autocorrelation beyond -1 to 1, `DataError` for what is no number.

>>> from peak_fast.statistics import deflated_sharpe, probabilistic_sharpe
>>> round(probabilistic_sharpe(0.45755, 24, skew=-2.448, kurtosis=10.164), 3)
0.913
>>> round(deflated_sharpe(2.5 / 250**0.5, 1250, trials=100, variance=0.5 / 250, skew=-3, kurtosis=10), 4)
0.9004
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_fast.arguments import shown
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.statistics.maxima import expected_maximum, variance_of_maximum
from peak_fast.statistics.normal import below, chosen, numbers, plain, quantile
from peak_kernels.arrays import FloatArray


@guarded
def sharpe_variance(
    sharpe: Any, observations: Any, skew: Any = 0.0, kurtosis: Any = 3.0, autocorrelation: Any = 0.0
) -> Any:
    """Variance of an estimated Sharpe ratio, where ``sharpe`` is the true one, as a hypothesis says it.

    ``(a - b g3 S + c (g4 - 1) / 4 S^2) / T`` with ``a = 1 + 2r/(1-r)``, ``b = 1 + r/(1-r) + r^2/(1-r^2)`` and
    ``c = 1 + 2r^2/(1-r^2)``.

    References
    ----------
    SSRN 5520741 (2026), section on the variance; for r = 0 Mertens (2002).
    """
    spread = _spread(sharpe, skew, kurtosis, autocorrelation)
    return plain(spread / _positive(numbers("observations", observations)))


@guarded
def probabilistic_sharpe(
    sharpe: Any, observations: Any, skew: Any = 0.0, kurtosis: Any = 3.0, benchmark: Any = 0.0,
    form: str = "2012", autocorrelation: Any = 0.0,
) -> Any:  # fmt: skip
    """Probability that the true Sharpe ratio is above a benchmark (PSR), 0 to 1.

    "2012": ``Phi((S - S*) sqrt(T - 1) / sqrt(1 - g3 S + (g4 - 1) / 4 S^2))``.  "2026": ``Phi((S - S*) / sqrt(V))`` with
    `sharpe_variance` V at S*.

    References
    ----------
    Bailey & Lopez de Prado (2012), The Sharpe Ratio Efficient Frontier, equation 9; SSRN 5520741 (2026).
    """
    target = numbers("benchmark", benchmark)
    variance = _variance(form, (sharpe, target), observations, (skew, kurtosis), autocorrelation)
    return plain(below((numbers("sharpe", sharpe) - target) / np.sqrt(variance)))


@guarded
def deflated_sharpe(
    sharpe: Any, observations: Any, trials: Any, variance: Any, skew: Any = 0.0, kurtosis: Any = 3.0,
    form: str = "2014", autocorrelation: Any = 0.0, exact: bool = False,
) -> Any:  # fmt: skip
    """Probability that a trial is better than the best of N worthless ones is expected to look (DSR), 0 to 1.

    The benchmark is ``S0 = sqrt(variance) E[max_N]`` with the ``variance`` (``ddof`` 1) of the Sharpe ratios per period
    of all ``trials`` N and `expected_maximum`, approximate or ``exact``.  "2014": `probabilistic_sharpe` against S0.
    "2026": `sharpe_variance` at S0 is multiplied by `variance_of_maximum`, as the best of N is spread less than one.

    References
    ----------
    Bailey & Lopez de Prado (2014), The Deflated Sharpe Ratio, equations 1 and 2; SSRN 5520741 (2026).
    """
    revised = chosen("form", form, ("2014", "2026")) == "2026"
    with np.errstate(invalid="ignore"):
        deviation = np.sqrt(numbers("variance", variance))
    target = deviation * expected_maximum(trials, exact=exact)
    base = "2026" if revised else "2012"
    spread = _variance(base, (sharpe, target), observations, (skew, kurtosis), autocorrelation)
    spread = spread * (variance_of_maximum(trials) if revised else 1.0)
    return plain(below((numbers("sharpe", sharpe) - target) / np.sqrt(spread)))


@guarded
def minimum_track_record(
    sharpe: Any, skew: Any = 0.0, kurtosis: Any = 3.0, benchmark: Any = 0.0, level: Any = 0.95,
    form: str = "2012", autocorrelation: Any = 0.0,
) -> Any:  # fmt: skip
    """Returns that are needed before a Sharpe ratio is above a benchmark at a level of confidence (MinTRL).

    "2012": ``1 + (1 - g3 S + (g4 - 1) / 4 S^2) (Z(level) / (S - S*))^2``.  "2026": the variance at S*, without the 1.
    Not rounded; infinite where S is not above S*.

    References
    ----------
    Bailey & Lopez de Prado (2012), equation 13; SSRN 5520741 (2026).
    """
    observed, target = np.broadcast_arrays(numbers("sharpe", sharpe), numbers("benchmark", benchmark))
    unit = _variance(form, (observed, target), 1.0, (skew, kurtosis), autocorrelation, less=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = unit * (quantile(_confidence(level)) / (observed - target)) ** 2
    needed = needed + (1.0 if form == "2012" else 0.0)
    return plain(np.where(observed <= target, np.inf, needed))


@guarded
def minimum_backtest_length(trials: Any, sharpe: Any = 1.0, exact: bool = False) -> Any:
    """Years of data below which the best of N worthless trials is expected to show a Sharpe ratio (MinBTL).

    ``(E[max_N] / S)^2``, below ``2 ln(N) / S^2``; here S is per *year* (per period, the answer is in periods).  0 for
    one trial, infinite where S is 0 or less.

    References
    ----------
    Bailey, Borwein, Lopez de Prado & Zhu (2014), Notices of the AMS 61(5), theorem 1.
    """
    mean = np.asarray(expected_maximum(trials, exact=exact))
    observed, mean = np.broadcast_arrays(numbers("sharpe", sharpe), mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        years = (mean / observed) ** 2
    return plain(np.where(observed <= 0.0, np.inf, years))


@guarded
def sharpe_power(
    alternative: Any, observations: Any, skew: Any = 0.0, kurtosis: Any = 3.0, benchmark: Any = 0.0,
    level: Any = 0.95, autocorrelation: Any = 0.0,
) -> Any:  # fmt: skip
    """Probability that a strategy whose true Sharpe ratio is ``alternative`` is found: 1 - the error of second kind.

    ``Phi((S1 - c) / sqrt(V(S1)))`` with the critical value ``c = S* + Z(level) sqrt(V(S*))`` and `sharpe_variance` V.

    References
    ----------
    SSRN 5520741 (2026), section on the power of the test.
    """
    target, found = numbers("benchmark", benchmark), numbers("alternative", alternative)
    none, some = (
        np.sqrt(sharpe_variance(value, observations, skew, kurtosis, autocorrelation))
        for value in (target, found)
    )
    critical = target + quantile(_confidence(level)) * none
    return plain(below((found - critical) / some))


def _variance(
    form: str, sharpes: tuple[Any, Any], observations: Any, moments: tuple[Any, Any], rho: Any, less: float = 1.0
) -> FloatArray:  # fmt: skip
    """Variance of the Sharpe ratio as a paper takes it: at the observed one over T - 1, or under the null over T."""
    observed, target = sharpes
    count = numbers("observations", observations)
    if chosen("form", form, ("2012", "2026")) == "2026":
        return _spread(target, *moments, rho) / _positive(count)
    if np.any(numbers("autocorrelation", rho) != 0.0):
        raise ConfigError(f"autocorrelation: expected 0 with this form; got {shown(rho)}; pass form='2026'")
    return _spread(observed, *moments, 0.0) / _positive(count - less)


def _spread(sharpe: Any, skew: Any, kurtosis: Any, autocorrelation: Any) -> FloatArray:
    """T times the variance; NaN where it is not positive."""
    ratio, third, fourth = numbers("sharpe", sharpe), numbers("skew", skew), numbers("kurtosis", kurtosis)
    rho = numbers("autocorrelation", autocorrelation)
    if np.any(np.abs(rho) >= 1.0):
        raise ConfigError(
            f"autocorrelation: expected numbers between -1 and 1; got {shown(autocorrelation)}; 0 is independence"
        )
    first, square = rho / (1.0 - rho), rho * rho / (1.0 - rho * rho)
    with np.errstate(invalid="ignore", over="ignore"):
        linear = (1.0 + first + square) * third * ratio
        quadratic = (1.0 + 2.0 * square) * (fourth - 1.0) / 4.0 * ratio * ratio
        return _positive(1.0 + 2.0 * first - linear + quadratic)


def _confidence(level: Any) -> FloatArray:
    value = numbers("level", level)
    if not np.all((value > 0.5) & (value < 1.0)):
        raise ConfigError(
            f"level: expected a confidence between 0.5 and 1; got {shown(level)}; 0.95 is usual"
        )
    return value


def _positive(values: FloatArray) -> FloatArray:
    return np.where(values > 0.0, values, np.nan)
