"""Sums of one run over stretches of time, from which its figures in any window made of them follow.

Reads a curve of equity and the closed trades; writes sums and extremes of each stretch.
"""

from __future__ import annotations

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

SUM, SQUARES, DOWNSIDE, LAST, HIGH, LOW, WORST, TRADES, WINS, WON, LOST = range(11)


@jit(inline=True)
def fold_returns(equity: FloatArray, initial: float, free: float, edges: IntArray, out: FloatArray) -> None:
    """Planes of the returns and of the equity; see `fold_stretches`."""
    previous = initial
    for k in range(edges.size - 1):
        total = squares = downside = 0.0
        high = low = equity[edges[k]]
        worst = 1.0
        for bar in range(edges[k], edges[k + 1]):
            value = equity[bar]
            ret = value / previous - 1.0 if previous > 0.0 else 0.0
            previous = value
            below = min(ret - free, 0.0)
            total += ret
            squares += ret * ret
            downside += below * below
            high = max(high, value)
            low = min(low, value)
            # Most bars are nowhere near a new worst fall, and a division takes as long as all the rest.
            if value < worst * high:
                worst = value / high
        out[SUM, k] = total
        out[SQUARES, k] = squares
        out[DOWNSIDE, k] = downside
        out[LAST, k] = previous
        out[HIGH, k] = high
        out[LOW, k] = low
        out[WORST, k] = worst


@jit(inline=True)
def fold_trades(exits: FloatArray, results: FloatArray, edges: IntArray, out: FloatArray) -> None:
    """Planes of the trades; see `fold_stretches`."""
    out[TRADES:] = 0.0
    k = 0
    for trade in range(exits.size):
        while k < edges.size - 1 and exits[trade] >= edges[k + 1]:
            k += 1
        if k == edges.size - 1:
            break
        out[TRADES, k] += 1.0
        if results[trade] > 0.0:
            out[WINS, k] += 1.0
            out[WON, k] += results[trade]
        else:
            out[LOST, k] -= results[trade]


@jit(inline=True)
def fold_stretches(
    equity: FloatArray,
    trades: tuple[FloatArray, FloatArray],
    terms: FloatArray,
    edges: IntArray,
    out: FloatArray,
) -> None:
    """Sums of a run over stretches.

    Parameters
    ----------
    equity
        float64[bars], at the closes.
    trades
        Bars at which trades closed, ascending, and their net results: float64[trades] each.
    terms
        Equity before the first bar, risk-free rate of a bar.
    edges
        int64[stretches + 1]: first bars of stretches, ascending from 0 on, and the end of the last.
    out
        float64[11, stretches]: sums of returns, of their squares, of squares of those below the risk-free rate; equity
        at the last close, highest, lowest, lowest as a share of an earlier one of the stretch; closed trades, winners
        among them, what they won, what the others lost.
    """
    fold_returns(equity, terms[0], terms[1], edges, out)
    fold_trades(trades[0], trades[1], edges, out)
