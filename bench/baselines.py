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

import math

import numpy as np
from numba import njit

LANES = 32
BLOCK = 512
INITIAL_CASH = 100_000.0
FEE = 0.001
SLIPPAGE = 0.0005
# rows of the lanes' state array
CASH, UNITS, PREVIOUS, TOTAL, SQUARES, PEAK, DRAWDOWN, ENTRIES = range(8)


@njit(cache=True, nogil=True, error_model="numpy")
def sma(close: np.ndarray, window: int) -> np.ndarray:
    """Return the rolling mean ``float64[n]``; NaN before the first full window."""
    out = np.empty(len(close))
    total = 0.0
    for i in range(len(close)):
        total += close[i]
        if i >= window:
            total -= close[i - window]
        out[i] = total / window if i >= window - 1 else np.nan
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _metrics(n, initial, equity, total, squares, drawdown, entries):
    mean = total / n
    variance = max(squares / n - mean * mean, 0.0) * n / (n - 1)
    sharpe = mean / math.sqrt(variance) if variance > 0.0 else np.nan
    return equity / initial - 1.0, sharpe, drawdown, float(entries)


@njit(cache=True, nogil=True, error_model="numpy")
def _simulate(open_, close, fast, slow, initial, fee, slippage, entry_bar, exit_bar, pnl):
    """One scalar pass; trades go into the three record arrays (length 0: none are kept)."""
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
    return _metrics(len(close), initial, previous, total, squares, drawdown, entries)


@njit(cache=True, nogil=True, error_model="numpy")
def scalar_run(open_, close, fast, slow, initial=INITIAL_CASH, fee=FEE, slippage=SLIPPAGE):
    """One configuration, indicators included, no records.

    Returns
    -------
    tuple of float
        Total return, mean over deviation of bar returns (not annualised), maximum drawdown (<= 0), entries.
    """
    bars = np.empty(0, np.int64)
    return _simulate(
        open_, close, sma(close, fast), sma(close, slow), initial, fee, slippage, bars, bars, np.empty(0)
    )


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
    entry_bar, exit_bar, pnl = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
    for k in range(len(pairs)):
        fast, slow = rows[pairs[k, 0]], rows[pairs[k, 1]]
        out[k] = _simulate(open_, close, fast, slow, initial, fee, slippage, entry_bar, exit_bar, pnl)
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
            out[first + k] = _metrics(
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
