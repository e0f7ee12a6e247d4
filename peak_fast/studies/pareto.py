"""Points that no other point dominates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def pareto_mask(values: Any, maximize: Sequence[bool]) -> Any:
    """Which points no other point dominates.

    Parameters
    ----------
    values
        float64[n, k], finite.
    maximize
        Whether more is better, per column.

    Returns
    -------
    numpy.ndarray
        bool[n]. A point is dominated when another one is at least as good everywhere and better somewhere;
        equal points stay together.
    """
    losses = np.where(np.asarray(maximize), -1.0, 1.0) * np.asarray(values, dtype=np.float64).reshape(
        -1, len(maximize)
    )
    if losses.shape[1] == 1:
        return losses[:, 0] == losses[:, 0].min(initial=np.inf)
    unique, inverse = np.unique(losses, axis=0, return_inverse=True)
    keep = np.zeros(len(unique), dtype=bool)
    if unique.shape[1] == 2:
        # Sorted by the first loss: a point stays if its second loss is below all before it.
        best = np.minimum.accumulate(np.r_[np.inf, unique[:-1, 1]]) if len(unique) else np.empty(0)
        keep = unique[:, 1] < best
    else:
        front: list[int] = []
        for index, row in enumerate(unique):  # ascending, so nothing later dominates what stays
            if not front or not np.any(np.all(unique[front] <= row, axis=1)):
                front.append(index)
        keep[front] = True
    return keep[inverse.reshape(-1)]
