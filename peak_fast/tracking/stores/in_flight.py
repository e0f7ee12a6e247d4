"""Runs of one batch on their way to a server, several at a time.

A server answers a request in some ten milliseconds, and a run takes a handful of requests that follow each other.
Runs do not wait for each other, except a child for its parent's id.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from peak_fast.tracking.stores.refusals import is_passing
from peak_fast.tracking.updates import PARENT_RUN_ID, Rejection, RunUpdate, StoreUnavailable

# Fewer than the ten connections that MLflow's client keeps alive.
IN_FLIGHT = 8
# Seconds before a server that was busy, or that closed a connection, is asked again: together far less than `flush`
# waits, and the next flush goes on.
_PAUSES = (0.05, 0.2, 0.8, 2.0)
# A run or a metric point of theirs would be there twice.
_ONCE = frozenset(("create_run", "create_experiment", "log_batch"))

Work = Callable[[RunUpdate], list[Rejection]]


def side_by_side(work: Work, updates: Sequence[RunUpdate]) -> list[Rejection]:
    """What ``work`` returns for each update, one thread a run; the first one that fails stops those not begun."""
    if len(updates) == 1:
        return list(patiently(work, updates[0]))
    jobs: dict[str, Future[list[Rejection]]] = {}
    failed: list[StoreUnavailable] = []

    def one(update: RunUpdate, parent: Future[list[Rejection]] | None) -> list[Rejection]:
        if parent is not None:  # it came before, so it is at work or done
            parent.result()
        if failed:
            raise failed[0]
        try:
            return list(patiently(work, update))
        except StoreUnavailable as error:
            failed.append(error)
            raise

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            for update in updates:
                jobs[update.run_id] = pool.submit(one, update, jobs.get(update.tags.get(PARENT_RUN_ID, "")))
            return [rejection for job in jobs.values() for rejection in job.result()]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def patiently(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a call returns that may be made twice, repeated after pauses while its server is busy."""
    for pause in _PAUSES:
        try:
            return call(*arguments, **named)
        except Exception as error:
            passing = error.passing if isinstance(error, StoreUnavailable) else is_passing(error)
            if not passing:
                raise
        time.sleep(pause * (0.5 + random.random()))
    return call(*arguments, **named)


class PatientClient:
    """MLflow's client, whose calls are repeated while its server is busy, unless that could write something twice."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return call if name in _ONCE else partial(patiently, call)
