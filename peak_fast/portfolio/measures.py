"""What follows from the records of a portfolio: positions, exposures, contributions, turnover, concentration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast import results as _results
from peak_fast.portfolio.setup import spans_of
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.entries import fold_exposures

if TYPE_CHECKING:
    from peak_fast.data import Panel
    from peak_fast.portfolio.parts import PortfolioParts


def column(rows: FloatArray, columns: tuple[str, ...], name: str) -> FloatArray:
    """One column of a table of records."""
    found: FloatArray = rows[:, columns.index(name)]
    return found


def fills_of(result: PortfolioParts) -> FloatArray:
    """Rows of the orders that filled; where orders may fill several times, those of the fills."""
    if result._outcome.fills is not None:
        return result._outcome.fills
    orders = result._outcome.orders
    return orders[column(orders, p.ORDER_COLUMNS, "filled") > 0.0]


def positions_of(result: PortfolioParts) -> tuple[IntArray, FloatArray]:
    """Bars with fills, and units float64[bar with fills, asset] behind them, as the kernel added them up."""
    fills = fills_of(result)
    bars = column(fills, p.ORDER_COLUMNS, "fill_bar").astype(np.int64)
    different, place = _numbered(bars)
    assets = column(fills, p.ORDER_COLUMNS, "asset").astype(np.int64)
    if result._outcome.fills is not None:
        return different, _said(fills, place, assets, (different.size, result.panel.n_assets))
    sizes = column(fills, p.ORDER_COLUMNS, "side") * column(fills, p.ORDER_COLUMNS, "filled")
    units = np.zeros((different.size, result.panel.n_assets))
    cells = place * result.panel.n_assets + assets
    # An asset that fills twice at a bar is added up fill by fill, as any other.
    twice = np.bincount(cells, minlength=1).max() > 1
    if not twice:
        units.ravel()[cells] = sizes
        return different, np.cumsum(units, axis=0, out=units)
    held = np.zeros(result.panel.n_assets)
    sequence = np.argsort(place, kind="stable")
    edges = np.append(np.searchsorted(place[sequence], np.arange(different.size)), bars.size)
    for row in range(different.size):
        for at in sequence[int(edges[row]) : int(edges[row + 1])].tolist():
            held[assets[at]] += sizes[at]
        units[row] = held
    return different, units


def _said(fills: FloatArray, place: IntArray, assets: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Units behind the bars of fills that say them, float64[bar with fills, asset]."""
    units = np.full(shape, np.nan)
    units[place, assets] = column(fills, p.FILL_COLUMNS, "held")
    last = np.where(np.isnan(units), -1, np.arange(shape[0])[:, None])
    np.maximum.accumulate(last, axis=0, out=last)
    found: FloatArray = np.where(last < 0, 0.0, np.take_along_axis(units, np.maximum(last, 0), axis=0))
    return found


def _numbered(bars: IntArray) -> tuple[IntArray, IntArray]:
    """Different bars, ascending, and the place of each bar among them."""
    steps = np.diff(bars)
    if bars.size and steps.min(initial=0) >= 0:  # as nearly always: then nothing is sorted
        place = np.concatenate([[0], np.cumsum(steps > 0)])
        return bars[np.concatenate([[True], steps > 0])], place
    found, numbers = np.unique(bars, return_inverse=True)
    return found, numbers


def weights_at_fills(result: PortfolioParts) -> FloatArray:
    """Shares of the equity at the closes of the bars of `positions_of`, float64[bar with fills, asset]."""
    bars, units = result.positions_at_fills
    return _shares(result, bars, units)


def weights_at(result: PortfolioParts, bars: IntArray) -> FloatArray:
    """Shares of the equity at the closes of any bars, float64[asset, bar]."""
    filled, units = result.positions_at_fills
    last = np.searchsorted(filled, bars, side="right")
    held = np.vstack([np.zeros((1, result.panel.n_assets)), units])[last]
    return _shares(result, bars, held).T


def _shares(result: PortfolioParts, bars: IntArray, units: FloatArray) -> FloatArray:
    marks = marks_of(result.panel)[:, bars].T
    values = np.where(units != 0.0, units * multipliers(result) * marks, 0.0)
    shares: FloatArray = values / equity_at_closes(result)[bars][:, None]
    return shares


def marks_of(panel: Panel) -> FloatArray:
    """Closes float64[asset, bar], repeated over bars without one; NaN before the first.  Kept with the panel."""
    found = panel.memo.get("marks")
    if found is None:
        if not (panel.listed.any() or (panel.delisted < len(panel)).any() or np.isnan(panel.close).any()):
            panel.memo["marks"] = panel.close
            return panel.close
        last = np.where(np.isnan(panel.close), -1, np.arange(len(panel)))
        np.maximum.accumulate(last, axis=1, out=last)
        found = np.take_along_axis(panel.close, np.maximum(last, 0), axis=1)
        found[last < 0] = np.nan
        panel.memo["marks"] = found
    marks: FloatArray = found
    return marks


