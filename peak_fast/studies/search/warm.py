"""Earlier results that a sampler knows from the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from peak_fast.errors import ConfigError, StrategyError, did_you_mean
from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import METRICS, SOURCE, WARM_START, Space

_WARM_STARTED = "peak_fast:warm_started"


def add_warm_start(
    study: Any,
    given: Any,
    space: Space,
    objectives: Sequence[Objective],
    limit: int,
    defaults: Mapping[str, Any] | None = None,
) -> int:
    """Add earlier results to a study as trials that were given from outside.

    Parameters
    ----------
    study
        The ``optuna.Study``.
    given
        A ``SweepResult``, a frame with a column per parameter and objective metric, a study of this package,
        an ``optuna.Study``, or a list of its trials.
    space, objectives
        What is searched and optimised; rows outside the space are left out.
    limit
        At most so many trials: three quarters of them the best by the first objective, the rest spread over
        all others, so that a sampler learns what is bad as well.
    defaults
        What parameters without a column had in a sweep or frame.

    Returns
    -------
    int
        Number of trials added; 0 when the study was warm-started before.
    """
    if study.user_attrs.get(_WARM_STARTED):
        return 0
    from optuna.trial import create_trial

    rows = [row for row in _warm_rows(given, objectives, defaults or {}) if row is not None]
    trials, seen = [], set()
    for params, values, metrics in _spread(rows, objectives[0], limit, space):
        point = space.point(params)
        if point.key in seen:
            continue
        seen.add(point.key)
        trials.append(
            create_trial(
                values=values,
                params=point.searched,
                distributions=space.distributions_of(point),
                user_attrs={SOURCE: WARM_START, **({METRICS: metrics} if metrics else {})},
            )
        )
    if rows and not trials:
        raise ConfigError(
            f"expected earlier results inside the search space; got {len(rows)} outside it; "
            "check parameter names and ranges"
        )
    study.add_trials(trials)
    study.set_user_attr(_WARM_STARTED, len(trials))
    return len(trials)


def _warm_rows(given: Any, objectives: Sequence[Objective], defaults: Mapping[str, Any]) -> list[Any]:
    inner = getattr(given, "optuna", given)
    trials = inner if isinstance(inner, list | tuple) else getattr(inner, "trials", None)
    if trials is not None and all(hasattr(trial, "state") for trial in trials):
        return [_row_of_trial(trial, objectives) for trial in trials if trial.state.name == "COMPLETE"]
    frame = getattr(given, "frame", given)
    frame = frame() if callable(frame) else frame
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True, pass_through=True)
    if not isinstance(table, nw.DataFrame):
        raise ConfigError(
            "warm_start: expected a SweepResult, a frame, a study, an optuna.Study or a list of its trials; "
            f"got {type(given).__name__}"
        )
    for objective in objectives:
        if objective.metric not in table.columns:
            raise ConfigError(
                f"expected a column {objective.metric!r} in the earlier results; got none; "
                + did_you_mean(objective.metric, table.columns)
            )
    return [_row_of_table({**defaults, **row}, objectives) for row in table.iter_rows(named=True)]


def _row_of_table(row: Mapping[str, Any], objectives: Sequence[Objective]) -> Any:
    """A row with its values; None where one of them is no number."""
    values = [objective.value(row[objective.metric]) for objective in objectives]
    return (row, values, None) if all(v is not None and v - v == 0 for v in values) else None


def _row_of_trial(trial: Any, objectives: Sequence[Objective]) -> Any:
    metrics = trial.user_attrs.get(METRICS)
    if metrics and all(objective.metric in metrics for objective in objectives):
        values = [objective.value(float(metrics[objective.metric])) for objective in objectives]
    elif len(trial.values) == len(objectives):
        values = list(trial.values)
    else:
        return None
    return (dict(trial.params), values, metrics) if all(value - value == 0 for value in values) else None


def _spread(rows: list[Any], objective: Objective, limit: int, space: Space) -> list[Any]:
    inside = [row for row in (_inside(row, space) for row in rows) if row is not None]
    ranked = sorted(inside, key=lambda row: -row[1][0] if objective.maximize else row[1][0])
    if len(ranked) <= limit:
        return ranked
    best = max(1, (3 * limit) // 4)
    rest, wanted = ranked[best:], limit - best
    return ranked[:best] + [rest[(k * len(rest)) // wanted] for k in range(wanted)]


def _inside(row: Any, space: Space) -> Any:
    given, values, metrics = row
    params = {}
    for item in space.schema:
        value = given.get(item.name)
        if value is None:
            if item.when is None:
                return None
            value = item.default
        try:
            params[item.name] = item.validate_value(value)
        except StrategyError:
            return None
    return (params, values, metrics) if space.holds(space.point(params)) else None
