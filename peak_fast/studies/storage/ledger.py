"""The study's trials in its storage: claimed before they run, finished once, rescued from dead workers.

On a shared storage a point goes through three writes: a running trial that carries the worker's name (the
claim), its result, its final state. Three rules keep every trial counted exactly once, on any storage that
creates trials one after the other, as all of Optuna's do:

* Of two claims on the same numbered point the trial with the lower number stays, the other fails as surplus.
* Of more claims than the study has room for, the ones with the highest numbers fail as surplus.
  (In a database both are checked in the transaction that makes the claim, so that no trial has to fail.)
* A trial is finished only from its running state. A worker that was taken for dead and comes back finds its
  trial failed, and its result is dropped; the retry counts.

In memory there is nobody else: finished trials are simply added.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from peak_fast.studies.points import (
    COMPLETE,
    DUPLICATE,
    FAILED,
    INDEX,
    INTERRUPTED,
    METRICS,
    SOURCE,
    SURPLUS,
    WARM_START,
    WORKER,
    WORKER_DIED,
    Point,
    Space,
)
from peak_fast.studies.storage.bulk import writer_for
from peak_fast.studies.storage.retries import Retries, patiently
from peak_fast.studies.storage.workers import Heartbeat, new_worker_name


class Ledger:
    """Trials of one study.

    Parameters
    ----------
    study
        The ``optuna.Study`` that users see.
    space
        What is searched.
    is_shared
        Whether other processes can write to the storage.
    heartbeat
        Interval and grace period in seconds.

    Attributes
    ----------
    name : str
        This worker.
    """

    def __init__(
        self, study: Any, space: Space, is_shared: bool, heartbeat: tuple[float, float] = (5.0, 60.0)
    ) -> None:
        self._study = study
        self._space = space
        self.is_shared = is_shared
        self._storage = study._storage
        self._study_id = study._study_id
        self._writer = writer_for(self._storage) if is_shared else None
        self._retries = Retries(study)
        self.name = new_worker_name()
        self._heartbeat = Heartbeat(study, self.name, *heartbeat)
        self._states: dict[int, Any] = {}
        self._own: set[int] = set()
        self._settled = 0
        self._settled_counted = 0
        self._settled_indices: dict[int, int] = {}
        self._open: list[Any] = []
        self._news: list[Any] = []

    def start(self) -> int:
        """Begin to work on the study; returns this worker's position among the living ones."""
        if not self.is_shared:
            return 0
        self._heartbeat.start()
        return self._heartbeat.rank()

    def stop(self) -> None:
        """Stop working on the study."""
        self._heartbeat.stop()

    def rank(self) -> int:
        """Position of this worker among the living ones."""
        return self._heartbeat.rank() if self.is_shared else 0

    def sync(self) -> None:
        """Read the storage."""
        trials = patiently(lambda: self._study.get_trials(deepcopy=False))
        for trial in trials[self._settled :]:
            if self._states.get(trial.number) != trial.state:
                self._states[trial.number] = trial.state
                if trial.number not in self._own:
                    self._news.append(trial)
        while self._settled < len(trials) and trials[self._settled].state.is_finished():
            trial = trials[self._settled]
            if self._is_counted(trial):
                self._settled_counted += 1
                if INDEX in trial.user_attrs:
                    self._settled_indices[trial.user_attrs[INDEX]] = trial.number
            self._settled += 1
        self._open = trials[self._settled :]

    def news(self) -> list[Any]:
        """Trials of others that were new or had changed state at a sync since the last call, in order."""
        news, self._news = self._news, []
        return news

    def _is_counted(self, trial: Any) -> bool:
        """Whether a trial takes a place in the study: not failed, not from outside, not a stranger's."""
        if trial.state.name == FAILED or trial.user_attrs.get(SOURCE) == WARM_START:
            return False
        return trial.state.name != "RUNNING" or WORKER in trial.user_attrs

    @property
    def counted(self) -> int:
        """Trials that have a place: finished, running and waiting ones (as of the last sync)."""
        return self._settled_counted + sum(map(self._is_counted, self._open))

    @property
    def finished(self) -> int:
        """Trials that have a place and a result (as of the last sync)."""
        return self._settled_counted + sum(
            1 for trial in self._open if trial.state.is_finished() and self._is_counted(trial)
        )

    def pop_waiting(self, count: int) -> list[Point]:
        """Take trials that wait in the queue: retries, and those that users enqueued."""
        points: list[Point] = []
        from optuna.trial import TrialState

        for trial in [trial for trial in self._open if trial.state == TrialState.WAITING]:
            if len(points) == count:
                break
            if not self._take(trial._trial_id):
                continue
            values = dict(trial.system_attrs.get("fixed_params", {})) | trial.params
            known = {name: value for name, value in values.items() if name in self._space.names}
            defaults = {item.name: item.default for item in self._space.schema}
            point = self._space.point({**defaults, **known}, index=trial.user_attrs.get(INDEX))
            point.trial_id, point.number = trial._trial_id, trial.number
            self._own.add(trial.number)
            missing = {name: v for name, v in point.searched.items() if name not in trial.params}
            for name, value in missing.items():
                distribution = self._space.distributions[name]
                internal = distribution.to_internal_repr(value)
                self._storage.set_trial_param(trial._trial_id, name, internal, distribution)
            points.append(point)
        return points

    def _take(self, trial_id: int) -> bool:
        """Move a waiting trial to running; False when another worker was faster."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            # The name goes first, so that there is no moment in which a running trial belongs to nobody; the
            # loser of a race may have overwritten it, hence the second time.
            self._storage.set_trial_user_attr(trial_id, WORKER, self.name)
            if not patiently(lambda: self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)):
                return False
            self._storage.set_trial_user_attr(trial_id, WORKER, self.name)
        except UpdateFinishedTrialError:
            return False
        return True

    def claim(self, points: Sequence[Point], target: int | None) -> list[Point]:
        """Reserve points on a shared storage.

        Parameters
        ----------
        points
            Points to run; those with a ``trial_id`` are claimed already.
        target
            Number of trials that the study has room for.

        Returns
        -------
        list of Point
            The points that are this worker's to run.
        """
        if not self.is_shared:
            return list(points)
        fresh = [point for point in points if point.trial_id is None]
        templates = [self._template(point, "RUNNING") for point in fresh]
        writer = self._writer
        if writer is not None:
            places = patiently(lambda: writer.create(self._study_id, templates, target)) if fresh else []
            for point, place in zip(fresh, places, strict=True):
                if place is not None:
                    point.trial_id, point.number = place
                    self._own.add(place[1])
            return [point for point in points if point.trial_id is not None]
        for point, place in zip(fresh, self._create(templates), strict=True):
            point.trial_id, point.number = place
            self._own.add(place[1])
        self.sync()
        surplus = self._surplus({point.number for point in points}, target)
        for point in points:
            if point.number in surplus:
                point.finish(FAILED, SURPLUS)
        self.finish([point for point in points if point.number in surplus])
        return [point for point in points if point.number not in surplus]

    def _create(self, templates: Sequence[Any]) -> list[tuple[int, int]]:
        with self._together():
            ids = [self._storage.create_new_trial(self._study_id, template_trial=t) for t in templates]
            return [(trial_id, self._storage.get_trial_number_from_id(trial_id)) for trial_id in ids]

    def _together(self) -> contextlib.AbstractContextManager[None]:
        """Writes inside become one on a journal; elsewhere nothing changes."""
        batch = getattr(getattr(self._storage, "_backend", None), "batch", contextlib.nullcontext)
        found: contextlib.AbstractContextManager[None] = batch()
        return found

    def _surplus(self, own: set[int | None], target: int | None) -> set[int]:
        """Numbers of own trials that lost to a trial with a lower number."""
        counted = [trial for trial in self._open if self._is_counted(trial)]
        holders: dict[Any, int] = {}
        surplus: set[int] = set()
        for place, trial in enumerate(counted, start=self._settled_counted):
            index = trial.user_attrs.get(INDEX)
            holder = self._settled_indices.get(index, holders.setdefault(index, trial.number))
            taken = index is not None and holder != trial.number
            if trial.number in own and (taken or (target is not None and place >= target)):
                surplus.add(trial.number)
        return surplus

    def _template(self, point: Point, state: str) -> Any:
        from optuna.trial import TrialState, create_trial

        user, system = self._attributes(point)
        if state == "RUNNING":
            user = {WORKER: self.name, **user}
        template = create_trial(
            state=TrialState[state],
            values=point.values if state == COMPLETE else None,
            user_attrs=user,
            system_attrs=system,
            intermediate_values=point.steps,
        )
        # Afterwards, because Optuna refuses values outside a distribution here, and takes them elsewhere.
        template.params, template.distributions = dict(point.searched), self._space.distributions_of(point)
        return template

    @staticmethod
    def _attributes(point: Point) -> tuple[dict[str, Any], dict[str, Any]]:
        """User and system attributes of a trial, as far as they are known."""
        user = dict(point.attrs)
        if point.twin is not None and point.twin.number is not None:
            user[DUPLICATE] = point.twin.number
        if point.index is not None:
            user[INDEX] = point.index
        if point.metrics:
            user[METRICS] = {name: _jsonable(value) for name, value in point.metrics.items()}
        system: dict[str, Any] = {}
        if point.trial is not None:
            found = point.trial.storage.get_trial_system_attrs(point.trial._trial_id)
            system = {key: value for key, value in found.items() if key != "fixed_params"}
        for name, value in point.constraints.items():
            system.setdefault(f"constraints:{name}", value)
        return user, system

    def finish(self, points: Sequence[Point]) -> list[Point]:
        """Write results.

        Returns
        -------
        list of Point
            Those that were accepted; the others were taken over by another worker meanwhile.
        """
        fresh = [point for point in points if point.trial_id is None]
        if fresh:
            first = len(self._study.get_trials(deepcopy=False))
            for number, point in enumerate(fresh, start=first):
                point.number = number
                self._own.add(number)
            # As `add_trials` does, but for its check: values that were given may lie outside the ranges.
            for point in fresh:
                template = self._template(point, point.state)
                self._storage.create_new_trial(self._study_id, template_trial=template)
        running = [point for point in points if point.trial_id is not None]
        return fresh + self._finish_running(running)

    def _finish_running(self, points: list[Point]) -> list[Point]:
        if not points:
            return []
        writer, attrs = self._writer, [self._attributes(point) for point in points]
        if writer is not None:
            done = patiently(lambda: writer.finish(points, attrs))
            return [point for point in points if point.trial_id in done]
        with self._together():
            return [
                point
                for point, (user, system) in zip(points, attrs, strict=True)
                if self._finish_one(point, user, system)
            ]

    def _finish_one(self, point: Point, user: dict[str, Any], system: dict[str, Any]) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        storage, trial_id = self._storage, point.trial_id
        try:
            for key, value in user.items():
                storage.set_trial_user_attr(trial_id, key, value)
            for key, value in system.items():
                storage.set_trial_system_attr(trial_id, key, value)
            for step, value in point.steps.items():
                storage.set_trial_intermediate_value(trial_id, step, value)
            values = point.values if point.state == COMPLETE else None
            return bool(
                patiently(lambda: storage.set_trial_state_values(trial_id, TrialState[point.state], values))
            )
        except UpdateFinishedTrialError:
            return False

    def rescue(self) -> int:
        """Fail the running trials of dead workers and queue them again; returns how many."""
        if not self.is_shared:
            return 0
        running = [t for t in self._open if t.state.name == "RUNNING" and t.user_attrs.get(WORKER)]
        if not running:
            return 0
        stamps = self._heartbeat.stamps()
        dead = [t for t in running if not self._heartbeat.is_alive(t.user_attrs[WORKER], stamps)]
        return sum(self._retries.retry(trial, WORKER_DIED) for trial in dead)

    def abandon(self, points: Sequence[Point]) -> None:
        """Give back claimed points that will not be finished, so that a resumed study runs them."""
        numbers = {point.number for point in points if point.trial_id is not None}
        self.sync()
        for trial in self._open:
            if trial.number in numbers and trial.state.name == "RUNNING":
                self._retries.retry(trial, INTERRUPTED)

    def retry_failed(self) -> int:
        """Queue the trials that failed with an error again; returns how many."""
        return self._retries.retry_failed()


def _jsonable(value: Any) -> Any:
    """Numbers as float, undefined and infinite ones as text, so that every database stores them."""
    number = float(value)
    return number if number - number == 0 else str(number)
