"""A result at a glance: a line of blocks for terminals, a small picture for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from peak_fast.report.series import filled, min_max_points
from peak_kernels.arrays import FloatArray

_BLOCKS = "▁▂▃▄▅▆▇█"
_POINTS = 240


def sparkline(values: Any, width: int = 40) -> str:
    """A curve as one line of block characters, from its lowest to its highest value; empty for no values.

    Parameters
    ----------
    values
        float64[n]; NaN takes the value before it.
    width
        Number of characters at most; each shows the last value of its stretch.
    """
    curve = filled(values)
    if not curve.size:
        return ""
    count = min(width, curve.size)
    ends = (np.arange(1, count + 1) * curve.size) // count - 1
    shown = np.nan_to_num(curve[ends])
    low, span = float(shown.min()), float(np.ptp(shown))
    if not span > 0.0:
        return _BLOCKS[3] * count
    steps = np.minimum(((shown - low) / span * len(_BLOCKS)).astype(np.int64), len(_BLOCKS) - 1)
    return "".join(_BLOCKS[step] for step in steps)


def small_picture(
    curves: Sequence[tuple[FloatArray, str]], label: str, size: tuple[int, int] = (420, 90)
) -> str:
    """Curves on one scale as an SVG element; empty for no values.

    Parameters
    ----------
    curves
        Values, float64[n], and a colour of CSS; the first lies on top.
    label
        What is shown, for those who do not see it.
    """
    known = [(filled(values), colour) for values, colour in curves if len(values)]
    if not known:
        return ""
    low = min(float(np.nanmin(values)) for values, _ in known)
    high = max(float(np.nanmax(values)) for values, _ in known)
    span, (width, height) = (high - low) or 1.0, size
    lines = []
    for values, colour in reversed(known):
        index, level = min_max_points(values, _POINTS)
        across = index / max(len(values) - 1, 1) * (width - 4) + 2
        down = (high - level) / span * (height - 6) + 3
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across.tolist(), down.tolist(), strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
    return (
        f'<svg role="img" aria-label="{html.escape(label)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(lines)}</svg>'
    )
