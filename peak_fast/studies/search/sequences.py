"""Grid, random and Sobol points as numbered sequences.

A point is found by its number alone, so that a study that resumes, or several machines that share one, agree
on which points exist and which are still to do. Nothing here depends on Optuna: its own samplers for these
three cost 0.3 to 84 ms per trial, an array of points costs under a microsecond each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from peak_fast.errors import ConfigError, require
from peak_fast.params import Param, active_mask, feasible_mask, grid_columns, schema_to_grid
from peak_fast.studies.points import Point, Space
from peak_fast.studies.search.samplers import grid_size

BLOCK = 1024
_LARGEST_GRID = 5_000_000
_COUNTED_SPACE = 200_000


class NumberedSequence(Protocol):
    """A numbered list of points."""

    @property
    def size(self) -> int | None:
        """How many numbers there are; None without end."""

    def block(self, start: int) -> tuple[dict[str, Any], Any]:
        """Columns of the points numbered ``start`` to ``start + BLOCK``, and which of them are feasible."""


class GridSequence:
    """All combinations of the axes that meet the constraints.

    Parameters
    ----------
    space
        What to search.
    values_per_parameter
        At most this many values of each number; None takes every step (10 of a continuous parameter).
    axes
        Explicit values for some parameters.
    """

    def __init__(
        self,
        space: Space,
        values_per_parameter: int | None = None,
        axes: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        all_axes = schema_to_grid(space.schema, values_per_parameter) | dict(axes or {})
        combinations = math.prod(len(axis) for axis in all_axes.values())
        if combinations > _LARGEST_GRID:
            raise ConfigError(
                f"expected a grid of at most {_LARGEST_GRID:,} combinations; got {combinations:,}; "
                "set a larger step, give grid_values=, or choose sampler='qmc'"
            )
        self._columns = grid_columns(space.schema, all_axes, space.constraints)
        self.size = len(self._columns[space.names[0]])
        if self.size == 0:
            texts = ", ".join(constraint.text for constraint in space.constraints)
            raise ConfigError(
                f"expected a grid with feasible points; got none of {combinations:,} under {texts}"
            )

    def block(self, start: int) -> tuple[dict[str, Any], Any]:
        """See ``NumberedSequence``."""
        part = {name: column[start : start + BLOCK] for name, column in self._columns.items()}
        return part, np.ones(max(0, min(BLOCK, self.size - start)), dtype=bool)


def counted_size(space: Space) -> int | None:
    """Number of feasible points of a space; None where one parameter is continuous, or counting would take long."""
    size = grid_size(space)
    return None if size is None or size > _COUNTED_SPACE else GridSequence(space).size


class _UnitCube:
    """Maps points of the unit cube to values; subclasses draw the points."""

    size: int | None = None

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed

    def _draw(self, start: int) -> Any:
        raise NotImplementedError

    def block(self, start: int) -> tuple[dict[str, Any], Any]:
        """See ``NumberedSequence``; ``start`` must be a multiple of ``BLOCK``."""
        unit = self._draw(start)
        schema = self._space.schema
        columns = {item.name: column_from_unit(item, unit[:, k]) for k, item in enumerate(schema)}
        if self._space.is_conditional:
            for name, mask in active_mask(schema, columns).items():
                default = next(item.default for item in schema if item.name == name)
                columns[name] = np.where(mask, columns[name], default).astype(columns[name].dtype)
        return columns, feasible_mask(schema, self._space.constraints, columns)


class RandomSequence(_UnitCube):
    """Independent uniform points."""

    def _draw(self, start: int) -> Any:
        generator = np.random.default_rng([self._seed, start // BLOCK])
        return generator.random((BLOCK, len(self._space.schema)))


class SobolSequence(_UnitCube):
    """Scrambled Sobol points, which fill the space more evenly than random ones.

    References
    ----------
    Owen (1998), "Scrambling Sobol' and Niederreiter-Xing points", Journal of Complexity 14(4),
    doi:10.1006/jcom.1998.0487; direction numbers of Joe and Kuo (2008), as in SciPy.
    """

    def _draw(self, start: int) -> Any:
        qmc = require("scipy.stats.qmc", extra="optuna")
        generator = np.random.default_rng(self._seed)
        try:
            engine = qmc.Sobol(len(self._space.schema), scramble=True, rng=generator)
        except TypeError:  # SciPy before 1.15 calls it seed
            engine = qmc.Sobol(len(self._space.schema), scramble=True, seed=generator)
        if start:
            engine.fast_forward(start)
        return engine.random(BLOCK)


def column_from_unit(item: Param, unit: Any) -> Any:
    """Values of one parameter from numbers in [0, 1).

    Parameters
    ----------
    item
        The parameter; every value that a search may take is equally likely (with ``log`` on that scale).
    unit
        float64[n].

    Returns
    -------
    numpy.ndarray
        int64, float64 or bool[n]; choices as their own type.
    """
    if item.kind == "bool":
        return np.asarray(unit) >= 0.5
    if item.kind == "choice":
        choices = item.choices or ()
        table = np.empty(len(choices), dtype=object)
        table[:] = choices
        if len({type(choice) for choice in choices}) == 1:
            table = np.array(choices)
        return table[np.minimum((unit * len(choices)).astype(np.int64), len(choices) - 1)]
    grid = item.to_distribution()
    low, high = grid.low, grid.high
    if item.log:
        pad = 0.5 if item.kind == "int" else 0.0
        values = np.exp(np.log(low - pad) + unit * (np.log(high + pad) - np.log(low - pad)))
        if item.kind == "int":
            return np.clip(np.rint(values), low, high).astype(np.int64)
        return np.clip(values, low, high)
    step = grid.step
    if step is None:
        return low + unit * (high - low)
    count = round((high - low) / step) + 1
    indices = np.minimum((unit * count).astype(np.int64), count - 1)
    if item.kind == "int":
        return int(low) + indices * int(step)
    return np.asarray(item.grid())[indices] if count <= 100_000 else np.minimum(low + indices * step, high)


class Cursor:
    """Walks a sequence in order, skipping numbers that are taken and points that are infeasible.

    Parameters
    ----------
    space, sequence
        What to search and in which order.
    """

    _EMPTY_BLOCKS = 256

    def __init__(self, space: Space, sequence: NumberedSequence) -> None:
        self._space = space
        self._sequence = sequence
        self._position = 0
        self._block: tuple[int, list[int], dict[str, list[Any]]] | None = None
        self.taken: set[int] = set()

    @property
    def size(self) -> int | None:
        """Number of points of a finite sequence."""
        return self._sequence.size

    def release(self, index: int) -> None:
        """Make a number available again."""
        self.taken.discard(index)
        self._position = min(self._position, index)

    def take(self, count: int, skip: int = 0) -> list[Point]:
        """The next free points; fewer when a finite sequence ends.

        Parameters
        ----------
        count
            How many.
        skip
            Leave this many free points out first: another worker's share.

        Raises
        ------
        ConfigError
            The constraints leave (next to) nothing of a sequence without end.
        """
        points: list[Point] = []
        position, empty, skipped = self._position, 0, 0
        while len(points) < count and (self.size is None or position < self.size):
            start = position - position % BLOCK
            numbers, columns = self._load(start)
            found = len(points)
            for offset in numbers:
                index = start + offset
                if index < position or index in self.taken:
                    continue
                if skipped < skip:
                    skipped += 1
                    continue
                if len(points) == count:
                    break
                values = {name: column[offset] for name, column in columns.items()}
                points.append(self._space.point(values, index=index))
                self.taken.add(index)
            else:
                position = start + BLOCK
                if skip == 0:
                    self._position = position
            empty = 0 if numbers or len(points) > found else empty + 1
            if empty > self._EMPTY_BLOCKS:
                raise self._nothing_feasible(empty * BLOCK)
        return points

    def _load(self, start: int) -> tuple[list[int], dict[str, list[Any]]]:
        if self._block is None or self._block[0] != start:
            columns, feasible = self._sequence.block(start)
            numbers = np.flatnonzero(feasible).tolist()
            self._block = (start, numbers, {name: column.tolist() for name, column in columns.items()})
        return self._block[1], self._block[2]

    def _nothing_feasible(self, draws: int) -> ConfigError:
        texts = ", ".join(constraint.text for constraint in self._space.constraints)
        return ConfigError(
            f"expected points that meet {texts}; got none in {draws:,} draws; "
            "widen the ranges or drop a constraint"
        )
