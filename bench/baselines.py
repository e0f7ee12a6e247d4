"""Bare Numba loops of the benched work: the yardstick that every ratio of the bench is taken against.

The work: SMA cross, long only, all in, orders decided at a close and filled at the next open with slippage
and fees, an open position marked at the last close; total return, mean and deviation of bar returns (for
Sharpe), maximum drawdown, number of entries.  No validation, no records but those named, no result object:
what is left is about the least that a program can do.  Three shapes:

* ``scalar_run``: one configuration, indicators included.
* ``scalar_sweep``: many configurations one after the other, with trade records, SMA rows given.
* ``lanes_sweep``: 32 configurations in lockstep; signals vectorised over time, kept as bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from peak_fast.benchmarking.yardstick import (
    FEE,
    INITIAL_CASH,
    SLIPPAGE,
    scalar_run,
    simulate,
    sma,
    summary,
)

__all__ = [
    "FEE",
    "INITIAL_CASH",
    "SLIPPAGE",
    "index_grid",
    "lanes_sweep",
    "scalar_run",
    "scalar_sweep",
    "sma",
    "sma_grid",
    "sma_rows",
]

LANES = 32
BLOCK = 512
# rows of the lanes' state array
CASH, UNITS, PREVIOUS, TOTAL, SQUARES, PEAK, DRAWDOWN, ENTRIES = range(8)


@njit(cache=True, nogil=True, error_model="numpy")
def sma_rows(close: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """SMA of every window: ``float64[n_windows, n_bars]``."""
    rows = np.empty((len(windows), len(close)))
    for k in range(len(windows)):
        rows[k] = sma(close, windows[k])
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def scalar_sweep(open_, close, rows, pairs, initial=INITIAL_CASH, fee=FEE, slippage=SLIPPAGE):
    """Every configuration after the other, with trade records.

    Parameters
    ----------
    rows
        ``float64[n_windows, n_bars]`` from :func:`sma_rows`.
    pairs
        ``int64[n_configurations, 2]``: row numbers of the fast and the slow average.

    Returns
    -------
    ndarray
        ``float64[n_configurations, 4]``, columns as :func:`scalar_run`.
    """
    out = np.empty((len(pairs), 4))
    most = len(close) // 2 + 1
    records = (np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most))
    for k in range(len(pairs)):
        fast, slow = rows[pairs[k, 0]], rows[pairs[k, 1]]
        out[k] = simulate(open_, close, fast, slow, initial, fee, slippage, records)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _lane_block(state, bits, start, stop, buy_units, sell_price, close):
    """Advance all lanes over the bars [start, stop); ``bits`` as made by :func:`_block_signals`."""
    lanes = LANES
    for i in range(start, stop):
        buy, sell, mark = buy_units[i], sell_price[i], close[i]
        row = bits[i - start]
        for k in range(lanes):
            want = (row >> np.uint64(k)) & np.uint64(1) != 0
            cash, units = state[k], state[lanes + k]
            flat = units == 0.0
            bought = cash * buy
            sold = units * sell
            new_units = (bought if flat else units) if want else 0.0
            new_cash = (0.0 if flat else cash) if want else (cash if flat else sold)
            state[ENTRIES * lanes + k] += 1.0 if (want and flat) else 0.0
            equity = new_cash + new_units * mark
            change = equity / state[PREVIOUS * lanes + k] - 1.0
            state[k] = new_cash
            state[lanes + k] = new_units
            state[PREVIOUS * lanes + k] = equity
            state[TOTAL * lanes + k] += change
            state[SQUARES * lanes + k] += change * change
            old_peak = state[PEAK * lanes + k]
            peak = equity if equity > old_peak else old_peak
            state[PEAK * lanes + k] = peak
            fall = equity / peak - 1.0
            old_fall = state[DRAWDOWN * lanes + k]
            state[DRAWDOWN * lanes + k] = fall if fall < old_fall else old_fall


@njit(cache=True, nogil=True, error_model="numpy")
def _block_signals(rows, pairs, first, start, stop, bits):
    """Signals decided at the close before each bar: bit ``k`` of ``uint64[BLOCK]`` is lane ``k``'s."""
    bits[:] = 0
    skip = 1 if start == 0 else 0
    size = stop - start - skip
    target = bits[skip : skip + size]
    for k in range(LANES):
        config = min(first + k, len(pairs) - 1)
        begin = start + skip - 1
        fast = rows[pairs[config, 0], begin : begin + size]
        slow = rows[pairs[config, 1], begin : begin + size]
        bit = np.uint64(1) << np.uint64(k)
        for i in range(size):
            target[i] |= bit if fast[i] > slow[i] else np.uint64(0)


@njit(cache=True, nogil=True, error_model="numpy")
def lanes_sweep(open_, close, rows, pairs, initial=INITIAL_CASH, fee=FEE, slippage=SLIPPAGE):
    """Every configuration, 32 in lockstep, no records; arguments and result as :func:`scalar_sweep`."""
    lanes, n = LANES, len(close)
    out = np.empty((len(pairs), 4))
    buy_units = 1.0 / (open_ * (1.0 + slippage) * (1.0 + fee))
    sell_price = open_ * (1.0 - slippage) * (1.0 - fee)
    bits = np.zeros(BLOCK, np.uint64)
    state = np.empty(8 * lanes)
    for first in range(0, len(pairs), lanes):
        state[:] = 0.0
        state[CASH * lanes : (CASH + 1) * lanes] = initial
        state[PREVIOUS * lanes : (PREVIOUS + 1) * lanes] = initial
        state[PEAK * lanes : (PEAK + 1) * lanes] = initial
        for start in range(0, n, BLOCK):
            stop = min(start + BLOCK, n)
            _block_signals(rows, pairs, first, start, stop, bits)
            _lane_block(state, bits, start, stop, buy_units, sell_price, close)
        for k in range(min(lanes, len(pairs) - first)):
            out[first + k] = summary(
                n,
                initial,
                state[PREVIOUS * lanes + k],
                state[TOTAL * lanes + k],
                state[SQUARES * lanes + k],
                state[DRAWDOWN * lanes + k],
                state[ENTRIES * lanes + k],
            )
    return out


def sma_grid(configurations: int) -> np.ndarray:
    """Pairs of windows ``int64[configurations, 2]``, fast < slow, the same for every engine of the bench.

    100 fast windows (5 ... 104) against as many slow ones (110, 112 ...) as the number asks for.
    """
    fast = 5 + np.arange(configurations) % 100
    slow = 110 + 2 * (np.arange(configurations) // 100)
    return np.stack([fast, slow], axis=1).astype(np.int64)


def index_grid(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a grid of windows into unique windows and, per configuration, their row numbers."""
    windows, rows = np.unique(grid, return_inverse=True)
    return windows.astype(np.int64), rows.reshape(grid.shape).astype(np.int64)
