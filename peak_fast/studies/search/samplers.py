"""Which sampler to use, and Optuna's samplers set up for generations.

Typical cost in milliseconds per trial in memory: grid, random and Sobol as arrays 0.1, NSGA-II 0.7 to 1,
CMA-ES 1 to 3, TPE 4 with 100 finished trials and 13 with 1,000 (it looks at all of them for every proposal).
A backtest takes less than any of these, so the sampler decides how long a study takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from peak_fast.errors import ConfigError, did_you_mean, require
from peak_fast.params import Param, schema_to_grid
from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import Space
from peak_fast.studies.storage import quiet_optuna, require_package

SEQUENCES = ("grid", "random", "qmc")
ADAPTIVE = ("tpe", "nsga2", "cmaes", "gp")
KINDS = ("auto", *ADAPTIVE, *SEQUENCES)
PRUNERS = ("median", "wilcoxon", "hyperband", "successive_halving")

_TPE_TRIALS = 1000
_TPE_STARTUP = 10
_GENETIC_TRIALS = 250
_WILCOXON_STEPS = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """A sampler's kind and why it was chosen."""

    kind: str
    reason: str


def grid_size(space: Space, values_per_parameter: int | None = None) -> int | None:
    """Number of combinations of a space in which every parameter has steps; None where one is continuous."""
    if values_per_parameter is None and any(_is_continuous(item) for item in space.schema):
        return None
    return math.prod(len(axis) for axis in schema_to_grid(space.schema, values_per_parameter).values())


def _is_continuous(item: Param) -> bool:
    return item.kind == "float" and item.step is None


def choose(
    space: Space, objectives: tuple[Objective, ...], n_trials: int | None, has_feasibility: bool
) -> Choice:
    """Choose a sampler by the size of the space and the budget.

    Parameters
    ----------
    space
        What is searched.
    objectives
        What is optimised.
    n_trials
        Budget; None when only time or a target limits the study.
    has_feasibility
        Whether results can be infeasible.
    """
    size = grid_size(space)
    if size is not None and n_trials is not None and size <= n_trials:
        return Choice("grid", f"all {size:,} combinations fit into {n_trials:,} trials")
    budget = "no limit on trials" if n_trials is None else f"{n_trials:,} trials"
    small = n_trials is not None and n_trials <= (_GENETIC_TRIALS if len(objectives) > 1 else _TPE_TRIALS)
    if small:
        return Choice("tpe", f"{budget}: TPE learns most from few trials")
    if len(objectives) > 1:
        return Choice(
            "nsga2", f"{len(objectives)} objectives, {budget}: NSGA-II costs under a millisecond each"
        )
    all_continuous = all(item.kind == "float" for item in space.schema)
    if all_continuous and not has_feasibility and len(space.schema) > 1 and _has("cmaes"):
        return Choice("cmaes", f"continuous parameters only, {budget}: CMA-ES converges fastest")
    return Choice("nsga2", f"{budget}: a genetic search stays fast where TPE slows down with every trial")


def chosen(
    sampler: Any, space: Space, objectives: tuple[Objective, ...], n_trials: int | None, has_feasibility: bool
) -> Choice:
    """The sampler that the user asked for or gave, or the one that `choose` chooses for "auto"."""
    if sampler == "auto":
        return choose(space, objectives, n_trials, has_feasibility)
    if isinstance(sampler, str):
        return Choice(sampler, "as asked for")
    return Choice(type(sampler).__name__, "as given")


def pruning_style(pruner: Any) -> str | None:
    """What a pruner compares: each ``"step"`` or the ``"mean"`` so far; None without one."""
    if pruner is None:
        return None
    from optuna.pruners import WilcoxonPruner

    return "step" if isinstance(pruner, WilcoxonPruner) else "mean"


