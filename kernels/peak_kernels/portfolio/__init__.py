"""Portfolios: many assets that share one account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.portfolio.exposures import fold_exposures as fold_exposures
    from peak_kernels.portfolio.simulation import run_portfolio as run_portfolio

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "exposures": ("fold_exposures",),
    "simulation": ("run_portfolio",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
