"""Sharpe ratios over time: their standard error, and what autocorrelation does to annual figures.

>>> from peak_fast.statistics import sharpe_scaling
>>> round(sharpe_scaling(12), 3), round(sharpe_scaling(12, 0.2), 3)
(3.464, 2.879)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_fast.arguments import whole
from peak_fast.columns import as_float_array
from peak_fast.errors import ConfigError, DataError
from peak_fast.guard import guarded
from peak_fast.statistics.normal import numbers, plain
from peak_kernels.arrays import FloatArray

_MOST = 10_000_000


@guarded
def sharpe_standard_error(sharpe: Any, observations: Any) -> Any:
    """Standard error of a Sharpe ratio of independent normal returns, ``sqrt((1 + S^2 / 2) / T)``.

    ``sharpe`` per period and ``observations`` T are numbers or arrays; NaN where T is not positive.  For other moments
    and autocorrelation see `sharpe_variance`.

    References
    ----------
    Lo (2002), The Statistics of Sharpe Ratios, Financial Analysts Journal 58(4), equation 9 and table 1.
    """
    ratio, count = numbers("sharpe", sharpe), numbers("observations", observations)
    return plain(np.sqrt((1.0 + 0.5 * ratio * ratio) / np.where(count > 0.0, count, np.nan)))


@guarded
def autocorrelations(returns: Any, lags: int) -> FloatArray:
    """Autocorrelations of returns at lags 1 to ``lags``: ``sum e[t] e[t+k] / sum e[t]^2``, e less their mean.

    NaN for constant returns; 0 for lags that the returns do not reach.

    Raises
    ------
    DataError
        Returns that are missing: a gap would put days next to each other that are not.
    """
    values = whole_series(returns)
    count = whole("lags", lags, 1, _MOST, "12 lags of months make a year")
    centred = values - values.mean()
    total = float(centred @ centred)
    found = np.full(count, math.nan if total == 0.0 else 0.0)
    for lag in range(1, min(count, values.size - 1) + 1 if total else 0):
        found[lag - 1] = float(centred[lag:] @ centred[:-lag]) / total
    return found


@guarded
def sharpe_scaling(periods: int, autocorrelation: Any = 0.0) -> float:
    """What a Sharpe ratio per period is multiplied by to be one of ``periods`` periods, Lo's eta(q).

    ``q / sqrt(q + 2 sum_(k<q) (q - k) r_k)``: the root of q for independent returns.  ``autocorrelation`` is one number
    r for returns with ``r_k = r^k``, an AR(1), or the r_k of at least q - 1 lags (`autocorrelations`).  NaN where the
    variance under the root is not positive, which estimated autocorrelations can make it.

    References
    ----------
    Lo (2002), equations 19 and 20.
    """
    count = whole("periods", periods, 1, _MOST, "12 makes a year of months")
    lags = np.arange(1, count, dtype=np.float64)
    rho = numbers("autocorrelation", autocorrelation)
    if rho.ndim > 1 or (rho.ndim and rho.size < count - 1):
        raise ConfigError(
            f"autocorrelation: expected one number or at least {count - 1} lags; got shape {rho.shape}; "
            f"autocorrelations(returns, {count - 1}) gives them"
        )
    variance = count + 2.0 * float(((count - lags) * (rho[: count - 1] if rho.ndim else rho**lags)).sum())
    return count / math.sqrt(variance) if variance > 0.0 else math.nan


def whole_series(returns: Any) -> FloatArray:
    """Returns without a gap, at least two.

    Raises
    ------
    DataError
        Too few, or one that is missing.
    """
    values = as_float_array(returns, "returns")
    if values.size < 2 or not np.isfinite(values).all():
        raise DataError(
            f"returns: expected at least two, none of them missing or infinite; got {values.size} with "
            f"{int((~np.isfinite(values)).sum())} missing; leave the periods without a return out yourself"
        )
    return values
