"""What a sweep found: a table of parameters and metrics, and the ways to look at it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, is_whole, mapping, place
from peak_fast.errors import ConfigError, StoreError, SweepError
from peak_fast.guard import guarded_class
from peak_fast.metrics import higher_is_better
from peak_fast.sweep.grid import Array
from peak_fast.sweep.store import MANIFEST, Parts, read_manifest
from peak_fast.sweep.view import best_configs, check_metric, check_trades, none_traded, traded
from peak_fast.sweep.viewed import Viewed

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.results import BacktestResult
    from peak_fast.sweep.grid import Grid
    from peak_fast.sweep.overfitted import Overfitting
    from peak_fast.sweep.store import SweepStore

# Parts of a store whose ranks are in memory at a time: about a million configurations.
_PARTS_AT_ONCE = 64


@guarded_class()
class SweepResult(Viewed):
    """Table of a sweep: one row per configuration, in the order of the grid.

    Columns are ``config`` (number of the configuration), the parameters, the metrics and, where they were
    asked for, ``block_sum`` and ``block_sumsq``: sums of the returns in equal blocks of time, and of their
    squares.

    Parameters
    ----------
    table
        A store or its parts, which are read when needed; a Polars frame; or a dict of one result array per
        metric, which becomes a frame together with the grid when it is first looked at.
    grid
        The configurations; None for a table read from a file.
    metrics
        Names of the metrics, in order.
    rerun
        Runs one configuration in full: ``rerun(params) -> BacktestResult``.
    settings
        What the sweep ran with, for display and for ``save``.
    parameters
        Names of the parameters; from the grid where there is one.
    is_full
        Whether the configurations are all combinations of values; from the grid where there is one.

    Raises
    ------
    ConfigError
        Columns that are neither parameters nor metrics, or missing ones.
    """

    def __init__(
        self,
        table: SweepStore | Parts | pl.DataFrame | Mapping[str, Array],
        grid: Grid | None,
        metrics: Sequence[str],
        rerun: Callable[[dict[str, Any]], BacktestResult] | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        parameters: Sequence[str] | None = None,
        is_full: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        if grid is None and parameters is None:
            raise ConfigError("expected a grid or the names of the parameters; got neither")
        self.grid = grid
        self.metrics = tuple(metrics)
        self.parameters = tuple(grid.names if grid is not None else parameters or ())
        self.settings = dict(settings or {})
        self.is_full = grid.is_full if grid is not None else is_full
        self.notes = tuple(notes)
        self._rerun = rerun
        place: Any = getattr(table, "files", table)  # of a store only its files: it may be closed by now
        self._table: Parts | pl.DataFrame | Mapping[str, Array] = place
        if not self.metrics:
            raise ConfigError("expected at least one metric; got none")

    @classmethod
    def load(
        cls, path: str | Path, rerun: Callable[[dict[str, Any]], BacktestResult] | None = None
    ) -> SweepResult:
        """Open a store, or a folder that ``save`` wrote, without its data and strategy.

        Parameters
        ----------
        path
            Folder with ``manifest.json`` and parts. It may be incomplete, or in use by a running sweep.
        rerun
            Needed by ``best`` and ``curves`` only.

        Raises
        ------
        StoreError
            There is no store, none that has a finished tile, or a file of it is damaged.
        """
        folder = place("path", path, "my_sweep").expanduser()
        manifest = read_manifest(folder)
        if manifest is None:
            raise StoreError(f"expected a sweep's folder with {MANIFEST}; {folder} has none; check the path")
        parts = Parts(folder, manifest)
        if not parts.checked():
            raise StoreError(
                f"expected a store with finished tiles in {folder}; got none; run the sweep first"
            )
        return cls(
            parts,
            None,
            manifest["metrics"],
            rerun,
            manifest["key"].get("settings"),
            parameters=list(manifest["parameters"]),
            is_full=manifest["is_full"],
            notes=manifest.get("notes", ()),
        )

    @property
    def is_stored(self) -> bool:
        """Whether the table stays in files and is read when needed."""
        return isinstance(self._table, Parts)

    @property
    def total(self) -> int:
        """Number of configurations of the whole sweep, finished or not."""
        whole = self._table.configurations if isinstance(self._table, Parts) else None
        return whole if whole is not None else len(self if self.grid is None else self.grid)

    def parts(self) -> list[Path]:
        """Files of a stored table, in the order of the configurations; empty for one in memory."""
        return self._table.checked() if isinstance(self._table, Parts) else []

    def lazy(self) -> pl.LazyFrame:
        """The table as a lazy frame: over Parquet where it is stored, over memory otherwise.

        Raises
        ------
        StoreError
            A stored part has changed since it was written.
        """
        return self._table.scan() if isinstance(self._table, Parts) else self.frame.lazy()

    @property
    def frame(self) -> pl.DataFrame:
        """The whole table in memory, in the order of the grid; prefer ``lazy`` for stored sweeps."""
        from peak_fast.results import named

        if isinstance(self._table, Parts):
            return named(self.lazy().collect())
        if isinstance(self._table, Mapping):
            from peak_fast.sweep.store import table

            if self.grid is None:
                raise ConfigError("expected a grid next to bare result columns; got none")
            self._table = table(self.grid, self._table)
        return named(self._table)

    def __len__(self) -> int:
        """Number of finished configurations."""
        import polars as pl

        if isinstance(self._table, Parts):
            return int(self.lazy().select(pl.len()).collect().item())
        if isinstance(self._table, Mapping):
            return len(self._table[self.metrics[0]])
        return len(self._table)

    @property
    def default_metric(self) -> str:
        """What ``by`` means where it is not given: ``"sharpe"`` where it was computed, else the first."""
        return "sharpe" if "sharpe" in self.metrics else self.metrics[0]

    def _metric(self, by: str | None) -> str:
        return self.default_metric if by is None else check_metric(by, self.metrics)

    def top(
        self, n: int = 10, by: str | None = None, descending: bool | None = None, *, min_trades: int = 0
    ) -> pl.DataFrame:
        """The ``n`` best rows, best first; equal values in the order of the grid, NaN last.

        Parameters
        ----------
        n
            Number of rows.
        by
            Metric; ``default_metric`` where not given.
        descending
            Whether large is good; None decides by the metric (drawdowns are negative, so larger is better).
        min_trades
            Leave out rows with fewer ``total_trades``: the best ratio of few trades is luck.

        Raises
        ------
        SweepError
            No row has so many trades.
        ConfigError
            The table does not count them (``metrics`` without "total_trades").
        """
        import polars as pl

        from peak_fast.results import named

        if not is_whole(n) or n < 1:
            raise ConfigError(f"expected a positive whole number of rows; got n={n!r}")
        by = self._metric(by)
        if descending is not None and not isinstance(descending, bool):
            raise ConfigError(f"descending: expected True, False or None; got {descending!r}")
        down = higher_is_better(by) if descending is None else descending
        configs = self._best(n, by, down, check_trades(min_trades, self.metrics))
        order = pl.DataFrame({"config": configs, "__order": np.arange(len(configs))})
        held = self._table.scan(configs) if isinstance(self._table, Parts) else self.lazy()
        rows = held.filter(pl.col("config").is_in(configs.tolist())).collect()
        return named(rows.join(order, on="config").sort("__order").drop("__order"))

    def _best(self, n: int, by: str, down: bool, least: int) -> Array:
        """Numbers of the best configurations, best first; of a stored table some parts are looked at at a time."""
        import polars as pl

        files = self.parts()
        tables = [
            pl.scan_parquet(files[k : k + _PARTS_AT_ONCE]) for k in range(0, len(files), _PARTS_AT_ONCE)
        ] or [self.lazy()]
        configs, values = np.empty(0, np.int64), np.empty(0)
        for table in tables:
            ranks = traded(table, least).select("config", pl.col(by).cast(pl.Float64)).collect()
            found, figures = ranks["config"].to_numpy(), ranks[by].to_numpy()
            chosen = best_configs(np.arange(len(found)), figures, n, down)
            configs = np.concatenate((configs, found[chosen]))
            values = np.concatenate((values, figures[chosen]))
        if least and not len(configs):
            raise none_traded(self.lazy(), least)
        return best_configs(configs, values, n, down)

    def params_of(self, config: int) -> dict[str, Any]:
        """Parameters of a configuration as plain Python values."""
        import polars as pl

        if not is_whole(config):
            raise ConfigError(f"config: expected the number of a configuration; got {config!r}; see top()")
        if self.grid is not None:
            return self.grid[config]
        row = self.lazy().filter(pl.col("config") == config).select(self.parameters).collect()
        if not len(row):
            raise IndexError(f"expected the number of a finished configuration; got {config}")
        return row.row(0, named=True)

    def rerun(self, params: Mapping[str, Any]) -> BacktestResult:
        """Run one configuration in full, with curves, trades and orders."""
        if self._rerun is None:
            raise SweepError(
                "expected a sweep that still knows its data and strategy; this one was read from files; "
                "run Sweep(...).run(store=...) on the same store (nothing is computed again), "
                "or load it with rerun="
            )
        return self._rerun(dict(mapping("params", params, "{'fast': 10, 'slow': 50}")))

    def best(self, by: str | None = None, *, radius: int = 0, min_trades: int = 0) -> BacktestResult:
        """Full result of the best configuration, by running it again.

        Parameters
        ----------
        by
            Metric; see ``top``.
        radius
            Above 0: best on average over its neighbours; see ``plateau``.
        min_trades
            Of the configurations with at least so many trades; see ``top``.

        Raises
        ------
        SweepError
            No configuration has a number for the metric, or so many trades, or the data is not at hand.
        """
        by = self._metric(by)
        alone = is_whole(radius) and radius == 0
        if alone:
            rows = self.top(1, by, min_trades=min_trades)
        else:
            rows = self.plateau(by, radius=radius, n=1, min_trades=min_trades)
        if not len(rows) or rows[by][0] is None or math.isnan(rows[by][0]):
            raise SweepError(
                f"expected a configuration with a value of {by!r}; all are NaN; try another metric"
            )
        return self.rerun(self.params_of(int(rows["config"][0])))

    def overfitting(
        self, blocks: int = 16, row: Any = None, trials: Any = None, *, ties: str = "low", data: str | None = None,
        sample: int = 200, seed: int = 0, threads: int | None = None, cluster: Any = None,
    ) -> Overfitting:  # fmt: skip
        """How much of the best configuration is selection (docs/validation.md says each figure's definition).

        The sweep runs again where it did not keep sums of ``blocks`` blocks of time and the metric "sharpe".

        Parameters
        ----------
        blocks
            Blocks of time of the cross-validation, even.
        row
            Number of a configuration, or several; None: the one with the highest Sharpe ratio.
        trials
            How many were tried in all: a number, a `TrialRegistry` or its path; None: the rows of this sweep.
        ties
            See `peak_fast.statistics.cscv`.
        data
            Data set to look at, where the sweep has several.
        sample, seed
            Configurations whose returns are grouped for the effective number of trials, drawn with a seed.
        threads, cluster
            For what runs again, as in `Sweep.run`.

        Raises
        ------
        SweepError
            Sums are missing, and data and strategy are not at hand.
        ConfigError
            A number of blocks, a configuration or a data set that there is not.
        """
        from peak_fast.sweep.overfit import overfitting_of
        from peak_fast.sweep.run import crew_of

        own = getattr(self._rerun, "__self__", None)
        with crew_of(cluster, threads) as crew:
            return overfitting_of(
                self, own, blocks=blocks, row=row, trials=trials, ties=ties, data=data, sample=sample, seed=seed,
                means=(threads, crew),
            )  # fmt: skip

    def curves(self, n: int = 10, by: str | None = None, *, min_trades: int = 0) -> pl.DataFrame:
        """Equity curves of the ``n`` best configurations (see ``top``), by running them again.

        Returns
        -------
        polars.DataFrame
            Columns ``config``, ``timestamp``, ``equity``; the best configuration first.
        """
        import polars as pl

        parts: list[pl.DataFrame] = []
        for config in self.top(n, by, min_trades=min_trades)["config"].to_list():
            curve = self.rerun(self.params_of(config)).equity_curve.select("timestamp", "equity")
            parts.append(curve.select(pl.lit(config, dtype=pl.Int64).alias("config"), "timestamp", "equity"))
        return pl.concat(parts)

    def plateau(
        self, by: str | None = None, radius: int = 1, n: int | None = None, min_coverage: float = 0.5, *,
        min_trades: int = 0,
    ) -> pl.DataFrame:  # fmt: skip
        """Configurations by their average over neighbours: a lone peak is luck, a plateau is a finding.

        Parameters
        ----------
        by
            Metric; see ``top``.
        radius
            How many places apart the values of each numeric parameter may be.
        n
            Number of rows; None for all.
        min_coverage
            Leave out configurations with fewer neighbours than this share of a whole neighbourhood: at the
            edges an average of few is easily the best by chance.
        min_trades
            Do not list configurations with fewer trades (see ``top``); as neighbours they count.

        Returns
        -------
        polars.DataFrame
            ``config``, parameters, the metric, ``<metric>_plateau`` (mean over the neighbours and itself) and
            ``neighbours`` (how many have a finite value), best first.
        """
        from peak_fast.results import named
        from peak_fast.sweep.view import plateau_rows

        if not is_whole(radius) or radius < 1:
            raise ConfigError(f"expected a radius of at least 1; got {radius!r}")
        if n is not None and (not is_whole(n) or n < 1):
            raise ConfigError(f"expected a positive whole number of rows, or None for all; got n={n!r}")
        if not is_number(min_coverage) or not 0.0 <= min_coverage <= 1.0:
            raise ConfigError(
                f"min_coverage: expected a share from 0 to 1; got {min_coverage!r}; 0.5 is usual"
            )
        by, least = self._metric(by), check_trades(min_trades, self.metrics)
        ordered = plateau_rows(self.lazy(), self.parameters, by, radius, self.is_full, min_coverage)
        if least:
            enough = traded(self.lazy(), least).select("config").collect()
            if not len(enough):
                raise none_traded(self.lazy(), least)
            ordered = ordered.filter(ordered["config"].is_in(enough["config"].implode()))
        return named(ordered.head(len(ordered) if n is None else n))
