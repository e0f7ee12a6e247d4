"""Equity curves as few points, and what can be asked of a captured backtest."""

from __future__ import annotations

from typing import Any

import numpy as np


class Part:
    """Parts of a result that a record asks the writer to log."""

    VALUES, FIGURE, REPORTS, SHEET = 1, 2, 4, 8
    ALL = VALUES | FIGURE | REPORTS | SHEET


class Curve:
    """What the curve of a frozen result is made of: nothing (there is none), fills, float32 points, or trades."""

    NONE, FILLS, POINTS, TRADES = 0, 16, 32, 64


ARTIFACT_PARTS = {
    "report": Part.FIGURE | Part.REPORTS | Part.SHEET,
    "full": Part.FIGURE | Part.REPORTS,
    "light": Part.REPORTS,
    "none": 0,
}

# Longer curves are reduced to the lowest and the highest value of each of MAX_POINTS / 2 buckets.
MAX_POINTS = 8_192
RAW_POINTS = 16_384


def curve_points(values: Any, whole: bool) -> Any:
    """A curve as float32 points: all of them where figures are made of them, else :func:`reduce_curve`."""
    return np.asarray(values, dtype=np.float64).astype(np.float32) if whole else reduce_curve(values)


def reduce_curve(values: Any) -> Any:
    """A curve as float32 points: all of them, or, of more than 16,384, lowest and highest value of each bucket.

    These are in the order in which a rising or falling curve passes them; NaN in a bucket makes both NaN.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    n = len(array)
    if n <= RAW_POINTS:
        return array.astype(np.float32)
    width = -(-n // (MAX_POINTS // 2))
    full = n // width
    blocks = array[: full * width].reshape(full, width)
    low, high = blocks.min(axis=1), blocks.max(axis=1)
    rising = blocks[:, 0] <= blocks[:, -1]
    tail = array[full * width :]
    if len(tail):
        low, high = np.append(low, tail.min()), np.append(high, tail.max())
        rising = np.append(rising, tail[0] <= tail[-1])
    points = np.empty((len(low), 2), dtype=np.float32)
    points[:, 0] = np.where(rising, low, high)
    points[:, 1] = np.where(rising, high, low)
    return points.ravel()


def expand_curve(points: Any, n_bars: int) -> Any:
    """The curve of ``n_bars`` values that has the extremes of each bucket of :func:`reduce_curve`.

    The first half of a bucket holds its first point, the second half the other one.
    """
    if len(points) == n_bars:
        return points.astype(np.float64)
    width = -(-n_bars // (MAX_POINTS // 2))
    half = width // 2
    pairs = points.reshape(-1, 2).astype(np.float64)
    return np.repeat(pairs.ravel(), np.tile([half, width - half], len(pairs)))[:n_bars]
