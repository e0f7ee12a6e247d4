"""The best rows of a table."""

from __future__ import annotations

import numpy as np

from peak_fast.sweep.grid import Array


def best_configs(configs: Array, values: Array, n: int, descending: bool) -> Array:
    """Numbers of the ``n`` best configurations, best first; ties in ascending order, NaN last."""
    keys = -values if descending else values
    if n < len(keys):
        limit = np.partition(keys, n - 1)[n - 1]  # NaN sorts last
        chosen = np.flatnonzero(np.ones(len(keys), np.bool_) if np.isnan(limit) else keys <= limit)
    else:
        chosen = np.arange(len(keys))
    order = np.lexsort((configs[chosen], keys[chosen]))
    picked: Array = configs[chosen[order]][:n].astype(np.int64)
    return picked
