"""Records of the order book as the arrays of a `BacktestResult`: orders, fills, trades, curve, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peak_fast._run import Outcome
from peak_kernels import orders_fields as f
from peak_kernels import types as t
from peak_kernels.from_curve import metrics_of

if TYPE_CHECKING:
    from peak_fast.config import Stops
    from peak_fast.order_run import Floats, Ints, Records

_STATUS = {f.FILLED: t.FILLED, f.CANCELLED: t.CANCELLED, f.EXPIRED: t.EXPIRED, f.REJECTED: t.REJECTED}
# Reasons that both machines have; those of the book alone follow behind the engine's (`_records.REASONS`).
_REASON = {
    f.NO_REASON: t.NO_REASON,
    f.END_OF_DATA: t.END_OF_DATA,
    f.BY_USER: t.REPLACED,
    f.NO_MARGIN: t.NO_CASH,
    f.CUT_TO_CASH: t.CASH_LIMIT,
}


def outcome_of(records: Records, settings: Floats, stops: Stops, value: Floats, multiplier: float) -> Outcome:
    """Arrays of a run of one asset.

    Parameters
    ----------
    settings
        The engine's flat settings.
    value
        float64[bars], value of the position at each close: a result's cash is what is left of the equity, whatever
        the ledger and the margin of the book.
    multiplier
        Contract size.
    """
    kinds = _kinds(records, stops)
    orders, number = _orders(records, kinds, settings)
    fills = np.zeros((len(records.fills), t.RECORD_WIDTH))
    owner = records.fills[:, f.F_ORDER].astype(np.int64)
    fills[:, 0] = number[owner]
    columns = (f.F_BAR, f.F_SIDE, f.F_SIZE, f.F_PRICE, f.F_FEE, f.F_SLIPPAGE)
    fills[:, 1:7] = records.fills[:, columns]
    fills[:, 7] = kinds[owner]
    trades = _trades(records, kinds)
    state = _state(records, orders, fills, settings)
    curve = np.stack((records.equity, records.equity - value, records.position[0]))
    out = np.empty(t.N_METRICS)
    sums = np.ascontiguousarray(np.column_stack((trades[:, 9], trades[:, 3] * trades[:, 5] * multiplier)))
    metrics_of(state, curve[t.CURVE_EQUITY], curve[t.CURVE_POSITION], sums, out)
    return Outcome(out, curve, state, orders, fills, trades)


def _kinds(records: Records, stops: Stops) -> Ints:
    """Kind of every order of the book in the engine's words."""
    book = records.book
    role = book[:, f.O_ROLE]
    kinds = np.full(len(book), t.SIGNAL)
    kinds[role == f.STOP_LOSS] = t.STOPPED
    kinds[role == f.TAKE_PROFIT] = t.TARGET_REACHED
    kinds[role == f.LIQUIDATION] = t.LIQUIDATED
    if stops.trailing is not None and len(records.lots):
        entry = records.lots[book[:, f.O_LOT].astype(np.int64), f.L_PRICE]
        fixed = np.full(len(book), np.inf)
        if stops.stop_loss is not None:
            fixed = stops.stop_loss * (entry if stops.unit == "fraction" else np.ones(len(book)))
        side = -book[:, f.O_SIDE]
        moved = side * book[:, f.O_STOP] > side * entry - fixed
        kinds[(role == f.STOP_LOSS) & moved] = t.TRAILED
    closing = role == f.CLOSE_LOT
    # A decision may ask for the same before it is filled: the limit is what closed.
    limited = book[book[:, f.O_WHY] == f.LIMIT_REACHED, f.O_LOT]
    kinds[closing & np.isin(book[:, f.O_LOT], limited)] = t.RISK_HALT
    kinds[closing & (book[:, f.O_REASON] == f.END_OF_DATA) & (book[:, f.O_FILLED] > 0.0)] = t.CLOSED_AT_END
    return kinds


