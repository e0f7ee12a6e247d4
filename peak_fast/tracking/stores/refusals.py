"""Values that a store refuses for good: told from a store that is away, written around, and named in the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peak_fast.tracking.base import logger
from peak_fast.tracking.sanitize import (
    MAX_METRICS_PER_BATCH,
    MAX_PARAMS_PER_BATCH,
    MAX_TAGS_PER_BATCH,
    batches,
    clean_text,
)
from peak_fast.tracking.stores import filestore
from peak_fast.tracking.updates import RunUpdate

# The tag that says which values of a run its store refused.
REFUSED = "peak_fast.refused"
# Answers that no repetition will change.
_FINAL_CODES = frozenset(
    ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INVALID_STATE", "NOT_FOUND")
)


def log_values(
    client: Any,
    entities: Any,
    run_id: str,
    update: RunUpdate,
    metrics: list[tuple[str, float, int, int]],
) -> None:
    """Write the values of a run in batches; where one is refused, value by value.

    What is refused is named in the run's tag ``peak_fast.refused``.
    """
    params = [entities.Param(key, value) for key, value in update.params.items()]
    tags = [entities.RunTag(key, value) for key, value in update.tags.items()]
    points = [entities.Metric(key, value, timestamp, step) for key, value, timestamp, step in metrics]
    problems: list[str] = []
    room = MAX_METRICS_PER_BATCH - MAX_PARAMS_PER_BATCH - MAX_TAGS_PER_BATCH
    groups = [
        list(batches(params, MAX_PARAMS_PER_BATCH)),
        list(batches(tags, MAX_TAGS_PER_BATCH)),
        list(batches(points, room)),
    ]
    for index in range(max(map(len, groups))):
        some_params, some_tags, some_points = (group[index] if index < len(group) else [] for group in groups)
        try:
            client.log_batch(run_id, metrics=some_points, params=some_params, tags=some_tags)
        except Exception as error:
            if not is_final(error):
                raise
            problems += _log_singly(client, run_id, some_params, some_points, some_tags)
    if problems:
        tell(run_id, problems)
        client.set_tag(run_id, REFUSED, refused_text(problems))


def _log_singly(client: Any, run_id: str, params: list[Any], points: list[Any], tags: list[Any]) -> list[str]:
    """Write value by value, so that one that is refused does not take the others with it; what was refused."""
    problems = []
    for kind, some in (("params", params), ("metrics", points), ("tags", tags)):
        for value in some:
            try:
                client.log_batch(run_id, **{kind: [value]})
            except Exception as error:
                if not is_final(error):
                    raise
                # Parameters cannot change: one that was logged with another value keeps the first, which the
                # tracker has said.
                if not (kind == "params" and "INVALID_PARAMETER_VALUE" in _codes(error)):
                    problems.append(filestore.problem(kind, value.key, str(value.value), error))
    return problems


def _causes(error: BaseException) -> list[BaseException]:
    """The error, and what it wraps: a file store says INTERNAL_ERROR for whatever went wrong with a value."""
    inner = error.__context__
    wrapped = str(getattr(error, "error_code", "")) == "INTERNAL_ERROR" and inner is not None
    return [error, inner] if wrapped and inner is not None else [error]


def _codes(error: BaseException) -> list[str]:
    return [str(getattr(cause, "error_code", "")) for cause in _causes(error)]


def is_final(error: BaseException) -> bool:
    """Whether no repetition will change the answer, so that the value is to blame and not the store."""
    return any(code in _FINAL_CODES for code in _codes(error)) or any(
        isinstance(cause, (OverflowError, UnicodeError)) or filestore.is_bad_name(cause)
        for cause in _causes(error)
    )


def tell(run_id: str, problems: Sequence[str]) -> None:
    """Say in the log what a run lacks."""
    logger.warning("run %s: the store refuses a part of it: %s", run_id, "; ".join(problems))


def refused_text(problems: Sequence[str]) -> str:
    """What the tag says."""
    return clean_text("; ".join(problems), 1_000)
