"""Eight bytes for each configuration, made of columns, so that a hundred thousand cost a few milliseconds.

A configuration is a set of named values in a context (data, strategy, settings).  Its hash is the finished sum, modulo
2^64, of the hashes of its parts, so the order of parameters does not matter, and a grid, a study and a single run give
the same configuration the same hash.  Two of a million different ones have the same hash with a probability of 3e-8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_kernels.arrays import FloatArray

Hashes = NDArray[np.uint64]


def context_hash(*parts: Any) -> np.uint64:
    """Hash of texts and plain values in order."""
    return np.uint64(int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "little"))


def column_hashes(columns: Mapping[str, Any], count: int) -> Hashes:
    """Sum of the hashes of named values, ``uint64[count]``; a column is an array, or one value for all."""
    total = np.zeros(count, dtype=np.uint64)
    for name, column in columns.items():
        if np.ndim(column) == 0:
            total += _of_value(name, column)
            continue
        values, codes = _distinct(np.asarray(column))
        total += np.array([_of_value(name, value) for value in values], dtype=np.uint64)[codes]
    return total


def vector_hashes(rows: FloatArray) -> Hashes:
    """Hash of each row of numbers: their bits, each mixed with its place; 0 has one sign and NaN one form."""
    numbers = np.where(np.isnan(rows), np.nan, rows + 0.0)
    bits = np.ascontiguousarray(numbers).view(np.uint64)
    places = np.arange(1, rows.shape[1] + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    if len(rows) == 1:
        return np.asarray(_mixed(bits + places).sum(axis=1), dtype=np.uint64)
    total = np.zeros(len(rows), dtype=np.uint64)
    for place in range(rows.shape[1]):
        column = bits[:, place]
        same = bool((column == column[0]).all()) if len(column) else True
        total += _mixed(column[:1] + places[place]) if same else _mixed(column + places[place])
    return total


def finished_hashes(context: np.uint64, parts: Hashes) -> Hashes:
    """Hashes of configurations from the sums of their parts."""
    return _mixed(parts + context)


def _mixed(values: Hashes) -> Hashes:
    """The finisher of SplitMix64 (Steele, Lea & Flood 2014)."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Hashes = mixed ^ (mixed >> np.uint64(31))
    return found


def _of_value(name: str, value: Any) -> np.uint64:
    return context_hash(name, _plain(value))


def _plain(value: Any) -> Any:
    """A value without its NumPy type; whole floats as whole numbers, as grids and single runs write the same."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    return plain


def _distinct(column: NDArray[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """Distinct values of a column, and where each row has its own."""
    if column.dtype.kind in "iufb":
        values, codes = np.unique(column, return_inverse=True)
        return list(values), codes.astype(np.int64)
    places: dict[str, int] = {}
    held: list[Any] = []
    codes = np.empty(len(column), dtype=np.int64)
    for row, value in enumerate(column):
        key = repr(_plain(value))
        if key not in places:
            places[key] = len(held)
            held.append(value)
        codes[row] = places[key]
    return held, codes
