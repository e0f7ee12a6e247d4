"""Curves in columns of pixels: what of a curve falls into each, and the pixels that it covers."""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.pictures.packing import uint8_at

# A number and this have no room for a fraction: it is rounded to the nearest whole one, halves to even ones.
_ROUNDING = 6_755_399_441_055_744.0
# Steps of a ramp from white to a colour, and the least height of a span.
_FULL, _LEAST = 15.0, 1e-3


@jit(inline=True)
def _border(values: FloatArray, position: float) -> float:
    """Value of the polyline between two bars."""
    left: Any = min(np.int64(position), values.size - 2)
    before = values[left]
    return before + (values[left + 1] - before) * (position - left)


@jit(inline=True)
def fold_columns(values: FloatArray, low: FloatArray, high: FloatArray) -> None:
    """Lowest and highest value of the polyline through at least two finite values in each of some columns.

    It is cut at the borders of the columns; the bars between two borders count with the column that they lie in.
    """
    columns, last = low.size, values.size - 1
    step, bar = last / np.float64(columns), np.int64(0)
    after = values[0]
    for column in range(columns):
        before, position = after, (column + 1) * step
        if column + 1 == columns:
            position = np.float64(last)
        after = _border(values, position)
        lowest, highest = min(before, after), max(before, after)
        while bar < last and bar < position:
            lowest, highest = min(lowest, values[bar]), max(highest, values[bar])
            bar += 1
        low[column], high[column] = lowest, highest


@jit(inline=True)
def _level(share: float) -> int:
    """Step of a ramp for the covered share of a pixel; one that is touched is seen."""
    step: Any = np.int64((share * _FULL + _ROUNDING) - _ROUNDING)
    return max(step, 1)


@jit(inline=True)
def draw_spans(
    top: FloatArray,
    bottom: FloatArray,
    pixels: int,
    stride: int,
    height: int,
    base: int,
    on_area: int,
    area: int,
) -> None:
    """Fill columns of pixels from fractional rows to others, anti-aliased.

    Parameters
    ----------
    top, bottom
        float64[columns].
    pixels
        Address of the first column's top pixel; rows are ``stride`` bytes apart, ``height`` of them.
    base, on_area
        First index of the ramp of the colour on white, and on the area, whose indices begin at ``area``.
    """
    for column in range(top.size):
        begin = min(max(top[column], 0.0), height - 1.0)
        end = min(max(bottom[column], begin + _LEAST), height - _LEAST)
        if not (begin >= 0.0 and end <= height):  # a NaN
            continue
        first, last = np.int64(begin), np.int64(end)
        if last == end:
            last -= 1
        for row in range(first, last + 1):
            pixel = uint8_at(pixels + row * stride + column)
            level: Any = np.int64(_FULL)
            if row == first:
                level = _level(min(first + 1.0, end) - begin)
            elif row == last:
                level = _level(end - last)
            pixel[0] = level + (on_area if pixel[0] >= area else base)
