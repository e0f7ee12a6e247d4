"""Indicator rows of a sweep: each unique one is computed once, and configurations point to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from peak_fast._strategy import Row, RuleStrategy
from peak_fast.data import Bars
from peak_fast.strategies.rows import Key, check_kind, compute_group, groups_of, stride_of
from peak_fast.sweep.threads import run_all
from peak_kernels.decide import RULE_SIZE

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]


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
        self.plane = np.empty((capacity, self.stride))
        self._places: dict[Key, int] = {}

    @property
    def flat(self) -> FloatArray:
        """The plane as the kernel takes it."""
        return self.plane.reshape(-1)

    def ensure(self, keys: Iterable[Key], pool: Executor | None = None) -> None:
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
        first = len(self._places)
        jobs = [
            ([missing[k] for k in group], [self.plane[first + k] for k in group])
            for group in groups_of(missing)
        ]
        if pool is None or len(jobs) < 2:
            for job in jobs:
                self._compute(job)
        else:
            # One group of each kind first: it compiles its kernel once, the rest find it ready.
            kinds = {job[0][0][0]: number for number, job in reversed(list(enumerate(jobs)))}
            for number in kinds.values():
                self._compute(jobs[number])
            firsts = set(kinds.values())
            run_all(pool, self._compute, [job for number, job in enumerate(jobs) if number not in firsts])
        self._places.update({key: first + k for k, key in enumerate(missing)})

    def _compute(self, job: tuple[list[Key], list[FloatArray]]) -> None:
        compute_group(self.bars, *job)

    def place(self, key: Key) -> int:
        """Number of a row that `ensure` computed."""
        return self._places[key]


def row_keys(row: Row, columns: Mapping[str, Any], count: int) -> tuple[list[Key], IntArray]:
    """Distinct keys of one operand over ``count`` configurations, and which of them each one uses."""
    check_kind(row.kind, len(row.args))
    keys: list[tuple[Any, ...]] = [()]
    chosen: IntArray = np.zeros(count, np.int64)
    for argument in row.args:
        if not isinstance(argument, str):
            keys = [(*key, argument) for key in keys]
            continue
        values, codes = np.unique(np.asarray(columns[argument]), return_inverse=True)
        plain = values.tolist()
        keys = [(*key, value) for key in keys for value in plain]
        chosen = chosen * len(plain) + codes
    if len(row.args) > 1:
        # Not every combination of the arguments' values need occur.
        present, chosen = np.unique(chosen, return_inverse=True)
        keys = [keys[number] for number in present.tolist()]
    return [(row.kind, *key) for key in keys], chosen


class RulePlan:
    """Rules of many configurations: which rows each compares, as the kernel reads them."""

    def __init__(self, strategy: RuleStrategy, columns: Mapping[str, Any], count: int) -> None:
        self._count = count
        switch = strategy.short_switch
        self._shorts = None if switch is None else np.asarray(columns[switch]).astype(bool)
        # Rows of the short side are not computed where no configuration goes short.
        used = 4 if self._shorts is None or self._shorts.any() else 2
        self._conditions = strategy.conditions[:used]
        rows = {row for c in self._conditions if c is not None for row in (c.x, c.y)}
        self._operands = {row: row_keys(row, columns, count) for row in rows}

    def keys(self) -> list[Key]:
        """All distinct rows that the configurations need."""
        return [key for keys, _ in self._operands.values() for key in keys]

    def table(self, cache: RowCache) -> IntArray:
        """int64[configurations, RULE_SIZE] with the places of the rows in the cache."""
        rules = np.full((self._count, RULE_SIZE), -1, np.int64)
        places = {
            row: np.array([cache.place(key) for key in keys], np.int64)[chosen]
            for row, (keys, chosen) in self._operands.items()
        }
        for number, condition in enumerate(self._conditions):
            if condition is None:
                continue
            cell = number * 3
            rules[:, cell] = places[condition.x]
            rules[:, cell + 1] = places[condition.y]
            rules[:, cell + 2] = condition.code
        if self._shorts is not None:
            rules[~self._shorts, 6:] = -1
        return rules


def capacity_for(bars: Bars, keys: Sequence[Key] | int, budget: int) -> int:
    """Rows of a plane: as many as there are keys, or as fit into ``budget`` bytes."""
    wanted = keys if isinstance(keys, int) else len(keys)
    return max(1, min(wanted, budget // (stride_of(len(bars)) * 8)))
