"""Which rows train and which test: purged k-fold, combinatorial purged cross-validation, walks forward.

Everything is stretches ``[start, stop)`` of row numbers, because sums over them are differences of prefix sums;
`rows_of` writes them out.  Purging and embargo are those of Lopez de Prado, Advances in Financial Machine Learning
(2018), ch. 7; the combinatorial splits and their paths are those of ch. 12.

``n`` is the number of rows everywhere, ``purge`` and ``embargo`` are numbers of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from peak_fast.arguments import whole
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_kernels.arrays import IntArray

MOST_SPLITS = 200_000

Stretch = tuple[int, int]


class Split(NamedTuple):
    """One way to part the rows.

    Attributes
    ----------
    train
        Stretches to train on, in order.
    test
        Stretches to test on, one for each fold that tests.
    folds
        Numbers of these folds.
    """

    train: tuple[Stretch, ...]
    test: tuple[Stretch, ...]
    folds: tuple[int, ...]


@guarded
def rows_of(stretches: Iterable[Stretch]) -> IntArray:
    """Row numbers of stretches: int64[rows]."""
    parts = [np.arange(start, stop, dtype=np.int64) for start, stop in stretches]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


@guarded
def fold_bounds(n: int, folds: int) -> IntArray:
    """Where folds begin, and the end of the last: int64[folds + 1].

    Folds have ``n // folds`` rows, and the last has those left over, too.
    """
    _check(n, folds)
    bounds = np.arange(folds + 1, dtype=np.int64) * (n // folds)
    bounds[-1] = n
    return bounds


@guarded
def combinatorial_splits(
    n: int, folds: int = 10, test_folds: int = 2, purge: int = 0, embargo: int = 0
) -> list[Split]:
    """Combinatorial purged cross-validation: each choice of ``test_folds`` out of ``folds`` tests once.

    Training leaves out the last ``purge`` rows before each fold that tests, and the first ``purge + embargo``
    behind it.  Splits come in lexical order of the folds that test.

    Raises
    ------
    ConfigError
        Fewer rows than folds, not fewer testing folds than folds, more than 200,000 splits, or a negative distance.
    """
    bounds = fold_bounds(n, folds).tolist()
    _splits_of(folds, test_folds)
    whole("purge", purge, 0, n, "0 leaves out nothing")
    whole("embargo", embargo, 0, n, "0 leaves out nothing")
    made = []
    for chosen in combinations(range(folds), test_folds):
        test = tuple((bounds[fold], bounds[fold + 1]) for fold in chosen)
        taken = [(start - purge, stop + purge + embargo) for start, stop in test]
        made.append(Split(tuple(_between(taken, n)), test, chosen))
    return made


def _splits_of(folds: int, test_folds: int) -> int:
    """How many splits there are; more than a machine holds are refused before they are made."""
    whole("test_folds", test_folds, 1, folds - 1, "at least one fold must train")
    count = math.comb(folds, test_folds)
    if count > MOST_SPLITS:
        raise ConfigError(
            f"folds, test_folds: expected at most {MOST_SPLITS:,} splits; got {count:,}, as {test_folds} of "
            f"{folds} folds; take fewer folds, or fewer that test"
        )
    return count


@guarded
def kfold_splits(n: int, folds: int = 10, purge: int = 0, embargo: int = 0) -> list[Split]:
    """Purged k-fold: each fold tests once, and the others train; as `combinatorial_splits` with one testing fold."""
    return combinatorial_splits(n, folds, 1, purge, embargo)


@guarded
def combinatorial_paths(folds: int, test_folds: int) -> IntArray:
    """Which path each testing fold of each split belongs to: int64[splits, test_folds].

    Each fold tests in C(folds - 1, test_folds - 1) splits, which is the number of paths; the j-th of them gives
    it to path j, so a path has each fold once.
    """
    _check(folds, folds)
    seen = [0] * folds
    paths = np.empty((_splits_of(folds, test_folds), test_folds), np.int64)
    for row, chosen in zip(paths, combinations(range(folds), test_folds), strict=True):
        for place, fold in enumerate(chosen):
            row[place] = seen[fold]
            seen[fold] += 1
    return paths


@guarded
def walk_forward_splits(
    n: int, train: int, test: int, step: int | None = None, *, anchored: bool = False, gap: int = 0,
    partial: bool = False,
) -> list[Split]:  # fmt: skip
    """Windows that walk forward: ``train`` rows, ``gap`` rows left out, ``test`` rows; each ``step`` (``test``) on.

    ``anchored``: all training begins at the first row, and grows.  ``partial``: a last test of fewer rows counts.
    """
    for name, value in (("train", train), ("test", test), ("step", test if step is None else step)):
        whole(name, value, 1, 1 << 62, "count rows")
    whole("gap", gap, 0, 1 << 62, "0 leaves out nothing")
    last = n if partial else n - test + 1
    begins = range(train + gap, last, test if step is None else step)
    return [
        Split(((0 if anchored else at - gap - train, at - gap),), ((at, min(at + test, n)),), (number,))
        for number, at in enumerate(begins)
    ]


@guarded
def time_series_splits(
    n: int, splits: int = 5, *, gap: int = 0, test: int | None = None, most_train: int | None = None
) -> list[Split]:
    """Growing windows whose tests end with the data, as ``TimeSeriesSplit`` of scikit-learn makes them.

    ``test``: rows of each (``n // (splits + 1)``); ``most_train``: rows of training that are kept, the last ones.
    """
    whole("splits", splits, 1, n, "count the tests")
    size = n // (splits + 1) if test is None else whole("test", test, 1, n, "count rows")
    whole("gap", gap, 0, n, "0 leaves out nothing")
    first = n - splits * size
    if size < 1 or first - gap < 1:
        raise ConfigError(
            f"splits: expected rows for {splits} tests, the gap and training; got n={n}, gap={gap}"
        )
    made = []
    for number in range(splits):
        at = first + number * size
        start = 0 if most_train is None else max(at - gap - most_train, 0)
        made.append(Split(((start, at - gap),), ((at, at + size),), (number,)))
    return made


def _between(taken: Iterable[Stretch], n: int) -> Iterator[Stretch]:
    """What ascending stretches leave of ``n`` rows."""
    at = 0
    for start, stop in taken:
        if start > at:
            yield at, start
        at = max(at, stop)
    if at < n:
        yield at, n


def _check(n: int, folds: int) -> None:
    whole("folds", folds, 2, 1 << 31, "one part must test and another train")
    whole("n", n, folds, 1 << 62, "each fold needs a row")
