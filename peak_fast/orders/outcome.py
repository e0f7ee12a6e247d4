"""Records of the order book as the arrays of a `BacktestResult`: orders, fills, trades, curve, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from peak_fast.metrics import METRICS
from peak_fast.results import CHILD, CLOSE, ORDER
from peak_fast.simulation import Outcome
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.order_entries import order_metrics

if TYPE_CHECKING:
    from peak_fast.orders.inputs import Inputs
    from peak_fast.orders.memory import Records
    from peak_fast.settings import Stops

# The engine's statuses and reasons, by their numbers in the book.
_STATUS = np.zeros(f.REJECTED + 1)
_STATUS[[f.FILLED, f.CANCELLED, f.EXPIRED, f.REJECTED]] = t.FILLED, t.CANCELLED, t.EXPIRED, t.REJECTED
# What the account got besides fills: slots of the engine's state and of the book's.
_BESIDE_FILLS = (
    (t.TOTAL_INTEREST, f.S_INTEREST), (t.TOTAL_FUNDING, f.S_FUNDING), (t.CASH_INTEREST, f.S_CASH_INTEREST),
    (t.WRITTEN_OFF, f.S_WRITTEN_OFF),
)  # fmt: skip
# Roles of the book, by their numbers.
_ROLES = np.array([ORDER, t.STOPPED, t.TARGET_REACHED, CLOSE, CHILD, t.LIQUIDATED])
# Reasons that both machines have; those of the book alone follow behind the engine's (`_records.REASONS`).
_REASON = len(t.REASONS) + np.arange(float(len(f.REASONS)))
_REASON[[f.NO_REASON, f.END_OF_DATA, f.BY_USER, f.NO_MARGIN, f.CUT_TO_CASH]] = (
    t.NO_REASON, t.END_OF_DATA, t.REPLACED, t.NO_CASH, t.CASH_LIMIT
)  # fmt: skip


def finished(run: Inputs, records: Records, settings: FloatArray, stops: Stops | None) -> Outcome:
    """Arrays of a finished run of one asset; ``settings`` as `peak_fast.orders.from_engine` returns them.

    ``stops`` are those of decisions; None: a block placed the orders.
    """
    position, multiplier = records.position[0], run.assets[0].multiplier
    value = np.where(position != 0.0, position * run.bars[0].mark, 0.0) * multiplier
    rules, asset = run.rules, run.assets[0]
    # Without credit and collateral the book's cash is what is left of the equity, to the bits of the fast path.
    plain = rules.ledger == "paid" and rules.leverage == 1.0 and rules.short_proceeds and asset.margin == 0.0
    cash = records.cash if plain else records.equity - value
    return outcome_of(records, settings, stops, value, cash, multiplier)


def outcome_of(
    records: Records,
    settings: FloatArray,
    stops: Stops | None,
    value: FloatArray,
    cash: FloatArray,
    multiplier: float,
) -> Outcome:
    """Arrays of a run of one asset.

    Parameters
    ----------
    settings
        The engine's flat settings.
    stops
        Those of decisions, whose orders get the engine's words.  None: a block placed the orders; they keep the
        book's words, and all records have one more column, the tag (-1: none).
    value
        float64[bars], value of the position at each close.
    cash
        float64[bars], what is left of the equity beside it, whatever the ledger and the margin of the book.
    multiplier
        Contract size.
    """
    if stops is None:
        kinds = _roles(records)
        orders, number = _all_orders(records, kinds)
    else:
        kinds = _kinds(records, stops)
        orders, number = _orders(records, kinds, settings)
    fills = _fills(records, kinds, number)
    weights = settings[t.WEIGHT_TARGETS] > 0.0
    slipped = _slipped(records, weights)
    trades = _trades(records, kinds, slipped, weights)
    if stops is not None and not weights:
        _put_means(trades, multiplier)
    curve = np.stack((records.equity, cash, records.position[0]))
    state, out = np.zeros(t.N_STATE), np.empty(len(METRICS))
    state[: t.N_SETTINGS], state[t.N_AMBIGUOUS] = settings, records.state[f.S_AMBIGUOUS]
    # Whether anything is open; what it is follows below.
    state[t.ENTRY_UNITS] = records.state[f.S_OPEN_LOTS]
    for slot, source in _BESIDE_FILLS:
        state[slot] = records.state[source]
    tables = (records.book, records.fills, records.trades)
    order_metrics(state, curve, curve[t.CURVE_POSITION], tables, stops is None, out)
    if weights:
        _put_open_weight(state, records, slipped)
    else:
        _put_open_position(state, records, slipped, value / multiplier)
    if stops is None:
        tags, owner = records.book[:, f.O_TAG], records.fills[:, f.F_ORDER].astype(np.int64)
        orders, fills = np.column_stack((orders, tags)), np.column_stack((fills, tags[owner]))
        trades = np.column_stack((trades, records.trades[:, f.T_TAG]))
    return Outcome(out, curve, state, orders, fills, trades)


class PlacedRows(NamedTuple):
    """Records of orders that a table or a block placed, in the engine's words (`peak_kernels.slots`)."""

    orders: FloatArray
    fills: FloatArray
    trades: FloatArray
    slipped: FloatArray
    """Of each lot: slippage for each unit of the fill that opened it."""


