"""Which configurations of a product of axes meet conditions, without looking at each of them.

Conditions concern few axes: ``fast < slow`` is asked once for every pair of ``fast`` and ``slow``, whatever else
varies. Axes from the first concerned one to the last form a span; what lies before and behind it multiplies its
configurations. How many there are is counted first, from tables of single groups of conditions or, for a comparison
of two axes, from their sorted values. The list of those that are kept is made when somebody wants a configuration.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from peak_fast.errors import ConfigError
from peak_fast.sweep.grid.axis import Array
from peak_fast.sweep.grid.filters import Filter, Group, Mask
from peak_fast.sweep.grid.selection import BLOCK, Selection
from peak_fast.sweep.grid.source import Numbers, Product

MOST_ASKED = 1 << 32
"""So many configurations, or tuples of values, are asked one by one at most: some minutes."""

_TABLE = 1 << 24


def check_askable(total: int, text: str) -> None:
    """Raise ConfigError where conditions would have to be asked too often.

    Parameters
    ----------
    total
        How often.
    text
        The conditions.
    """
    if total > MOST_ASKED:
        raise ConfigError(
            f"expected conditions that are asked at most {MOST_ASKED:,} times; {text} would be asked {total:,} "
            "times; list fewer values, sample with Grid.random, or write comparisons of two parameters as text, "
            "all of them in one constraint=[...]"
        )


class Spanned:
    """Kept numbers of a product of axes.

    Parameters
    ----------
    conditions
        What must be met.
    sizes
        Lengths of the axes.
    """

    def __init__(self, conditions: Filter, sizes: Sequence[int]) -> None:
        self._conditions = conditions
        self._sizes = tuple(sizes)
        groups = conditions.groups()
        self._groups = [group for group in groups if group.axes]
        concerned = frozenset[int]().union(*(group.axes for group in groups))
        self._first, self._end = (min(concerned), max(concerned) + 1) if concerned else (0, 0)
        self._outer = math.prod(sizes[: self._first])
        self._span = math.prod(sizes[self._first : self._end])
        self._inner = math.prod(sizes[self._end :])
        self._tables: dict[Group, Mask] = {}
        self._selection: Selection | None = None
        holds = all(bool(self._ask(group, ())[0]) for group in groups if not group.axes)
        self._count = self._counted() if holds else 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes that the list of kept configurations takes."""
        return 0 if self._selection is None else self._selection.nbytes

    def _ask(self, group: Group, codes: Sequence[Array]) -> Mask:
        """Answers of a group's conditions for codes of its axes, ascending."""
        rows = len(codes[0]) if codes else 1
        columns = [np.zeros(rows, dtype=np.int64) for _ in self._sizes]
        for number, code in zip(sorted(group.axes), codes, strict=True):
            columns[number] = code
        return self._conditions.mask(columns, group)

    def _size(self, group: Group) -> int:
        return math.prod(self._sizes[number] for number in group.axes)

    def _counted(self) -> int:
        """How many configurations of the whole product are kept."""
        count = self._outer * self._inner
        concerned = frozenset[int]().union(*(group.axes for group in self._groups))
        count *= math.prod(self._sizes[k] for k in range(self._first, self._end) if k not in concerned)
        for group in self._groups:
            found = self._pairs(group)
            if found is None and self._size(group) > _TABLE:
                check_askable(self._span, self._conditions.text)
                return self._outer * self._inner * len(self._listed())
            count *= int(np.count_nonzero(self._table(group))) if found is None else found
        return count

    def _table(self, group: Group) -> Mask:
        """Answers for every tuple of values of a group's axes, the last axis counting fastest."""
        if group not in self._tables:
            product = Product([self._sizes[number] for number in sorted(group.axes)])
            answers = np.empty(product.total, dtype=np.bool_)
            for start in range(0, product.total, BLOCK):
                numbers = np.arange(start, min(start + BLOCK, product.total), dtype=np.int64)
                answers[start : start + BLOCK] = self._ask(group, product.codes(numbers))
            self._tables[group] = answers
        return self._tables[group]

    def _pairs(self, group: Group) -> int | None:
        """Number of pairs that meet one comparison of two axes of numbers, by sorting; None for anything else."""
        if len(group.axes) != 2 or len(group.constraints) != 1 or group.resting:
            return None
        order = self._conditions.constraints[group.constraints[0]].order
        if order is None or self._size(group) <= _TABLE:
            return None
        axes = {self._conditions.axes[number].name: number for number in group.axes}
        left, right = order.left_names & set(axes), order.right_names & set(axes)
        if len(left) != 1 or len(right) != 1 or left == right:
            return None
        chosen = [self._conditions.axes[axes[name]] for name in (*left, *right)]
        if not all(axis.is_numeric for axis in chosen):
            return None
        values = {**self._conditions.defaults, **{axis.name: axis.values for axis in chosen}}
        smaller, larger = np.asarray(order.left(values)), np.asarray(order.right(values))
        if smaller.dtype.kind not in "if" or larger.dtype.kind not in "if":
            return None
        kind = np.result_type(smaller, larger)
        smaller, larger = smaller.astype(kind), larger.astype(kind)
        smaller, larger = smaller[smaller == smaller], np.sort(larger[larger == larger])
        below = np.searchsorted(larger, smaller, side="right" if order.is_strict else "left")
        return int(len(larger) * len(smaller) - below.sum(dtype=np.int64))

    def _listed(self) -> Selection:
        """The kept configurations of the span."""
        if self._selection is None:
            check_askable(self._span, self._conditions.text)
            product = Product(self._sizes[self._first : self._end])
            selection = Selection()
            for start in range(0, self._span, BLOCK):
                numbers = np.arange(start, min(start + BLOCK, self._span), dtype=np.int64)
                selection.append(self._kept(product.codes(numbers)))
            self._selection = selection
            self._tables = {}
        return self._selection

    def _kept(self, codes: Sequence[Array]) -> Mask:
        """Which configurations of the span, given as codes of its axes, are kept."""
        kept = np.ones(len(codes[0]), dtype=np.bool_)
        for group in self._groups:
            numbers = sorted(group.axes)
            mine = [codes[number - self._first] for number in numbers]
            if self._size(group) > _TABLE or self._size(group) == self._span:
                kept &= self._ask(group, mine)
                continue
            place = np.zeros(len(kept), dtype=np.int64)
            for number, code in zip(numbers, mine, strict=True):
                place = place * self._sizes[number] + code
            kept &= self._table(group)[place]
        return kept

    def at(self, positions: npt.NDArray[np.int64]) -> Numbers:
        """Numbers in the whole product of the configurations at given positions below ``len(self)``."""
        selection = self._listed()
        upper, inner = np.divmod(positions, self._inner)
        outer, place = np.divmod(upper, len(selection))
        numbers: Numbers = (outer * self._span + selection.at(place)) * self._inner + inner
        return numbers

    def update(self, digest: hashlib.blake2b) -> None:
        """Feed the kept numbers to a hash."""
        if self._outer * self._inner != 1:
            digest.update(f"{self._outer} {self._inner}".encode())
        self._listed().update(digest)
