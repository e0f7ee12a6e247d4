"""Indicator rows that rule strategies compare, and the plane of memory they lie in.

Each kind writes one row of length ``n_bars`` with the kernels of `peak_kernels.entries`.  A plane is one
float64 matrix ``[rows, stride]``; rows are padded with NaN to a multiple of 64 bars (see
`peak_kernels.decide`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from peak_fast._columns import FloatArray
from peak_fast.data import Bars
from peak_fast.errors import StrategyError, did_you_mean
from peak_kernels import entries as kernels

Key = tuple[Any, ...]  # (kind, argument, ...)
BLOCK = 64


# The function of a kind writes the rows of several keys: ``function(bars, keys, rows)`` with ``rows``
# float64[len(keys), stride_of(len(bars))]; it leaves the padding alone.


def _close(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    rows[:, : len(bars)] = bars.close


def _constant(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    rows[:] = np.array([[key[1]] for key in keys], dtype=np.float64)


def _negative(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    rows[:] = -np.array([[key[1]] for key in keys], dtype=np.float64)


def _by_period(kernel: str, column: str) -> Callable[..., None]:
    """Function of a kind whose only argument is a number of bars."""

    def write(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
        periods = np.array([int(key[1]) for key in keys], dtype=np.int64)
        getattr(kernels, kernel)(getattr(bars, column), periods, rows)

    return write


def _bollinger(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    """Bands of one period: mean and deviation once, then one row for each width and side."""
    period = int(keys[0][1])
    mean, deviation = np.empty(len(bars)), np.empty(len(bars))
    kernels.sma_rows(bars.close, np.array([period], dtype=np.int64), mean.reshape(1, -1))
    kernels.std(bars.close, period, deviation)
    for (kind, _, width), row in zip(keys, rows[:, : len(bars)], strict=True):
        np.multiply(deviation, width, out=row)
        (np.add if kind == "bollinger_upper" else np.subtract)(mean, row, out=row)


def _macd(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    """Line and signal line of one set of periods from one pass."""
    out = {key[0]: row for key, row in zip(keys, rows[:, : len(bars)], strict=True)}
    spare = np.empty(len(bars))
    line, lag = (out.get(kind, np.empty(len(bars))) for kind in ("macd", "macd_signal"))
    fast, slow, signal = (int(period) for period in keys[0][1:])
    kernels.macd(bars.close, fast, slow, signal, line, lag, spare)


# Kind: (function, number of arguments).  Rows of one kind are computed together.
_SINGLE: dict[str, tuple[Callable[..., None], int]] = {
    "close": (_close, 0),
    "constant": (_constant, 1),
    "ema": (_by_period("ema_rows", "close"), 1),
    "highest_before": (_by_period("highest_before_rows", "high"), 1),
    "lowest_before": (_by_period("lowest_before_rows", "low"), 1),
    "negative": (_negative, 1),
    "roc": (_by_period("roc_rows", "close"), 1),
    "rsi": (_by_period("rsi_rows", "close"), 1),
    "sma": (_by_period("sma_rows", "close"), 1),
}
# Kind: (function, number of arguments, how many of them, counted from the first, rows that share work have in common).
_SHARED: dict[str, tuple[Callable[..., None], int, int]] = {
    "bollinger_lower": (_bollinger, 2, 1),
    "bollinger_upper": (_bollinger, 2, 1),
    "macd": (_macd, 3, 3),
    "macd_signal": (_macd, 3, 3),
}
KINDS = {name: entry[1] for name, entry in _SINGLE.items()} | {
    name: entry[1] for name, entry in _SHARED.items()
}


def stride_of(bars: int) -> int:
    """Elements of one row of a plane: bars rounded up to a multiple of 64."""
    return -(-bars // BLOCK) * BLOCK


def check_kind(kind: str, arguments: int) -> None:
    """Raise StrategyError for an unknown kind of row or a wrong number of arguments."""
    if kind not in KINDS:
        raise StrategyError(f"no indicator row {kind!r}; {did_you_mean(kind, KINDS)}")
    if KINDS[kind] != arguments:
        raise StrategyError(f"indicator row {kind!r} takes {KINDS[kind]} arguments; got {arguments}")


def groups_of(keys: Iterable[Key], most: int | None = None) -> list[list[Key]]:
    """Keys that are computed together: those that share work, else at most ``most`` of one kind."""
    found: dict[Any, list[Key]] = {}
    for key in keys:
        group: Any = key[0]
        if group in _SHARED:
            function, _, shared = _SHARED[group]
            group = (function, key[1 : 1 + shared])
        elif most is not None and len(found.get(group, ())) >= most:
            found[group, len(found)] = found.pop(group)
        found.setdefault(group, []).append(key)
    return list(found.values())


def compute_group(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    """Write the rows of one group: float64[len(keys), stride_of(len(bars))], C-contiguous; the padding is NaN."""
    function = (_SHARED if keys[0][0] in _SHARED else _SINGLE)[keys[0][0]][0]
    function(bars, keys, rows)
    rows[:, len(bars) :] = np.nan


def plane_of(bars: Bars, keys: Sequence[Key]) -> tuple[FloatArray, dict[Key, int]]:
    """A plane with one row for each of some distinct keys, and the row of each key."""
    plane = np.empty((len(keys), stride_of(len(bars))))
    places: dict[Key, int] = {}
    for group in groups_of(keys):
        first = len(places)
        compute_group(bars, group, plane[first : first + len(group)])
        places.update(zip(group, range(first, first + len(group)), strict=True))
    return plane, places
