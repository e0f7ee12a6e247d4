"""A panel as one table and a few plain values, and back to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data.arrays import read_only
from peak_fast.data.panel import Panel
from peak_fast.data.panel_blocks import Block
from peak_fast.data.panel_rows import Read

if TYPE_CHECKING:
    import polars as pl

_FIELDS = ("open", "high", "low", "close", "volume")


def panel_table(panel: Panel) -> pl.DataFrame:
    """A row for each asset and bar, the assets one behind the other: the prices, NaN where there are none."""
    import polars as pl

    count = panel.prices.shape[0]
    return pl.DataFrame(
        {name: panel.prices[k].reshape(-1) for k, name in zip(range(count), _FIELDS, strict=False)}
    )


def panel_times(panel: Panel) -> pl.DataFrame:
    """Times of the bars, microseconds UTC."""
    import polars as pl

    return pl.DataFrame({"time_us": panel.time_us})


def panel_about(panel: Panel) -> dict[str, Any]:
    """Everything else that a result needs of a panel, as plain values."""
    return {
        "name": panel.name,
        "symbols": list(panel.symbols),
        "has_time": panel.has_time,
        "time_zone": panel.time_zone,
        "stamp": panel.stamp,
        "groups": None if panel.groups is None else panel.groups.tolist(),
        "group_names": list(panel.group_names),
    }


def saved_panel(
    table: pl.DataFrame, times: pl.DataFrame, about: Mapping[str, Any], assets: Mapping[str, Any]
) -> Panel:
    """The panel of what `panel_table`, `panel_times` and `panel_about` gave; its notes are the result's."""
    symbols = tuple(about["symbols"])
    fields = [np.ascontiguousarray(table[name].to_numpy()) for name in table.columns]
    prices = np.stack(fields).reshape(len(fields), len(symbols), -1)
    block = Block(prices, np.array(times["time_us"].to_numpy()))
    read = Read(symbols, block, about["time_zone"], about["stamp"], (), {}, has_time=about["has_time"])
    panel = Panel(read, name=about["name"])
    put = object.__setattr__
    if about["groups"] is not None:
        put(panel, "groups", read_only(np.array(about["groups"], dtype=np.int64)))
        put(panel, "group_names", tuple(about["group_names"]))
    put(panel, "assets", dict(assets))
    put(panel, "_remarks", ())
    return panel
