"""Planes whose memory is used again: nobody's rows change under him, and sweeps keep their bits."""

import gc
import subprocess
import sys

import numpy as np
import pytest

from peak_fast import Sweep, synthetic
from peak_fast.sweep.run import planes
from peak_fast.sweep.run.planes import LEAST_BYTES, MOST_BYTES, plane_memory
from tests.lent_memory import check_never_shared

COLUMNS = LEAST_BYTES // 8 // 4
GRID = {"fast": range(5, 45), "slow": range(50, 110)}

pytestmark = pytest.mark.skipif(
    planes._LAZY is None, reason="the system takes no memory back: nothing is kept"
)


@pytest.fixture(autouse=True)
def nothing_spare():
    gc.collect()
    planes._spare.clear()
    yield
    planes._spare.clear()


def place(plane):
    return plane.__array_interface__["data"][0]


def test_memory_is_used_again_when_no_view_is_left():
    plane = plane_memory(8, COLUMNS)
    assert plane.shape == (8, COLUMNS) and plane.dtype == np.float64
    assert plane.flags.c_contiguous and plane.flags.writeable and plane.flags.aligned
    plane[:] = 7.0
    where, view = place(plane), plane.reshape(-1)[5:]
    del plane
    other = plane_memory(8, COLUMNS)
    other[:] = 1.0
    assert place(other) != where and (view == 7.0).all()
    del view
    assert place(plane_memory(5, COLUMNS)) == where


def test_the_smallest_that_fits_is_taken():
    large, small = plane_memory(40, COLUMNS), plane_memory(10, COLUMNS)
    places = place(large), place(small)
    del large, small
    first = plane_memory(8, COLUMNS)
    second = plane_memory(20, COLUMNS)
    assert (place(second), place(first)) == places
    assert not planes._spare


def test_small_and_huge_ones_are_not_kept():
    plane_memory(1, COLUMNS)
    plane_memory(MOST_BYTES // 8 // COLUMNS + 1, COLUMNS)
    assert not planes._spare
    several = [plane_memory(MOST_BYTES // 8 // COLUMNS // 2, COLUMNS) for _ in range(5)]
    del several
    assert sum(map(len, planes._spare)) == MOST_BYTES


def test_threads_never_share_a_plane():
    check_never_shared(lambda: plane_memory(4, COLUMNS), 100)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_sweeps_in_used_memory_keep_their_bits(threads):
    bars = synthetic(2_000, seed=3, missing=0.01)
    sweep = Sweep("ma_crossover", GRID, bars)
    expected = sweep.run(threads=threads, progress=False).frame
    assert planes._spare
    for memory in planes._spare:
        memory[:] = b"\xff" * len(memory)
    assert sweep.run(threads=threads, progress=False).frame.equals(expected)


def test_a_process_that_ends_with_planes_says_nothing():
    code = (
        "from peak_fast.sweep.run.planes import plane_memory\n"
        "kept = plane_memory(100, 10_000); kept[:] = 1.0\n"
        "class Cycle: pass\n"
        "one = Cycle(); one.self, one.plane = one, plane_memory(100, 10_000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
