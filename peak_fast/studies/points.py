"""A point of the search space on its way through a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from peak_fast.params import Param, active_names, canonical_params

Key: TypeAlias = tuple[Any, ...]

COMPLETE, PRUNED, FAILED = "COMPLETE", "PRUNED", "FAIL"

SOURCE, METRICS, WORKER = "peak_fast:source", "peak_fast:metrics", "peak_fast:worker"
INDEX, DUPLICATE, REASON = "peak_fast:index", "peak_fast:duplicate_of", "peak_fast:reason"
RETRY_OF = "peak_fast:retry_of"
WARM_START, SURPLUS = "warm start", "surplus"
WORKER_DIED, INTERRUPTED = "the worker died", "interrupted"


@dataclass(slots=True)
class Point:
    """One configuration from its proposal to its result.

    Attributes
    ----------
    params : dict
        A value for every parameter, inactive ones at their defaults: what is run.
    searched : dict
        Only the active parameters: what Optuna sees.
    index : int or None
        Position in a grid, random or Sobol sequence.
    trial : optuna.trial.Trial or None
        Trial of the private study that the sampler works on.
    trial_id, number : int or None
        Trial in the study's storage, once it is there.
    state : str
        Empty while it runs, then ``"COMPLETE"``, ``"PRUNED"`` or ``"FAIL"``.
    values : list of float or None
        Objective values.
    metrics : dict
        Every metric that was computed.
    constraints : dict
        Violation by condition, positive where it is not met.
    steps : dict
        Intermediate objective value by step.
    attrs : dict
        Further things to remember with the trial.
    twin : Point or None
        The point with the same parameters whose result this one shares.
    """

    params: dict[str, Any]
    searched: dict[str, Any]
    index: int | None = None
    trial: Any = None
    trial_id: int | None = None
    number: int | None = None
    state: str = ""
    values: list[float] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    constraints: dict[str, float] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    twin: Point | None = None

    @property
    def key(self) -> Key:
        """Two points with the same key run the same backtest."""
        return tuple(self.params.values())

    def finish(self, state: str, reason: str | None = None) -> None:
        """Set the final state, and why when it is not a result."""
        self.state = state
        if reason is not None:
            self.attrs[REASON] = reason


class Space:
    """Schema and constraints with what the loop asks for on every point.

    Parameters
    ----------
    schema
        Validated parameters, conditions before what depends on them.
    constraints
        Conditions between parameters.
    """

    def __init__(self, schema: Sequence[Param], constraints: Sequence[Any]) -> None:
        self.schema = tuple(schema)
        self.constraints = tuple(constraints)
        self.names = tuple(item.name for item in self.schema)
        self.is_conditional = any(item.when for item in self.schema)
        self._distributions: dict[str, Any] = {}

    @property
    def distributions(self) -> dict[str, Any]:
        """Optuna distribution per parameter."""
        if not self._distributions:
            self._distributions = {item.name: item.to_distribution() for item in self.schema}
        return self._distributions

    def point(self, values: Mapping[str, Any], **rest: Any) -> Point:
        """A point from values of at least the active parameters (inactive ones may be missing)."""
        if not self.is_conditional:
            params = {name: values[name] for name in self.names}
            return Point(params, params, **rest)
        filled = {item.name: values.get(item.name, item.default) for item in self.schema}
        params = canonical_params(self.schema, filled)
        active = active_names(self.schema, params)
        return Point(params, {name: params[name] for name in active}, **rest)

    def distributions_of(self, point: Point) -> dict[str, Any]:
        """Distributions of the point's active parameters."""
        if not self.is_conditional:
            return self.distributions
        return {name: self.distributions[name] for name in point.searched}

    def holds(self, point: Point) -> bool:
        """Whether a search may take the point; values that were given may lie outside its ranges."""
        return all(
            distribution._contains(distribution.to_internal_repr(point.searched[name]))
            for name, distribution in self.distributions_of(point).items()
        )

    def nearest(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same values moved to the nearest ones that a search may take (low plus whole steps)."""
        moved: dict[str, Any] = {}
        for item in self.schema:
            value = item.validate_value(values[item.name])
            if item.kind in ("int", "float") and not item.log and (item.step or item.kind == "int"):
                grid = self.distributions[item.name]
                index = min(round((value - grid.low) / grid.step), round((grid.high - grid.low) / grid.step))
                value = item.validate_value(min(grid.low + index * grid.step, grid.high))
                if item.kind == "float":
                    value = item.grid()[index]
            moved[item.name] = value
        return moved
