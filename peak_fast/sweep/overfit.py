"""Is the best of a sweep more than the luck of many tries?  What `SweepResult.overfitting` computes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, is_whole, shown
from peak_fast.data import is_panel
from peak_fast.errors import ConfigError, MissingDependencyError, SweepError
from peak_fast.results import units_of
from peak_fast.statistics import (
    CSCV,
    check_blocks,
    cscv_of_sums,
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    haircut_sharpe,
    minimum_backtest_length,
    minimum_track_record,
    probabilistic_sharpe,
)
from peak_fast.sweep.overfitted import Overfitting
from peak_fast.sweep.returned import return_tiles, returns_on
from peak_fast.trials import TrialRegistry
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl


Means = tuple[int | None, Any]
"""Threads, and a crew where there is a cluster."""


@dataclass(frozen=True)
class Search:
    """What was searched.

    Attributes
    ----------
    configs, sharpes
        Numbers of the configurations, and their Sharpe ratios a year (NaN: none).
    sums, squares
        float64[configurations, blocks]: see `peak_fast.statistics.cscv_of_sums`.
    bars, year
        Of the run, and of a year.
    """

    configs: IntArray
    sharpes: FloatArray
    sums: FloatArray
    squares: FloatArray
    bars: int
    year: float


@dataclass(frozen=True)
class Tried:
    """How much was tried: ``count`` trials, and the variance of their Sharpe ratios a bar where a registry knows it."""

    count: float
    variance: float = float("nan")
    notes: tuple[str, ...] = ()


def tried_of(trials: Any, rows: int) -> Tried:
    """Trials that count: a number, a registry or its path, whatever has a length; None: the rows of the sweep.

    Raises
    ------
    ConfigError
        Something else, or a number below 1.
    """
    if trials is None:
        return Tried(float(rows))
    if isinstance(trials, str | Path) and Path(trials).expanduser().exists():
        trials = TrialRegistry(trials)
    if isinstance(trials, TrialRegistry):
        return _registered(trials, rows)
    number = len(trials) if hasattr(trials, "__len__") and not isinstance(trials, str) else trials
    if not is_number(number) or not number >= 1:
        raise ConfigError(
            f"trials: expected how many were tried, 1 or more, or a registry of trials or its path; got "
            f"{shown(trials)}; None counts the rows of the sweep"
        )
    few = (
        f"trials={number:,g} is fewer than the {rows:,} configurations of this sweep, all of which were tried: figures "
        "of the best are too kind"
    )
    return Tried(float(number), notes=(few,) if number < rows else ())


def _registered(registry: TrialRegistry, rows: int) -> Tried:
    """N and V of a registry; N of the sweep where the registry has less, as this sweep was then not counted there."""
    count = registry.trials
    if count >= rows:
        return Tried(float(count), registry.variance)
    less = (
        f"the registry counts {count:,} trials, fewer than the {rows:,} of this sweep, which are taken instead: "
        "Sweep(..., registry=...) counts them there"
    )
    return Tried(float(rows), notes=(less,))


def searched(found: Any, sweep: Any, blocks: int, data: str | None, means: Means) -> Search:
    """Sums by block and Sharpe ratios of all rows; the sweep runs again where they were not kept."""
    table = found.lazy()
    names = table.collect_schema().names()
    kept = found.lazy().head(1).collect()["block_sum"].dtype.size if "block_sum" in names else 0
    if kept != blocks or "sharpe" not in names:
        if sweep is None:
            raise SweepError(
                f"expected a sweep with blocks={blocks} and the metric 'sharpe', or one that still knows its data; "
                "this one was read from files; run Sweep(...).run(store=...) on the same store, or sweep with them"
            )
        again = copy.copy(sweep)
        again.blocks, again.metrics, again.registry = blocks, ("sharpe",), None
        table = again.run(threads=means[0], cluster=means[1], progress=False).lazy()
    rows = _of_one(table, names, sweep, data)
    bars, year = _time(found, sweep, data)
    sums, squares = (rows[name].to_numpy() for name in ("block_sum", "block_sumsq"))
    return Search(rows["config"].to_numpy(), rows["sharpe"].to_numpy(), sums, squares, bars, year)


def _of_one(table: pl.LazyFrame, names: Sequence[str], sweep: Any, data: str | None) -> pl.DataFrame:
    """Rows of one data set, whose blocks of time are the same."""
    import polars as pl

    wanted = ["config", "sharpe", "block_sum", "block_sumsq"]
    several = "data" in names and (sweep is None or len(sweep.data) > 1)
    if not several:
        return table.select(wanted).collect()
    known = table.select(pl.col("data").unique(maintain_order=True)).collect()["data"].to_list()
    if data not in known:
        raise ConfigError(
            f"data: expected the data set to look at, one of {', '.join(map(repr, known))}; got {data!r}; blocks of "
            "time compare configurations on the same bars"
        )
    return table.filter(pl.col("data") == data).select(wanted).collect()


def _time(found: Any, sweep: Any, data: str | None) -> tuple[int, float]:
    """Bars of the run, bars a year; NaN where files do not say it."""
    if sweep is None:
        bars = found.settings.get("bars")
        if not isinstance(bars, Mapping):
            raise SweepError("expected a store that says how many bars its data have; run the sweep again")
        return int(bars[data] if data in bars else next(iter(bars.values()))), float("nan")
    item = sweep.data[data] if data in sweep.data else next(iter(sweep.data.values()))
    return len(item), float(sweep.engine.periods_per_year or item.periods_per_year)


def rows_of(search: Search, row: Any) -> list[int]:
    """Configurations that are looked at: the given ones, or the one with the highest Sharpe ratio."""
    if row is None:
        if np.isnan(search.sharpes).all():
            raise SweepError(
                "expected a configuration with a Sharpe ratio; none has one, as nothing was traded"
            )
        return [int(search.configs[int(np.nanargmax(search.sharpes))])]
    given = list(row) if isinstance(row, Sequence | np.ndarray) and not isinstance(row, str) else [row]
    given = given or [row]
    known = set(search.configs.tolist())
    for number in given:
        if not is_whole(number) or int(number) not in known:
            raise ConfigError(
                f"row: expected numbers of configurations (column 'config'); got {shown(number)}"
            )
    return [int(number) for number in given]


def moments_of(returns: FloatArray, free: float) -> dict[str, float]:
    """Sharpe ratio a bar (``ddof`` 1), skewness and kurtosis (3 for a normal; both of the sample), autocorrelation."""
    excess = returns - free
    mean, centred = float(excess.mean()), excess - excess.mean()
    squares = float(centred @ centred)
    if len(returns) < 3 or squares <= 1e-15 * float(excess @ excess):
        return dict.fromkeys(("sharpe_per_bar", "skew", "kurtosis", "autocorrelation"), float("nan"))
    deviation, count = (squares / len(returns)) ** 0.5, len(returns)
    return {
        "sharpe_per_bar": mean / (squares / (count - 1)) ** 0.5,
        "skew": float((centred**3).mean()) / deviation**3,
        "kurtosis": float((centred**4).mean()) / deviation**4,
        "autocorrelation": float(centred[1:] @ centred[:-1]) / squares,
    }


def figures_of(moments: Mapping[str, float], search: Search, tried: Tried, apart: float) -> dict[str, float]:
    """Figures of one configuration; ``apart``: effective trials (NaN: not known)."""
    sharpe, skew, kurtosis, memory = moments.values()
    known = search.sharpes[np.isfinite(search.sharpes)] / search.year**0.5
    own = float(known.var(ddof=1)) if len(known) > 1 else 0.0
    tries, variance = tried.count, own if np.isnan(tried.variance) else tried.variance
    shape: dict[str, Any] = {"skew": skew, "kurtosis": kurtosis}
    count = search.bars
    return {
        "probabilistic_sharpe": probabilistic_sharpe(sharpe, count, **shape),
        "deflated_sharpe": deflated_sharpe(sharpe, count, tries, variance, **shape),
        "deflated_sharpe_2026": deflated_sharpe(
            sharpe, count, tries, variance, **shape, form="2026", autocorrelation=memory
        ),
        "deflated_sharpe_effective": deflated_sharpe(sharpe, count, apart, own, **shape),
        "expected_max_sharpe": (variance * search.year) ** 0.5 * float(expected_maximum(tries)),
        "haircut_sharpe": haircut(sharpe, count, tries) * search.year**0.5,
        "min_track_record_bars": minimum_track_record(sharpe, **shape),
        "min_backtest_years": minimum_backtest_length(tries, sharpe * search.year**0.5),
    }


def haircut(sharpe: float, count: int, tries: float) -> float:
    """Haircut Sharpe ratio by Bonferroni; NaN without scipy."""
    try:
        return float(haircut_sharpe(sharpe, count, trials=int(np.ceil(tries)))) + 0.0
    except MissingDependencyError:
        return float("nan")


def effective_of(sweep: Any, search: Search, sample: int, seed: int, means: Means) -> tuple[float, int]:
    """Groups among the returns of a sample of the rows, and how many rows that were; NaN without scipy."""
    count = min(sample, len(search.configs))
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(search.configs, size=count, replace=False))
    try:
        return effective_trials(returns_of(sweep, chosen, *means)), count
    except MissingDependencyError:
        return float("nan"), count


def returns_of(sweep: Any, configs: IntArray, threads: int | None, crew: Any = None) -> FloatArray:
    """Returns of configurations, float64[bars, configurations], by running them again."""
    if crew is not None:
        return returns_on(crew, sweep, configs)
    return np.concatenate(list(return_tiles(sweep, configs, threads=threads)), axis=1)


def overfitting_of(
    found: Any, sweep: Any, *, blocks: int, row: Any, trials: Any, ties: str, data: str | None, sample: int, seed: int,
    means: Means,
) -> Overfitting:  # fmt: skip
    """See `SweepResult.overfitting`."""
    blocks = check_blocks(blocks)
    if not is_whole(sample) or not 2 <= sample <= 5_000:
        raise ConfigError(f"sample: expected a number of configurations from 2 to 5,000; got {shown(sample)}")
    search = searched(found, sweep, blocks, data, means)
    tried = tried_of(trials, len(search.configs))
    crossed: CSCV = cscv_of_sums(search.sums, search.squares, search.bars, ties=ties)
    rows = rows_of(search, row)
    notes = list(tried.notes)
    if sweep is None or len(sweep.data) > 1 or any(map(is_panel, sweep.data.values())):
        apart, taken = float("nan"), 0
        notes.append(
            "effective number of trials not computed: it needs the returns of a sample, which are run again for sweeps "
            "of one data set that ran here"
        )
    else:
        apart, taken = effective_of(sweep, search, sample, seed, means)
    table = [_row(found, sweep, search, number, tried, apart) for number in rows]
    return Overfitting(crossed, table, search.configs, tried.count, (apart, taken), tuple(notes))


def _row(found: Any, sweep: Any, search: Search, number: int, tried: Tried, apart: float) -> dict[str, Any]:
    """Number, parameters, Sharpe ratio and figures of one configuration."""
    place = int(np.flatnonzero(search.configs == number)[0])
    own = {"config": number, "params": found.params_of(number), "sharpe": float(search.sharpes[place])}
    if sweep is None:
        return own
    result = sweep.rerun(own["params"])
    free = (1.0 + sweep.engine.risk_free) ** (1.0 / search.year) - 1.0
    equity = np.concatenate(([float(result.stats["initial_cash"])], units_of(result)))
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.where(equity[:-1] > 0.0, equity[1:] / equity[:-1] - 1.0, 0.0)
    moments = moments_of(returns, free)
    return {**own, **moments, **figures_of(moments, search, tried, apart)}
