"""From indicator rows to decisions: 64 bars of a comparison are one machine word.

A rule is four conditions, each a comparison of two rows of a plane::

    0 enter long    1 leave long    2 enter short    3 leave short

Per bar the state machine makes at most one transition.  Flat: enter long, else enter short.  Long: enter
short (a reversal), else leave.  Short: enter long, else leave.  A comparison with NaN is false, so warm-up
bars and bars without prices change nothing.

The plane is one flat array of rows; each row is padded with NaN to a multiple of 64, so that a word can be
read past the last bar.

Reads rows of indicators and a rule; writes bars and targets of the decisions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels import simd
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.slots import FIELDS, ROW_OFFSET, SIGNALS, WEIGHTS


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
def changes(
    plane: FloatArray, first: int, bars: int, code: int, bar_of: IntArray, target_of: FloatArray
) -> int:
    """Decisions of a row that holds one value a bar: their bars and values; returns how many.

    ``WEIGHTS`` and ``SIDES``: every bar whose target differs from the last one that was not NaN.  ``SIGNALS``: every
    bar whose signal is not 0 and differs from the bar before, NaN counting as 0.  An infinite weight is refused, and
    sides and signals other than -1, 0 and 1: that gives -1.

    ``first`` is the place of bar 0; the element before it is 0, and 64 more follow the last bar.
    """
    count = 0
    last = 0.0
    for start in range(0, bars, simd.BLOCK):
        stop = min(start + simd.BLOCK, bars)
        at: Any = np.int64(start)
        place = first + start
        if plane[place - 1] == last:
            # 64 bars of one value are seen at once: none is above or below the bar before, none is NaN.
            moved = simd.above_mask(plane, plane, place, place - 1)
            moved |= simd.above_mask(plane, plane, place - 1, place)
            at = start + simd.trailing_zeros(moved | ~simd.above_or_equal_mask(plane, plane, place, place))
        for bar in range(at, stop):
            value = plane[first + bar]
            if value == last:
                continue
            if value != value:
                if code == SIGNALS:
                    last = 0.0
                continue
            if code == WEIGHTS:
                if value - value != 0.0:
                    return -1
            elif value != 0.0 and value != 1.0 and value != -1.0:
                return -1
            last = value
            if code == SIGNALS and value == 0.0:
                continue
            bar_of[count] = bar
            target_of[count] = value
            count += 1
    return count


@jit(inline=True)
def decide(
    plane: FloatArray, stride: int, rule: IntArray, bars: int, bar_of: IntArray, target_of: FloatArray
) -> int:
    """Write the bars at which the target side changes, and the new side; returns how many, -1 where refused.

    Parameters
    ----------
    plane
        Rows of ``stride`` elements, one after the other.
    rule
        int64[RULE_SIZE].
    bar_of, target_of
        Output, at least ``bars`` long.
    """
    if rule[2] >= WEIGHTS:
        return changes(plane, rule[0] * stride + ROW_OFFSET, bars, rule[2], bar_of, target_of)
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
