"""Signal functions in sweeps: one call of the user's Python a configuration, and little on top of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from peak_fast import simulation as _simulation
from peak_fast.data import Bars, aligned, calendar_of_bars
from peak_fast.errors import PeakFastError, StrategyError
from peak_fast.indicators import BLOCK
from peak_fast.params import feasible_mask
from peak_fast.strategies import SignalStrategy, complete_params
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.slots import ROW_OFFSET, RULE_SIZE, SIDES, SIGNALS, WEIGHTS


class Calls:
    """What a function returned for a few configurations, as rows that the kernel reads decisions from.

    Parameters
    ----------
    item, bars
        The function and what it is called with.
    settings
        The kernel's settings.
    rows
        How many.
    notes
        Gets what a function's values were understood as, each sentence once.
    """

    def __init__(
        self, item: SignalStrategy, bars: Bars, settings: FloatArray, rows: int, notes: dict[str, None]
    ) -> None:
        self._item, self._bars, self._notes = item, bars, notes
        self._calendar = calendar_of_bars(bars, derived=True)
        self.stride = ROW_OFFSET + len(bars) + BLOCK
        table = np.zeros((rows, self.stride))
        self.plane = table.reshape(-1)
        self._values = [row[ROW_OFFSET : ROW_OFFSET + len(bars)] for row in table]
        self.rules: IntArray = np.full((rows, RULE_SIZE), -1, np.int64)
        self.rules[:, 0] = np.arange(rows)
        self._by_weight = bool(settings[t.WEIGHT_TARGETS] != 0.0)
        self._code = WEIGHTS if self._by_weight else SIGNALS if item.returns == "signals" else SIDES

    def call(self, row: int, params: dict[str, Any]) -> None:
        """Call the function and fill a row."""
        notes: list[str] = []
        code = self._code
        returned = _simulation.call_function(self._item, self._bars, params)
        values = aligned(
            returned, self._calendar, _simulation.function_name(self._item), notes, StrategyError
        )
        if hasattr(values, "to_numpy"):
            values = values.to_numpy()
        plain = isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iuf"
        if not plain or len(values) != len(self._bars):
            notes.clear()
            values, boolean = _simulation.returned_by(self._item, self._bars, returned, notes)
            if boolean and code == SIGNALS:
                code = SIDES
                notes.append(_simulation.held_note(self._item))
        else:
            notes += _simulation.silent_note(self._item, values)
        self._values[row][:] = values
        self.rules[row, 2] = code
        if code == SIGNALS and (values == 1).any() and not (values == -1).any():
            notes.append(_simulation.unsold_note(self._item))
        if notes:
            self._notes.update(dict.fromkeys(notes))

    def refuse(self, row: int) -> None:
        """Raise the error that a single run raises for the values of a row."""
        given = _simulation.returned_by(self._item, self._bars, self._values[row], [])
        _simulation.decided_by(self._item, given, [], weights=self._by_weight)


def check_columns(item: Any, params: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Plain values of parameters, each distinct one checked against the strategy's schema.

    Raises
    ------
    StrategyError
        A value that the schema refuses, or configurations that do not meet the strategy's constraints.
    """
    columns = {name: np.asarray(column).tolist() for name, column in params.items()}
    for param in item.schema:
        values = columns[param.name]
        plain = {value: param.validate_value(value) for value in dict.fromkeys(values)}
        columns[param.name] = [plain[value] for value in values]
    if item.schema and item.constraints:
        met = feasible_mask(item.schema, item.constraints, {n: np.asarray(c) for n, c in columns.items()})
        if not met.all():
            first = int(np.argmin(met))
            complete_params(item, {name: column[first] for name, column in columns.items()})
    return columns


@contextlib.contextmanager
def told(columns: Mapping[str, list[Any]], number: int) -> Iterator[None]:
    """Errors inside say which configuration of a sweep they are about."""
    try:
        yield
    except Exception as error:
        raise_told(error, columns, number)


def raise_told(error: Exception, columns: Mapping[str, list[Any]], number: int) -> NoReturn:
    """Raise an error again, with the parameters of the configuration that it is about.

    An error of this package says so in its text, one of the function's own in a note, which tracebacks show.
    """
    where = ", ".join(f"{name}={column[number]!r}" for name, column in columns.items())
    if not where:
        raise error
    if isinstance(error, PeakFastError):
        raise type(error)(f"{error}; in the configuration {where}") from error
    error.add_note(f"in the configuration {where}")
    raise error


def each(columns: Mapping[str, list[Any]], count: int) -> Iterator[dict[str, Any]]:
    """Parameters of one configuration after the other."""
    if not columns:
        return ({} for _ in range(count))
    names = list(columns)
    return (dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True))
