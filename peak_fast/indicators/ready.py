"""Indicators by kernels that lie ready (`peak_kernels.entries`): no import of numba, the same bits.

Each is called as its counterpart in `peak_kernels.indicators`: input, parameters, outputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from peak_kernels import entries, indicators
from peak_kernels.arrays import OF_INDICATORS, FloatArray

Kernel = Callable[..., None]


def _of_one(name: str) -> Kernel:
    """A kernel of many periods, called with one."""

    def kernel(values: FloatArray, period: int, out: FloatArray) -> None:
        getattr(entries, name)(values, np.array([period], dtype=np.int64), out[np.newaxis])

    return kernel


sma, ema, rsi, roc = (_of_one(f"{name}_rows") for name in ("sma", "ema", "rsi", "roc"))
std, macd = entries.std, entries.macd


def __getattr__(name: str) -> Kernel:
    """All others, each made when it is first asked for; by numba's dispatcher where it is not listed."""
    made = entries.indicator(name) if name in OF_INDICATORS else getattr(indicators, name)
    kernel: Kernel = globals().setdefault(name, made)
    return kernel
