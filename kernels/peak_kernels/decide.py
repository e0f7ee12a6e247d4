"""From indicator rows to decisions: 64 bars of a comparison are one machine word.

A rule is four conditions, each a comparison of two rows of a plane::

    0 enter long    1 leave long    2 enter short    3 leave short

Per bar the state machine makes at most one transition.  Flat: enter long, else enter short.  Long: enter
short (a reversal), else leave.  Short: enter long, else leave.  A comparison with NaN is false, so warm-up
bars and bars without prices change nothing.

The plane is one flat array of rows; each row is padded with NaN to a multiple of 64, so that a word can be
read past the last bar.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels import simd
from peak_kernels._jit import jit
from peak_kernels.types import FloatArray, IntArray

CONDITIONS = 4
FIELDS = 3  # row of x, row of y, 0: x > y, 1: x >= y; row -1: never
RULE_SIZE = CONDITIONS * FIELDS


@jit(inline=True)
def _word(plane: FloatArray, stride: int, rule: IntArray, condition: Any, bar: int) -> int:
    """Bits of one condition for the 64 bars from ``bar`` on."""
    x = rule[condition * FIELDS]
    if x < 0:
        return simd.no_bits()
    at_x = x * stride + bar
    at_y = rule[condition * FIELDS + 1] * stride + bar
    if rule[condition * FIELDS + 2] > 0:
        return simd.above_or_equal_mask(plane, plane, at_x, at_y)
    return simd.above_mask(plane, plane, at_x, at_y)


@jit(inline=True)
def decide(
    plane: FloatArray, stride: int, rule: IntArray, bars: int, bar_of: IntArray, target_of: FloatArray
) -> int:
    """Write the bars at which the target side changes, and the new side; returns how many.

    Parameters
    ----------
    plane
        Rows of ``stride`` elements, one after the other.
    rule
        int64[RULE_SIZE].
    bar_of, target_of
        Output, at least ``bars`` long.
    """
    state = 0
    count = 0
    for start in range(0, bars, simd.BLOCK):
        enter_long = _word(plane, stride, rule, np.int64(0), start)
        leave_long = _word(plane, stride, rule, np.int64(1), start)
        enter_short = _word(plane, stride, rule, np.int64(2), start)
        leave_short = _word(plane, stride, rule, np.int64(3), start)
        ahead = simd.all_bits()
        while True:
            if state == 0:
                word = enter_long | enter_short
            elif state == 1:
                word = leave_long | enter_short
            else:
                word = leave_short | enter_long
            word &= ahead
            place = simd.trailing_zeros(word)
            if place >= simd.BLOCK:
                break
            long_now = simd.bit(enter_long, place)
            short_now = simd.bit(enter_short, place)
            if state == 0:
                state = 1 if long_now else -1
            elif state == 1:
                state = -1 if short_now else 0
            else:
                state = 1 if long_now else 0
            bar_of[count] = start + place
            target_of[count] = state
            count += 1
            ahead = simd.bits_above(place)
    return count


@jit
def changes(target: FloatArray, bar_of: IntArray, target_of: FloatArray) -> int:
    """Decisions of a row of targets: every bar whose target differs from the last one that was not NaN."""
    count = 0
    last = 0.0
    for bar in range(target.shape[0]):
        value = target[bar]
        if value != last and value == value:
            bar_of[count] = bar
            target_of[count] = value
            count += 1
            last = value
    return count