def _has(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def check_kind(sampler: Any) -> None:
    """Raise ConfigError for a sampler that is neither a known name nor an Optuna sampler."""
    if isinstance(sampler, str):
        if sampler not in KINDS:
            raise ConfigError(f"expected a sampler; got {sampler!r}; " + did_you_mean(sampler, KINDS))
        return
    samplers = require("optuna", extra="optuna").samplers
    if not isinstance(sampler, samplers.BaseSampler):
        raise ConfigError(
            f"expected a sampler's name or an optuna sampler; got {type(sampler).__name__}; "
            f"known names: {', '.join(KINDS)}"
        )


def as_grid(sampler: Any) -> tuple[Any, dict[str, list[Any]]]:
    """Optuna's exhaustive samplers as ``"grid"``, with their values by parameter; any other sampler as it is.

    They end by stopping Optuna's own loop, which is not at work here; the points are the same.
    """
    if isinstance(sampler, str):
        return sampler, {}
    samplers = require("optuna", extra="optuna").samplers
    if isinstance(sampler, samplers.GridSampler):
        return "grid", {name: list(values) for name, values in sampler._search_space.items()}
    return ("grid" if isinstance(sampler, samplers.BruteForceSampler) else sampler), {}


def build_sampler(
    kind: str,
    space: Space,
    objectives: tuple[Objective, ...],
    seed: int | None,
    batch: int,
    feasibility: bool,
) -> Any:
    """An Optuna sampler for generations of ``batch``.

    Raises
    ------
    ConfigError
        CMA-ES with several objectives, with conditions on results, or without a numeric parameter.
    MissingDependencyError
        The package behind CMA-ES (cmaes) or the Gaussian process (torch) is not installed.
    """
    with quiet_optuna() as optuna:
        samplers = optuna.samplers
        if kind == "tpe":
            grouped = space.is_conditional and len(objectives) == 1
            extra = {"multivariate": True, "group": True} if grouped else {}
            return samplers.TPESampler(seed=seed, n_startup_trials=_TPE_STARTUP, **extra)
        if kind == "nsga2":
            return samplers.NSGAIISampler(population_size=max(batch, 2), seed=seed)
        if kind == "gp":
            require_package("torch", "torch", "sampler='gp'")
            return samplers.GPSampler(seed=seed, deterministic_objective=True)
        require_package("cmaes", "cmaes", "sampler='cmaes'")
        numeric = [item for item in space.schema if item.kind in ("int", "float")]
        if len(objectives) > 1 or feasibility or not numeric or space.is_conditional:
            raise ConfigError(
                "expected one objective, no conditions on results, a number among the parameters and no "
                "conditional ones for sampler='cmaes'; got another study; use 'tpe' or 'nsga2'"
            )
        size = cmaes_population(len(numeric))
        return samplers.CmaEsSampler(seed=seed, popsize=size, warn_independent_sampling=False)


def cmaes_population(dimensions: int) -> int:
    """Population of CMA-ES: twice Hansen's default, because a generation here costs one call."""
    return 2 * (4 + math.floor(3 * math.log(max(dimensions, 1))))


def generation_size(kind: str, batch: int, finished: int, dimensions: int) -> int:
    """How many trials to ask for at once.

    TPE proposes points one after the other from what has finished, so a batch is kept under a tenth of that:
    early batches are small and ``batch`` is reached when ten times as many trials have finished. Its first
    trials are random and come at once. NSGA-II fills its population, CMA-ES its own.
    """
    if kind == "nsga2":
        return max(batch, 2)
    if kind == "cmaes":
        return cmaes_population(dimensions)
    if finished < _TPE_STARTUP:
        return min(batch, _TPE_STARTUP - finished)
    return max(1, min(batch, finished // 10))


def build_pruner(pruner: Any, steps: int, objectives: tuple[Objective, ...]) -> Any:
    """An Optuna pruner for a number of steps; None stays None.

    Raises
    ------
    ConfigError
        An unknown name, several objectives, or too few steps for the pruner to act.
    """
    if pruner is None or pruner == "none":
        return None
    pruners = require("optuna", extra="optuna").pruners
    if not isinstance(pruner, pruners.BasePruner) and pruner not in PRUNERS:
        raise ConfigError(
            f"expected a pruner; got {pruner!r}; " + did_you_mean(str(pruner), ("none", *PRUNERS))
        )
    if len(objectives) > 1:
        raise ConfigError(
            f"expected one objective with a pruner; got {len(objectives)}; Optuna prunes single-objective "
            "studies only: drop the pruner or all objectives but one"
        )
    least = _WILCOXON_STEPS if pruner == "wilcoxon" or isinstance(pruner, pruners.WilcoxonPruner) else 2
    if steps < least:
        raise ConfigError(
            f"expected at least {least} steps of data for the pruner {pruner!r}; got {steps}; "
            f"pass segments={max(least, 5)}, folds, or a dict of assets"
        )
    if isinstance(pruner, pruners.BasePruner):
        return pruner
    if pruner == "median":
        return pruners.MedianPruner(n_startup_trials=5)
    if pruner == "wilcoxon":
        with quiet_optuna():
            return pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
    if pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource=steps, reduction_factor=2)
    return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
