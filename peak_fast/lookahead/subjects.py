"""Strategies of every kind as one thing: what it gives for some data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from peak_fast.data import Bars, names_of_frame, package_of
from peak_fast.lookahead.rows import COLUMN, DECISION, INNER, Row, Rows, as_numbers
from peak_fast.lookahead.watch import Watch
from peak_fast.results import decided_orders
from peak_fast.simulation import call_function, frame_given, given_targets, returned_by
from peak_fast.strategies import SignalStrategy

DECISION_NAMES = (
    "decision",
    "signal",
    "signals",
    "target",
    "targets",
    "position",
    "positions",
    "weight",
    "weights",
    "side",
)
SIZES = "size of the order"
Run = Callable[[Any], Any]


class Subject(Protocol):
    """What is examined."""

    name: str
    kind: str
    function: Any
    """Python function behind it, whose memory is put back before each run; None: there is none."""
    framed: bool
    """Whether it reads the user's frame, not prices alone."""
    truncates: bool
    """Whether it may be run on the first bars alone: compiled code that reads behind its arrays may not."""

    def rows(self, data: Any, watched: bool = False) -> Rows:
        """What it gives for some data; ``watched``: with what it computes on the way."""
        ...


class FunctionSubject:
    """A function of a frame and parameters."""

    kind = "function"
    framed = True
    truncates = True

    def __init__(self, item: SignalStrategy, params: Mapping[str, Any]) -> None:
        self.name, self.function = item.name, item.function
        self._item, self._params = item, params

    def rows(self, data: Bars, watched: bool = False) -> Rows:
        """Decisions, columns that it returns or adds to its frame, variables."""
        frame = frame_given(data)
        before = _columns_of(frame)
        if watched:
            with Watch(self.function, len(data), before) as watch:
                values = call_function(self._item, data, self._params, frame)
            found = watch.rows()
        else:
            values, found = call_function(self._item, data, self._params, frame), {}
        for name, column in (*_returned(values, len(data)), *_added(frame, before)):
            numbers = as_numbers(column)
            if numbers is not None and numbers.shape == (len(data),):
                found[name] = Row(name, COLUMN, numbers)
        found = {name: row for name, row in found.items() if not _is_twice(name, row, found)}
        said = next((name for name in DECISION_NAMES if name in found and found[name].role == COLUMN), None)
        if said is not None and _is_several(values):
            found[said] = Row(said, DECISION, found[said].values)
        elif not _is_several(values):
            given = returned_by(self._item, data, values, [])
            found[DECISION] = Row(DECISION, DECISION, given.row)
        return found


class ExpressionSubject:
    """A Polars expression over the columns of the frame."""

    kind = "expression"
    framed = True
    truncates = True
    function = None

    def __init__(self, expression: Any) -> None:
        self.name, self._expression = "expression", expression
        self._parts: list[Any] | None = None

    def rows(self, data: Bars, watched: bool = False) -> Rows:
        """Targets and, watched, the expressions that it is made of."""
        found: Rows = {}
        if watched:
            for part in self._inner():
                values = _evaluated(data, part)
                if values is not None and values.shape == (len(data),):
                    found[str(part)] = Row(str(part), INNER, values)
        given = given_targets(data, self._expression, [])
        return {**found, DECISION: Row(DECISION, DECISION, given.row)}

    def _inner(self) -> list[Any]:
        if self._parts is None:
            self._parts = list(_parts(self._expression))[:24]
        return self._parts


class RunSubject:
    """A strategy that decides while the kernel runs: rules, compiled blocks, blocks that place orders.

    Parameters
    ----------
    run
        Gives the result of the strategy on bars.
    sized
        Whether sizes are looked at: they are settled by the next open.  What orders in a book ask for is settled when
        they fill.
    """

    function = None
    framed = False
    truncates = False

    def __init__(self, name: str, kind: str, run: Run, sized: bool) -> None:
        self.name, self.kind, self._run, self._sized = name, kind, run, sized

    def rows(self, data: Bars, watched: bool = False) -> Rows:
        """Signed orders decided at each bar, and their units."""
        result = self._run(data)
        bars, sides, sizes = decided_orders(result)
        decided, units = np.zeros(len(data)), np.zeros(len(data))
        # Several orders at one bar count by their places, so that none hides another.
        np.add.at(decided, bars, sides * (1.0 + np.arange(bars.size) % 7 / 8.0))
        rows = {DECISION: Row(DECISION, DECISION, decided)}
        if self._sized:
            np.add.at(units, bars, sides * np.nan_to_num(sizes))
            rows[SIZES] = Row(SIZES, DECISION, units)
        return rows


