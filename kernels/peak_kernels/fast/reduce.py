"""Metrics folded while simulating: sums over bars and trades, no curve is stored.

The same folds serve a single run and every row of a sweep, so the two agree bit for bit.  Conventions are
those of `peak_fast.metrics`, which computes the same quantities from a stored curve and is tested against
these folds.

Reads the account and the closes; writes the sums over bars in the state, the curve, and the row of metrics.
"""

from __future__ import annotations

import math

from peak_kernels import money, simd
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.fast.blocks import Cuts, add_to_block, fold_by_block, write_blocks

# Metrics that `finish` writes, and those that `fold_curve` writes behind them, computed only where they are asked for.
# `peak_fast.metrics.catalog` names them in this order.
N_FOLDED = 25
N_METRICS = N_FOLDED + 2


@jit(inline=True)
def sunk(equity: float, peak: float, worst: float) -> tuple[float, float]:
    """Running peak, and worst ratio of equity and peak, after one more bar."""
    if equity > peak:
        peak = equity
    elif equity < worst * peak:
        worst = equity / peak
    return peak, worst


@jit(inline=True)
def sink(state: FloatArray, highest: float, lowest: float) -> bool:
    """Note the extremes of a stretch; whether it may hold a new worst that only a walk over its bars finds."""
    peak = state[t.PEAK_EQUITY]
    if highest <= peak:
        if lowest < state[t.WORST_RATIO] * peak:
            state[t.WORST_RATIO] = lowest / peak
        return False
    if lowest < state[t.WORST_RATIO] * highest:
        return True
    state[t.PEAK_EQUITY] = highest
    return False


@jit(inline=True)
def _deepest(state: FloatArray, prices: FloatArray, start: int, stop: int) -> None:
    """Running peak and worst ratio, bar by bar."""
    cash, units = state[t.CASH], state[t.UNITS]
    peak, worst = state[t.PEAK_EQUITY], state[t.WORST_RATIO]
    for bar in range(start, stop):
        peak, worst = sunk(money.equity(cash, units, prices[t.MARK, bar]), peak, worst)
    state[t.PEAK_EQUITY], state[t.WORST_RATIO] = peak, worst


@jit(inline=True)
def fold(
    state: FloatArray, prices: FloatArray, curve: FloatArray, start: int, stop: int, cuts: Cuts | None
) -> None:
    """Mark bars ``start .. stop-1`` at their closes with the position as it is; ``cuts``: by block, too.

    Equity is monotone in the price while the position does not change, so the extremes of a stretch tell
    whether it can hold a new deepest drawdown; only then is it walked bar by bar.  Rounding is monotone,
    too, hence the result is the same bits as a walk over every bar.
    """
    if stop <= start:
        return
    cash, units, free = state[t.CASH], state[t.UNITS], state[t.RISK_FREE]
    previous = state[t.PREVIOUS_EQUITY]
    equity = money.equity(cash, units, prices[t.MARK, start]) if units != 0.0 else cash
    ret = equity / previous - 1.0 if previous > 0.0 else 0.0
    down = min(ret - free, 0.0)
    total, squares, downside = ret, ret * ret, down * down
    highest = lowest = equity
    if cuts is not None:
        add_to_block(cuts, ret, ret * ret, start + 1 if units != 0.0 else stop)
    if units != 0.0:
        state[t.BARS_IN_MARKET] += float(stop - start)
        if stop - start > 1:
            if cuts is None:
                more, more_squares, more_down, top, bottom = simd.fold_equity(
                    prices, t.MARK, start + 1, stop, cash, units, free
                )
            else:
                more, more_squares, more_down, top, bottom = fold_by_block(
                    cuts, prices, start + 1, stop, cash, units, free
                )
            total += more
            squares += more_squares
            downside += more_down
            highest = max(highest, top)
            lowest = min(lowest, bottom)
        equity = money.equity(cash, units, prices[t.MARK, stop - 1])
    elif free > 0.0:
        downside += (stop - start - 1) * free * free
    state[t.SUM_RETURN] += total
    state[t.SUM_RETURN_SQUARED] += squares
    state[t.SUM_DOWNSIDE_SQUARED] += downside
    state[t.PREVIOUS_EQUITY] = equity
    if sink(state, highest, lowest):
        _deepest(state, prices, start, stop)
    if curve.shape[1] > 0:
        for bar in range(start, stop):
            marked = money.equity(cash, units, prices[t.MARK, bar])
            curve[t.CURVE_EQUITY, bar] = marked if units != 0.0 else cash
        if curve.shape[0] > t.CURVE_CASH:
            curve[t.CURVE_CASH, start:stop] = cash
            curve[t.CURVE_POSITION, start:stop] = units


@jit(inline=True)
def _ratio(numerator: float, denominator: float) -> float:
    """Quotient, with NaN for 0/0 and a signed infinity for x/0."""
    if denominator == 0.0:
        return math.nan if numerator == 0.0 else math.copysign(math.inf, numerator)
    return numerator / denominator


