"""Numbers at a distance from each other: where a range with steps ends, and which of its values a grid takes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

_USUAL = 10
"""Values of a continuous range where nobody says how many."""


def last_step(low: float, high: float, step: float, whole: bool) -> float:
    """Largest number up to ``high`` that is ``low`` plus a whole number of steps."""
    count = math.floor((high - low) / step + 1e-9)
    return low + count * step if whole else float(_decimal_step(low, step, count))


def spaced(low: float, last: float, step: float | None, n: int | None, log: bool, whole: bool) -> list[Any]:
    """Ascending numbers from ``low`` to ``last``: at most ``n``, spread evenly, geometrically with ``log``.

    ``last`` is `last_step` of the range.  Without ``n``: every step, or ten numbers of a continuous range.
    """
    step = step or (1 if whole else None)
    if step is None:
        return sorted({min(max(value, low), last) for value in _spread(low, last, n or _USUAL, log)})
    count = math.floor((last - low) / step + 1e-9) + 1
    if n is None or n >= count:
        indices: Iterable[int] = range(count)
    else:
        points = _spread(low, last, n, log)
        indices = sorted({min(max(round((value - low) / step), 0), count - 1) for value in points})
    if whole:
        return [int(low) + index * int(step) for index in indices]
    return [min(float(_decimal_step(low, step, index)), last) for index in indices]


def _decimal_step(low: float, step: float, index: int) -> Any:
    from decimal import Decimal  # 0.1 + 2 * 0.1 must read 0.3, as a person would write it

    return Decimal(repr(low)) + index * Decimal(repr(step))


def _spread(low: float, high: float, n: int, log: bool) -> list[float]:
    if n == 1:
        return [math.sqrt(low * high) if log else (low + high) / 2]
    if log:
        ratio = math.log(high / low)
        inner = [low * math.exp(ratio * index / (n - 1)) for index in range(1, n - 1)]
    else:
        inner = [low + (high - low) * index / (n - 1) for index in range(1, n - 1)]
    return [low, *inner, high]  # the ends exactly, whatever rounding does in between
