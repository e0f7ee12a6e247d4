"""Parameters of strategies: their schema, their constraints, their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.params.constraints import Constraint
    from peak_fast.params.parameter import Param
    from peak_fast.params.schema import (
        active_mask,
        active_names,
        canonical_params,
        extract_defaults,
        feasible_mask,
        grid_columns,
        is_feasible,
        parse_constraints,
        schema_table,
        schema_to_distributions,
        schema_to_grid,
        validate_params,
        validate_schema,
    )
    from peak_fast.params.schema import column_of as column_of

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

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "constraints": ("Constraint",),
    "parameter": ("Param",),
    "schema": (
        "active_mask",
        "active_names",
        "canonical_params",
        "column_of",
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
    ),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
