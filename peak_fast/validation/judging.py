"""Ask a whole search every question of this room, and judge the answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from peak_fast.arguments import listing, whole
from peak_fast.errors import ConfigError, PeakFastError, did_you_mean
from peak_fast.guard import guarded
from peak_fast.sweep import Sweep, SweepResult
from peak_fast.validation.choice import Choice
from peak_fast.validation.jobs import sweep_of
from peak_fast.validation.thresholds import Thresholds
from peak_fast.validation.verdict import Finding, Verdict, judged

QUESTIONS = (
    "tried", "look_ahead", "walk_forward", "overfitting", "deflated_sharpe", "data_snooping", "permutation",
    "sensitivity", "ambiguity",
)  # fmt: skip
_FOLDS = 5
_LIMITS = "Green from {0:g}, red from {1:g}."


@guarded
def validate(
    found: SweepResult | Sweep,
    *,
    objective: str = "sharpe",
    questions: Iterable[str] = QUESTIONS,
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
        Configurations with fewer trades do not count in walk forward and permutation.
    seed, threads
        Whole number; number of threads.

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
    search = _search(found, objective, min_trades, threads)
    whole("seed", seed, 0, 2**63 - 1, "0 is as good as any")
    options = _Options(limits, train, test, trials, worlds, replications, blocks, min_trades, seed, threads)
    findings: list[Finding] = []
    parts: dict[str, Any] = {}
    for name in QUESTIONS:
        if name in asked:
            finding, part = _asked(name, search, options)
            findings.append(finding)
            if part is not None:
                parts[name] = part
    return Verdict(search.name, search.params, objective, tuple(findings), parts, tuple(search.found.notes))


@dataclass(frozen=True)
class _Search:
    sweep: Sweep
    found: SweepResult
    objective: str
    params: dict[str, Any]
    best: Any
    data: Any
    memo: dict[str, Any] = field(default_factory=dict)

    def overfitting(self, options: _Options) -> Any:
        """The overfitting statistics of the sweep, once."""
        if "overfitting" not in self.memo:
            best = int(self.found.top(1, self.objective)["config"][0])
            self.memo["overfitting"] = self.found.overfitting(
                options.blocks, best, options.trials, seed=options.seed, threads=options.threads
            )
        return self.memo["overfitting"]

    @property
    def name(self) -> str:
        return str(self.best.strategy_name)


@dataclass(frozen=True)
class _Options:
    limits: Thresholds
    train: Any
    test: Any
    trials: Any
    worlds: int
    replications: int
    blocks: int
    min_trades: int
    seed: int
    threads: int | None


def _search(found: Any, objective: str, min_trades: int, threads: int | None) -> _Search:
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
    ran = (
        found
        if isinstance(found, SweepResult) and objective in found.metrics
        else _ran(sweep, objective, threads)
    )
    best = ran.best(objective)
    return _Search(sweep, ran, objective, dict(best.params), best, next(iter(sweep.data.values())))


def _ran(sweep: Sweep, objective: str, threads: int | None) -> SweepResult:
    """The sweep's result with the metrics that are needed."""
    metrics = tuple(dict.fromkeys((objective, "sharpe", "total_return", "total_trades")))
    (data,) = sweep.data.values()
    again = Sweep(sweep.strategy, sweep.grid, data, metrics=metrics, **_settings_of(sweep))
    return again.run(threads=threads, progress=False)


def _asked(name: str, search: _Search, options: _Options) -> tuple[Finding, Any]:
    """The answer to one question; one that cannot be asked is grey and says why."""
    ask: Callable[[_Search, _Options], tuple[Finding, Any]] = globals()[f"_{name}"]
    try:
        return ask(search, options)
    except PeakFastError as error:
        text = f"could not be asked: {error}"
        return Finding(name, name.replace("_", " "), "grey", math.nan, text), None


def _limits(pair: tuple[float, float]) -> str:
    return _LIMITS.format(*pair)


