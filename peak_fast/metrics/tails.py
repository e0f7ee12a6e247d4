"""Shape and tails of returns; conventions as in `peak_fast.metrics.returns`."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.metrics.ratios import deviation, known, mean, ratio, share


@guarded
def skew(returns: Any, bias: bool = False) -> float:
    """Skewness; by default the adjusted Fisher-Pearson coefficient (pandas), which needs three values.

    ``bias=True``: ``mean(d^3) / mean(d^2)^1.5``.  NaN for constant series.
    """
    values = known(returns)
    count = values.size
    if count < (1 if bias else 3) or not deviation(values) > 0.0:
        return math.nan
    centred = values - np.mean(values)
    raw = float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)
    return raw if bias else raw * math.sqrt(count * (count - 1)) / (count - 2)


@guarded
def kurtosis(returns: Any, bias: bool = False) -> float:
    """Excess kurtosis (normal: 0); by default corrected for small samples (pandas), needing four values.

    ``bias=True``: ``mean(d^4) / mean(d^2)^2 - 3``.  NaN for constant series.
    """
    values = known(returns)
    count = values.size
    if count < (1 if bias else 4) or not deviation(values) > 0.0:
        return math.nan
    centred = values - np.mean(values)
    raw = float(np.mean(centred**4) / np.mean(centred**2) ** 2) - 3.0
    if bias:
        return raw
    return (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * raw + 6.0)


@guarded
def tail_ratio(returns: Any) -> float:
    """Right tail over left tail, ``|95th percentile| / |5th percentile|`` (linear interpolation)."""
    values = known(returns)
    if values.size == 0:
        return math.nan
    low, high = np.percentile(values, [5.0, 95.0])
    return ratio(abs(float(high)), abs(float(low)))


@guarded
def value_at_risk(
    returns: Any, level: float = 0.05, method: Literal["historical", "normal"] = "historical"
) -> float:
    """Return that a share ``level`` of the periods falls short of; usually negative.

    ``"historical"``: the percentile, linearly interpolated (empyrical, vectorbt).  ``"normal"``:
    ``mean + z(level) * std(ddof 1)`` (quantstats); the mean itself for constant returns.
    """
    values, quantile = known(returns), share(level, "level")
    if values.size == 0:
        return math.nan
    if method == "historical":
        return float(np.percentile(values, 100.0 * quantile))
    if method == "normal":
        from statistics import NormalDist

        return mean(values) + NormalDist().inv_cdf(quantile) * deviation(values)
    raise ConfigError(f"method: expected 'historical' or 'normal', got {method!r}")


@guarded
def conditional_value_at_risk(
    returns: Any, level: float = 0.05, method: Literal["historical", "normal"] = "historical"
) -> float:
    """Mean return of the worst periods (expected shortfall); usually negative.

    ``"historical"``: mean of the ``floor((n - 1) * level) + 1`` smallest returns (empyrical, vectorbt).
    ``"normal"``: ``mean - std(ddof 1) * phi(z(level)) / level`` (quantstats).
    """
    values, quantile = known(returns), share(level, "level")
    if values.size == 0:
        return math.nan
    if method == "historical":
        count = int((values.size - 1) * quantile) + 1
        return mean(np.partition(values, count - 1)[:count])
    if method == "normal":
        from statistics import NormalDist

        density = NormalDist().pdf(NormalDist().inv_cdf(quantile))
        return mean(values) - deviation(values) * density / quantile
    raise ConfigError(f"method: expected 'historical' or 'normal', got {method!r}")
