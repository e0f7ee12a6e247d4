"""Sums over bars whose equity is known, folded while it still lies in the processor's nearest cache.

Reads the curve; writes sums, peak and deepest drawdown in the state.
"""

from __future__ import annotations

from peak_kernels import portfolio_slots as p
from peak_kernels import simd
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast import sink, sunk


@jit(inline=True)
def _deepest(state: FloatArray, curve: FloatArray, start: int, stop: int) -> None:
    """Running peak and worst ratio, bar by bar."""
    peak, worst = state[t.PEAK_EQUITY], state[t.WORST_RATIO]
    for bar in range(start, stop):
        peak, worst = sunk(curve[p.EQUITY, bar], peak, worst)
    state[t.PEAK_EQUITY], state[t.WORST_RATIO] = peak, worst


@jit(inline=True)
def fold_marked(state: FloatArray, curve: FloatArray, start: int, stop: int) -> None:
    """Sums of returns, highest equity and deepest drawdown of bars ``start .. stop-1``; see `fast.reduce.fold`.

    Behind an equity that is gone there are no returns.
    """
    free, previous = state[t.RISK_FREE], state[t.PREVIOUS_EQUITY]
    first = curve[p.EQUITY, start]
    ret = first / previous - 1.0 if previous > 0.0 else 0.0
    down = min(ret - free, 0.0)
    more, squares, downside, top, bottom = simd.fold_equity(curve, p.EQUITY, start + 1, stop, 0.0, 1.0, free)
    highest, lowest = max(first, top), min(first, bottom)
    if lowest <= 0.0:
        more, squares, downside = 0.0, 0.0, 0.0
        for bar in range(start + 1, stop):
            earlier = curve[p.EQUITY, bar - 1]
            step = curve[p.EQUITY, bar] / earlier - 1.0 if earlier > 0.0 else 0.0
            more += step
            squares += step * step
            downside += min(step - free, 0.0) ** 2
    state[t.SUM_RETURN] += ret + more
    state[t.SUM_RETURN_SQUARED] += ret * ret + squares
    state[t.SUM_DOWNSIDE_SQUARED] += down * down + downside
    state[t.PREVIOUS_EQUITY] = curve[p.EQUITY, stop - 1]
    if sink(state, highest, lowest):
        _deepest(state, curve, start, stop)
