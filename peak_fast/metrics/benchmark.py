"""Figures relative to a benchmark's returns; the public names are in `peak_fast.metrics`.

Means and regressions use the periods in which both series are known.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.metrics.ratios import (
    both_known,
    deviation,
    mean,
    per_period,
    positive,
    power,
    ratio,
    same_length,
)
from peak_kernels.arrays import FloatArray


def beta(returns: Any, benchmark: Any) -> float:
    """Slope of the regression on the benchmark, ``cov(r, b) / var(b)``; NaN for a constant benchmark."""
    own, other = both_known(returns, benchmark)
    if not deviation(other) > 0.0:
        return math.nan
    centred = other - np.mean(other)
    return float(np.sum(centred * (own - np.mean(own))) / np.sum(centred * centred))


def alpha(
    returns: Any, benchmark: Any, periods_per_year: float, risk_free: float = 0.0, compounded: bool = True
) -> float:
    """Jensen's alpha per year, from ``a = mean(r - f - beta * (b - f))`` per period.

    ``compounded``: ``(1 + a)^q - 1`` (empyrical, vectorbt); else ``a * q`` (quantstats).
    Source: Jensen (1968), doi:10.1111/j.1540-6261.1968.tb00815.x.
    """
    own, other = both_known(returns, benchmark)
    free = per_period(risk_free, periods_per_year)
    excess = mean(own) - free - beta(own, other) * (mean(other) - free)
    if not compounded:
        return excess * periods_per_year
    return power(1.0 + excess, periods_per_year) - 1.0 if excess > -1.0 else -1.0


def r_squared(returns: Any, benchmark: Any) -> float:
    """Squared correlation with the benchmark; NaN where one of the two is constant."""
    own, other = both_known(returns, benchmark)
    if not (deviation(own) > 0.0 and deviation(other) > 0.0):
        return math.nan
    return float(np.corrcoef(own, other)[0, 1] ** 2)


def information_ratio(returns: Any, benchmark: Any) -> float:
    """Mean over deviation (``ddof`` 1) of ``r - b``, per period; NaN where the difference is constant."""
    own, other = both_known(returns, benchmark)
    active = own - other
    spread = deviation(active)
    return mean(active) / spread if spread > 0.0 else math.nan


def _yearly(returns: FloatArray, periods_per_year: float) -> float:
    growth = float(np.prod(1.0 + returns))
    return power(growth, periods_per_year / returns.size) - 1.0 if growth > 0.0 else -1.0


def capture(
    returns: Any,
    benchmark: Any,
    periods_per_year: float,
    side: Literal["all", "up", "down"] = "all",
) -> float:
    """Annual growth over the benchmark's annual growth, in all periods or those when it rose or fell.

    NaN counts as a return of 0; the result is NaN for no such periods.
    """
    if side not in ("all", "up", "down"):
        raise ConfigError(f"side: expected 'all', 'up' or 'down', got {side!r}")
    own, other = (np.nan_to_num(column, nan=0.0) for column in same_length(returns, benchmark))
    keep = {"all": np.isfinite(other), "up": other > 0.0, "down": other < 0.0}[side]
    if not keep.any():
        return math.nan
    per_year = positive(periods_per_year, "periods_per_year")
    return ratio(_yearly(own[keep], per_year), _yearly(other[keep], per_year))
