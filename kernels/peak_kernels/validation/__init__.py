"""Loops of validation: combinations of blocks of time, sums over stretches of it, and samples that might have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.validation.cscv import find_winners as find_winners
    from peak_kernels.validation.cscv import mean_sharpes as mean_sharpes
    from peak_kernels.validation.cscv import rank_winners as rank_winners
    from peak_kernels.validation.paths import N_FIGURES as N_FIGURES
    from peak_kernels.validation.paths import walk_paths as walk_paths
    from peak_kernels.validation.resampling import add_differences as add_differences
    from peak_kernels.validation.resampling import cut_into_chunks as cut_into_chunks
    from peak_kernels.validation.resampling import follow_runs as follow_runs
    from peak_kernels.validation.resampling import long_run_variances as long_run_variances
    from peak_kernels.validation.resampling import sum_samples as sum_samples
    from peak_kernels.validation.stretches import fold_stretches as fold_stretches
    from peak_kernels.validation.worlds import chain_moves as chain_moves
    from peak_kernels.validation.worlds import draw_order as draw_order
    from peak_kernels.validation.worlds import jitter as jitter
    from peak_kernels.validation.worlds import take_along as take_along

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "cscv": ("find_winners", "mean_sharpes", "rank_winners"),
    "paths": ("N_FIGURES", "walk_paths"),
    "resampling": (
        "add_differences",
        "cut_into_chunks",
        "follow_runs",
        "long_run_variances",
        "sum_samples",
    ),
    "worlds": ("chain_moves", "draw_order", "jitter", "take_along"),
    "stretches": ("fold_stretches",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
