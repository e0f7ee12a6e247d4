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
