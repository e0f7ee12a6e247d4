"""One column of a grid: the distinct values of one parameter, addressed by code.

A configuration is stored as one small integer per parameter, the code; ``values[code]`` is what the strategy
receives. Whole numbers, numbers and booleans are NumPy arrays. Text, and choices of mixed types, are object
arrays. ``None`` (for example "no stop-loss") is NaN in a numeric axis and null in a frame.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from peak_fast.arguments import shown
from peak_fast.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.params import Param

Kind: TypeAlias = Literal["int", "float", "bool", "choice"]
Array: TypeAlias = npt.NDArray[Any]

RESERVED = ("config", "block_sum", "block_sumsq")
"""Column names of a sweep's table that no parameter may take."""

_SCALARS = (bool, int, float, str)

MOST_VALUES = 1 << 26
"""So many values a parameter may have."""

_MOST_DRAWN = 1 << 22

# From so many on, values are looked at together.
_MANY = 1000


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """Distinct values of one parameter.

    Attributes
    ----------
    name : str
        Parameter.
    kind : str
        ``"int"``, ``"float"``, ``"bool"`` or ``"choice"``.
    values : numpy.ndarray
        int64, float64 (NaN stands for None), bool or object; in the user's order.
    optional : bool
        Whether None is among the values.
    """

    name: str
    kind: Kind
    values: Array
    optional: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_numeric(self) -> bool:
        """Whether the values have an order in which neighbours are alike."""
        return self.kind in ("int", "float")

    def plain(self, code: int) -> Any:
        """Value of one code as a Python object; None where there is none."""
        value = self.values[code]
        value = value.item() if isinstance(value, np.generic) else value
        if self.optional and isinstance(value, float) and math.isnan(value):
            return None
        return int(value) if self.kind == "int" and value is not None else value

    def python_values(self) -> Array:
        """The values with None in place of NaN (object array where that is needed)."""
        if not (self.optional and self.is_numeric):
            return self.values
        values = np.empty(len(self), dtype=object)
        values[:] = [self.plain(code) for code in range(len(self))]
        return values

    def series(self) -> pl.Series:
        """The values as a Polars series; choices of mixed types as their text."""
        import polars as pl

        if self.kind == "choice":
            labels = [value if value is None else str(value) for value in self.values]
            return pl.Series(self.name, labels, dtype=pl.String)
        series = pl.Series(self.name, self.values)
        if self.optional:
            series = series.fill_nan(None)
        return series.cast(pl.Int64) if self.kind == "int" else series

    def update(self, digest: hashlib.blake2b) -> None:
        """Feed name, kind and values to a hash."""
        digest.update(repr((self.name, self.kind, self.optional, len(self))).encode())
        if self.kind == "choice":
            digest.update(repr([(type(value).__name__, value) for value in self.values]).encode())
        else:
            digest.update(np.ascontiguousarray(self.values).tobytes())


def check_name(name: Any) -> str:
    """A parameter name that can be a column of the result, or ConfigError."""
    if not isinstance(name, str) or not name:
        raise ConfigError(f"expected parameter names as text; got {name!r}; use {{'fast': [...]}}")
    if name in RESERVED:
        raise ConfigError(
            f"expected a parameter name other than {', '.join(RESERVED)} (columns of the result); "
            f"got {name!r}; rename the parameter"
        )
    return name


def _check_count(name: str, count: int) -> None:
    """Raise ConfigError for more values than a parameter may have."""
    if count > MOST_VALUES:
        raise ConfigError(
            f"parameter {name!r}: expected at most {MOST_VALUES:,} values; got {count:,}; take a larger step, or "
            "sample with Grid.random"
        )


