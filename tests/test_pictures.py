"""Kernels of pictures beside plain Python: packed pixels, columns of a curve, covered pixels."""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.report.canvas import BASE, LEVELS, Canvas
from peak_kernels import entries


def filtered(rows):
    """What PNG's filter "up" makes of rows whose first byte is the filter's."""
    found = rows.copy()
    found[1:] -= rows[:-1]
    found[:, 0] = 2
    return found.tobytes()


def picture(kind, seed, rows, stride):
    generator = np.random.default_rng(seed)
    shape = rows, stride
    made = {
        "noise": lambda: generator.integers(0, 256, shape),
        "blank": lambda: np.zeros(shape),
        "sparse": lambda: (generator.random(shape) < 0.02) * generator.integers(0, 256, shape),
        "skewed": lambda: np.minimum(generator.geometric(0.5, shape), 255),
        "stripes": lambda: np.repeat(generator.integers(0, 4, (rows, 1)), stride, axis=1),
        "runs": lambda: np.repeat(generator.integers(0, 3, rows * stride), 37)[: rows * stride].reshape(
            shape
        ),
    }
    return made[kind]().astype(np.uint8)


@pytest.mark.parametrize("kind", ["noise", "blank", "sparse", "skewed", "stripes", "runs"])
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 40), stride=st.integers(1, 600))
def test_packed_pixels_are_unpacked_by_zlib(kind, seed, rows, stride):
    pixels = picture(kind, seed, rows, stride)
    assert zlib.decompress(entries.pack_pixels(pixels)) == filtered(pixels)


def test_bytes_of_very_uneven_frequency():
    """Lengths of codes end at 15 bits: bytes as frequent as Fibonacci's numbers would have longer ones."""
    counts = [1, 1]
    while len(counts) < 24:
        counts.append(counts[-1] + counts[-2])
    values = np.repeat(np.arange(24), counts).astype(np.uint8)
    np.random.default_rng(1).shuffle(values)
    for size in (7_000, len(values)):  # within one block, and in many
        pixels = np.concatenate(([0], values[:size])).astype(np.uint8).reshape(1, -1)
        assert zlib.decompress(entries.pack_pixels(pixels)) == filtered(pixels)


def test_packed_pixels_are_as_few_as_zlibs():
    for kind in ("noise", "sparse", "skewed", "runs"):
        pixels = picture(kind, 5, 400, 600)
        packer = zlib.compressobj(1, zlib.DEFLATED, 15, 7, zlib.Z_RLE)
        theirs = len(packer.compress(filtered(pixels)) + packer.flush())
        assert len(entries.pack_pixels(pixels)) < 1.03 * theirs + 100, kind


def covered(top, bottom, height):
    """Steps of the ramp in one column, by row: full inside, and in proportion where a span begins and ends."""
    begin = min(max(top, 0.0), height - 1.0)
    end = min(max(bottom, begin + 1e-3), height - 1e-3)
    found = {}
    for row in range(height):
        share = min(row + 1.0, end) - max(float(row), begin)
        if share > 0.0:
            found[row] = max(round(share * (LEVELS - 1)), 1)
    return found


@given(
    tops=st.lists(st.floats(-20.0, 80.0), min_size=1, max_size=30),
    height=st.sampled_from([0.0, 0.25, 1.0, 3.5, 70.0]),
    colour=st.sampled_from(["equity", "drawdown"]),
)
def test_spans_cover_their_share_of_each_pixel(tops, height, colour):
    canvas = Canvas(40, 60)
    canvas.area(0, 10, np.full(40, 35.0))
    before = canvas.pixels.copy()
    top = np.array(tops)
    canvas.spans(5, top, top + height, colour)
    expected = before.astype(int)
    for column, value in enumerate(tops):
        for row, level in covered(value, value + height, 60).items():
            on_area = colour == "drawdown" and before[row, 5 + column] >= BASE["area"]
            expected[row, 5 + column] = level + BASE["drawdown_on_area" if on_area else colour]
    # A share of half a step may fall to either side.
    assert (np.abs(canvas.pixels.astype(int) - expected) <= 1).all()
    assert ((canvas.pixels == before) == (expected == before)).all()


def test_spans_stay_within_the_picture():
    canvas = Canvas(12, 8)
    rows = canvas._rows
    value = np.array([math.nan, math.inf, -math.inf, 1e300, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0])
    canvas.spans(2, value, value + 1.0, "equity")
    assert (rows[:, :3] == 0).all()
    assert (canvas.pixels[3, 6:] == BASE["equity"] + LEVELS - 1).all()
    assert (canvas.pixels[4:7, 6:] == 0).all()


def test_columns_of_a_curve():
    """Bars count in the column in which they lie, borders in both columns beside them."""
    low, high = entries.fold_columns(np.array([0.0, 4.0, -2.0, 6.0, 6.0]), 2)
    assert (low.tolist(), high.tolist()) == ([-2.0, -2.0], [4.0, 6.0])
    low, high = entries.fold_columns(np.array([0.0, 8.0]), 4)
    assert (low.tolist(), high.tolist()) == ([0.0, 2.0, 4.0, 6.0], [2.0, 4.0, 6.0, 8.0])
    spike = np.zeros(1_000_000)
    spike[123_456] = 9.0
    low, high = entries.fold_columns(spike, 900)
    assert high.max() == 9.0 and (high > 0.0).sum() == 1 and (low == 0.0).all()
