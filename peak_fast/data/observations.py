"""What the values of bars suggest: closed days that were filled in, a jump that looks like a split.

These are remarks and change nothing. They are looked for when notes are first asked for.
"""

from __future__ import annotations

import numpy as np

from peak_fast.data.checks import moment
from peak_kernels.arrays import FloatArray, IntArray

_DAY_US = 86_400_000_000
_LISTED = 3
# Shares after a split for one before, and the other way round for a reverse split.
_RATIOS = np.array([1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100], dtype=np.float64)
_CLOSE_ENOUGH = 0.03


def remarks(
    open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray | None,
    time_us: IntArray | None,
) -> list[str]:  # fmt: skip
    """Remarks on checked prices, in words.

    Parameters
    ----------
    open_, high, low, close, volume, time_us
        As in `peak_fast.data.Bars`; ``time_us`` is None where the frame had no times.
    """
    if close.size < 2:
        return []
    flat = _flat(high, low, close, volume, time_us)
    # Prices at or below zero have no ratios.
    return [*flat, *_splits(open_, high, low, close, time_us)] if np.nanmin(low) > 0.0 else flat


def _flat(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray | None, time_us: IntArray | None
) -> list[str]:
    """Bars without volume and range at the price before, which writers put where a market was closed."""
    if volume is None or not (volume == 0.0).any():
        return []
    if not (volume > 0.0).any():
        return ["volume is 0 throughout: it says nothing"]
    flat = (volume == 0.0) & (high == low)
    flat[1:] &= close[1:] == close[:-1]
    count = int(np.count_nonzero(flat))
    if count == 0:
        return []
    where = ""
    if time_us is not None:
        days = time_us // _DAY_US
        dates = np.unique(days[flat])
        closed = np.setdiff1d(dates, days[~flat])
        where = f", on {closed.size} dates nothing else" if closed.size else ""
    return [f"{count} bars have no volume and no range{where} (a closed market, filled in?); they are kept"]


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def _splits(
    open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, time_us: IntArray | None
) -> list[str]:
    """Jumps from one close to the next open by a ratio of small whole numbers that the bars around do not show."""
    jump = open_[1:] / close[:-1]
    rows = np.flatnonzero((jump < 0.69) | (jump > 1.45)) + 1
    found = []
    for row in rows[:1000].tolist():
        ratio = close[row - 1] / open_[row]
        if not np.isfinite(ratio) or ratio <= 0.0:
            continue
        size = max(ratio, 1.0 / ratio)
        nearest = float(_RATIOS[np.abs(_RATIOS / size - 1.0).argmin()])
        first, last = max(0, row - 5), row + 5
        usual = (
            float(np.nanmax(high[first:row] / low[first:row])),
            float(np.nanmax(high[row:last] / low[row:last])),
        )
        # A split is a step between two quiet stretches; a crash or a thin market moves inside its bars, too.
        if abs(nearest / size - 1.0) > _CLOSE_ENOUGH or max(usual) ** 2 > size:
            continue
        kind = f"a split of {nearest:g} for 1" if ratio > 1.0 else f"a reverse split of 1 for {nearest:g}"
        where = f"row {row}" if time_us is None else f"{moment(int(time_us[row])):%Y-%m-%d}"
        found.append(f"the open of {where} is {jump[row - 1]:.3g} times the close before: {kind}?")
    if len(found) > _LISTED:
        found = [*found[:_LISTED], f"{len(found) - _LISTED} more such jumps"]
    return found
