"""Samples of days that might have been: blocks drawn from the data, the same for every column of a matrix.

Draws come from ``numpy.random.default_rng(seed)``, for each sample in turn: "stationary" takes T whole numbers below T
and then T uniforms; "circular" and "moving" take one whole number for each block.  That is the order of arch, whose
samples are therefore the same for the same seed.

>>> from peak_fast.statistics import bootstrap_indices
>>> bootstrap_indices(6, block=3, replications=2, seed=1).shape
(2, 6)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from peak_fast.arguments import number, seed_of, shown, whole
from peak_fast.errors import ConfigError, DataError
from peak_fast.guard import guarded
from peak_fast.statistics.normal import chosen, numbers
from peak_kernels.arrays import CHUNK, WIDTH, FloatArray, IntArray
from peak_kernels.resampling_entries import add_differences, cut_into_chunks, follow_runs, sum_samples

_MOST = 10_000_000
_TILE = 8 * WIDTH


@guarded
def stationary_indices(starts: Any, uniforms: Any, block: float) -> IntArray:
    """Days of one sample of the stationary bootstrap from given draws: T starts and T uniforms.

    The first day is the first start.  Every other one is the day after the one before, round the end of the data, where
    its uniform is above ``1 / block``, and otherwise its start.

    References
    ----------
    Politis & Romano (1994), The Stationary Bootstrap, Journal of the American Statistical Association 89, section 2.
    """
    first, chance = np.asarray(starts, dtype=np.int64), np.asarray(uniforms, dtype=np.float64)
    if first.ndim != 1 or first.shape != chance.shape or not first.size:
        raise DataError(
            f"starts, uniforms: expected one of each for every day; got {first.shape}, {chance.shape}"
        )
    if first.min() < 0 or first.max() >= first.size:
        raise DataError(
            f"starts: expected days from 0 to {first.size - 1}; got {first.min()} to {first.max()}"
        )
    days = np.empty_like(first)
    follow_runs(first, chance, 1.0 / block_of(block), days)
    return days


@guarded
def bootstrap_indices(
    periods: int, block: float, replications: int, seed: int | None = None, kind: str = "stationary"
) -> IntArray:
    """Days of many samples, ``int64[replications, periods]``.

    "stationary": blocks of geometric length with mean ``block`` (Politis & Romano 1994); "circular": blocks of
    ``block`` days round the end of the data (Politis & Romano 1992); "moving": blocks inside the data (Kuensch 1989).

    Raises
    ------
    ConfigError
        Wrong numbers; a block that is not whole, or longer than the data, where its kind does not allow it.
    """
    count = whole("replications", replications, 1, _MOST, "1,000 is usual")
    return np.stack(list(_drawn(periods, block, count, seed, kind)))


def _drawn(periods: int, block: float, count: int, seed: int | None, kind: str) -> Iterator[IntArray]:
    size = whole("periods", periods, 1, _MOST, "pass the number of returns")
    generator = np.random.default_rng(seed_of(seed))
    length = block_of(block)
    if chosen("kind", kind, ("stationary", "circular", "moving")) == "stationary":
        for _ in range(count):
            days = generator.integers(0, size, size)
            follow_runs(days, generator.random(size), 1.0 / length, days)
            yield days
        return
    if not length.is_integer() or length > size:
        raise ConfigError(
            f"block: expected a whole number up to {size} for {kind!r} blocks; got {shown(block)}"
        )
    last = size if kind == "circular" else size - int(length) + 1
    within = np.arange(int(length))
    for _ in range(count):
        starts = generator.integers(0, last, math.ceil(size / length))
        yield (starts[:, None] + within).reshape(-1)[:size] % size


def block_of(block: Any) -> float:
    """A mean length of blocks, 1 or more.

    Raises
    ------
    ConfigError
        Something else.
    """
    length = number(
        "block", block, "a length of blocks, 1 or more", "optimal_block_length(returns) suggests one"
    )
    if not 1.0 <= length < math.inf:
        raise ConfigError(
            f"block: expected a length of 1 or more; got {shown(block)}; 1 draws each day alone"
        )
    return length


class Resamples:
    """Samples of days, ready to be summed over any number of columns.

    Parameters
    ----------
    periods
        Number of days T of the data.
    samples
        Days of each sample, T whole numbers below T; they are looked at once, so a generator will do.
    """

    def __init__(self, periods: int, samples: Iterable[Any]) -> None:
        self.periods = periods
        counts, scratch = np.empty(periods, dtype=np.int64), np.empty(periods + 1, dtype=np.uint32)
        weight, found = np.empty(periods + 1, dtype=np.float32), []
        for sample in samples:
            size = add_differences(_days(sample, periods), counts, scratch, weight)
            found.append((scratch[:size].copy(), weight[:size].copy()))
        if not found:
            raise DataError(
                "indices: expected at least one sample; got none; pass int64[replications, periods]"
            )
        self.replications = len(found)
        self._offsets = np.empty((periods // CHUNK + 1, len(found) + 1), dtype=np.int64)
        bounds = np.cumsum([0, *(len(places) for places, _ in found)], dtype=np.int64)
        places, weights = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        self._places, self._weights = np.empty_like(places), np.empty_like(weights)
        cut_into_chunks(bounds, places, weights, self._offsets, self._places, self._weights)

    @classmethod
    def stationary(cls, periods: int, block: float, replications: int, seed: int | None) -> Resamples:
        """Of the stationary bootstrap, by seed."""
        return cls(periods, _drawn(periods, block, replications, seed, "stationary"))

    def sums(self, running: FloatArray) -> FloatArray:
        """``[group, sample, 16]`` of running sums ``[group, 1 + day, 16]``, the first of which are 0."""
        out = np.empty((running.shape[0], self.replications, WIDTH))
        sum_samples(running, self._offsets, self._places, self._weights, out)
        return out


@guarded
def resampled_means(returns: Any, indices: Any) -> FloatArray:
    """Mean of each column over each sample, ``[sample, column]``: ``returns[indices].mean(axis=1)`` without that array.

    ``returns[day, column]`` are numbers (NaN spoils its column), ``indices[sample, day]`` days from 0.
    """
    matrix = numbers("returns", returns)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    samples = Resamples(len(matrix), np.atleast_2d(np.asarray(indices)))
    found = np.empty((samples.replications, matrix.shape[1]))
    for first in range(0, matrix.shape[1], _TILE):
        block = matrix[:, first : first + _TILE]
        mean = block.mean(axis=0)
        sums = samples.sums(np.cumsum(in_groups(block - mean), axis=1))
        found[:, first : first + _TILE] = side_by_side(sums)[:, : block.shape[1]] / len(matrix) + mean
    return found


def in_groups(block: FloatArray) -> FloatArray:
    """Columns in groups of sixteen below a row of zeros: ``[group, 1 + day, 16]``; columns that fill up are 0."""
    groups = -(-block.shape[1] // WIDTH)
    found = np.zeros((groups, block.shape[0] + 1, WIDTH))
    for group in range(groups):
        part = block[:, group * WIDTH : (group + 1) * WIDTH]
        found[group, 1:, : part.shape[1]] = part
    return found


def side_by_side(groups: FloatArray) -> FloatArray:
    """``[row, 16 * group]`` of ``[group, row, 16]``."""
    return groups.transpose(1, 0, 2).reshape(groups.shape[1], -1)


def _days(sample: Any, periods: int) -> IntArray:
    days = np.ascontiguousarray(sample, dtype=np.int64)
    if days.shape != (periods,) or days.min() < 0 or days.max() >= periods:
        raise DataError(
            f"indices: expected {periods} days from 0 to {periods - 1} for each sample; got shape {days.shape}"
            + (f", {days.min()} to {days.max()}" if days.size else "")
        )
    return days
