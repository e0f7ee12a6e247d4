"""Pictures of what was walked and crossed, drawn without pyplot's global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from peak_fast.errors import require
from peak_fast.report import for_notebooks

if TYPE_CHECKING:
    import polars as pl

_BLUE, _ORANGE, _GREY = "#2166ac", "#d6604d", "#9a9a9a"


class Walked(Protocol):
    """What is drawn of a walk forward."""

    result: Any
    objective: str

    @property
    def folds(self) -> pl.DataFrame:
        """The table of folds."""


def walked_figure(walked: Walked) -> Any:
    """Equity of the joined result with the edges of the folds, above the objective in and out of sample."""
    figure, (top, below) = _axes((9.0, 5.0), 2, height_ratios=(2, 1))
    result, folds = walked.result, walked.folds
    times = result.equity_curve["timestamp"].to_numpy()
    top.plot(times, result.equity, color=_BLUE, linewidth=1.0)
    for begin in folds["test_start"].to_numpy():
        top.axvline(begin, color=_GREY, linewidth=0.5, alpha=0.6)
    top.set_ylabel("equity")
    top.set_title(f"{result.strategy_name} on {result.symbol}", fontsize=10)
    name = walked.objective.partition(":")[0]
    places = np.arange(folds.height)
    below.bar(places - 0.2, folds[f"in_{name}"].to_numpy(), 0.4, color=_GREY, label="in training")
    if f"out_{name}" in folds.columns:
        below.bar(places + 0.2, folds[f"out_{name}"].to_numpy(), 0.4, color=_BLUE, label="in testing")
    below.axhline(0.0, color="black", linewidth=0.5)
    below.set_xlabel("fold")
    below.set_ylabel(name)
    below.legend(fontsize=8, frameon=False)
    return for_notebooks(figure)


def _axes(size: tuple[float, float], rows: int, **options: Any) -> Any:
    """A figure that belongs to nobody, and its axes."""
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, 1, gridspec_kw=options or None)


class Crossed(Protocol):
    """What is drawn of a cross-validation."""

    @property
    def path_returns(self) -> Any:
        """Returns of each path."""

    @property
    def sharpes(self) -> Any:
        """Sharpe ratio of each path."""


def crossed_figure(crossed: Crossed) -> Any:
    """Growth of one along each path, above the distribution of their Sharpe ratios."""
    figure, (top, below) = _axes((9.0, 5.0), 2, height_ratios=(2, 1))
    grown = np.cumprod(1.0 + crossed.path_returns, axis=1)
    top.plot(grown.T[:: max(1, grown.shape[1] // 2_000)], color=_BLUE, linewidth=0.6, alpha=0.5)
    top.set_ylabel("growth of 1")
    sharpes = np.nan_to_num(crossed.sharpes)
    below.hist(sharpes, bins=min(30, max(5, len(sharpes) // 3)), color=_GREY)
    below.axvline(float(np.median(sharpes)), color=_ORANGE, linewidth=1.2)
    below.set_xlabel("Sharpe ratio of a path")
    below.set_ylabel("paths")
    return for_notebooks(figure)
