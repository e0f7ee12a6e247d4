"""Parameters of a strategy: what they are called, which values they may take, which ones to search.

One schema serves every door: it checks the values of a single run, spans the grid of a sweep, and defines the
search space of a study.

>>> schema = (
...     Param("fast", "int", 20, low=5, high=100, step=5, description="bars of the fast average"),
...     Param("slow", "int", 50, low=20, high=300, step=10, description="bars of the slow average"),
... )
>>> validate_params(schema, {"fast": 10}, constraints=("fast < slow",))
{'fast': 10, 'slow': 50}
>>> schema[0].grid(3)
[5, 55, 100]

``low``, ``high``, ``step`` and ``log`` say what to search: a value that is given may lie between two steps, and
outside the range up to ``hard_low`` and ``hard_high``. ``choices`` bound every value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.params.constraints import Constraint
from peak_fast.params.parameter import Param, condition_options

__all__ = [
    "Constraint",
    "Param",
    "active_mask",
    "active_names",
    "canonical_params",
    "extract_defaults",
    "feasible_mask",
    "grid_columns",
    "is_feasible",
    "parse_constraints",
    "schema_table",
    "schema_to_distributions",
    "schema_to_grid",
    "validate_params",
    "validate_schema",
]

ConstraintLike: TypeAlias = "str | Callable[[dict[str, Any]], Any] | Constraint"


def parse_constraints(
    constraints: Iterable[ConstraintLike] | ConstraintLike | None,
) -> tuple[Constraint, ...]:
    """Constraints of any accepted form as ``Constraint`` objects (a single one may come without a list)."""
    if constraints is None:
        return ()
    if isinstance(constraints, str | Constraint) or not isinstance(constraints, Iterable):
        constraints = (constraints,)
    return tuple(_constraint(c) for c in constraints)


def _constraint(item: ConstraintLike) -> Constraint:
    if isinstance(item, Constraint):
        return item
    return _parsed(item) if isinstance(item, str) else Constraint(item)


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> Constraint:
    """Parsing costs as much as a short backtest, and a strategy's constraints never change."""
    return Constraint(text)


def validate_schema(schema: Iterable[Param], constraints: Any = None) -> tuple[Param, ...]:
    """Check that a schema is consistent and return it as a tuple, conditions before what depends on them.

    Raises
    ------
    StrategyError
        Not a Param, a name used twice, a ``when`` that names an unknown parameter or a value it cannot take,
        ``when`` in a circle, or a constraint over unknown names.
    """
    # A lone Param, or anything else that cannot be listed, is named by the check below.
    items = tuple(schema) if isinstance(schema, Iterable) else (schema,)
    by_name: dict[str, Param] = {}
    for item in items:
        if not isinstance(item, Param):
            raise StrategyError(
                f"expected a schema of Param objects; got {type(item).__name__}: {item!r}; "
                "write Param('fast', 'int', 20, low=5, high=100)"
            )
        if item.name in by_name:
            raise StrategyError(f"expected distinct parameter names; got {item.name!r} twice; rename one")
        by_name[item.name] = item
    for item in items:
        for name, wanted in (item.when or {}).items():
            if name not in by_name:
                raise StrategyError(
                    f"parameter {item.name!r}: expected parameter names in when; got {name!r}; "
                    + did_you_mean(name, by_name)
                )
            for option in condition_options(wanted):
                by_name[name].validate_value(option)
    for constraint in parse_constraints(constraints):
        constraint.check_names(by_name)
        constraint.check_flags(item.name for item in items if item.kind in ("int", "float"))
    return _by_dependency(items, by_name)


_known_schemas: dict[tuple[int, int], tuple[Any, Any, tuple[Param, ...], tuple[Constraint, ...]]] = {}


def _checked(schema: Any, constraints: Any) -> tuple[tuple[Param, ...], tuple[Constraint, ...]]:
    """Schema and constraints, checked once where they are tuples: a strategy hands in the same ones at every run."""
    key = (id(schema), id(constraints))
    known = _known_schemas.get(key)
    if known is not None:
        return known[2], known[3]
    items, conditions = validate_schema(schema, constraints), parse_constraints(constraints)
    if type(schema) is tuple and (constraints is None or type(constraints) is tuple):
        if len(_known_schemas) >= 256:
            _known_schemas.clear()
        # The entry holds both, so that nothing else can get their identity.
        _known_schemas[key] = (schema, constraints, items, conditions)
    return items, conditions


