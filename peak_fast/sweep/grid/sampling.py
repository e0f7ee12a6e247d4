"""Samples of a space as the parts of a grid: random, Latin hypercube, Sobol.

A space is a schema (list of ``Param``) or a dict that gives, per parameter,

* a pair of numbers as a tuple, ``(5, 100)``: both ends included, whole numbers when both are whole,
* a list, range or array: one of these values,
* a ``Param``: its range, step and logarithmic scale.

Points of the unit cube are mapped to values, so that all three methods honour steps and scales alike. The
same seed gives the same grid. Points that coincide (spaces of few values) are kept once.

References
----------
McKay, Beckman, Conover (1979), "A comparison of three methods for selecting values of input variables",
Technometrics 21(2), doi:10.1080/00401706.1979.10489755. Sobol sequences: Joe, Kuo (2008), SIAM Journal on
Scientific Computing 30(5), doi:10.1137/070709359, as implemented by SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from peak_fast.arguments import is_number, is_whole, seed_of, shown
from peak_fast.errors import ConfigError, require
from peak_fast.params import Param, active_mask, validate_schema
from peak_fast.sweep.grid.axis import Array, Axis, check_name, make_axis
from peak_fast.sweep.grid.filters import Filter
from peak_fast.sweep.grid.parts import Parts, listed, product

_SMALL = 1 << 20
_MOST = 100_000_000
_MAX_DRAWS_PER_POINT = 200


class _Dimension:
    """One parameter of a space: maps [0, 1) to values.

    Attributes
    ----------
    count : int or None
        Number of distinct values; None when continuous.
    """

    def __init__(self, name: str, given: Any) -> None:
        self.name = check_name(name)
        self._axis: Axis | None = None
        self.low, self.high, self.step, self.log = 0.0, 0.0, 1.0, False
        self.whole = False
        self.count: int | None = None
        if isinstance(given, Param) and given.kind in ("int", "float"):
            self._from_param(given)
        elif isinstance(given, tuple) and len(given) == 2 and all(_is_number(end) for end in given):
            low, high = sorted(given)
            self._set_range(low, high, None, False, all(isinstance(end, int | np.integer) for end in given))
        else:
            self._axis = make_axis(name, given.grid() if isinstance(given, Param) else given)
            self.count = len(self._axis)

    def _from_param(self, param: Param) -> None:
        if param.low is None or param.high is None:
            raise ConfigError(
                f"parameter {param.name!r}: expected low and high for sampling; "
                f"got low={param.low}, high={param.high}; give both, or list values"
            )
        self._set_range(param.low, param.high, param.step, param.log, param.kind == "int")

    def _set_range(self, low: float, high: float, step: float | None, log: bool, whole: bool) -> None:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ConfigError(f"parameter {self.name!r}: expected finite bounds; got ({low}, {high})")
        self.low, self.high, self.log, self.whole = low, high, log, whole
        if step is None and not whole:
            return
        self.step = 1 if step is None else step
        self.count = math.floor((high - low) / self.step + 1e-9) + 1

    def values(self, unit: npt.NDArray[np.float64]) -> Array:
        """Values of points in [0, 1)."""
        if self._axis is not None:
            return self._axis.python_values()[(unit * len(self._axis)).astype(np.int64)]
        if self.log:
            return self._log_values(unit)
        if self.count is None:
            return np.minimum(self.low + unit * (self.high - self.low), self.high)
        index = np.minimum((unit * self.count).astype(np.int64), self.count - 1)
        if self.whole:
            return int(self.low) + index * int(self.step)
        # rounded to 12 digits so that 0.1 + 2 * 0.1 is the 0.3 a person would write
        return np.array([float(f"{value:.12g}") for value in (self.low + index * self.step).tolist()])

    def listed(self) -> Array:
        """All values, ascending; only for a dimension that has a count."""
        if self.log:  # equal steps of the unit interval would miss values there
            return np.arange(int(self.low), int(self.high) + 1)
        count = self.count or 1
        return self.values((np.arange(count) + 0.5) / count)

    def _log_values(self, unit: npt.NDArray[np.float64]) -> Array:
        margin = 0.5 if self.whole else 0.0  # every whole number gets the width of its rounding interval
        low, high = math.log(self.low - margin), math.log(self.high + margin)
        values = np.exp(low + unit * (high - low))
        if self.whole:
            values = np.rint(values)
        values = np.clip(values, self.low, self.high)
        return values.astype(np.int64) if self.whole else values


def _is_number(value: Any) -> bool:
    return is_number(value)


def _space(space: Any, schema: Iterable[Param] | None) -> list[_Dimension]:
    schema = None if schema is None else validate_schema(schema)
    if space is None:
        space = list(schema or ())
    if isinstance(space, Mapping):
        dimensions = [_Dimension(name, given) for name, given in space.items()]
    elif isinstance(space, list | tuple) and all(isinstance(item, Param) for item in space):
        dimensions = [_Dimension(item.name, item) for item in space]
    else:
        raise ConfigError(
            f"expected a space as {{'fast': (5, 100), 'kind': ['ema', 'sma']}} or a list of Param; "
            f"got {type(space).__name__}: {space!r}"
        )
    if not dimensions:
        raise ConfigError("expected at least one parameter to sample; got an empty space")
    return dimensions


def _check_n(n: Any) -> int:
    if not is_whole(n) or not 1 <= n <= _MOST:
        raise ConfigError(
            f"expected a positive whole number of configurations; got n={shown(n)}; at most {_MOST:,} are sampled"
        )
    return int(n)


def _schema_of(space: Any, schema: Iterable[Param] | None) -> list[Param] | None:
    if schema is not None:
        return list(schema)
    is_schema = isinstance(space, list | tuple)
    return list(space) if is_schema else None


def _columns(dimensions: list[_Dimension], unit: npt.NDArray[np.float64]) -> dict[str, Array]:
    return {item.name: item.values(unit[:, number]) for number, item in enumerate(dimensions)}


def _distinct(axes: list[Axis], codes: list[Array]) -> npt.NDArray[np.int64]:
    """Numbers of the configurations that differ from all earlier ones, ascending."""
    count = len(codes[0])
    sizes = [len(axis) for axis in axes]
    if max(sizes) == count:
        return np.arange(count, dtype=np.int64)
    if math.prod(sizes) < 2**63:
        keys = np.zeros(count, dtype=np.int64)
        for size, code in zip(sizes, codes, strict=True):
            keys = keys * size + code
        return np.sort(np.unique(keys, return_index=True)[1])
    return np.sort(np.unique(np.stack(codes, axis=1), axis=0, return_index=True)[1])


def _pick(axes: list[Axis], codes: list[Array], numbers: npt.NDArray[np.int64]) -> dict[str, Array]:
    return {axis.name: axis.python_values()[code[numbers]] for axis, code in zip(axes, codes, strict=True)}


def _canonical(columns: dict[str, Array], schema: list[Param] | None) -> dict[str, Array]:
    """The same points with parameters that do not matter at their defaults."""
    conditional = [item for item in schema or () if item.when and item.name in columns]
    if not conditional:
        return columns
    count = len(next(iter(columns.values())))
    rest = {item.name: np.full(count, item.default) for item in schema or () if item.name not in columns}
    active = active_mask(schema or (), {**columns, **rest})
    for item in conditional:
        columns[item.name] = np.where(active[item.name], columns[item.name], item.default)
    return columns


def _accepted(columns: dict[str, Array], constraint: Any, schema: list[Param] | None) -> dict[str, Array]:
    """The rows that meet the constraint (possibly none)."""
    columns = _canonical(columns, schema)
    parts = listed(columns)
    conditions = Filter(constraint, parts.axes, schema)
    if not conditions:
        return columns
    mask = conditions.mask(parts.codes())
    return {name: column[mask] for name, column in columns.items()}


def _from_unit(
    dimensions: list[_Dimension], unit: npt.NDArray[np.float64], constraint: Any, schema: list[Param] | None
) -> Parts:
    """Points of the unit cube, without repetitions and without what a constraint refuses."""
    parts = listed(_canonical(_columns(dimensions, unit), schema), constraint, schema)
    codes = parts.codes()
    numbers = _distinct(parts.axes, codes)
    if len(numbers) == len(codes[0]):
        return parts
    return listed(_pick(parts.axes, codes, numbers), schema=schema)


def random_parts(
    space: Any, n: int, seed: int = 0, constraint: Any = None, schema: Iterable[Param] | None = None
) -> Parts:
    """Exactly ``n`` distinct configurations that meet the constraint, drawn uniformly.

    Parameters
    ----------
    space
        See the module's description.
    n
        Number of configurations.
    seed
        Seed of NumPy's default generator.
    constraint, schema
        See ``Grid.filter``. Configurations that it refuses are drawn again.

    Raises
    ------
    ConfigError
        The space holds fewer than ``n`` configurations, or so few meet the constraint that drawing fails.
    """
    dimensions, items, n = _space(space, schema), _schema_of(space, schema), _check_n(n)
    generator = np.random.default_rng(seed_of(seed))
    counts = [item.count for item in dimensions]
    total = math.prod(count for count in counts if count is not None)
    if None not in counts and total <= max(_SMALL, 4 * n):
        return _random_of_full(dimensions, n, generator, constraint, items)
    columns: dict[str, Array] = {}
    drawn, found, want = 0, 0, n
    while drawn < _MAX_DRAWS_PER_POINT * n + 10_000:
        fresh = _accepted(_columns(dimensions, generator.random((want, len(dimensions)))), constraint, items)
        drawn += want
        columns = {name: np.concatenate([columns[name], fresh[name]]) for name in fresh} if columns else fresh
        if len(columns[dimensions[0].name]):
            parts = listed(columns)
            codes = parts.codes()
            numbers = _distinct(parts.axes, codes)
            found = len(numbers)
            if found >= n:
                return listed(_pick(parts.axes, codes, numbers[:n]), schema=items)
        want = min(max(1024, math.ceil((n - found) * drawn / max(found, 1) * 1.1)), _SMALL)
    raise ConfigError(
        f"expected {n:,} distinct configurations that meet the constraint; got {found:,} in {drawn:,} draws; "
        "loosen the constraint or narrow the space"
    )


def _random_of_full(
    dimensions: list[_Dimension],
    n: int,
    generator: np.random.Generator,
    constraint: Any,
    schema: list[Param] | None,
) -> Parts:
    """Draw without replacement from a space that is small enough to be listed."""
    axes = {item.name: item.listed() for item in dimensions}
    full = product(axes, constraint, None if schema is None else validate_schema(schema))
    codes = full.codes()
    total = len(codes[0])
    if n > total:
        raise ConfigError(
            f"expected at most {total:,} configurations (all that the space holds); got n={n:,}; "
            "use the full grid or widen the space"
        )
    weights = np.ones(total)
    for item, code in zip(dimensions, codes, strict=True):
        if item.log:
            weights *= np.log((axes[item.name] + 0.5) / (axes[item.name] - 0.5))[code]
    chances = weights / weights.sum() if any(item.log for item in dimensions) else None
    numbers = generator.choice(total, size=n, replace=False, p=chances)
    return listed(_pick(full.axes, codes, numbers), schema=schema)


def latin_hypercube_parts(
    space: Any, n: int, seed: int = 0, constraint: Any = None, schema: Iterable[Param] | None = None
) -> Parts:
    """Points of which each of ``n`` equal slices of every parameter holds exactly one.

    Parameters
    ----------
    space, n, seed, constraint, schema
        See ``random_parts``. Points that coincide or that the constraint refuses are left out, so the grid may
        have fewer than ``n`` configurations.
    """
    dimensions, items, n = _space(space, schema), _schema_of(space, schema), _check_n(n)
    generator = np.random.default_rng(seed_of(seed))
    slices = np.stack([generator.permutation(n) for _ in dimensions], axis=1)
    return _from_unit(dimensions, (slices + generator.random(slices.shape)) / n, constraint, items)


def sobol_parts(
    space: Any, n: int, seed: int = 0, constraint: Any = None, schema: Iterable[Param] | None = None
) -> Parts:
    """First ``n`` points of a scrambled Sobol sequence, which fills the space more evenly than chance.

    Parameters
    ----------
    space, n, seed, constraint, schema
        See ``latin_hypercube_parts``. The sequence is most even for powers of two.

    Raises
    ------
    MissingDependencyError
        SciPy is not installed.
    """
    dimensions, items, n = _space(space, schema), _schema_of(space, schema), _check_n(n)
    qmc = require("scipy.stats.qmc", extra="optuna")
    points = qmc.Sobol(len(dimensions), scramble=True, seed=seed_of(seed)).random_base2((n - 1).bit_length())
    return _from_unit(dimensions, np.ascontiguousarray(points[:n]), constraint, items)
