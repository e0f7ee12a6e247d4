"""Studies: search a strategy's parameters with Optuna's samplers, at the speed of the compiled sweep.

>>> study = Study("ma_crossover", bars, objectives={"sharpe": "maximize", "max_drawdown": "minimize"},
...               sampler="nsga2", storage="sqlite:///study.db", study_name="trend", seed=1)  # doctest: +SKIP
>>> result = study.run(n_trials=2000)                                                        # doctest: +SKIP
>>> print(result.summary()); result.front                                                    # doctest: +SKIP

The study is an ordinary ``optuna.Study`` (``study.optuna``), so its dashboard, plots and samplers work on it.
Trials are asked and told in generations, and each generation is one call of the compiled sweep; grid, random
and Sobol points are arrays. The guide is docs/OPTUNA_GUIDE.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peak_fast.arguments import tracker_or_none
from peak_fast.errors import StrategyError
from peak_fast.guard import guarded_class, say_stopped
from peak_fast.params import Param, is_feasible
from peak_fast.report import drawn
from peak_fast.studies import setup
from peak_fast.studies.counted import CountedEvaluator
from peak_fast.studies.evaluation import BatchRunner, Evaluator, SweepEvaluator, make_steps
from peak_fast.studies.figures import study_figure, study_figures
from peak_fast.studies.limits import make_limits
from peak_fast.studies.loop import Loop
from peak_fast.studies.objectives import Feasibility, parse_objectives
from peak_fast.studies.points import SOURCE, Point
from peak_fast.studies.recording import Recorder
from peak_fast.studies.results import (
    StudyResult,
    deflated_sharpe_inputs,
    front_of,
    is_feasible_trial,
    leading_trials,
    pruning_report,
    rows_of,
    trials_frame,
)
from peak_fast.studies.robustness import neighbourhood_frame
from peak_fast.studies.search import (
    Choice,
    Proposer,
    add_warm_start,
    as_grid,
    build_pruner,
    check_kind,
    chosen,
    counted_size,
    make_proposer,
    pruning_style,
)
from peak_fast.studies.storage import Ledger, open_storage, told
from peak_fast.sweep import check_metrics

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.tracking import Tracker

__all__ = ["Study", "StudyResult"]

_log = logging.getLogger(__name__)
_USUAL_METRICS = ("sharpe", "total_return", "max_drawdown", "total_trades")
_ROBUST_TRIALS = 5
_ROBUST_SECONDS = 2.0


@guarded_class()
class Study:
    """A search for good parameters.

    Parameters
    ----------
    strategy
        Name of a strategy, strategy object or signal function; None with ``schema`` and ``evaluator``.
    data
        ``Bars``, a `Panel`, any frame, or a dict of name to these: the mean over assets is optimised.
    schema
        Parameters to search; the strategy's own where None.
    objectives
        ``{"sharpe": "maximize", "max_drawdown": "minimize"}``, ``"sharpe:max"``, or a list of such texts.
        Metrics are those of a result's stats. Minimising a drawdown minimises its size.
    sampler
        ``"auto"``, ``"tpe"``, ``"nsga2"``, ``"cmaes"``, ``"gp"``, ``"grid"``, ``"random"``, ``"qmc"``
        (Sobol), or an Optuna sampler. ``"auto"`` chooses by budget and space and says why.
    pruner
        None, ``"median"``, ``"wilcoxon"``, ``"hyperband"``, ``"successive_halving"``, or an Optuna pruner;
        acts between steps, so it needs ``segments`` or several assets, and one objective.
    storage
        None (memory), ``"sqlite:///s.db"``, ``"journal:///path/s.log"``, a PostgreSQL or MySQL address,
        ``"grpc://host:port"``, or an Optuna storage. The same study may run in many processes at once.
    study_name
        Name in the storage.
    resume
        Take up a study of this name; off, an existing one is an error.
    seed
        Same seed, same trials, whatever the number of threads. A stored study keeps the seed it began with.
    tracker
        Gets one run per call of ``run``; see docs/OPTUNA_GUIDE.md.
    batch
        Largest generation, and NSGA-II's population.
    space
        Changes of the schema: ``{"fast": (5, 60), "slow": [50, 100, 200], "allow_short": False}`` narrows a
        range (low, high, step), lists choices, holds a value. Settings such as ``"stop_loss": (0.01, 0.1)``
        may be searched too, with ``order_book`` also its fields.
    constraints
        Conditions between parameters, such as ``"fast < slow"``; the strategy's own where None.
    feasible
        Conditions on results, such as ``"total_trades >= 30"``.
    segments
        Number of consecutive stretches of the data, or (start, stop) of each: the objective is their mean.
    grid_values
        For ``"grid"``: at most so many values per number.
    metrics
        Further metrics to compute and keep.
    warm_start, warm_start_limit
        Earlier results (a sweep, a frame, a study, trials) that the sampler knows from the start.
    defaults_first
        Run the schema's defaults as the first trial (not in a grid).
    retry_failed
        Run trials again that failed with an error in an earlier run.
    evaluator
        Runs the configurations instead of the compiled sweep; see ``peak_fast.studies.evaluation.Evaluator``.
    threads, cluster
        Threads of the sweep, or workers that run each generation, as in `Sweep.run`.
    heartbeat
        Seconds between signs of life of a worker, and without one until its trials are run by others.
    registry
        A `peak_fast.trials.TrialRegistry`, or the path of its file: what ``run`` tries is counted there.
    **settings
        Settings of the engine: initial_cash, execution, costs, sizing, stops, risk_limits, order_book, portfolio.

    Raises
    ------
    ConfigError, StrategyError, StoreError, MissingDependencyError
        Something does not fit; the message says what was expected.
    """

    def __init__(
        self, strategy: Any, data: Any, schema: Sequence[Param] | None = None, objectives: Any = "sharpe",
        sampler: Any = "auto", pruner: Any = None, storage: Any = None, *, study_name: str = "study",
        resume: bool = True, seed: int | None = None, tracker: Tracker | None = None, batch: int = 64,
        space: Mapping[str, Any] | None = None, constraints: Any = None, feasible: Any = None, segments: Any = None,
        grid_values: int | None = None, metrics: Sequence[str] = (), warm_start: Any = None,
        warm_start_limit: int = 200, defaults_first: bool = True, retry_failed: bool = False,
        evaluator: Evaluator | None = None, threads: int | None = None, cluster: Any = None,
        heartbeat: tuple[float, float] = (5.0, 60.0), registry: Any = None, **settings: Any,
    ) -> None:  # fmt: skip
        setup.check_keywords(settings, Study)
        setup.check_numbers(batch, threads, seed)
        setup.check_name(study_name)
        check_kind(sampler)
        book = settings.get("order_book")
        self._subject = setup.make_subject(strategy, schema, constraints, space, book, data)
        self.space = self._subject.space
        self.objectives = parse_objectives(objectives)
        self._feasibility = Feasibility(feasible)
        self._data = data if evaluator is not None and data is None else setup.make_bars(data)
        steps = make_steps(self._data, segments)
        self._pruner = build_pruner(pruner, len(steps), self.objectives)
        further = setup.check_metrics(metrics)
        wanted = [o.metric for o in self.objectives] + [*self._feasibility.metrics, *further]
        if evaluator is None:
            wanted += _USUAL_METRICS
            check_metrics(tuple(dict.fromkeys(wanted)))
        self._settings = {name: value for name, value in settings.items() if value is not None}
        setup.check_settings(self._settings)
        run_batch = evaluator or SweepEvaluator(
            self._subject.strategy, threads, cluster=cluster, **self._settings
        )
        self._counted = CountedEvaluator(run_batch, registry, self._subject.name)
        if registry is not None:
            strategy = self._subject.strategy if evaluator is None else None
            varied = setup.names_searched(self._settings.get("order_book"), strategy, self._data)
            self._counted.tell(steps, strategy, self._settings, varied)
        self._runner = BatchRunner(self.space, self._counted, steps, tuple(dict.fromkeys(wanted)))
        self._sampler, self._grid_axes = as_grid(sampler)
        self._batch, self._grid_values = batch, grid_values
        self._defaults_first, self._retry_failed = defaults_first, retry_failed
        self._tracker = tracker_or_none(tracker)
        self._heartbeat = setup.check_heartbeat(heartbeat)
        self._opened = open_storage(storage)
        described = setup.identity(
            self._subject, self.objectives, self._feasibility.texts, self._data, segments, self._settings
        )
        self.name = study_name
        with told(self.storage):
            self.optuna = setup.open_study(self._opened, study_name, self.objectives, described, resume)
            self.seed = setup.study_seed(self.optuna, seed, study_name, self._opened.is_shared)
            if warm_start is not None:
                known = self._subject.defaults
                add_warm_start(self.optuna, warm_start, self.space, self.objectives, warm_start_limit, known)
        self._queue: list[dict[str, Any]] = []
        self._result: StudyResult | None = None

    def __repr__(self) -> str:
        goals = ", ".join(str(objective) for objective in self.objectives)
        done = len(self._trials())
        return f"Study({self.strategy_name!r}, {goals}, {self.name!r} in {self.storage}, {done:,} trials)"

    def _trials(self) -> list[Any]:
        with told(self.storage):
            found: list[Any] = self.optuna.get_trials(deepcopy=False)
            return found

    def enqueue(self, params: Mapping[str, Any]) -> None:
        """Run these parameters (defaults for missing ones) before what the sampler proposes."""
        from peak_fast.params import validate_params

        self._queue.append(validate_params(self.space.schema, params, self.space.constraints))

    def run(
        self,
        n_trials: int | None = None,
        timeout: float | None = None,
        target: float | Mapping[str, float] | None = None,
        progress: bool | Callable[[Any], None] = False,
    ) -> StudyResult:
        """Search until a limit is reached.

        Parameters
        ----------
        n_trials
            Finished trials (complete or pruned) of the study as a whole: earlier runs and other workers
            count, so the same call resumes an interrupted study. A grid may leave it out.
        timeout
            Seconds of this run.
        target
            Objective value that is good enough, or one per metric.
        progress
            True for a progress bar, or a function that gets a ``Progress`` after each generation.

        Returns
        -------
        StudyResult
            Also kept as ``study.result``.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C; finished trials stay in the storage, and the same call goes on from there.
        """
        limits = make_limits(n_trials, timeout, target, self.objectives, self._sampler == "grid")
        choice = chosen(self._sampler, self.space, self.objectives, limits.n_trials, bool(self._feasibility))
        _log.info("study %s: sampler %s (%s)", self.name, choice.kind, choice.reason)
        ledger = Ledger(self.optuna, self.space, self._opened.is_shared, self._heartbeat)
        recorder = Recorder(self, self._tracker, progress, limits, choice)
        try:
            with told(self.storage):
                rank = ledger.start()
                if self._retry_failed:
                    ledger.retry_failed()
                ledger.sync()
                loop = Loop(
                    self.space, self.objectives, self._feasibility, self._runner, ledger,
                    self._proposer(choice, ledger.finished, rank), pruning_style(self._pruner),
                    counted_size(self.space),
                )  # fmt: skip
                with recorder:
                    with self._counted:
                        stopped = loop.run(limits, self._first_points(choice), recorder.observe)
                    self._result = self._conclude(loop, choice, stopped)
                    recorder.finish(self._result)
        except KeyboardInterrupt as error:
            kept = f"finished trials are in {self.storage}; the same call goes on from there"
            say_stopped(
                error,
                f"study stopped; {kept if self._opened.is_shared else 'nothing was kept: pass storage=...'}",
            )
            raise
        finally:
            ledger.stop()
        return self._result

    def _proposer(self, choice: Choice, finished: int, rank: int) -> Proposer:
        return make_proposer(
            choice.kind,
            self._sampler,
            self.space,
            self.objectives,
            pruner=self._pruner,
            batch=self._batch,
            grid_values=self._grid_values,
            grid_axes=self._grid_axes,
            seeds=(self.seed, setup.worker_seed(self.seed, finished, rank)),
            has_feasibility=bool(self._feasibility),
        )

    def _first_points(self, choice: Choice) -> list[Point]:
        points = [self.space.point(params) for params in self._queue]
        self._queue = []
        if self._defaults_first and choice.kind != "grid":
            defaults = self.space.nearest({item.name: item.default for item in self.space.schema})
            if is_feasible(self.space.schema, self.space.constraints, defaults):
                points.insert(0, self.space.point(defaults, attrs={SOURCE: "defaults"}))
        return points

    def _conclude(self, loop: Loop, choice: Choice, stopped: str) -> StudyResult:
        trials = self._trials()
        deflated = deflated_sharpe_inputs(trials, *setup.time_scale(self._data, self._settings))
        self.optuna.set_user_attr("peak_fast:deflated_sharpe", deflated)
        return StudyResult.of(
            trials,
            self.space,
            self.objectives,
            self.metrics,
            stopped=stopped,
            tally=loop.tally,
            choice=choice,
            pruning=pruning_report(loop.tally, self._pruner, len(self._runner.steps)),
            deflated_sharpe=deflated,
            robustness=self._quick_robustness(loop, trials),
            storage=self._opened.label,
            name=self.name,
            notes=(*self._opened.notes, *self._runner.notes),
        )

    def _quick_robustness(self, loop: Loop, trials: Sequence[Any]) -> pl.DataFrame | None:
        """The neighbourhoods of the best trials, unless that would take long next to a backtest."""
        each = loop.tally.evaluation_seconds / max(loop.tally.steps_done, 1) * len(self._runner.steps)
        if each * 3 ** len(self.space.schema) * _ROBUST_TRIALS > _ROBUST_SECONDS or not trials:
            return None
        return self.robustness()

    def robustness(self, top: int = _ROBUST_TRIALS, width: float = 0.05) -> pl.DataFrame:
        """Neighbourhood averages of the first objective around the best trials; a lone peak is luck.

        Parameters
        ----------
        top
            Number of trials, best first (of the front with several objectives).
        width
            Distance of a neighbour as a fraction of each parameter's range.

        Returns
        -------
        polars.DataFrame
            See ``peak_fast.studies.robustness.neighbourhood_frame``.
        """
        chosen = leading_trials(self._trials(), self.space, self.objectives, top)
        return neighbourhood_frame(self._runner, self.space, self.objectives[0], chosen, width, self.seed)

    @property
    def result(self) -> StudyResult:
        """Result of the last run.

        Raises
        ------
        StrategyError
            Nothing has run yet.
        """
        if self._result is None:
            raise StrategyError("expected a study that has run; call run(n_trials=...) first")
        return self._result

    @property
    def trials(self) -> pl.DataFrame:
        """All trials of the study as they are now, see ``StudyResult.frame``."""
        trials = self._trials()
        return trials_frame(trials, self.space, self.objectives, self.metrics)

    @property
    def front(self) -> pl.DataFrame:
        """Feasible trials that no other one dominates, sorted by the first objective."""
        trials = self._trials()
        frame = trials_frame(trials, self.space, self.objectives, self.metrics)
        feasible = [trial for trial in trials if is_feasible_trial(trial)]
        return rows_of(frame, front_of(feasible, self.objectives))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that are computed for every trial."""
        return self._runner.metrics

    @property
    def storage(self) -> str:
        """Where the study is kept, without credentials."""
        return self._opened.label

    @property
    def strategy_name(self) -> str:
        """Name of the strategy."""
        return self._subject.name

    @property
    def description(self) -> dict[str, Any]:
        """What the study is about: strategy, schema, objectives, data, settings."""
        with told(self.storage):
            found: dict[str, Any] = self.optuna.user_attrs[setup.IDENTITY]
            return found

    def best_result(self, asset: str | None = None) -> Any:
        """Full backtest, a `BacktestResult`, of the best parameters on the whole data (or on one asset)."""
        bars = self._data
        if isinstance(bars, Mapping):
            bars = bars[asset if asset is not None else next(iter(bars))]
        return setup.rerun(self._subject.strategy, bars, self.result.best_params, self._settings)

    def figures(self) -> dict[str, Any]:
        """Matplotlib figures: ``history``, ``importance``, ``slice``, ``front`` (several objectives)."""
        return study_figures(self)

    def plot(self, kind: str = "history", *, path: str | Path | None = None) -> Any:
        """One of `figures`, which a notebook shows; also written into ``path``."""
        return drawn(study_figure(self, kind), path, "study.png")
