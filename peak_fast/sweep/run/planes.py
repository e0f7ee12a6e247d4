"""Memory of planes that no sweep uses any more, for the next ones.

The system hands out new pages filled with zeros.  Filling them costs as much as computing rows of indicators into
them, and threads that need pages at the same time wait for each other.  What is spare still belongs to the system,
which takes it when memory is short, without writing it anywhere.
"""

from __future__ import annotations

import mmap
from collections import deque

import numpy as np

from peak_fast.simulation import lent
from peak_kernels.arrays import FloatArray

# Bytes that are kept at most, and the least that is worth it.
MOST_BYTES, LEAST_BYTES = 256 << 20, 512 << 10
# None where the system cannot take spare memory back: then it is returned at once.
_LAZY, _HUGE = getattr(mmap, "MADV_FREE", None), getattr(mmap, "MADV_HUGEPAGE", None)

# No lock: memory is given back wherever the collector of garbage runs.
_spare: deque[mmap.mmap] = deque()


def _give_back(memory: mmap.mmap) -> None:
    """Keep memory, and of what is kept the newest."""
    memory.madvise(_LAZY)  # type: ignore[arg-type]
    _spare.append(memory)
    while sum(map(len, tuple(_spare))) > MOST_BYTES:
        _spare.popleft()


def plane_memory(rows: int, columns: int) -> FloatArray:
    """float64[rows, columns] of any content; its memory may have been another plane's."""
    size = 8 * rows * columns
    if _LAZY is None or not LEAST_BYTES <= size <= MOST_BYTES:
        return np.empty((rows, columns))
    return lent(_taken(size), (rows, columns), _give_back)


def _taken(size: int) -> mmap.mmap:
    """The smallest spare memory that is large enough, else new."""
    found: mmap.mmap | None = None
    for _ in range(len(_spare)):
        try:
            memory = _spare.popleft()
        except IndexError:
            break
        if len(memory) >= size and (found is None or len(memory) < len(found)):
            found, memory = memory, found
        if memory is not None:
            _spare.append(memory)
    if found is None:
        found = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if _HUGE is not None:
            found.madvise(_HUGE)
    return found