def multipliers(result: PortfolioParts) -> FloatArray:
    """Multiplier of each asset."""
    assets = result.panel.assets
    if not assets:
        return np.ones(result.panel.n_assets)
    return np.array([getattr(assets.get(symbol), "multiplier", 1.0) for symbol in result.panel.symbols])


def exposures_of(result: PortfolioParts) -> FloatArray:
    """float64[N_EXPOSURES, bar]: what was held at each close, see `peak_kernels.portfolio_slots`."""
    panel = result.panel
    if result._outcome.fills is not None:
        return _exposures_said(result)
    out = np.empty((p.N_EXPOSURES, len(panel)))
    fold_exposures(panel.prices, spans_of(panel), result._outcome.orders, multipliers(result), out)
    return out


def _exposures_said(result: PortfolioParts) -> FloatArray:
    """The same of fills that say what is held behind them."""
    bars, units = result.positions_at_fills
    out = np.zeros((p.N_EXPOSURES, len(result.panel)))
    last = np.searchsorted(bars, np.arange(len(result.panel)), side="right")
    marks, scale = marks_of(result.panel), multipliers(result)
    for asset in np.flatnonzero(units.any(axis=0)).tolist():
        held = np.append(0.0, units[:, asset])[last]
        value = np.where(held != 0.0, np.abs(held) * scale[asset] * marks[asset], 0.0)
        out[p.LONG] += np.where(held > 0.0, value, 0.0)
        out[p.SHORT] += np.where(held < 0.0, value, 0.0)
        out[p.HOLDINGS] += held != 0.0
        out[p.LARGEST] = np.maximum(out[p.LARGEST], value)
        out[p.SQUARES] += value * value
    return out


def cash_of(result: PortfolioParts) -> FloatArray:
    """Cash at each close, float64[bar]: that behind the last bar with trades, or as financing moved it."""
    if result._outcome.cash is not None:
        return result._outcome.cash
    events = result._outcome.events
    bars = column(events, p.EVENT_COLUMNS, "bar").astype(np.int64)
    cash = column(events, p.EVENT_COLUMNS, "cash")
    last = np.searchsorted(bars, np.arange(len(result.panel)), side="right") - 1
    initial = float(result._settings[t.INITIAL_CASH])
    return (
        np.where(last >= 0, cash[np.maximum(last, 0)], initial)
        if bars.size
        else np.full(len(result.panel), initial)
    )


def final_values(result: PortfolioParts) -> FloatArray:
    """Value of each holding at the last bar, float64[asset], by the prices that the equity is shown with."""
    panel, units = result.panel, result._outcome.cells[p.UNITS]
    values = np.zeros(panel.n_assets)
    field = panel.open if result._used["portfolio"]["mark_at"] == "open" else panel.close
    for asset in np.flatnonzero(units).tolist():
        mark = field[asset, -1]
        if np.isnan(mark):
            mark = panel.close[asset, int(panel.delisted[asset]) - 1]
        values[asset] = units[asset] * mark
    return values * multipliers(result)


def contributions_of(result: PortfolioParts) -> FloatArray:
    """What each asset added to the equity, float64[asset]: what its fills brought less their cost, and its value."""
    total: FloatArray = result._outcome.cells[p.FLOW] + final_values(result)
    return total


def equity_at_closes(result: PortfolioParts) -> FloatArray:
    """Equity at each close, float64[bar], also where the curve is marked at opens."""
    if result._used["portfolio"]["mark_at"] == "close":
        return result.equity
    found = result.exposures
    closes: FloatArray = cash_of(result) + found[p.LONG] - found[p.SHORT]
    return closes


def unit_values(result: PortfolioParts) -> FloatArray:
    """Equity as a unit of the account has it, float64[bar]: money that comes or goes is no gain and no loss."""
    return _results.unit_values(
        result.equity, result._outcome.charges, float(result._settings[t.INITIAL_CASH])
    )


def bought_and_sold(result: PortfolioParts) -> tuple[IntArray, FloatArray, FloatArray]:
    """Bars with fills, and the value bought and sold in each."""
    fills = fills_of(result)
    bars = column(fills, p.ORDER_COLUMNS, "fill_bar").astype(np.int64)
    scale = multipliers(result)[column(fills, p.ORDER_COLUMNS, "asset").astype(np.int64)]
    value = column(fills, p.ORDER_COLUMNS, "filled") * column(fills, p.ORDER_COLUMNS, "price") * scale
    different, place = np.unique(bars, return_inverse=True)
    buys = column(fills, p.ORDER_COLUMNS, "side") > 0.0
    sums: Any = [np.bincount(place[which], value[which], different.size) for which in (buys, ~buys)]
    return different, sums[0], sums[1]
