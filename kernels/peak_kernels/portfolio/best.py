"""The best assets of each row of scores.

Assets are walked in alphabetical order, whatever their places in the panel, and of equal scores the first in the
alphabet is the better one; so no result depends on the order of assets.

``scores`` is float64[k, asset] (NaN: not ranked); ``alphabet`` int64[asset] holds the assets group by group, each group
in alphabetical order, ``bounds`` int64[groups + 1] where each begins.  ``best`` int64[k, groups * width] holds the
chosen of each group side by side, ``counts`` int64[k, groups] how many of a group are ranked at all.

Reads scores and who may be chosen; writes who was, and how many of each group could be.
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

_RUN = 16
# Values from which the best are parted from the others by a bound; of how many it is guessed, and in how many steps.
_MANY, _SAMPLE, _MOST_STEPS = 96, 32, 40
# Values of which each is compared with all others, rather than sorted; and how many at a time.
_FEW, _LANES = 256, 32


@jit(inline=True)
def median_of(a: float, b: float, c: float) -> float:
    """The middle one of three."""
    return max(min(a, b), min(max(a, b), c))


@jit(inline=True)
def kth_largest(values: FloatArray, count: int, k: int) -> float:
    """The ``k``-th largest of the first ``count`` values (k >= 1); reorders them (Hoare's selection)."""
    low: Any = 0
    high: Any = count - 1
    place: Any = k - 1
    while low < high:
        pivot = median_of(values[low], values[(low + high) // 2], values[high])
        i: Any = low
        j: Any = high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return values[place]


@jit(inline=True)
def sort_descending(
    keys: FloatArray, items: IntArray, count: int, spare: FloatArray, spared: IntArray
) -> None:
    """Sort the first ``count`` items by their keys, the largest first; equal ones keep their order (merges of runs)."""
    for start in range(0, count, _RUN):
        stop = min(start + _RUN, count)
        for at in range(start + 1, stop):
            key, item = keys[at], items[at]
            place: Any = at
            while place > start and keys[place - 1] < key:
                keys[place], items[place] = keys[place - 1], items[place - 1]
                place -= 1
            keys[place], items[place] = key, item
    width: Any = _RUN
    while width < count:
        for start in range(0, count, 2 * width):
            middle, stop = min(start + width, count), min(start + 2 * width, count)
            i: Any = start
            j: Any = middle
            for at in range(start, stop):
                if i < middle and (j >= stop or keys[i] >= keys[j]):
                    spare[at], spared[at] = keys[i], items[i]
                    i += 1
                else:
                    spare[at], spared[at] = keys[j], items[j]
                    j += 1
        for at in range(count):
            keys[at], items[at] = spare[at], spared[at]
        width *= 2


@jit(inline=True)
def how_many(values: FloatArray, count: int, bound: float) -> int:
    """How many of the first ``count`` values reach a bound."""
    reached: Any = 0
    for at in range(count):
        reached += 1 if values[at] >= bound else 0
    return reached


@jit(inline=True)
def bound_of(values: FloatArray, count: int, wanted: int) -> float:
    """A bound that just ``wanted`` of the first ``count`` values reach; NaN where none is found, as among equal ones.

    Counting takes many values at a time and no branch that depends on one, so halving an interval a dozen times costs
    less than moving values about: scores are not to be guessed, and a wrong guess costs as much as ten comparisons.
    """
    low, high = values[0], values[0]
    for at in range(1, _SAMPLE):
        value = values[at * (count // _SAMPLE)]
        low, high = min(low, value), max(high, value)
    span = high - low
    if not 0.0 < span < math.inf:
        return math.nan
    upper: Any = how_many(values, count, high)
    lower: Any = how_many(values, count, low)
    for _ in range(_MOST_STEPS):
        if upper > wanted:
            low, lower, high = high, upper, high + span
            upper = how_many(values, count, high)
        elif lower < wanted:
            high, upper, low = low, lower, low - span
            lower = how_many(values, count, low)
        elif upper == wanted:
            return high
        elif lower == wanted:
            return low
        else:
            middle = 0.5 * (low + high)
            reached = how_many(values, count, middle)
            if reached >= wanted:
                low, lower = middle, reached
            else:
                high, upper = middle, reached
    return math.nan


@jit(inline=True)
def front_runners(values: FloatArray, items: IntArray, count: int, wanted: int) -> int:
    """Move the best ``wanted`` of many values to the front, in their order, and return how many are left.

    All stay where they are few, or where no bound parts them.
    """
    if count < _MANY or wanted >= count:
        return count
    bound = bound_of(values, count, wanted)
    if bound != bound:
        return count
    kept: Any = 0
    for at in range(count):
        value = values[at]
        values[kept], items[kept] = value, items[at]
        kept += 1 if value >= bound else 0
    return kept


@jit(inline=True)
def best_of_few(
    keys: FloatArray, items: IntArray, count: int, wanted: int, best: IntArray, spare: FloatArray
) -> None:
    """Write the best ``wanted`` of a few items, the largest key first; of equal keys the first.

    The place of each is how many come before it, which many comparisons at a time answer without a branch.
    ``keys`` has room for as many as the lanes take.
    """
    padded = (count + _LANES - 1) // _LANES * _LANES
    for place in range(count, padded):
        keys[place] = -math.inf
    total: Any = 0
    for place in range(count):
        key = keys[place]
        before: Any = 0
        for other in range(padded):
            before += 1 if keys[other] > key else 0
        total += before
        spare[before] = items[place]
    if total != count * (count - 1) // 2:
        for place in range(count):  # Some are equal, and have been put in one place.
            key = keys[place]
            first: Any = 0
            for other in range(place):
                first += 1 if keys[other] >= key else 0
            for other in range(place + 1, count):
                first += 1 if keys[other] > key else 0
            spare[first] = items[place]
    for place in range(wanted):
        best[place] = int(spare[place])


@jit(inline=True)
def best_of(
    scores: FloatArray, assets: IntArray, sign: float, width: int, ordered: int, best: IntArray,
    spare: tuple[FloatArray, FloatArray, IntArray],
) -> int:  # fmt: skip
    """Write the best of some assets (``sign`` -1: the worst) and return how many are ranked."""
    values, keys, items = spare
    ranked: Any = 0
    for place in range(assets.size):
        value = sign * scores[assets[place]]
        values[ranked], items[ranked] = value, assets[place]
        ranked += 1 if value == value else 0
    wanted = min(width, ranked)
    if wanted == 0:
        return ranked
    count = front_runners(values, items, ranked, wanted)
    if ordered == 0 and count == wanted:
        for place in range(count):
            best[place] = items[place]
        return ranked
    if count <= _FEW and count + _LANES <= values.size:
        best_of_few(values, items, count, wanted, best, keys)
        return ranked
    for place in range(count):
        keys[place] = values[place]
    least = kth_largest(keys, count, wanted)
    ties: Any = wanted
    for place in range(count):
        ties -= 1 if values[place] > least else 0
    chosen: Any = 0
    for place in range(count):
        value = values[place]
        if value > least or (value == least and ties > 0):
            ties -= 1 if value == least else 0
            keys[chosen], best[chosen] = value, items[place]
            chosen += 1
    if ordered > 0:
        sort_descending(keys, best, wanted, values, items)
    return ranked


@jit(inline=True)
def best_into(
    scores: FloatArray, alphabet: IntArray, bounds: IntArray, sign: float, width: int, ordered: int, best: IntArray,
    counts: IntArray, spare: tuple[FloatArray, FloatArray, IntArray],
) -> None:  # fmt: skip
    """The best of each group in each row, at most ``width``; in order of their scores where ``ordered``.

    ``spare`` are float64[assets], float64[assets], int64[assets].
    """
    for k in range(scores.shape[0]):
        for group in range(bounds.size - 1):
            assets = alphabet[bounds[group] : bounds[group + 1]]
            room = best[k, group * width : (group + 1) * width]
            counts[k, group] = best_of(scores[k], assets, sign, width, ordered, room, spare)
