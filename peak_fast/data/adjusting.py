"""Scaled and adjusted prices: by a factor the user names, or by the columns that say how.

Prices are adjusted by ``adj_close / close`` where the frame has an adjusted close, else by its splits. Volume
stays as traded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from peak_fast.data.checks import moment
from peak_fast.data.names import ADJUSTED_CLOSE, ADJUSTED_OTHERS, DIVIDEND_NAMES, SPLIT_NAMES, Names, fold
from peak_fast.errors import DataError
from peak_kernels.arrays import FloatArray, IntArray

Prices = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
Get = Callable[[str], FloatArray]


def scaled(prices: Prices, scale: float | None, notes: list[str]) -> Prices:
    """Prices times a factor; a factor such as 0.0001 divides by 10,000, which rounds only once."""
    if scale is None:
        return prices
    notes.append(f"prices are multiplied by {scale!r}")
    divisor = round(1.0 / scale)
    exact = scale < 1.0 and 1.0 / divisor == scale
    return tuple(values / divisor if exact else values * scale for values in prices)  # type: ignore[return-value]


def adjusted(
    prices: Prices, time_us: IntArray | None, names: Names, get: Get, adjust: bool, notes: list[str],
    series: IntArray | None = None,
) -> Prices:  # fmt: skip
    """Prices adjusted where the user asks for it; else a note on the columns that could do it.

    Parameters
    ----------
    prices
        Open, high, low, close as in the frame, rows in any order.
    time_us
        Times of the rows, or None: rows are in order.
    names, get
        Names of the frame, and its columns as float64.
    adjust
        What the user said.
    notes
        Gets what was done.
    series
        Number of the symbol of each row; None: the rows are of one.

    Raises
    ------
    DataError
        Adjusting is asked for and no column says how, or one holds impossible values.
    """
    close_name = names.first(ADJUSTED_CLOSE, "adj_close")
    split_name = names.first(SPLIT_NAMES, "split")
    others = [
        name for name in names.unused() if fold(name) in DIVIDEND_NAMES or fold(name) in ADJUSTED_OTHERS
    ]
    if not adjust:
        passed = [name for name in (close_name, split_name, *others) if name is not None]
        if passed:
            by = close_name or split_name
            way = "no closes or splits to adjust by" if by is None else f"adjust=True adjusts by {by!r}"
            notes.append(f"prices are as they stand; {_columns(passed)} not used for them ({way})")
        return prices
    if close_name is not None:
        names.take(close_name)
        notes.append(f"prices are adjusted by {close_name!r} / close; volume stays as traded")
        return _times_factor(prices, _ratio(get(close_name), prices[3], close_name))
    if split_name is not None:
        names.take(split_name)
        if others:
            notes.append(f"{_columns(others)} not used: prices are adjusted for splits only")
        if series is None:
            return _times_factor(prices, _split_factor(get(split_name), prices, time_us, split_name, notes))
        return _times_factor(
            prices, _split_factors(get(split_name), prices, time_us, split_name, notes, series)
        )
    raise DataError(
        "adjust=True: expected a column of adjusted closes or of splits; the frame has none of these names "
        f"({', '.join(ADJUSTED_CLOSE[:2] + SPLIT_NAMES[:2])}); name it with columns={{'adj_close': ...}} or "
        "columns={'split': ...}"
    )


def _columns(found: list[str]) -> str:
    listed = ", ".join(repr(name) for name in found)
    return f"column {listed} is" if len(found) == 1 else f"columns {listed} are"


def _ratio(adjusted_close: FloatArray, close: FloatArray, name: str) -> FloatArray:
    bad = ~(adjusted_close > 0.0) & ~np.isnan(adjusted_close) & ~np.isnan(close)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"column {name!r}: row {row} is {adjusted_close[row]!s}; an adjusted close must be greater than zero: "
            "correct it, or set it to NaN to mark the bar as missing"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        factor: FloatArray = adjusted_close / close
    return factor


def _times_factor(prices: Prices, factor: FloatArray) -> Prices:
    return tuple(values * factor for values in prices)  # type: ignore[return-value]


def _split_factors(
    splits: FloatArray,
    prices: Prices,
    time_us: IntArray | None,
    name: str,
    notes: list[str],
    series: IntArray,
) -> FloatArray:
    """Factors of the rows of several symbols; each has its own splits."""
    order = np.argsort(series, kind="stable")
    factor = np.empty(splits.size)
    found: list[str] = []
    for rows in np.split(order, np.flatnonzero(np.diff(series[order])) + 1):
        own = (prices[0][rows], prices[1][rows], prices[2][rows], prices[3][rows])
        times = None if time_us is None else time_us[rows]
        factor[rows] = _split_factor(splits[rows], own, times, name, found)
    notes += dict.fromkeys(found)
    return factor


def _split_factor(
    splits: FloatArray, prices: Prices, time_us: IntArray | None, name: str, notes: list[str]
) -> FloatArray:
    """Factor of each row: one over the product of the splits that come later, of those that show in the prices."""
    order = np.arange(splits.size) if time_us is None else np.argsort(time_us, kind="stable")
    ratio = splits[order].copy()
    ratio[np.isnan(ratio) | (ratio == 0.0)] = 1.0
    if (ratio < 0.0).any() or not np.isfinite(ratio).all():
        raise DataError(
            f"column {name!r}: a split must be a number above 0 (2 for two shares from one), 0 or missing"
        )
    open_, close = prices[0][order], prices[3][order]
    done: list[str] = []
    for row in np.flatnonzero(ratio != 1.0).tolist():
        before = close[:row][~np.isnan(close[:row])]
        where = f"row {row}" if time_us is None else f"{moment(int(time_us[order[row]])):%Y-%m-%d}"
        if before.size == 0:
            continue
        jump = open_[row] / before[-1]
        # Vendors that write splits beside prices which are adjusted already leave no jump.
        if abs(np.log(jump)) < abs(np.log(jump * ratio[row])):
            notes.append(
                f"the split of {ratio[row]:g} at {where} does not show in the prices, which stay as they are"
            )
            ratio[row] = 1.0
        else:
            done.append(f"{ratio[row]:g} at {where}")
    notes.append(f"prices are adjusted for splits: {', '.join(done) or 'none'}; volume stays as traded")
    later = np.append(np.cumprod(ratio[::-1])[::-1][1:], 1.0)
    factor = np.empty(splits.size)
    factor[order] = 1.0 / later
    return factor
