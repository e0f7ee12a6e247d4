"""Bodies of the entries of pictures (`compiling.objects`); see `natives`.  Pixels are given by their address."""

from __future__ import annotations

from peak_kernels.natives import row, whole_row, whole_table
from peak_kernels.pictures import draw_spans as _draw_spans
from peak_kernels.pictures import fold_columns as _fold_columns
from peak_kernels.pictures import pack_pixels as _pack_pixels


def pack_pixels(arrays: int, pixels: int, rows: int, stride: int, tokens: int, out: int) -> None:
    """``(state, table, codes)``, and the addresses of pixels, of memory for tokens, and of memory for the answer."""
    _pack_pixels(
        whole_row(arrays, 0),
        whole_table(arrays, 1),
        whole_table(arrays, 2),
        pixels,
        rows,
        stride,
        tokens,
        out,
    )


def fold_columns(arrays: int) -> None:
    """``(values, low, high)``."""
    _fold_columns(row(arrays, 0), row(arrays, 1), row(arrays, 2))


def draw_spans(
    arrays: int, pixels: int, stride: int, height: int, base: int, on_area: int, area: int
) -> None:
    """``(top, bottom)``, and the address of the first column."""
    _draw_spans(row(arrays, 0), row(arrays, 1), pixels, stride, height, base, on_area, area)
