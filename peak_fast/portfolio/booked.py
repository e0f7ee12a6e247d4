"""Records of an order book over several assets as the arrays of a portfolio: orders, fills, trades, what is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peak_fast.orders import PlacedRows, open_results, placed_rows, placed_state
from peak_fast.portfolio.parts import Outcome
from peak_fast.results import KINDS
from peak_kernels import order_slots as f
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.orders import Inputs, OrderResult

# Kinds of the book's orders by their numbers; a decision's is none of them.
_KINDS = np.array([p.KINDS.index(word) if word in p.KINDS else -1 for word in KINDS], dtype=np.float64)


def outcome_of(
    result: OrderResult, run: Inputs, settings: FloatArray, places: IntArray, assets: int
) -> Outcome:
    """Arrays of a finished run through the book.

    Parameters
    ----------
    settings
        The engine's flat settings.
    places
        int64[asset of the run]: its number in the panel.
    assets
        Number of assets of the panel.
    """
    records = result.records
    rows, value = placed_rows(records), _values(run, result)
    state, metrics = placed_state(records, settings)
    orders, fills = _orders(result, rows, places), _fills(result, rows, places)
    cash = _cash(run, result, value)
    cells = np.zeros((p.KEPT_CELLS, assets))
    cells[:, places] = _cells(run, result, rows, value[:, -1])
    return Outcome(
        metrics, records.equity, state, cells, orders, _trades(result, rows, places), _events(fills, cash),
        _charges(result), cash, fills,
    )  # fmt: skip


def _cash(run: Inputs, result: OrderResult, value: FloatArray) -> FloatArray:
    """What is left of the equity beside the positions; without credit and collateral the book's own, to the bit."""
    full = run.rules.ledger == "paid" and run.rules.leverage == 1.0 and run.rules.short_proceeds
    plain = full and not any(item.margin for item in run.assets)
    found: FloatArray = result.records.cash.copy() if plain else result.records.equity - value.sum(axis=0)
    return found


def _values(run: Inputs, result: OrderResult) -> FloatArray:
    """Value of each position at each close, float64[asset, bar]."""
    marks = np.stack([bars.mark for bars in run.bars])
    scale = np.array([item.multiplier for item in run.assets])[:, None]
    position = result.records.position
    return np.where(position != 0.0, position * marks * scale, 0.0)


def _owners(result: OrderResult, column: int) -> IntArray:
    return result.records.fills[:, column].astype(np.int64)


def _orders(result: OrderResult, rows: PlacedRows, places: IntArray) -> FloatArray:
    """Rows of orders, with the number of the tag behind them."""
    book, records = result.records.book, result.records
    out = np.zeros((len(book), len(p.ORDER_COLUMNS) + 1))
    filled = book[:, f.O_FILLED]
    out[:, 0:2], out[:, 2] = rows.orders[:, 0:2], places[book[:, f.O_ASSET].astype(np.int64)]
    out[:, 3:6] = rows.orders[:, 3:6]
    out[:, 6] = np.divide(book[:, f.O_VALUE], filled, out=np.zeros(len(book)), where=filled > 0.0)
    out[:, 7] = book[:, f.O_FEES]
    np.add.at(out[:, 8], _owners(result, f.F_ORDER), records.fills[:, f.F_SLIPPAGE])
    out[:, 9] = _KINDS[rows.orders[:, 2].astype(np.int64)]
    out[:, 10] = rows.orders[:, 6]
    reason = book[:, f.O_REASON]
    out[:, 11] = np.where(reason == f.NO_REASON, p.NO_REASON, p.OF_BOOK + reason)
    out[:, 12] = book[:, f.O_TAG]
    return out


def _fills(result: OrderResult, rows: PlacedRows, places: IntArray) -> FloatArray:
    """Rows of fills."""
    fills, owner = result.records.fills, _owners(result, f.F_ORDER)
    out = np.zeros((len(fills), len(p.FILL_COLUMNS)))
    asset, bar = fills[:, f.F_ASSET].astype(np.int64), fills[:, f.F_BAR].astype(np.int64)
    out[:, 0], out[:, 1], out[:, 2] = rows.orders[owner, 0], bar, places[asset]
    out[:, 3], out[:, 4], out[:, 5] = rows.fills[:, 2], rows.fills[:, 3], rows.fills[:, 3]
    out[:, 6:9] = rows.fills[:, 4:7]
    out[:, 9] = _KINDS[rows.fills[:, 7].astype(np.int64)]
    out[:, 12], out[:, 13] = owner, result.records.position[asset, bar]
    return out