def list_values(name: str, values: Any) -> list[Any]:
    """Anything that lists values as a list of plain Python values; a lone value becomes a list of one."""
    if isinstance(values, set | frozenset):
        return sorted(values, key=lambda value: (type(value).__name__, value))
    if values is None or isinstance(values, (*_SCALARS, np.generic)):
        values = [values]
    elif hasattr(values, "to_list"):
        values = values.to_list()
    elif hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise ConfigError(
            f"parameter {name!r}: expected a list, range or array of values; "
            f"got {shown(values)}; write {{{name!r}: [10, 20, 30]}}"
        )
    if isinstance(values, Sized):
        _check_count(name, len(values))
    else:  # an iterator, which may have no end
        found = list(itertools.islice(values, _MOST_DRAWN + 1))
        if len(found) > _MOST_DRAWN:
            raise ConfigError(
                f"parameter {name!r}: expected an iterator that ends within {_MOST_DRAWN:,} values; got more; "
                "list the values or give a range"
            )
        values = found
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _numbers(name: str, values: Any, param: Param | None) -> Axis | None:
    """Axis of a range, or of many numbers, without a look at each of them; None for anything else.

    The values of a range lie between its ends, so that the ends are checked and nothing is listed before.
    """
    if isinstance(values, range):
        count = max(0, -(-(values.stop - values.start) // values.step))
        if not count or count < _MANY:
            return None
        ends: tuple[Any, ...] = (values.start, values.start + (count - 1) * values.step)
        _check_items(name, list(ends))
        for end in ends if param is not None else ():
            param.validate_value(end)  # type: ignore[union-attr]
        _check_count(name, count)
        array = np.arange(values.start, ends[1] + (1 if values.step > 0 else -1), values.step, dtype=np.int64)
    elif isinstance(values, np.ndarray) and values.ndim == 1 and len(values) >= _MANY:
        _check_count(name, len(values))
        array = values
    elif (
        isinstance(values, list | tuple)
        and len(values) >= _MANY
        and set(map(type, values)) in ({int}, {float})
    ):
        _check_count(name, len(values))
        array = np.array(values)
    else:
        return None
    if array.dtype.kind not in "if" or not bool(np.isfinite(array).all()):
        return None
    if param is not None and param.kind != ("int" if array.dtype.kind == "i" else "float"):
        return None
    ordered = np.sort(array)
    if bool((ordered[1:] == ordered[:-1]).any()):
        return None  # the slow way names the value that is there twice
    return replace(_numeric_axis(name, ordered, param), values=array.astype(f"{array.dtype.kind}8"))


def make_axis(name: str, values: Any, param: Param | None = None) -> Axis:
    """Axis of the values of one parameter.

    Parameters
    ----------
    name
        Parameter.
    values
        Distinct whole numbers, numbers, booleans, texts or None, in any iterable.
    param
        Schema entry that checks every value and decides between whole numbers, numbers and booleans.

    Raises
    ------
    ConfigError
        No values, a value twice, a value of another type, or one that is not finite.
    StrategyError
        A value that the schema refuses.
    """
    numbers = _numbers(check_name(name), values, param)
    if numbers is not None:
        return numbers
    items = list_values(name, values)
    if param is not None:
        items = [param.validate_value(item) for item in items]
    if not items:
        raise ConfigError(
            f"parameter {name!r}: expected at least one value; got none ({values!r}); "
            "list a value or leave the parameter out"
        )
    _check_items(name, items)
    axis = _typed_axis(name, items)
    seen: set[tuple[str, Any]] = set()
    for item in items:
        key = (_group(item), item)
        if key in seen:
            raise ConfigError(
                f"parameter {name!r}: expected each value once; got {item!r} twice; "
                "remove the repetition (numpy.unique or dict.fromkeys do)"
            )
        seen.add(key)
    return axis


def _check_items(name: str, items: list[Any]) -> None:
    for item in items:
        if item is not None and not isinstance(item, _SCALARS):
            raise ConfigError(
                f"parameter {name!r}: expected numbers, booleans, texts or None; "
                f"got {shown(item)}; list plain values"
            )
        if isinstance(item, float) and not math.isfinite(item):
            raise ConfigError(
                f"parameter {name!r}: expected finite numbers; got {item!r}; use None for 'not set'"
            )
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            raise ConfigError(
                f"parameter {name!r}: expected 64-bit whole numbers; got {shown(item)}; use floats"
            )


def _typed_axis(name: str, items: list[Any]) -> Axis:
    types = {type(item) for item in items if item is not None}
    optional = any(item is None for item in items)
    if types and types <= {int, float}:
        kind: Kind = "int" if types == {int} else "float"
        if optional and kind == "int" and any(abs(item) > 2**53 for item in items if item is not None):
            raise ConfigError(f"parameter {name!r}: expected whole numbers up to 2**53 next to None")
        dtype = np.int64 if kind == "int" and not optional else np.float64
        numbers = np.array([np.nan if item is None else item for item in items], dtype=dtype)
        return Axis(name, kind, numbers, optional)
    if types == {bool} and not optional:
        return Axis(name, "bool", np.array(items, dtype=np.bool_))
    values = np.empty(len(items), dtype=object)
    values[:] = items
    return Axis(name, "choice", values, optional)


def _group(value: Any) -> str:
    """Name under which values compare: True is not 1, but 1 is 1.0."""
    return "number" if type(value) in (int, float) else type(value).__name__


def encode(name: str, column: Any, param: Param | None = None) -> tuple[Axis, Array]:
    """Axis of the sorted distinct values of a column, and the code of each row.

    Parameters
    ----------
    name
        Parameter.
    column
        One value per row: array, series or list.
    param
        Schema entry that checks the values.

    Returns
    -------
    tuple
        The axis and unsigned codes of the smallest type that holds them.
    """
    array = column if isinstance(column, np.ndarray) else None
    if array is not None and array.dtype.kind in "iufb" and bool(np.isfinite(array).all()):
        values, codes = np.unique(array, return_inverse=True)
        axis = _numeric_axis(name, values, param)
    else:
        rows = list_values(name, column)
        keys = [(_group(row), row) for row in rows]
        order = sorted(set(keys), key=lambda key: (key[1] is None, *key))
        position = {key: number for number, key in enumerate(order)}
        axis = make_axis(name, [value for _, value in order], param)
        codes = np.array([position[key] for key in keys], dtype=np.int64)
    return axis, codes.reshape(-1).astype(np.min_scalar_type(max(len(axis) - 1, 0)))


def _numeric_axis(name: str, values: Array, param: Param | None) -> Axis:
    """Axis of sorted distinct finite numbers, checked against the schema without a loop over good values."""
    check_name(name)
    kinds: dict[str, tuple[Kind, Any]] = {
        "i": ("int", np.int64),
        "u": ("int", np.int64),
        "f": ("float", np.float64),
        "b": ("bool", np.bool_),
    }
    kind, dtype = kinds[values.dtype.kind]
    if values.dtype.kind == "u" and len(values) and int(values[-1]) >= 2**63:
        raise ConfigError(
            f"parameter {name!r}: expected 64-bit whole numbers; got {int(values[-1])}; use floats"
        )
    if param is not None and (param.kind != kind or param.kind not in ("int", "float")):
        return make_axis(name, values, param)
    if param is not None and len(values):
        for end in (values[0], values[-1]):
            param.validate_value(end)
    return Axis(name, kind, values.astype(dtype))
