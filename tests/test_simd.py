"""The vector operations against what their docstrings say, in plain Python."""

import math

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_kernels import simd


@numba.njit(error_model="numpy")
def fold(table, row, start, stop, cash, units, free):
    return simd.fold_equity(table, row, start, stop, cash, units, free)


@numba.njit
def outside(table, adverse, favourable, start, stop, sign, level, goal):
    return simd.first_outside(table, adverse, favourable, start, stop, sign, level, goal)


@numba.njit
def words(x, y, at_x, at_y):
    return simd.above_mask(x, y, at_x, at_y), simd.above_or_equal_mask(x, y, at_x, at_y)


@numba.njit
def bits(word, place):
    return simd.trailing_zeros(word), simd.bit(word, place), simd.bits_above(place)


def lanes_sum(values):
    """Sum in the documented order: eight lanes, then pairs."""
    lanes = [0.0] * 8
    for index, value in enumerate(values):
        lanes[index % 8] += value
    while len(lanes) > 1:
        lanes = [lanes[k] + lanes[k + 1] for k in range(0, len(lanes), 2)]
    return lanes[0]


@given(
    st.lists(st.floats(50, 150), min_size=2, max_size=70),
    st.integers(1, 69),
    st.floats(-100, 1000),
    st.floats(0.1, 20),
    st.sampled_from([0.0, 1e-4]),
)
def test_fold_equity_is_its_docstring(prices, start, cash, units, free):
    start = min(start, len(prices) - 1)
    table = np.array([np.zeros(len(prices)), prices])
    if (cash + units * table[1] <= 0).any():
        return
    equity = [cash + units * price for price in prices]
    rets = [equity[k] / equity[k - 1] - 1.0 for k in range(start, len(prices))]
    down = [min(ret - free, 0.0) for ret in rets]
    expected = (
        lanes_sum(rets),
        lanes_sum([r * r for r in rets]),
        lanes_sum([d * d for d in down]),
        max(equity[start:]),
        min(equity[start:]),
    )
    assert fold(table, 1, start, len(prices), cash, units, free) == expected


def test_fold_equity_of_nothing():
    table = np.ones((1, 4))
    assert fold(table, 0, 2, 2, 1.0, 1.0, 0.0) == (0.0, 0.0, 0.0, -math.inf, math.inf)


@given(
    st.lists(st.one_of(st.floats(-3, 3), st.just(math.nan)), min_size=1, max_size=40),
    st.integers(0, 39),
    st.sampled_from([1.0, -1.0]),
    st.floats(-3, 3),
    st.floats(-3, 3),
)
def test_first_outside_is_its_docstring(values, start, sign, level, goal):
    start = min(start, len(values))
    table = np.array([values, values[::-1]])
    expected = len(values)
    for t in range(start, len(values)):
        if sign * table[0, t] <= level or sign * table[1, t] >= goal:
            expected = t
            break
    assert outside(table, 0, 1, start, len(values), sign, level, goal) == expected


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, math.nan]), min_size=128, max_size=128), st.integers(0, 64))
def test_masks_are_comparisons(values, at):
    x = np.array(values)
    y = x[::-1].copy()
    above, at_least = words(x, y, at, 64 - at)
    for k in range(64):
        left, right = x[at + k], y[64 - at + k]
        assert bool(above >> k & 1) == bool(left > right)
        assert bool(at_least >> k & 1) == bool(left >= right)


@pytest.mark.parametrize("place", [0, 1, 31, 62, 63])
def test_bits(place):
    word = np.uint64(1 << place)
    zeros, is_set, above = bits(word, place)
    assert (zeros, is_set) == (place, True)
    assert int(above) == (((1 << 64) - 1) >> (place + 1)) << (place + 1)
    assert bits(np.uint64(0), place)[:2] == (64, False)


@numba.njit
def others(x, at):
    return simd.nonzero_mask(x, at)


@numba.njit
def fetched(table, field, row, column):
    simd.fetch(table, field, row, column)
    return table[field, row, column]


@given(
    st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, math.nan, math.inf, 5e-324]), min_size=70, max_size=70)
)
def test_nonzero_mask_is_its_docstring(values):
    x = np.array(values)
    for at in (0, 6):
        expected = sum(1 << k for k in range(64) if x[at + k] != 0.0 and x[at + k] == x[at + k])
        assert int(others(x, at)) == expected


def test_fetching_changes_nothing():
    table = np.arange(2 * 3 * 40.0).reshape(2, 3, 40)
    before = table.copy()
    assert fetched(table, 1, 2, 39) == table[1, 2, 39] and np.array_equal(table, before)
