"""Which numbers of a long range were kept: a compact index with access by position.

The range is cut into blocks of 65,536 numbers. A full block costs nothing, a sparse one two bytes per number
kept and a dense one a bit per number, so a million of ten million configurations take about 1.2 MB.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

BLOCK = 65_536
_SPARSE = BLOCK // 16  # below this many numbers, 16-bit offsets are smaller than a bit mask


class Selection:
    """Kept numbers of ``range(total)``, filled block by block in ascending order."""

    def __init__(self) -> None:
        self._blocks: list[npt.NDArray[np.uint16] | npt.NDArray[np.uint8] | None] = []
        self._ends: list[int] = [0]
        self._bounds: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def nbytes(self) -> int:
        """Bytes that the index takes."""
        return sum(0 if block is None else block.nbytes for block in self._blocks) + 8 * len(self._ends)

    def append(self, mask: npt.NDArray[np.bool_]) -> None:
        """Add the next block: bool[65536], shorter only for the last one."""
        count = int(np.count_nonzero(mask))
        if count == BLOCK:
            self._blocks.append(None)
        elif count < _SPARSE:
            self._blocks.append(np.flatnonzero(mask).astype(np.uint16))
        else:
            self._blocks.append(np.packbits(mask))
        self._ends.append(self._ends[-1] + count)
        self._bounds = None

    def _offsets(self, number: int) -> npt.NDArray[np.int64]:
        block = self._blocks[number]
        if block is None:
            return np.arange(BLOCK, dtype=np.int64)
        if block.dtype == np.uint16:
            return block.astype(np.int64)
        return np.flatnonzero(np.unpackbits(block.view(np.uint8)))

    def at(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The kept numbers at given positions below ``len(self)``; position 0 is the smallest number."""
        if self._bounds is None:
            self._bounds = np.array(self._ends, dtype=np.int64)
        blocks = np.searchsorted(self._bounds, positions, side="right") - 1
        result = np.empty(len(positions), dtype=np.int64)
        for number in np.unique(blocks).tolist():
            here = blocks == number
            result[here] = self._offsets(number)[positions[here] - self._ends[number]] + number * BLOCK
        return result

    def update(self, digest: hashlib.blake2b) -> None:
        """Feed the kept numbers to a hash."""
        for block in self._blocks:
            digest.update(b"all" if block is None else block.dtype.str.encode() + block.tobytes())
