"""How an indicator is known: one definition makes it a function, a row of rules and a row of compiled blocks.

>>> @indicator()
... def doubled(values, factor: float = 2.0):
...     return values * factor
>>> DEFINED.pop("doubled").parameters
('factor',)

`peak_fast.indicators` is made of such definitions; the loops behind them are kernels.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from peak_fast.errors import StrategyError

F = TypeVar("F", bound=Callable[..., Any])

# Columns of the bars that a function's arguments are in a row.
_COLUMNS = {"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume",
            "values": "close", "first": "close", "second": "volume"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    """One indicator, or one of its outputs, as rows know it.

    Attributes
    ----------
    function
        The public function.
    columns
        What it is given of the bars, in the order of its arguments.
    parameters, whole
        Numbers that it takes after them, and those that are whole.
    outputs
        Names of its results, in their order.
    """

    function: Callable[..., Any]
    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    whole: frozenset[str]
    outputs: tuple[str, ...]

    def compute(self, bars: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """Results over the bars, by name: float64[n_bars] each, the bits that the function gives for the columns.

        Raises
        ------
        StrategyError
            The bars have no volume, and it needs one.
        ConfigError
            An argument that it cannot take.
        """
        inputs = [getattr(bars, column) for column in self.columns]
        if any(column is None for column in inputs):
            raise StrategyError(
                f"indicator row {self.outputs[0]!r} needs the volume, which these bars do not have; expected bars with "
                "a column volume"
            )
        named = {
            name: int(value) if name in self.whole and float(value).is_integer() else value
            for name, value in zip(self.parameters, arguments, strict=True)
        }
        found = self.function(*inputs, **named)
        return dict(zip(self.outputs, found if isinstance(found, tuple) else (found,), strict=True))


DEFINED: dict[str, Definition] = {}
"""Definition behind every output of an indicator, by the output's name."""


def indicator(*outputs: str) -> Callable[[F], F]:
    """Make a function of columns and numbers known as an indicator; the function itself stays as it is.

    Its first arguments are columns (``values``, ``high``, ``low``, ``close``, ``volume``; ``first`` and ``second``),
    the others numbers; texts keep their defaults in rows.

    Parameters
    ----------
    outputs
        Names of the results, where they are not one that is called like the function.
    """

    def known(function: F) -> F:
        given = inspect.signature(function).parameters.values()
        numbers = [item for item in given if item.name not in _COLUMNS and item.annotation in _NUMBERS]
        names = outputs or (function.__name__,)
        definition = Definition(
            function,
            tuple(_COLUMNS[item.name] for item in given if item.name in _COLUMNS),
            tuple(item.name for item in numbers),
            frozenset(item.name for item in numbers if item.annotation in ("int", int)),
            names,
        )
        for name in names:
            # A function of one output is the row of its name; the same bits come from one that has it among others.
            if len(names) == 1 or name not in DEFINED:
                DEFINED[name] = definition
        return function

    return known


_NUMBERS = ("int", "float", int, float)