def _by_dependency(items: tuple[Param, ...], by_name: Mapping[str, Param]) -> tuple[Param, ...]:
    ordered: dict[str, Param] = {}
    waiting = list(items)
    while waiting:
        ready = [item for item in waiting if all(name in ordered for name in item.when or {})]
        if not ready:
            names = ", ".join(repr(item.name) for item in waiting)
            raise StrategyError(
                f"expected conditions (when) without a circle; got one among {names}; break it"
            )
        ordered.update((item.name, item) for item in ready)
        waiting = [item for item in waiting if item.name not in ordered]
    return items if all(item.when is None for item in items) else tuple(ordered.values())


def extract_defaults(schema: Iterable[Param]) -> dict[str, Any]:
    """Default of every parameter, by name."""
    return {item.name: item.default for item in schema}


def active_names(schema: Iterable[Param], params: Mapping[str, Any]) -> tuple[str, ...]:
    """Parameters that matter for these values: their conditions are met, and so are those they rest on."""
    active: dict[str, bool] = {}
    for item in validate_schema(schema):
        active[item.name] = item.is_active(params) and all(active[name] for name in item.when or {})
    return tuple(name for name, on in active.items() if on)


def is_feasible(
    schema: Iterable[Param], constraints: Iterable[Constraint], params: Mapping[str, Any]
) -> bool:
    """Whether all constraints hold; one that reads an inactive parameter does not apply."""
    active = None if all(item.when is None for item in schema) else set(active_names(schema, params))
    return all(
        constraint.holds(params)
        for constraint in constraints
        if active is None or active.issuperset(constraint.names)
    )


def canonical_params(schema: Iterable[Param], params: Mapping[str, Any]) -> dict[str, Any]:
    """The same values with inactive parameters at their defaults, so that equal runs compare equal."""
    items = tuple(schema)
    if all(item.when is None for item in items):
        return {item.name: params[item.name] for item in items}
    active = set(active_names(items, params))
    return {item.name: params[item.name] if item.name in active else item.default for item in items}


def validate_params(
    schema: Iterable[Param], params: Mapping[str, Any] | None, constraints: Any = None
) -> dict[str, Any]:
    """Check parameter values and fill in the defaults.

    Returns
    -------
    dict
        A plain value for every parameter, in the order of the schema.

    Raises
    ------
    StrategyError
        An unknown name (with the nearest known one), a wrong value, or a constraint that is not met.
    """
    items, conditions = _checked(schema, constraints)
    given = dict(params or {})
    known = [item.name for item in items]
    for name in given:
        if name not in known:
            raise StrategyError(
                f"expected a parameter of the strategy; got {name!r}; " + did_you_mean(str(name), known)
            )
    values = {
        item.name: item._checked(given[item.name]) if item.name in given else item.default for item in items
    }
    for constraint in conditions:
        if not is_feasible(items, (constraint,), values):
            shown = ", ".join(f"{name}={values[name]!r}" for name in constraint.names or known)
            raise StrategyError(f"expected {constraint.text}; got {shown}; change one of them")
    return values


def schema_to_distributions(schema: Iterable[Param]) -> dict[str, Any]:
    """Optuna distribution of every parameter, by name."""
    return {item.name: item.to_distribution() for item in schema}


def schema_to_grid(schema: Iterable[Param], n: int | None = None) -> dict[str, list[Any]]:
    """Values per parameter, as ``Param.grid`` gives them: the axes of a grid."""
    return {item.name: item.grid(n) for item in schema}