def _trades(result: OrderResult, rows: PlacedRows, places: IntArray) -> FloatArray:
    """Rows of closed trades: each closing of (a part of) a lot."""
    trades = rows.trades.copy()
    trades[:, 10] = _KINDS[trades[:, 10].astype(np.int64)]
    asset = result.records.trades[:, f.T_ASSET].astype(np.int64)
    return np.ascontiguousarray(np.column_stack((places[asset].astype(np.float64), trades)))


def _cells(run: Inputs, result: OrderResult, rows: PlacedRows, value: FloatArray) -> FloatArray:
    """Numbers of the assets at the end, float64[KEPT_CELLS, asset of the run]; ``value`` of what is held then."""
    records, count = result.records, len(run.assets)
    scale = np.array([item.multiplier for item in run.assets])
    cells = np.zeros((p.KEPT_CELLS, count))
    fills, trades = records.fills, records.trades
    asset, closed = _owners(result, f.F_ASSET), trades[:, f.T_ASSET].astype(np.int64)
    traded = np.abs(fills[:, f.F_SIZE] * fills[:, f.F_PRICE] * scale[asset])
    cells[p.PAID_FEES] = np.bincount(asset, fills[:, f.F_FEE], count)
    cells[p.LOST_SLIPPAGE] = np.bincount(asset, fills[:, f.F_SLIPPAGE], count)
    cells[p.TRADED] = np.bincount(asset, traded, count)
    cells[p.UNITS] = records.position[:, -1]
    owner = _put_open(cells, records.lots, rows.slipped, scale)
    cells[p.FINANCED_SUM] = np.bincount(closed, trades[:, f.T_FINANCING], count) + cells[p.TRADE_FINANCING]
    # What an asset added is the result of its trades and of its lots that are open; their value is part of it.
    ended = np.bincount(closed, trades[:, f.T_PNL], count)
    cells[p.FLOW] = ended + np.bincount(owner, open_results(run, records), count) - value
    return cells


def _put_open(cells: FloatArray, lots: FloatArray, slipped: FloatArray, scale: FloatArray) -> IntArray:
    """Write the open lots of each asset as one trade; returns the asset of each of them."""
    held = lots[:, f.L_OPEN] > 0.0
    lots, slipped = lots[held], slipped[held]
    owner, size = lots[:, f.L_ASSET].astype(np.int64), np.abs(lots[:, f.L_SIZE])
    for cell, amounts in (
        (p.ENTRY_UNITS, size),
        (p.ENTRY_VALUE, size * lots[:, f.L_PRICE] * scale[owner]),
        (p.TRADE_FEES, lots[:, f.L_FEE]),
        (p.TRADE_SLIPPAGE, slipped * size),
        (p.TRADE_FINANCING, lots[:, f.L_FINANCING]),
    ):
        cells[cell] = np.bincount(owner, amounts, scale.size)
    first, at = np.unique(owner, return_index=True)
    cells[p.ENTRY_BAR, first] = lots[at, f.L_BAR]
    return owner


def _events(fills: FloatArray, cash: FloatArray) -> FloatArray:
    """Bars with fills, and the cash at their closes; nothing is a fraction of one equity."""
    bars = np.unique(fills[:, p.O_FILL_BAR])
    out = np.full((bars.size, len(p.EVENT_COLUMNS)), np.nan)
    out[:, 0], out[:, 1] = bars, cash[bars.astype(np.int64)]
    return out


def _charges(result: OrderResult) -> FloatArray:
    """Interest on the cash, of which there is only that on debt."""
    given = result.records.charges
    out = np.full((len(given), len(p.CHARGE_COLUMNS)), np.nan)
    out[:, 0], out[:, 1], out[:, 2], out[:, 4] = given[:, f.H_BAR], -1, p.DEBIT_INTEREST, given[:, f.H_AMOUNT]
    return out