def _tried(search: _Search, options: _Options) -> tuple[Finding, Any]:
    count = len(search.found)
    bars = len(search.data)
    told = f"{count:,} configurations were tried on {bars:,} bars"
    if options.trials is not None:
        told += "; the registry or the caller counts more of them in deflated_sharpe"
    return Finding("tried", "How much was tried?", "grey", float(count), told + "."), None


def _look_ahead(search: _Search, options: _Options) -> tuple[Finding, Any]:
    from peak_fast.validation.lookahead import check_lookahead

    report = check_lookahead(search.found)
    colour = {"clean": "green", "leaks": "red", "random": "red"}.get(report.verdict, "grey")
    question = "Do decisions know later bars?"
    lines = report.summary().splitlines()
    told = " ".join(line.strip() for line in lines[: 2 if report.leaks else 1])
    change = (
        ""
        if colour == "green"
        else "Decide with what was known at the close; the report names bar and column."
    )
    return Finding(
        "look_ahead", question, colour, float(len(report.leaks)), told, "Red from one leak on.", change
    ), report


def _walk_forward(search: _Search, options: _Options) -> tuple[Finding, Any]:
    from peak_fast.validation.walking import walk_forward

    bars = len(search.data)
    train = options.train if options.train is not None else max(bars // 2, 2)
    test = options.test if options.test is not None else max((bars - bars // 2) // _FOLDS, 1)
    sweep = search.sweep
    walked = walk_forward(
        sweep.strategy, sweep.grid, search.data, train=train, test=test, objective=_sensed(search.objective),
        min_trades=options.min_trades, threads=options.threads, **_settings_of(sweep),
    )  # fmt: skip
    value, error = walked.efficiency, walked.efficiency_error
    colour = judged(value, *options.limits.walk_forward)
    told = (
        f"of the return in training {value:.0%} (+- {error:.0%}) came again in {len(walked.windows)} later windows; "
        f"joined, they have a Sharpe ratio of {walked.result.stats['sharpe']:.2f}."
    )
    if math.isnan(value):
        told = "no window had a gain in training, so nothing could come again."
    change = "More folds, or windows of another length, move it where it hangs on a few trades."
    limits = _limits(options.limits.walk_forward)
    return Finding(
        "walk_forward", "Does a choice hold in later bars?", colour, value, told, limits, change
    ), walked


def _sensed(objective: str) -> str:
    from peak_fast.metrics import higher_is_better

    return objective if higher_is_better(objective) else f"{objective}:min"


def _overfitting(search: _Search, options: _Options) -> tuple[Finding, Any]:
    found = search.overfitting(options)
    value = float(found.pbo)
    told = (
        f"the best of one half of the time is below the median in the other in {value:.0%} of all halves "
        f"(probability of backtest overfitting)."
    )
    colour = judged(value, *options.limits.overfitting)
    change = "Fewer and better founded configurations lower it; more bars make it surer."
    question = "Does the best of one half beat the median of the other?"
    return Finding(
        "overfitting", question, colour, value, told, _limits(options.limits.overfitting), change
    ), found


def _deflated_sharpe(search: _Search, options: _Options) -> tuple[Finding, Any]:
    found = search.overfitting(options)
    value, trials, expected = (
        float(found.deflated_sharpe),
        int(found.trials),
        float(found.expected_max_sharpe),
    )
    told = (
        f"the Sharpe ratio is above what the best of {trials:,} worthless trials would show ({expected:.2f} a "
        f"year) with a probability of {value:.0%} (deflated Sharpe ratio)."
    )
    colour = judged(value, *options.limits.deflated_sharpe)
    change = "A longer history raises it; every further trial lowers it."
    question = "Is it above the best of so many worthless ones?"
    return Finding(
        "deflated_sharpe", question, colour, value, told, _limits(options.limits.deflated_sharpe), change
    ), None


def _data_snooping(search: _Search, options: _Options) -> tuple[Finding, Any]:
    from peak_fast.validation.reality import reality_check

    test = reality_check(
        search.sweep, replications=options.replications, seed=options.seed, threads=options.threads
    )
    value = float(test.pvalue)
    told = (
        f"that the best of them is not better than cash has p = {value:.3f} (superior predictive ability); "
        f"{len(test.rejected):,} configurations are better by the stepwise test."
    )
    colour = judged(value, *options.limits.data_snooping)
    change = "A smaller grid of better founded configurations, or more bars."
    question = "Is the best better than cash, as the best of all?"
    return Finding(
        "data_snooping", question, colour, value, told, _limits(options.limits.data_snooping), change
    ), test


def _permutation(search: _Search, options: _Options) -> tuple[Finding, Any]:
    from peak_fast.validation.permutation import permutation_test

    test = permutation_test(
        search.sweep, worlds=options.worlds, objective=search.objective, min_trades=options.min_trades,
        seed=options.seed, threads=options.threads, select=True,
    )  # fmt: skip
    value = float(test.p)
    above = round(value * (options.worlds + 1)) - 1
    told = (
        f"in {above:,} of {options.worlds:,} worlds with the bars in another order the best of the whole grid was "
        f"as good (p = {value:.3f})."
    )
    colour = judged(value, *options.limits.permutation)
    change = "A pattern in the order of bars; what comes from drift alone is in every world, too."
    question = "Is the best found in bars without a pattern, too?"
    return Finding(
        "permutation", question, colour, value, told, _limits(options.limits.permutation), change
    ), test


def _sensitivity(search: _Search, options: _Options) -> tuple[Finding, Any]:
    from peak_fast.validation.sensitive import sensitivity

    around = sensitivity(
        search.sweep.strategy, search.params, search.data, objective=search.objective,
        parts=("parameters", "costs", "delays"), threads=options.threads, **_settings_of(search.sweep),
    )  # fmt: skip
    _, middle, _ = around.range_of("parameters")
    value = middle / around.real if around.real > 0.0 else math.nan
    kept, lost = around.break_even_bps
    told = f"beside the chosen parameters the median {search.objective} is {middle:.2f}, chosen {around.real:.2f}"
    told += f"; the gain is gone with {lost:g} basis points more a fill." if not math.isnan(lost) else (
        f"; it is there with {kept:g} basis points more a fill." if not math.isnan(kept) else "."
    )  # fmt: skip
    colour = judged(value, *options.limits.sensitivity)
    change = "A choice from the middle of a plateau: found.best(radius=2)."
    question = "Is it as good a little beside?"
    return Finding(
        "sensitivity", question, colour, value, told, _limits(options.limits.sensitivity), change
    ), around


def _ambiguity(search: _Search, options: _Options) -> tuple[Finding, Any]:
    question = "How much rests on what bars do not say?"
    bounds = getattr(search.best, "ambiguity", None)
    if bounds is None or not bounds.bars:
        told = "no bar touched stop and target both: fills do not rest on the inside of bars."
        return Finding("ambiguity", question, "green", 0.0, told), None
    gain = abs(bounds.final_equity - float(search.best.stats["initial_cash"]))
    value = (bounds.best - bounds.worst) / gain if gain > 0.0 else math.inf
    told = (
        f"{bounds.bars:,} bars touched stop and target both; the final equity lies between {bounds.worst:,.0f} and "
        f"{bounds.best:,.0f}, {value:.0%} of the gain apart."
    )
    colour = judged(value, *options.limits.ambiguity)
    change = "Shorter bars, or stops and targets further apart."
    return Finding(
        "ambiguity", question, colour, value, told, _limits(options.limits.ambiguity), change
    ), bounds


def _settings_of(sweep: Sweep) -> dict[str, Any]:
    """Settings of a sweep's engine, as the functions of this room take them."""
    settings = sweep.engine.settings
    names = [one.name for one in fields(settings) if one.init]
    found = {name: getattr(settings, name) for name in names}
    return {name: value for name, value in found.items() if name != "financing" or value is not None}
