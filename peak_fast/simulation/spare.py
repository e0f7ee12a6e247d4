"""Memory of tables that nobody uses any more, for the next ones: new pages cost more to map than to fill."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from peak_kernels.arrays import FloatArray

# A loop that keeps its last result until the next is there needs two tables in turn.
MOST = 2
# Smaller ones are no trouble to the allocator; larger ones go back to the system.
LEAST_BYTES, MOST_BYTES = 512 << 10, 48 << 20
_spare: deque[FloatArray] = deque(maxlen=MOST)


class _Lent:
    """Memory lent to one table; it is spare again when neither the table nor a view of it is left."""

    __slots__ = ("__array_interface__", "_memory")

    def __init__(self, memory: FloatArray, shape: tuple[int, int]) -> None:
        self._memory = memory
        self.__array_interface__ = {**memory.__array_interface__, "shape": shape}

    def __del__(self, give_back: Callable[[FloatArray], None] = _spare.append) -> None:
        give_back(self._memory)


def table_of(rows: int, columns: int) -> FloatArray:
    """float64[rows, columns] of any content, for one owner; its memory may have been another table's."""
    size = rows * columns
    if not LEAST_BYTES <= 8 * size <= MOST_BYTES:
        return np.empty((rows, columns))
    # The ``base`` of every view is the array made here, and the base of that is what is lent.
    table: FloatArray = np.asarray(_Lent(_taken(size), (rows, columns)))
    return table


def _taken(size: int) -> FloatArray:
    """Spare memory of this size, else new; spare memory of another size goes, so that none stays for good."""
    for _ in range(MOST):
        try:
            memory = _spare.popleft()
        except IndexError:
            break
        if memory.size == size:
            return memory
    return np.empty(size)
