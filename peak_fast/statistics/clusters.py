"""How many independent trials a set of correlated ones amounts to.

Two configurations that hold the same position nearly always are one trial, not two.  Trials are grouped by the
correlation r of their returns, with the distance ``sqrt((1 - r) / 2)`` and average linkage.  scipy makes the tree.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_fast.arguments import number, shown
from peak_fast.errors import ConfigError, DataError, require
from peak_fast.guard import guarded
from peak_fast.statistics.normal import chosen, numbers
from peak_kernels.arrays import FloatArray, IntArray

_MOST = 5_000


@guarded
def cluster_trials(returns: Any, method: str = "cut", correlation: float = 0.5) -> IntArray:
    """Number of the group of each trial, from 0 in the order of their first members.

    Parameters
    ----------
    returns
        ``[period, trial]``, at most 5,000 trials: of a large search, a sample of rows drawn with a seed.
    method
        "cut": groups whose average distance is that of ``correlation`` or more stay apart; independent trials stay as
        many as they are.  "silhouette": the number of groups whose silhouettes have the largest ratio of mean to
        deviation, as in the paper; it is at least 2, and low where trials are independent.
    correlation
        For "cut", between 0 and 1.

    References
    ----------
    Lopez de Prado & Lewis (2019), Detection of false investment strategies, Quantitative Finance 19(9), section 4 (the
    distance, the ratio of silhouettes; there with k-means); Rousseeuw (1987) for silhouettes.
    """
    chosen("method", method, ("cut", "silhouette"))
    distance = _distances(returns)
    count = len(distance)
    if count < 2 or distance.max() < 1e-7:
        return np.zeros(count, dtype=np.int64)
    hierarchy = require("scipy.cluster.hierarchy", extra="optuna")
    tree = hierarchy.linkage(distance[np.triu_indices(count, 1)], "average")
    groups = _best_count(distance, tree) if method == "silhouette" else _apart(tree, correlation)
    labels = hierarchy.cut_tree(tree, n_clusters=groups).reshape(-1)
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group].astype(np.int64)


@guarded
def effective_trials(returns: Any, method: str = "cut", correlation: float = 0.5) -> float:
    """Number of independent trials that ``returns[period, trial]`` amount to, for `deflated_sharpe`.

    "cut" and "silhouette": the number of groups of `cluster_trials`.  "rank": the effective rank of the correlations,
    ``exp(-sum p log p)`` of their eigenvalues' shares p, which need not be whole.  Trials whose returns are constant
    are no trials.

    References
    ----------
    Lopez de Prado & Lewis (2019), see `cluster_trials`; Roy & Vetterli (2007), The effective rank, section 2.
    """
    if chosen("method", method, ("cut", "silhouette", "rank")) != "rank":
        labels = cluster_trials(returns, method, correlation)
        return float(labels.max() + 1) if labels.size else 0.0
    matrix = correlations(returns)
    share = np.clip(np.linalg.eigvalsh(matrix), 0.0, None) / len(matrix) if len(matrix) else np.zeros(0)
    share = share[share > 0.0]
    return float(np.exp(-(share * np.log(share)).sum())) if share.size else 0.0


def correlations(returns: Any) -> FloatArray:
    """Correlations ``[trial, trial]`` of the trials that are not constant.

    Raises
    ------
    DataError
        No matrix, too many trials, or a value that is missing.
    """
    matrix = numbers("returns", returns)
    if matrix.ndim != 2 or matrix.shape[0] < 3 or matrix.shape[1] > _MOST:
        raise DataError(
            f"returns: expected a matrix [period, trial] of 3 periods or more and {_MOST:,} trials at most; got shape "
            f"{matrix.shape}; draw a sample of the trials"
        )
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if bad.size:
        raise DataError(f"returns: expected numbers; trial {int(bad[0])} has a missing one; leave it out")
    centred = matrix - matrix.mean(axis=0)
    size = np.sqrt((centred * centred).sum(axis=0))
    moves = size > 1e-7 * np.sqrt((matrix * matrix).sum(axis=0))
    unit = centred[:, moves] / size[moves]
    found: FloatArray = np.clip(unit.T @ unit, -1.0, 1.0)
    return found


def _distances(returns: Any) -> FloatArray:
    found: FloatArray = np.sqrt(0.5 * np.clip(1.0 - correlations(returns), 0.0, None))
    np.fill_diagonal(found, 0.0)
    return found


def _apart(tree: FloatArray, correlation: float) -> int:
    """Number of groups left when those nearer than a correlation are joined."""
    least = number("correlation", correlation, "a number between 0 and 1", "0.5 is the default")
    if not 0.0 < least < 1.0:
        raise ConfigError(f"correlation: expected a number between 0 and 1; got {shown(correlation)}")
    return int((tree[:, 2] >= math.sqrt(0.5 * (1.0 - least))).sum()) + 1


def _best_count(distance: FloatArray, tree: FloatArray) -> int:
    """Number of groups with the largest mean silhouette over its deviation; sums are merged as the tree merges."""
    count = len(distance)
    sums, sizes = np.zeros((count, 2 * count - 1)), np.zeros(2 * count - 1)
    sums[:, :count], sizes[:count] = distance, 1.0
    group, alive, best = np.arange(count), np.zeros(2 * count - 1, dtype=bool), (-math.inf, 2)
    alive[:count] = True
    for step, (left, right) in enumerate(tree[: count - 2, :2].astype(np.int64)):
        made = count + step
        sums[:, made], sizes[made] = sums[:, left] + sums[:, right], sizes[left] + sizes[right]
        alive[[left, right, made]] = False, False, True
        group[(group == left) | (group == right)] = made
        best = max(best, (_quality(sums, sizes, group, alive), count - 1 - step))
    return best[1]


def _quality(sums: FloatArray, sizes: FloatArray, group: IntArray, alive: Any) -> float:
    rows, others = np.arange(len(group)), np.flatnonzero(alive)
    mates = sizes[group] - 1.0
    within = sums[rows, group] / np.maximum(mates, 1.0)
    mean = sums[:, others] / sizes[others]
    mean[rows, np.searchsorted(others, group)] = np.inf
    nearest = mean.min(axis=1)
    larger = np.maximum(within, nearest)
    silhouette = np.where(
        (mates > 0.0) & (larger > 0.0), (nearest - within) / np.maximum(larger, 1e-300), 0.0
    )
    spread = float(silhouette.std())
    return float(silhouette.mean()) / spread if spread > 0.0 else 0.0
