"""One figure of everything: prices with trades, equity, drawdown, and what was held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.errors import require
from peak_fast.report.figure import (
    MAX_POINTS,
    draw_axes,
    draw_curves,
    draw_marks,
    for_notebooks,
    prepare_picture,
    styled,
    wants_log,
)
from peak_fast.report.payload import is_result, payload_of
from peak_fast.report.saving import pixels
from peak_fast.report.series import Picture, filled, linear_ticks, log_ticks, min_max_points, money, percent
from peak_fast.report.trades import trade_columns
from peak_kernels.arrays import FloatArray

MAX_MARKED = 200
_INK, _MUTED, _BLUE = "#1f2937", "#6b7280", "#1d4ed8"
_FIGURE_SIZE = (1000, 980)


def overview_figure(
    source: Any,
    *,
    benchmark: Any = None,
    size: tuple[int, int] = _FIGURE_SIZE,
    max_marked: int = MAX_MARKED,
    title: str | None = None,
) -> Any:
    """A result as one Matplotlib figure, its panels on one axis of bars.

    Parameters
    ----------
    source
        A ``BacktestResult``, a ``PortfolioResult`` or a payload (see :func:`peak_fast.report.payload_of`).
    benchmark
        A second curve beside the equity, see :func:`peak_fast.report.prepare_picture`; ``False`` leaves it out.
    size
        Width and height in pixels.
    max_marked
        Largest number of trades marked; beyond it those with the largest absolute net profit are, and the figure says
        so.
    title
        Instead of the strategy's name and what it traded.

    Returns
    -------
    matplotlib.figure.Figure
        For one asset four axes: prices, equity, drawdown, position; for a portfolio three: equity, drawdown, exposure.

    Raises
    ------
    MissingDependencyError
        Matplotlib is not installed.
    """
    payload = payload_of(source)
    picture = prepare_picture(payload, benchmark=benchmark, title=title, max_marked=max_marked)
    held = held_of(source)
    priced = payload.get("close") is not None and "holdings" not in payload
    figure, panels = _panels(picture, pixels(size), priced, bool(held))
    upper, lower = panels["equity"], panels["drawdown"]
    if not len(picture.equity):
        upper.text(0.5, 0.5, "No bars: nothing to draw", ha="center", transform=upper.transAxes)
        return for_notebooks(figure)
    draw_curves(picture, upper, lower)
    draw_axes(picture, upper, lower)
    if priced:
        _draw_prices(panels["price"], payload, picture)
    if held:
        _draw_held(panels["held"], held)
    figure.align_ylabels(list(panels.values()))
    for name in ("price", "equity", "held"):
        if name in panels and panels[name].get_legend_handles_labels()[1]:
            panels[name].legend(
                loc="upper left", ncols=7, frameon=False, fontsize=8.5, handletextpad=0.4, columnspacing=1.2,
                labelcolor=_MUTED, borderaxespad=0.2,
            )  # fmt: skip
    return for_notebooks(figure)


def held_of(source: Any) -> dict[str, FloatArray]:
    """What was held at each bar, by name: units of one asset, or shares of the equity; empty for a payload."""
    if isinstance(source, Mapping) or not is_result(source):
        return {}
    if hasattr(source, "exposure"):
        frame = source.exposure
        return {
            name: np.nan_to_num(frame[name].to_numpy(), posinf=0.0, neginf=0.0)
            for name in ("long", "short", "net")
        }
    position = getattr(source, "position", None)
    return {} if position is None else {"units": np.asarray(position)}


def _panels(picture: Picture, size: tuple[int, int], priced: bool, held: bool) -> tuple[Any, dict[str, Any]]:
    dpi = 100
    figure_class = require("matplotlib.figure", extra="plot").Figure
    figure = figure_class(figsize=(size[0] / dpi, size[1] / dpi), dpi=dpi, facecolor="white")
    require("matplotlib.backends.backend_agg", extra="plot").FigureCanvasAgg(figure)
    heights = {"price": 2.2, "equity": 2.2, "drawdown": 1.0, "held": 0.8}
    names = [name for name in heights if (name != "price" or priced) and (name != "held" or held)]
    axes = figure.subplots(len(names), 1, sharex=True, height_ratios=[heights[name] for name in names])
    top = 1.0 - 0.105 * 580 / size[1]
    figure.subplots_adjust(left=0.085, right=0.98, top=top, bottom=0.045, hspace=0.07)
    figure.text(0.085, 1.0 - 0.048 * 580 / size[1], picture.title, fontsize=13, fontweight="bold", color=_INK)
    figure.text(0.085, 1.0 - 0.092 * 580 / size[1], picture.subtitle, fontsize=9.5, color=_MUTED)
    for one in axes:
        styled(one)
    return figure, dict(zip(names, axes, strict=True))


def _draw_prices(axes: Any, payload: Mapping[str, Any], picture: Picture) -> None:
    close = filled(payload["close"])
    index, value = min_max_points(close, MAX_POINTS)
    axes.plot(index, value, color="#475569", linewidth=1.1, label="Close")
    columns = trade_columns(payload.get("trades"), picture.time_us)
    marked = np.isin(columns["entry_bar"], picture.markers.entry_bar)
    stops = np.array(["stop" in reason for reason in columns["exit_reason"]], dtype=np.bool_) & marked
    draw_marks(picture, axes, at=close, without_exits_at=columns["exit_bar"][stops])
    if stops.any():
        axes.scatter(
            columns["exit_bar"][stops], columns["exit_price"][stops], marker="x", s=34, color="#be1e3c",
            linewidths=1.4, label="Stopped out", zorder=5,
        )  # fmt: skip
    log = wants_log(close, None)
    if log:
        axes.set_yscale("log")
        axes.minorticks_off()
    axes.set_ylabel("Price (log scale)" if log else "Price", color=_MUTED, fontsize=9.5)
    low, high = axes.get_ylim()
    ticks = log_ticks(low, high) if log else linear_ticks(low, high)
    axes.set_yticks(ticks, [money(v, None if log or len(ticks) < 2 else ticks[1] - ticks[0]) for v in ticks])
    axes.set_ylim(low, high)


def _draw_held(axes: Any, held: Mapping[str, FloatArray]) -> None:
    colours = {"units": _BLUE, "long": "#048a6e", "short": "#d95c0f", "net": _INK}
    for name, values in held.items():
        index, value = min_max_points(np.asarray(values, dtype=np.float64), MAX_POINTS)
        label = None if name == "units" else name.capitalize()
        axes.plot(index, value, color=colours[name], linewidth=1.0, drawstyle="steps-post", label=label)
        if name == "units":
            axes.fill_between(index, value, 0.0, step="post", color="#dbe4fb", linewidth=0)
    axes.axhline(0.0, color=_MUTED, linewidth=0.6)
    axes.set_ylabel("Position" if "units" in held else "Exposure", color=_MUTED, fontsize=9.5)
    low, high = axes.get_ylim()
    ticks = linear_ticks(low, high, 4)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else None
    axes.set_yticks(ticks, [money(v, step) if "units" in held else percent(v) for v in ticks])
    axes.set_ylim(low, high)
