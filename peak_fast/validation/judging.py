"""Ask a whole search every question of this room, and judge the answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from peak_fast.arguments import listing, whole
from peak_fast.errors import ConfigError, PeakFastError, did_you_mean
from peak_fast.guard import guarded
from peak_fast.sweep import Sweep, SweepResult, crew_of
from peak_fast.validation.choice import Choice
from peak_fast.validation.jobs import sweep_of
from peak_fast.validation.questions import QUESTIONS, Options, Search, settings_of
from peak_fast.validation.thresholds import Thresholds
from peak_fast.validation.verdict import Finding, Verdict, judged

_LIMITS = "Green from {0:g}, red from {1:g}."


@guarded
def validate(
    found: SweepResult | Sweep,
    *,
    objective: str = "sharpe",
    questions: Iterable[str] = tuple(QUESTIONS),
    thresholds: Thresholds | Mapping[str, Any] | None = None,
    train: int | str | None = None,
    test: int | str | None = None,
    trials: Any = None,
    worlds: int = 199,
    replications: int = 999,
    blocks: int = 16,
    min_trades: int = 0,
    seed: int = 0,
    threads: int | None = None,
    cluster: Any = None,
) -> Verdict:
    """Does the best of a search hold?  Each question gets a colour, a figure and a sentence.

    Parameters
    ----------
    found
        The result of a sweep that ran here, or the sweep; of one data set.
    objective
        Metric that chooses the best configuration.
    questions
        Which of ``"tried"``, ``"look_ahead"``, ``"walk_forward"``, ``"overfitting"``, ``"deflated_sharpe"``,
        ``"data_snooping"``, ``"permutation"``, ``"sensitivity"``, ``"ambiguity"`` to ask.
    thresholds
        Where colours change: `Thresholds`, or a dict of its fields.
    train, test
        Windows of the walk forward; None: half of the bars, and the rest in five parts.
    trials
        Number of configurations that were really tried, or a registry of trials; None: those of the sweep.
    worlds, replications, blocks
        Of the permutation test, the data-snooping test and the overfitting statistics.
    min_trades
        The best is chosen among configurations of so many trades, as by ``found.best(objective, min_trades=...)``;
        those with fewer do not count in walk forward and permutation.
    seed, threads, cluster
        Whole number; as in `Sweep.run`.

    Returns
    -------
    Verdict
        A question that cannot be asked of this search is grey and says why.

    Raises
    ------
    ConfigError
        An unknown question or threshold, a result that was loaded from files, several data sets.
    """
    asked = listing("questions", questions, "['walk_forward', 'overfitting']")
    for name in asked:
        if name not in QUESTIONS:
            raise ConfigError(f"questions: no question {name!r}; {did_you_mean(str(name), QUESTIONS)}")
    limits = Thresholds.of(thresholds)
    whole("seed", seed, 0, 2**63 - 1, "0 is as good as any")
    with crew_of(cluster, threads) as crew:
        search = _searched(found, objective, min_trades, (threads, crew))
        options = Options(
            limits, train, test, trials, worlds, replications, blocks, min_trades, seed, threads, crew
        )
        answers = {name: _asked(name, search, options) for name in QUESTIONS if name in asked}
    findings = [finding for finding, _ in answers.values()]
    parts = {name: part for name, (_, part) in answers.items() if part is not None}
    return Verdict(
        str(search.best.strategy_name),
        search.params,
        objective,
        tuple(findings),
        parts,
        tuple(search.found.notes),
    )


def _searched(found: Any, objective: str, min_trades: int, means: tuple[int | None, Any]) -> Search:
    Choice.of(objective, min_trades)
    sweep = sweep_of(found)
    if sweep is None:
        raise ConfigError(
            f"found: expected a Sweep or its result, got {type(found).__name__}; a single run is looked at by "
            "permutation_test, sensitivity, check_lookahead"
        )
    if len(sweep.data) > 1:
        raise ConfigError(
            f"found: expected a sweep over one data set, got {len(sweep.data)}; validate each by itself"
        )
    needed = {objective, "total_trades"} if min_trades else {objective}
    has = isinstance(found, SweepResult) and needed <= set(found.metrics)
    ran: SweepResult = found if has else _ran(sweep, objective, means)
    (data,) = sweep.data.values()
    params = ran.params_of(int(ran.top(1, objective, min_trades=min_trades)["config"][0]))
    return Search(sweep, ran, objective, params, sweep.rerun(params), data)


def _ran(sweep: Sweep, objective: str, means: tuple[int | None, Any]) -> SweepResult:
    """The sweep's result with the metrics that are needed."""
    metrics = tuple(dict.fromkeys((objective, "sharpe", "total_return", "total_trades")))
    (data,) = sweep.data.values()
    again = Sweep(sweep.strategy, sweep.grid, data, metrics=metrics, **settings_of(sweep))
    return again.run(threads=means[0], cluster=means[1], progress=False)


def _asked(name: str, search: Search, options: Options) -> tuple[Finding, Any]:
    """The answer to one question with its colour; one that cannot be asked is grey and says why."""
    answer, question, change = QUESTIONS[name]
    try:
        value, told, part = answer(search, options)
    except PeakFastError as error:
        return Finding(name, question, "grey", math.nan, f"could not be asked: {error}"), None
    if name == "tried":
        return Finding(name, question, "grey", value, told), part
    pair = (0.0, 1.0) if name == "look_ahead" else getattr(options.limits, name)
    colour = judged(value, *pair)
    return Finding(
        name, question, colour, value, told, _LIMITS.format(*pair), "" if colour == "green" else change
    ), part
