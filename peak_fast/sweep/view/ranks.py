"""The best rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from peak_fast.arguments import whole
from peak_fast.errors import ConfigError, SweepError
from peak_fast.sweep.grid import Array

if TYPE_CHECKING:
    import polars as pl

_TRADES = "total_trades"
_MOST = 1 << 53


def best_configs(configs: Array, values: Array, n: int, descending: bool) -> Array:
    """Numbers of the ``n`` best configurations, best first; ties in ascending order, NaN last."""
    keys = -values if descending else values
    if n < len(keys):
        limit = np.partition(keys, n - 1)[n - 1]  # NaN sorts last
        chosen = np.flatnonzero(np.ones(len(keys), np.bool_) if np.isnan(limit) else keys <= limit)
    else:
        chosen = np.arange(len(keys))
    order = np.lexsort((configs[chosen], keys[chosen]))
    picked: Array = configs[chosen[order]][:n].astype(np.int64)
    return picked


def check_trades(min_trades: int, metrics: Sequence[str]) -> int:
    """Trades that a row shall have at least, checked.

    Raises
    ------
    ConfigError
        No such number, or a table that does not count trades.
    """
    least = whole("min_trades", min_trades, 0, _MOST, "0 takes all rows")
    if least and _TRADES not in metrics:
        raise ConfigError(
            f"min_trades: expected the metric {_TRADES!r} in the table; it has {', '.join(metrics)}; "
            f"add {_TRADES!r} to metrics"
        )
    return least


def traded(table: pl.LazyFrame, least: int) -> pl.LazyFrame:
    """Rows of at least so many trades; 0: all."""
    import polars as pl

    # NaN, the count of a row that was not run, is above every number to Polars.
    return table.filter(pl.col(_TRADES).fill_nan(None) >= least) if least else table


def none_traded(table: pl.LazyFrame, least: int) -> SweepError:
    """The error for a table in which no row has so many trades."""
    import polars as pl

    most = table.select(pl.col(_TRADES).fill_nan(None).max()).collect().item()
    return SweepError(
        f"min_trades: expected a configuration of at least {least:,} trades; the most is {int(most or 0):,}; "
        "lower min_trades, or sweep other values"
    )
