"""Constraints on a grid, evaluated on blocks of configurations before anything runs.

A constraint is a text (``"fast < slow"``), a Polars expression, a function of one dict of parameters, or a
function of a dict of columns. A function is tried on columns first: where its answers on single rows agree, a
million configurations take milliseconds, otherwise it is called once per configuration.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from peak_fast.errors import ConfigError, PeakFastError
from peak_fast.params import Constraint, active_mask, extract_defaults, parse_constraints, validate_schema
from peak_fast.sweep.grid.axis import Array, Axis

if TYPE_CHECKING:
    from peak_fast.params import Param

Mask = npt.NDArray[np.bool_]

_PROBES = 16


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that concern the same axes.

    Attributes
    ----------
    axes
        Numbers of the axes.
    constraints, resting
        Numbers of the constraints, and of the axes that rest where they do not matter.
    """

    axes: frozenset[int]
    constraints: tuple[int, ...] = ()
    resting: tuple[int, ...] = ()

    def with_those_of(self, other: Group) -> Group:
        """Both together."""
        return Group(
            self.axes | other.axes, other.constraints + self.constraints, other.resting + self.resting
        )


class Filter:
    """All conditions that a configuration of a grid must meet.

    Parameters
    ----------
    constraint
        One constraint, several, or None.
    axes
        Columns of the grid.
    schema
        Parameters of the strategy: those outside the grid stand at their defaults, and configurations that
        differ only in parameters that do not matter (``Param.when``) are kept once.

    Raises
    ------
    StrategyError
        A constraint that reads an unknown name or is no condition.
    """

    def __init__(self, constraint: Any, axes: Sequence[Axis], schema: Iterable[Param] | None = None) -> None:
        self.axes = tuple(axes)
        self.schema = validate_schema(schema) if schema is not None else ()
        self.constraints = given_constraints(constraint)
        names = {axis.name for axis in axes}
        self.defaults = {k: v for k, v in extract_defaults(self.schema).items() if k not in names}
        for item in self.constraints:
            item.check_names([axis.name for axis in axes] + list(self.defaults))
            item.check_flags(axis.name for axis in axes if axis.is_numeric)
        conditional = {item.name: item.default for item in self.schema if item.when and item.name in names}
        self._resting = {
            number: _rest_code(axis, conditional[axis.name])
            for number, axis in enumerate(self.axes)
            if axis.name in conditional
        }
        self._row_wise: set[int] = set()
        self._whens = {item.name: tuple(item.when or ()) for item in self.schema}

    def __bool__(self) -> bool:
        return bool(self.constraints or self._resting)

    @property
    def text(self) -> str:
        """What to show to people."""
        return " and ".join(item.text for item in self.constraints) or "conditions of the parameters (when)"

    def _concerned(self, names: Iterable[str]) -> frozenset[int]:
        """Numbers of the axes on which something depends that reads these names, or whether they matter."""
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self._whens.get(name, ())
        return frozenset(number for number, axis in enumerate(self.axes) if axis.name in found)

    def groups(self) -> list[Group]:
        """Conditions that share axes, together; groups share none."""
        every = frozenset(range(len(self.axes)))
        units = [Group(self._concerned([self.axes[k].name]), resting=(k,)) for k in self._resting]
        texts: set[str] = set()
        for number, item in enumerate(self.constraints):
            if not item.reads_anything and item.text in texts:
                continue
            texts.add(item.text)
            concerned = every if item.reads_anything else self._concerned(item.names)
            units.append(Group(concerned, constraints=(number,)))
        groups: list[Group] = []
        for unit in units:
            for other in [group for group in groups if group.axes & unit.axes]:
                groups.remove(other)
                unit = unit.with_those_of(other)
            groups.append(unit)
        return groups

    def mask(self, codes: Sequence[Array], group: Group | None = None) -> Mask:
        """bool[n]: which configurations, given as one code array per axis, are kept (by the conditions of a group)."""
        count = len(codes[0])
        columns = {axis.name: axis.python_values()[code] for axis, code in zip(self.axes, codes, strict=True)}
        for name, default in self.defaults.items():
            columns[name] = np.full(count, default, dtype=object if default is None else None)
        result = np.ones(count, dtype=np.bool_)
        active = active_mask(self.schema, columns) if self._resting else {}
        for number, code in self._resting.items():
            if group is not None and number not in group.resting:
                continue
            result &= active[self.axes[number].name] | (codes[number] == code)
        for number, item in enumerate(self.constraints):
            if group is not None and number not in group.constraints:
                continue
            met = self._met(number, item, columns, codes)
            for name in item.names:
                if name in active:
                    met = met | ~active[name]
            result &= met
        return result

    def _met(self, number: int, item: Constraint, columns: dict[str, Array], codes: Sequence[Array]) -> Mask:
        try:
            if item.names:
                return self._expression(item, columns, codes)
            function: Callable[[Any], Any] = item.holds
            if callable(item._condition):
                function = item._condition
            if number not in self._row_wise:
                met = _try_columns(function, columns)
                if met is not None:
                    return met
                self._row_wise.add(number)
            return _rows(function, columns)
        except PeakFastError:
            raise
        except Exception as error:
            raise ConfigError(
                f"expected a constraint that answers True or False for every configuration; "
                f"{item.text!r} failed with {type(error).__name__}: {error}; correct the constraint"
            ) from error

    def _expression(self, item: Constraint, columns: dict[str, Array], codes: Sequence[Array]) -> Mask:
        values: dict[str, Any] = {name: columns[name] for name in item.names}
        for axis, code in zip(self.axes, codes, strict=True):
            if axis.name not in values:
                continue
            if item._kind == "polars":
                values[axis.name] = axis.series().gather(code)
            elif axis.is_numeric:
                values[axis.name] = axis.values[code]
        met = np.asarray(item.mask(values))
        if met.dtype != np.bool_:
            raise ConfigError(
                f"expected a constraint that answers True or False; {item.text!r} gives {met.dtype}; "
                "write a comparison"
            )
        return met


