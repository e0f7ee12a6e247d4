"""What all metrics share: cleaning of inputs, the rules for 0/0, a deviation that knows constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_fast.arguments import is_number
from peak_fast.columns import as_float_array
from peak_fast.data import in_line
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import FloatArray

# A spread below this share of the sum of squares is rounding noise: the series is constant.
CONSTANT = 1e-15


def ratio(numerator: float, denominator: float) -> float:
    """Quotient, with NaN for 0/0 and a signed infinity for x/0."""
    if denominator == 0.0:
        return math.nan if numerator == 0.0 or math.isnan(numerator) else math.copysign(math.inf, numerator)
    return numerator / denominator


def power(base: float, exponent: float) -> float:
    """``base ** exponent`` of a positive base, infinite where it is beyond float64."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf


def known(values: Any, name: str = "returns") -> FloatArray:
    """The values that are not NaN."""
    array = as_float_array(values, name)
    missing = np.isnan(array)
    return array[~missing] if missing.any() else array


def same_length(returns: Any, benchmark: Any) -> tuple[FloatArray, FloatArray]:
    """Both series as arrays; a benchmark with times is put at those of the returns.

    Raises
    ------
    DataError
        For series of different lengths, or of other times.
    """
    columns = in_line({"returns": returns, "benchmark": benchmark})
    own, other = (as_float_array(values, name) for name, values in columns.items())
    if own.size != other.size:
        raise DataError(
            f"expected returns and benchmark of one length, got {own.size} and {other.size}; "
            "join them on their timestamps first"
        )
    return own, other


def both_known(returns: Any, benchmark: Any) -> tuple[FloatArray, FloatArray]:
    """The pairs in which neither value is NaN; raises as `same_length`."""
    own, other = same_length(returns, benchmark)
    keep = ~(np.isnan(own) | np.isnan(other))
    return own[keep], other[keep]


def mean(values: FloatArray) -> float:
    """Arithmetic mean; NaN for no values."""
    return float(np.mean(values)) if values.size else math.nan


def deviation(values: FloatArray) -> float:
    """Standard deviation with ``ddof`` 1; NaN below two values, exactly 0 for a constant series."""
    if values.size < 2:
        return math.nan
    spread = float(np.sum((values - np.mean(values)) ** 2))
    if spread <= CONSTANT * float(np.sum(values * values)):
        return 0.0
    return math.sqrt(spread / (values.size - 1))


def growth_curve(returns: Any) -> FloatArray:
    """Value of 1 invested before the first return, after each of them: ``cumprod(1 + r)``, NaN as 0."""
    factors: FloatArray = 1.0 + np.nan_to_num(as_float_array(returns, "returns"), nan=0.0)
    return np.cumprod(factors, dtype=np.float64)


def positive(value: float, name: str) -> float:
    """Check a number that must be positive and finite.

    Raises
    ------
    ConfigError
        Naming the parameter and what came.
    """
    if not is_number(value) or not 0.0 < value < math.inf:
        raise ConfigError(f"{name}: expected a positive number, got {value!r}")
    return float(value)


def share(value: float, name: str) -> float:
    """Check a probability strictly between 0 and 1.

    Raises
    ------
    ConfigError
        Naming the parameter and what came.
    """
    if not 0.0 < positive(value, name) < 1.0:
        raise ConfigError(f"{name}: expected a number between 0 and 1, got {value!r}")
    return float(value)


def per_period(annual: float, periods_per_year: float) -> float:
    """Rate per period that compounds to ``annual``: ``(1 + annual)^(1 / periods_per_year) - 1``.

    Raises
    ------
    ConfigError
        For no number, or a rate of -100 % or less.
    """
    if not is_number(annual) or not -1.0 < annual < math.inf:
        raise ConfigError(f"risk_free: expected an annual rate above -1 (0.03 is 3 %), got {annual!r}")
    return float((1.0 + annual) ** (1.0 / positive(periods_per_year, "periods_per_year")) - 1.0)
