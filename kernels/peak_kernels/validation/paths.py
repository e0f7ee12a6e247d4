"""Paths that an account might have taken: returns drawn again with replacement, in blocks of random lengths.

Reads returns and a seed; writes the figures of each path, and its equity at some of its steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit
from peak_kernels.validation.draws import after, begin, below, fraction, mixed

FINAL, LOWEST, DEEPEST, LONGEST = range(4)
N_FIGURES = 4


@jit(inline=True)
def _walk(
    state: Any, returns: FloatArray, mean: float, steps: IntArray, figures: FloatArray, curve: FloatArray
) -> None:
    """One path of as many steps as the last of ``steps`` says."""
    count = returns.size
    level = peak = lowest = worst = 1.0
    under = longest = 0
    source: Any = np.int64(0)
    k = 0
    for place in range(steps.size):
        while k < steps[place]:
            state = after(state)
            if k == 0 or fraction(mixed(state)) * mean < 1.0:
                state, source = below(state, count)
            level = max(level * (1.0 + returns[source]), 0.0)
            source = source + 1 if source + 1 < count else 0
            k += 1
            if level >= peak:
                peak, under = level, 0
            else:
                under += 1
                longest = max(longest, under)
                worst = min(worst, level / peak)
            lowest = min(lowest, level)
        curve[place] = level
    figures[FINAL], figures[LOWEST], figures[DEEPEST], figures[LONGEST] = level, lowest, worst - 1.0, longest


@jit(inline=True)
def walk_paths(
    returns: FloatArray,
    mean: float,
    seed: int,
    first: int,
    steps: IntArray,
    figures: FloatArray,
    curves: FloatArray,
) -> None:
    """Paths ``first, first + 1, ...``, as many as there are rows.

    Parameters
    ----------
    returns
        float64[n]: simple returns, of bars or of trades.
    mean
        Mean length of blocks; 1: each step is drawn by itself.
    steps
        int64[points], ascending: after how many steps the equity is noted; the last is the length of a path.
    figures
        float64[paths, N_FIGURES]: last and lowest equity (the start is 1), deepest drawdown (<= 0), longest time
        under water in steps.
    curves
        float64[paths, points]: equity after the steps.
    """
    for path in range(figures.shape[0]):
        _walk(begin(seed, first + path), returns, mean, steps, figures[path], curves[path])
