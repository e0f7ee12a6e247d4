"""Where the codes of a grid come from: a product of axes, a stored table, or another grid."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from peak_fast.errors import ConfigError
from peak_fast.sweep.grid.axis import Array

Numbers = npt.NDArray[np.int64]


class Source(Protocol):
    """Codes of configurations by number, before any constraint."""

    total: int

    def codes(self, numbers: Numbers) -> list[Array]:
        """One array of codes per axis."""

    def update(self, digest: hashlib.blake2b) -> None:
        """Feed the content to a hash."""


class Product:
    """Every combination of the axes; the last axis counts fastest."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self.total = 1
        for size in sizes:
            self.total *= size
        if self.total >= 2**62:
            raise ConfigError(
                f"expected fewer than 2**62 configurations; got {self.total:,}; "
                "list fewer values or sample with Grid.random"
            )

    def codes(self, numbers: Numbers) -> list[Array]:
        result: list[Array] = []
        rest = numbers
        for size in reversed(self.sizes):
            upper = rest // size
            result.append(rest - upper * size)
            rest = upper
        return result[::-1]

    def update(self, digest: hashlib.blake2b) -> None:
        digest.update(b"product")


class Table:
    """Listed configurations: one stored code per value."""

    def __init__(self, codes: Sequence[Array]) -> None:
        self._codes = [np.ascontiguousarray(column) for column in codes]
        self.total = len(codes[0])

    def codes(self, numbers: Numbers) -> list[Array]:
        return [column[numbers] for column in self._codes]

    def part(self, start: int, stop: int) -> list[Array]:
        """Codes of the configurations ``[start, stop)``, as views."""
        return [column[start:stop] for column in self._codes]

    def update(self, digest: hashlib.blake2b) -> None:
        digest.update(b"table")
        for column in self._codes:
            digest.update(column.dtype.str.encode() + column.tobytes())


class _Configurations(Protocol):
    """What another grid must offer to be built upon."""

    @property
    def hash(self) -> str:
        """Hash of the content."""

    def __len__(self) -> int: ...

    def codes_at(self, numbers: Numbers) -> list[Array]:
        """Codes of configurations by number."""


class Nested:
    """The configurations of another grid."""

    def __init__(self, inner: _Configurations) -> None:
        self._inner = inner
        self.total = len(inner)

    def codes(self, numbers: Numbers) -> list[Array]:
        return self._inner.codes_at(numbers)

    def update(self, digest: hashlib.blake2b) -> None:
        digest.update(b"nested" + self._inner.hash.encode())


class Crossed:
    """Another grid repeated for every value of one more axis, which counts slowest."""

    def __init__(self, size: int, inner: _Configurations) -> None:
        self._inner = inner
        self._period = len(inner)
        self.total = size * len(inner)
        if self.total >= 2**62:
            raise ConfigError(
                f"expected fewer than 2**62 configurations; got {self.total:,}; list fewer values"
            )

    def codes(self, numbers: Numbers) -> list[Array]:
        outer = numbers // self._period
        return [outer, *self._inner.codes_at(numbers - outer * self._period)]

    def update(self, digest: hashlib.blake2b) -> None:
        digest.update(b"crossed" + self._inner.hash.encode())
