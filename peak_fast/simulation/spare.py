"""Memory of tables that nobody uses any more, for the next ones: new pages cost more to map than to fill."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from peak_kernels.arrays import FloatArray

# A loop that keeps its last result until the next is there needs two tables in turn.
MOST = 2
# Smaller ones are no trouble to the allocator; larger ones go back to the system.
LEAST_BYTES, MOST_BYTES = 512 << 10, 48 << 20
_spare: deque[FloatArray] = deque(maxlen=MOST)


class _Lent:
    """Memory lent to one table; it is given back when neither the table nor a view of it is left."""

    __slots__ = ("__array_interface__", "_give_back", "_memory")

    def __init__(self, memory: Any, shape: tuple[int, int], give_back: Callable[[Any], None]) -> None:
        # Held by each loan: names of modules may be gone when the interpreter ends.
        self._memory, self._give_back = memory, give_back
        whole: Any = np.frombuffer(memory, np.float64)
        self.__array_interface__ = {**whole.__array_interface__, "shape": shape}

    def __del__(self) -> None:
        self._give_back(self._memory)


def lent(memory: Any, shape: tuple[int, int], give_back: Callable[[Any], None]) -> FloatArray:
    """float64 of a shape in memory that goes to ``give_back`` once neither it nor a view of it is left.

    Parameters
    ----------
    memory
        Anything with a buffer of at least that many bytes.
    """
    # The ``base`` of every view is the array made here, and the base of that is what is lent.
    made: FloatArray = np.asarray(_Lent(memory, shape, give_back))
    return made


def table_of(rows: int, columns: int) -> FloatArray:
    """float64[rows, columns] of any content, for one owner; its memory may have been another table's."""
    size = rows * columns
    if not LEAST_BYTES <= 8 * size <= MOST_BYTES:
        return np.empty((rows, columns))
    return lent(_taken(size), (rows, columns), _spare.append)


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
