"""Record arrays of the order kernel as Polars frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from peak_fast.orders.table import KINDS
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.order_slots import REASONS

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.orders.inputs import Tables
    from peak_fast.orders.memory import Records

STATUSES = ("none", "submitted", "working", "waiting", "filled", "cancelled", "expired", "rejected")
ROLES = ("order", "stop_loss", "take_profit", "close", "child", "liquidation")


def _words(names: tuple[str, ...], codes: FloatArray) -> pl.Series:
    import polars as pl

    return pl.Series(np.array(names, dtype=object)[codes.astype(np.int64)], dtype=pl.String)


def _tags(tables: Tables, codes: FloatArray) -> pl.Series:
    """Tags by number, as a block gave them where there are no names; null where there is none."""
    import polars as pl

    if tables.tags is None:
        return pl.Series([None if code < 0.0 else f"{code:g}" for code in codes.tolist()], dtype=pl.String)
    known = np.array([*tables.tags, None], dtype=object)
    places = np.where(codes < 0.0, len(tables.tags), codes).astype(np.int64)
    return pl.Series(known[places].tolist(), dtype=pl.String)


def _times(tables: Tables, bars: FloatArray) -> pl.Series:
    import polars as pl

    return pl.Series(tables.time_us[bars.astype(np.int64)]).cast(pl.Datetime("us"))


def _ints(column: FloatArray) -> npt.NDArray[np.int64]:
    return column.astype(np.int64)


def fills_frame(records: Records, tables: Tables) -> pl.DataFrame:
    """One row per fill, in the sequence of execution."""
    import polars as pl

    fills = records.fills
    owner = records.book[_ints(fills[:, f.F_ORDER])]
    return pl.DataFrame(
        {
            "fill_id": np.arange(len(fills)),
            "order_id": _ints(fills[:, f.F_ORDER]),
            "tag": _tags(tables, owner[:, f.O_TAG]),
            "bar": _ints(fills[:, f.F_BAR]),
            "booked_bar": _ints(fills[:, f.F_BOOKED]),
            "time": _times(tables, fills[:, f.F_BAR]),
            "asset": _words(tables.assets, fills[:, f.F_ASSET]),
            "side": fills[:, f.F_SIDE].astype(np.int8),
            "size": fills[:, f.F_SIZE],
            "closed": fills[:, f.F_CLOSED],
            "price": fills[:, f.F_PRICE],
            "rate": fills[:, f.F_RATE],
            "fee": fills[:, f.F_FEE],
            "slippage": fills[:, f.F_SLIPPAGE],
            "reason": _words(ROLES, fills[:, f.F_ROLE]),
        }
    )


def orders_frame(records: Records, tables: Tables) -> pl.DataFrame:
    """One row per order, those that the kernel made itself (exits, closings) included."""
    import polars as pl

    book = records.book
    filled = book[:, f.O_FILLED]
    with np.errstate(divide="ignore", invalid="ignore"):
        average = np.where(filled > 0.0, book[:, f.O_VALUE] / filled, np.nan)
    action = _ints(book[:, f.O_ACTION])
    row = action if tables.rows is None else np.where(action >= 0, np.append(tables.rows, -1)[action], -1)
    return pl.DataFrame(
        {
            "order_id": np.arange(len(book)),
            "row": row,
            "tag": _tags(tables, book[:, f.O_TAG]),
            "asset": _words(tables.assets, book[:, f.O_ASSET]),
            "bar": _ints(book[:, f.O_BAR]),
            "type": _words(tuple(KINDS), book[:, f.O_KIND]),
            "role": _words(ROLES, book[:, f.O_ROLE]),
            "side": book[:, f.O_SIDE].astype(np.int8),
            "size": book[:, f.O_SIZE],
            "filled": filled,
            "average_price": average,
            "fees": book[:, f.O_FEES],
            "limit": book[:, f.O_LIMIT],
            "stop": book[:, f.O_STOP],
            "parent": _ints(book[:, f.O_PARENT]),
            "last_bar": _ints(book[:, f.O_LAST]),
            "status": _words(STATUSES, book[:, f.O_STATUS]),
            "reason": _words(REASONS, book[:, f.O_REASON]),
        }
    )


def log_frame(records: Records) -> pl.DataFrame:
    """Every status of every order, in the sequence of events."""
    import polars as pl

    log = records.log
    return pl.DataFrame(
        {
            "order_id": _ints(log[:, f.E_ORDER]),
            "bar": _ints(log[:, f.E_BAR]),
            "status": _words(STATUSES, log[:, f.E_STATUS]),
            "reason": _words(REASONS, log[:, f.E_REASON]),
            "filled": log[:, f.E_FILLED],
        }
    )


def _excursions(trades: FloatArray, tables: Tables) -> tuple[FloatArray, FloatArray]:
    """Largest adverse and favourable move of each trade as a fraction of its entry price (from bar ranges)."""
    adverse, favourable = np.zeros(len(trades)), np.zeros(len(trades))
    for n, trade in enumerate(trades):
        asset = int(trade[f.T_ASSET])
        first, last = int(trade[f.T_ENTRY_BAR]), int(trade[f.T_EXIT_BAR])
        low = np.nanmin(tables.prices.low[asset, first : last + 1])
        high = np.nanmax(tables.prices.high[asset, first : last + 1])
        entry = trade[f.T_ENTRY]
        # A share of a price at or below zero means nothing.
        down, up = (low / entry - 1.0, high / entry - 1.0) if entry > 0.0 else (np.nan, np.nan)
        long = trade[f.T_SIZE] > 0.0
        adverse[n], favourable[n] = (down, up) if long else (-up, -down)
    return np.minimum(adverse, 0.0), np.maximum(favourable, 0.0)


def trades_frame(records: Records, tables: Tables) -> pl.DataFrame:
    """Closed trades: each closing of (a part of) a lot, with its share of the entry fee."""
    import polars as pl

    trades = records.trades
    adverse, favourable = _excursions(trades, tables)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.where(trades[:, f.T_VALUE] > 0.0, trades[:, f.T_PNL] / trades[:, f.T_VALUE], np.nan)
    return pl.DataFrame(
        {
            "trade_id": np.arange(len(trades)),
            "lot_id": _ints(trades[:, f.T_LOT]),
            "tag": _tags(tables, trades[:, f.T_TAG]),
            "asset": _words(tables.assets, trades[:, f.T_ASSET]),
            "side": _words(("short", "long"), (trades[:, f.T_SIZE] > 0.0).astype(np.float64)),
            "size": np.abs(trades[:, f.T_SIZE]),
            "entry_bar": _ints(trades[:, f.T_ENTRY_BAR]),
            "exit_bar": _ints(trades[:, f.T_EXIT_BAR]),
            "entry_time": _times(tables, trades[:, f.T_ENTRY_BAR]),
            "exit_time": _times(tables, trades[:, f.T_EXIT_BAR]),
            "entry_price": trades[:, f.T_ENTRY],
            "exit_price": trades[:, f.T_EXIT],
            "rate": trades[:, f.T_RATE],
            "fees": trades[:, f.T_FEES],
            "financing": trades[:, f.T_FINANCING],
            "gross_pnl": trades[:, f.T_PNL] + trades[:, f.T_FEES] - trades[:, f.T_FINANCING],
            "net_pnl": trades[:, f.T_PNL],
            "return": result,
            "mae": adverse,
            "mfe": favourable,
            "bars_held": _ints(trades[:, f.T_EXIT_BAR] - trades[:, f.T_ENTRY_BAR]),
            "exit_reason": _words(ROLES, trades[:, f.T_ROLE]),
        }
    )


def charges_frame(records: Records, tables: Tables) -> pl.DataFrame:
    """What moved the cash beside fills and beside the lots: interest on it, and debt that was written off."""
    import polars as pl

    charges = records.charges
    return pl.DataFrame(
        {
            "bar": _ints(charges[:, f.H_BAR]),
            "time": _times(tables, charges[:, f.H_BAR]),
            "kind": _words(f.CHARGES, charges[:, f.H_KIND]),
            "amount": charges[:, f.H_AMOUNT],
        }
    )
