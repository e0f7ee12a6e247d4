"""Scores: one number for each asset at the bars of a decision, from bars up to it alone."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import is_number
from peak_fast.data import Panel
from peak_fast.params import Param
from peak_kernels.arrays import FloatArray, IntArray

Params = Mapping[str, Any]


class Score(ABC):
    """What assets are ranked or weighted by; scores can be added, subtracted, multiplied, divided and negated."""

    __slots__ = ()

    @abstractmethod
    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """float64[k, asset]: the scores at bars ``rows``; NaN where one is not known."""

    @abstractmethod
    def key(self, params: Params) -> Any:
        """What tells its values apart for these parameters."""

    def references(self) -> dict[str, Param]:
        """Parameters that it names."""
        return {}

    def __add__(self, other: Any) -> Score:
        return Combined("+", self, as_score(other))

    def __radd__(self, other: Any) -> Score:
        return Combined("+", as_score(other), self)

    def __sub__(self, other: Any) -> Score:
        return Combined("-", self, as_score(other))

    def __rsub__(self, other: Any) -> Score:
        return Combined("-", as_score(other), self)

    def __mul__(self, other: Any) -> Score:
        return Combined("*", self, as_score(other))

    def __rmul__(self, other: Any) -> Score:
        return Combined("*", as_score(other), self)

    def __truediv__(self, other: Any) -> Score:
        return Combined("/", self, as_score(other))

    def __rtruediv__(self, other: Any) -> Score:
        return Combined("/", as_score(other), self)

    def __neg__(self) -> Score:
        return Combined("*", Constant(-1.0), self)


READERS: list[Callable[[Any], Score]] = []
"""What reads other things as scores; `columns`, which knows them, adds itself."""


def as_score(value: Any) -> Score:
    """A score, or what can be read as one: a number, a row, the name of a column, a Polars expression, a frame.

    Raises
    ------
    StrategyError
        None of them.
    """
    if isinstance(value, Score):
        return value
    return Constant(float(value)) if is_number(value) and math.isfinite(value) else READERS[0](value)


@dataclass(frozen=True, slots=True, repr=False)
class Constant(Score):
    """The same number for all."""

    value: float

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """The number, everywhere."""
        return np.full((rows.size, panel.n_assets), self.value)

    def key(self, params: Params) -> Any:
        """The number."""
        return self.value

    def __repr__(self) -> str:
        return f"{self.value:g}"


_OPERATIONS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True, slots=True, repr=False)
class Combined(Score):
    """Two scores, joined by an operation; NaN where one of them is, or where it is divided by 0."""

    operation: str
    left: Score
    right: Score

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """The result at the rows."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            values = _OPERATIONS[self.operation](
                self.left.at(panel, rows, params), self.right.at(panel, rows, params)
            )
        values[np.isinf(values)] = np.nan
        return values

    def key(self, params: Params) -> Any:
        """Keys of both."""
        return self.operation, self.left.key(params), self.right.key(params)

    def references(self) -> dict[str, Param]:
        """Parameters of both."""
        return {**self.left.references(), **self.right.references()}

    def __repr__(self) -> str:
        sides = [
            f"({side!r})" if isinstance(side, Combined) else repr(side) for side in (self.left, self.right)
        ]
        return f"{sides[0]} {self.operation} {sides[1]}"