def placed_rows(records: Records) -> PlacedRows:
    """Rows of orders, fills and closed trades, of any number of assets."""
    kinds = _roles(records)
    orders, number = _all_orders(records, kinds)
    slipped = _slipped(records, False)
    return PlacedRows(
        orders, _fills(records, kinds, number), _trades(records, kinds, slipped, False), slipped
    )


def placed_state(records: Records, settings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """State and metrics of a run whose orders a table or a block placed, of any number of assets."""
    state, out = np.zeros(t.N_STATE), np.empty(len(METRICS))
    state[: t.N_SETTINGS], state[t.N_AMBIGUOUS] = settings, records.state[f.S_AMBIGUOUS]
    for slot, source in _BESIDE_FILLS:
        state[slot] = records.state[source]
    held = (records.position != 0.0).any(axis=0).astype(np.float64)
    tables = (records.book, records.fills, records.trades)
    order_metrics(state, np.stack((records.equity, records.cash)), held, tables, True, out)
    still_open = records.lots[records.lots[:, f.L_OPEN] > 0.0, f.L_ASSET]
    out[METRICS.index("total_trades")] += np.unique(still_open).size
    state[t.CASH] = records.cash[-1]
    return state, out


def _fills(records: Records, kinds: IntArray, number: IntArray) -> FloatArray:
    """Rows of fills; ``number`` is the row of each order of the book."""
    fills = np.zeros((len(records.fills), t.RECORD_WIDTH))
    owner = records.fills[:, f.F_ORDER].astype(np.int64)
    fills[:, 0] = number[owner]
    columns = (f.F_BAR, f.F_SIDE, f.F_SIZE, f.F_PRICE, f.F_FEE, f.F_SLIPPAGE)
    fills[:, 1:7] = records.fills[:, columns]
    fills[:, 7] = kinds[owner]
    return fills


def _kinds(records: Records, stops: Stops) -> IntArray:
    """Kind of every order of decisions in the engine's words."""
    book = records.book
    role = book[:, f.O_ROLE]
    kinds = np.full(len(book), t.SIGNAL)
    kinds[role == f.STOP_LOSS] = t.STOPPED
    kinds[role == f.TAKE_PROFIT] = t.TARGET_REACHED
    if stops.trailing is not None and len(records.lots):
        entry = records.lots[:, f.L_PRICE][book[:, f.O_LOT].astype(np.int64)]
        fixed = np.full(len(book), np.inf)
        if stops.stop_loss is not None:
            fixed = stops.stop_loss * (entry if stops.unit == "fraction" else np.ones(len(book)))
        side = -book[:, f.O_SIDE]
        moved = side * book[:, f.O_STOP] > side * entry - fixed
        kinds[(role == f.STOP_LOSS) & moved] = t.TRAILED
    return _forced(records, kinds)


def _roles(records: Records) -> IntArray:
    """Kind of every order of a block: its role, in the engine's words where it has one."""
    book = records.book
    kinds = _ROLES[book[:, f.O_ROLE].astype(np.int64)]
    kinds[(kinds == t.STOPPED) & (book[:, f.O_KIND] == f.TRAILING_STOP)] = t.TRAILED
    return _forced(records, kinds)


def _forced(records: Records, kinds: IntArray) -> IntArray:
    """Kinds with those of orders that rules of the account placed."""
    book = records.book
    closing = book[:, f.O_ROLE] == f.CLOSE_LOT
    kinds[book[:, f.O_ROLE] == f.LIQUIDATION] = t.LIQUIDATED
    # Somebody else may ask for the same before it is filled: the limit is what closed.
    limited = book[book[:, f.O_WHY] == f.LIMIT_REACHED, f.O_LOT]
    kinds[closing & np.isin(book[:, f.O_LOT], limited)] = t.RISK_HALT
    # One that the end of the data interrupted was somebody's decision; what it filled is, too.
    at_end = (book[:, f.O_REASON] == f.END_OF_DATA) & (book[:, f.O_STATUS] == f.FILLED)
    kinds[closing & at_end] = t.CLOSED_AT_END
    return kinds


def _all_orders(records: Records, kinds: IntArray) -> tuple[FloatArray, IntArray]:
    """Rows of all orders of a block, and the row of each order of the book."""
    book = records.book
    reason = book[:, f.O_REASON]
    rows = _order_rows(records, kinds)
    # Until its first fill the size of an order may be a value or a fraction.
    rows[:, 4] = np.where(book[:, f.O_UNIT] == f.UNITS, book[:, f.O_SIZE], 0.0)
    rows[:, 7] = np.where(reason == f.NO_REASON, t.NO_REASON, len(t.REASONS) + reason)
    return _with_ends(rows, reason), np.arange(len(book))


def _order_rows(records: Records, kinds: IntArray) -> FloatArray:
    """What orders of decisions and of blocks have in common; sizes asked for and reasons are left to fill in."""
    book = records.book
    rows = np.zeros((len(book), t.RECORD_WIDTH))
    rows[:, 0], rows[:, 1] = book[:, f.O_BAR], -1.0
    # The last fill of each order.
    rows[records.fills[:, f.F_ORDER].astype(np.int64), 1] = records.fills[:, f.F_BAR]
    rows[:, 2], rows[:, 3], rows[:, 5] = kinds, book[:, f.O_SIDE], book[:, f.O_FILLED]
    rows[:, 6] = _STATUS[book[:, f.O_STATUS].astype(np.int64)]
    return rows


def _with_ends(rows: FloatArray, reason: FloatArray) -> FloatArray:
    """Rows with the statuses that the book does not have: cut, and unfilled (or not filled up) at the end."""
    rows[(rows[:, 6] == t.FILLED) & (rows[:, 7] != t.NO_REASON), 6] = t.CUT
    rows[(rows[:, 6] == t.CANCELLED) & (reason == f.END_OF_DATA), 6] = t.UNFILLED
    return rows


def _orders(records: Records, kinds: IntArray, settings: FloatArray) -> tuple[FloatArray, IntArray]:
    """Rows of orders, and the row of each order of the book.

    Left out is what the fast path has no order for: exits that were not reached, closings of a lot that was gone,
    decisions for a side that was held.
    """
    book = records.book
    reason, filled = book[:, f.O_REASON], book[:, f.O_FILLED]
    exits = np.isin(book[:, f.O_ROLE], (f.STOP_LOSS, f.TAKE_PROFIT))
    idle = (filled == 0.0) & (exits | np.isin(reason, (f.POSITION_OPEN, f.LOT_CLOSED)))
    number = np.cumsum(~idle) - 1
    rows = _order_rows(records, kinds)
    by_rules = book[:, f.O_UNIT] == f.BY_RULES
    # One that waits, or that never came to be sized, has asked for nothing yet.
    refused = book[:, f.O_STATUS] == f.REJECTED
    sized = book[:, f.O_ORDERED] * (book[:, f.O_ACTION] >= 0.0) * (~by_rules | refused)
    rows[:, 4] = np.maximum(sized, np.where(by_rules, 0.0, book[:, f.O_SIZE]))
    rows[:, 7] = _REASON[reason.astype(np.int64)]
    estimated = by_rules & (reason == f.SIZE_ZERO) & (settings[t.SIZE_MODE] == t.SIZE_VOLATILITY)
    rows[estimated & (book[:, f.O_WHY] == 0.0), 7] = t.NO_ESTIMATE
    why = book[:, f.O_WHY] > 0.0
    rows[why, 7] = book[why, f.O_WHY]
    return np.ascontiguousarray(_with_ends(rows, reason)[~idle]), number


def _slipped(records: Records, weights: bool) -> FloatArray:
    """Slippage of each lot: for each unit of the fill that opened it; of a weight, of all its fills."""
    fills = records.fills
    if weights:
        sums: FloatArray = np.zeros(len(records.lots))
        np.add.at(sums, fills[:, f.F_LOT].astype(np.int64), fills[:, f.F_SLIPPAGE])
        return sums
    # A fill that closes and opens opened what is left; lots are numbered in the sequence of such fills.
    opening = fills[fills[:, f.F_SIZE] > fills[:, f.F_CLOSED]]
    slipped: FloatArray = opening[:, f.F_SLIPPAGE] / opening[:, f.F_SIZE]
    return slipped


def _trades(records: Records, kinds: IntArray, slipped: FloatArray, weights: bool) -> FloatArray:
    """Rows of closed trades: each closing of (a part of) a lot; of weights, each position from flat to flat."""
    trades, fills = records.trades, records.fills
    lot = trades[:, f.T_LOT].astype(np.int64)
    size = np.abs(trades[:, f.T_SIZE])
    # In the sequence of both: a fill for each closing of a lot, or one for all that its order closed.
    closing = fills[fills[:, f.F_CLOSED] > 0.0]
    if len(closing) != len(trades) and not weights:
        middle = np.cumsum(size) - size / 2.0
        closing = closing[np.searchsorted(np.cumsum(closing[:, f.F_CLOSED]), middle)]
    rows = np.zeros((len(trades), t.RECORD_WIDTH))
    rows[:, 0] = np.sign(trades[:, f.T_SIZE])
    rows[:, 1:5] = trades[:, (f.T_ENTRY_BAR, f.T_EXIT_BAR, f.T_ENTRY, f.T_EXIT)]
    rows[:, 5], rows[:, 6] = size, trades[:, f.T_FEES]
    if weights:
        rows[:, 7] = slipped[lot]
    else:
        rows[:, 7] = closing[:, f.F_SLIPPAGE] * (size / closing[:, f.F_SIZE]) + slipped[lot] * size
    rows[:, 9], rows[:, 11] = trades[:, f.T_PNL], trades[:, f.T_FINANCING]
    rows[:, 8] = rows[:, 9] + rows[:, 6] - rows[:, 11]
    rows[:, 10] = kinds[trades[:, f.T_ORDER].astype(np.int64)]
    return rows


def _put_means(rows: FloatArray, multiplier: float) -> None:
    """Prices of trades as means of their fills, gross results as differences of values: as on the fast path."""
    size = rows[:, 5]
    entered, left = size * rows[:, 3], size * rows[:, 4]
    rows[:, 3], rows[:, 4] = entered / size, left / size
    rows[:, 8] = rows[:, 0] * (left - entered) * multiplier


def _put_open_position(state: FloatArray, records: Records, slipped: FloatArray, value: FloatArray) -> None:
    """The engine's account at the end: cash, and the lots that are open as one trade.

    ``value`` of the position at each close, without the contract size.
    """
    state[t.CASH] = records.cash[-1]
    held = np.flatnonzero(records.lots[:, f.L_OPEN] > 0.0)
    if len(held):
        lots, side = records.lots[held], np.sign(state[t.UNITS])
        # With lots of both sides the price is that at which they would come out even.
        state[t.ENTRY_BAR], state[t.ENTRY_UNITS] = lots[0, f.L_BAR], abs(lots[:, f.L_SIZE].sum())
        state[t.ENTRY_VALUE] = side * (lots[:, f.L_SIZE] * lots[:, f.L_PRICE]).sum()
        state[t.TRADE_FEES], state[t.TRADE_FINANCING] = lots[:, f.L_FEE].sum(), lots[:, f.L_FINANCING].sum()
        state[t.TRADE_SLIPPAGE] = (slipped[held] * np.abs(lots[:, f.L_SIZE])).sum()
        if state[t.UNITS] == 0.0:
            # Lots of both sides that cancel out: bought with the ones, sold with the others.
            long = lots[lots[:, f.L_SIZE] > 0.0]
            state[t.ENTRY_UNITS] = long[:, f.L_SIZE].sum()
            state[t.EXIT_VALUE] = -((lots[:, f.L_SIZE] * lots[:, f.L_PRICE])[lots[:, f.L_SIZE] < 0.0]).sum()
            state[t.ENTRY_VALUE] = (long[:, f.L_SIZE] * long[:, f.L_PRICE]).sum()
        elif records.state[f.S_STOPPED] > 0.0:
            # Nothing is held after a ruin: what it left open ended at its close.
            ruined = int(records.charges[-1, f.H_BAR])
            state[t.EXIT_VALUE], state[t.UNITS] = abs(value[ruined]), np.copysign(0.0, state[t.UNITS])


def _put_open_weight(state: FloatArray, records: Records, slipped: FloatArray) -> None:
    """The engine's account at the end: cash, and the fills of the open lot as one trade."""
    state[t.CASH] = records.cash[-1]
    held = np.flatnonzero(records.lots[:, f.L_OPEN] > 0.0)
    if not len(held):
        return
    fills = records.fills[records.fills[:, f.F_LOT] == held[0]]
    size, closed = fills[:, f.F_SIZE], fills[:, f.F_CLOSED] > 0.0
    value = size * fills[:, f.F_PRICE]
    state[t.ENTRY_BAR] = records.lots[held[0], f.L_BAR]
    state[t.ENTRY_UNITS], state[t.ENTRY_VALUE] = size[~closed].sum(), value[~closed].sum()
    state[t.EXIT_UNITS], state[t.EXIT_VALUE] = size[closed].sum(), value[closed].sum()
    state[t.TRADE_FEES], state[t.TRADE_SLIPPAGE] = fills[:, f.F_FEE].sum(), slipped[held[0]]
    state[t.TRADE_FINANCING] = records.lots[held[0], f.L_FINANCING]
