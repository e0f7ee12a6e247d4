"""The best assets of each row, and their weights.

Assets are walked in alphabetical order, whatever their places in the panel, and of equal scores the first in the
alphabet is the better one; so no result depends on the order of assets.

``scores`` is float64[k, asset] (NaN: not ranked); ``alphabet`` int64[asset] holds the assets group by group, each group
in alphabetical order, ``bounds`` int64[groups + 1] where each begins.  ``best`` int64[k, groups * width] holds the
chosen of each group side by side, ``counts`` int64[k, groups] how many of a group are ranked at all.

Reads scores and what weights are in proportion to; writes ``best``, ``counts`` and weights, float64[k, asset].

Reads scores and who may be chosen; writes who was, how many of each group, and their weights.
"""

from __future__ import annotations

import math
from typing import Any

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

_RUN = 16
_MANY, _SAMPLE = 160, 64
# Values of which each is compared with all others, rather than sorted; and how many at a time.
_FEW, _LANES = 256, 32

# Terms of weighing: one float64 vector.
TOP, BOTTOM, BUFFER, LONG, SHORT, CAP, GROUP_CAP, EVERY = range(8)
N_TERMS = 8


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
def front_runners(values: FloatArray, items: IntArray, count: int, wanted: int, spare: FloatArray) -> int:
    """Move a few of the values to the front, in their order, the best ``wanted`` among them, and return how many.

    The bound is guessed from a sample, which costs less than to select among all; where the guess was bad all stay.
    """
    if count < _MANY or wanted * 4 > count:
        return count
    step = count // _SAMPLE
    for at in range(_SAMPLE):
        spare[at] = values[at * step]
    share = wanted / count
    place = int(_SAMPLE * share + 3.0 * math.sqrt(_SAMPLE * share * (1.0 - share))) + 1
    bound = kth_largest(spare, _SAMPLE, min(place, _SAMPLE))
    above: Any = 0
    for at in range(count):
        above += 1 if values[at] >= bound else 0
    if above < wanted:
        return count
    kept: Any = 0
    for at in range(count):
        value = values[at]
        values[kept], items[kept] = value, items[at]
        kept += 1 if value >= bound else 0
    return kept


@jit(inline=True)
def best_of_few(keys: FloatArray, items: IntArray, count: int, wanted: int, best: IntArray) -> None:
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
        if before < wanted:
            best[before] = items[place]
    if total == count * (count - 1) // 2:
        return
    for place in range(count):  # Some are equal, and would be put in one place.
        key = keys[place]
        first: Any = 0
        for other in range(place):
            first += 1 if keys[other] >= key else 0
        for other in range(place + 1, count):
            first += 1 if keys[other] > key else 0
        if first < wanted:
            best[first] = items[place]


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
    count = front_runners(values, items, ranked, wanted, keys)
    if ordered > 0 and count <= _FEW and count + _LANES <= values.size:
        best_of_few(values, items, count, wanted, best)
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


@jit(inline=True)
def number_of(wanted: float, ranked: int) -> int:
    """How many are chosen: a number, or a share of those that are ranked (below 1), of which there is one at least."""
    if wanted >= 1.0 or ranked == 0:
        return min(int(wanted), ranked)
    if wanted <= 0.0:
        return 0
    return max(int(wanted * ranked + 1e-9), 1)


@jit(inline=True)
def choose(
    best: IntArray, counts: IntArray, width: int, wanted: float, buffer: int, side: int, held: IntArray,
    chosen: IntArray,
) -> int:  # fmt: skip
    """Write who is held on one side and return how many.

    ``held`` int64[asset] is the side on which an asset was chosen in the row before; with a buffer those stay that are
    among the best ``wanted + buffer``, and the best others fill up.
    """
    total: Any = 0
    for group in range(counts.size):
        ranked = counts[group]
        number = number_of(wanted, ranked)
        room = best[group * width : (group + 1) * width]
        reach = min(number + buffer, min(ranked, width)) if number > 0 else 0
        taken: Any = 0
        if buffer > 0:
            for place in range(reach):
                if held[room[place]] == side and taken < number:
                    chosen[total] = room[place]
                    total += 1
                    taken += 1
        for place in range(reach):
            if taken >= number:
                break
            if buffer == 0 or held[room[place]] != side:
                chosen[total] = room[place]
                total += 1
                taken += 1
    return total


@jit(inline=True)
def without(longs: IntArray, count: int, shorts: IntArray, below: int) -> int:
    """Take those that are held long out of the shorts and return how many are left; there are few names then."""
    kept: Any = 0
    for place in range(below):
        both = False
        for other in range(count):
            if longs[other] == shorts[place]:
                both = True
                break
        if not both:
            shorts[kept] = shorts[place]
            kept += 1
    return kept


@jit(inline=True)
def slots_of(terms: FloatArray, wanted: float, groups: int) -> int:
    """Equal parts that a side has whether or not they are filled; 0: as many as are chosen."""
    return int(wanted) * groups if terms[EVERY] > 0.0 and wanted >= 1.0 else 0


