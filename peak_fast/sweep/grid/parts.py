"""What a grid is made of: axes, where the codes of its configurations come from, and which of them are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.params import Param
from peak_fast.sweep.grid.axis import Array, Axis, encode, make_axis
from peak_fast.sweep.grid.filters import Filter
from peak_fast.sweep.grid.selection import BLOCK, Selection
from peak_fast.sweep.grid.source import Numbers, Product, Source, Table
from peak_fast.sweep.grid.spans import Spanned, check_askable


class Parts(NamedTuple):
    """Axes, the source of codes, and the numbers that a constraint keeps; None: all."""

    axes: list[Axis]
    source: Source
    selection: Selection | Spanned | None = None

    def codes(self) -> list[Array]:
        """Codes of all kept configurations, one array an axis."""
        if self.selection is None:
            return self.source.codes(np.arange(self.source.total, dtype=np.int64))
        return self.source.codes(self.selection.at(np.arange(len(self.selection), dtype=np.int64)))


def kept(
    codes_at: Callable[[Numbers], list[Array]],
    total: int,
    axes: Sequence[Axis],
    constraint: Any = None,
    schema: Iterable[Param] | None = None,
    *,
    is_product: bool = False,
) -> Selection | Spanned | None:
    """Which of ``range(total)`` meet a constraint; None: all.

    Parameters
    ----------
    codes_at
        Codes of configurations by number, one array an axis.
    constraint, schema
        See `peak_fast.sweep.grid.filters.Filter`.
    is_product
        Whether the numbers are all combinations of the axes, the last one counting fastest.

    Raises
    ------
    ConfigError
        Nothing is left.
    """
    conditions = Filter(constraint, axes, schema)
    if not conditions or total == 0:
        return None
    selection: Selection | Spanned
    if is_product:
        selection = Spanned(conditions, [len(axis) for axis in axes])
    else:
        check_askable(total, conditions.text)
        selection = Selection()
        for start in range(0, total, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, total), dtype=np.int64)
            selection.append(conditions.mask(codes_at(numbers)))
    if len(selection) == 0:
        raise ConfigError(
            f"expected configurations that meet {conditions.text}; got none of {total:,}; "
            "loosen the constraint or widen the values"
        )
    return None if len(selection) == total else selection


def product(
    values: Mapping[str, Any], constraint: Any = None, schema: Sequence[Param] | None = None
) -> Parts:
    """Every combination of the values of each parameter that meets a constraint."""
    params = {item.name: item for item in schema or ()}
    axes = [make_axis(name, listed, params.get(name)) for name, listed in values.items()]
    if not axes:
        raise ConfigError("expected at least one parameter; got an empty grid; write {'fast': [10, 20]}")
    source = Product([len(axis) for axis in axes])
    found = kept(source.codes, source.total, axes, constraint, schema, is_product=True)
    return Parts(axes, source, found)


def listed(
    columns: Mapping[str, Any], constraint: Any = None, schema: Sequence[Param] | None = None
) -> Parts:
    """The rows of equally long columns that meet a constraint, in their order, repetitions included."""
    params = {item.name: item for item in schema or ()}
    lengths = {name: len(column) for name, column in columns.items()}
    if not lengths or len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ConfigError(f"expected columns of one length, at least 1; got {lengths or 'none'}")
    encoded = [encode(name, column, params.get(name)) for name, column in columns.items()]
    axes, source = [axis for axis, _ in encoded], Table([codes for _, codes in encoded])
    return Parts(axes, source, kept(source.codes, source.total, axes, constraint, schema))