@jit(inline=True)
def finish(state: FloatArray, bars: int, out: FloatArray) -> None:
    """Turn the folded sums into ``out[:N_FOLDED]``, in the order of the metrics' catalog."""
    initial, final = state[t.INITIAL_CASH], state[t.PREVIOUS_EQUITY]
    year, free = state[t.PERIODS_PER_YEAR], state[t.RISK_FREE]
    growth = final / initial
    mean = state[t.SUM_RETURN] / bars
    # Below 1e-15 of the squares the difference is rounding noise: treat it as a constant series.
    spread = state[t.SUM_RETURN_SQUARED] - state[t.SUM_RETURN] * mean
    if bars < 2 or spread <= 1e-15 * state[t.SUM_RETURN_SQUARED]:
        deviation = 0.0 if bars > 1 else math.nan
    else:
        deviation = math.sqrt(spread / (bars - 1))
    downside = math.sqrt(state[t.SUM_DOWNSIDE_SQUARED] / bars)
    drawdown = state[t.WORST_RATIO] - 1.0
    yearly = growth ** (year / bars) - 1.0 if growth > 0.0 else -1.0
    closed, wins = state[t.N_TRADES], state[t.N_WINS]
    pnl = state[t.SUM_PNL]
    still_open = 1 if state[t.ENTRY_UNITS] != 0.0 else 0
    out[0] = final
    out[1] = growth - 1.0
    out[2] = yearly
    out[3] = deviation * math.sqrt(year)
    out[4] = (mean - free) / deviation * math.sqrt(year) if deviation > 0.0 else math.nan
    out[5] = _ratio((mean - free) * math.sqrt(year), downside)
    out[6] = yearly / -drawdown if drawdown < 0.0 else math.nan
    out[7] = drawdown
    out[8] = (growth - 1.0) / -drawdown if drawdown < 0.0 else math.nan
    out[9] = state[t.BARS_IN_MARKET] / bars
    out[10] = closed + still_open
    out[11] = closed
    out[12] = wins / closed if closed > 0 else math.nan
    out[13] = _ratio(state[t.GROSS_WIN], state[t.GROSS_LOSS])
    out[14] = pnl / closed if closed > 0 else math.nan
    out[15] = _quality(pnl, state[t.SUM_PNL_SQUARED], closed)
    out[16] = state[t.SUM_TRADE_RETURN] / closed if closed > 0 else math.nan
    out[17] = state[t.TOTAL_FEES]
    out[18] = state[t.TOTAL_SLIPPAGE]
    out[19] = state[t.N_ORDERS]
    out[20] = state[t.N_FILLED]
    out[21] = state[t.N_REJECTED]
    out[22] = state[t.N_AMBIGUOUS]
    out[23] = state[t.TOTAL_INTEREST]
    out[24] = state[t.TOTAL_FUNDING]


@jit(inline=True)
def _quality(pnl: float, squares: float, closed: int) -> float:
    """System quality number sqrt(n) * mean(pnl) / std(pnl, ddof 1); NaN below two trades or without spread."""
    if closed < 2:
        return math.nan
    mean = pnl / closed
    spread = squares - pnl * mean
    if spread <= 1e-15 * squares:
        return math.nan
    return math.sqrt(float(closed)) * mean / math.sqrt(spread / (closed - 1))


@jit(inline=True)
def fold_curve(equity: FloatArray, initial: float, out: FloatArray) -> None:
    """Metrics that need the whole curve: longest time under water in bars, ulcer index as a fraction.

    Duration: the longest run of consecutive bars whose equity is below an earlier peak (the starting
    equity counts as a peak).  Ulcer index: sqrt(mean(drawdown**2)) over all bars.
    """
    peak, run, longest, total = initial, 0, 0, 0.0
    for bar in range(equity.shape[0]):
        value = equity[bar]
        if value >= peak:
            peak = value
            run = 0
        else:
            run += 1
            longest = max(longest, run)
            depth = value / peak - 1.0
            total += depth * depth
    out[N_FOLDED] = longest
    out[N_FOLDED + 1] = math.sqrt(total / equity.shape[0])


@jit(inline=True)
def conclude(state: FloatArray, curve: FloatArray, bars: int, out: FloatArray) -> None:
    """All metrics of one finished run; those behind N_FOLDED where there is room for them and a curve."""
    finish(state, bars, out)
    if curve.shape[1] > 0 and out.shape[0] > N_FOLDED:
        fold_curve(curve[t.CURVE_EQUITY], state[t.INITIAL_CASH], out)


@jit(inline=True)
def conclude_blocks(state: FloatArray, curve: FloatArray, bars: int, out: FloatArray, cuts: Cuts) -> None:
    """`conclude`, with the sums of the blocks in the last columns."""
    metrics = out.shape[0] - 2 * (cuts[0].shape[1] - 1)
    conclude(state, curve, bars, out[:metrics])
    write_blocks(cuts, out[metrics:])
