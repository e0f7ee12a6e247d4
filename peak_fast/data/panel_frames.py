"""A panel as a long frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.data.panel_prices import PanelPrices


def long_frame(panel: PanelPrices) -> pl.DataFrame:
    """Symbol, time, prices, volume if known, own columns that are numbers: a row for each asset and bar with prices."""
    import polars as pl

    there = ~np.isnan(panel.close)
    cells = None if there.all() else np.flatnonzero(there)
    assets, bars = panel.close.shape
    names = pl.Series("symbol", panel.symbols, dtype=pl.String)
    counts = there.sum(axis=1)
    symbols = names[np.repeat(np.arange(assets, dtype=np.uint32), counts)]
    times = panel.timestamp.rename("timestamp" if panel.stamp == "open" else "close_time")
    at = (
        np.tile(np.arange(bars, dtype=np.uint32), assets)
        if cells is None
        else (cells % bars).astype(np.uint32)
    )
    columns: list[Any] = [symbols, times[at]]
    for name in (*("open", "high", "low", "close", "volume")[: panel.prices.shape[0]], *panel.own_columns):
        values = _own(panel, name)
        if values is not None:
            flat = values.reshape(-1)
            columns.append(pl.Series(name, flat if cells is None else flat[cells]))
    return pl.DataFrame(columns)


def _own(panel: PanelPrices, name: str) -> Any:
    """A column as float64[asset, bar]; None where it is not of numbers."""
    from peak_fast.errors import DataError

    try:
        return panel.column(name)
    except DataError:
        return None
