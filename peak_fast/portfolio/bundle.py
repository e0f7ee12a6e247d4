"""A portfolio's result as JSON and Parquet; how the folder is written and read: `peak_fast.results`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from peak_fast.data import panel_about, panel_table, panel_times, saved_panel
from peak_fast.errors import DataError
from peak_fast.portfolio.parts import Outcome
from peak_fast.results import REMEDY, jsonable, load_parts, save_parts
from peak_fast.settings import Asset
from peak_kernels import portfolio_slots as p

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
        yield (
            f"{name}.parquet",
            pl.DataFrame({label: np.ascontiguousarray(rows[:, k]) for k, label in enumerate(columns)}),
        )


def _curves(outcome: Outcome) -> dict[str, Any]:
    """Equity, and the cash where financing moves it."""
    return {"equity": outcome.equity} | ({} if outcome.cash is None else {"cash": outcome.cash})


def _document(result: PortfolioParts) -> dict[str, Any]:
    """Everything that is not a table."""
    outcome = result._outcome
    return {
        "format": FORMAT,
        "symbol": result.symbol,
        "panel": panel_about(result.panel),
        "contracts": {symbol: asdict(asset) for symbol, asset in result.panel.assets.items()},
        # repr keeps every bit of a float; NaN is written as text because strict JSON has none.
        "settings": [repr(float(x)) for x in result._settings],
        "state": [repr(float(x)) for x in outcome.state],
        "metrics": [repr(float(x)) for x in outcome.metrics],
        "identity": jsonable(result._identity),
        "stats": jsonable(result.stats),
        "metadata": jsonable(result.metadata),
    }


def load(cls: Callable[..., R], folder: Path) -> R:
    """Read a result; see `PortfolioResult.load`."""
    document, frames = load_parts(folder, _FILES, FORMAT)
    try:
        result = _result_of(cls, document, frames)
        metadata = document["metadata"]
        same = result.hash == metadata["hash"] and result.panel.hash == metadata["data"]["hash"]
    except Exception as error:  # sound bytes of something else: whatever it is, it is no result
        raise DataError(f"{str(folder)!r} holds no saved portfolio: {error!r}; {REMEDY}") from error
    if not same:
        raise DataError(
            f"{str(folder)!r} is damaged: its numbers do not match the hash it was saved with; {REMEDY}"
        )
    # As it was saved: the code that reads a result need not be the code that computed it.
    result.__dict__["metadata"] = metadata
    return result


def _result_of(cls: Callable[..., R], document: dict[str, Any], frames: dict[str, Any]) -> R:
    """The result from its document and its tables."""
    contracts = {symbol: Asset(**values) for symbol, values in document["contracts"].items()}
    panel = saved_panel(frames["prices"], frames["times"], document["panel"], contracts)
    numbers = {key: np.array([float(x) for x in document[key]]) for key in ("settings", "state", "metrics")}
    tables = {
        name: np.ascontiguousarray(frames[name].select(columns).to_numpy().reshape(-1, len(columns)))
        for name, columns in _TABLES.items()
    }
    curves = frames["equity"]
    outcome = Outcome(
        numbers["metrics"], np.array(frames["equity"]["equity"].to_numpy()), numbers["state"],
        np.ascontiguousarray(frames["assets"].to_numpy().T), tables["orders"], tables["trades"], tables["rebalances"],
        tables["charges"], np.array(curves["cash"].to_numpy()) if "cash" in curves.columns else None,
    )  # fmt: skip
    metadata = document["metadata"]
    strategy = metadata["strategy"]
    return cls(
        panel, outcome, numbers["settings"], strategy["name"], strategy["params"], metadata["settings"],
        document["symbol"], notes=tuple(metadata.get("notes", ())), identity=document["identity"],
    )  # fmt: skip
