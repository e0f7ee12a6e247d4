"""From the records of a portfolio to frames; the views behind `PortfolioResult`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.portfolio import measures as _measures
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.portfolio.parts import PortfolioParts


def _times(result: PortfolioParts, bars: IntArray) -> pl.Series:
    """Timestamps of bars; null where the bar is negative."""
    import polars as pl

    times = result.panel.timestamp.gather(pl.Series(np.maximum(bars, 0).astype(np.uint32)))
    return pl.select(pl.when(pl.Series(bars >= 0)).then(times)).to_series()


def _words(codes: Any, names: tuple[str, ...]) -> pl.Series:
    """Text column from codes."""
    import polars as pl

    return pl.Series(np.asarray(names, dtype=object)[codes.astype(np.int64)].tolist(), dtype=pl.String)


def _columns(rows: FloatArray, names: tuple[str, ...]) -> dict[str, FloatArray]:
    return {name: np.ascontiguousarray(rows[:, k]) for k, name in enumerate(names)}


def orders_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.orders`."""
    import polars as pl

    rows = _columns(result._outcome.orders, p.ORDER_COLUMNS)
    bars, filled = rows["bar"].astype(np.int64), rows["fill_bar"].astype(np.int64)
    gone = rows["kind"] == p.DELISTED
    return pl.DataFrame(
        {
            "order_id": np.arange(bars.size),
            "bar": bars,
            "time": _times(result, bars),
            "fill_bar": pl.Series(filled).replace(-1, None),
            "symbol": _words(rows["asset"], result.panel.symbols),
            "kind": _words(rows["kind"], p.KINDS),
            "side": _words(rows["side"] < 0, ("buy", "sell")),
            **{name: rows[name] for name in ("requested", "filled")},
            "price": pl.Series(np.where(rows["filled"] > 0.0, rows["price"], np.nan)).fill_nan(None),
            **{name: rows[name] for name in ("fee", "slippage")},
            "status": _words(rows["status"], p.STATUSES),
            "reason": _words(np.where(gone, p.IS_GONE, rows["reason"]), p.REASONS),
            **_tags(result),
        }
    )


def _tags(result: PortfolioParts) -> dict[str, pl.Series]:
    """The tags of orders, where they have some; those of a block are numbers."""
    import polars as pl

    if result._outcome.fills is None:
        return {}
    known = result._identity.get("tags")
    codes = result._outcome.orders[:, len(p.ORDER_COLUMNS)].astype(np.int64).tolist()
    names = [None if code < 0 else str(code) if known is None else known[code] for code in codes]
    return {"tag": pl.Series(names, dtype=pl.String)}


def fills_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.fills`."""
    import polars as pl

    fills = _measures.fills_of(result)
    rows = _columns(fills, p.ORDER_COLUMNS)
    if result._outcome.fills is None:
        number = np.flatnonzero(result._outcome.orders[:, p.O_FILLED] > 0.0)
    else:
        number = _measures.column(fills, p.FILL_COLUMNS, "order").astype(np.int64)
    bars = rows["fill_bar"].astype(np.int64)
    return pl.DataFrame(
        {
            "fill_id": np.arange(bars.size),
            "order_id": number,
            "bar": bars,
            "time": _times(result, bars),
            "symbol": _words(rows["asset"], result.panel.symbols),
            "side": rows["side"].astype(np.int8),
            "size": rows["filled"],
            **{name: rows[name] for name in ("price", "fee", "slippage")},
            "reason": _words(rows["kind"], p.KINDS),
        }
    )


def charges_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.charges`, in the order of bars."""
    import polars as pl

    rows = _columns(result._outcome.charges, p.CHARGE_COLUMNS)
    order = np.argsort(rows["bar"], kind="stable")
    rows = {name: values[order] for name, values in rows.items()}
    bars, asset = rows["bar"].astype(np.int64), rows["asset"].astype(np.int64)
    names = (*result.panel.symbols, None)
    return pl.DataFrame(
        {
            "bar": bars,
            "time": _times(result, bars),
            "symbol": pl.Series([names[number] for number in asset.tolist()], dtype=pl.String),
            "kind": _words(rows["kind"], p.CHARGES),
            "units": pl.Series(rows["units"]).fill_nan(None),
            "amount": rows["amount"],
        }
    )


def trade_rows(result: PortfolioParts) -> FloatArray:
    """Closed trades, then one row for each position that is open at the end, marked at its last price."""
    cells, panel = result._outcome.cells, result.panel
    values = _measures.final_values(result)
    rows = []
    for asset in np.flatnonzero(cells[p.UNITS]).tolist():
        side = 1.0 if cells[p.UNITS, asset] > 0.0 else -1.0
        scale = _measures.multipliers(result)[asset]
        entry, size = cells[p.ENTRY_VALUE, asset], cells[p.ENTRY_UNITS, asset]
        leave = cells[p.EXIT_VALUE, asset] + abs(values[asset])
        gross = side * (leave - entry)
        fees = cells[p.TRADE_FEES, asset]
        left = cells[p.EXIT_UNITS, asset] + abs(cells[p.UNITS, asset])
        rows.append((
            asset, side, cells[p.ENTRY_BAR, asset], len(panel) - 1, entry / size / scale, leave / left / scale, size,
            fees, cells[p.TRADE_SLIPPAGE, asset], gross, gross - fees + cells[p.TRADE_FINANCING, asset], p.STILL_OPEN,
            cells[p.TRADE_FINANCING, asset],
        ))  # fmt: skip
    closed = result._outcome.trades
    return np.vstack([closed, np.array(rows)]) if rows else closed


def trades_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.trades`."""
    import polars as pl

    rows = _columns(trade_rows(result), p.TRADE_COLUMNS)
    first, last = rows["entry_bar"].astype(np.int64), rows["exit_bar"].astype(np.int64)
    scale = _measures.multipliers(result)[rows["asset"].astype(np.int64)]
    value = rows["entry_price"] * rows["size"] * scale
    with np.errstate(over="ignore"):  # of a price next to nothing: infinite is what it is
        share = np.divide(rows["net_pnl"], value, out=np.full(first.size, np.nan), where=value > 0)
    return pl.DataFrame(
        {
            "trade_id": np.arange(first.size),
            "symbol": _words(rows["asset"], result.panel.symbols),
            "side": _words(rows["side"] < 0, ("long", "short")),
            "entry_bar": first,
            "exit_bar": last,
            "entry_time": _times(result, first),
            "exit_time": _times(result, last),
            **{
                name: rows[name]
                for name in (
                    "entry_price",
                    "exit_price",
                    "size",
                    "fees",
                    "slippage",
                    "gross_pnl",
                    "financing",
                    "net_pnl",
                )
            },
            "return": share,
            "bars_held": last - first,
            "exit_reason": _words(rows["exit_reason"], p.KINDS),
        }
    )


