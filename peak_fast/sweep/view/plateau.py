"""Averages over the neighbours of every configuration: a lone peak is luck, a plateau is a finding.

Two configurations are neighbours when, in every numeric parameter, their values are at most ``radius`` places
apart in the ordered list of values of the grid, and when all other parameters are equal. None (a stop that is
off) is a neighbour of nothing but itself. In a sample (random, Latin hypercube, Sobol) values hardly ever
repeat, so there each numeric parameter is first cut into bins of equally many configurations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from peak_fast.errors import SweepError
from peak_fast.metrics import higher_is_better
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

Integers = npt.NDArray[np.int64]

_MAX_CELLS = 25_000_000
_MAX_LOOKUPS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Cells:
    """Places of configurations on a lattice.

    Attributes
    ----------
    places : list of numpy.ndarray
        int64[n] per parameter.
    sizes : list of int
        Cells per parameter.
    radii : list of int
        How far neighbours reach per parameter; 0 where values have no order.
    full : float
        Configurations in a neighbourhood that is cut nowhere.
    """

    places: list[Integers]
    sizes: list[int]
    radii: list[int]
    full: float


def lattice(parameters: pl.DataFrame, radius: int, is_full: bool) -> Cells:
    """Place every row of a frame of parameters on a lattice."""
    numeric = [
        name
        for name, dtype in parameters.schema.items()
        if dtype.is_numeric() and parameters[name].n_unique() > 1
    ]
    bins = len(parameters)
    if not is_full and numeric:
        bins = max(2, round(len(parameters) ** (1 / len(numeric))))
    places, sizes, radii, counts = [], [], [], []
    for name in parameters.columns:
        rank, count = _places(parameters[name], bins if name in numeric else len(parameters))
        reach = min(radius, max(count - 1, 0)) if name in numeric else 0
        absent = count + reach  # too far from the last value to be its neighbour
        places.append(rank.fill_null(absent).to_numpy().astype(np.int64))
        sizes.append(absent + 1 if rank.null_count() else count)
        radii.append(reach)
        counts.append(max(count, 1))
    wide = [min(2 * reach + 1, count) for reach, count in zip(radii, counts, strict=True)]
    density = 1.0 if is_full else len(parameters) / math.prod(counts)
    return Cells(places, sizes, radii, max(math.prod(wide) * density, 1.0))


def _places(series: pl.Series, bins: int) -> tuple[pl.Series, int]:
    """Rank of every value among the distinct values, or its bin where those are more than ``bins``."""
    import polars as pl

    rank = series.rank("dense").cast(pl.Int64) - 1
    present = len(series) - series.null_count()
    count = rank.n_unique() - (1 if present < len(series) else 0)
    if count <= bins:
        return rank, count
    order = series.rank("ordinal").cast(pl.Int64) - 1
    return (order * bins) // present, bins


def neighbourhood(cells: Cells, values: FloatArray) -> tuple[FloatArray, Integers]:
    """Mean over the neighbours of every configuration, itself included, and how many they are.

    Parameters
    ----------
    cells
        Where the configurations are.
    values
        float64[n]; those that are not finite are left out of means and counts.

    Returns
    -------
    tuple of numpy.ndarray
        float64[n] means (NaN without any finite neighbour) and int64[n] counts.

    Raises
    ------
    SweepError
        Too many parameters for this radius.
    """
    finite = np.isfinite(values)
    clean = np.where(finite, values, 0.0)
    if math.prod(cells.sizes) <= min(_MAX_CELLS, max(16 * len(values), 1_000_000)):
        sums, counts = _dense(cells, clean, finite)
    else:
        sums, counts = _sparse(cells, clean, finite)
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means, counts.astype(np.int64)


def _keys(cells: Cells) -> Integers:
    keys = np.zeros(len(cells.places[0]), dtype=np.int64)
    for place, size in zip(cells.places, cells.sizes, strict=True):
        keys = keys * size + place
    return keys


def _dense(cells: Cells, clean: FloatArray, finite: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    keys, total = _keys(cells), math.prod(cells.sizes)
    sums: FloatArray = np.bincount(keys, clean, total).astype(np.float64).reshape(cells.sizes)
    counts: FloatArray = np.bincount(keys, finite, total).astype(np.float64).reshape(cells.sizes)
    for axis, reach in enumerate(cells.radii):
        sums, counts = _spread(sums, axis, reach), _spread(counts, axis, reach)
    return sums.reshape(-1)[keys], counts.reshape(-1)[keys]


def _spread(values: FloatArray, axis: int, reach: int) -> FloatArray:
    """Sum over neighbours along one axis; by additions only, so that equal inputs give equal sums."""
    result = values.copy()
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(result, axis, 0)
    for shift in range(1, reach + 1):
        target[shift:] += source[:-shift]
        target[:-shift] += source[shift:]
    return result


def _sparse(cells: Cells, clean: FloatArray, finite: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    shifts = math.prod(2 * reach + 1 for reach in cells.radii)
    if math.prod(cells.sizes) >= 2**62 or shifts * len(clean) > _MAX_LOOKUPS:
        raise SweepError(
            f"expected a grid on which neighbours can be counted; got {len(cells.sizes)} parameters with "
            f"{shifts:,} neighbours each; use a smaller radius or fix some parameters with a filter"
        )
    unique, inverse = np.unique(_keys(cells), return_inverse=True)
    inverse = inverse.reshape(-1)
    cell_sums = np.bincount(inverse, weights=clean, minlength=len(unique))
    cell_counts = np.bincount(inverse, weights=finite, minlength=len(unique))
    sums, counts = np.zeros(len(unique)), np.zeros(len(unique))
    where = _unravel(unique, cells.sizes)
    for shift in itertools.product(*(range(-reach, reach + 1) for reach in cells.radii)):
        moved = [place + step for place, step in zip(where, shift, strict=True)]
        inside = np.logical_and.reduce(
            [(place >= 0) & (place < size) for place, size in zip(moved, cells.sizes, strict=True)]
        )
        keys = np.zeros(len(unique), dtype=np.int64)
        for place, size in zip(moved, cells.sizes, strict=True):
            keys = keys * size + place
        found = np.minimum(np.searchsorted(unique, keys), len(unique) - 1)
        hit = inside & (unique[found] == keys)
        sums += np.where(hit, cell_sums[found], 0.0)
        counts += np.where(hit, cell_counts[found], 0.0)
    return sums[inverse], counts[inverse]


def _unravel(keys: Integers, sizes: list[int]) -> list[Integers]:
    places = []
    for size in reversed(sizes):
        places.append(keys % size)
        keys = keys // size
    return places[::-1]


def plateau_rows(
    table: pl.LazyFrame,
    parameters: Sequence[str],
    metric: str,
    radius: int,
    is_full: bool,
    min_coverage: float,
) -> pl.DataFrame:
    """Configurations by their average over neighbours, best first; see `SweepResult.plateau`."""
    import polars as pl

    rows = table.select("config", *parameters, pl.col(metric).cast(pl.Float64)).collect()
    cells = lattice(rows.select(parameters), radius, is_full)
    means, counts = neighbourhood(cells, rows[metric].to_numpy())
    means = np.where(counts >= min_coverage * cells.full, means, np.nan)
    rows = rows.with_columns(pl.Series(f"{metric}_plateau", means), pl.Series("neighbours", counts))
    key = pl.col(f"{metric}_plateau").fill_nan(None)
    order = [higher_is_better(metric), False]
    return rows.filter(key.is_not_null()).sort([key, pl.col("config")], descending=order)
