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
from peak_fast.data import Bars, aligned, calendar_of_bars, known_part
from peak_fast.errors import PeakFastError, StrategyError
from peak_fast.indicators import BLOCK
from peak_fast.params import feasible_mask
from peak_fast.strategies import SignalStrategy, complete_params
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


class Calls:
    """What a function returns for a few configurations, one after the other.

    What is done here takes the user's time, and what it touches his place in the processor's caches: hence as little
    as possible.  The rest is for `Rows`, which another thread may fill.

    Parameters
    ----------
    item, bars
        The function and what it is called with.
    code
        How values are read: ``WEIGHTS``, ``SIGNALS`` or ``SIDES``.
    notes
        Gets what a function's values were understood as, each sentence once.
    most
        Calls whose values are kept.
    """

    def __init__(
        self, item: SignalStrategy, bars: Bars, code: int, notes: dict[str, None], most: int
    ) -> None:
        self._item, self._bars, self._notes, self._code = item, bars, notes, code
        self._count = len(bars)
        self._calendar = calendar_of_bars(bars, derived=True)
        self._unsold = _simulation.unsold_note(item)
        # Sides and signals take a byte each, other numbers eight.
        self.bytes, self.numbers = np.zeros((most, self._count), np.int8), np.empty((most, 0))
        self.codes, self.small, self._gaps = [code] * most, [True] * most, [0] * most
        self.used = 0

    def call(self, params: dict[str, Any]) -> None:
        """Call the function and keep what it returned."""
        row = self.used
        returned = _simulation.call_function(self._item, self._bars, params)
        usual = None
        kind: Any = type(returned)
        if _is_series(kind) and not self._calendar.moved and len(returned) == self._count:
            usual = known_part(returned)
        gap, values, boolean = usual or (0, *self._read(returned))
        self._keep(row, gap, values)
        code = self._code
        if code == SIGNALS:
            if boolean:
                code = SIDES
                self._notes[_simulation.held_note(self._item)] = None
            elif self._unsold not in self._notes and (values == 1).any() and not (values == -1).any():
                self._notes[self._unsold] = None
        self.codes[row] = code
        self.used = row + 1

    def _keep(self, row: int, gap: int, values: Any) -> None:
        """Copy values into a row, 0 before the first: it asks for nothing, and is what a row begins with."""
        small = self.small[row] = values.dtype.char in "b?"
        if small:
            table: Any = self.bytes
        else:
            if not self.numbers.size:
                self.numbers = np.zeros(self.bytes.shape)
            table = self.numbers
            if values[-1] != values[-1] and np.isnan(values).all():
                nothing = np.full(self._count, np.nan)
                self._notes.update(dict.fromkeys(_simulation.silent_note(self._item, nothing)))
        table[row, gap:] = values
        if gap > self._gaps[row]:
            table[row, :gap] = 0
        self._gaps[row] = gap

    def _read(self, returned: Any) -> tuple[Any, bool]:
        """Values of any kind, one a bar, and whether they are truth values.

        They are a copy, as a function may return the same memory again and again.
        """
        notes: list[str] = []
        values = aligned(
            returned, self._calendar, _simulation.function_name(self._item), notes, StrategyError
        )
        if hasattr(values, "to_numpy"):
            values = values.to_numpy()
        plain = isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iuf"
        if plain and len(values) == self._count:
            values, boolean = values.copy(), False
        else:
            notes.clear()
            values, boolean = _simulation.returned_by(self._item, self._bars, returned, notes)
            values = values.copy()
        if notes:
            self._notes.update(dict.fromkeys(notes))
        return values, boolean


class Rows:
    """Memory from which the kernel reads decisions: one row of values for each of a few configurations."""

    def __init__(self, item: SignalStrategy, bars: Bars, rows: int) -> None:
        self._item, self._bars = item, bars
        self.stride = ROW_OFFSET + len(bars) + BLOCK
        table = np.zeros((rows, self.stride))
        self.plane = table.reshape(-1)
        self._values = table[:, ROW_OFFSET : ROW_OFFSET + len(bars)]
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


@functools.cache
def _is_series(kind: Any) -> bool:
    """Whether it is Polars' type of columns."""
    return bool(kind.__name__ == "Series" and kind.__module__.startswith("polars."))


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


def each(columns: Mapping[str, list[Any]], places: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Places of configurations with their parameters, one after the other."""
    names, lists = list(columns), list(columns.values())
    for place in places:
        yield place, dict(zip(names, [column[place] for column in lists], strict=True))


def run_calls(batch: Any, params: Mapping[str, Any], settings: Any, out: FloatArray, done: Any) -> None:
    """Run a `Batch` of a Python function: called for one configuration after the other, simulated beside that.

    Configurations are run in the order of `spread`, as their functions may differ in what they take.
    """
    item, bars, team = batch.strategy, batch.bars, batch.team
    columns, code = check_columns(item, params), _code(item, settings)
    most = min(_CALLS, max(_CALLS_BYTES // (8 * len(bars)), 1), len(out))
    tables = [Calls(item, bars, code, batch.notes, most) for _ in range(2)]
    rows = Rows(item, bars, most if team.threads > 1 else min(_ROWS, most))
    finished = _Finished(batch, rows, columns, settings, out, done)
    order = spread(len(out))
    due, wait = time.perf_counter() + _REPORT, team.begin(lambda: None)
    for number, (place, values) in enumerate(each(columns, order.tolist()), start=1):
        calls = tables[0]
        try:
            calls.call(values)
        except Exception as error:
            raise_told(error, columns, place)
        if calls.used < most and number < len(out) and time.perf_counter() < due:
            continue
        wait()
        wait = team.begin(functools.partial(finished.take, calls, order[number - calls.used : number]))
        tables.reverse()
        due = time.perf_counter() + _REPORT
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
