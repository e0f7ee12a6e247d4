"""From the kernel's record arrays to frames, metadata and text; the views behind `BacktestResult`."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast._guard import Named
from peak_fast._metric_catalog import COUNTS, METRICS
from peak_kernels import orders_fields
from peak_kernels import types as t
from peak_kernels._cache import source_stamp

if TYPE_CHECKING:
    import polars as pl

    from peak_fast._run_parts import RunParts

TRADE_DTYPE = np.dtype(
    [
        ("side", np.int8),
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("size", np.float64),
        ("fees", np.float64),
        ("slippage", np.float64),
        ("financing", np.float64),
        ("gross_pnl", np.float64),
        ("net_pnl", np.float64),
        ("return", np.float64),
        ("mae", np.float64),
        ("mfe", np.float64),
        ("exit_reason", np.int8),
    ]
)

# What an order is; behind the engine's kinds those of orders that a block placed.
KINDS = (*t.KINDS, "order", "close", "child")
ORDER, CLOSE, CHILD = range(len(t.KINDS), len(KINDS))
TAG = t.RECORD_WIDTH
"""Column behind all others in the records of a block that places orders: the tag, -1 where there is none."""


def stats_of(result: RunParts) -> dict[str, Any]:
    """Dict behind `BacktestResult.stats`."""
    values = Named(zip(METRICS, result._outcome.metrics.tolist(), strict=True))
    for name in COUNTS:
        values[name] = int(values[name])
    values["blocked_trades"] = values["rejected_orders"]
    start, end = result.bars.span
    mark = result.bars.mark
    first = mark[int(np.argmin(np.isnan(mark)))] if np.isnan(mark[0]) else mark[0]
    # Prices at or below zero have no returns.
    signed = result._settings[t.SIGNED_PRICES] > 0.0
    values["benchmark_return"] = math.nan if signed else float(mark[-1] / first - 1.0)
    state = result._outcome.state
    values["cash_interest"], values["written_off"] = (
        float(state[t.CASH_INTEREST]),
        float(state[t.WRITTEN_OFF]),
    )
    values["initial_cash"] = float(result._settings[t.INITIAL_CASH])
    values["start"], values["end"] = start, end
    values["bars"] = len(result.bars)
    values["periods_per_year"] = float(result._settings[t.PERIODS_PER_YEAR])
    return values


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
    trades["return"] = np.divide(trades["net_pnl"], value, out=np.full(len(rows), math.nan), where=value > 0)
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
    lows = np.fmin.reduceat(result.bars.low, edges)[::2]
    highs = np.fmax.reduceat(result.bars.high, edges)[::2]
    # reduceat cuts at the array's end: the last bar of a position held to the end is added here.
    reaches = stop >= last
    lows = np.where(reaches, np.fmin(lows, result.bars.low[-1]), lows)
    highs = np.where(reaches, np.fmax(highs, result.bars.high[-1]), highs)
    entry, leave, side = trades["entry_price"], trades["exit_price"], trades["side"]
    held = stop > start
    low = np.fmin(np.where(held, lows, entry), np.fmin(entry, leave))
    high = np.fmax(np.where(held, highs, entry), np.fmax(entry, leave))
    # A share of a price at or below zero means nothing.
    base = np.where(entry > 0.0, entry, math.nan)
    trades["mae"] = np.where(side > 0, low / base - 1.0, 1.0 - high / base)
    trades["mfe"] = np.where(side > 0, high / base - 1.0, 1.0 - low / base)


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


@functools.cache
def code_version() -> dict[str, str]:
    """Version of the package and hash of its kernels."""
    from peak_fast.version import __version__

    return {"peak_fast": __version__, "kernels": source_stamp()}


def metadata_of(result: RunParts) -> dict[str, Any]:
    """Dict behind `BacktestResult.metadata`."""
    used = result._used
    settings = {
        name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in used.items()
    }
    start, end = result.bars.span
    fingerprint = None if result._strategy is None else result._strategy.fingerprint()
    return {
        "strategy": {"name": result.strategy_name, "params": dict(result.params), "fingerprint": fingerprint},
        "settings": settings,
        "data": {
            "name": result.symbol,
            "hash": result.bars.hash,
            "start": start.isoformat(),
            "end": end.isoformat(),
            "bars": len(result.bars),
            "stamp": result.bars.stamp,
            "bars_without_prices": result.bars.n_invalid,
        },
        "periods_per_year": float(result._settings[t.PERIODS_PER_YEAR]),
        "fill_rule": used["execution"].fill_rule,
        "code_version": code_version(),
        "notes": list(result.notes),
        "hash": result.hash,
    }


def jsonable(value: Any) -> Any:
    """Plain value that strict JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return repr(value)


def _financing_rows(stats: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lines on money that moved without a fill, where any did."""
    interest, funding, cash = (stats[name] for name in ("total_interest", "total_funding", "cash_interest"))
    rows = []
    if interest or funding:
        of_cash = f" ({cash:,.2f} on cash)" if cash else ""
        rows.append(("Interest, funding", f"{interest:,.2f}{of_cash}, {funding:,.2f}"))
    if stats["written_off"]:
        rows.append(("Written off", f"{stats['written_off']:,.2f} owed after the ruin"))
    return rows


def summary_rows(result: RunParts) -> list[tuple[str, str]]:
    """Labels and texts of the summary."""
    stats = result.stats

    def percent(name: str) -> str:
        return "-" if math.isnan(stats[name]) else f"{stats[name]:.2%}"

    def number(name: str) -> str:
        return "-" if math.isnan(stats[name]) else f"{stats[name]:.2f}"

    return [
        ("Period", f"{stats['start']:%Y-%m-%d} to {stats['end']:%Y-%m-%d}, {stats['bars']} bars"),
        ("Fill rule", result._used["execution"].fill_rule),
        ("Final equity", f"{stats['final_equity']:,.2f}"),
        ("Total return", percent("total_return")),
        ("Buy and hold", percent("benchmark_return")),
        ("CAGR", percent("cagr")),
        ("Volatility", percent("volatility")),
        ("Sharpe", number("sharpe")),
        ("Sortino", number("sortino")),
        ("Calmar", number("calmar")),
        ("Max drawdown", f"{percent('max_drawdown')} ({stats['max_drawdown_duration']} bars under water)"),
        ("Exposure", percent("exposure")),
        ("Trades", f"{stats['total_trades']} ({stats['closed_trades']} closed)"),
        ("Win rate", percent("win_rate")),
        ("Profit factor", number("profit_factor")),
        ("Expectancy", number("expectancy")),
        ("Fees, slippage", f"{stats['total_fees']:,.2f}, {stats['total_slippage']:,.2f}"),
        *_financing_rows(stats),
        ("Orders refused", str(stats["rejected_orders"])),
        ("Ambiguous bars", str(stats["ambiguous_bars"])),
        *(("Note", note) for note in result.notes),
    ]


def summary_text(result: RunParts) -> str:
    """Text behind `BacktestResult.summary`."""
    lines = [f"{result.strategy_name} on {result.symbol}"]
    if result.params:
        lines.append("  " + ", ".join(f"{key}={value}" for key, value in result.params.items()))
    lines += [f"  {label:<17} {text}" for label, text in summary_rows(result)]
    return "\n".join(lines)


def rich_table(result: RunParts) -> Any:
    """The summary as a rich table."""
    from rich.table import Table

    table = Table(title=f"{result.strategy_name} on {result.symbol}", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for label, text in summary_rows(result):
        table.add_row(label, text)
    return table
