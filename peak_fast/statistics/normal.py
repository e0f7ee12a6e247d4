"""The standard normal distribution over arrays, exact in both tails, and what functions of arrays share.

Functions of this room take numbers or arrays, which are broadcast against each other, and give a float where all of
them are numbers.  NaN in gives NaN out.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from peak_fast.arguments import shown
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import FloatArray

EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()


def _below(z: float) -> float:
    return 0.5 * math.erfc(-z * math.sqrt(0.5))


def _quantile(probability: float) -> float:
    if 0.0 < probability < 1.0:
        return _NORMAL.inv_cdf(probability)
    return {0.0: -math.inf, 1.0: math.inf}.get(probability, math.nan)


_below_all = np.vectorize(_below, otypes=[np.float64])
_quantile_all = np.vectorize(_quantile, otypes=[np.float64])


def below(z: FloatArray) -> FloatArray:
    """Probability of a standard normal below ``z``; its relative error is that of ``erfc`` in the left tail, too."""
    return _below_all(z) if np.size(z) else np.zeros_like(z)


def quantile(probability: FloatArray) -> FloatArray:
    """Value that a standard normal falls below with a probability; infinite at 0 and 1, NaN outside."""
    return _quantile_all(probability) if np.size(probability) else np.zeros_like(probability)


def numbers(name: str, value: Any) -> FloatArray:
    """A number or an array of numbers as float64.

    Raises
    ------
    DataError
        Something else.
    """
    try:
        return np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name}: expected a number or an array of numbers; got {shown(value)}; pass floats"
        ) from error


def plain(values: FloatArray) -> Any:
    """A float for an array without dimensions, otherwise the array itself."""
    return float(values) if np.ndim(values) == 0 else values


def chosen(name: str, value: Any, known: tuple[str, ...]) -> str:
    """One of a few words.

    Raises
    ------
    ConfigError
        Another one.
    """
    if value not in known:
        raise ConfigError(
            f"{name}: expected one of {', '.join(map(repr, known))}; got {shown(value)}; "
            f"{known[0]!r} is the default"
        )
    return str(value)
