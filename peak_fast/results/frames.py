"""From the kernel's record arrays to frames, metadata and text; the views behind `BacktestResult`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.results.codes import KINDS, TAG, TRADE_DTYPE
from peak_fast.results.payments import split_scale
from peak_kernels import order_slots as orders_fields
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.results.parts import RunParts
    from peak_kernels.arrays import FloatArray, IntArray


def trade_array(result: RunParts) -> Any:
    """Closed trades and the open one as a structured array of `TRADE_DTYPE`."""
    rows = result._outcome.trades
    extra = _open_trade(result)
    if extra is not None:
        rows = np.vstack([rows[:, : t.RECORD_WIDTH], extra])
    trades = np.zeros(len(rows), TRADE_DTYPE)
    for column, name in enumerate(t.TRADE_COLUMNS):
        trades[name] = rows[:, column]
    value = trades["entry_price"] * trades["size"] * _multiplier(result)
    with np.errstate(over="ignore"):  # shares of a price next to nothing: infinite is what they are
        trades["return"] = np.divide(
            trades["net_pnl"], value, out=np.full(len(rows), math.nan), where=value > 0
        )
        if len(rows):
            _excursions(result, trades)
    return trades


def _open_trade(result: RunParts) -> Any:
    """Row of the position that is open at the end, marked at the last close; None when flat.

    Lots of both sides that cancel out are one row, too: long at the price of the ones, left at that of the others.
    """
    state = result._outcome.state
    units = state[t.UNITS]
    if state[t.ENTRY_UNITS] == 0.0:
        return None
    side = math.copysign(1.0, units)
    mark = result.bars.mark[-1]
    value = state[t.EXIT_VALUE] + abs(units) * mark
    size = state[t.ENTRY_UNITS]
    gross = side * (value - state[t.ENTRY_VALUE]) * _multiplier(result)
    row = (side, state[t.ENTRY_BAR], len(result.bars) - 1, state[t.ENTRY_VALUE] / size, value / size, size)
    fees, financing = state[t.TRADE_FEES], state[t.TRADE_FINANCING]
    net = gross - fees + financing
    costs = (fees, state[t.TRADE_SLIPPAGE], gross, net, t.STILL_OPEN, financing)
    return np.array([row + costs], dtype=np.float64)


def _multiplier(result: RunParts) -> float:
    """Contract size of the asset."""
    return float(result._used.get("order_book", {}).get("asset", {}).get("multiplier", 1.0))


def _excursions(result: RunParts, trades: Any) -> None:
    """Fill ``mae`` and ``mfe``: the whole bars a position was held, plus its entry and exit prices.

    A bar counts from the entry's open on; the bar of an exit counts only where the exit was at its close,
    because which part of it was still held is not known otherwise.
    """
    at_close = result._settings[t.FILL_AT_CLOSE] > 0.0
    last = len(result.bars)
    closing = trades["exit_reason"] == t.SIGNAL if at_close else np.zeros(len(trades), bool)
    closing |= trades["exit_reason"] == t.STILL_OPEN
    start = np.minimum(trades["entry_bar"] + at_close, last - 1)
    stop = np.maximum(trades["exit_bar"] + closing, start)
    edges = np.minimum(np.column_stack([start, stop]).reshape(-1), last - 1)
    low, high = result.bars.low, result.bars.high
    entry, leave, side = trades["entry_price"], trades["exit_price"], trades["side"]
    scale = _scale_of(result)
    if scale is not None:
        # Prices of a trade are those of a unit at its end.
        low, high = low * scale, high * scale
        entry, leave = entry * scale[trades["exit_bar"]], leave * scale[trades["exit_bar"]]
    lows = np.fmin.reduceat(low, edges)[::2]
    highs = np.fmax.reduceat(high, edges)[::2]
    # reduceat cuts at the array's end: the last bar of a position held to the end is added here.
    lows = np.where(stop >= last, np.fmin(lows, low[-1]), lows)
    highs = np.where(stop >= last, np.fmax(highs, high[-1]), highs)
    held = stop > start
    low = np.fmin(np.where(held, lows, entry), np.fmin(entry, leave))
    high = np.fmax(np.where(held, highs, entry), np.fmax(entry, leave))
    # A share of a price at or below zero means nothing.
    base = np.where(entry > 0.0, entry, math.nan)
    trades["mae"] = np.where(side > 0, low / base - 1.0, 1.0 - high / base)
    trades["mfe"] = np.where(side > 0, high / base - 1.0, 1.0 - low / base)


def _scale_of(result: RunParts) -> FloatArray | None:
    """What makes prices of all bars those of one unit; None: there was no split."""
    charges = getattr(result._outcome, "charges", None)
    if charges is None:
        return None
    scale: FloatArray | None = split_scale(
        len(result.bars), charges, result._outcome.fills, t.FILL_COLUMNS, t.OF_SPLIT
    )
    return scale


def _times(result: RunParts, bars: Any) -> Any:
    """Timestamps of bars; null where the bar is negative."""
    import polars as pl

    index = pl.Series(np.maximum(bars, 0).astype(np.uint32))
    times = result.bars.timestamp.gather(index)
    return pl.select(pl.when(pl.Series(bars >= 0)).then(times)).to_series()


def _names(codes: Any, names: tuple[str, ...]) -> Any:
    """Text column from codes."""
    import polars as pl

    return pl.Series(np.asarray(names, dtype=object)[codes.astype(np.int64)].tolist(), dtype=pl.String)


def _tags(rows: Any, count: int) -> dict[str, Any]:
    """Column of the tags that a block gave, as in `OrderResult`; no column where the orders had none to give.

    ``count`` rows: the position that is still open comes behind the recorded ones and has no tag.
    """
    import polars as pl

    if rows.shape[1] <= TAG:
        return {}
    tags = [None if tag < 0.0 else f"{tag:g}" for tag in rows[:, TAG].tolist()]
    return {"tag": pl.Series(tags + [None] * (count - len(tags)), dtype=pl.String)}


def trades_frame(result: RunParts) -> pl.DataFrame:
    """Frame behind `BacktestResult.trades`."""
    import polars as pl

    trades = result.trade_records
    return pl.DataFrame(
        {
            "trade_id": np.arange(len(trades)),
            "side": _names(trades["side"] < 0, ("long", "short")),
            "entry_bar": trades["entry_bar"].copy(),
            "exit_bar": trades["exit_bar"].copy(),
            "entry_time": _times(result, trades["entry_bar"]),
            "exit_time": _times(result, trades["exit_bar"]),
            **{name: trades[name].copy() for name in TRADE_DTYPE.names[3:14]},  # type: ignore[index]
            "bars_held": trades["exit_bar"] - trades["entry_bar"],
            "exit_reason": _names(trades["exit_reason"], KINDS),
            **_tags(result._outcome.trades, len(trades)),
        }
    )


def decided_orders(result: RunParts) -> tuple[IntArray, FloatArray, FloatArray]:
    """Bars at which orders were given, int64, on which side (1 buy, -1 sell), and how many units were asked for."""
    rows = result._outcome.orders
    bars, sides, sizes = (t.ORDER_COLUMNS.index(name) for name in ("bar", "side", "requested"))
    return rows[:, bars].astype(np.int64), np.ascontiguousarray(rows[:, sides]), rows[:, sizes].copy()


def orders_frame(result: RunParts) -> pl.DataFrame:
    """Frame behind `BacktestResult.orders`."""
    import polars as pl

    rows = dict(zip(t.ORDER_COLUMNS, result._outcome.orders.T, strict=False))
    bars, filled = rows["bar"].astype(np.int64), rows["fill_bar"].astype(np.int64)
    return pl.DataFrame(
        {
            "order_id": np.arange(len(bars)),
            "bar": bars,
            "time": _times(result, bars),
            "fill_bar": pl.Series(filled).replace(-1, None),
            "kind": _names(rows["kind"], KINDS),
            "side": _names(rows["side"] < 0, ("buy", "sell")),
            "requested": np.ascontiguousarray(rows["requested"]),
            "filled": np.ascontiguousarray(rows["filled"]),
            "status": _names(rows["status"], t.STATUSES),
            "reason": _names(rows["reason"], t.REASONS + orders_fields.REASONS),
            **_tags(result._outcome.orders, len(bars)),
        }
    )


def fills_frame(result: RunParts) -> pl.DataFrame:
    """Frame behind `BacktestResult.fills`."""
    import polars as pl

    rows = dict(zip(t.FILL_COLUMNS, result._outcome.fills.T, strict=False))
    bars = rows["bar"].astype(np.int64)
    return pl.DataFrame(
        {
            "fill_id": np.arange(len(bars)),
            "order_id": rows["order_id"].astype(np.int64),
            "bar": bars,
            "time": _times(result, bars),
            "side": rows["side"].astype(np.int8),
            **{name: np.ascontiguousarray(rows[name]) for name in ("size", "price", "fee", "slippage")},
            "reason": _names(rows["reason"], KINDS),
            **_tags(result._outcome.fills, len(bars)),
        }
    )


def charges_frame(result: RunParts) -> pl.DataFrame:
    """Frame behind `BacktestResult.charges`, in the order of bars."""
    import polars as pl

    rows = result._outcome.charges
    rows = np.empty((0, len(p.CHARGE_COLUMNS))) if rows is None else rows
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    bars, asset, kind, units, amount = (np.ascontiguousarray(column) for column in rows.T)
    names = [result.symbol if number >= 0.0 else None for number in asset.tolist()]
    return pl.DataFrame(
        {
            "bar": bars.astype(np.int64),
            "time": _times(result, bars.astype(np.int64)),
            "symbol": pl.Series(names, dtype=pl.String),
            "kind": _names(kind, p.CHARGES),
            "units": pl.Series(units).fill_nan(None),
            "amount": amount,
        }
    )
