"""Sizes that are estimated when an order fills: from the volatility of past closes, or from the run's own trades.

Both give a fraction of equity.  The formulas are those of `docs/semantics.md`.

Reads closes, or the sums over closed trades; writes ``SIZED_FRACTION`` of the state.
"""

from __future__ import annotations

import math

from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part


@part
def yearly_volatility(prices: FloatArray, bar: int, window: int, year: float) -> float:
    """Standard deviation of the last ``window`` simple returns up to the close of ``bar``, times sqrt(year).

    Returns lie between consecutive known closes; NaN where there are fewer of them, or where the year is NaN.  Two
    passes, because sums of squares would lose the digits of calm prices.
    """
    total, squares, mean = 0.0, 0.0, 0.0
    for second in range(2):
        later, count, i = math.nan, 0, bar
        while i >= 0 and count < window:
            close = prices[t.CLOSE, i]
            if close == close:
                if later == later:
                    change = later / close - 1.0
                    count += 1
                    if second == 0:
                        total += change
                    else:
                        squares += (change - mean) * (change - mean)
                later = close
            i -= 1
        if count < window:
            return math.nan
        mean = total / window
    return math.sqrt(squares / (window - 1) * year)


@part
def kelly_fraction(state: FloatArray) -> float:
    """Kelly criterion of the closed trades, W - (1 - W) * L / G; NaN before enough of them.

    W is the share of winning trades, G and L the mean net return of the winning and of the other trades.
    """
    trades, wins = state[t.N_TRADES], state[t.N_WINS]
    if trades < state[t.SIZE_WINDOW]:
        return math.nan
    if wins == 0.0 or wins == trades:
        return wins / trades
    gain = state[t.SUM_WIN_RETURN] / wins
    loss = state[t.SUM_LOSS_RETURN] / (trades - wins)
    return wins / trades - (1.0 - wins / trades) * loss / gain


@part
def take_kelly(state: FloatArray) -> int:
    """Put the fraction of equity of Kelly sizing into the state; the reason why it is 0, if it is."""
    criterion = kelly_fraction(state)
    wanted = state[t.SIZE_FALLBACK]
    if criterion == criterion:
        wanted = max(state[t.SIZE_VALUE] * criterion, state[t.SIZE_LEAST])
    state[t.SIZED_FRACTION] = max(min(wanted, state[t.SIZE_MAX_POSITION]), 0.0)
    if state[t.SIZED_FRACTION] > 0.0:
        return t.NO_REASON
    return t.NO_EDGE if criterion == criterion else t.NO_ESTIMATE


@part
def year_at(state: FloatArray, prices: FloatArray, bar: int) -> float:
    """Bars a year for an estimate at the close of ``bar``: as they were given, else as the times up to it show."""
    return state[t.SIZE_YEAR] if state[t.SIZE_YEAR] > 0.0 else prices[t.YEAR, bar]


@part
def volatility_fraction(state: FloatArray, prices: FloatArray, bar: int, year: float) -> int:
    """Put the fraction of equity of volatility sizing, decided at ``bar``, into the state; why it is 0, if it is."""
    volatility = yearly_volatility(prices, bar, int(state[t.SIZE_WINDOW]), year)
    wanted = state[t.SIZE_VALUE] / volatility if volatility < math.inf else state[t.SIZE_FALLBACK]
    state[t.SIZED_FRACTION] = min(wanted, state[t.SIZE_MAX_POSITION])
    return t.NO_REASON if state[t.SIZED_FRACTION] > 0.0 else t.NO_ESTIMATE


@part
def estimate(state: FloatArray, prices: FloatArray, bar: int, blocked: int) -> int:
    """Put the fraction of equity of an order decided at ``bar`` into the state.

    Returns ``blocked``, or the reason why there is nothing to open.
    """
    if state[t.SIZE_MODE] == t.SIZE_VOLATILITY:
        reason = volatility_fraction(state, prices, bar, year_at(state, prices, bar))
    else:
        reason = take_kelly(state)
    return reason if blocked == t.NO_REASON else blocked
