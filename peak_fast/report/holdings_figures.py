"""Pictures of what a portfolio held: weights over time, contributions of the assets, turnover.

Each takes a ``PortfolioResult`` and gives a Matplotlib figure.  At most twenty assets have a colour or a bar of their
own, the others stand together as "other"; a line has at most a thousand points.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_fast.errors import ConfigError, require
from peak_fast.report.figure import DEFAULT_SIZE, for_notebooks, headline
from peak_fast.report.saving import pixels
from peak_fast.report.series import linear_ticks, money, percent, time_ticks
from peak_kernels.arrays import FloatArray, IntArray

MAX_NAMES = 20
MAX_POINTS = 1_000
_OTHER = "#c4c9d1"
_INK, _MUTED, _GRID = "#1f2937", "#6b7280", "#eaedf1"


def weights_figure(result: Any, *, size: tuple[int, int] = DEFAULT_SIZE) -> Any:
    """Weights over time, one area on the other: longs above zero, shorts below.

    Between the trades weights move with the prices.  The twenty assets with the largest mean weight have a colour of
    their own.

    Parameters
    ----------
    result
        A ``PortfolioResult``.
    size
        Width and height in pixels.

    Returns
    -------
    matplotlib.figure.Figure
        One axes; not registered with pyplot.

    Raises
    ------
    ConfigError
        Not the result of a portfolio.
    MissingDependencyError
        Matplotlib is not installed.
    """
    _checked(result)
    bars, weights = sampled_weights(result)
    figure, axes = _figure(result, "weights over time", size, right=0.83)
    mean = np.abs(weights).mean(axis=1)
    most = _most(mean)
    rest = np.setdiff1d(np.flatnonzero(mean > 0.0), most)
    layers = [
        (result.panel.symbols[at], weights[at : at + 1], _colour(k)) for k, at in enumerate(most.tolist())
    ]
    if rest.size:
        layers.append((f"other ({rest.size})", weights[rest], _OTHER))
    for side in (1.0, -1.0):
        floor = np.zeros(bars.size)
        for name, values, colour in layers:
            part = side * np.maximum(side * values, 0.0).sum(axis=0)
            if not part.any():
                continue
            # Once in the legend, also where an asset was held on both sides.
            label = None if side < 0.0 and (values > 0.0).any() else name
            axes.fill_between(bars, floor, floor + part, color=colour, linewidth=0, label=label)
            floor = floor + part
    axes.axhline(0.0, color=_MUTED, linewidth=0.8)
    if layers:
        figure.legend(loc="center right", frameon=False, fontsize=8.5, labelcolor=_MUTED)
    _percent_axis(axes)
    _time_axis(axes, result)
    return for_notebooks(figure)


def sampled_weights(result: Any, points: int = MAX_POINTS) -> tuple[IntArray, FloatArray]:
    """Bars, at most so many, the first and the last among them, and weights float64[asset, bar] at their closes."""
    panel = result.panel
    bars = np.unique(np.linspace(0, len(panel) - 1, min(points, len(panel))).astype(np.int64))
    weights: FloatArray = result.weights_at(bars)
    return bars, weights


def contributions_figure(result: Any, *, size: tuple[int, int] = DEFAULT_SIZE) -> Any:
    """What each asset added to the equity, in money: the twenty that added or took the most, and the others together.

    The bars sum to what the portfolio gained.  Parameters, value and errors are those of `weights_figure`.
    """
    _checked(result)
    frame = result.contributions
    gained = frame["contribution"].to_numpy()
    chosen = np.sort(_most(np.abs(gained)))
    rest = np.setdiff1d(np.flatnonzero(gained), chosen)
    names = [frame["symbol"][int(at)] for at in chosen]
    values = gained[chosen].tolist()
    if rest.size:
        names, values = [*names, f"other ({rest.size})"], [*values, float(gained[rest].sum())]
    figure, axes = _figure(result, f"contributions, in all {gained.sum():,.2f}", size, left=0.14)
    colours = ["#048a6e" if value >= 0.0 else "#be1e3c" for value in values]
    axes.barh(range(len(names)), values, color=colours, height=0.7)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0.0, color=_MUTED, linewidth=0.8)
    low, high = axes.get_xlim()
    ticks = linear_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else None
    axes.set_xticks(ticks, [money(tick, step) for tick in ticks])
    return for_notebooks(figure)


def turnover_figure(result: Any, *, size: tuple[int, int] = DEFAULT_SIZE) -> Any:
    """Turnover of the bars with trades: the smaller of bought and sold over the equity.

    More than a thousand such bars are added up in stretches of equal length, and the title says so.  Parameters, value
    and errors are those of `weights_figure`.
    """
    _checked(result)
    frame = result.rebalances
    bars, turnover = frame["bar"].to_numpy(), frame["turnover"].to_numpy()
    what, width = "turnover", 1
    if bars.size > MAX_POINTS:
        width = -(-len(result.panel) // MAX_POINTS)
        turnover = np.bincount(bars // width, turnover)
        bars = np.flatnonzero(turnover)
        turnover, bars = turnover[bars], bars * width
        what = f"turnover of {width} bars at a time"
    yearly = result.stats["turnover"]
    figure, axes = _figure(result, f"{what}, {percent(yearly, 1)} a year", size)
    axes.vlines(bars, 0.0, turnover, color="#1d4ed8", linewidth=1.2)
    axes.set_ylim(0.0, max(float(turnover.max(initial=0.0)) * 1.08, 1e-4))
    _percent_axis(axes)
    _time_axis(axes, result)
    return for_notebooks(figure)


def _checked(result: Any) -> None:
    if not hasattr(result, "weights_at") or not hasattr(result, "contributions"):
        raise ConfigError(
            f"expected the PortfolioResult of a run over a Panel; got {type(result).__name__}; "
            "equity_figure(result) draws the equity of any result"
        )


def _most(sizes: FloatArray) -> IntArray:
    """Numbers of the largest sizes, the largest first, none that is zero."""
    ranked = np.argsort(-sizes, kind="stable")[:MAX_NAMES]
    return np.asarray(ranked[sizes[ranked] > 0.0])


def _colour(number: int) -> Any:
    """The colour of a place; neighbours differ, and none is the grey of the others."""
    colours = require("matplotlib", extra="plot").colormaps["tab20"].colors
    return (*colours[:14], *colours[16:], "#1f2937", "#a3a380")[number % MAX_NAMES]


def _figure(
    result: Any, what: str, size: tuple[int, int], left: float = 0.075, right: float = 0.98
) -> tuple[Any, Any]:
    """A figure with a title and one axes."""
    width, height = pixels(size)
    figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(width / 100, height / 100), dpi=100, facecolor="white"
    )
    require("matplotlib.backends.backend_agg", extra="plot").FigureCanvasAgg(figure)
    axes = figure.subplots()
    figure.subplots_adjust(left=left, right=right, top=0.9, bottom=0.075)
    figure.text(
        left, 0.94, f"{headline(result.metadata)}: {what}", fontsize=13, fontweight="bold", color=_INK
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_MUTED, labelsize=9, length=3)
    return figure, axes


def _percent_axis(axes: Any) -> None:
    low, high = axes.get_ylim()
    ticks = linear_ticks(low, high)
    decimals = 0 if high - low >= 0.035 else 2
    axes.set_yticks(ticks, [percent(tick, decimals) for tick in ticks])
    axes.set_ylim(low, high)


def _time_axis(axes: Any, result: Any) -> None:
    panel = result.panel
    ticks = time_ticks(panel.time_us if panel.has_time else None, len(panel), panel.time_zone)
    axes.set_xticks([tick.at for tick in ticks], [tick.label for tick in ticks])
    axes.set_xlim(0, max(len(panel) - 1, 1))