class WeightsSubject:
    """What a portfolio holds: a rule, a function, a block of all assets.

    Parameters
    ----------
    decide
        Gives the weights on a panel.
    score
        Gives what assets are ranked by, float64[bar, asset], on a panel; None: nothing, or not known.
    """

    framed = True

    def __init__(
        self, name: str, kind: str, decide: Run, function: Any, truncates: bool, score: Run | None = None
    ) -> None:
        self.name, self.kind, self.function, self.truncates = name, kind, function, truncates
        self._decide, self._score = decide, score

    def rows(self, data: Any, watched: bool = False) -> Rows:
        """Weights of every asset at every bar, NaN where nothing is decided, and variables of a function."""
        if watched and self.function is not None:
            there = ~np.isnan(data.close)
            with Watch(self.function, int(there.sum()), _PANEL_COLUMNS | set(data.own_columns)) as watch:
                targets = self._decide(data)
            bars = np.nonzero(there)[1]
            found = {
                name: Row(name, row.role, row.values, row.loose, bars) for name, row in watch.rows().items()
            }
        else:
            targets, found = self._decide(data), {}
        dense = np.full((len(data), data.n_assets), np.nan)
        dense[targets.rows] = targets.weights
        if self._score is not None:
            found["score"] = Row("score", COLUMN, self._score(data))
        return {**found, DECISION: Row(DECISION, DECISION, dense)}


_PANEL_COLUMNS = {"symbol", "timestamp", "close_time", "open", "high", "low", "close", "volume"}


def _columns_of(frame: Any) -> set[str]:
    if type(frame).__name__ == "LazyFrame":
        return set(frame.collect_schema().names())
    has_names = isinstance(frame, Mapping) or hasattr(frame, "columns") or getattr(frame, "dtype", None)
    return {str(name) for name in names_of_frame(frame)} if has_names is not None else set()


def _is_several(values: Any) -> bool:
    """Whether a function returned several columns by name."""
    if isinstance(values, Mapping):
        return True
    if type(values).__name__ not in ("DataFrame", "LazyFrame") or package_of(values) not in (
        "pandas",
        "polars",
    ):
        return False
    values = values.collect() if type(values).__name__ == "LazyFrame" else values
    return sum(as_numbers(values[name]) is not None for name in values.columns) > 1


def _is_twice(name: str, row: Row, found: Rows) -> bool:
    """Whether a variable is a column that is looked at already."""
    column = name.partition("['")[2].removesuffix("']")
    return row.role == INNER and column in found and found[column].role == COLUMN


def _returned(values: Any, count: int) -> Iterator[tuple[str, Any]]:
    """Columns of a frame or a dict that a function returned."""
    if not _is_several(values):
        return
    values = values.collect() if type(values).__name__ == "LazyFrame" else values
    for name in names_of_frame(values):
        if len(values[name]) == count:
            yield str(name), values[name]


def _added(frame: Any, before: set[str]) -> Iterator[tuple[str, Any]]:
    """Columns that a function put into the frame that it got."""
    if isinstance(frame, Mapping) or package_of(frame) == "pandas":
        for name in names_of_frame(frame):
            if str(name) not in before:
                yield str(name), frame[name]


def _evaluated(bars: Bars, expression: Any) -> Any:
    """An expression over the columns as float64; None where it gives no numbers or cannot stand alone."""
    import polars as pl

    source = bars.source
    frame = source if isinstance(source, pl.DataFrame) else bars.to_polars()
    try:
        return as_numbers(frame.select(expression.alias("part"))["part"])
    except pl.exceptions.PolarsError:
        return None


def _parts(expression: Any) -> Iterator[Any]:
    """Expressions that an expression is made of, without columns and numbers by themselves."""
    for part in expression.meta.pop():
        if not (part.meta.is_column() or part.meta.is_literal()):
            yield part
            yield from _parts(part)
