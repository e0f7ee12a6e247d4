"""A portfolio's result as JSON and Parquet; how the folder is written and read: `peak_fast.results`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from peak_fast.data import panel_about, panel_table, panel_times, saved_panel
from peak_fast.portfolio.parts import Outcome
from peak_fast.results import jsonable, load_checked, numbers_in, numbers_of, save_parts
from peak_fast.settings import Asset
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.portfolio.parts import PortfolioParts

R = TypeVar("R", bound="PortfolioParts")

FORMAT = "portfolio 1"
_TABLES = {
    "orders": p.ORDER_COLUMNS,
    "trades": p.TRADE_COLUMNS,
    "rebalances": p.EVENT_COLUMNS,
    "charges": p.CHARGE_COLUMNS,
}
_FILES = tuple(f"{name}.parquet" for name in ("prices", "times", "equity", "assets", *_TABLES))


def save(result: PortfolioParts, folder: Path) -> Path:
    """Write a result; see `PortfolioResult.save`."""
    return save_parts(folder, lambda: (_frames(result), _document(result)))


def _frames(result: PortfolioParts) -> Iterator[tuple[str, pl.DataFrame]]:
    """Tables of a result by the names of their files."""
    import polars as pl

    outcome = result._outcome
    yield "prices.parquet", panel_table(result.panel)
    yield "times.parquet", panel_times(result.panel)
    yield "equity.parquet", pl.DataFrame(_curves(outcome))
    yield (
        "assets.parquet",
        pl.DataFrame({str(k): np.ascontiguousarray(row) for k, row in enumerate(outcome.cells)}),
    )
    for name, columns in _TABLES.items():
        rows = outcome.events if name == "rebalances" else getattr(outcome, name)
        if name == "orders" and outcome.fills is not None:
            rows, columns = _with_fills(outcome.orders, outcome.fills), p.FILL_COLUMNS
        yield (
            f"{name}.parquet",
            pl.DataFrame({label: np.ascontiguousarray(rows[:, k]) for k, label in enumerate(columns)}),
        )


def _with_fills(orders: FloatArray, fills: FloatArray) -> FloatArray:
    """Orders that may have several fills, and behind them the fills; the document says how many are orders."""
    wide = np.zeros((len(orders), fills.shape[1]))
    wide[:, : orders.shape[1]] = orders
    return np.concatenate((wide, fills))


def _orders_in(table: pl.DataFrame, count: int | None) -> tuple[FloatArray, FloatArray | None]:
    """Orders, and their fills where they have a table of them."""
    columns = p.ORDER_COLUMNS if count is None else p.FILL_COLUMNS
    rows = np.ascontiguousarray(table.select(columns).to_numpy().reshape(-1, len(columns)))
    if count is None:
        return rows, None
    return np.ascontiguousarray(rows[:count, : len(p.ORDER_COLUMNS) + 1]), rows[count:].copy()


def _curves(outcome: Outcome) -> dict[str, Any]:
    """Equity, and the cash where financing moves it."""
    return {"equity": outcome.equity} | ({} if outcome.cash is None else {"cash": outcome.cash})


def _document(result: PortfolioParts) -> dict[str, Any]:
    """Everything that is not a table."""
    return {
        "format": FORMAT,
        "symbol": result.symbol,
        "panel": panel_about(result.panel),
        "contracts": {symbol: asdict(asset) for symbol, asset in result.panel.assets.items()},
        **numbers_of(result._settings, result._outcome),
        "identity": jsonable(result._identity),
        **({} if result._outcome.fills is None else {"orders": len(result._outcome.orders)}),
        "stats": jsonable(result.stats),
        "metadata": jsonable(result.metadata),
    }


def load(cls: Callable[..., R], folder: Path) -> R:
    """Read a result; see `PortfolioResult.load`."""
    return load_checked(folder, _FILES, FORMAT, functools.partial(_made, cls), "portfolio")


def _made(cls: Callable[..., R], document: dict[str, Any], frames: dict[str, Any]) -> tuple[R, str]:
    """The result and the hash of its prices."""
    result = _result_of(cls, document, frames)
    return result, result.panel.hash


def _result_of(cls: Callable[..., R], document: dict[str, Any], frames: dict[str, Any]) -> R:
    """The result from its document and its tables."""
    contracts = {symbol: Asset(**values) for symbol, values in document["contracts"].items()}
    panel = saved_panel(frames["prices"], frames["times"], document["panel"], contracts)
    numbers = numbers_in(document)
    tables = {
        name: np.ascontiguousarray(frames[name].select(columns).to_numpy().reshape(-1, len(columns)))
        for name, columns in _TABLES.items()
        if name != "orders"
    }
    orders, fills = _orders_in(frames["orders"], document.get("orders"))
    curves = frames["equity"]
    outcome = Outcome(
        numbers["metrics"], np.array(frames["equity"]["equity"].to_numpy()), numbers["state"],
        np.ascontiguousarray(frames["assets"].to_numpy().T), orders, tables["trades"], tables["rebalances"],
        tables["charges"], np.array(curves["cash"].to_numpy()) if "cash" in curves.columns else None, fills,
    )  # fmt: skip
    metadata = document["metadata"]
    strategy = metadata["strategy"]
    return cls(
        panel, outcome, numbers["settings"], strategy["name"], strategy["params"], metadata["settings"],
        document["symbol"], notes=tuple(metadata.get("notes", ())), identity=document["identity"],
    )  # fmt: skip