def active_mask(schema: Iterable[Param], columns: Mapping[str, Any]) -> dict[str, Any]:
    """bool[n] per parameter: where it matters (see ``active_names``), for columns of values."""
    import numpy as np

    items = validate_schema(schema)
    masks: dict[str, Any] = {}
    for item in items:
        mask = np.ones(len(columns[item.name]), dtype=bool)
        for name, wanted in (item.when or {}).items():
            column = np.asarray(columns[name])
            mask &= masks[name] & np.any([column == option for option in condition_options(wanted)], axis=0)
        masks[item.name] = mask
    return masks


def feasible_mask(schema: Iterable[Param], constraints: Any, columns: Mapping[str, Any]) -> Any:
    """bool[n]: the rows that meet all constraints (one that reads an inactive parameter does not apply)."""
    import numpy as np

    items = tuple(schema)
    conditional = any(item.when for item in items)
    masks = active_mask(items, columns) if conditional else {}
    result = np.ones(len(next(iter(columns.values()))), dtype=bool)
    for constraint in parse_constraints(constraints):
        constraint.check_names(columns)
        met = constraint.mask(columns)
        for name in constraint.names if conditional else ():
            if name in masks:
                met = met | ~masks[name]
        result &= met
    return result


def grid_columns(
    schema: Iterable[Param], axes: Mapping[str, Sequence[Any]], constraints: Any = None
) -> dict[str, Any]:
    """Product of the axes as columns, the last axis fastest, without infeasible and without repeated rows.

    Parameters
    ----------
    schema
        Parameters; one that ``axes`` does not name stays at its default.
    axes
        Values per parameter, such as ``schema_to_grid(schema)``.
    constraints
        Conditions that every row must meet.

    Returns
    -------
    dict of numpy.ndarray
        One column of equal length per parameter. Rows that differ only in inactive parameters appear once,
        with the default in the inactive ones.
    """
    import numpy as np

    items = validate_schema(schema, constraints)
    for name in axes:
        if name not in (known := [item.name for item in items]):
            raise StrategyError(
                f"expected parameter names as axes; got {name!r}; " + did_you_mean(name, known)
            )
    values = {i.name: column_of(i, axes.get(i.name, (i.default,))) for i in items}
    shape = tuple(len(axis) for axis in values.values())
    indices = np.indices(shape, dtype=np.int64).reshape(len(shape), -1)
    for position, item in enumerate(items):
        if item.when:
            columns = {name: axis[index] for (name, axis), index in zip(values.items(), indices, strict=True)}
            indices[position, ~active_mask(items, columns)[item.name]] = -1
    if any(item.when for item in items):
        indices = indices[:, np.sort(np.unique(indices, axis=1, return_index=True)[1])]
    columns = {}
    for item, index in zip(items, indices, strict=True):
        extended = column_of(item, [*values[item.name].tolist(), item.default])
        columns[item.name] = extended[index]
    keep = feasible_mask(items, constraints, columns)
    return {name: column[keep] for name, column in columns.items()}


def column_of(item: Param, values: Iterable[Any]) -> Any:
    """Values of one parameter as an array: int64, float64 or bool; choices of mixed types as object."""
    import numpy as np

    checked = [item.validate_value(value) for value in values]
    if item.kind != "choice":
        return np.array(checked, dtype={"int": np.int64, "float": np.float64, "bool": np.bool_}[item.kind])
    kinds = {type(choice) for choice in item.choices or ()}
    return np.array(checked) if len(kinds) == 1 else np.array(checked, dtype=object)


def schema_table(schema: Iterable[Param]) -> str:
    """The schema as a Markdown table: name, kind, default, values, when, description."""
    lines = ["| name | kind | default | values | only when | description |", "|---|---|---|---|---|---|"]
    for item in schema:
        if item.kind == "choice":
            values = ", ".join(f"`{choice!r}`" for choice in item.choices or ())
        elif item.kind == "bool":
            values = "`True`, `False`"
        else:
            low, high = ("any" if end is None else f"{end}" for end in (item.low, item.high))
            values = f"{low} to {high}" + (f", step {item.step}" if item.step else "") + (", log" * item.log)
        when = ", ".join(f"`{name} = {wanted!r}`" for name, wanted in (item.when or {}).items())
        cells = (f"`{item.name}`", item.kind, f"`{item.default!r}`", values, when, item.description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
