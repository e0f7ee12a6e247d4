"""Worlds in plain Python, from the words of docs/validation.md; nothing of the kernels is used."""

import math

STEP = 0x9E3779B97F4A7C15
WORD = 2**64 - 1


def mixed(state):
    bits = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & WORD
    return bits ^ (bits >> 31)


class Draws:
    """SplitMix64 of a seed and a number."""

    def __init__(self, seed, number):
        self.state = mixed(mixed((seed + STEP) & WORD) ^ ((number + 1) * STEP & WORD))

    def bits(self):
        self.state = (self.state + STEP) & WORD
        return mixed(self.state)

    def fraction(self):
        return (self.bits() >> 11) / 2**53

    def below(self, bound):
        while True:
            product = (self.bits() >> 32) * bound
            if product % 2**32 >= (2**32 - bound) % bound:
                return product >> 32


def permuted(draws, count, length):
    order = []
    for k in range(count):
        other = draws.below(k + 1)
        order.append(None)
        order[k] = order[other]
        order[other] = k
    return order


def block(draws, count, length):
    order = []
    while len(order) < count:
        start = draws.below(count)
        order += [(start + k) % count for k in range(int(length))]
    return order[:count]


def stationary(draws, count, length):
    order = []
    for k in range(count):
        new = draws.fraction() < 1 / length
        order.append(draws.below(count) if k == 0 or new else (order[-1] + 1) % count)
    return order


def sign(draws, count, length):
    return [-1 - k if draws.fraction() < 0.5 else k for k in range(count)]


METHODS = {"permutation": permuted, "block": block, "stationary": stationary, "sign": sign}


def order_of(method, groups, bars, length, seed, number):
    """Whose moves each bar takes; ``-1 - number``: mirrored."""
    draws, order = Draws(seed, number), list(range(bars))
    for group in groups:
        for place, source in zip(group, METHODS[method](draws, len(group), length), strict=True):
            order[place] = -1 - group[-1 - source] if source < 0 else group[source]
    return order


def chained(rows, order):
    """Bars ``(open, high, low, close)``, NaN where missing, in the order of a world."""
    moves, before = [], math.nan
    for row in rows:
        moves.append([price / before for price in row])
        before = before if math.isnan(row[3]) else row[3]
    first = next(k for k, row in enumerate(rows) if not math.isnan(row[3]))
    world, level = [list(row) for row in rows[: first + 1]], rows[first][3]
    for source in order[first + 1 :]:
        if source >= 0:
            move = moves[source]
        else:
            opened, high, low, close = moves[-1 - source]
            move = [1 / opened, 1 / low, 1 / high, 1 / close]
        world.append([level * part for part in move])
        level = level if math.isnan(move[3]) else level * move[3]
    return world


def jittered(rows, most, seed, number):
    """Bars whose prices are moved inside them."""
    draws, found = Draws(seed, number), []

    def between(low, high):
        return min(max(low + draws.fraction() * (high - low), low), high)

    for opened, high, low, close in rows:
        reach = most * (high - low)
        new_open = between(max(low, opened - reach), min(high, opened + reach))
        new_close = between(max(low, close - reach), min(high, close + reach))
        new_high = between(max(new_open, new_close, high - reach), high)
        new_low = between(low, min(new_open, new_close, low + reach))
        found.append([new_open, new_high, new_low, new_close])
    return found
