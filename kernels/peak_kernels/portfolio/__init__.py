"""Portfolios: many assets that share one account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.portfolio.best import best_into as best_into
    from peak_kernels.portfolio.deciding import compile_panel_block as compile_panel_block
    from peak_kernels.portfolio.deciding import decide as decide
    from peak_kernels.portfolio.exposures import fold_exposures as fold_exposures
    from peak_kernels.portfolio.exposures import fold_holdings as fold_holdings
    from peak_kernels.portfolio.ranking import weigh_into as weigh_into
    from peak_kernels.portfolio.scores import momentum_into as momentum_into
    from peak_kernels.portfolio.scores import screen as screen
    from peak_kernels.portfolio.scores import taken_into as taken_into
    from peak_kernels.portfolio.scores import volatility_into as volatility_into
    from peak_kernels.portfolio.simulation import run_portfolio as run_portfolio

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "deciding": ("compile_panel_block", "decide"),
    "exposures": ("fold_exposures", "fold_holdings"),
    "simulation": ("run_portfolio",),
    "best": ("best_into",),
    "ranking": ("weigh_into",),
    "scores": ("momentum_into", "screen", "taken_into", "volatility_into"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
