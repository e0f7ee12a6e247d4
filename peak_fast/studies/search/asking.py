"""Optuna's samplers at work on a private study in memory.

The sampler sees every trial of the shared study, its own running ones and the proposals that broke a
constraint, but asks no storage: a proposal costs what the sampler costs, wherever the study is kept. The
users' study gets the trials that were run, with the attributes that samplers leave on them, so that a resumed
study goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peak_fast.params import is_feasible
from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import COMPLETE, FAILED, PRUNED, SOURCE, Point, Space
from peak_fast.studies.search.restoring import without_code
from peak_fast.studies.search.sequences import Cursor, RandomSequence
from peak_fast.studies.storage import quiet_optuna

_MAX_PROPOSALS = 20


class Asker:
    """Proposes points and learns from results.

    Parameters
    ----------
    space
        What is searched.
    objectives
        What is optimised.
    sampler, pruner
        Optuna objects; ``pruner`` may be None.
    seed
        For the random points that stand in where a sampler finds no feasible one.

    Attributes
    ----------
    rejected : int
        Proposals that broke a constraint and were not run.
    """

    def __init__(
        self, space: Space, objectives: Sequence[Objective], sampler: Any, pruner: Any, seed: int
    ) -> None:
        self._space = space
        self._sampler = without_code(sampler)
        with quiet_optuna() as optuna:
            self._study = optuna.create_study(
                study_name="peak_fast",  # Hyperband derives brackets from it: fixed, so that seeds repeat
                directions=[objective.direction for objective in objectives],
                sampler=sampler,
                pruner=pruner or optuna.pruners.NopPruner(),
            )
            self._learns_constraints = isinstance(
                sampler,
                optuna.samplers.TPESampler | optuna.samplers.NSGAIISampler | optuna.samplers.GPSampler,
            )
            genetic = isinstance(sampler, optuna.samplers.NSGAIISampler | optuna.samplers.NSGAIIISampler)
        self._generation_key = f"{type(sampler).__name__}:generation" if genetic else None
        self._seed = seed
        self._fallback: Cursor | None = None
        self._known: dict[int, int] = {}
        self.rejected = 0

    def ask(self, count: int) -> list[Point]:
        """Feasible points, as many as wanted.

        A proposal that breaks a constraint between parameters is not run: samplers that learn from
        constraints are told, others asked again. Where 20 proposals per point were not enough, feasible
        random points fill up.
        """
        points: list[Point] = []
        for _ in range(_MAX_PROPOSALS * count):
            if len(points) == count:
                break
            point = self._propose()
            if self._space.constraints and not is_feasible(
                self._space.schema, self._space.constraints, point.params
            ):
                self._reject(point)
            else:
                points.append(point)
        if len(points) < count:
            if self._fallback is None:
                self._fallback = Cursor(self._space, RandomSequence(self._space, self._seed))
            for point in self._fallback.take(count - len(points)):
                point.index = None
                self.start(point)
                points.append(point)
        return points

    def _propose(self) -> Point:
        if not self._space.is_conditional:
            trial = self._study.ask(self._space.distributions)
            return self._space.point(trial.params, trial=trial)
        trial = self._study.ask()
        values: dict[str, Any] = {}
        for item in self._space.schema:
            if all(name in values for name in item.when or {}) and item.is_active(values):
                values[item.name] = item.to_optuna_suggest(trial)
        return self._space.point(values, trial=trial)

    def _reject(self, point: Point) -> None:
        from optuna.trial import TrialState

        self.rejected += 1
        if self._learns_constraints:
            point.trial.set_constraint("parameters", 1.0)
        state = TrialState.PRUNED if self._learns_constraints else TrialState.FAIL
        self._study.tell(point.trial, state=state)

    def start(self, point: Point) -> None:
        """Give a point that did not come from the sampler a running trial; the sampler learns of none outside."""
        if not self._space.holds(point):
            return
        self._study.enqueue_trial(dict(point.searched))
        point.trial = self._study.ask(self._space.distributions_of(point))
        if self._generation_key is not None:
            _ = point.trial.relative_params  # makes the trial a member of the current generation

    def prunes(self, point: Point, step: int, value: float) -> bool:
        """Report an intermediate value; True when the pruner gives the trial up."""
        point.steps[step] = value
        if value != value or point.trial is None:
            return False
        point.trial.report(value, step)
        return bool(point.trial.should_prune())

    def tell(self, point: Point) -> None:
        """Let the sampler know a result."""
        from optuna.trial import TrialState

        if point.trial is None:
            return
        if self._learns_constraints and point.state != FAILED:
            for name, value in point.constraints.items():
                point.trial.set_constraint(name, value)
        if point.state == COMPLETE:
            self._study.tell(point.trial, point.values)
        else:
            self._study.tell(point.trial, state=TrialState[point.state])

    def learn(self, trial: Any) -> None:
        """Take over a trial of the users' study: another worker's, an earlier run's, or from outside."""
        state = trial.state.name
        if state == "WAITING" or not trial.params or not _is_inside(trial):
            return
        if trial.number in self._known:
            self._update(self._known[trial.number], trial)
        elif state in (COMPLETE, PRUNED, "RUNNING"):
            self._add(trial)

    def _add(self, trial: Any) -> None:
        from optuna.trial import create_trial

        system = dict(trial.system_attrs)
        if self._generation_key is not None and trial.state.name == COMPLETE:
            system.setdefault(self._generation_key, 0)
        self._known[trial.number] = self._study._storage.create_new_trial(
            self._study._study_id,
            template_trial=create_trial(
                state=trial.state,
                values=trial.values if trial.state.name == COMPLETE else None,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={SOURCE: trial.user_attrs.get(SOURCE)},
                system_attrs=system,
                intermediate_values=trial.intermediate_values,
            ),
        )

    def _update(self, trial_id: int, trial: Any) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        if not trial.state.is_finished():
            return
        storage = self._study._storage
        try:
            for key, value in trial.system_attrs.items():
                storage.set_trial_system_attr(trial_id, key, value)
            for step, value in trial.intermediate_values.items():
                storage.set_trial_intermediate_value(trial_id, step, value)
            values = trial.values if trial.state.name == COMPLETE else None
            storage.set_trial_state_values(trial_id, trial.state, values)
        except UpdateFinishedTrialError:
            return  # known already


def _is_inside(trial: Any) -> bool:
    """Whether a trial's values lie in its distributions; Optuna keeps others, too, where somebody gave them."""
    return all(
        distribution._contains(distribution.to_internal_repr(trial.params[name]))
        for name, distribution in trial.distributions.items()
    )
