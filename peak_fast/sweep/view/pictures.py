"""Pictures of a whole sweep: slices of each parameter, and all parameters as parallel lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import whole
from peak_fast.errors import ConfigError, did_you_mean, require
from peak_fast.metrics import higher_is_better
from peak_fast.report import drawn, for_notebooks
from peak_fast.sweep.view.texts import format_number

if TYPE_CHECKING:
    import polars as pl

KINDS = ("heatmap", "slices", "parallel")
_MOST_SLICES = 8
_INK, _MUTED, _GRID, _BLUE = "#1f2937", "#6b7280", "#eaedf1", "#1d4ed8"


def _new(columns: int, width: float, height: float) -> tuple[Any, Any]:
    figure_class = require("matplotlib.figure", extra="plot").Figure
    figure = for_notebooks(
        figure_class(figsize=(width, height), dpi=100, facecolor="white", layout="constrained")
    )
    require("matplotlib.backends.backend_agg", extra="plot").FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False, sharey=True)[0]
    for one in axes:
        one.grid(True, color=_GRID, linewidth=0.8)
        one.set_axisbelow(True)
        one.tick_params(colors=_MUTED, labelsize=9)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
    return figure, axes


def _varying(frame: pl.DataFrame, parameters: tuple[str, ...]) -> list[str]:
    """Parameters with several values, those with the most first of all."""
    names = [name for name in parameters if frame[name].n_unique() > 1]
    if not names:
        raise ConfigError("plot: expected a parameter with several values; the sweep has none that varies")
    return names


def slices_figure(lazy: pl.LazyFrame, parameters: tuple[str, ...], metric: str) -> Any:
    """For each parameter the metric's median, quartiles, lowest and highest value at each of its values.

    A parameter with more than 60 values is shown by 60 equal stretches of them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    frame = lazy.select(*parameters, metric).collect()
    names = _varying(frame, parameters)[:_MOST_SLICES]
    figure, axes = _new(len(names), min(3.2 * len(names) + 1.0, 16.0), 3.6)
    for one, name in zip(axes, names, strict=True):
        labels, groups = _grouped(frame, name, metric)
        at = np.arange(len(labels)) if isinstance(labels[0], str) else np.asarray(labels)
        one.fill_between(at, groups["low"], groups["high"], color="#dbe4fb", linewidth=0, label="all")
        one.fill_between(at, groups["q1"], groups["q3"], color="#a9c1f5", linewidth=0, label="middle half")
        one.plot(at, groups["median"], color=_BLUE, linewidth=1.4, label="median")
        if isinstance(labels[0], str):
            one.set_xticks(at, labels, rotation=30, ha="right")
        one.set_xlabel(name, color=_MUTED, fontsize=9.5)
    axes[0].set_ylabel(metric, color=_MUTED, fontsize=9.5)
    axes[-1].legend(frameon=False, fontsize=8.5, labelcolor=_MUTED)
    return figure


def _grouped(frame: pl.DataFrame, name: str, metric: str) -> tuple[list[Any], dict[str, Any]]:
    import polars as pl

    values = frame[name]
    numeric = values.dtype.is_numeric()
    by = pl.col(name).cast(pl.String) if not numeric else pl.col(name)
    if numeric and values.n_unique() > 60:
        edges = np.linspace(float(values.min()), float(values.max()), 61)  # type: ignore[arg-type]
        place = np.clip(np.searchsorted(edges, values.to_numpy(), side="right") - 1, 0, 59)
        frame = frame.with_columns(pl.Series("_at", ((edges[1:] + edges[:-1]) / 2)[place]))
        by = pl.col("_at")
    known = frame.filter(pl.col(metric).is_finite())
    of = pl.col(metric)
    table = known.group_by(by.alias("_key")).agg(
        of.min().alias("low"), of.quantile(0.25).alias("q1"), of.median().alias("median"),
        of.quantile(0.75).alias("q3"), of.max().alias("high"),
    ).sort("_key")  # fmt: skip
    return table["_key"].to_list(), {column: table[column].to_numpy() for column in table.columns[1:]}


