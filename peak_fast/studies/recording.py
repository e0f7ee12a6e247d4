"""What people see of a running study: progress, and the tracker's run.

A study is one tracker run: its settings, live best-so-far metrics, the trials as a table, figures, and its
best trials as child runs. What is logged does not grow with the number of trials, except the table. A tracker
that raises is heard of once and left alone from then on; the study goes on as if there were none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from peak_fast.studies.limits import Limits
from peak_fast.studies.loop import Loop
from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import Space
from peak_fast.studies.results import StudyResult
from peak_fast.studies.search import Choice

_log = logging.getLogger(__name__)
_LIVE_SECONDS = 0.5
_CHILDREN = 10


class Described(Protocol):
    """What is recorded of a study itself; see `peak_fast.studies.Study`."""

    name: str
    seed: int
    space: Space

    @property
    def objectives(self) -> Sequence[Objective]:
        """What is optimised."""

    @property
    def strategy_name(self) -> str:
        """Name of the strategy."""

    @property
    def description(self) -> dict[str, Any]:
        """What the study is about."""

    def figures(self) -> dict[str, Any]:
        """Figures by name."""


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a running study.

    Attributes
    ----------
    finished, total : int, int or None
        Finished trials of the study and its limit.
    seconds, rate : float
        Time of this run, and its trials per second.
    best : dict
        Objective values of the best trial so far, by metric; with several objectives the best in the first.
    front_size : int
        Trials on the Pareto front (1 with one objective).
    pruned, duplicates : int
        Of this run.
    """

    finished: int
    total: int | None
    seconds: float
    rate: float
    best: dict[str, float]
    front_size: int
    pruned: int
    duplicates: int


class Recorder:
    """Shows and tracks a run of a study.

    Parameters
    ----------
    study
        The study.
    tracker
        Where to log; None for nowhere.
    progress
        True for a bar, or a function that gets a ``Progress``.
    limits, choice
        Of the run.
    """

    def __init__(
        self,
        study: Described,
        tracker: Any,
        progress: bool | Callable[[Any], None],
        limits: Limits,
        choice: Choice,
    ) -> None:
        from peak_fast.tracking import NoopTracker

        self._study = study
        # Figures that nobody sees take time.
        self._tracker: Any = None if isinstance(tracker, NoopTracker) else tracker
        self._limits = limits
        self._choice = choice
        self._show: Callable[[Any], None] | None = progress if callable(progress) else None
        self._bar: Any = None
        if progress is True:
            from peak_fast.studies.display import Display

            self._bar = Display(limits.n_trials, [str(objective) for objective in study.objectives])
            self._show = self._bar
        self._shown = self._logged = 0.0
        self._started = False

    def __enter__(self) -> Recorder:
        self._safely(self._start)
        return self

    def _safely(self, action: Callable[[], None]) -> None:
        """Do something with the tracker; after its first error, nothing any more."""
        if self._tracker is None:
            return
        try:
            action()
        except Exception as error:
            _log.warning(
                "the tracker failed (%s: %s); the study goes on untracked", type(error).__name__, error
            )
            self._tracker = None

    def _start(self) -> None:
        from peak_fast.tracking import has_run

        study, tracker = self._study, self._tracker
        tags = {"peak_fast.kind": "study", "peak_fast.strategy": study.strategy_name}
        tracker.start_run(study.name, nested=has_run(tracker), tags=tags)
        self._started = True
        described = study.description
        tracker.log_params(
            {
                "strategy": study.strategy_name,
                "objectives": ", ".join(map(str, study.objectives)),
                "feasible": ", ".join(described["feasible"]),
                "sampler": self._choice.kind,
                "sampler_reason": self._choice.reason,
                "n_trials": self._limits.n_trials,
                "timeout": self._limits.timeout,
                "seed": study.seed,
                "settings": described["settings"],
                "data": described["data"],
            }
        )
        tracker.log_dict(described, "study/settings.json")

    def observe(self, loop: Loop) -> None:
        """Show and log the state of the loop, not more than twice a second."""
        now = time.perf_counter()
        is_last = self._limits.n_trials is not None and loop.finished >= self._limits.n_trials
        if self._show is not None and (is_last or now - self._shown > _LIVE_SECONDS / 4):
            self._shown = now
            self._show(self._progress(loop))
        if (
            self._tracker is not None
            and loop.best is not None
            and (is_last or now - self._logged > _LIVE_SECONDS)
        ):
            self._logged = now
            state = self._progress(loop)
            live = {f"best_{name}": value for name, value in state.best.items()}
            live["trials_per_second"] = state.rate
            if len(self._study.objectives) > 1:
                live["front_size"] = float(state.front_size)
            self._safely(lambda: self._tracker.log_metrics(live, step=state.finished))

    def _progress(self, loop: Loop) -> Progress:
        tally, best = loop.tally, {}
        if loop.best is not None and loop.best.values is not None:
            metrics = (objective.metric for objective in self._study.objectives)
            best = dict(zip(metrics, loop.best.values, strict=True))
        done = tally.run + tally.duplicates
        return Progress(
            finished=loop.finished,
            total=self._limits.n_trials,
            seconds=tally.seconds,
            rate=done / tally.seconds if tally.seconds > 0 else 0.0,
            best=best,
            front_size=loop.front_size() if len(self._study.objectives) > 1 else int(bool(best)),
            pruned=tally.pruned,
            duplicates=tally.duplicates,
        )

    def finish(self, result: StudyResult) -> None:
        """Log what the study found."""
        self._safely(lambda: self._log_result(result))

    def _log_result(self, result: StudyResult) -> None:
        tracker = self._tracker
        final: dict[str, Any] = {f"best_{name}": value for name, value in result.best_values.items()}
        final |= {f"best.{name}": value for name, value in result.best_metrics.items()}
        final |= {
            "trials": len(result.frame),
            "seconds": result.tally.seconds,
            "pruning.work_saved": result.pruning["work_saved"],
            "front_size": len(result.front),
        }
        final |= {f"deflated_sharpe.{name}": v for name, v in result.deflated_sharpe.items() if v is not None}
        tracker.log_metrics(final)
        tracker.log_params({f"best.{name}": value for name, value in result.best_params.items()})
        tracker.set_tags({"stopped": result.stopped, "storage": result.storage})
        tracker.log_table(result.frame, "study/trials.parquet")
        tracker.log_table(result.front, "study/front.parquet")
        if result.robustness is not None:
            tracker.log_table(result.robustness, "study/robustness.parquet")
        tracker.log_text(result.summary() + "\n", "study/summary.txt")
        for name, figure in self._study.figures().items():
            tracker.log_figure(figure, f"{name}.png", "study")
        self._log_children(result)

    def _log_children(self, result: StudyResult) -> None:
        names = self._study.space.names
        for row in result.top(_CHILDREN).iter_rows(named=True):
            self._tracker.start_run(f"trial {row['number']}", nested=True, tags={"peak_fast.kind": "trial"})
            try:
                self._tracker.log_params({name: row[name] for name in names if row[name] is not None})
                metrics = {k: v for k, v in row.items() if isinstance(v, float) and k not in names}
                self._tracker.log_metrics(metrics)
            finally:
                self._tracker.end_run()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._started:
            from peak_fast.tracking import status_of

            self._safely(lambda: self._tracker.end_run(status_of(kind)))
