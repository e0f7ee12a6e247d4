"""Bootstrap samples of whole matrices: runs of days, and means of every column over every sample.

A sample of T days is kept as what it does to sums: it takes day t ``c[t]`` times, and with the running sums
``P[t] = r[0] + .. + r[t-1]`` the sum over the sample is that of ``(c[t-1] - c[t]) P[t]``.  Blocks of days make most of
these differences 0, so a sample of blocks of ten days costs a fifth of its days.  Differences are put in order of
time, in chunks whose rows of running sums stay in the first-level cache while all samples pass.

Reads draws, indices and running sums; writes indices, differences, sums of samples and long-run variances.
"""

from __future__ import annotations

from typing import Any

from peak_kernels.arrays import CHUNK, WIDTH, FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.validation.gathered import add_weighted


@jit(inline=True)
def follow_runs(starts: IntArray, uniforms: FloatArray, end: float, out: IntArray) -> None:
    """Days of a sample of the stationary bootstrap: the next one, or a new start where a uniform is at most ``end``."""
    at = starts[0]
    out[0] = at
    for i in range(1, starts.size):
        at = at + 1 if uniforms[i] > end else starts[i]
        if at == starts.size:
            at = 0
        out[i] = at


@jit(inline=True)
def add_differences(days: IntArray, counts: IntArray, places: Any, weights: Any) -> int:
    """Differences of one sample in order of time; returns how many.  ``counts`` is scratch, one for each day."""
    counts[:] = 0
    for day in days:
        counts[day] += 1
    found, before = 0, 0
    for t in range(counts.size):
        if counts[t] != before:
            places[found] = t
            weights[found] = before - counts[t]
            before = counts[t]
            found += 1
    if before:
        places[found] = counts.size
        weights[found] = before
        found += 1
    return found


@jit(inline=True)
def cut_into_chunks(
    bounds: IntArray, places: Any, weights: Any, offsets: IntArray, at: IntArray, out_places: Any,
    out_weights: Any,
) -> None:  # fmt: skip
    """Bring differences, sample by sample, into chunks of time, each sample by sample: ``offsets[chunk, sample]``.

    ``at`` begins as the bounds without the last.
    """
    found = 0
    for chunk in range(offsets.shape[0]):
        offsets[chunk, 0] = found
        for sample in range(at.size):
            while at[sample] < bounds[sample + 1] and places[at[sample]] < (chunk + 1) * CHUNK:
                out_places[found] = places[at[sample]]
                out_weights[found] = weights[at[sample]]
                at[sample] += 1
                found += 1
            offsets[chunk, sample + 1] = found


@jit(inline=True)
def sum_samples(running: FloatArray, offsets: IntArray, places: Any, weights: Any, out: FloatArray) -> None:
    """Sums ``out[group, sample, column]`` of running sums ``running[group, day, column]``, sixteen columns a group."""
    out[:] = 0.0
    for group in range(running.shape[0]):
        for chunk in range(offsets.shape[0]):
            for sample in range(offsets.shape[1] - 1):
                start, stop = offsets[chunk, sample], offsets[chunk, sample + 1]
                add_weighted(running[group], places, weights, start, stop, out[group], sample)


@jit(inline=True)
def long_run_variances(centred: FloatArray, end: float, scratch: FloatArray, out: FloatArray) -> None:
    """Variance of ``sqrt(T) mean`` under the stationary bootstrap, of ``centred[group, 1 + day, column]``.

    ``g_0 + 2 sum k(i) g_i`` with ``k(i) = (1 - i/T) q^i + (i/T) q^(T-i)`` and ``q = 1 - end``.  Folding the lags round
    the end of the sample leaves ``(1 - i/T) q^i``, which two sums that follow the days give in one pass.  ``scratch``:
    three rows of a group's columns.
    """
    count = centred.shape[1] - 1
    keep = 1.0 - end
    gone = keep**count
    for group in range(centred.shape[0]):
        rows = centred[group, 1:]
        scratch[:] = 0.0
        near, far, total = scratch[0], scratch[1], scratch[2]
        weight = 1.0
        for lag in range(1, count):
            weight *= keep
            for k in range(WIDTH):
                near[k] += weight * rows[count - lag, k]
                far[k] += lag * weight * rows[count - lag, k]
        for t in range(count):
            for k in range(WIDTH):
                day = rows[t, k]
                total[k] += day * (day + 2.0 * (near[k] - far[k] / count))
                if t + 1 < count:
                    far[k] = keep * (far[k] + near[k] + day) - count * gone * rows[t + 1, k]
                    near[k] = keep * (near[k] + day) - gone * rows[t + 1, k]
        for k in range(WIDTH):
            out[group, k] = total[k] / count