def given_constraints(constraint: Any) -> tuple[Constraint, ...]:
    """Constraints of a sweep's or a grid's argument.

    Raises
    ------
    ConfigError
        Something that is no condition.
    """
    if type(constraint).__module__.split(".")[0] == "polars":  # an expression has no truth value to test
        constraint = Constraint(constraint)
    if isinstance(constraint, (bool, int, float, Mapping)):
        raise ConfigError(
            f"expected a constraint as text ('fast < slow'), function or Polars expression; "
            f"got {type(constraint).__name__}: {constraint!r}"
        )
    return parse_constraints(constraint)


def _rest_code(axis: Axis, default: Any) -> int:
    """Code that a parameter keeps where it does not matter: its default's, else the first."""
    for code in range(len(axis)):
        value = axis.plain(code)
        if value == default and isinstance(value, bool) == isinstance(default, bool):
            return code
    return 0


def _rows(function: Callable[[Any], Any], columns: Mapping[str, Array]) -> Mask:
    names = list(columns)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    count = len(next(iter(columns.values())))
    answers = (bool(function(dict(zip(names, row, strict=True)))) for row in rows)
    return np.fromiter(answers, dtype=np.bool_, count=count)


def _try_columns(function: Callable[[Any], Any], columns: Mapping[str, Array]) -> Mask | None:
    """The answers of a function of columns; None where it is a function of single values.

    A function that works on both is used on columns only if it gives the same answers on single rows.
    """
    count = len(next(iter(columns.values())))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answers = np.asarray(function(dict(columns)))
    except Exception:
        return None
    if answers.shape != (count,) or answers.dtype != np.bool_:
        return None
    chosen = np.unique(np.linspace(0, count - 1, _PROBES).astype(np.int64))
    try:
        single = _rows(function, {name: column[chosen] for name, column in columns.items()})
    except Exception:
        return answers
    return answers if bool((single == answers[chosen]).all()) else None
