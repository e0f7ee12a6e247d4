"""Splits of rows: by hand, and as other libraries make them."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from peak_fast.errors import ConfigError
from peak_fast.statistics import (
    combinatorial_paths,
    combinatorial_splits,
    fold_bounds,
    kfold_splits,
    rows_of,
    time_series_splits,
    walk_forward_splits,
)

ORACLES = Path(os.environ.get("PEAK_FAST_ORACLES", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="module")
def known():
    path = ORACLES / "stats" / "cv_splits.json"
    if not path.exists():
        pytest.skip("the reference splits are not there")
    return json.loads(path.read_text(encoding="utf-8"))


def test_purged_folds_by_hand():
    """Ten rows, three folds: 0-2, 3-5, and 6-9 with what is left over; one row purged, one more behind."""
    assert fold_bounds(10, 3).tolist() == [0, 3, 6, 10]
    first, middle, last = kfold_splits(10, 3, purge=1, embargo=1)
    assert first.test == ((0, 3),) and rows_of(first.train).tolist() == [5, 6, 7, 8, 9]
    assert middle.test == ((3, 6),) and rows_of(middle.train).tolist() == [0, 1, 8, 9]
    assert last.test == ((6, 10),) and rows_of(last.train).tolist() == [0, 1, 2, 3, 4]


def test_combinatorial_splits_of_others(known):
    for case in known["cpcv"]:
        n, folds, testing = case["n"], case["n_folds"], case["n_test_folds"]
        splits = combinatorial_splits(n, folds, testing, case["purged_size"], case["embargo_size"])
        assert len(splits) == case["n_splits"]
        assert [len(rows_of(split.train)) for split in splits] == case["train_sizes"]
        for split, numbers in zip(splits, case["test_set_index"], strict=True):
            assert list(split.folds) == numbers
        for split, expected in zip(splits, case["splits"], strict=not case["splits_truncated"]):
            assert rows_of(split.train).tolist() == expected["train"]
            assert [rows_of([stretch]).tolist() for stretch in split.test] == expected["test"]
        paths = combinatorial_paths(folds, testing)
        assert paths.tolist() == case["path_ids"]
        assert paths.max() + 1 == case["n_test_paths"]


def test_counts_of_splits_and_paths(known):
    for case in known["counts"]:
        assert math.comb(case["N"], case["k"]) == case["splits"]
        if case["splits"] > 20_000:
            continue
        paths = combinatorial_paths(case["N"], case["k"])
        assert len(paths) == case["splits"] and paths.max() + 1 == case["paths"]


def ends(split):
    return {
        "train": [split.train[0][0], split.train[0][1] - 1],
        "test": [split.test[0][0], split.test[0][1] - 1],
    }


def test_time_series_splits_of_others(known):
    for case in known["time_series_split_sklearn"]:
        splits = time_series_splits(
            case["n"],
            case["n_splits"],
            gap=case["gap"],
            test=case["test_size"],
            most_train=case["max_train_size"],
        )
        assert list(map(ends, splits)) == case["splits"]


def test_walks_forward_of_others(known):
    for case in known["walk_forward_skfolio"]:
        splits = walk_forward_splits(
            case["n"],
            case["train_size"],
            case["test_size"],
            anchored=case["expand_train"],
            gap=case["purged_size"],
        )
        assert list(map(ends, splits)) == case["splits"]


@pytest.mark.parametrize("folds, testing", [(2, 1), (5, 2), (6, 3), (7, 6)])
def test_every_path_has_every_fold_once(folds, testing):
    paths, splits = combinatorial_paths(folds, testing), combinatorial_splits(50, folds, testing)
    seen = {}
    for split, row in zip(splits, paths.tolist(), strict=True):
        for fold, path in zip(split.folds, row, strict=True):
            seen.setdefault(path, []).append(fold)
    assert len(seen) == math.comb(folds - 1, testing - 1)
    assert all(sorted(numbers) == list(range(folds)) for numbers in seen.values())


@pytest.mark.parametrize("purge, embargo", [(0, 0), (3, 0), (0, 4), (2, 5), (30, 30)])
def test_training_keeps_its_distance(purge, embargo):
    for split in combinatorial_splits(97, 6, 2, purge, embargo):
        train = rows_of(split.train)
        expected = np.ones(97, bool)
        for start, stop in split.test:
            expected[max(start - purge, 0) : stop + purge + embargo] = False
        assert train.tolist() == np.flatnonzero(expected).tolist()


def test_a_last_test_that_is_short():
    assert [split.test for split in walk_forward_splits(25, 10, 6)] == [((10, 16),), ((16, 22),)]
    assert walk_forward_splits(25, 10, 6, partial=True)[-1].test == ((22, 25),)
    assert walk_forward_splits(10, 10, 6) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda: kfold_splits(10, 1),
        lambda: kfold_splits(3, 4),
        lambda: combinatorial_splits(10, 4, 4),
        lambda: combinatorial_splits(10, 4, 0),
        lambda: combinatorial_splits(10, 4, 2, purge=-1),
        lambda: combinatorial_splits(10, 4, 2, embargo=1.5),
        lambda: walk_forward_splits(10, 0, 5),
        lambda: walk_forward_splits(10, 5, 5, gap=-1),
        lambda: time_series_splits(5, 5),
        lambda: combinatorial_splits(600, 30, 15),
        lambda: combinatorial_paths(30, 15),
        lambda: time_series_splits(10, 2, gap=8),
    ],
)
def test_splits_that_cannot_be(call):
    with pytest.raises(ConfigError, match="expected"):
        call()
