"""A metric over two parameters as a picture.

Cells are evenly spaced in the order of the values, so that a grid of 5, 10, 20, 50, 100 is as readable as
an even one. Bright is good: metrics for which less is better use the reversed colours. Where the grid has
further parameters, each cell shows the best, mean or another summary over them, and the subtitle says which.

Matplotlib is used without pyplot, which keeps every figure alive in a global list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from peak_fast.arguments import place
from peak_fast.errors import ConfigError, SweepError, did_you_mean, require
from peak_fast.metrics import higher_is_better, is_fraction
from peak_fast.report import for_notebooks, save_figure
from peak_fast.sweep.view.texts import format_metric, format_number, format_params

if TYPE_CHECKING:
    import polars as pl

Aggregate: TypeAlias = Literal["best", "max", "min", "mean", "median"]

TOO_FEW_AXES = "expected two parameters with several values for a heatmap; this sweep has fewer"

AGGREGATES = ("best", "max", "min", "mean", "median")
_MAX_CELLS = 240
_MAX_WRITTEN = 150
_LOG_RATIO = 100.0
_INK, _MUTED, _PAPER, _ABSENT = "#1b2330", "#6b7484", "#ffffff", "#e3e6eb"


@dataclass(frozen=True, slots=True)
class HeatmapData:
    """What a heatmap shows.

    Attributes
    ----------
    x, y, metric : str
        Parameters and metric.
    x_values, y_values : list
        Values along the axes, ascending; the lowest value of each bin where there are too many to show.
    cells : numpy.ndarray
        float64[len(y_values), len(x_values)]; NaN where there is no configuration.
    best : dict
        Parameters of the best configuration.
    best_value : float
        Its metric.
    best_cell : tuple of int
        Its row and column.
    note : str
        What each cell summarises.
    """

    x: str
    y: str
    metric: str
    x_values: list[Any]
    y_values: list[Any]
    cells: npt.NDArray[np.float64]
    best: dict[str, Any]
    best_value: float
    best_cell: tuple[int, int]
    note: str


def heatmap_data(
    lazy: pl.LazyFrame, parameters: list[str], x: str, y: str, metric: str, aggregate: Aggregate = "best"
) -> HeatmapData:
    """Work out a heatmap from a table of parameters and metrics.

    Raises
    ------
    ConfigError
        An unknown parameter, metric or aggregate, or one parameter for both axes.
    SweepError
        No configuration has a finite value of the metric.
    """
    import polars as pl

    _check(parameters, x, y, aggregate)
    value = pl.col(metric).cast(pl.Float64)
    table = lazy.filter(value.is_finite()).select([*parameters, value.alias("__value")]).collect()
    if not len(table):
        raise SweepError(f"expected configurations with a finite {metric!r}; got none; choose another metric")
    upward = higher_is_better(metric)
    kind = aggregate if aggregate != "best" else ("max" if upward else "min")
    places, values = {}, {}
    for name in (x, y):
        places[name], values[name] = _axis(table[name])
    cell = pl.col("__value")
    summary = {"max": cell.max(), "min": cell.min(), "mean": cell.mean(), "median": cell.median()}[kind]
    grouped = (
        table.select(pl.Series("__x", places[x]), pl.Series("__y", places[y]), cell)
        .group_by("__x", "__y")
        .agg(summary, pl.len().alias("__count"))
    )
    cells = np.full((len(values[y]), len(values[x])), np.nan)
    cells[grouped["__y"].to_numpy(), grouped["__x"].to_numpy()] = grouped["__value"].to_numpy()
    ranked = table["__value"].to_numpy()
    row = int(np.argmax(ranked) if upward else np.argmin(ranked))
    best = table.row(row, named=True)
    best_value = float(best.pop("__value"))
    note = _note([name for name in parameters if name not in (x, y)], kind, grouped["__count"].max())
    best_cell = (int(places[y][row]), int(places[x][row]))
    return HeatmapData(x, y, metric, values[x], values[y], cells, best, best_value, best_cell, note)


def _check(parameters: list[str], x: str, y: str, aggregate: str) -> None:
    for name in (x, y):
        if not isinstance(name, str) or name not in parameters:
            raise ConfigError(
                f"expected a parameter of the sweep; got {name!r}; {did_you_mean(str(name), parameters)}"
            )
    if x == y:
        raise ConfigError(f"expected two parameters; got {x!r} for both axes")
    if not isinstance(aggregate, str) or aggregate not in AGGREGATES:
        raise ConfigError(
            f"expected an aggregate out of {', '.join(AGGREGATES)}; got {aggregate!r}; "
            + did_you_mean(str(aggregate), AGGREGATES)
        )


def _note(others: list[str], kind: str, most: Any) -> str:
    if not others and most == 1:
        return ""
    over = f" over {', '.join(others)}" if others else ""
    return f"each cell: {kind}{over} (up to {most:,} configurations)"


def _axis(series: pl.Series) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Cell of every row along one axis, and the value that each cell stands for."""
    distinct = series.unique().sort(nulls_last=False)
    place = series.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    if distinct.null_count() == 0:
        place -= 1
    count = len(distinct)
    if count <= _MAX_CELLS:
        return place, distinct.to_list()
    bins = _MAX_CELLS // 4
    starts = -(-np.arange(bins, dtype=np.int64) * count // bins)
    return place * bins // count, [distinct[int(start)] for start in starts]


def draw_heatmap(data: HeatmapData, path: str | Path | None = None, log: bool | None = None) -> Any:
    """Draw a heatmap.

    Parameters
    ----------
    data
        From ``heatmap_data``.
    path
        File to write as well (``.png``, ``.svg``, ``.pdf``).
    log
        Logarithmic colours; None chooses them for positive values that span more than a factor of 100.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingDependencyError
        Matplotlib is not installed.
    """
    require("matplotlib", extra="plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = data.cells.shape
    size = (min(max(6.4, 2.8 + 0.34 * width), 11.0), min(max(4.6, 2.2 + 0.27 * height), 8.0))
    figure = for_notebooks(Figure(figsize=size, dpi=120, facecolor=_PAPER, layout="constrained"))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor(_ABSENT)
    norm, extend = _norm(data.cells, log)
    colours = "viridis" if higher_is_better(data.metric) else "viridis_r"
    image = axes.imshow(
        np.ma.masked_invalid(data.cells),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=colours,
        norm=norm,
    )
    _ticks(axes, data)
    bar = figure.colorbar(image, ax=axes, extend=extend, pad=0.02, aspect=28)
    _style_bar(bar, data)
    if data.cells.size <= _MAX_WRITTEN and width <= 16:
        _write_values(axes, data, image)
    _mark_best(axes, data)
    _titles(figure, axes, data)
    if path is not None:
        save_figure(figure, place("path", path, "heatmap.png"))
    return figure


def _norm(cells: npt.NDArray[np.float64], log: bool | None) -> tuple[Any, str]:
    """Colour scale, cut where single outliers would leave one colour for everything else."""
    from matplotlib.colors import LogNorm, Normalize

    if log is not None and not isinstance(log, bool):
        raise ConfigError(f"log: expected True, False or None; got {log!r}; None decides by the values")
    known = cells[np.isfinite(cells)]
    low, high = float(known.min()), float(known.max())
    if log is None:
        log = low > 0 and high / low > _LOG_RATIO
    if log:
        if low <= 0:
            raise ConfigError(f"expected positive values for logarithmic colours; got {low}; pass log=False")
        return LogNorm(low, high if high > low else low * 1.01), "neither"
    quarter, three = np.quantile(known, [0.25, 0.75])
    spread = 4.0 * (three - quarter) if three > quarter else math.inf
    bottom, top = max(low, float(quarter - spread)), min(high, float(three + spread))
    ends = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}
    if bottom == top:
        bottom, top = bottom - 0.5, top + 0.5
    return Normalize(bottom, top), ends[bottom > low, top < high]


def _ticks(axes: Any, data: HeatmapData) -> None:
    for axis, values, most in ((axes.xaxis, data.x_values, 14), (axes.yaxis, data.y_values, 16)):
        every = max(1, math.ceil(len(values) / most))
        chosen = range(0, len(values), every)
        axis.set_ticks(list(chosen), [format_number(values[place]) for place in chosen])
    axes.set_xlabel(data.x, color=_INK, fontsize=10)
    axes.set_ylabel(data.y, color=_INK, fontsize=10)
    axes.tick_params(colors=_MUTED, labelsize=8.5, length=2.5, width=0.6)
    if max(len(format_number(value)) for value in data.x_values) > 5:
        axes.tick_params(axis="x", rotation=40)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _style_bar(bar: Any, data: HeatmapData) -> None:
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=_MUTED, labelsize=8.5, length=2.5, width=0.6)
    if bar.norm.__class__.__name__.startswith("Log"):
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_metric(data.metric, value)))
    elif is_fraction(data.metric):
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    better = "" if higher_is_better(data.metric) else " (less is better)"
    bar.set_label(data.metric.replace("_", " ") + better, color=_INK, fontsize=9.5)


