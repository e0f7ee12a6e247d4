"""What a study found: tables of trials, the Pareto front, the best trial, what pruning saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import StrategyError
from peak_fast.studies.loop import Tally
from peak_fast.studies.objectives import Objective
from peak_fast.studies.pareto import pareto_mask
from peak_fast.studies.points import COMPLETE, DUPLICATE, METRICS, REASON, SOURCE, Space
from peak_fast.studies.search import Choice

if TYPE_CHECKING:
    import polars as pl

_EULER = 0.5772156649015329


def is_feasible_trial(trial: Any) -> bool:
    """Whether a trial has a result that meets all conditions."""
    return trial.state.name == COMPLETE and all(value <= 0 for value in trial.constraints.values())


def trials_frame(
    trials: Sequence[Any], space: Space, objectives: Sequence[Objective], metrics: Sequence[str]
) -> pl.DataFrame:
    """All trials as a Polars frame, in order.

    Returns
    -------
    polars.DataFrame
        ``number``, ``state``, ``feasible``; one column per parameter (inactive ones null), per metric (as in
        a result's stats) and per objective (``objective_sharpe``: what was optimised); ``duplicate_of``,
        ``source`` (null, ``"defaults"``, ``"warm start"``), ``reason`` of a trial without a result,
        ``seconds``.
    """
    import polars as pl

    from peak_fast.results import NamedFrame

    columns: dict[str, pl.Series] = {
        "number": pl.Series([trial.number for trial in trials], dtype=pl.Int64),
        "state": pl.Series([trial.state.name for trial in trials], dtype=pl.String),
        "feasible": pl.Series([is_feasible_trial(trial) for trial in trials], dtype=pl.Boolean),
    }
    kinds = {"int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean()}
    for item in space.schema:
        values = [trial.params.get(item.name) for trial in trials]
        if item.kind == "choice" and len({type(choice) for choice in item.choices or ()}) > 1:
            values = [None if value is None else str(value) for value in values]
        columns[item.name] = pl.Series(values, dtype=kinds.get(item.kind))
    stored = [trial.user_attrs.get(METRICS, {}) for trial in trials]
    for name in metrics:
        numbers = [None if name not in row else float(row[name]) for row in stored]
        columns[name] = pl.Series(numbers, dtype=pl.Float64)
    for index, objective in enumerate(objectives):
        found = [trial.values[index] if trial.state.name == COMPLETE else None for trial in trials]
        columns[f"objective_{objective.metric}"] = pl.Series(found, dtype=pl.Float64)
    attrs = [trial.user_attrs for trial in trials]
    columns["duplicate_of"] = pl.Series([a.get(DUPLICATE) for a in attrs], dtype=pl.Int64)
    columns["source"] = pl.Series([a.get(SOURCE) for a in attrs], dtype=pl.String)
    columns["reason"] = pl.Series([a.get(REASON) for a in attrs], dtype=pl.String)
    seconds = [t.duration.total_seconds() if t.duration is not None else None for t in trials]
    columns["seconds"] = pl.Series(seconds, dtype=pl.Float64)
    return NamedFrame(columns)


def front_of(trials: Sequence[Any], objectives: Sequence[Objective]) -> list[Any]:
    """Trials that no other one dominates, each parameter set once, best first objective first.

    Parameters
    ----------
    trials
        Feasible trials.
    objectives
        What they are compared by.
    """
    if not trials:
        return []
    values = np.array([trial.values for trial in trials], dtype=np.float64)
    mask = pareto_mask(values, [objective.maximize for objective in objectives])
    seen: set[tuple[Any, ...]] = set()
    front = []
    for trial, keep in zip(trials, mask.tolist(), strict=True):
        key = tuple(sorted(trial.params.items()))
        if keep and key not in seen:
            seen.add(key)
            front.append(trial)
    sign = -1.0 if objectives[0].maximize else 1.0
    return sorted(front, key=lambda trial: (sign * trial.values[0], trial.number))


def rows_of(frame: pl.DataFrame, trials: Sequence[Any]) -> pl.DataFrame:
    """Rows of a trials frame in the order of some trials."""
    import polars as pl

    from peak_fast.results import NamedFrame

    order = pl.DataFrame({"number": pl.Series([trial.number for trial in trials], dtype=pl.Int64)})
    return NamedFrame(order.join(frame, on="number", how="left", maintain_order="left"))


def best_trial(trials: Sequence[Any], objective: Objective) -> Any:
    """Of feasible trials the one with the best value, the earliest of equal ones; None without any."""
    sign = -1.0 if objective.maximize else 1.0
    return min(trials, key=lambda trial: (sign * trial.values[0], trial.number), default=None)


def leading_trials(
    trials: Sequence[Any], space: Space, objectives: Sequence[Objective], count: int
) -> list[Any]:
    """The best feasible trials with distinct parameters; with several objectives the front's first ones."""
    feasible = [trial for trial in trials if is_feasible_trial(trial)]
    if len(objectives) > 1:
        return front_of(feasible, objectives)[:count]
    sign = -1.0 if objectives[0].maximize else 1.0
    distinct = {space.point(trial.params).key: trial for trial in reversed(feasible)}
    return sorted(distinct.values(), key=lambda trial: (sign * trial.values[0], trial.number))[:count]


def deflated_sharpe_inputs(
    trials: Sequence[Any], periods_per_year: float | None, observations: int | None
) -> dict[str, Any]:
    """What the deflated Sharpe ratio needs to know about a search.

    Returns
    -------
    dict
        ``trials`` (distinct parameter sets with a Sharpe ratio), ``sharpe_variance`` and
        ``sharpe_variance_per_period`` (sample variance over them, annualised and not), ``best_sharpe``,
        ``expected_maximum_sharpe`` (what the best of so many worthless strategies would show, annualised),
        ``observations`` (bars), ``periods_per_year``. None where it cannot be told.

    References
    ----------
    Bailey, Lopez de Prado (2014), "The deflated Sharpe ratio", Journal of Portfolio Management 40(5),
    doi:10.3905/jpm.2014.40.5.094, equation 1: expected maximum of N independent trials.
    """
    by_params: dict[tuple[Any, ...], float] = {}
    for trial in trials:
        sharpe = float(trial.user_attrs.get(METRICS, {}).get("sharpe", "nan"))
        if trial.state.name == COMPLETE and np.isfinite(sharpe):
            by_params.setdefault(tuple(sorted(trial.params.items())), sharpe)
    sharpes = np.array(list(by_params.values()), dtype=np.float64)
    variance = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else None
    expected = None
    if variance is not None:
        from statistics import NormalDist

        inverse, count = NormalDist().inv_cdf, len(sharpes)
        quantiles = (1 - _EULER) * inverse(1 - 1 / count) + _EULER * inverse(1 - 1 / (count * np.e))
        expected = float(np.sqrt(variance) * quantiles)
    return {
        "trials": len(sharpes),
        "sharpe_variance": variance,
        "sharpe_variance_per_period": None
        if variance is None or not periods_per_year
        else variance / periods_per_year,
        "best_sharpe": float(sharpes.max()) if len(sharpes) else None,
        "expected_maximum_sharpe": expected,
        "observations": observations,
        "periods_per_year": periods_per_year,
    }


def pruning_report(tally: Tally, pruner: Any, distinct_steps: int) -> dict[str, Any]:
    """What pruning saved and what it cost.

    Returns
    -------
    dict
        ``pruned`` (trials), ``steps_done``, ``steps_skipped``, ``work_saved`` (fraction of the steps),
        ``seconds_saved`` (skipped steps at the mean cost of a step), ``seconds_spent`` (reports and
        decisions), ``pays`` (bool; None when nothing was pruned), ``verdict`` (one sentence).
    """
    total = tally.steps_done + tally.steps_skipped
    cost = tally.evaluation_seconds / tally.steps_done if tally.steps_done else 0.0
    saved, spent = tally.steps_skipped * cost, tally.pruning_seconds
    report: dict[str, Any] = {
        "pruned": tally.pruned,
        "steps_done": tally.steps_done,
        "steps_skipped": tally.steps_skipped,
        "work_saved": tally.steps_skipped / total if total else 0.0,
        "seconds_saved": saved,
        "seconds_spent": spent,
        "pays": None if not tally.pruned else saved > spent,
    }
    if pruner is None:
        report["verdict"] = "no pruner"
    elif not tally.pruned:
        report["verdict"] = f"nothing was pruned; deciding took {spent:.3f} s"
    else:
        does = "it pays" if saved > spent else "it cannot pay at this speed: drop the pruner"
        report["verdict"] = (
            f"{tally.pruned} trials pruned, {report['work_saved']:.0%} of the work left out; "
            f"saved about {saved:.3f} s of backtests, deciding took {spent:.3f} s: {does}"
        )
    if distinct_steps < 2 and pruner is not None:
        report["verdict"] = "one step only: nothing to prune"
    return report


@dataclass(frozen=True, repr=False)
class StudyResult:
    """What a run of a study left behind.

    Attributes
    ----------
    objectives : tuple of Objective
    frame : polars.DataFrame
        All trials of the study, see ``trials_frame``.
    front : polars.DataFrame
        Pareto front, sorted by the first objective; with one objective, its best trial.
    best_params : dict
        Parameters of the best trial; with several objectives of the front's best in the first one. Empty
        when no trial is feasible.
    best_values : dict
        Its objective values by metric.
    best_metrics : dict
        Its metrics.
    best_number : int or None
        Its number.
    stopped : str
        Why the run ended.
    tally : Tally
        What the run did.
    choice : Choice
        Sampler and reason.
    pruning : dict
        See ``pruning_report``.
    deflated_sharpe : dict
        See ``deflated_sharpe_inputs``.
    robustness : polars.DataFrame or None
        Neighbourhood of the best trials, best neighbourhood first.
    storage, name : str
        Where the study is.
    notes : tuple of str
        What was understood, guessed or passed over when the bars were read.
    """

    objectives: tuple[Objective, ...]
    frame: pl.DataFrame
    front: pl.DataFrame
    best_params: dict[str, Any]
    best_values: dict[str, float]
    best_metrics: dict[str, float]
    best_number: int | None
    stopped: str
    tally: Tally
    choice: Choice
    pruning: Mapping[str, Any]
    deflated_sharpe: Mapping[str, Any]
    robustness: pl.DataFrame | None
    storage: str
    name: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        trials: Sequence[Any],
        space: Space,
        objectives: tuple[Objective, ...],
        metrics: Sequence[str],
        **rest: Any,
    ) -> StudyResult:
        """Result from the trials of a study; ``rest`` are the attributes that they do not tell."""
        frame = trials_frame(trials, space, objectives, metrics)
        feasible = [trial for trial, ok in zip(trials, frame["feasible"], strict=True) if ok]
        front = front_of(feasible, objectives) if len(objectives) > 1 else []
        best = next(iter(front), None) if len(objectives) > 1 else best_trial(feasible, objectives[0])
        chosen = front if len(objectives) > 1 else [trial for trial in (best,) if trial is not None]
        found: dict[str, Any] = {
            "best_params": {},
            "best_values": {},
            "best_metrics": {},
            "best_number": None,
        }
        if best is not None:
            stored = best.user_attrs.get(METRICS, {})
            found = {
                "best_params": space.point(best.params).params,
                "best_values": {o.metric: v for o, v in zip(objectives, best.values, strict=True)},
                "best_metrics": {name: float(value) for name, value in stored.items()},
                "best_number": best.number,
            }
        return cls(objectives=objectives, frame=frame, front=rows_of(frame, chosen), **found, **rest)

    @property
    def best_value(self) -> float:
        """Value of the single objective in the best trial.

        Raises
        ------
        StrategyError
            Several objectives, or no feasible trial.
        """
        if len(self.objectives) > 1:
            raise StrategyError(
                f"expected one objective for best_value; the study has {len(self.objectives)}; "
                "read .front, or .best_values of the front's first trial"
            )
        if self.best_number is None:
            raise StrategyError(
                "expected a feasible trial; got none; loosen the conditions or run more trials"
            )
        return next(iter(self.best_values.values()))

    @property
    def trials_per_second(self) -> float:
        """Trials of this run by its time."""
        done = self.tally.run + self.tally.duplicates
        return done / self.tally.seconds if self.tally.seconds > 0 else 0.0

    def top(self, n: int = 10) -> pl.DataFrame:
        """The ``n`` best feasible trials, best first; with several objectives the front's first ones."""
        if len(self.objectives) > 1:
            return self.front.head(n)
        (objective,) = self.objectives
        usable = self.frame.filter(self.frame["feasible"] & self.frame["duplicate_of"].is_null())
        column = f"objective_{objective.metric}"
        return usable.sort(column, descending=objective.maximize, maintain_order=True).head(n)

    def __repr__(self) -> str:
        best = (
            "no feasible trial"
            if self.best_number is None
            else f"best {self.best_values} at {self.best_params}"
        )
        return f"StudyResult({self.name!r}, {len(self.frame):,} trials, {best})"

    def _repr_html_(self) -> str:
        from html import escape

        best = self.top(10)._repr_html_() if self.best_number is not None else ""
        return f"<pre>{escape(self.summary())}</pre>{best}"

    def summary(self) -> str:
        """A few lines of text for people."""
        counts = dict(self.frame.group_by("state").len().iter_rows())
        listing = ", ".join(f"{counts[state]:,} {state.lower()}" for state in sorted(counts))
        done = f"{self.tally.run:,} run, {self.tally.duplicates:,} from the cache, {self.tally.seconds:.2f} s"
        lines = [
            f"Study {self.name} ({self.storage}): {listing or 'no trials'}",
            f"Sampler {self.choice.kind}: {self.choice.reason}",
            f"This run: {done}, {self.trials_per_second:,.0f} trials/s; stopped by {self.stopped}",
        ]
        if self.best_number is None:
            lines.append("No feasible trial yet.")
        else:
            values = ", ".join(f"{name} {value:.6g}" for name, value in self.best_values.items())
            params = ", ".join(f"{name}={value}" for name, value in self.best_params.items())
            front = "" if len(self.objectives) == 1 else f" (front: {len(self.front)} trials)"
            lines.append(f"Best: trial {self.best_number}: {values}{front}")
            lines.append(f"      {params}")
        lines += self._robustness_lines()
        if self.pruning["verdict"] != "no pruner":
            lines.append(f"Pruning: {self.pruning['verdict']}")
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _robustness_lines(self) -> list[str]:
        lines = []
        if self.robustness is not None and len(self.robustness):
            rows = self.robustness.filter(self.robustness["number"] == self.best_number)
            if len(rows):
                row = rows.row(0, named=True)
                lines.append(
                    f"Neighbourhood of the best: mean {row['mean']:.6g} over {row['neighbours']} neighbours, "
                    f"worst {row['worst']:.6g}"
                )
        expected = self.deflated_sharpe["expected_maximum_sharpe"]
        if expected is not None:
            lines.append(
                f"Highest Sharpe of all trials {self.deflated_sharpe['best_sharpe']:.3f}; the best of "
                f"{self.deflated_sharpe['trials']:,} worthless strategies would show about {expected:.3f}"
            )
        return lines

    def __str__(self) -> str:
        return self.summary()
