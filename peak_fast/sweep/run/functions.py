"""Signal functions in sweeps: one call of the user's Python a configuration, and little on top of it."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from peak_fast import simulation as _simulation
from peak_fast.data import Bars
from peak_fast.errors import PeakFastError
from peak_fast.indicators import BLOCK
from peak_fast.params import feasible_mask
from peak_fast.strategies import SignalStrategy, complete_params
from peak_fast.sweep.run.calls import Calls
from peak_fast.sweep.run.planes import plane_memory
from peak_fast.sweep.run.threads import spread
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.slots import ROW_OFFSET, RULE_SIZE, SIDES, SIGNALS, WEIGHTS

# Calls of a function that are handed over together, bytes that these may take, and how often at least, in seconds.
_CALLS = 64
_CALLS_BYTES = 16 << 20
# Of them so many are simulated together where the caller's thread does it: the rows stay in its cache.
_ROWS = 8
_REPORT = 0.05


class Rows:
    """Memory from which the kernel reads decisions: one row of values for each of a few configurations."""

    def __init__(self, item: SignalStrategy, bars: Bars, rows: int) -> None:
        self._item, self._bars = item, bars
        self.stride = ROW_OFFSET + len(bars) + BLOCK
        table = plane_memory(rows, self.stride)
        self.plane = table.reshape(-1)
        self._values = table[:, ROW_OFFSET : ROW_OFFSET + len(bars)]
        table[:, :ROW_OFFSET] = table[:, ROW_OFFSET + len(bars) :] = 0.0
        self.rules: IntArray = np.full((rows, RULE_SIZE), -1, np.int64)
        self.rules[:, 0] = np.arange(rows)

    def __len__(self) -> int:
        return len(self._values)

    def fill(self, calls: Calls, first: int, last: int) -> None:
        """Take what the calls ``[first, last)`` returned.

        Threads wait for each other whenever they come back to Python, so the usual case is one copy.
        """
        small = calls.small[first:last]
        if all(small):
            self._values[: last - first] = calls.bytes[first:last]
        elif not any(small):
            self._values[: last - first] = calls.numbers[first:last]
        else:
            for row, call in enumerate(range(first, last)):
                self._values[row] = calls.bytes[call] if small[row] else calls.numbers[call]
        self.rules[: last - first, 2] = calls.codes[first:last]

    def refuse(self, row: int, *, weights: bool) -> None:
        """Raise the error that a single run raises for the values of a row."""
        given = _simulation.returned_by(self._item, self._bars, self._values[row].copy(), [])
        _simulation.decided_by(self._item, given, [], weights=weights)


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


def each(columns: Mapping[str, list[Any]], places: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Parameters of configurations, one after the other."""
    names = list(columns)
    if not names:
        return iter([{} for _ in places])
    lists = [[column[place] for place in places] for column in columns.values()]
    return (dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True))


def run_calls(batch: Any, params: Mapping[str, Any], settings: Any, out: FloatArray, done: Any) -> None:
    """Run a `Batch` of a Python function: called for one configuration after the other, simulated beside that.

    Configurations are run in the order of `spread`, as their functions may differ in what they take.
    """
    item, bars, team = batch.strategy, batch.bars, batch.team
    columns, code = check_columns(item, params), _code(item, settings)
    most = min(_CALLS, max(_CALLS_BYTES // (8 * len(bars)), 1), len(out))
    calls, others = (Calls(item, bars, code, batch.notes, most) for _ in range(2))
    rows = Rows(item, bars, most if team.threads > 1 else min(_ROWS, most))
    finished = _Finished(batch, rows, columns, settings, out, done)
    order = spread(len(out))
    configurations, begun, wait = each(columns, order.tolist()), 0, team.begin(lambda: None)
    while begun < len(out):
        try:
            last = begun + calls.run(configurations, time.perf_counter() + _REPORT)
        except Exception as error:
            raise_told(error, columns, int(order[begun + calls.at]))
        wait()
        wait = team.begin(functools.partial(finished.take, calls, order[begun:last]))
        calls, others, begun = others, calls, last
    wait()


def _code(item: SignalStrategy, settings: Any) -> int:
    """How the kernel reads what a function returned."""
    if settings.rows(0, 1)[0][t.WEIGHT_TARGETS] != 0.0:
        return WEIGHTS
    return SIGNALS if item.returns == "signals" else SIDES


@dataclass(frozen=True, slots=True)
class _Finished:
    """What is done with the values of finished calls."""

    batch: Any
    rows: Rows
    columns: Mapping[str, list[Any]]
    settings: Any
    out: FloatArray
    done: Any

    def take(self, calls: Calls, places: IntArray) -> None:
        """Simulate what was returned for some configurations."""
        size = len(self.rows)
        calls.look()
        for first in range(0, calls.used, size):
            last = min(first + size, calls.used)
            self.rows.fill(calls, first, last)
            self._simulate(places[first:last])
        calls.used = 0

    def _simulate(self, places: IntArray) -> None:
        batch, rows, count = self.batch, self.rows, len(places)
        room, calendar = batch._scratch(), batch._calendar(self.settings)
        found, own = room.results[:count], self.settings.at(places)
        batch._kernel(calendar, rows.plane, rows.stride, rows.rules[:count], own, room, found)
        for row in np.flatnonzero(np.isnan(found[:, 0])):
            with told(self.columns, int(places[row])):
                rows.refuse(int(row), weights=_code(batch.strategy, self.settings) == WEIGHTS)
        self.out[places] = found[:, batch._places]
        if self.done is not None:
            self.done(count, found[:, batch._places[0]])
