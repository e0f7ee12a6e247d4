"""Small helpers for the arrays of bars."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from peak_kernels.arrays import FloatArray

AnyArray = TypeVar("AnyArray", bound=np.ndarray[Any, Any])


def read_only(array: AnyArray) -> AnyArray:
    """The array itself or a view of it that cannot be written through."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def forward_fill(values: FloatArray) -> FloatArray:
    """Last value that is not NaN, at every position; NaN before the first."""
    rows = np.where(np.isnan(values), 0, np.arange(values.size))
    np.maximum.accumulate(rows, out=rows)
    return read_only(values[rows])
