"""The metrics of a run that was not folded while it was simulated: from its curves and its trades."""

from __future__ import annotations

from peak_kernels import types as t
from peak_kernels._jit import jit
from peak_kernels.reduce import finish, fold_curve
from peak_kernels.types import FloatArray


@jit
def metrics_of(
    state: FloatArray, equity: FloatArray, position: FloatArray, trades: FloatArray, out: FloatArray
) -> None:
    """Fill ``out[:N_METRICS]``.

    Parameters
    ----------
    state
        Settings, and what counts orders, fees, slippage and ambiguous bars; the sums are made here.
    equity, position
        float64[bars], at the closes.
    trades
        float64[trades, 2]: net result and value of the entry of each closed trade.
    """
    initial, free = state[t.INITIAL_CASH], state[t.RISK_FREE]
    previous, peak, worst = initial, initial, 1.0
    for bar in range(equity.shape[0]):
        change = equity[bar] / previous - 1.0 if previous > 0.0 else 0.0
        below = min(change - free, 0.0)
        state[t.SUM_RETURN] += change
        state[t.SUM_RETURN_SQUARED] += change * change
        state[t.SUM_DOWNSIDE_SQUARED] += below * below
        state[t.BARS_IN_MARKET] += 1.0 if position[bar] != 0.0 else 0.0
        previous = equity[bar]
        peak = max(peak, previous)
        worst = min(worst, previous / peak)
    state[t.PREVIOUS_EQUITY], state[t.PEAK_EQUITY], state[t.WORST_RATIO] = previous, peak, worst
    for row in range(trades.shape[0]):
        net = trades[row, 0]
        state[t.N_TRADES] += 1.0
        if net > 0.0:
            state[t.N_WINS] += 1.0
            state[t.GROSS_WIN] += net
        else:
            state[t.GROSS_LOSS] -= net
        state[t.SUM_PNL] += net
        state[t.SUM_PNL_SQUARED] += net * net
        state[t.SUM_TRADE_RETURN] += net / trades[row, 1]
    finish(state, equity.shape[0], out)
    fold_curve(equity, initial, out)
