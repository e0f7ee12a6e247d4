"""Indicator rows that rule strategies compare, and the plane of memory they lie in.

Each kind writes one row of length ``n_bars`` with the kernels of `peak_kernels.indicators`.  A plane is one
float64 matrix ``[rows, stride]``; rows are padded with NaN to a multiple of 64 bars (see
`peak_kernels.decide`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.errors import StrategyError, did_you_mean
from peak_kernels import indicators as kernels

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Key = tuple[Any, ...]  # (kind, argument, ...)
BLOCK = 64


def _whole(value: float) -> int:
    return int(value)


def _close(bars: Bars, out: FloatArray) -> None:
    out[:] = bars.close


def _constant(bars: Bars, out: FloatArray, value: float) -> None:
    out[:] = value


def _negative(bars: Bars, out: FloatArray, value: float) -> None:
    out[:] = -value


def _sma(bars: Bars, out: FloatArray, period: float) -> None:
    kernels.sma(bars.close, _whole(period), out)


def _ema(bars: Bars, out: FloatArray, period: float) -> None:
    kernels.ema(bars.close, _whole(period), out)


def _rsi(bars: Bars, out: FloatArray, period: float) -> None:
    kernels.rsi(bars.close, _whole(period), out)


def _roc(bars: Bars, out: FloatArray, period: float) -> None:
    kernels.roc(bars.close, _whole(period), out)


def _one_later(out: FloatArray, row: FloatArray) -> None:
    """The row of the bar before: what was known when this bar began."""
    out[0] = np.nan
    out[1:] = row[:-1]


def _highest_before(bars: Bars, out: FloatArray, period: float) -> None:
    row = np.empty(len(bars))
    kernels.highest(bars.high, _whole(period), row)
    _one_later(out, row)


def _lowest_before(bars: Bars, out: FloatArray, period: float) -> None:
    row = np.empty(len(bars))
    kernels.lowest(bars.low, _whole(period), row)
    _one_later(out, row)


def _bollinger_group(bars: Bars, keys: Sequence[Key], rows: Sequence[FloatArray]) -> None:
    """Bands of one period: mean and deviation once, then one row for each width and side."""
    period = _whole(keys[0][1])
    mean, deviation = np.empty(len(bars)), np.empty(len(bars))
    kernels.sma(bars.close, period, mean)
    kernels.std(bars.close, period, deviation)
    for (kind, _, width), row in zip(keys, rows, strict=True):
        np.multiply(deviation, width, out=row)
        (np.add if kind == "bollinger_upper" else np.subtract)(mean, row, out=row)


def _macd_group(bars: Bars, keys: Sequence[Key], rows: Sequence[FloatArray]) -> None:
    """Line and signal line of one set of periods from one pass."""
    out = {key[0]: row for key, row in zip(keys, rows, strict=True)}
    spare = np.empty(len(bars))
    line, lag = (out.get(kind, np.empty(len(bars))) for kind in ("macd", "macd_signal"))
    fast, slow, signal = (_whole(period) for period in keys[0][1:])
    kernels.macd(bars.close, fast, slow, signal, line, lag, spare)


# Kind: (function of one row, number of arguments).
_SINGLE: dict[str, tuple[Callable[..., None], int]] = {
    "close": (_close, 0),
    "constant": (_constant, 1),
    "ema": (_ema, 1),
    "highest_before": (_highest_before, 1),
    "lowest_before": (_lowest_before, 1),
    "negative": (_negative, 1),
    "roc": (_roc, 1),
    "rsi": (_rsi, 1),
    "sma": (_sma, 1),
}
# Kind: (function of all rows that share work, number of arguments, how many of them are shared).
_GROUPED: dict[str, tuple[Callable[..., None], int, int]] = {
    "bollinger_lower": (_bollinger_group, 2, 1),
    "bollinger_upper": (_bollinger_group, 2, 1),
    "macd": (_macd_group, 3, 3),
    "macd_signal": (_macd_group, 3, 3),
}
KINDS: dict[str, int] = {name: entry[1] for name, entry in _SINGLE.items()}
KINDS |= {name: entry[1] for name, entry in _GROUPED.items()}


def stride_of(bars: int) -> int:
    """Elements of one row of a plane: bars rounded up to a multiple of 64."""
    return -(-bars // BLOCK) * BLOCK


def check_kind(kind: str, arguments: int) -> None:
    """Raise StrategyError for an unknown kind of row or a wrong number of arguments."""
    if kind not in KINDS:
        raise StrategyError(f"no indicator row {kind!r}; {did_you_mean(kind, KINDS)}")
    if KINDS[kind] != arguments:
        raise StrategyError(f"indicator row {kind!r} takes {KINDS[kind]} arguments; got {arguments}")


def groups_of(keys: Sequence[Key]) -> list[list[int]]:
    """Positions of keys that are computed together, because they share work."""
    found: dict[Any, list[int]] = {}
    for position, key in enumerate(keys):
        group: Any = key
        if key[0] in _GROUPED:
            function, _, shared = _GROUPED[key[0]]
            group = (function, key[1 : 1 + shared])
        found.setdefault(group, []).append(position)
    return list(found.values())


def compute_group(bars: Bars, keys: Sequence[Key], rows: Sequence[FloatArray]) -> None:
    """Write the rows of one group: each has ``stride_of(len(bars))`` elements, the padding becomes NaN."""
    count = len(bars)
    inner = [row[:count] for row in rows]
    if keys[0][0] in _GROUPED:
        _GROUPED[keys[0][0]][0](bars, keys, inner)
    else:
        _SINGLE[keys[0][0]][0](bars, inner[0], *keys[0][1:])
    for row in rows:
        row[count:] = np.nan


def plane_of(bars: Bars, keys: Sequence[Key]) -> FloatArray:
    """A plane with one row for each key."""
    plane = np.empty((len(keys), stride_of(len(bars))))
    for group in groups_of(keys):
        compute_group(bars, [keys[k] for k in group], [plane[k] for k in group])
    return plane
