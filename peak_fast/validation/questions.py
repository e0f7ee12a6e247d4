"""The questions that `validate` asks: each gives a figure, a sentence, and what the test found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from peak_fast.metrics import higher_is_better
from peak_fast.sweep import Sweep, SweepResult
from peak_fast.validation.thresholds import Thresholds

_FOLDS = 5

Answer = tuple[float, str, Any]
"""Figure (NaN: there is none), sentence, what the test found."""


@dataclass(frozen=True)
class Options:
    """What the caller of `validate` chose."""

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
    crew: Any = None


@dataclass(frozen=True)
class Search:
    """A sweep, its result, and its best configuration as a result."""

    sweep: Sweep
    found: SweepResult
    objective: str
    params: dict[str, Any]
    best: Any
    data: Any
    memo: dict[str, Any] = field(default_factory=dict)

    def overfitting(self, options: Options) -> Any:
        """The overfitting statistics of the sweep, once."""
        if "overfitting" not in self.memo:
            best = int(self.found.top(1, self.objective)["config"][0])
            self.memo["overfitting"] = self.found.overfitting(
                options.blocks,
                best,
                options.trials,
                seed=options.seed,
                threads=options.threads,
                cluster=options.crew,
            )
        return self.memo["overfitting"]


def settings_of(sweep: Sweep) -> dict[str, Any]:
    """Settings of a sweep's engine, as the functions of this room take them."""
    settings = sweep.engine.settings
    found = {one.name: getattr(settings, one.name) for one in fields(settings) if one.init}
    return {name: value for name, value in found.items() if name != "financing" or value is not None}


def tried(search: Search, options: Options) -> Answer:
    """How many configurations."""
    count = len(search.found)
    told = f"{count:,} configurations were tried on {len(search.data):,} bars"
    more = (
        "; deflated_sharpe counts with what the caller or the registry says"
        if options.trials is not None
        else ""
    )
    return float(count), f"{told}{more}.", None


def look_ahead(search: Search, options: Options) -> Answer:
    """Leaks; NaN where nothing could be looked at."""
    from peak_fast.validation.lookahead import check_lookahead

    report = check_lookahead(search.found)
    lines = report.summary().splitlines()
    told = " ".join(line.strip() for line in lines[: 2 if report.leaks else 1])
    counts = {"clean": 0.0, "leaks": float(len(report.leaks)), "random": 1.0}
    return counts.get(report.verdict, math.nan), told, report


