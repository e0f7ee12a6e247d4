"""Is the best configuration of a sweep better than a benchmark, or only the best of very many?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import is_panel
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded, guarded_class
from peak_fast.simulation import payments_for
from peak_fast.statistics import Snooping, block_of, data_snooping, typical_block
from peak_fast.sweep import Sweep, SweepResult, crew_of, free_rate, return_tiles, returns_on
from peak_fast.validation.paid import held_moves
from peak_fast.validation.tested import flattened, job_of, snooped_on
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

BENCHMARKS = ("cash", "hold")
_LOOKED_AT = 32


@guarded
def reality_check(
    found: SweepResult | Sweep, benchmark: Any = "cash", *, block: float | None = None, replications: int = 1000,
    seed: int | None = 0, form: str = "hansen", level: float = 0.05, threads: int | None = None, cluster: Any = None,
) -> RealityCheck:  # fmt: skip
    """White's reality check, Hansen's test of superior ability and the steps of Romano & Wolf over a whole sweep.

    Every configuration is run again, 128 at a time, so the returns of all of them never exist together.

    Parameters
    ----------
    found
        The result of a sweep that ran here, or the sweep; of one data set.
    benchmark
        "cash" earns the sweep's ``risk_free``; "hold" holds the asset from the first close on; or returns of the bars,
        such as those of another strategy.
    block, replications, seed, form, level
        See `peak_fast.statistics.data_snooping`; the automatic block looks at 32 configurations of the whole grid.
    threads, cluster
        As in `Sweep.run`; threads are those of rules and compiled blocks.

    Raises
    ------
    ConfigError
        A result that was loaded from files, several data sets, an unknown benchmark.
    """
    sweep = _sweep_of(found)
    against, name = _benchmark(sweep, benchmark)
    if cluster is None:
        tiles = _Tiles(sweep, threads)
        length = _block(sweep, against, None) if block is None else block
        test = data_snooping(
            tiles, against, block=length, replications=replications, seed=seed, form=form, level=level
        )
        refused = tiles.refused
    else:
        with crew_of(cluster, threads) as crew:
            length = _block(sweep, against, crew) if block is None else block_of(block)
            job = job_of(sweep, against, length, replications, seed)
            test, refused = snooped_on(crew, sweep, job, form, level, seed)
    said = f"{len(refused):,} configurations could not be run and count as flat"
    return RealityCheck(test, sweep, name, [said] if refused else [])


@guarded_class()
class RealityCheck:
    """What `reality_check` found.

    Attributes
    ----------
    test
        `peak_fast.statistics.Snooping`: means, maxima of all samples, ranks.
    benchmark
        Its name.
    reality_check, pvalue, pvalues
        White's p-value, Hansen's consistent one, and his three.
    rejected
        Numbers of the configurations that are better than the benchmark, from the best on.
    best
        Parameters of the best configuration.
    notes
        What was passed over.
    """

    def __init__(self, test: Snooping, sweep: Sweep, benchmark: str, notes: Sequence[str]) -> None:
        self.test, self.benchmark = test, benchmark
        self.reality_check, self.pvalue, self.pvalues = test.reality_check, test.pvalue, test.pvalues
        self.rejected = test.rejected
        self.best = sweep.grid[test.best]
        self.notes = (*test.notes, *notes)
        self._grid = sweep.grid

    def critical_values(self, level: float | None = None) -> dict[str, float]:
        """Statistic that the best must exceed, by centring; see `peak_fast.statistics.Snooping`."""
        return self.test.critical_values(level)

    @property
    def frame(self) -> pl.DataFrame:
        """Configurations from the best on: config, parameters, mean (excess a bar), statistic, p by steps, rejected."""
        import polars as pl

        from peak_fast.results import named

        order, test = self.test.ranked, self.test
        columns = zip(self._grid.names, self._grid.codes_at(order), strict=True)
        return named(pl.DataFrame({
            "config": order, **{name: self._grid.unique(name)[code] for name, code in columns},
            "mean": test.mean[order], "statistic": test.statistics[order], "p": test.adjusted,
            "rejected": np.isin(order, self.rejected),
        }))  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON."""
        from peak_fast.results import jsonable

        plain: dict[str, Any] = jsonable(
            {
                **self.test.to_dict(),
                "benchmark": self.benchmark,
                "best_params": self.best,
                "notes": list(self.notes),
            }
        )
        return plain

    def summary(self) -> str:
        """The answers in a few lines."""
        test = self.test.summary().splitlines()[: -len(self.test.notes) or None]
        shown = ", ".join(f"{name}={value}" for name, value in self.best.items())
        return "\n".join([*test, f"benchmark: {self.benchmark}; best: {shown}", *self.notes])

    def __repr__(self) -> str:
        return f"RealityCheck({self.test.strategies:,} configurations, p={self.pvalue:.4f})"


class _Tiles:
    """Returns of all configurations, as often as they are asked for; those that cannot be run are flat."""

    def __init__(self, sweep: Sweep, threads: int | None) -> None:
        self._sweep, self._threads = sweep, threads
        self.refused: set[int] = set()

    def __call__(self) -> Iterator[FloatArray]:
        first = 0
        for returns in return_tiles(self._sweep, threads=self._threads):
            self.refused.update((first + flattened(returns)).tolist())
            first += returns.shape[1]
            yield returns


def _block(sweep: Sweep, against: Any, crew: Any) -> float:
    """Length of blocks from configurations that are spread over the whole grid."""
    numbers = np.unique(np.linspace(0, len(sweep.grid) - 1, _LOOKED_AT).astype(np.int64))
    if crew is not None:
        return typical_block(returns_on(crew, sweep, numbers), against)
    (returns,) = return_tiles(sweep, numbers, tile=_LOOKED_AT)
    return typical_block(returns, against)


def _sweep_of(found: Any) -> Sweep:
    if isinstance(found, Sweep):
        return found
    sweep = getattr(getattr(found, "_rerun", None), "__self__", None)
    if not isinstance(sweep, Sweep):
        raise ConfigError(
            "found: expected the result of a sweep that ran here, or a Sweep; got one without data and strategy; "
            "Sweep(...).run(store=...) takes what is finished from the store"
        )
    return sweep


def _benchmark(sweep: Sweep, benchmark: Any) -> tuple[Any, str]:
    """Returns of the benchmark, and its name."""
    data = next(iter(sweep.data.values()))
    if not isinstance(benchmark, str):
        return benchmark, "given returns"
    if benchmark not in BENCHMARKS:
        raise ConfigError(
            f"benchmark: expected 'cash', 'hold' or the returns of {len(data):,} bars; got {benchmark!r}"
        )
    if benchmark == "cash":
        return free_rate(sweep), f"cash at {sweep.engine.risk_free:g} a year"
    if is_panel(data):
        raise ConfigError(
            "benchmark: 'hold' is of one asset; of a panel pass the returns of what would be held"
        )
    moves = held_moves(data.close, payments_for(sweep.engine.settings, data))
    return np.where(np.isnan(moves), 0.0, moves), "holding the asset"