@jit(inline=True)
def equal_shares(chosen: IntArray, count: int, total: float, side: float, out: FloatArray) -> None:
    """The same weight for all of a side, as `shares` makes it of values that are all one."""
    weight = side * (total * (1.0 / count)) if count > 0 and total > 0.0 else 0.0
    for place in range(count):
        out[chosen[place]] = weight


@jit(inline=True)
def shares(
    chosen: IntArray, count: int, values: FloatArray, sign: float, side: float, terms: FloatArray, slots: int,
    group_of: IntArray, spare: tuple[FloatArray, FloatArray, IntArray], out: FloatArray,
) -> None:  # fmt: skip
    """Weights of one side, in proportion to ``sign * values`` (0: all equal), within the caps.

    ``slots``: how many equal parts the side has (those that nobody fills stay cash); 0: it is of those chosen.
    What a cap cuts goes to the others in proportion, as far as they have room.
    """
    size, sums, state = spare
    total = terms[LONG] if side > 0.0 else terms[SHORT]
    cap, group_cap = terms[CAP], terms[GROUP_CAP]
    if sign == 0.0 and cap <= 0.0 and group_cap <= 0.0:
        equal_shares(chosen, count, total * (count / slots) if slots > count else total, side, out)
        return
    for place in range(count):
        value = 1.0
        if sign != 0.0:
            value = sign * values[chosen[place]]
            value = value if value > 0.0 else 0.0
        size[place] = value
        state[place] = 0 if value > 0.0 else 1
        out[chosen[place]] = 0.0
    if slots > count:
        total *= count / slots
    again = True
    while again:
        again = False
        free, left = 0.0, total
        for place in range(count):
            if state[place] == 0:
                free += size[place]
            else:
                left -= abs(out[chosen[place]])
        if free <= 0.0 or left <= 0.0:
            if group_cap > 0.0:
                cut_groups(chosen, count, group_cap, group_of, sums, state, out)
            break
        for place in range(count):
            if state[place] == 0:
                out[chosen[place]] = side * (left * (size[place] / free))
        if cap > 0.0:
            for place in range(count):
                if state[place] == 0 and abs(out[chosen[place]]) > cap:
                    out[chosen[place]] = side * cap
                    state[place] = 1
                    again = True
        if group_cap > 0.0 and not again:
            again = cut_groups(chosen, count, group_cap, group_of, sums, state, out)


@jit(inline=True)
def cut_groups(
    chosen: IntArray, count: int, group_cap: float, group_of: IntArray, sums: FloatArray, state: IntArray,
    out: FloatArray,
) -> bool:  # fmt: skip
    """Bring groups back to their cap; whether one was above it."""
    again = False
    for place in range(count):
        group = group_of[chosen[place]]
        if group >= 0:
            sums[group] = 0.0
    for place in range(count):
        group = group_of[chosen[place]]
        if group >= 0:
            sums[group] += abs(out[chosen[place]])
    for place in range(count):
        group = group_of[chosen[place]]
        if group >= 0 and sums[group] > group_cap * (1.0 + 1e-12):
            out[chosen[place]] *= group_cap / sums[group]
            state[place] = 1
            again = True
    return again


@jit(inline=True)
def weigh_into(
    best: tuple[IntArray, IntArray], counts: tuple[IntArray, IntArray], widths: tuple[int, int], values: FloatArray,
    shared: int, terms: FloatArray, group_of: IntArray, lists: tuple[IntArray, IntArray],
    spare: tuple[FloatArray, FloatArray, IntArray], numbers: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """Weights of every row, float64[k, asset]: 0 for what is not chosen.

    Parameters
    ----------
    best, counts, widths
        Of the best, and of the worst.
    values
        float64[k, asset] that weights are in proportion to; of no elements: they are equal.
    shared
        1: ``values`` are scores, of which those of the worst count with the other sign.
    group_of
        int64[asset], -1: no group.
    lists, spare
        Scratch: int64[assets], the side held, and int64[2 * assets], the chosen of both sides; float64[assets],
        float64[assets], int64[assets].
    numbers
        int64[k]: how many assets have a weight.
    """
    held, chosen = lists
    held[:] = 0
    sign = 1.0 if values.size > 0 else 0.0
    buffer = int(terms[BUFFER])
    for k in range(out.shape[0]):
        row = out[k]
        row[:] = 0.0
        of_row = values[k] if sign > 0.0 else row
        count = choose(best[0][k], counts[0][k], widths[0], terms[TOP], buffer, 1, held, chosen)
        slots = slots_of(terms, terms[TOP], counts[0].shape[1])
        shares(chosen, count, of_row, sign, 1.0, terms, slots, group_of, spare, row)
        number: Any = count
        if terms[BOTTOM] > 0.0:
            shorts = chosen[count:]
            below = choose(best[1][k], counts[1][k], widths[1], terms[BOTTOM], buffer, -1, held, shorts)
            below = without(chosen, count, shorts, below)
            slots = slots_of(terms, terms[BOTTOM], counts[1].shape[1])
            shares(
                shorts, below, of_row, -sign if shared > 0 else sign, -1.0, terms, slots, group_of, spare, row
            )
            number += below
        numbers[k] = number
        if buffer > 0:
            held[:] = 0
            for place in range(number):
                held[chosen[place]] = 1 if place < count else -1
