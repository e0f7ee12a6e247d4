"""Columns that a function computes on the way, seen when it returns.

A rule may be blind to what is wrong with a column: a z-score over the whole sample leaves decisions alone that compare
it with its own average.  So the arrays of a function's own variables are looked at, too.  Python tells a profile
function of each return; only functions of the strategy's own module are looked at.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType
from typing import Any

import numpy as np

from peak_fast.data import package_of
from peak_fast.lookahead.rows import INNER, Row, Rows, as_numbers
from peak_fast.lookahead.state import called_by, unwrapped

_MOST_COLUMNS = 64


class Watch:
    """Collects the variables of a function, and of its helpers, that hold a value for each row of the frame.

    Parameters
    ----------
    function
        What is going to be called.
    count
        Number of rows.
    known
        Columns of the frame that the function gets.
    """

    def __init__(self, function: Any, count: int, known: set[str]) -> None:
        function = unwrapped(function)
        called = function if hasattr(function, "__code__") else called_by(function)
        called = getattr(called, "__func__", called)
        self._main = getattr(called, "__code__", None)
        self._globals = getattr(called, "__globals__", None)
        self._count, self._known = count, known
        self._seen: dict[CodeType, tuple[int, dict[str, Any]]] = {}
        self._on = False

    def __enter__(self) -> Watch:
        # A profiler that runs already is the user's.
        if self._globals is not None and sys.getprofile() is None:
            self._on = True
            sys.setprofile(self._see)
        return self

    def __exit__(self, *error: object) -> None:
        if self._on:
            sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, arg: Any) -> None:
        if event != "return" or frame.f_globals is not self._globals:
            return
        calls, _ = self._seen.get(frame.f_code, (0, {}))
        kept = {name: value for name, value in frame.f_locals.items() if self._fits(value)}
        self._seen[frame.f_code] = calls + 1, kept

    def _fits(self, value: Any) -> bool:
        kind = type(value).__name__
        if isinstance(value, np.ndarray):
            return value.ndim in (1, 2) and value.shape[0] == self._count
        if kind in ("Series", "DataFrame") and package_of(value) in ("pandas", "polars"):
            return len(value) == self._count
        return False

    def rows(self) -> Rows:
        """The variables as rows of numbers, by name."""
        found: Rows = {}
        for code, (calls, kept) in self._seen.items():
            looped = _looped(code)
            for variable, value in kept.items():
                loose = calls > 1 or variable in looped
                place = variable if code is self._main else f"{code.co_name}: {variable}"
                for name, column in self._columns(place, value):
                    numbers = as_numbers(column)
                    if numbers is not None and name not in found:
                        found[name] = Row(name, INNER, numbers, loose)
        return found

    def _columns(self, place: str, value: Any) -> list[tuple[str, Any]]:
        if type(value).__name__ == "DataFrame":
            names = [name for name in value.columns if str(name) not in self._known][:_MOST_COLUMNS]
            return [(f"{place}[{name!r}]", value[name]) for name in names]
        if getattr(value, "ndim", 1) == 2:
            return [(f"{place}[:, {k}]", value[:, k]) for k in range(min(value.shape[1], _MOST_COLUMNS))]
        return [(place, value)]


def _looped(code: CodeType) -> set[str]:
    """Variables that are assigned inside a loop: they hold what the last turn left there."""
    steps = list(dis.get_instructions(code))
    loops = [
        (step.argval, step.offset)
        for step in steps
        if step.opcode in dis.hasjrel + dis.hasjabs
        and isinstance(step.argval, int)
        and step.argval < step.offset
    ]
    return {
        str(step.argval)
        for step in steps
        if step.opname.startswith("STORE_") and any(low <= step.offset <= high for low, high in loops)
    }
