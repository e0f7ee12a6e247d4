"""Noise test: does the figure survive prices that are a little off?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, whole, wrong
from peak_fast.guard import guarded, guarded_class
from peak_fast.sweep import crew_of
from peak_fast.validation.choice import Choice
from peak_fast.validation.jobs import checked_threads, job_of, real_metrics
from peak_fast.validation.paid import check_jittered
from peak_fast.validation.remote import best_of_worlds
from peak_fast.validation.worlds import checked_seed, jitter_of
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

MOST_RUNS = 10_000_000


@guarded_class()
@dataclass(frozen=True)
class NoiseResult:
    """What a noise test found.

    Attributes
    ----------
    real
        The objective on the real bars.
    distribution
        float64[runs]: on jittered bars; NaN where it is undefined.
    kept
        Share of the runs whose figure is at least half of the real one (a loss: not more than half as deep again); NaN
        where the real figure is NaN.
    params, runs, noise, seed, objective
        What was asked for.
    notes
        What was passed over.
    """

    real: float
    distribution: FloatArray
    kept: float
    params: dict[str, Any]
    runs: int
    noise: float
    seed: int
    objective: str
    notes: tuple[str, ...] = ()
    _maker: Any = field(default=None, repr=False)

    @property
    def frame(self) -> pl.DataFrame:
        """One row a run: run, the objective."""
        import polars as pl

        return pl.DataFrame({"run": np.arange(self.runs), self.objective: self.distribution})

    def world(self, number: int) -> Any:
        """The bars, or the panel, of a run."""
        return self._maker.world(whole("number", number, 0, self.runs - 1, "runs are counted from 0"))

    def summary(self) -> str:
        """The test in a few lines of text."""
        from peak_fast.validation.texts import noise_text

        return noise_text(self)

    def plot(self, *, path: str | Path | None = None) -> Any:
        """Histogram of the runs with the real figure, a Matplotlib figure (``path``: as a file, too)."""
        from peak_fast.report import drawn
        from peak_fast.validation.drawings import distribution_figure

        title = f"{self.objective} with prices moved by up to {self.noise:.0%} of the bar's range"
        return drawn(distribution_figure(self.distribution, self.real, self.objective, title), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the runs."""
        names = ("real", "kept", "params", "runs", "noise", "seed", "objective")
        known = self.distribution[~np.isnan(self.distribution)]
        places = {f"q{100 * q:02.0f}": float(np.quantile(known, q)) for q in (0.05, 0.5, 0.95) if known.size}
        return {name: getattr(self, name) for name in names} | places | {"notes": list(self.notes)}


@guarded
def noise_test(
    strategy: Any,
    params: Any = None,
    data: Any = None,
    *,
    noise: float = 0.1,
    runs: int = 200,
    objective: str = "sharpe",
    seed: int = 0,
    threads: int | None = None,
    cluster: Any = None,
    **settings: Any,
) -> NoiseResult:
    """Run a strategy on bars whose prices are moved inside them.

    Open and close take any price, each as likely, of the bar that is within ``noise`` times its range of the old one;
    high and low come nearer to each other by up to as much, never beyond open and close.

    Parameters
    ----------
    strategy, params, data, objective, seed, threads, cluster, settings
        As of `permutation_test`, without a grid.
    noise
        Share of the bar's range, above 0 and at most 1.
    runs
        How many.

    Raises
    ------
    ConfigError, DataError, StrategyError
        Input that cannot be used.
    """
    if not is_number(noise) or not 0.0 < noise <= 1.0:
        raise wrong(
            "noise", "a share of the bar's range, above 0 and at most 1", noise, "0.1 is a tenth of it"
        )
    choice = Choice.of(objective, 0)
    seed, threads = checked_seed(seed), checked_threads(threads)
    runs = whole("runs", runs, 1, MOST_RUNS, "200 give the quantiles")
    job = job_of("noise_test", strategy, params, data, settings)
    check_jittered(job.engine.settings, job.data)
    maker = jitter_of(job.data, float(noise), seed)
    real = choice.best(real_metrics(job, choice.metrics, threads))[0]
    with crew_of(cluster, threads) as crew:
        figures, _, said = best_of_worlds(job, maker, choice, runs, threads, crew)
    kept, notes = _kept(real, figures, choice)
    return NoiseResult(
        real, figures, kept, job.params(0), runs, float(noise), seed, choice.objective, (*said, *notes), maker
    )


def _kept(real: float, figures: FloatArray, choice: Choice) -> tuple[float, list[str]]:
    """Share of the runs that keep half of the real figure, and the note on those without one."""
    missing = int(np.count_nonzero(np.isnan(figures)))
    said = [f"{missing:,} of {figures.size:,} runs give no {choice.objective}"] if missing else []
    least = real - 0.5 * abs(real) * choice.sign
    return float(choice.at_least(figures, least).mean()) if real == real else float("nan"), said
