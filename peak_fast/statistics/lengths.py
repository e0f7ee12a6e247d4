"""Length of the blocks that a bootstrap of dependent returns should draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_fast.guard import guarded
from peak_fast.statistics.normal import chosen
from peak_fast.statistics.scaling import whole_series
from peak_kernels.arrays import FloatArray


@guarded
def optimal_block_length(returns: Any, kind: str = "stationary") -> float:
    """Mean length of blocks that makes the bootstrap's variance of a mean most accurate.

    ``(2 G^2 n / D)^(1/3)`` with ``G = sum w(k/M) |k| g_k`` and ``D = 2 S^2`` ("stationary") or ``4/3 S^2``
    ("circular"), ``S = sum w(k/M) g_k`` over autocovariances g; w is 1 up to a half and falls to 0 at 1.  M is twice
    the first lag from which ``max(5, log10 n)`` autocorrelations in a row stay below ``2 sqrt(log10(n) / n)``.  Not
    rounded, at most ``min(3 sqrt(n), n / 3)``; below 1 for returns without dependence, 1 for constant ones.  Raises
    as `autocorrelations` where a return is missing.

    References
    ----------
    Politis & White (2004), Automatic block-length selection, section 3; Patton, Politis & White (2009), the correction.
    """
    values = whole_series(returns)
    share = 2.0 if chosen("kind", kind, ("stationary", "circular")) == "stationary" else 4.0 / 3.0
    count = values.size
    centred = values - values.mean()
    if not float(centred @ centred) > 1e-30 * float(values @ values):
        return 1.0
    covariances, size = _autocovariances(centred)
    bandwidth = _bandwidth(size, count)
    lags = np.arange(-bandwidth, bandwidth + 1)
    if bandwidth < 1:
        return 1.0
    weights = np.clip(2.0 * (1.0 - np.abs(lags) / bandwidth), 0.0, 1.0) * covariances[np.abs(lags)]
    slope, total = float((weights * np.abs(lags)).sum()), float(weights.sum())
    if total == 0.0:
        return 1.0
    length = (2.0 * slope * slope * count / (share * total * total)) ** (1.0 / 3.0)
    return float(min(length, math.ceil(min(3.0 * math.sqrt(count), count / 3.0))))


def _autocovariances(centred: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Autocovariances at lags from 0, and sizes of autocorrelations, each over the deviations that it pairs."""
    count = centred.size
    most = min(math.ceil(math.sqrt(count)) + _in_a_row(count), count - 2)
    lags = np.arange(most + 1)
    products = np.array([float(centred[lag:] @ centred[: count - lag]) for lag in lags])
    squares = np.cumsum(centred * centred)
    paired = np.sqrt((squares[-1] - squares[lags]) * squares[count - 2 - lags])
    with np.errstate(divide="ignore", invalid="ignore"):
        return products / count, np.abs(products) / paired


def _bandwidth(size: FloatArray, count: int) -> int:
    """M: twice the first lag of a run of small autocorrelations, or all lags where there is none."""
    run, most = _in_a_row(count), size.size - 1
    small = size[:-1] < 2.0 * math.sqrt(math.log10(count) / count)
    runs = np.convolve(small, np.ones(run), "valid") if small.size >= run else np.zeros(0)
    first = np.flatnonzero(runs > run - 0.5)
    return min(2 * max(int(first[0]), 1), most) if first.size else most


def _in_a_row(count: int) -> int:
    return max(5, int(math.log10(count)))
