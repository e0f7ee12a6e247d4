"""Comparisons of indicator rows: what the rules of a strategy are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peak_fast.arguments import is_number, wrong
from peak_fast.errors import StrategyError
from peak_fast.guard import guarded_class

_MOST_BARS = 10_000_000


@guarded_class()
@dataclass(frozen=True, slots=True)
class Row:
    """One indicator over all bars: a kind and its arguments, numbers or names of parameters.

    Kinds: every indicator of `peak_fast.indicators`, prices and constants (docs/strategies.md#rows).
    """

    kind: str
    args: tuple[str | float, ...] = ()

    def __init__(self, kind: str, *args: str | float) -> None:
        from peak_fast.indicators import check_kind

        check_kind(kind, len(args))
        for item in args:
            if not isinstance(item, str) and not is_number(item):
                raise wrong(
                    f"Row({kind!r})", "numbers or names of parameters", item, "Row('sma', 20)", StrategyError
                )
            if not isinstance(item, str) and kind not in ("constant", "negative") and abs(item) > _MOST_BARS:
                remedy = f"a number of bars goes up to {_MOST_BARS:,}"
                raise wrong(f"Row({kind!r})", "a number of bars", item, remedy, StrategyError)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "args", args)


@guarded_class()
@dataclass(frozen=True, slots=True)
class Above:
    """Condition ``x > y``; false where either is NaN."""

    x: Row
    y: Row
    code: int = 0

    def __post_init__(self) -> None:
        _check_sides(self)


@guarded_class()
@dataclass(frozen=True, slots=True)
class AtLeast:
    """Condition ``x >= y``; false where either is NaN."""

    x: Row
    y: Row
    code: int = 1

    def __post_init__(self) -> None:
        _check_sides(self)


Condition = Above | AtLeast


def _check_sides(condition: Condition) -> None:
    """Raise StrategyError unless both sides are rows."""
    sides: tuple[Any, ...] = (condition.x, condition.y)
    for side in sides:
        if not isinstance(side, Row):
            kind = type(condition).__name__
            raise wrong(kind, "two rows", side, f"write {kind}(Row('close'), Row('sma', 20))", StrategyError)
