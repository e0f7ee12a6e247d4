"""Drawdown curves, episodes and the figures made of them; the public names are in `peak_fast.metrics`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from peak_fast.columns import as_float_array
from peak_fast.metrics.ratios import growth_curve
from peak_kernels.arrays import FloatArray, IntArray


class DrawdownEpisode(NamedTuple):
    """One time under water, in positions of the curve; -1 is the start value before the first bar."""

    peak: int
    """Last bar at the peak."""
    valley: int
    """Bar of the deepest drawdown."""
    end: int
    """Bar that reached the peak again; the last bar where none has."""
    depth: float
    """Deepest drawdown, a negative fraction."""
    recovered: bool
    """Whether the peak was reached again."""


def drawdown(equity: Any, initial: float | None = None) -> FloatArray:
    """Equity below its highest value so far, ``e / max(e so far) - 1``.

    Parameters
    ----------
    equity
        Equity at each bar's close, in money; shape ``(n,)``.  NaN carries the value before it forward.
    initial
        Equity before the first bar; it then counts as the first peak.  None: the first bar is the first peak.

    Returns
    -------
    ndarray
        Fractions ``<= 0``, shape ``(n,)``; NaN before the first value and where the peak is not positive.
    """
    curve = _filled(as_float_array(equity, "equity"))
    if curve.size == 0:
        return curve
    peaks = np.fmax.accumulate(curve)
    if initial is not None:
        peaks = np.fmax(peaks, initial)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(peaks > 0.0, curve / peaks - 1.0, np.nan)


def _filled(curve: FloatArray) -> FloatArray:
    """Copy with each NaN replaced by the last finite value before it."""
    missing = np.isnan(curve)
    if not missing.any():
        return np.array(curve)
    last = np.maximum.accumulate(np.where(missing, 0, np.arange(curve.size)))
    return np.array(curve[last])


def drawdown_episodes(equity: Any, initial: float | None = None) -> list[DrawdownEpisode]:
    """All times under water in order of time; an episode starts at the bar after its peak.

    Parameters
    ----------
    equity, initial
        As in `drawdown`.

    Returns
    -------
    list of DrawdownEpisode
        Empty where the curve never falls below an earlier value.
    """
    depth, starts, stops = _under_water(equity, initial)
    return [_episode(depth, start, stop) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def deepest_episodes(equity: Any, initial: float | None = None, top: int = 10) -> list[DrawdownEpisode]:
    """The deepest times under water, deepest first, the earlier of equal ones first.

    Parameters
    ----------
    equity, initial
        As in `drawdown`.
    top
        How many at most; the others cost nothing but a look at their depth.
    """
    depth, starts, stops = _under_water(equity, initial)
    if not starts.size:
        return []
    # Between two episodes the depth is 0, so a stretch from start to start has the episode's lowest value.
    order = np.argsort(np.minimum.reduceat(depth, starts), kind="stable")[:top]
    return [_episode(depth, int(starts[k]), int(stops[k])) for k in order]


def _under_water(equity: Any, initial: float | None) -> tuple[FloatArray, IntArray, IntArray]:
    """Drawdown of each bar, first bars below an earlier peak, and bars behind the last of each."""
    depth = drawdown(equity, initial)
    below = np.concatenate(([False], depth < 0.0, [False]))
    return depth, np.flatnonzero(~below[:-1] & below[1:]), np.flatnonzero(below[:-1] & ~below[1:])


def _episode(depth: FloatArray, start: int, stop: int) -> DrawdownEpisode:
    valley = start + int(np.argmin(depth[start:stop]))
    end = min(stop, depth.size - 1)
    return DrawdownEpisode(start - 1, valley, end, float(depth[valley]), stop < depth.size)


def _depths(returns: Any, include_start: bool) -> FloatArray:
    return drawdown(growth_curve(returns), 1.0 if include_start else None)


def max_drawdown(returns: Any, include_start: bool = True) -> float:
    """Deepest fall from a peak, ``min(e / max(e so far) - 1)``, a fraction ``<= 0``.

    Parameters
    ----------
    returns
        Simple returns per period; NaN counts as 0.
    include_start
        Whether the equity before the first return counts as a peak (empyrical, quantstats, ffn).
        False: the first peak is after the first return (vectorbt), so a loss there is not seen.

    Returns
    -------
    float
        0.0 without a drawdown, NaN for no returns; below -1 where the equity became negative.
    """
    depths = _depths(returns, include_start)
    return float(depths.min()) if depths.size else math.nan


def max_drawdown_duration(returns: Any, include_start: bool = True) -> int:
    """Longest run of bars whose equity is below an earlier peak; a run that has not ended counts."""
    below = np.concatenate(([False], _depths(returns, include_start) < 0.0, [False]))
    edges = np.flatnonzero(below[1:] != below[:-1])
    return int((edges[1::2] - edges[::2]).max(initial=0))


def ulcer_index(returns: Any, include_start: bool = True, ddof: int = 0) -> float:
    """Root mean square of the drawdown over all bars, ``sqrt(sum(d^2) / (n - ddof))``, a fraction.

    vectorbt: ``include_start=False``; quantstats: ``ddof=1``; ffn counts the start as one more bar,
    ``ddof=-1``, and reports percent.  NaN where ``n <= ddof``.
    Source: Martin & McCann, The Investor's Guide to Fidelity Funds (1989).
    """
    depths = _depths(returns, include_start)
    if depths.size == 0 or depths.size <= ddof:
        return math.nan
    return math.sqrt(float(np.sum(depths * depths)) / (depths.size - ddof))
