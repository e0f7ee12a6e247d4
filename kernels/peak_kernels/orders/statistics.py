"""The statistics of a run of the order kernel: from its curve and its records, in single runs and in sweeps.

Reads curve and records; writes counts and sums of the state, and the row of metrics.
"""

from __future__ import annotations

import math

from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.fast import conclude


@part
def is_idle(filled: float, role: float, reason: float) -> bool:
    """Whether the engine has no word for an order: an exit that was not reached, a closing of a lot that was gone,
    a decision for a side that was held.
    """
    if filled != 0.0:
        return False
    exits = role == f.STOP_LOSS or role == f.TAKE_PROFIT
    return exits or reason == f.POSITION_OPEN or reason == f.LOT_CLOSED


@part
def count_orders(state: FloatArray, book: FloatArray, all_orders: bool) -> None:
    """Numbers of orders by what became of them; idle ones count where all do."""
    orders, filled, cut, rejected = 0, 0, 0, 0
    for k in range(book.shape[0]):
        status, reason = book[k, f.O_STATUS], book[k, f.O_REASON]
        if not all_orders and is_idle(book[k, f.O_FILLED], book[k, f.O_ROLE], reason):
            continue
        orders += 1
        if status == f.FILLED:
            filled += 1
            if reason != f.NO_REASON or book[k, f.O_WHY] > 0.0:
                cut += 1
        elif status == f.REJECTED:
            rejected += 1
    state[t.N_ORDERS], state[t.N_FILLED], state[t.N_CUT] = orders, filled, cut
    state[t.N_REJECTED], state[t.N_CANCELLED] = rejected, orders - filled - rejected


@part
def sum_trades(state: FloatArray, trades: FloatArray) -> None:
    """Sums over closed trades."""
    wins, gross_win, gross_loss, total, squares, shares = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(trades.shape[0]):
        net = trades[n, f.T_PNL]
        if net > 0.0:
            wins += 1
            gross_win += net
        else:
            gross_loss -= net
        total += net
        squares += net * net
        # No share of an entry at a price of zero or below.
        shares += net / trades[n, f.T_VALUE] if trades[n, f.T_VALUE] > 0.0 else math.nan
    state[t.N_TRADES], state[t.N_WINS] = trades.shape[0], wins
    state[t.GROSS_WIN], state[t.GROSS_LOSS] = gross_win, gross_loss
    state[t.SUM_PNL], state[t.SUM_PNL_SQUARED], state[t.SUM_TRADE_RETURN] = total, squares, shares


@part
def sum_curve(state: FloatArray, equity: FloatArray, position: FloatArray) -> None:
    """Sums over the closes; kept out of the state meanwhile, where each would have to be stored at each bar."""
    initial, free = state[t.INITIAL_CASH], state[t.RISK_FREE]
    previous, peak, worst = initial, initial, 1.0
    total, squares, downside, held = 0.0, 0.0, 0.0, 0
    for bar in range(equity.shape[0]):
        now = equity[bar]
        change = now / previous - 1.0 if previous > 0.0 else 0.0
        below = min(change - free, 0.0)
        total += change
        squares += change * change
        downside += below * below
        held += 1 if position[bar] != 0.0 else 0
        previous = now
        peak = max(peak, now)
        worst = min(worst, now / peak)
    state[t.SUM_RETURN], state[t.SUM_RETURN_SQUARED], state[t.SUM_DOWNSIDE_SQUARED] = total, squares, downside
    state[t.BARS_IN_MARKET] = held
    state[t.PREVIOUS_EQUITY], state[t.PEAK_EQUITY], state[t.WORST_RATIO] = previous, peak, worst


@part
def conclude_records(
    state: FloatArray,
    curve: FloatArray,
    position: FloatArray,
    records: tuple[FloatArray, FloatArray, FloatArray],
    all_orders: bool,
    out: FloatArray,
) -> None:
    """Fill ``out`` (`reduce.conclude`) and the counts and sums of the state.

    Parameters
    ----------
    state
        Settings, the number of ambiguous bars, what the account got besides fills; all else 0.
    curve
        float64[1 or more, bars]: equity at the closes first.
    position
        float64[bars], at the closes.
    records
        Orders of the book, fills, closed trades (`order_slots`).
    all_orders
        Whether a block placed the orders; else those that a run of decisions has no word for do not count.
    """
    book, fills, trades = records
    bars = curve.shape[1]
    count_orders(state, book, all_orders)
    sum_trades(state, trades)
    for n in range(fills.shape[0]):
        state[t.TOTAL_FEES] += fills[n, f.F_FEE]
        state[t.TOTAL_SLIPPAGE] += fills[n, f.F_SLIPPAGE]
    state[t.N_FILLS] = fills.shape[0]
    state[t.UNITS] = position[bars - 1]
    sum_curve(state, curve[t.CURVE_EQUITY], position)
    conclude(state, curve, bars, out)
