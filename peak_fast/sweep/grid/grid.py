"""What a sweep runs: an ordered table of configurations that is computed, not stored.

A full grid of a million configurations takes no more memory than its axes: configuration number ``i`` is
decoded with mixed-radix arithmetic, the last parameter counting fastest, as nested loops would. Samples and
explicit tables keep one small code per value. A constraint adds a compact index of the numbers that remain.

>>> grid = Grid.full({"fast": [5, 10], "slow": [10, 20]}, constraint="fast < slow")
>>> len(grid), grid[0], grid.columns(1, 3)["slow"].tolist()
(3, {'fast': 5, 'slow': 10}, [20, 20])
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import mapping
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import guarded_class
from peak_fast.params import Param, schema_to_grid, validate_schema
from peak_fast.sweep.grid.axis import Array, Axis, make_axis
from peak_fast.sweep.grid.parts import kept, listed, product
from peak_fast.sweep.grid.selection import BLOCK, Selection
from peak_fast.sweep.grid.source import Crossed, Nested, Numbers, Product, Source, Table
from peak_fast.sweep.grid.spans import Spanned

if TYPE_CHECKING:
    import polars as pl


@guarded_class()
class Grid:
    """An ordered table of configurations, decoded a tile at a time.

    Build one with ``full``, ``random``, ``latin_hypercube``, ``sobol``, ``from_frame`` or, by what is given,
    ``make``.

    Attributes
    ----------
    names : tuple of str
        Parameters, in the user's order.
    axes : dict of str to Axis
        Distinct values per parameter.
    is_full : bool
        Whether the configurations are all combinations of the axes (less those a constraint removed), so
        that neighbours of a value are neighbours in the table.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        source: Source,
        selection: Selection | Spanned | None = None,
        is_full: bool = False,
    ) -> None:
        self.axes = {axis.name: axis for axis in axes}
        self.names = tuple(self.axes)
        self.is_full = is_full
        self._source = source
        self._selection = selection
        if len(self.axes) != len(axes):
            raise ConfigError(f"expected distinct parameter names; got {[axis.name for axis in axes]}")
        if len(self) == 0:
            raise ConfigError("expected at least one configuration; got an empty grid; add values or rows")

    def __len__(self) -> int:
        return self._source.total if self._selection is None else len(self._selection)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(axis)}" for name, axis in self.axes.items())
        removed = self._source.total - len(self)
        less = f", {removed:,} removed by constraints" if removed else ""
        return f"Grid({len(self):,} configurations; {sizes}{less})"

    def codes_at(self, numbers: Numbers) -> list[Array]:
        """Codes of any configurations, given as int64 numbers below ``len(self)``, per parameter in order."""
        return self._source.codes(numbers if self._selection is None else self._selection.at(numbers))

    def codes(self, start: int, stop: int) -> dict[str, Array]:
        """Position of each value in ``unique(name)``, for configurations ``[start, stop)``.

        Returns
        -------
        dict of numpy.ndarray
            One integer array of length ``stop - start`` per parameter.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"expected 0 <= start <= stop <= {len(self)}; got start={start}, stop={stop}")
        if self._selection is None and isinstance(self._source, Table):
            return dict(zip(self.names, self._source.part(start, stop), strict=True))
        return dict(zip(self.names, self.codes_at(np.arange(start, stop, dtype=np.int64)), strict=True))

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """Values of configurations ``[start, stop)``.

        Returns
        -------
        dict of numpy.ndarray
            Per parameter int64, float64 (NaN where the value is None), bool or, for texts and choices of
            mixed types, an object array; each of length ``stop - start``.
        """
        return {name: self.axes[name].values[code] for name, code in self.codes(start, stop).items()}

    def plain_columns(self, start: int, stop: int) -> dict[str, Array]:
        """As ``columns``, but where None is among the values an object array of them, whole numbers kept whole."""
        return {name: self.axes[name].python_values()[code] for name, code in self.codes(start, stop).items()}

    def unique(self, name: str) -> Array:
        """The distinct values of one parameter, to which ``codes`` points."""
        return self._axis(name).values

    def _axis(self, name: str) -> Axis:
        if name not in self.axes:
            raise ConfigError(
                f"expected a parameter of the grid; got {name!r}; {did_you_mean(name, self.names)}"
            )
        return self.axes[name]

    def __getitem__(self, number: int) -> dict[str, Any]:
        """One configuration as plain Python values."""
        position = number + len(self) if number < 0 else number
        if not 0 <= position < len(self):
            raise IndexError(f"expected a configuration number below {len(self)}; got {number}")
        codes = self.codes(position, position + 1)
        return {name: self.axes[name].plain(int(code[0])) for name, code in codes.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), BLOCK):
            codes = self.codes(start, min(start + BLOCK, len(self)))
            for row in zip(*(code.tolist() for code in codes.values()), strict=True):
                yield {name: self.axes[name].plain(code) for name, code in zip(self.names, row, strict=True)}

    def frame(self, start: int = 0, stop: int | None = None) -> pl.DataFrame:
        """Configurations ``[start, stop)`` as a Polars frame: ``config`` (number), then the parameters."""
        import polars as pl

        stop = len(self) if stop is None else stop
        columns = [pl.Series("config", np.arange(start, stop, dtype=np.int64))]
        columns += [self.axes[name].series().gather(code) for name, code in self.codes(start, stop).items()]
        return pl.DataFrame(columns)

    @functools.cached_property
    def hash(self) -> str:
        """Hash of names, values and order: 32 hexadecimal digits, the same in every process."""
        digest = hashlib.blake2b(digest_size=16)
        for axis in self.axes.values():
            axis.update(digest)
        self._source.update(digest)
        if self._selection is not None:
            self._selection.update(digest)
        return digest.hexdigest()

    def filter(self, constraint: Any = None, schema: Iterable[Param] | None = None) -> Grid:
        """The same grid without the configurations that a constraint refuses.

        Parameters
        ----------
        constraint
            Text (``"fast < slow"``), Polars expression, function of a dict of columns or of one dict of
            parameters, or several of them. A comparison with None does not hold.
        schema
            Parameters of the strategy: gives defaults for names outside the grid, and keeps configurations
            once that differ only in parameters that do not matter.

        Raises
        ------
        ConfigError
            Nothing is left, or the constraint does not answer True or False.
        StrategyError
            The constraint reads an unknown name.
        """
        axes = list(self.axes.values())
        is_product = self._selection is None and isinstance(self._source, Product)
        selection = kept(self.codes_at, len(self), axes, constraint, schema, is_product=is_product)
        if selection is None:
            return self
        source = self._source if self._selection is None else Nested(self)
        return Grid(axes, source, selection, self.is_full)

    def crossed(self, name: str, values: Any) -> Grid:
        """This grid once for every value of one more parameter, which comes first and counts slowest."""
        axis = make_axis(name, values)
        return Grid([axis, *self.axes.values()], Crossed(len(axis), self), is_full=self.is_full)

    @classmethod
    def full(
        cls, values: Mapping[str, Any], constraint: Any = None, schema: Iterable[Param] | None = None
    ) -> Grid:
        """Every combination of the listed values.

        Parameters
        ----------
        values
            Per parameter a range, list or array of distinct values, or a single value.
        constraint
            See ``filter``.
        schema
            Parameters of the strategy, to check the values of those it names.
        """
        schema = None if schema is None else validate_schema(schema)
        mapping("values", values, "{'fast': [10, 20]}")
        return cls(*product(values, constraint, schema), is_full=True)

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, Any], constraint: Any = None, schema: Iterable[Param] | None = None
    ) -> Grid:
        """One configuration per row of equally long columns, in their order, repetitions included."""
        return cls(*listed(columns, constraint, None if schema is None else list(schema)))

    @classmethod
    def make(
        cls,
        grid: Any,
        schema: Iterable[Param] | None = None,
        constraint: Any = None,
        known: Iterable[str] = (),
    ) -> Grid:
        """Grid of whatever a user gives.

        Parameters
        ----------
        grid
            A Grid; a dict of values (``full``); a frame (``from_frame``); a list of dicts, one per
            configuration; a list of Param, or None for all values of ``schema``.
        schema
            Parameters of the strategy. With it, other names than its own and ``known`` are refused.
        constraint
            See ``filter``.
        known
            Names outside the schema that may be varied, such as ``stop_loss``.

        Raises
        ------
        ConfigError
            An unknown name (with the nearest known one), an empty grid, or something else than the above.
        """
        items = validate_schema(schema) if schema is not None else None
        if grid is None:
            if not items:
                raise ConfigError(
                    "expected a grid as {'stop_loss': [None, 0.05]}, because the strategy has no parameters; "
                    "got none; vary a setting (--grid stop_loss=none,0.05)"
                )
            grid = items
        if isinstance(grid, list | tuple) and grid and all(isinstance(item, Param) for item in grid):
            grid = schema_to_grid(grid)
        if isinstance(grid, Mapping):
            _check_names(grid, items, known)
            return cls.full(grid, constraint, items)
        if isinstance(grid, Grid):
            made = grid
        elif isinstance(grid, list | tuple) and grid and all(isinstance(item, Mapping) for item in grid):
            made = cls.from_columns(_transpose(grid), schema=items)
        elif hasattr(grid, "collect_schema") or hasattr(grid, "columns"):
            made = cls.from_frame(grid, schema=items)
        else:
            raise ConfigError(
                f"expected a grid as {{'fast': range(5, 100), 'slow': [20, 50]}}, a frame, a list of dicts "
                f"or a Grid; got {type(grid).__name__}: {grid!r}"
            )
        _check_names(made.names, items, known)
        return made.filter(constraint, items)

    @classmethod
    def from_frame(cls, frame: Any, constraint: Any = None, schema: Iterable[Param] | None = None) -> Grid:
        """One configuration per row of a frame (Polars, pandas, Arrow or anything narwhals knows).

        A column ``config``, as in the table of an earlier sweep, is left out.
        """
        import narwhals as nw

        native = nw.from_native(frame, pass_through=True)
        if isinstance(native, nw.LazyFrame):
            native = native.collect()
        if not isinstance(native, nw.DataFrame):
            raise ConfigError(
                f"expected a data frame of configurations; got {type(frame).__name__}; "
                "pass a Polars or pandas frame with one column per parameter"
            )
        columns: dict[str, Any] = {}
        is_pandas = native.implementation.is_pandas_like()
        for name in native.columns:
            if name == "config":
                continue
            column = native.get_column(name)
            plain = column.dtype.is_numeric() and not column.is_null().any()
            if plain:
                columns[name] = column.to_numpy()
                continue
            values = column.to_list()
            # Columns of pandas hold NaN where a value is None.
            columns[name] = [None if v != v else v for v in values] if is_pandas else values
        return cls.from_columns(columns, constraint, schema)

    @classmethod
    def random(
        cls, space: Any, n: int, seed: int = 0, constraint: Any = None, schema: Iterable[Param] | None = None
    ) -> Grid:
        """``n`` distinct configurations drawn at random; see ``sampling.random_parts``."""
        from peak_fast.sweep.grid.sampling import random_parts

        return cls(*random_parts(space, n, seed, constraint, schema))

    @classmethod
    def latin_hypercube(
        cls, space: Any, n: int, seed: int = 0, constraint: Any = None, schema: Iterable[Param] | None = None
    ) -> Grid:
        """``n`` points, one in each ``n``-th of every parameter; see ``sampling.latin_hypercube_parts``."""
        from peak_fast.sweep.grid.sampling import latin_hypercube_parts

        return cls(*latin_hypercube_parts(space, n, seed, constraint, schema))

    @classmethod
    def sobol(
        cls, space: Any, n: int, seed: int = 0, constraint: Any = None, schema: Iterable[Param] | None = None
    ) -> Grid:
        """``n`` points of a scrambled Sobol sequence; see ``sampling.sobol_parts``."""
        from peak_fast.sweep.grid.sampling import sobol_parts

        return cls(*sobol_parts(space, n, seed, constraint, schema))


def _check_names(names: Iterable[str], schema: Iterable[Param] | None, known: Iterable[str]) -> None:
    """Refuse names that neither the strategy nor the settings know; anything goes without a schema."""
    if schema is None:
        return
    allowed = [item.name for item in schema] + list(known)
    for name in names:
        if name not in allowed:
            raise ConfigError(
                f"expected parameters of the strategy or settings; got {name!r}; "
                + did_you_mean(str(name), allowed)
            )


def _transpose(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = list(rows[0])
    for number, row in enumerate(rows):
        if set(row) != set(names):
            raise ConfigError(
                f"expected the same parameters in every configuration; number {number} has {sorted(row)}, "
                f"number 0 has {sorted(names)}; give each a value"
            )
    return {name: [row[name] for row in rows] for name in names}
