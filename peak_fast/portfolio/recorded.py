"""What a tracker records of a portfolio, and what a report is made of: plain arrays, taken while the caller waits.

What can wait (names, tables, pictures) is made of them by whoever writes the files.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.portfolio import frames as _frames
from peak_fast.portfolio import measures as _measures
from peak_fast.portfolio.summary import described
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    from peak_fast.data import Panel
    from peak_fast.portfolio.parts import PortfolioParts

HELD = np.dtype([("bar", "<i4"), ("asset", "<i4"), ("units", "<f8"), ("weight", "<f8")])
"""One asset behind the trades of one bar: its number in the panel, units, share of the equity at the close."""


def recorded(result: PortfolioParts) -> SimpleNamespace:
    """What a tracker's record has of a portfolio.

    Returns
    -------
    SimpleNamespace
        ``stats``, ``metadata`` (without the hash of the result), ``equity``, ``trades`` (columns as arrays, ``symbol``
        and ``exit_reason`` as numbers), ``names`` (what these numbers mean), ``holdings`` (see `holdings_of`) and
        ``bars``: times, and as ``close`` what all assets held equally are worth; ``values``: what the equity would be
        without deposits and withdrawals, None where there were none; ``timing``: what the times mean.
    """
    panel = result.panel
    rows = _frames.trade_rows(result)
    columns = {name: np.ascontiguousarray(rows[:, k]) for k, name in enumerate(p.TRADE_COLUMNS)}
    scale = _measures.multipliers(result)[columns["asset"].astype(np.int64)]
    value = columns["entry_price"] * columns["size"] * scale
    with np.errstate(over="ignore"):  # of a price next to nothing: infinite is what it is
        returns = np.divide(columns["net_pnl"], value, out=np.full(len(rows), np.nan), where=value > 0)
    trades = np.column_stack([rows, returns])
    values = _measures.unit_values(result)
    names = [*("symbol" if name == "asset" else name for name in p.TRADE_COLUMNS), "return"]
    return SimpleNamespace(
        stats=dict(result.stats),
        metadata=described(result),
        equity=result.equity,
        trade_records=trades.view([(name, "<f8") for name in names]).reshape(-1),
        names={"symbol": panel.symbols, "exit_reason": p.KINDS},
        holdings=holdings_of(result),
        values=None if values is result.equity else values,
        timing={"has_time": panel.has_time, "stamp": panel.stamp},
        bars=SimpleNamespace(
            time_us=panel.time_us, close=held_equally(panel), time_zone=panel.time_zone, hash=panel.hash
        ),
    )


def holdings_of(result: PortfolioParts) -> NDArray[Any]:
    """What was held behind the trades of each bar with fills: records of `HELD`, by bar and asset."""
    bars, units = result.positions_at_fills
    cells = np.flatnonzero(units)
    row, asset = np.divmod(cells, result.panel.n_assets)
    when, size = bars[row], units.ravel()[cells]
    marks = _measures.marks_of(result.panel)[asset, when]
    held = np.empty(cells.size, dtype=HELD)
    held["bar"], held["asset"], held["units"] = when, asset, size
    value = size * _measures.multipliers(result)[asset] * marks
    held["weight"] = value / _measures.equity_at_closes(result)[when]
    return held


def held_equally(panel: Panel) -> FloatArray:
    """Value of equal amounts of all assets with a price at the first bar, 1 there: float64[bar].  Kept with the panel.

    NaN where there is no such asset, or where a price is not above zero.  An asset without a price counts with its last
    one.
    """
    found = panel.memo.get("held_equally")
    if found is None:
        there = np.flatnonzero((panel.listed == 0) & (panel.delisted > 0)).tolist()
        found = np.zeros(len(panel)) if there else np.full(len(panel), math.nan)
        for asset in there:
            close = panel.close[asset]
            known = ~np.isnan(close)
            if not known.all():
                close = close[np.maximum.accumulate(np.where(known, np.arange(close.size), 0))]
            found += close / close[0] if close.min() > 0.0 else math.nan
        found /= max(len(there), 1)
        panel.memo["held_equally"] = found
    curve: FloatArray = found
    return curve
