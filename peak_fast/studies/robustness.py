"""Is the best trial a plateau or a lone peak: the objective around it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.params import Param, is_feasible
from peak_fast.studies.evaluation import BatchRunner, combine
from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import Key, Point, Space

if TYPE_CHECKING:
    import polars as pl

_LARGEST = 243
_WIDTH = 0.05


def neighbours(space: Space, params: dict[str, Any], width: float = _WIDTH, seed: int = 0) -> list[Point]:
    """Feasible points around a point, without itself.

    Every active number moves down, not at all, or up by ``width`` of its range (at least one search step; on
    a logarithmic scale where it is searched so), in all combinations; choices and booleans stay. Of more than
    243 combinations a seeded sample is taken.
    """
    moves: list[list[Any]] = []
    active = space.point(params).searched
    for item in space.schema:
        value = params[item.name]
        is_number = item.kind in ("int", "float") and item.name in active
        moves.append(_moves(item, value, width) if is_number else [value])
    total = math.prod(len(options) for options in moves)
    if total <= _LARGEST:
        rows = list(itertools.product(*moves))
    else:
        generator = np.random.default_rng(seed)
        rows = [
            tuple(options[int(generator.integers(len(options)))] for options in moves)
            for _ in range(_LARGEST)
        ]
    found: dict[Key, Point] = {}
    for row in rows:
        values = dict(zip(space.names, row, strict=True))
        if is_feasible(space.schema, space.constraints, values):
            point = space.point(values)
            found[point.key] = point
    found.pop(space.point(params).key, None)
    return list(found.values())


def _moves(item: Param, value: Any, width: float) -> list[Any]:
    low, high = item.low, item.high
    if low is None or high is None:
        return [value]
    low, high = min(low, value), max(high, value)  # a value that was given may lie outside
    if item.log:
        factor = (high / low) ** width
        candidates = [value / factor, value, value * factor]
        if item.kind == "int":
            candidates = [
                min(math.floor(candidates[0]), value - 1),
                value,
                max(math.ceil(candidates[2]), value + 1),
            ]
    else:
        step = item.step or (1 if item.kind == "int" else None)
        distance = width * (high - low)
        if step is not None:
            distance = max(round(distance / step), 1) * step
        candidates = [value - distance, value, value + distance]
    inside = [candidate for candidate in candidates if low <= candidate <= high]
    return [item.validate_value(candidate) for candidate in inside]


def neighbourhood_frame(
    runner: BatchRunner,
    space: Space,
    objective: Objective,
    trials: Sequence[Any],
    width: float = _WIDTH,
    seed: int = 0,
) -> pl.DataFrame:
    """The objective around some trials.

    Parameters
    ----------
    runner
        Runs the neighbours, all of them in one call per step.
    space, objective
        What was searched, and what is compared.
    trials
        Trials with a value.
    width
        Distance of a neighbour as a fraction of each parameter's range.
    seed
        For the sample where there are too many neighbours.

    Returns
    -------
    polars.DataFrame
        Per trial: ``number``, ``value``, ``neighbours`` (count), ``mean`` (over the trial and its
        neighbours), ``std``, ``worst``, ``undefined`` (neighbours without a value, left out of the mean).
        Best mean first.
    """
    import polars as pl

    groups = [neighbours(space, space.point(trial.params).params, width, seed) for trial in trials]
    distinct = list({point.key: point for group in groups for point in group}.values())
    values = _values(runner, distinct, objective)
    rows = []
    for trial, group in zip(trials, groups, strict=True):
        own = trial.values[0]
        around = np.array([values[point.key] for point in group], dtype=np.float64)
        defined = np.r_[own, around[np.isfinite(around)]]
        rows.append(
            {
                "number": trial.number,
                "value": float(own),
                "neighbours": len(group),
                "mean": float(defined.mean()),
                "std": float(defined.std()),
                "worst": float(defined.min() if objective.maximize else defined.max()),
                "undefined": int(len(around) - (len(defined) - 1)),
            }
        )
    frame = pl.DataFrame(
        rows,
        schema={
            "number": pl.Int64,
            "value": pl.Float64,
            "neighbours": pl.Int64,
            "mean": pl.Float64,
            "std": pl.Float64,
            "worst": pl.Float64,
            "undefined": pl.Int64,
        },
    )
    return frame.sort("mean", descending=objective.maximize, maintain_order=True)


def _values(runner: BatchRunner, points: list[Point], objective: Objective) -> dict[Key, float]:
    rows: list[list[dict[str, float]]] = [[] for _ in points]
    for step in range(len(runner.steps)):
        for history, row in zip(rows, runner.run(points, step), strict=True):
            history.append(row)
    found = {}
    for point, history in zip(points, rows, strict=True):
        complete = all(row for row in history) and bool(history)
        metric = combine(history)[objective.metric] if complete else float("nan")
        found[point.key] = float(objective.value(metric))
    return found