def _orders(records: Records, kinds: Ints, settings: Floats) -> tuple[Floats, Ints]:
    """Rows of orders, and the row of each order of the book.

    Left out is what the fast path has no order for: exits that were not reached, closings of a lot that was gone,
    decisions for a side that was held.
    """
    book = records.book
    status, reason, filled = book[:, f.O_STATUS], book[:, f.O_REASON], book[:, f.O_FILLED]
    exits = np.isin(book[:, f.O_ROLE], (f.STOP_LOSS, f.TAKE_PROFIT))
    idle = (filled == 0.0) & (exits | np.isin(reason, (f.POSITION_OPEN, f.LOT_CLOSED)))
    number = np.cumsum(~idle) - 1
    rows = np.zeros((len(book), t.RECORD_WIDTH))
    rows[:, 0] = book[:, f.O_BAR]
    rows[:, 1] = -1.0
    # The last fill of each order.
    rows[records.fills[:, f.F_ORDER].astype(np.int64), 1] = records.fills[:, f.F_BAR]
    rows[:, 2], rows[:, 3] = kinds, book[:, f.O_SIDE]
    by_rules = book[:, f.O_UNIT] == f.BY_RULES
    sized = book[:, f.O_ORDERED] * (book[:, f.O_ACTION] >= 0.0) * ~by_rules
    rows[:, 4], rows[:, 5] = np.maximum(sized, np.where(by_rules, 0.0, book[:, f.O_SIZE])), filled
    rows[:, 6] = [_STATUS[int(code)] for code in status]
    rows[:, 7] = [_REASON.get(int(code), len(t.REASONS) + int(code)) for code in reason]
    estimated = by_rules & (reason == f.SIZE_ZERO) & (settings[t.SIZE_MODE] == t.SIZE_VOLATILITY)
    rows[estimated & (book[:, f.O_WHY] == 0.0), 7] = t.NO_ESTIMATE
    why = book[:, f.O_WHY] > 0.0
    rows[why, 7] = book[why, f.O_WHY]
    rows[(rows[:, 6] == t.FILLED) & (rows[:, 7] != t.NO_REASON), 6] = t.CUT
    rows[(filled == 0.0) & (reason == f.END_OF_DATA), 6] = t.UNFILLED
    return np.ascontiguousarray(rows[~idle]), number


def _trades(records: Records, kinds: Ints) -> Floats:
    """Rows of closed trades: each closing of (a part of) a lot."""
    trades, fills, lots = records.trades, records.fills, records.lots
    lot = trades[:, f.T_LOT].astype(np.int64)
    size = np.abs(trades[:, f.T_SIZE])
    # The book writes a fill for each closing and each lot, in the sequence of both.
    closing = fills[:, f.F_CLOSED] > 0.0
    opening = fills[~closing]
    slipped = np.zeros(len(lots))
    slipped[opening[:, f.F_LOT].astype(np.int64)] = opening[:, f.F_SLIPPAGE] / opening[:, f.F_SIZE]
    rows = np.zeros((len(trades), t.RECORD_WIDTH))
    rows[:, 0] = np.sign(trades[:, f.T_SIZE])
    rows[:, 1:5] = trades[:, (f.T_ENTRY_BAR, f.T_EXIT_BAR, f.T_ENTRY, f.T_EXIT)]
    rows[:, 5], rows[:, 6] = size, trades[:, f.T_FEES]
    rows[:, 7] = fills[closing, f.F_SLIPPAGE] + slipped[lot] * size
    rows[:, 8], rows[:, 9] = trades[:, f.T_PNL] + trades[:, f.T_FEES], trades[:, f.T_PNL]
    rows[:, 10] = kinds[trades[:, f.T_ORDER].astype(np.int64)]
    return rows


def _state(records: Records, orders: Floats, fills: Floats, settings: Floats) -> Floats:
    """The engine's state at the end: settings, the open position as one trade, counts."""
    state = np.zeros(t.N_STATE)
    state[: t.N_SETTINGS] = settings
    held = records.lots[records.lots[:, f.L_OPEN] > 0.0]
    state[t.CASH], state[t.UNITS] = records.cash[-1], records.position[0, -1]
    if len(held):
        sizes = np.abs(held[:, f.L_SIZE])
        state[t.ENTRY_BAR], state[t.ENTRY_UNITS] = held[0, f.L_BAR], sizes.sum()
        state[t.ENTRY_VALUE] = (sizes * held[:, f.L_PRICE]).sum()
        state[t.TRADE_FEES] = held[:, f.L_FEE].sum()
        first = np.isin(records.fills[:, f.F_LOT], np.flatnonzero(records.lots[:, f.L_OPEN] > 0.0))
        first &= records.fills[:, f.F_CLOSED] == 0.0
        state[t.TRADE_SLIPPAGE] = fills[first, 6].sum()
    state[t.TOTAL_FEES], state[t.TOTAL_SLIPPAGE] = fills[:, 5].sum(), fills[:, 6].sum()
    status = orders[:, 6]
    state[t.N_ORDERS], state[t.N_FILLS] = len(orders), len(fills)
    state[t.N_FILLED], state[t.N_CUT] = (status <= t.CUT).sum(), (status == t.CUT).sum()
    state[t.N_REJECTED], state[t.N_CANCELLED] = (status == t.REJECTED).sum(), (status > t.REJECTED).sum()
    state[t.N_AMBIGUOUS] = records.state[f.S_AMBIGUOUS]
    return state