def positions_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.positions`."""
    bars, units = result.positions_at_fills
    return _wide(result, bars, units)


def weights_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.weights`."""
    return _wide(result, result.positions_at_fills[0], _measures.weights_at_fills(result))


def _wide(result: PortfolioParts, bars: IntArray, table: FloatArray) -> pl.DataFrame:
    """Rows of some bars with a column for each asset."""
    import polars as pl

    columns: dict[str, Any] = {"bar": bars, "timestamp": _times(result, bars)}
    for number, symbol in enumerate(result.panel.symbols):
        columns[symbol if symbol not in ("bar", "timestamp") else f"{symbol} "] = np.ascontiguousarray(
            table[:, number]
        )
    return pl.DataFrame(columns)


def exposure_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.exposure`."""
    import polars as pl

    found, equity = result.exposures, _measures.equity_at_closes(result)
    long, short = found[p.LONG] / equity, found[p.SHORT] / equity
    invested = found[p.LONG] + found[p.SHORT]
    even = np.divide(
        invested * invested, found[p.SQUARES], out=np.zeros(equity.size), where=found[p.SQUARES] > 0
    )
    return pl.DataFrame(
        {
            "timestamp": result.panel.timestamp,
            "long": long,
            "short": short,
            "gross": long + short,
            "net": long - short,
            "holdings": found[p.HOLDINGS].astype(np.int64),
            "largest": found[p.LARGEST] / equity,
            "effective_holdings": even,
        }
    )


def contributions_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.contributions`."""
    import polars as pl

    cells = result._outcome.cells
    gained = _measures.contributions_of(result)
    trades = result._outcome.trades[:, p.TRADE_COLUMNS.index("asset")].astype(np.int64)
    closed = np.bincount(trades, minlength=gained.size)
    frame = pl.DataFrame(
        {
            "symbol": list(result.panel.symbols),
            "contribution": gained,
            "return_share": gained / result.stats["initial_cash"],
            "fees": cells[p.PAID_FEES].copy(),
            "slippage": cells[p.LOST_SLIPPAGE].copy(),
            "financing": cells[p.FINANCED_SUM].copy(),
            "traded": cells[p.TRADED].copy(),
            "trades": closed + (cells[p.UNITS] != 0.0),
            "units": cells[p.UNITS].copy(),
        }
    )
    return frame.sort("contribution", descending=True)


def rebalances_frame(result: PortfolioParts) -> pl.DataFrame:
    """Frame behind `PortfolioResult.rebalances`."""
    import polars as pl

    rows = _columns(result._outcome.events, p.EVENT_COLUMNS)
    bars = rows["bar"].astype(np.int64)
    when, bought, sold = _measures.bought_and_sold(result)
    place = np.searchsorted(when, bars)
    equity = _measures.equity_at_closes(result)[bars]
    return pl.DataFrame(
        {
            "bar": bars,
            "time": _times(result, bars),
            "equity": pl.Series(rows["equity"]).fill_nan(None),
            "cash": rows["cash"],
            "bought": bought[place],
            "sold": sold[place],
            "turnover": np.minimum(bought, sold)[place] / equity,
            "budget": pl.Series(rows["budget"]).fill_nan(None),
            "factor": pl.Series(rows["factor"]).fill_nan(None),
        }
    )
