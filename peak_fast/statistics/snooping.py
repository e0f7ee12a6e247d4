"""Is the best of many strategies better than a benchmark, or only the best of many?  One resampling answers it all.

White's reality check, Hansen's test of superior predictive ability with its three p-values, and the step-down test of
Romano & Wolf share the samples and one pass over the columns, which may come in tiles.  With the excess mean d of a
column, ``o^2`` its long-run variance under the stationary bootstrap and d* its mean over a sample:

* reality check: ``max d`` against ``max (d* - d)``;
* "hansen": ``max(0, max sqrt(T) d / o)`` against ``max(0, max sqrt(T) (d* - g) / o)``, g being ``max(0, d)`` ("lower"),
  d itself ("upper"), or d where ``sqrt(T) d / o >= -sqrt(2 log log T)`` and otherwise 0 ("consistent");
* "arch": the same without o and without the floor at 0, which is what arch computes and calls SPA;
* step-down: the best are rejected against the maximum of all, the next against the maximum of those that are left.

p-values are ``(1 + k) / (B + 1)`` with k samples that reach the statistic; those of "arch" are ``k / B``, k exceeding.

References
----------
White (2000), A Reality Check for Data Snooping, Econometrica 68(5), section 2; Hansen (2005), A Test for Superior
Predictive Ability, Journal of Business & Economic Statistics 23(4), sections 2 and 3; Romano & Wolf (2005), Stepwise
Multiple Testing as Formalized Data Snooping, Econometrica 73(4), section 4, with o of the data in every sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from peak_fast.arguments import number, shown, whole
from peak_fast.errors import ConfigError, DataError
from peak_fast.guard import guarded
from peak_fast.statistics.bootstrap import Resamples, block_of, in_groups, side_by_side
from peak_fast.statistics.lengths import optimal_block_length
from peak_fast.statistics.normal import chosen, numbers
from peak_fast.statistics.snooped import Fold, Snooping
from peak_kernels.arrays import WIDTH, FloatArray
from peak_kernels.resampling_entries import long_run_variances

_TILE = 8 * WIDTH
_LOOKED_AT = 32
_FEWEST = 3
Tiles = Callable[[], Iterator[FloatArray]]
Tested = tuple[FloatArray, FloatArray, FloatArray]
"""Means, long-run deviations and ``d* - d`` ``[sample, column]`` of some columns."""


@guarded
def data_snooping(
    returns: Any, benchmark: Any = 0.0, *, block: float | None = None, replications: int = 1000, seed: int | None = 0,
    indices: Any = None, form: str = "hansen", level: float = 0.05,
) -> Snooping:  # fmt: skip
    """Test all columns of returns against a benchmark: see the module.

    Parameters
    ----------
    returns
        ``[period, strategy]``, *returns* and not losses; or tiles of its columns: a function that gives an iterator of
        ``[period, some strategies]``, a list of them, or an iterator, which is gone through once.
    benchmark
        Returns of the benchmark for each period, or one number; 0 is cash.
    block
        Mean length of blocks; None: the mean of `optimal_block_length` over 32 columns of the first tile, at least 1.
    replications, seed, indices
        Samples B of the stationary bootstrap, by seed; or days of given samples, ``[sample, period]``.
    form
        "hansen" or "arch", for the p-values of superior ability and for the steps.
    level
        Of the critical values and the rejections.
    """
    chosen("form", form, ("hansen", "arch"))
    tiles = _tiles(returns)
    first = next(iter(tiles()), None)
    if first is None:
        raise DataError("returns: expected at least one strategy; got none; pass [period, strategy]")
    length = typical_block(first, benchmark) if block is None else block_of(block)
    samples = _samples(len(first), length, replications, seed, indices)
    tester = Tester(_benchmark(benchmark, len(first)), samples, length)

    def tested() -> Iterator[Tested]:
        before = 0
        for values in _cut(tiles(), len(first)):
            yield tester(values, before)
            before += values.shape[1]

    fold = fold_of(samples.replications, len(first), form, level)
    return folded(tested, fold, length, None if indices is not None else seed)


def fold_of(replications: int, periods: int, form: str, level: float) -> Fold:
    """What gathers tested columns."""
    count = whole("replications", replications, 1, 10_000_000, "1,000 is usual")
    return Fold(count, periods, chosen("form", form, ("hansen", "arch")), _level(level))


def folded(tested: Callable[[], Iterator[Tested]], fold: Fold, block: float, seed: int | None) -> Snooping:
    """The answers from columns that are tested elsewhere, as often as they are asked for, in their order."""
    for _ in fold.passes():
        for part in tested():
            fold.add(*part)
    return fold.result(block, seed)


def tester_of(periods: int, benchmark: Any, block: float, replications: int, seed: int | None) -> Tester:
    """What tests columns of so many returns; the same on each machine where the seed is a number."""
    samples = Resamples.stationary(periods, block, replications, seed)
    return Tester(_benchmark(benchmark, periods), samples, block)


class Tester(NamedTuple):
    """Returns of the benchmark, the samples, and the mean length of their blocks."""

    against: FloatArray
    samples: Resamples
    block: float

    def __call__(self, values: FloatArray, before: int) -> Tested:
        """Test some columns, ``before`` of which were seen."""
        return _tested(values, *self, before)


def _tested(values: FloatArray, against: FloatArray, samples: Resamples, block: float, before: int) -> Tested:
    count, width = values.shape
    excess = values - against[:, None]
    bad = np.flatnonzero(~np.isfinite(excess).all(axis=0))
    if bad.size:
        raise DataError(
            f"returns: expected numbers; strategy {before + int(bad[0])} has one that is missing or infinite; "
            "leave it out"
        )
    mean = excess.mean(axis=0)
    groups = in_groups(excess - mean)
    variance = np.empty((len(groups), WIDTH))
    long_run_variances(groups, 1.0 / block, variance)
    np.cumsum(groups, axis=1, out=groups)
    moved = side_by_side(samples.sums(groups))[:, :width] / count
    spread = np.maximum(variance.reshape(-1)[:width], 0.0)
    # A column that does not move has rounding noise for a variance.
    flat = spread <= 1e-24 * np.maximum(mean * mean, (excess * excess).mean(axis=0))
    return mean, np.where(flat, 0.0, np.sqrt(spread)), moved


@guarded
def long_run_deviation(returns: Any, block: float) -> Any:
    """Standard deviation o of ``sqrt(T) mean`` under the stationary bootstrap of a mean length of blocks, exactly.

    ``o^2 = g_0 + 2 sum k(i) g_i`` over autocovariances g, with ``k(i) = (1 - i/T) (1-p)^i + (i/T) (1-p)^(T-i)`` and p =
    1 / block.  One number for a series, an array for the columns of a matrix; NaN where a return is missing.

    References
    ----------
    Politis & Romano (1994), lemma 1; Hansen (2005), section 3.
    """
    matrix = numbers("returns", returns)
    columns = matrix[:, None] if matrix.ndim == 1 else matrix
    groups = in_groups(columns - columns.mean(axis=0))
    variance = np.empty((len(groups), WIDTH))
    long_run_variances(groups, 1.0 / block_of(block), variance)
    found = np.sqrt(np.maximum(variance.reshape(-1)[: columns.shape[1]], 0.0))
    return float(found[0]) if matrix.ndim == 1 else found


def _tiles(returns: Any) -> Tiles:
    """A function that gives the tiles from the beginning; of an iterator that can be gone through once, one time."""
    if callable(returns):
        return lambda: iter(returns())
    if hasattr(returns, "to_numpy") or isinstance(returns, np.ndarray):
        matrix = numbers("returns", returns)
        return lambda: iter([matrix])
    if isinstance(returns, Iterator):
        return _Once(returns)
    if isinstance(returns, Iterable) and not isinstance(returns, str | bytes):
        given = list(returns)
        if not given or np.ndim(given[0]) == 2:
            return lambda: iter(given)
        matrix = numbers("returns", given)
        return lambda: iter([matrix])
    raise DataError(
        f"returns: expected a matrix or tiles of one; got {shown(returns)}; pass [period, strategy]"
    )


class _Once:
    """Tiles of an iterator: the first is looked at before the others are asked for."""

    def __init__(self, given: Iterator[Any]) -> None:
        self._given, self._first, self._started = given, next(given, None), False

    def __call__(self) -> Iterator[Any]:
        if self._started:
            raise ConfigError(
                "returns: expected tiles that can be gone through again, as more strategies are rejected than are kept "
                "at a time; got an iterator; pass a function that gives one"
            )
        if self._first is not None:
            yield self._first
            self._started = True
            yield from self._given


def _cut(tiles: Iterator[Any], periods: int) -> Iterator[FloatArray]:
    """Narrower tiles, so that memory does not depend on how wide those given are."""
    for number_of, tile in enumerate(tiles):
        values = numbers("returns", tile)
        if values.ndim != 2 or len(values) != periods:
            raise DataError(
                f"returns: expected tiles of [{periods} periods, strategies]; tile {number_of} has shape {values.shape}"
            )
        for first in range(0, values.shape[1], _TILE):
            yield values[:, first : first + _TILE]


def _benchmark(benchmark: Any, periods: int) -> FloatArray:
    values = numbers("benchmark", benchmark)
    if values.ndim > 1 or (values.ndim and values.size != periods) or not np.isfinite(values).all():
        raise DataError(
            f"benchmark: expected a number or {periods} returns without a gap; got shape {values.shape}; 0 is cash"
        )
    return np.broadcast_to(values, (periods,))


def typical_block(returns: Any, benchmark: Any = 0.0) -> float:
    """Mean of the automatic lengths of blocks over evenly spread columns, at least 1."""
    matrix = numbers("returns", returns)
    if matrix.ndim != 2 or len(matrix) < _FEWEST:
        raise DataError(
            f"returns: expected [period, strategy] of {_FEWEST} periods or more; got shape {matrix.shape}"
        )
    places = np.unique(
        np.linspace(0, max(matrix.shape[1] - 1, 0), min(_LOOKED_AT, matrix.shape[1])).astype(int)
    )
    against = _benchmark(benchmark, len(matrix))
    excess = (matrix[:, place] - against for place in places)
    lengths = [optimal_block_length(values) for values in excess if np.isfinite(values).all()]
    return max(1.0, float(np.mean(lengths))) if lengths else 1.0


def _samples(periods: int, block: float, replications: Any, seed: Any, indices: Any) -> Resamples:
    if indices is not None:
        return Resamples(periods, np.atleast_2d(np.asarray(indices)))
    count = whole("replications", replications, 1, 10_000_000, "1,000 is usual")
    return Resamples.stationary(periods, block, count, seed)


def _level(level: Any) -> float:
    value = number("level", level, "a share between 0 and 1", "0.05 is usual")
    if not 0.0 < value < 1.0:
        raise ConfigError(f"level: expected a share between 0 and 1; got {shown(level)}; 0.05 is usual")
    return value
