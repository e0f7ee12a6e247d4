"""The loop of a study: propose, claim, run, record, learn."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peak_fast.errors import PeakFastError, StrategyError
from peak_fast.studies.evaluation import BatchRunner, combine
from peak_fast.studies.limits import Limits
from peak_fast.studies.objectives import Feasibility, Objective
from peak_fast.studies.pareto import pareto_mask
from peak_fast.studies.points import (
    COMPLETE,
    FAILED,
    METRICS,
    PRUNED,
    REASON,
    SURPLUS,
    Key,
    Point,
    Space,
)
from peak_fast.studies.search import Proposer
from peak_fast.studies.storage import Ledger

_log = logging.getLogger(__name__)
_RESCUE_SECONDS = 2.0
_WAIT_SECONDS = 0.05
_HOPELESS_FAILURES = 50
_STALLED_PROPOSALS = 300


@dataclass(slots=True)
class Tally:
    """What a run did.

    Attributes
    ----------
    seconds, evaluation_seconds, pruning_seconds : float
        Time of the run, in the evaluator, and in the pruner's decisions.
    run, duplicates, pruned, undefined, failed, lost : int
        Points run, answered from the cache, pruned, without a defined objective, failed with an error, and
        given up to another worker.
    steps_done, steps_skipped : int
        Pairs of trial and step that were run, and that pruning saved.
    """

    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    pruning_seconds: float = 0.0
    run: int = 0
    duplicates: int = 0
    pruned: int = 0
    undefined: int = 0
    failed: int = 0
    lost: int = 0
    steps_done: int = 0
    steps_skipped: int = 0


class Loop:
    """Runs a study until a limit is reached.

    Parameters
    ----------
    space, objectives, feasibility
        What is searched, optimised and accepted.
    runner
        Runs points on steps.
    ledger
        Keeps the trials.
    proposer
        Finds points.
    pruning
        None, ``"mean"`` (report the running mean of the steps) or ``"step"`` (report each step's own value).
    space_size
        Number of distinct feasible points; None when it is unknown or without end.

    Attributes
    ----------
    best : Point or None
        Feasible point with the best first objective, of all workers and earlier runs.
    tally : Tally
        What this run did.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        feasibility: Feasibility,
        runner: BatchRunner,
        ledger: Ledger,
        proposer: Proposer,
        pruning: str | None = None,
        space_size: int | None = None,
    ) -> None:
        self._space = space
        self._objectives = tuple(objectives)
        self._feasibility = feasibility
        self._runner = runner
        self._ledger = ledger
        self._proposer = proposer
        self._pruning = pruning
        self._space_size = space_size
        self._cache: dict[Key, Point] = {}
        self._visited: set[Key] = set()
        self._unchecked: list[Point] = []
        self._first_failure = ""
        self._stalled = 0
        self.best: Point | None = None
        self.tally = Tally()

    def run(
        self,
        limits: Limits,
        first: Sequence[Point] = (),
        observe: Callable[[Loop], None] | None = None,
    ) -> str:
        """Work until a limit is reached.

        Parameters
        ----------
        limits
            When to stop.
        first
            Points to run before any other, unless their like is in the study already.
        observe
            Called with this object after every generation.

        Returns
        -------
        str
            Why it stopped: ``"trials"``, ``"timeout"``, ``"target"``, ``"exhausted"`` (every point has been
            run) or ``"converged"`` (the last 300 proposals had all been run before).

        Raises
        ------
        KeyboardInterrupt
            After the points at work have been given back.
        """
        started = time.perf_counter()
        rank, rescued, queue = 0, -_RESCUE_SECONDS, list(first)
        try:
            while True:
                self._catch_up()
                if self._ledger.is_shared and time.perf_counter() - rescued > _RESCUE_SECONDS:
                    rescued = time.perf_counter()
                    if self._ledger.rescue():
                        self._catch_up()
                    rank = self._ledger.rank()
                self.tally.seconds = time.perf_counter() - started
                if observe is not None:
                    observe(self)
                stop = self._reason_to_stop(limits)
                if stop:
                    return stop
                begun = time.perf_counter()
                points = self._gather(queue, limits, rank)
                if points is None:
                    return "exhausted"
                if points:
                    self._generation(points, limits)
                    self._proposer.took(time.perf_counter() - begun)
                else:
                    time.sleep(_WAIT_SECONDS)
        finally:
            self.tally.seconds = time.perf_counter() - started

    @property
    def finished(self) -> int:
        """Finished trials of the whole study."""
        return self._ledger.finished

    def front_size(self) -> int:
        """Number of distinct feasible results that no other one dominates."""
        values = [point.values for point in self._cache.values() if self._is_feasible(point)]
        if not values:
            return 0
        return int(pareto_mask(values, [objective.maximize for objective in self._objectives]).sum())

    def _catch_up(self) -> None:
        self._ledger.sync()
        for trial in self._ledger.news():
            self._proposer.learn(trial)
            if trial.state.name == COMPLETE and METRICS in trial.user_attrs and trial.params:
                known = self._space.point(trial.params, number=trial.number, state=COMPLETE)
                known.values = list(trial.values)
                known.metrics = {name: float(v) for name, v in trial.user_attrs[METRICS].items()}
                texts = self._feasibility.texts
                known.constraints = {k: v for k, v in trial.constraints.items() if k in texts}
                known.steps = dict(trial.intermediate_values)
                self._runner.has_worked = True
                self._remember(known)
            elif trial.state.name == PRUNED and trial.params:
                self._visit(self._space.point(trial.params))

    def _visit(self, point: Point) -> None:
        """Count a point of the space; one from outside its ranges does not bring the end nearer."""
        if self._space_size is None or self._space.holds(point):
            self._visited.add(point.key)

    def _remember(self, point: Point) -> None:
        """Note a finished point; the first result for its parameters answers later duplicates."""
        self._visit(point)
        if point.state != COMPLETE or self._cache.setdefault(point.key, point) is not point:
            return
        self._unchecked.append(point)
        if point.values is None or not self._is_feasible(point):
            return
        sign = 1.0 if self._objectives[0].maximize else -1.0
        best = self.best.values if self.best is not None else None
        if best is None or sign * point.values[0] > sign * best[0]:
            self.best = point

    @staticmethod
    def _is_feasible(point: Point) -> bool:
        return all(value <= 0 for value in point.constraints.values())

    def _reason_to_stop(self, limits: Limits) -> str | None:
        if limits.n_trials is not None and self._ledger.finished >= limits.n_trials:
            return "trials"
        unchecked, self._unchecked = self._unchecked, []
        if limits.targets and any(self._meets(point, limits.targets) for point in unchecked):
            return "target"
        if limits.timeout is not None and self.tally.seconds >= limits.timeout:
            return "timeout"
        if self._space_size is not None and len(self._visited) >= self._space_size:
            return "exhausted"
        if self._stalled >= _STALLED_PROPOSALS:
            return "converged"
        if self.tally.failed >= _HOPELESS_FAILURES and not self._runner.has_worked:
            raise StrategyError(
                f"expected the strategy to run; got an error in all of {self.tally.failed} trials, "
                f"the first: {self._first_failure}; correct the strategy or the ranges of its parameters"
            )
        return None

    def _meets(self, point: Point, targets: dict[str, float]) -> bool:
        if point.values is None or not self._is_feasible(point):
            return False
        for objective, value in zip(self._objectives, point.values, strict=True):
            goal = targets.get(objective.metric)
            if goal is not None and (value < goal if objective.maximize else value > goal):
                return False
        return True

    def _gather(self, queue: list[Point], limits: Limits, rank: int) -> list[Point] | None:
        """The next generation; empty when others finish the rest, None when there are no more points."""
        size = self._proposer.size(self._ledger.finished)
        points = self._ledger.pop_waiting(size)
        for point in points:
            self._proposer.adopt(point)
        counted = self._ledger.counted
        room = size if limits.n_trials is None else limits.n_trials - counted
        room = min(room, size - len(points))
        while room > 0 and queue:
            point = queue.pop(0)
            if point.key not in self._cache:
                self._proposer.adopt(point)
                points.append(point)
                room -= 1
        if room > 0:
            fresh = self._proposer.propose(room, rank)
            points += fresh
            if not fresh and not points and self._ledger.finished == counted:
                return None
        return points

    def _generation(self, points: list[Point], limits: Limits) -> None:
        try:
            claimed = self._ledger.claim(points, limits.n_trials)
            self._evaluate(claimed)
            accepted = {id(point) for point in self._ledger.finish(claimed)}
        except BaseException:
            try:
                self._ledger.abandon(points)
            except PeakFastError as error:  # the storage is away: the first error says more
                _log.warning(
                    "trials at work were not given back (%s); a resumed study takes them over", error
                )
            raise
        for point in points:
            if id(point) not in accepted:
                point.finish(FAILED, SURPLUS)
                self.tally.lost += 1
            self._proposer.tell(point)
            if point.state in (COMPLETE, PRUNED):
                self._remember(point)

    def _evaluate(self, points: Sequence[Point]) -> None:
        """Give every point a state, values and metrics."""
        fresh: dict[Key, Point] = {}
        twins: list[tuple[Point, Point]] = []
        for point in points:
            known = self._cache.get(point.key) or fresh.get(point.key)
            if known is None:
                fresh[point.key] = point
            else:
                twins.append((point, known))
        self._stalled = 0 if fresh else self._stalled + len(points)
        self._run_steps(list(fresh.values()))
        for point, known in twins:
            self._answer(point, known)

    def _answer(self, point: Point, known: Point) -> None:
        """Give a point the result of the finished one with the same parameters."""
        self.tally.duplicates += 1
        point.values, point.metrics = known.values, dict(known.metrics)
        point.constraints, point.steps = dict(known.constraints), dict(known.steps)
        point.finish(known.state or COMPLETE, known.attrs.get(REASON))
        point.twin = known
        if point.trial is not None and self._pruning:
            for step, value in point.steps.items():
                if value == value:
                    point.trial.report(value, step)

    def _run_steps(self, points: list[Point]) -> None:
        rows: dict[int, list[dict[str, float]]] = {id(point): [] for point in points}
        last = len(self._runner.steps) - 1
        alive = points
        for step in range(last + 1):
            begun = time.perf_counter()
            found = self._runner.run(alive, step)
            self.tally.evaluation_seconds += time.perf_counter() - begun
            self.tally.steps_done += len(alive)
            for point, row in zip(alive, found, strict=True):
                rows[id(point)].append(row)
            alive = [point for point in alive if not point.state]
            if self._pruning:
                alive = self._prune(alive, rows, step, last)
            if not alive:
                break
        for point in alive:
            self._conclude(point, combine(rows[id(point)]))
        self.tally.run += len(points)
        failures = [point for point in points if point.state == FAILED]
        self.tally.failed += len(failures)
        if failures and not self._first_failure:
            self._first_failure = str(failures[0].attrs.get(REASON))
            _log.warning("a trial failed: %s with %s", self._first_failure, failures[0].params)

    def _prune(
        self, alive: list[Point], rows: dict[int, list[dict[str, float]]], step: int, last: int
    ) -> list[Point]:
        begun = time.perf_counter()
        objective, kept = self._objectives[0], []
        for point in alive:
            history = [float(objective.value(row[objective.metric])) for row in rows[id(point)]]
            value = history[-1] if self._pruning == "step" else sum(history) / len(history)
            if self._proposer.prunes(point, step, value) and step < last:
                point.metrics = combine(rows[id(point)])
                point.finish(PRUNED, f"pruned after step {step + 1} of {last + 1}")
                self.tally.pruned += 1
                self.tally.steps_skipped += last - step
            else:
                kept.append(point)
        self.tally.pruning_seconds += time.perf_counter() - begun
        return kept

    def _conclude(self, point: Point, metrics: dict[str, float]) -> None:
        point.metrics = metrics
        values = [float(objective.value(metrics[objective.metric])) for objective in self._objectives]
        undefined = [o.metric for o, v in zip(self._objectives, values, strict=True) if v - v != 0]
        point.constraints = self._feasibility.violations(metrics)
        if undefined:
            self.tally.undefined += 1
            point.finish(PRUNED, f"undefined: {', '.join(undefined)}")
        else:
            point.values = values
            point.finish(COMPLETE)