def walk_forward(search: Search, options: Options) -> Answer:
    """Efficiency of a walk; where the grid varies settings of the engine each window is a run of its own."""
    from peak_fast.validation.walking import walk_forward as walk

    sweep, bars = search.sweep, len(search.data)
    train = options.train if options.train is not None else max(bars // 2, 2)
    test = options.test if options.test is not None else max((bars - bars // 2) // _FOLDS, 1)
    own = {item.name for item in sweep.strategy.schema}
    carried = not own or own >= set(sweep.grid.names)
    objective = search.objective if higher_is_better(search.objective) else f"{search.objective}:min"
    walked = walk(
        sweep, train=train, test=test, objective=objective, min_trades=options.min_trades,
        positions="carry" if carried else "flat", progress=False, threads=options.threads, cluster=options.crew,
    )  # fmt: skip
    value, error = walked.efficiency, walked.efficiency_error
    if math.isnan(value):
        return value, "no window had a gain in training, so nothing could come again.", walked
    told = (
        f"of the return in training {value:.0%} (+- {error:.0%}) came again in {len(walked.windows)} later windows; "
        f"joined, they have a Sharpe ratio of {walked.result.stats['sharpe']:.2f}."
    )
    return value, told, walked


def overfitting(search: Search, options: Options) -> Answer:
    """Probability of backtest overfitting."""
    found = search.overfitting(options)
    value = float(found.pbo)
    if found.cscv.configurations < 2:
        return math.nan, "one configuration was tried: nothing was chosen that could be overfitted.", found
    told = f"the best of one half of the time is below the median in the other in {value:.0%} of all halves"
    return value, f"{told} (probability of backtest overfitting).", found


def deflated_sharpe(search: Search, options: Options) -> Answer:
    """Probability of more than the best of so many worthless trials."""
    found = search.overfitting(options)
    value, expected = float(found.deflated_sharpe), float(found.expected_max_sharpe)
    told = (
        f"the Sharpe ratio is above what the best of {int(found.trials):,} worthless trials would show ({expected:.2f} "
        f"a year) with a probability of {value:.0%} (deflated Sharpe ratio)."
    )
    return value, told, None


def data_snooping(search: Search, options: Options) -> Answer:
    """p of the superior predictive ability test against cash."""
    from peak_fast.validation.reality import reality_check

    test = reality_check(
        search.sweep,
        replications=options.replications,
        seed=options.seed,
        threads=options.threads,
        cluster=options.crew,
    )
    value = float(test.pvalue)
    told = (
        f"that the best of them is not better than cash has p = {value:.3f} (superior predictive ability); "
        f"{len(test.rejected):,} configurations are better by the stepwise test."
    )
    return value, told, test


def permutation(search: Search, options: Options) -> Answer:
    """p of the whole selection in permuted worlds."""
    from peak_fast.validation.permutation import permutation_test

    test = permutation_test(
        search.sweep, worlds=options.worlds, objective=search.objective, min_trades=options.min_trades,
        seed=options.seed, threads=options.threads, cluster=options.crew, select=True,
    )  # fmt: skip
    value = float(test.p)
    above = round(value * (options.worlds + 1)) - 1
    told = (
        f"in {above:,} of {options.worlds:,} worlds with the bars in another order the best of the whole grid was "
        f"as good (p = {value:.3f})."
    )
    return value, told, test


def sensitivity(search: Search, options: Options) -> Answer:
    """Median of the objective at neighbouring parameters over the chosen one's."""
    from peak_fast.validation.sensitive import sensitivity as around_of

    around = around_of(
        search.sweep.strategy, search.params, search.data, objective=search.objective,
        parts=("parameters", "costs", "delays"), threads=options.threads, cluster=options.crew,
        **settings_of(search.sweep),
    )  # fmt: skip
    _, middle, _ = around.range_of("parameters")
    value = middle / around.real if around.real > 0.0 else math.nan
    kept, lost = around.break_even_bps
    end = "."
    if math.isnan(kept) and not math.isnan(lost):
        end = "; there is no gain that costs could take."
    elif not math.isnan(lost):
        end = f"; the gain is gone with {lost:g} basis points more a fill."
    elif not math.isnan(kept):
        end = f"; it is there with {kept:g} basis points more a fill."
    told = f"beside the chosen parameters the median {search.objective} is {middle:.2f}, chosen {around.real:.2f}"
    return value, told + end, around


def ambiguity(search: Search, options: Options) -> Answer:
    """Width of the bounds of the final equity over the gain."""
    bounds = getattr(search.best, "ambiguity", None)
    if bounds is None or not bounds.bars:
        return 0.0, "no bar touched stop and target both: fills do not rest on the inside of bars.", None
    gain = abs(bounds.final_equity - float(search.best.stats["initial_cash"]))
    value = (bounds.best - bounds.worst) / gain if gain > 0.0 else math.inf
    told = (
        f"{bounds.bars:,} bars touched stop and target both; the final equity lies between {bounds.worst:,.0f} and "
        f"{bounds.best:,.0f}, {value:.0%} of the gain apart."
    )
    return value, told, bounds


QUESTIONS: dict[str, tuple[Callable[[Search, Options], Answer], str, str]] = {
    "tried": (tried, "How much was tried?", ""),
    "look_ahead": (
        look_ahead, "Do decisions know later bars?",
        "Decide with what was known at the close; the report names bar and column.",
    ),
    "walk_forward": (
        walk_forward, "Does a choice hold in later bars?",
        "More folds, or windows of another length, move it where it hangs on a few trades.",
    ),
    "overfitting": (
        overfitting, "Does the best of one half beat the median of the other?",
        "Fewer and better founded configurations lower it; more bars make it surer.",
    ),
    "deflated_sharpe": (
        deflated_sharpe, "Is it above the best of so many worthless ones?",
        "A longer history raises it; every further trial lowers it.",
    ),
    "data_snooping": (
        data_snooping, "Is the best better than cash, as the best of all?",
        "A smaller grid of better founded configurations, or more bars.",
    ),
    "permutation": (
        permutation, "Is the best found in bars without a pattern, too?",
        "A pattern in the order of bars; what comes from drift alone is in every world, too.",
    ),
    "sensitivity": (
        sensitivity, "Is it as good a little beside?", "A choice from the middle of a plateau: found.best(radius=2).",
    ),
    "ambiguity": (
        ambiguity, "How much rests on what bars do not say?", "Shorter bars, or stops and targets further apart.",
    ),
}  # fmt: skip
"""For each question what answers it, the question in words, and what would change the answer."""
