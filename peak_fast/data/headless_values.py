"""What the values of a file without a header say against a form: a volume that goes with the prices is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peak_fast.data.dialects import PRICES, Dialect
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl


# Room around the range of a bar: averages are rounded, the other side of a spread lies beside it.
_ROUNDED, _NEAR = 1e-3, 0.02


def values_fit(frame: pl.DataFrame, form: Dialect) -> bool:
    """Whether volume, averages and amounts of money can be what a form says; prices are looked at elsewhere.

    Parameters
    ----------
    frame
        Typed columns in the order of the form's names.
    form
        The form.
    """
    named = dict(zip(form.names, frame.columns, strict=True))

    def column(name: str) -> FloatArray:
        return frame[named[name]].cast(float, strict=False).to_numpy()

    _, high, low, close = (column(name) for name in PRICES)
    for role in form.proven:
        values = column(role)
        if role == "turnover" and not _is_money(values, column("volume"), low, high):
            return False
        if role == "vwap" and not _inside(
            values[values > 0.0], low[values > 0.0], high[values > 0.0], _ROUNDED
        ):
            return False
        if role == "adj_close" and not _goes_with(values, low, high, close):
            return False
    if "volume" not in named:
        return True
    volume = column("volume")
    counts = [column(name) for name in ("trades", "open_interest") if name in named]
    if any(len(volume) > 1 and _is_money(volume, count, low, high) for count in counts):
        return False
    return "turnover" in form.proven or not _goes_with(volume, low, high, close)


def _inside(values: FloatArray, low: FloatArray, high: FloatArray, room: float) -> bool:
    """Whether there are values, and all lie in the range of their bar or close to it."""
    wide = room * np.abs(high)
    return bool(values.size and ((values >= low - wide) & (values <= high + wide)).all())


def _is_money(amount: FloatArray, volume: FloatArray, low: FloatArray, high: FloatArray) -> bool:
    """Whether an amount is volume times a price of the bar."""
    traded = volume > 0.0
    return _inside(amount[traded] / volume[traded], low[traded], high[traded], _NEAR)


def _goes_with(values: FloatArray, low: FloatArray, high: FloatArray, close: FloatArray) -> bool:
    """Whether values are a price: in the range of every bar, or changing as the closes do (adjusted ones)."""
    whole = np.isfinite(values) & np.isfinite(close) & np.isfinite(low) & np.isfinite(high)
    values, low, high, close = values[whole], low[whole], high[whole], close[whole]
    if not values.size or (values <= 0.0).any() or (close <= 0.0).any():
        return False
    decimals = bool((values != np.round(values)).any())
    if values.size == 1 or (values == values[0]).all():
        return decimals and _inside(values, low, high, 0.0)
    if _inside(values, low, high, _NEAR):
        return True
    own, theirs = np.diff(np.log(values)), np.diff(np.log(close))
    return bool(own.size > 1 and np.median(np.abs(own - theirs)) < 0.25 * np.median(np.abs(own)))
