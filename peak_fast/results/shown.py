"""What every result shows of itself: summary, tables for terminals and notebooks, plain values, pandas frames."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from peak_fast.guard import guarded_class
from peak_fast.results.metadata import jsonable
from peak_fast.results.summary import rich_table

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.results.views import Course


def hash_of(arrays: Iterable[Any]) -> str:
    """32 hexadecimal digits over the bytes of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


@guarded_class()
class Shown:
    """Views that kinds of results have in common.

    A kind gives ``_rows()``, the labels and texts of its summary, ``_course()``, its times and equity, and
    ``_remedy(name)``, where what is asked for under a wrong name is to be had.
    """

    strategy_name: str
    params: dict[str, Any]
    symbol: str
    _FRAMES: ClassVar[tuple[str, ...]]
    """Names of the frames."""

    def __getattr__(self, name: str) -> Any:
        """Only asked for what is not there.

        Raises
        ------
        AttributeError
            Always; it says where the statistic, or the picture, is to be had.
        """
        kind = type(self)
        if name.startswith("_") or hasattr(kind, name):  # a property that failed says why itself
            return object.__getattribute__(self, name)
        raise AttributeError(f"a {kind.__name__} has no attribute {name!r}; {self._remedy(name)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} is immutable; tried to set {name!r}")

    def _course(self) -> Course:
        raise NotImplementedError

    @functools.cached_property
    def returns(self) -> pl.DataFrame:
        """Columns timestamp, return: simple returns of the bars, the first against the initial cash."""
        from peak_fast.results.views import returns_frame

        return returns_frame(self._course())

    def monthly_returns(self) -> pl.DataFrame:
        """Columns year, Jan to Dec, year_return: simple returns in the zone of the bars, null where there are no bars.

        Raises
        ------
        DataError
            The bars have no times.
        """
        from peak_fast.results.views import monthly_frame

        return monthly_frame(self._course())

    def drawdowns(self, top: int = 10) -> pl.DataFrame:
        """The deepest times under water, deepest first.

        Columns depth (a negative fraction), peak_bar (-1: the start), valley_bar, end_bar (null: not recovered),
        peak_time, valley_time, end_time, bars (from the peak on), bars_to_recover (from the valley on), recovered.  An
        episode that has not ended has the last bar's time as ``end_time``.

        Parameters
        ----------
        top
            How many at most.
        """
        from peak_fast.results.views import drawdowns_frame

        return drawdowns_frame(self._course(), top)

    def rolling(self, what: str, window: int, *, benchmark: Any = None) -> pl.DataFrame:
        """A figure in a moving window of bars: columns timestamp and its name; null before the window is full.

        Parameters
        ----------
        what
            ``"return"``, ``"volatility"``, ``"sharpe"``, ``"sortino"``, ``"max_drawdown"``, ``"beta"`` or
            ``"correlation"`` (docs/metrics.md).
        window
            Number of bars.
        benchmark
            Levels for the last two: a Series with times, one value a bar, or `Bars`.  Default: the closes of what was
            traded, of a portfolio all assets held equally.

        Raises
        ------
        ConfigError
            An unknown figure, a window below 2, a benchmark that does not fit the bars.
        """
        from peak_fast.results.views import rolling_frame

        return rolling_frame(self, what, window, benchmark)

    def levels_of(self, benchmark: Any) -> Any:
        """A benchmark in line with the bars: float64[n_bars], NaN where it has no value; None for None or False.

        Parameters
        ----------
        benchmark
            Levels as in `rolling`; True: the closes.

        Raises
        ------
        ConfigError
            Another length, or times that do not fit.
        """
        from peak_fast.results.views import levels_of

        return levels_of(self, benchmark)

    def plot(
        self, *, benchmark: Any = None, size: tuple[int, int] = (1000, 980), max_marked: int = 200,
        title: str | None = None, path: str | Path | None = None,
    ) -> Any:  # fmt: skip
        """The result as a Matplotlib figure: price with trades, equity, drawdown, position or exposure.

        Parameters
        ----------
        benchmark, size, max_marked, title
            See :func:`peak_fast.report.overview_figure`.
        path
            File to write as well: ``.png``, ``.svg`` or ``.pdf``.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it.

        Raises
        ------
        MissingDependencyError
            Matplotlib is not installed.
        """
        from peak_fast.report import drawn, overview_figure

        figure = overview_figure(self, benchmark=benchmark, size=size, max_marked=max_marked, title=title)
        return drawn(figure, path, "run.png")

    def report(
        self,
        path: str | Path,
        *,
        benchmark: Any = None,
        title: str | None = None,
        sections: Iterable[str] = (),
    ) -> Path:
        """Write the tear sheet, one HTML file that needs nothing else.

        Parameters
        ----------
        path
            Where to; an existing file is replaced.
        benchmark, title, sections
            See :func:`peak_fast.report.tear_sheet`.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            A benchmark that does not fit the bars.
        StoreError
            The file cannot be written.
        """
        from peak_fast.report import write_tear_sheet

        return write_tear_sheet(self, path, benchmark=benchmark, title=title, sections=sections)

    def summary(self) -> str:
        """The result in a few lines of text."""
        lines = [f"{self.strategy_name} on {self.symbol}"]
        if self.params:
            lines.append("  " + ", ".join(f"{key}={value}" for key, value in self.params.items()))
        lines += [f"  {label:<17} {text}" for label, text in self._rows()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Statistics and metadata as plain values that JSON can hold (NaN and infinities become None)."""
        plain: dict[str, Any] = jsonable({"stats": self.stats, "metadata": self.metadata})
        return plain

    def to_pandas(self) -> dict[str, Any]:
        """All frames as pandas frames, by name.

        Raises
        ------
        MissingDependencyError
            pandas or pyarrow is not installed.
        """
        from peak_fast.errors import require

        require("pandas", extra="dev")
        require("pyarrow", extra="duckdb")
        return {name: getattr(self, name).to_pandas() for name in self._FRAMES}

    def __rich__(self) -> Any:
        from peak_fast.report import sparkline

        rows = self._rows()
        rows.insert(1, ("Equity", sparkline(self._course().values)))
        return rich_table(f"{self.strategy_name} on {self.symbol}", rows)

    def _repr_html_(self) -> str:
        from html import escape

        from peak_fast.report import small_picture

        title = escape(f"{self.strategy_name} on {self.symbol}")
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(label)}</td><td style='text-align:right'>{escape(text)}</td></tr>"
            for label, text in self._rows()
        )
        picture = small_picture([(self._course().values, "#1d4ed8")], "Equity over time")
        params = escape(", ".join(f"{key}={value}" for key, value in self.params.items()))
        return f"<div><b>{title}</b> {params}<br>{picture}<table>{rows}</table></div>"
