"""A bare loop of one backtest: about the least that a program can do for it, to compare ours with.

The work: SMA cross, long only, all in, orders decided at a close and filled at the next open with slippage
and fees, an open position marked at the last close; total return, mean over deviation of the bars' returns,
maximum drawdown, number of entries.  No checks, no records, no curves, no result object.
"""

from __future__ import annotations

import math

import numpy as np

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import jit

INITIAL_CASH = 100_000.0
FEE = 0.001
SLIPPAGE = 0.0005


@jit
def sma(close: FloatArray, window: int) -> FloatArray:
    """Return the rolling mean ``float64[n]``; NaN before the first full window."""
    out = np.empty(len(close))
    total = 0.0
    for i in range(len(close)):
        total += close[i]
        if i >= window:
            total -= close[i - window]
        out[i] = total / window if i >= window - 1 else np.nan
    return out


@jit
def summary(
    bars: int, initial: float, equity: float, total: float, squares: float, drawdown: float, entries: int
) -> tuple[float, float, float, float]:
    """Total return, mean over deviation of the returns, maximum drawdown, entries, from the running sums."""
    mean = total / bars
    variance = max(squares / bars - mean * mean, 0.0) * bars / (bars - 1)
    sharpe = mean / math.sqrt(variance) if variance > 0.0 else np.nan
    return equity / initial - 1.0, sharpe, drawdown, float(entries)


@jit
def simulate(
    open_: FloatArray,
    close: FloatArray,
    fast: FloatArray,
    slow: FloatArray,
    initial: float,
    fee: float,
    slippage: float,
    records: tuple[IntArray, IntArray, FloatArray],
) -> tuple[float, float, float, float]:
    """One pass over the bars.

    Parameters
    ----------
    fast, slow
        The two averages, ``float64[n_bars]``.
    records
        Entry bars, exit bars, profits of the trades, filled as far as they are long (length 0: not kept).
    """
    entry_bar, exit_bar, pnl = records
    cash, units, previous, peak = initial, 0.0, initial, initial
    total, squares, drawdown, paid = 0.0, 0.0, 0.0, 0.0
    entries, exits = 0, 0
    for i in range(len(close)):
        if i > 0:
            want = fast[i - 1] > slow[i - 1]
            if want and units == 0.0:
                units = cash / (open_[i] * (1.0 + slippage) * (1.0 + fee))
                paid, cash = cash, 0.0
                if entries < len(entry_bar):
                    entry_bar[entries] = i
                entries += 1
            elif not want and units > 0.0:
                cash = units * open_[i] * (1.0 - slippage) * (1.0 - fee)
                units = 0.0
                if exits < len(exit_bar):
                    exit_bar[exits] = i
                    pnl[exits] = cash - paid
                exits += 1
        equity = cash + units * close[i]
        change = equity / previous - 1.0
        total += change
        squares += change * change
        previous = equity
        peak = max(peak, equity)
        drawdown = min(drawdown, equity / peak - 1.0)
    return summary(len(close), initial, previous, total, squares, drawdown, entries)


@jit
def scalar_run(
    open_: FloatArray,
    close: FloatArray,
    fast: int,
    slow: int,
    initial: float = INITIAL_CASH,
    fee: float = FEE,
    slippage: float = SLIPPAGE,
) -> tuple[float, float, float, float]:
    """One configuration, both averages included, no records; the result is :func:`summary`'s."""
    bars = np.empty(0, np.int64)
    return simulate(
        open_,
        close,
        sma(close, fast),
        sma(close, slow),
        initial,
        fee,
        slippage,
        (bars, bars, np.empty(0)),
    )
