"""Pictures of validation, drawn without pyplot's global state."""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_fast.errors import require
from peak_fast.report import for_notebooks
from peak_kernels.arrays import FloatArray

BLUE, ORANGE, GREY = "#2166ac", "#d6604d", "#9a9a9a"
_BINS = 50


def axes_of(title: str, *, rows: int = 1, height: float = 4.0) -> tuple[Any, Any]:
    """A figure and its axes.

    Raises
    ------
    MissingDependencyError
        Matplotlib is not installed.
    """
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, height), dpi=90, layout="constrained")
    axes = figure.subplots(rows)
    figure.suptitle(title, fontsize=11)
    return figure, axes


def distribution_figure(values: FloatArray, real: float, label: str, title: str) -> Any:
    """Histogram of worlds, and where the real figure lies."""
    figure, axes = axes_of(title)
    known = values[np.isfinite(values)]
    if known.size:
        axes.hist(known, bins=min(_BINS, max(int(known.size**0.5), 5)), color=GREY)
    if np.isfinite(real):
        axes.axvline(real, color=ORANGE, linewidth=2, label=f"real: {real:.4g}")
        axes.legend()
    axes.set_xlabel(label)
    axes.set_ylabel("worlds")
    return for_notebooks(figure)


def bands_figure(result: Any) -> Any:
    """Bands of the equity of a `MonteCarloResult`, and its drawdowns."""
    shares = f"loss {result.probability_of_loss:.1%}, ruin {result.risk_of_ruin:.1%}"
    title = f"{result.paths:,} paths of {result.of}: {shares}"
    figure, axes = axes_of(title, rows=2, height=7.0)
    table = result.bands((0.05, 0.25, 0.5, 0.75, 0.95))
    step = table["step"].to_numpy()
    for low, high, label in (("q05", "q95", "5 - 95 %"), ("q25", "q75", "25 - 75 %")):
        axes[0].fill_between(step, table[low], table[high], color=BLUE, alpha=0.25, label=label, linewidth=0)
    axes[0].plot(step, table["q50"], color=BLUE, label="median")
    axes[0].set_ylabel("equity")
    axes[0].set_xlabel("bars" if result.of == "returns" else "trades")
    axes[0].legend(loc="upper left")
    axes[1].hist(result.max_drawdown, bins=_BINS, color=GREY)
    axes[1].axvline(
        result.real_drawdown, color=ORANGE, linewidth=2, label=f"real: {result.real_drawdown:.2%}"
    )
    axes[1].set_xlabel("deepest drawdown")
    axes[1].set_ylabel("paths")
    axes[1].legend(loc="upper left")
    return for_notebooks(figure)


def sensitivity_figure(result: Any) -> Any:
    """The objective beside what was chosen, a picture for each part that has rows."""
    drawn = [
        part for part in ("parameters", "costs", "starts", "delays", "phases") if getattr(result, part).height
    ]
    title = f"{result.objective} beside what was chosen ({result.real:.4g})"
    figure, axes = axes_of(title, rows=max(len(drawn), 1), height=2.4 * max(len(drawn), 1) + 0.8)
    for part, place in zip(drawn, np.atleast_1d(axes), strict=True):
        frame = getattr(result, part)
        values = frame[result.objective].to_numpy()
        if part == "parameters":
            for (name,), group in frame.group_by(["parameter"], maintain_order=True):
                place.plot(group["value"].to_list(), group[result.objective], marker="o", label=name)
            place.legend()
        elif part == "delays":
            place.bar(frame["fill"].to_list(), values, color=BLUE)
        else:
            place.plot(frame[frame.columns[0]], values, marker="o", color=BLUE)
        place.axhline(result.real, color=ORANGE, linewidth=1)
        place.set_xlabel(part if part in ("parameters", "delays") else frame.columns[0])
        place.set_ylabel(result.objective)
    return for_notebooks(figure)


def regimes_figure(result: Any) -> Any:
    """Sharpe ratio of each regime with its standard error, and how many bars it has."""
    figure, axes = axes_of(f"{result.symbol}: Sharpe ratio by regime")
    frame = result.frame
    names = [f"{row['regime']}\n{row['bars']:,} bars" for row in frame.iter_rows(named=True)]
    places = np.arange(len(names))
    axes.bar(places - 0.2, frame["sharpe"], 0.4, yerr=frame["sharpe_error"], color=BLUE, label="strategy")
    axes.bar(places + 0.2, frame["market_sharpe"], 0.4, color=GREY, label="market")
    axes.set_xticks(places, names)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.legend()
    return for_notebooks(figure)
