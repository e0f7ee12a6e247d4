"""Bodies of the entries of resampling (`compiling.objects`); see `natives`."""

from __future__ import annotations

from numba.core import types

from peak_kernels.natives import cube, row, table, view_of, whole_row, whole_table
from peak_kernels.validation import add_differences as _add_differences
from peak_kernels.validation import cut_into_chunks as _cut_into_chunks
from peak_kernels.validation import follow_runs as _follow_runs
from peak_kernels.validation import long_run_variances as _long_run_variances
from peak_kernels.validation import sum_samples as _sum_samples

places, weights = view_of(types.uint32, 1), view_of(types.float32, 1)


def follow_runs(arrays: int) -> None:
    """``(starts, uniforms, end[1], out)``."""
    _follow_runs(whole_row(arrays, 0), row(arrays, 1), row(arrays, 2)[0], whole_row(arrays, 3))


def add_differences(arrays: int) -> None:
    """``(days, counts, places, weights, found[1])``."""
    found = _add_differences(
        whole_row(arrays, 0), whole_row(arrays, 1), places(arrays, 2), weights(arrays, 3)
    )
    whole_row(arrays, 4)[0] = found


def cut_into_chunks(arrays: int) -> None:
    """``(bounds, places, weights, offsets, at, out places, out weights)``."""
    _cut_into_chunks(
        whole_row(arrays, 0), places(arrays, 1), weights(arrays, 2), whole_table(arrays, 3), whole_row(arrays, 4),
        places(arrays, 5), weights(arrays, 6),
    )  # fmt: skip


def sum_samples(arrays: int) -> None:
    """``(running, offsets, places, weights, out)``."""
    _sum_samples(
        cube(arrays, 0), whole_table(arrays, 1), places(arrays, 2), weights(arrays, 3), cube(arrays, 4)
    )


def long_run_variances(arrays: int) -> None:
    """``(centred, end[1], scratch, out)``."""
    _long_run_variances(cube(arrays, 0), row(arrays, 1)[0], table(arrays, 2), table(arrays, 3))