def parallel_figure(lazy: pl.LazyFrame, parameters: tuple[str, ...], metric: str, most: int) -> Any:
    """Each configuration as a line over all parameters, coloured by the metric; the best on top.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import polars as pl

    whole("most", most, 1, 100_000, "pass how many lines to draw, such as 400")
    frame = lazy.select(*parameters, metric).filter(pl.col(metric).is_finite()).collect()
    names = _varying(frame, parameters)
    better = higher_is_better(metric)
    ordered = frame.sort(metric, descending=not better)
    # The best ones, and others from all ranks: lines drawn last lie on top.
    ranks = np.unique(np.linspace(0, ordered.height - 1, min(most, ordered.height)).round().astype(np.int64))
    chosen = ordered[ranks]
    figure, (axes,) = _new(1, min(1.6 * (len(names) + 1) + 1.0, 16.0), 4.4)
    at = np.arange(len(names) + 1)
    heights = np.column_stack([_height(frame[name], chosen[name]) for name in (*names, metric)])
    colour = require("matplotlib", extra="plot").colormaps["viridis" if better else "viridis_r"]
    shares = heights[:, -1]
    lines = require("matplotlib.collections", extra="plot").LineCollection(
        [np.column_stack((at, row)) for row in heights], colors=colour(shares), linewidths=0.9, alpha=0.6
    )
    axes.add_collection(lines)
    axes.set_xlim(0, len(names))
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([])
    axes.set_xticks(at, [*names, metric])
    for spot, name in enumerate((*names, metric)):
        for height, end in ((0.0, "low"), (1.0, "high")):
            text = _end(frame[name], end)
            axes.annotate(text, (spot, height), (3, 0), textcoords="offset points", fontsize=8, color=_INK)
    axes.set_title(
        f"{chosen.height:,} of {frame.height:,} configurations", loc="left", fontsize=10, color=_MUTED
    )
    return figure


def _height(every: pl.Series, chosen: pl.Series) -> Any:
    """Places of values between the lowest, 0, and the highest, 1; of words by their order."""
    if not every.dtype.is_numeric():
        words = _words(every)
        return np.array([words.index(str(word)) for word in chosen.to_list()]) / max(len(words) - 1, 1)
    low, high = float(every.min()), float(every.max())  # type: ignore[arg-type]
    return (chosen.to_numpy().astype(np.float64) - low) / ((high - low) or 1.0)


def _words(every: pl.Series) -> list[str]:
    return sorted(str(word) for word in every.unique().to_list())


def _end(every: pl.Series, end: str) -> str:
    if not every.dtype.is_numeric():
        return _words(every)[0 if end == "low" else -1]
    return format_number(every.min() if end == "low" else every.max())


def draw_sweep(result: Any, kind: str | None, by: str | None, most: int, path: str | Path | None) -> Any:
    """A picture of one of `KINDS`, see ``SweepResult.plot``."""
    import polars as pl

    metric = result._metric(by)
    if kind is None:
        counts = result.lazy().select(pl.col(name).n_unique() for name in result.parameters).collect().row(0)
        varied = sum(count > 1 for count in counts)
        kind = "heatmap" if varied == 2 else "slices"
    if kind == "heatmap":
        return result.heatmap(metric=metric, path=path)
    if kind == "slices":
        figure = slices_figure(result.lazy(), result.parameters, metric)
    elif kind == "parallel":
        figure = parallel_figure(result.lazy(), result.parameters, metric, most)
    else:
        raise ConfigError(
            f"kind: expected one of {', '.join(KINDS)}; got {kind!r}; {did_you_mean(str(kind), KINDS)}"
        )
    return drawn(figure, path, "sweep.png")
