"""Indicator rows that rules compare and blocks read, and the plane of memory they lie in.

Each kind writes one row of length ``n_bars``: the usual ones with the kernels of `peak_kernels.entries`, which need no
import of numba, all others by their definition in `peak_fast.indicators`.  A plane is one
float64 matrix ``[rows, stride]``; rows are padded with NaN to a multiple of 64 bars (see
`peak_kernels.fast.decided`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.indicators.definitions import DEFINED, Definition
from peak_kernels import entries as kernels
from peak_kernels.arrays import FloatArray

Key = tuple[Any, ...]  # (kind, argument, ...)
BLOCK = 64


# The function of a kind writes the rows of several keys: ``function(bars, keys, rows)`` with ``rows``
# float64[len(keys), stride_of(len(bars))]; it leaves the padding alone.


def _column(name: str) -> Callable[..., None]:
    """Function of a kind that is a column of the bars."""

    def write(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
        values = getattr(bars, name)
        if values is None:
            raise StrategyError(
                f"row {name!r}: these bars have no {name}; expected bars with a column {name}"
            )
        rows[:, : len(bars)] = values

    return write


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
    **{name: (_column(name), 0) for name in ("open", "high", "low", "close", "volume")},
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
_USUAL = {name: entry[1] for name, entry in (_SINGLE | _SHARED).items()}


def _defined() -> dict[str, Definition]:
    """All indicators; they are not needed for the usual rows."""
    from peak_fast.indicators import functions as indicators  # noqa: F401  its import defines them

    return DEFINED


def _defined_rows(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    """Outputs of one indicator with one set of arguments, from one call of its function."""
    found = DEFINED[keys[0][0]].compute(bars, keys[0][1:])
    for key, row in zip(keys, rows[:, : len(bars)], strict=True):
        row[:] = found[key[0]]


def kinds() -> dict[str, int]:
    """Every kind of row with the number of its arguments."""
    return {name: len(item.parameters) for name, item in _defined().items()} | _USUAL


def stride_of(bars: int) -> int:
    """Elements of one row of a plane: bars rounded up to a multiple of 64."""
    return -(-bars // BLOCK) * BLOCK


def check_kind(kind: str, arguments: int) -> None:
    """Raise StrategyError for an unknown kind of row or a wrong number of arguments."""
    takes = _USUAL.get(kind) if kind in _USUAL else kinds().get(kind)
    if takes is None:
        raise StrategyError(f"no indicator row {kind!r}; {did_you_mean(kind, kinds())}")
    if takes != arguments:
        names = "" if kind in _USUAL else f" ({', '.join(DEFINED[kind].parameters)})"
        raise StrategyError(f"indicator row {kind!r} takes {takes} arguments{names}; got {arguments}")


def groups_of(keys: Iterable[Key], most: int | None = None) -> list[list[Key]]:
    """Keys that are computed together: those that share work, else at most ``most`` of one kind."""
    found: dict[Any, list[Key]] = {}
    for key in keys:
        group: Any = key[0]
        if group in _SHARED:
            function, _, shared = _SHARED[group]
            group = (function, key[1 : 1 + shared])
        elif group not in _SINGLE:
            group = (DEFINED[group].function, key[1:])
        elif most is not None and len(found.get(group, ())) >= most:
            found[group, len(found)] = found.pop(group)
        found.setdefault(group, []).append(key)
    return list(found.values())


def compute_group(bars: Bars, keys: Sequence[Key], rows: FloatArray) -> None:
    """Write the rows of one group: float64[len(keys), stride_of(len(bars))], C-contiguous; the padding is NaN."""
    kind = keys[0][0]
    function = _SHARED[kind][0] if kind in _SHARED else _SINGLE[kind][0] if kind in _SINGLE else _defined_rows
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


class BlockRows:
    """Rows that a block reads, over many configurations: those of equal arguments are computed once.

    Parameters
    ----------
    rows
        What the block reads: kinds and arguments, of which texts are names of parameters.
    columns
        Values of the parameters, one for each configuration.
    count
        Configurations.
    """

    def __init__(self, rows: Sequence[Any], columns: Mapping[str, Any], count: int) -> None:
        plain = {
            name: np.asarray(columns[name]).tolist()
            for row in rows
            for name in row.args
            if isinstance(name, str)
        }
        self._keys: list[tuple[Key, ...]] = [
            tuple((row.kind, *(plain[a][c] if isinstance(a, str) else a for a in row.args)) for row in rows)
            for c in range(count)
        ]

    def groups(self, first: int, last: int) -> dict[tuple[Key, ...], list[int]]:
        """Places, counted from ``first``, of the configurations ``[first, last)`` by what they read."""
        found: dict[tuple[Key, ...], list[int]] = {}
        for place, keys in enumerate(self._keys[first:last]):
            found.setdefault(keys, []).append(place)
        return found


def rows_of(bars: Bars, keys: Sequence[Key]) -> FloatArray:
    """float64[len(keys), n_bars]: rows in the order of their keys, which may repeat."""
    plane, places = plane_of(bars, list(dict.fromkeys(keys)))
    return plane[[places[key] for key in keys], : len(bars)]
