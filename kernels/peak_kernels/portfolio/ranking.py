"""Weights of the best assets of each row (`best`): who is held of them, and how much.

``best`` int64[k, groups * width] holds the chosen of each group side by side, ``counts`` int64[k, groups] how many of a
group are ranked at all.

Reads who is best and what weights are in proportion to; writes weights, float64[k, asset], and how many there are.
"""

from __future__ import annotations

from typing import Any

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

# Terms of weighing: one float64 vector.
TOP, BOTTOM, BUFFER, LONG, SHORT, CAP, GROUP_CAP, EVERY = range(8)
N_TERMS = 8


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
