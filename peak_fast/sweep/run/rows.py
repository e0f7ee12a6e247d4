"""Indicator rows of a sweep: each unique one is computed once, and configurations point to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.indicators import Key, check_kind, compute_group, groups_of, stride_of
from peak_fast.strategies import Row, RuleStrategy
from peak_fast.sweep.run.planes import plane_memory
from peak_fast.sweep.run.threads import Team
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.slots import RULE_SIZE

# Bars of rows that one call computes: long enough to hide the call, short enough to be shared between threads.
_GROUP_BARS = 100_000
# Calls that each thread makes at least, so that all end at about the same time.
_GROUPS = 8
# Numbers of rows that one thread computes sooner than it wakes another.
_FEW = 1 << 15
# Bytes of rows that lie in the processor's last cache at the same time.
_LARGE_PLANE = 16 << 20


class PlaneFull(Exception):
    """More rows are needed at once than fit; the caller takes fewer configurations."""


class RowCache:
    """Indicator rows in one plane of memory.

    Parameters
    ----------
    bars
        Prices.
    capacity
        Most rows that are kept at a time.  Memory is taken as rows are written.
    """

    def __init__(self, bars: Bars, capacity: int) -> None:
        self.bars = bars
        self.stride = stride_of(len(bars))
        self.plane = plane_memory(capacity, self.stride)
        self._places: dict[Key, int] = {}

    @property
    def flat(self) -> FloatArray:
        """The plane as the kernel takes it."""
        return self.plane.reshape(-1)

    @property
    def last_values(self) -> FloatArray:
        """Values of the rows that are there at the last bar."""
        return self.plane[: len(self._places), len(self.bars) - 1]

    def ensure(self, keys: Iterable[Key], team: Team) -> None:
        """Compute the rows that are missing; nobody may read the plane meanwhile.

        Raises
        ------
        PlaneFull
            The rows of these keys alone exceed the capacity.
        """
        wanted = list(dict.fromkeys(keys))
        missing = [key for key in wanted if key not in self._places]
        if len(self._places) + len(missing) > len(self.plane):
            if len(wanted) > len(self.plane):
                raise PlaneFull
            self._places.clear()
            missing = wanted
        few = len(missing) * self.stride <= _FEW
        most = _GROUP_BARS // self.stride
        if not few:
            most = min(most, len(missing) // (_GROUPS * team.threads))
        groups = groups_of(missing, max(1, most))
        first = len(self._places)
        jobs = []
        places: dict[Key, int] = {}
        for group in groups:
            begin = first + len(places)
            jobs.append((group, self.plane[begin : begin + len(group)]))
            places.update(zip(group, range(begin, begin + len(group)), strict=True))
        if few:
            for job in jobs:
                self._compute(*job)
        else:
            team.share(lambda job: self._compute(*job), jobs)
        self._places.update(places)

    def _compute(self, keys: Sequence[Key], rows: FloatArray) -> None:
        """Write the rows of keys that share work."""
        compute_group(self.bars, keys, rows)

    def place(self, key: Key) -> int:
        """Number of a row that `ensure` computed."""
        return self._places[key]


def _distinct(column: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], IntArray]:
    """Sorted distinct values and, for each element, which of them it is; as `numpy.unique` but without sorting."""
    if column.dtype.kind == "i" and column.size:
        low, high = int(column.min()), int(column.max())
        if high - low <= 4 * column.size:
            present, places = np.zeros(high - low + 1, bool), column - low
            present[places] = True
            return np.flatnonzero(present) + low, (np.cumsum(present) - 1).take(places)
    return np.unique(column, return_inverse=True)


def row_keys(row: Row, columns: Mapping[str, Any], count: int) -> tuple[list[Key], IntArray]:
    """Distinct keys of one operand over ``count`` configurations, and which of them each one uses."""
    check_kind(row.kind, len(row.args))
    keys: list[tuple[Any, ...]] = [()]
    chosen: IntArray = np.zeros(0, np.int64)
    for argument in row.args:
        if not isinstance(argument, str):
            keys = [(*key, argument) for key in keys]
            continue
        values, codes = _distinct(np.asarray(columns[argument]))
        plain = values.tolist()
        keys = [(*key, value) for key in keys for value in plain]
        chosen = chosen * len(plain) + codes if chosen.size else codes
    if not chosen.size:
        return [(row.kind, *keys[0])], np.zeros(count, np.int64)
    if len(row.args) > 1:
        # Not every combination of the arguments' values need occur.
        present, chosen = _distinct(chosen)
        keys = [keys[number] for number in present.tolist()]
    return [(row.kind, *key) for key in keys], chosen


class RulePlan:
    """Rules of many configurations: which rows each compares, as the kernel reads them."""

    def __init__(self, strategy: RuleStrategy, columns: Mapping[str, Any], count: int) -> None:
        switch = strategy.short_switch
        self._shorts = None if switch is None else np.asarray(columns[switch]).astype(bool)
        # Rows of the short side are not computed where no configuration goes short.
        used = 4 if self._shorts is None or self._shorts.any() else 2
        self._conditions = strategy.conditions[:used]
        used_rows = (row for c in self._conditions if c is not None for row in (c.x, c.y))
        self._operands = {row: row_keys(row, columns, count) for row in dict.fromkeys(used_rows)}
        self._places: dict[Row, IntArray] = {}

    def keys(self) -> list[Key]:
        """All distinct rows that the configurations need."""
        return [key for keys, _ in self._operands.values() for key in keys]

    def place(self, cache: RowCache) -> None:
        """Look up where the cache keeps the rows; it holds until the cache is asked for others."""
        self._places = {
            row: np.array([cache.place(key) for key in keys], np.int64)
            for row, (keys, _) in self._operands.items()
        }

    def silent(self, cache: RowCache) -> tuple[int, list[Key]]:
        """Configurations with a condition that compares a row without any value, and such rows."""
        bars, names = len(cache.bars), dict[Key, None]()
        # One look where rows have a value at their end, as nearly all have.
        if not np.isnan(cache.last_values).any():
            return 0, []
        without: dict[Row, Any] = {}
        for row, (keys, chosen) in self._operands.items():
            places = self._places[row]
            never = np.isnan(cache.plane[places, bars - 1])
            if never.any():
                never[never] = np.isnan(cache.plane[places[never], :bars]).all(axis=1)
                names.update((keys[number], None) for number in np.flatnonzero(never))
                without[row] = never[chosen]
        if not names:
            return 0, []
        found: Any = False
        for number, condition in enumerate(self._conditions):
            for row in () if condition is None else (condition.x, condition.y):
                mine = without.get(row, False)
                found = found | (mine if number < 2 or self._shorts is None else mine & self._shorts)
        return int(np.count_nonzero(found)), list(names)

    def order(self, size: int) -> IntArray | None:
        """Configurations in an order in which the processor's cache serves them; None where it holds all rows.

        A row that few others are compared with is read once by those that need it, one after the other, while the
        few rows of the other side stay in the cache.  ``size``: bytes of a row.
        """
        varied = [(keys, chosen) for keys, chosen in self._operands.values() if len(keys) > 1]
        if size * sum(len(keys) for keys, _ in varied) < _LARGE_PLANE:
            return None
        varied.sort(key=lambda operand: len(operand[0]))
        return np.lexsort([chosen for _, chosen in varied])

    def table(self, places: Any, count: int) -> IntArray:
        """int64[count, RULE_SIZE]: places of the rows that some configurations compare, a slice or numbers of them."""
        rules = np.full((count, RULE_SIZE), -1, np.int64)
        for number, condition in enumerate(self._conditions):
            if condition is None:
                continue
            cell = number * 3
            for operand in (condition.x, condition.y):
                rules[:, cell] = self._places[operand][self._operands[operand][1][places]]
                cell += 1
            rules[:, cell] = condition.code
        if self._shorts is not None and len(self._conditions) > 2:
            rules[~self._shorts[places], 6:] = -1
        return rules


def capacity_for(bars: Bars, keys: Sequence[Key] | int, budget: int) -> int:
    """Rows of a plane: as many as there are keys, or as fit into ``budget`` bytes."""
    wanted = keys if isinstance(keys, int) else len(keys)
    return max(1, min(wanted, budget // (stride_of(len(bars)) * 8)))
