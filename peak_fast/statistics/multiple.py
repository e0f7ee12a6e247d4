"""Many tests at once: p-values that are adjusted for their number, and Sharpe ratios that are cut accordingly.

>>> from peak_fast.statistics import adjusted_pvalues, haircut_sharpe
>>> adjusted_pvalues([0.01, 0.04, 0.03], "holm").tolist()
[0.03, 0.06, 0.06]
>>> round(haircut_sharpe(0.75 / 12**0.5, 240, trials=10) * 12**0.5, 2)
0.59
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from peak_fast.arguments import is_whole, shown
from peak_fast.columns import as_float_array
from peak_fast.errors import ConfigError, DataError, did_you_mean, require
from peak_fast.guard import guarded
from peak_fast.statistics.normal import numbers, plain
from peak_kernels.arrays import FloatArray


@guarded
def adjusted_pvalues(pvalues: Any, method: str = "holm", trials: int | None = None) -> FloatArray:
    """P-values adjusted for how many there are: a test is rejected at a level where its own is not above it.

    Parameters
    ----------
    pvalues
        Numbers from 0 to 1 in any order; NaN are left out of the count and stay NaN.
    method
        Share of any false rejection: "bonferroni", "sidak", "holm" (1979), "holm-sidak", "hochberg" (1988); share of
        rejections that are false: "bh" (Benjamini & Hochberg 1995), "by" (Benjamini & Yekutieli 2001, any dependence).
    trials
        How many tests were made, where not all p-values are at hand; the others count as 1.

    Raises
    ------
    ConfigError
        An unknown method, or fewer trials than p-values.
    DataError
        A number that is no probability.
    """
    given = as_float_array(pvalues, "pvalues")
    place = np.flatnonzero(~np.isnan(given))
    known = given[place]
    if known.size and not (known.min() >= 0.0 and known.max() <= 1.0):
        raise DataError(f"pvalues: expected numbers from 0 to 1; got {shown(float(known[known.argmax()]))}")
    order = np.argsort(known, kind="stable")
    found = np.full(given.size, np.nan)
    found[place[order]] = np.minimum(_method(method)(known[order], _count(trials, known.size)), 1.0)
    return found


@guarded
def haircut_sharpe(
    sharpe: Any, observations: Any, trials: int | None = None, method: str = "bonferroni"
) -> Any:
    """Sharpe ratio that would be as significant in a single test as this one is among all that were tried.

    ``t = S sqrt(T)`` with T - 1 degrees of freedom gives a two-sided p-value, `adjusted_pvalues` adjusts it for the
    number of trials, and the t of the adjusted one is turned back.  The paper has "bonferroni", "holm" and "by".
    ``sharpe`` per period is one number, or those of all trials: the paper draws the others from a model of published
    factors, a search knows its own.  0 where the adjusted p-value is 1; the sign is kept.  Needs scipy.

    References
    ----------
    Harvey & Liu (2015), Backtesting, Journal of Portfolio Management 42(1), the section on haircut Sharpe ratios.
    """
    special = require("scipy.special", extra="optuna")
    ratio, count = np.broadcast_arrays(numbers("sharpe", sharpe), numbers("observations", observations))
    freedom, size = np.where(count > 1.0, count - 1.0, np.nan), np.sqrt(count)
    single = 2.0 * special.stdtr(freedom, -np.abs(ratio) * size)
    adjusted = adjusted_pvalues(single.reshape(-1), method, trials).reshape(ratio.shape)
    cut = -special.stdtrit(freedom, 0.5 * adjusted) / size
    return plain(np.sign(ratio) * np.clip(cut, 0.0, np.abs(ratio)) + 0.0)  # 0 has one sign


def _rising(values: FloatArray) -> FloatArray:
    return np.maximum.accumulate(values)


def _falling(values: FloatArray) -> FloatArray:
    return np.minimum.accumulate(values[::-1])[::-1]


def _ranks(p: FloatArray) -> FloatArray:
    return np.arange(1.0, p.size + 1.0)


def _sidak(p: FloatArray, power: Any) -> FloatArray:
    """``1 - (1 - p)^power`` with its digits where p is small."""
    with np.errstate(divide="ignore"):
        found: FloatArray = -np.expm1(power * np.log1p(-p))
    return found


def _false_discoveries(p: FloatArray, scale: float) -> FloatArray:
    return _falling(p * (scale / _ranks(p)))


# Of p-values in ascending order and the number of tests.
_METHODS: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "bonferroni": lambda p, n: p * n,
    "sidak": _sidak,
    "holm": lambda p, n: _rising(p * (n + 1.0 - _ranks(p))),
    "holm-sidak": lambda p, n: _rising(_sidak(p, n + 1.0 - _ranks(p))),
    "hochberg": lambda p, n: _falling(p * (n + 1.0 - _ranks(p))),
    "bh": _false_discoveries,
    "by": lambda p, n: _false_discoveries(p, n * float((1.0 / np.arange(1.0, n + 1.0)).sum())),
}


def _method(name: Any) -> Callable[[FloatArray, float], FloatArray]:
    if name not in _METHODS:
        raise ConfigError(f"method: no {shown(name)}; {did_you_mean(str(name), _METHODS)}")
    return _METHODS[name]


def _count(trials: Any, known: int) -> float:
    if trials is None:
        return float(known)
    if not is_whole(trials) or trials < known:
        raise ConfigError(
            f"trials: expected a whole number of at least {known}, as many as p-values; got {shown(trials)}; "
            "leave it out where all are given"
        )
    return float(trials)
