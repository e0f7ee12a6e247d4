"""Statistics of a search: Sharpe ratios, multiple testing, resampling; pure functions of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.statistics.blocks import check_blocks as check_blocks
    from peak_fast.statistics.clusters import (
        cluster_trials,
        effective_trials,
    )
    from peak_fast.statistics.maxima import (
        expected_maximum,
        variance_of_maximum,
    )
    from peak_fast.statistics.multiple import (
        adjusted_pvalues,
        haircut_sharpe,
    )
    from peak_fast.statistics.scaling import (
        autocorrelations,
        sharpe_scaling,
        sharpe_standard_error,
    )
    from peak_fast.statistics.sharpe import (
        deflated_sharpe,
        minimum_backtest_length,
        minimum_track_record,
        probabilistic_sharpe,
        sharpe_power,
        sharpe_variance,
    )
    from peak_fast.statistics.splits import (
        Split,
        combinatorial_paths,
        combinatorial_splits,
        fold_bounds,
        kfold_splits,
        rows_of,
        time_series_splits,
        walk_forward_splits,
    )
    from peak_fast.statistics.symmetric import cscv, cscv_of_sums
    from peak_fast.statistics.symmetric_result import CSCV

__all__ = [
    "CSCV",
    "Split",
    "adjusted_pvalues",
    "autocorrelations",
    "cluster_trials",
    "combinatorial_paths",
    "combinatorial_splits",
    "cscv",
    "cscv_of_sums",
    "deflated_sharpe",
    "effective_trials",
    "expected_maximum",
    "fold_bounds",
    "haircut_sharpe",
    "kfold_splits",
    "minimum_backtest_length",
    "minimum_track_record",
    "probabilistic_sharpe",
    "rows_of",
    "sharpe_power",
    "sharpe_scaling",
    "sharpe_standard_error",
    "sharpe_variance",
    "time_series_splits",
    "variance_of_maximum",
    "walk_forward_splits",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "blocks": ("check_blocks",),
    "clusters": (
        "cluster_trials",
        "effective_trials",
    ),
    "maxima": (
        "expected_maximum",
        "variance_of_maximum",
    ),
    "multiple": (
        "adjusted_pvalues",
        "haircut_sharpe",
    ),
    "scaling": (
        "autocorrelations",
        "sharpe_scaling",
        "sharpe_standard_error",
    ),
    "sharpe": (
        "deflated_sharpe",
        "minimum_backtest_length",
        "minimum_track_record",
        "probabilistic_sharpe",
        "sharpe_power",
        "sharpe_variance",
    ),
    "splits": (
        "Split",
        "combinatorial_paths",
        "combinatorial_splits",
        "fold_bounds",
        "kfold_splits",
        "rows_of",
        "time_series_splits",
        "walk_forward_splits",
    ),
    "symmetric": ("cscv", "cscv_of_sums"),
    "symmetric_result": ("CSCV",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
