"""Pictures of a study, drawn without pyplot's global state."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from peak_fast.errors import ConfigError, did_you_mean, require
from peak_fast.report import for_notebooks
from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import Space

if TYPE_CHECKING:
    import polars as pl

_BLUE, _ORANGE, _GREY = "#2166ac", "#d6604d", "#9a9a9a"
_DPI = 90
_MOST_POINTS = 5000
_MOST_SLICES = 6


class Searched(Protocol):
    """What is drawn of a study; see `peak_fast.studies.Study`."""

    optuna: Any
    space: Space

    @property
    def objectives(self) -> Sequence[Objective]:
        """What is optimised."""

    @property
    def trials(self) -> pl.DataFrame:
        """All trials."""

    @property
    def front(self) -> pl.DataFrame:
        """Trials that no other one dominates."""


def importances(study: Searched) -> dict[str, float]:
    """Share of the first objective's variation that each parameter explains, largest first.

    Returns
    -------
    dict
        By parameter; empty where it cannot be told (few trials, one value, conditional parameters only).

    References
    ----------
    Watanabe, Bansal, Hutter (2023), "PED-ANOVA", IJCAI, doi:10.24963/ijcai.2023/488, as in Optuna.
    """
    optuna = require("optuna", extra="optuna")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = optuna.importance.get_param_importances(
                study.optuna,
                evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
                target=None if len(study.objectives) == 1 else lambda trial: trial.values[0],
            )
        except (ValueError, RuntimeError):
            return {}
    return {name: float(value) for name, value in found.items()}


def study_figures(study: Searched) -> dict[str, Any]:
    """Figures by name, see ``Study.figures``.

    Raises
    ------
    MissingDependencyError
        Matplotlib is not installed.
    """
    require("matplotlib", extra="plot")
    frame = study.trials
    objective = study.objectives[0]
    value = f"objective_{objective.metric}"
    usable = frame.filter(frame["feasible"] & frame[value].is_not_null())
    figures: dict[str, Any] = {}
    if len(usable) == 0:
        return figures
    figures["history"] = _history(usable, value, objective)
    shares = importances(study)
    if shares:
        figures["importance"] = _importance(shares, objective.metric)
    figures["slice"] = _slices(usable, value, objective.metric, list(shares or study.space.names))
    if len(study.objectives) > 1:
        figures["front"] = _front(study, usable)
    return figures


def study_figure(study: Searched, kind: str) -> Any:
    """The figure of a name.

    Raises
    ------
    ConfigError
        Another name, or a study that does not have that figure.
    """
    figures = study_figures(study)
    if kind not in figures:
        why = "no trial has a value yet" if not figures else did_you_mean(str(kind), figures)
        raise ConfigError(f"plot: expected the name of a figure of this study; got {kind!r}; {why}")
    return figures[kind]


def _new(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = for_notebooks(Figure(figsize=(width, height), dpi=_DPI, layout="constrained"))
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for axis in axes:
        axis.grid(alpha=0.3, linewidth=0.5)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _thin(frame: pl.DataFrame) -> pl.DataFrame:
    """At most 5,000 rows, evenly spread: more cannot be told apart in a picture."""
    return frame if len(frame) <= _MOST_POINTS else frame.gather_every(-(-len(frame) // _MOST_POINTS))


def _history(frame: pl.DataFrame, value: str, objective: Any) -> Any:
    figure, (axis,) = _new(8.0, 4.0)
    numbers, values = frame["number"].to_numpy(), frame[value].to_numpy()
    best = np.maximum.accumulate(values) if objective.maximize else np.minimum.accumulate(values)
    thin = _thin(frame)
    axis.plot(thin["number"], thin[value], ".", color=_GREY, markersize=3, label="trial")
    changes = np.r_[True, np.diff(best) != 0]
    x, y = np.r_[numbers[changes], numbers[-1]], np.r_[best[changes], best[-1]]
    axis.step(x, y, where="post", color=_BLUE, label="best so far")
    axis.set(xlabel="trial", ylabel=objective.metric, title=f"{len(frame):,} feasible trials")
    axis.legend(frameon=False)
    return figure


def _importance(shares: dict[str, float], metric: str) -> Any:
    figure, (axis,) = _new(6.0, 0.8 + 0.4 * len(shares))
    names = list(shares)[::-1]
    axis.barh(names, [shares[name] for name in names], color=_BLUE)
    axis.set(xlabel="share", title=f"importance for {metric}")
    return figure


def _slices(frame: pl.DataFrame, value: str, metric: str, names: list[str]) -> Any:
    shown = [name for name in names if frame[name].n_unique() > 1][:_MOST_SLICES] or names[:1]
    thin = _thin(frame)
    figure, axes = _new(2.6 * len(shown) + 0.8, 3.2, len(shown))
    for axis, name in zip(axes, shown, strict=True):
        rows = thin.filter(thin[name].is_not_null())
        column = rows[name]
        x = column.cast(str) if column.dtype.is_(bool) or not column.dtype.is_numeric() else column
        axis.plot(x.to_list(), rows[value].to_list(), ".", color=_BLUE, markersize=3, alpha=0.5)
        axis.set_xlabel(name)
    axes[0].set_ylabel(metric)
    return figure


def _front(study: Searched, frame: pl.DataFrame) -> Any:
    first, second = study.objectives[:2]
    x, y = f"objective_{first.metric}", f"objective_{second.metric}"
    figure, (axis,) = _new(6.0, 4.5)
    thin = _thin(frame)
    axis.plot(thin[x], thin[y], ".", color=_GREY, markersize=3, label="trial")
    front = study.front.sort(x)
    axis.plot(front[x], front[y], "o-", color=_ORANGE, markersize=4, linewidth=1, label="Pareto front")
    axis.set(xlabel=str(first), ylabel=str(second), title=f"front of {len(front):,} trials")
    axis.legend(frameon=False)
    return figure
