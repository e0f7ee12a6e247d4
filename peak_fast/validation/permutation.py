"""Permutation test: how often does chance alone, on the same bars in another order, do as well?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, whole, wrong
from peak_fast.data import Bars, given_bars, is_panel
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded, guarded_class
from peak_fast.simulation import payments_for
from peak_fast.sweep import crew_of
from peak_fast.validation.choice import Choice
from peak_fast.validation.jobs import Job, checked_threads, job_of, real_metrics
from peak_fast.validation.paid import check_permuted, held_moves, settings_in
from peak_fast.validation.remote import best_of_worlds
from peak_fast.validation.worlds import checked_method, checked_seed, maker_of
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

MOST_WORLDS = 10_000_000


@guarded_class()
@dataclass(frozen=True)
class PermutationResult:
    """What a permutation test found.

    Attributes
    ----------
    p
        ``(1 + k) / (worlds + 1)``: k worlds were at least as good as the real bars.  Never 0.
    real
        The objective on the real bars: of the strategy, or of the best of the grid.
    distribution
        float64[worlds]: the same figure in each world; NaN where it is undefined (no trade).
    chosen
        int64[worlds]: number of the best configuration in each world; -1 where none counts.
    params
        Parameters on the real bars, those of the best of the grid.
    worlds, method, block, seed, objective, select, configurations
        What was asked for; ``block`` is None for the methods that have none.
    notes
        What was passed over.
    """

    p: float
    real: float
    distribution: FloatArray
    chosen: IntArray
    params: dict[str, Any]
    worlds: int
    method: str
    block: float | None
    seed: int
    objective: str
    select: bool
    configurations: int
    at_least: int
    notes: tuple[str, ...] = ()
    _job: Job | None = field(default=None, repr=False)
    _maker: Any = field(default=None, repr=False)

    @property
    def standard_error(self) -> float:
        """Of p, from the number of worlds."""
        return float(np.sqrt(self.p * (1.0 - self.p) / self.worlds))

    @property
    def frame(self) -> pl.DataFrame:
        """One row a world: world, the objective, config and the parameters of the best."""
        import polars as pl

        assert self._job is not None
        known = np.maximum(self.chosen, 0)
        columns: dict[str, Any] = {
            name: np.asarray(column)[known] for name, column in self._job.columns.items()
        }
        table = {"world": np.arange(self.worlds), self.objective: self.distribution, "config": self.chosen}
        frame = pl.DataFrame(
            {**table, **{name: values for name, values in columns.items() if name not in table}}
        )
        floats = [name for name in columns if frame[name].dtype.is_float() and name not in table]
        return frame.with_columns(pl.col(floats).fill_nan(None)) if floats else frame

    def world(self, number: int) -> Any:
        """The bars, or the panel, of a world; a run on them gives the figure of its row to the last bit.

        With dividends or splits the run pays `financing` of the world.
        """
        return self._maker.world(whole("number", number, 0, self.worlds - 1, "worlds are counted from 0"))

    def financing(self, number: int) -> Any:
        """What was due in a world: the `Financing` of the test, its dividends and splits where their bars are there."""
        assert self._job is not None
        settings = self._job.engine.settings
        return settings_in(settings, self._maker, number, self.world(number)).financing

    def summary(self) -> str:
        """The test in a few lines of text."""
        from peak_fast.validation.texts import permutation_text

        return permutation_text(self)

    def plot(self, *, path: str | Path | None = None) -> Any:
        """Histogram of the worlds with the real figure, a Matplotlib figure (``path``: as a file, too)."""
        from peak_fast.report import drawn
        from peak_fast.validation.drawings import distribution_figure

        title = f"{self.objective} in {self.worlds:,} worlds ({self.method}): p = {self.p:.4g}"
        return drawn(distribution_figure(self.distribution, self.real, self.objective, title), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the worlds."""
        names = (
            "p", "real", "worlds", "at_least", "method", "block", "seed", "objective", "select", "configurations",
            "params",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"notes": list(self.notes)}


