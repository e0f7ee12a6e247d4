"""Columns read into a byte a value: what is read is what Polars says, and what is not small is never taken for it."""

import ctypes

import numpy as np
import polars as pl
import pytest

from peak_kernels.arrays import LARGE, OTHER, SMALL_ROOM
from peak_kernels.entries import narrow, read_small

KINDS = (pl.Boolean, pl.Int8, pl.UInt8, pl.Int32, pl.Int64, pl.Float32, pl.Float64)
LENGTHS = (1, 2, 7, 8, 9, 63, 64, 65, 200, 1001)
POINTER = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def read(column, bars):
    """Answer and row."""
    capsule = column.__arrow_c_stream__()
    out = np.full(bars + 2, 77, np.int8)
    answers = np.zeros(1, np.int64)
    streams, rows = np.array([POINTER(capsule, b"arrow_array_stream")]), np.array([out.ctypes.data + 1])
    read_small(streams, rows, answers, np.zeros(SMALL_ROOM, np.int64), bars)
    assert out[0] == out[-1] == 77
    return int(answers[0]), out[1:-1]


def sides(kind, bars):
    values = np.random.default_rng(bars).integers(0 if kind == pl.UInt8 else -1, 2, bars)
    return pl.Series(values > 0) if kind == pl.Boolean else pl.Series(values).cast(kind)


@pytest.mark.parametrize("bars", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_sides_behind_nulls_and_in_parts_of_a_column(kind, bars):
    column = sides(kind, bars)
    for gap in {0, min(1, bars - 1), bars // 2, bars - 1}:
        later = pl.concat([pl.Series([None] * gap, dtype=kind), column[gap:]]).rechunk()
        for before in (0, 1, 13):
            whole = pl.concat([pl.Series([None] * before, dtype=kind), later]).rechunk()
            answer, row = read(whole[before:], bars)
            assert answer == (kind == pl.Boolean)
            assert row.tolist() == [0 if value is None else int(value) for value in later.to_list()]


@pytest.mark.parametrize(
    "value", [0.5, -0.0, 2.0, -2.0, 256.0, 1e300, float("nan"), float("inf"), 1.0 + 2**-52]
)
def test_other_fractions_are_never_taken_for_sides(value):
    for bars in LENGTHS:
        for place in {0, bars // 2, bars - 1}:
            values = sides(pl.Float64, bars).to_numpy().copy()
            values[place] = value
            column, out = pl.Series(values), np.zeros(bars, np.int8)
            assert read(column, bars)[0] == LARGE
            assert not narrow(values, out.ctypes.data, np.zeros(1, np.int64))
            if not 1.0 < value < 1.5:
                assert read(column.cast(pl.Float32), bars)[0] == LARGE


@pytest.mark.parametrize("value", [128, 255, 256, 257, -129, 2**31 - 1, -(2**31), 2**32 + 1, 2**62])
def test_other_whole_numbers_are_never_taken_for_sides(value):
    values = sides(pl.Int64, 200).to_numpy().copy()
    values[77] = value
    assert read(pl.Series(values), 200)[0] == LARGE
    assert not narrow(values, np.zeros(200, np.int8).ctypes.data, np.zeros(1, np.int64))
    for kind in (pl.Int32, pl.UInt8):
        if value in (128, 255) or (kind == pl.Int32 and abs(value + 0.5) < 2**31):
            assert read(pl.Series(abs(values) if kind == pl.UInt8 else values).cast(kind), 200)[0] == LARGE


def test_what_is_left_to_others():
    one = pl.Series([1, 0, 1, 1], dtype=pl.Int8)
    gap, null = pl.Series([1, None, 0, 1], dtype=pl.Int8), pl.Series([None] * 4, dtype=pl.Int8)
    text, pieces = pl.Series(["a"] * 4), pl.concat([one[:2], one[2:]], rechunk=False)
    for column in (
        gap,
        null,
        text,
        pieces,
        one[:3],
        one.cast(pl.UInt64),
        one.cast(pl.Date),
        one.to_frame().to_struct(),
    ):
        assert read(column, 4)[0] == OTHER
    assert narrow(np.array([1, 0, -1, 127]), np.zeros(4, np.int8).ctypes.data, np.zeros(1, np.int64))
