"""What every kind of sweep result shows of itself: pictures, SQL, other formats, tables for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from peak_fast.arguments import place
from peak_fast.guard import guarded_class

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.sweep.view import Aggregate


@guarded_class()
class Viewed:
    """Views of a table of parameters and metrics."""

    parameters: tuple[str, ...]
    metrics: tuple[str, ...]
    lazy: Any
    frame: Any
    _metric: Any

    def heatmap(
        self,
        x: str | None = None,
        y: str | None = None,
        metric: str | None = None,
        aggregate: Aggregate = "best",
        path: str | Path | None = None,
        log: bool | None = None,
    ) -> Any:
        """Picture of a metric over two parameters.

        Parameters
        ----------
        x, y
            Parameters; the first two that have several values where they are not given.
        metric
            See ``top``.
        aggregate
            What a cell shows where further parameters vary: ``"best"`` (the largest value, or the smallest of
            metrics for which less is better), ``"max"``, ``"min"``, ``"mean"`` or ``"median"``.
        path
            File to write as well: ``.png``, ``.svg`` or ``.pdf``.
        log
            Logarithmic colours; None decides by the values.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from peak_fast.sweep.view import draw_heatmap, heatmap_data, two_parameters

        metric = self._metric(metric)
        first, second = two_parameters(self.lazy(), self.parameters, x, y)
        data = heatmap_data(self.lazy(), list(self.parameters), first, second, metric, aggregate)
        return draw_heatmap(data, path, log)

    def plot(
        self,
        kind: str | None = None,
        *,
        by: str | None = None,
        most: int = 400,
        path: str | Path | None = None,
    ) -> Any:
        """Picture of the whole sweep.

        Parameters
        ----------
        kind
            ``"heatmap"``; ``"slices"``: the metric over each parameter, as median, middle half and range of all others;
            ``"parallel"``: configurations as lines over all parameters.  Default: a heatmap where two parameters
            vary, else slices.
        by
            Metric, see ``top``.
        most
            Lines that ``"parallel"`` draws at most, of all ranks.
        path
            File to write as well: ``.png``, ``.svg`` or ``.pdf``.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ConfigError
            Another kind, or no parameter that varies.
        """
        from peak_fast.sweep.view import draw_sweep

        return draw_sweep(self, kind, by, most, path)

    def sql(self: Any, query: str) -> pl.DataFrame:
        """Answer of a DuckDB query in which the table is called ``sweep``.

        Raises
        ------
        MissingDependencyError
            DuckDB (or pyarrow, through which the answer travels) is not installed.
        ConfigError
            DuckDB refuses the query.
        """
        from peak_fast.sweep.view import query_table

        return query_table(self, query)

    def to_duckdb(self: Any, path: str | Path | None = None, table: str = "sweep") -> Any:
        """Write the table into a DuckDB file, replacing a table of that name; returns the number of rows.

        Without a path: a connection to a new database in memory that holds the table.
        """
        from peak_fast.sweep.view import memory_database, write_table

        if path is None:
            return memory_database(self, table)
        return write_table(self, place("path", path, "results.duckdb").expanduser(), table)

    def to_pandas(self) -> Any:
        """The table as a pandas frame (block sums as object columns of arrays)."""
        from peak_fast.sweep.view import pandas_frame

        return pandas_frame(self.frame)

    def save(self: Any, path: str | Path) -> Path:
        """Write the table: ``.parquet``, ``.csv`` (without block sums), or a folder that ``load`` reads."""
        from peak_fast.sweep.view import save_table

        return save_table(self, place("path", path, "table.parquet").expanduser())

    def __repr__(self: Any) -> str:
        from peak_fast.sweep.view import headline

        return f"SweepResult({headline(self)})"

    def _repr_html_(self: Any) -> str:
        from peak_fast.sweep.view import html_table

        return html_table(self)

    def __rich__(self: Any) -> Any:
        from peak_fast.sweep.view import rich_table

        return rich_table(self)
