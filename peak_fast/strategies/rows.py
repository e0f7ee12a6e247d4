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


def _bollinger(bars: Bars, out: FloatArray, period: float, width: float, upper: bool) -> None:
    spare = np.empty((2, len(bars)))
    rows = (out, spare[0], spare[1]) if upper else (spare[0], spare[1], out)
    kernels.bollinger(bars.close, _whole(period), float(width), *rows)


def _bollinger_upper(bars: Bars, out: FloatArray, period: float, width: float) -> None:
    _bollinger(bars, out, period, width, upper=True)


def _bollinger_lower(bars: Bars, out: FloatArray, period: float, width: float) -> None:
    _bollinger(bars, out, period, width, upper=False)


def _macd_rows(
    bars: Bars, fast: float, slow: float, signal: float, line: FloatArray, lag: FloatArray
) -> None:
    spare = np.empty(len(bars))
    kernels.macd(bars.close, _whole(fast), _whole(slow), _whole(signal), line, lag, spare)


def _macd(bars: Bars, out: FloatArray, fast: float, slow: float, signal: float) -> None:
    _macd_rows(bars, fast, slow, signal, out, np.empty(len(bars)))


def _macd_signal(bars: Bars, out: FloatArray, fast: float, slow: float, signal: float) -> None:
    _macd_rows(bars, fast, slow, signal, np.empty(len(bars)), out)


def _one_later(out: FloatArray, row: FloatArray) -> None:
    """The row of the bar before: what was known when this bar began."""
    out[0] = np.nan
    out[1:] = row[:-1]


def _highest_before(bars: Bars, out: FloatArray, period: float) -> None:
    row = np.empty(len(bars))
    kernels.rolling_max(bars.high, _whole(period), row)
    _one_later(out, row)


def _lowest_before(bars: Bars, out: FloatArray, period: float) -> None:
    row = np.empty(len(bars))
    kernels.rolling_min(bars.low, _whole(period), row)
    _one_later(out, row)


# Kind: (function, number of arguments).
KINDS: dict[str, tuple[Callable[..., None], int]] = {
    "bollinger_lower": (_bollinger_lower, 2),
    "bollinger_upper": (_bollinger_upper, 2),
    "close": (_close, 0),
    "constant": (_constant, 1),
    "ema": (_ema, 1),
    "highest_before": (_highest_before, 1),
    "lowest_before": (_lowest_before, 1),
    "macd": (_macd, 3),
    "macd_signal": (_macd_signal, 3),
    "negative": (_negative, 1),
    "roc": (_roc, 1),
    "rsi": (_rsi, 1),
    "sma": (_sma, 1),
}


def stride_of(bars: int) -> int:
    """Elements of one row of a plane: bars rounded up to a multiple of 64."""
    return -(-bars // BLOCK) * BLOCK


def check_kind(kind: str, arguments: int) -> None:
    """Raise StrategyError for an unknown kind of row or a wrong number of arguments."""
    if kind not in KINDS:
        raise StrategyError(f"no indicator row {kind!r}; {did_you_mean(kind, KINDS)}")
    if KINDS[kind][1] != arguments:
        raise StrategyError(f"indicator row {kind!r} takes {KINDS[kind][1]} arguments; got {arguments}")


def compute(bars: Bars, key: Key, row: FloatArray) -> None:
    """Write one row: ``row`` has ``stride_of(len(bars))`` elements, the padding becomes NaN."""
    count = len(bars)
    function, arguments = KINDS[key[0]]
    function(bars, row[:count], *key[1 : 1 + arguments])
    row[count:] = np.nan


def plane_of(bars: Bars, keys: Sequence[Key]) -> FloatArray:
    """A plane with one row for each key."""
    plane = np.empty((len(keys), stride_of(len(bars))))
    for key, row in zip(keys, plane, strict=True):
        compute(bars, key, row)
    return plane