def _write_values(axes: Any, data: HeatmapData, image: Any) -> None:
    for row, column in zip(*np.nonzero(np.isfinite(data.cells)), strict=True):
        value = float(data.cells[row, column])
        red, green, blue, _ = image.cmap(image.norm(value))
        is_bright = 0.299 * red + 0.587 * green + 0.114 * blue > 0.55
        text = format_metric(data.metric, value)
        axes.text(
            column, row, text, ha="center", va="center", fontsize=7.5, color=_INK if is_bright else _PAPER
        )


def _mark_best(axes: Any, data: HeatmapData) -> None:
    from matplotlib.patches import Rectangle

    row, column = data.best_cell
    for colour, width in ((_INK, 4.0), (_PAPER, 1.8)):
        box = Rectangle(
            (column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=colour, linewidth=width, clip_on=False
        )
        box.set_zorder(5)
        axes.add_patch(box)
    height, width = data.cells.shape
    if height > 40 or width > 40:  # the cell alone would be too small to find
        axes.plot(
            column,
            row,
            marker="o",
            markersize=17,
            markerfacecolor="none",
            markeredgecolor=_PAPER,
            markeredgewidth=1.8,
            zorder=6,
            clip_on=False,
        )


def _titles(figure: Any, axes: Any, data: HeatmapData) -> None:
    best = format_metric(data.metric, data.best_value)
    title = f"{data.metric.replace('_', ' ')}: best {best} at {format_params(data.best)}"
    figure.suptitle(title, x=0.01, ha="left", color=_INK, fontsize=11, fontweight="bold")
    absent = "grey: no configuration" if bool(np.isnan(data.cells).any()) else ""
    note = " · ".join(part for part in (data.note, absent) if part)
    if note:
        axes.set_title(note, loc="left", color=_MUTED, fontsize=8.5)


def two_parameters(
    table: pl.LazyFrame, parameters: Sequence[str], x: str | None, y: str | None
) -> tuple[str, str]:
    """The parameters of a picture: those given, else the first that have several values.

    Raises
    ------
    ConfigError
        Too few of them have.
    """
    if x is not None and y is not None:
        return x, y
    counts = table.select(parameters).unique().collect()
    varied = [name for name in parameters if counts[name].n_unique() > 1 and name not in (x, y)]
    if len(varied) < (x is None) + (y is None):
        raise ConfigError(TOO_FEW_AXES)
    first = x if x is not None else varied.pop(0)
    return first, y if y is not None else varied.pop(0)