@guarded
def permutation_test(
    strategy: Any,
    params: Any = None,
    data: Any = None,
    *,
    worlds: int = 1000,
    method: str = "permutation",
    block: float | None = None,
    select: bool = False,
    objective: str = "sharpe",
    min_trades: int = 0,
    seed: int = 0,
    threads: int | None = None,
    cluster: Any = None,
    **settings: Any,
) -> PermutationResult:
    """Compare a strategy, or the choice of the best out of a grid, with what it does in worlds without its pattern.

    Parameters
    ----------
    strategy
        What `BacktestEngine.run` takes, but decisions that are made already; or a `Sweep` or its result, whose whole
        selection is repeated in each world.
    params
        Parameters; with ``select=True`` a grid.
    data
        `Bars`, a frame or a `Panel` (the same dates change places for all assets).
    worlds
        How many.
    method
        ``"permutation"``: bars in another order; ``"block"`` and ``"stationary"``: blocks of bars drawn with
        replacement; ``"sign"``: the moves of each bar mirrored or not.
    block
        Length of blocks, their mean for ``"stationary"``; None: of the returns, after Politis and White.
    select
        Whether ``params`` is a grid out of which each world gets its own best configuration.
    objective, min_trades
        Metric; fewer trades than these do not count.
    seed, threads
        Whole number; the number of threads (None: all) does not change the answer.
    cluster
        Workers that run the worlds, as in `Sweep.run`.
    settings
        Keyword arguments of `BacktestEngine`, with ``select`` also ``constraint``.

    Raises
    ------
    ConfigError, DataError, StrategyError
        Input that cannot be used; prices at or below zero.
    """
    if select not in (True, False):
        raise wrong("select", "True or False", select, "True repeats the whole selection in each world")
    choice = Choice.of(objective, min_trades)
    checked_method(method)
    seed, threads = checked_seed(seed), checked_threads(threads)
    worlds = whole("worlds", worlds, 1, MOST_WORLDS, "999 worlds give p to 0.001")
    job = job_of("permutation_test", strategy, params, data, settings, bool(select))
    check_permuted(job.engine.financing, panel=is_panel(job.data), method=method)
    paid = payments_for(job.engine.settings, job.data) if isinstance(job.data, Bars) else None
    length = block_length(job.data, method, block, paid)
    maker = maker_of(job.data, method, length, seed)
    with crew_of(cluster, threads) as crew:
        return _tested(job, maker, choice, worlds, (threads, crew), bool(select))


def _tested(
    job: Job, maker: Any, choice: Choice, worlds: int, means: tuple[int | None, Any], select: bool
) -> PermutationResult:
    """Run the real bars and all worlds, on threads or on a crew."""
    threads, crew = means
    real, place = choice.best(real_metrics(job, choice.metrics, threads, crew))
    figures, chosen, said = best_of_worlds(job, maker, choice, worlds, threads, crew)
    above = int(np.count_nonzero(choice.at_least(figures, real)))
    order = maker.order
    return PermutationResult(
        p=(1 + above) / (worlds + 1), real=real, distribution=figures, chosen=chosen,
        params=job.params(max(place, 0)), worlds=worlds, method=order.method,
        block=order.length if order.method in ("block", "stationary") else None, seed=order.seed,
        objective=choice.objective, select=select or job.count > 1, configurations=job.count, at_least=above,
        notes=(*maker.notes, *said, *_notes(real, figures, choice)), _job=job, _maker=maker,
    )  # fmt: skip


def _notes(real: float, figures: FloatArray, choice: Choice) -> list[str]:
    """What has no figure."""
    notes = []
    missing = int(np.count_nonzero(np.isnan(figures)))
    why = f"or fewer than {choice.min_trades} trades" if choice.min_trades else "as without a trade"
    if real != real:
        notes.append(f"the real bars give no {choice.objective} ({why}), so every world is at least as good")
    if missing:
        notes.append(
            f"{missing:,} of {figures.size:,} worlds give no {choice.objective} ({why}); they count as worse than any"
        )
    return notes


def block_length(data: Any, method: str, block: Any, paid: Any = None) -> float:
    """Length of blocks in bars.

    Raises
    ------
    ConfigError
        No length, or one beside a method without blocks.
    """
    if method not in ("block", "stationary"):
        if block is not None:
            raise ConfigError(
                f"block: expected None with method={method!r}, which has no blocks; got {block!r}"
            )
        return 1.0
    if block is None:
        from peak_fast.statistics import optimal_block_length

        returns = mean_returns(data, paid)
        kind = "stationary" if method == "stationary" else "circular"
        found = optimal_block_length(returns[~np.isnan(returns)], kind)
        return max(found, 1.0) if method == "stationary" else float(max(round(found), 1))
    if not is_number(block) or not 1.0 <= block <= len(data) or (method == "block" and block != int(block)):
        kind = "a number of bars" if method == "stationary" else "a whole number of bars"
        raise wrong("block", f"{kind} from 1 to {len(data):,}", block, "None takes that of the returns")
    return float(block)


def mean_returns(data: Any, paid: Any = None) -> FloatArray:
    """Return of each bar since the last close before, of a panel the mean of its assets; NaN where there is none.

    ``paid``: payments of one asset, whose dividends and splits belong to its returns.
    """
    if paid is not None:
        return held_moves(data.close, paid)
    close = data.close[None, :] if isinstance(data, Bars) else data.close
    total, count = np.zeros(len(data)), np.zeros(len(data))
    for row in close:
        known = np.flatnonzero(~np.isnan(row))
        total[known[1:]] += row[known[1:]] / row[known[:-1]] - 1.0
        count[known[1:]] += 1.0
    with np.errstate(invalid="ignore"):
        return total / count


@guarded
def world_of(
    data: Any, number: int = 0, *, method: str = "permutation", block: float | None = None, seed: int = 0
) -> Any:
    """The bars, or the panel, of one world of `permutation_test`.

    Raises
    ------
    ConfigError, DataError
        As of `permutation_test`.
    """
    held = data if is_panel(data) else given_bars(data)
    checked_method(method)
    length = block_length(held, method, block)
    number = whole("number", number, 0, MOST_WORLDS - 1, "worlds are counted from 0")
    return maker_of(held, method, length, checked_seed(seed)).world(number)
