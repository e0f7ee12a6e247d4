"""Types of the arrays that kernels take, and the size of a tile; below everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ByteArray = NDArray[np.uint8]
AnyArray = NDArray[Any]

TILE = 1024
"""Bars of a scratch row that stays in the first-level cache.  A multiple of 4: see `rolling.smooth`."""

# Tables in which `entries.pack_pixels` works.
PACKING = (2, 8, 640)

CHUNK, WIDTH = 256, 16
"""Of resampling: rows of running sums that are used at a time, 32 kB, and columns of a table: two vectors, so that one
addition need not wait for the other."""

# Words on which `entries.read_small` works.
SMALL_ROOM = 20
# Its answers for a column that has to be read in another way, and for one with values that no byte holds.
OTHER, LARGE = -1, -2

OF_INDICATORS = {
    **dict.fromkeys(("wma", "dema", "tema", "trima", "kama", "trix", "var", "highest", "lowest", "momentum"), "aia"),
    **dict.fromkeys(("linear_regression", "linear_regression_slope"), "aia"), "macdfix": "aiaaa", "bollinger": "aifaaa",
    **dict.fromkeys(("atr", "natr", "willr", "cci", "adx", "adxr"), "aaaia"), "true_range": "aaaa", "sar": "aaffa",
    "donchian": "aaiaaa", "aroon": "aaiaa", "directional_movement": "aaiaa", "directional": "aaaiaaaa",
    "stochf": "aaaiiaa", "stoch": "aaaiiiaa", "obv": "aaa", "mfi": "aaaaia", "correl": "aaia",
}  # fmt: skip
"""Arguments of the kernels of indicators that allocate (`entries.indicator`): input arrays, integers,
fractions, output arrays."""
