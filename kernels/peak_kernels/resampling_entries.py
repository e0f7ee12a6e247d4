"""The kernels of resampling as Python calls them; see `entries`."""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels.arrays import WIDTH, FloatArray, IntArray
from peak_kernels.entries import ENTRIES

_RUNS, _DIFFERENCES, _CHUNKS, _SUMS, _VARIANCES = (
    ENTRIES[name]
    for name in ("follow_runs", "add_differences", "cut_into_chunks", "sum_samples", "long_run_variances")
)


def follow_runs(starts: IntArray, uniforms: FloatArray, end: float, out: IntArray) -> None:
    """See `validation.resampling.follow_runs`."""
    _RUNS.call((starts, uniforms, np.array([end]), out))


def add_differences(days: IntArray, counts: IntArray, places: Any, weights: Any) -> int:
    """See `validation.resampling.add_differences`; ``places`` are uint32, ``weights`` float32."""
    found = np.empty(1, dtype=np.int64)
    _DIFFERENCES.call((days, counts, places, weights, found))
    return int(found[0])


def cut_into_chunks(
    bounds: IntArray, places: Any, weights: Any, offsets: IntArray, out_places: Any, out_weights: Any
) -> None:
    """See `validation.resampling.cut_into_chunks`."""
    _CHUNKS.call((bounds, places, weights, offsets, bounds[:-1].copy(), out_places, out_weights))


def sum_samples(running: FloatArray, offsets: IntArray, places: Any, weights: Any, out: FloatArray) -> None:
    """See `validation.resampling.sum_samples`."""
    _SUMS.call((running, offsets, places, weights, out))


def long_run_variances(centred: FloatArray, end: float, out: FloatArray) -> None:
    """See `validation.resampling.long_run_variances`."""
    _VARIANCES.call((centred, np.array([end]), np.empty((3, WIDTH)), out))
