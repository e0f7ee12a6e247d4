"""Statistics of a search: Sharpe ratios, multiple testing, resampling; pure functions of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.statistics.blocks import check_blocks as check_blocks
    from peak_fast.statistics.bootstrap import block_of as block_of
    from peak_fast.statistics.bootstrap import (
        bootstrap_indices,
        resampled_means,
        stationary_indices,
    )
    from peak_fast.statistics.clusters import (
        cluster_trials,
        effective_trials,
    )
    from peak_fast.statistics.lengths import (
        optimal_block_length,
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
    from peak_fast.statistics.snooped import (
        Snooping,
    )
    from peak_fast.statistics.snooping import (
        data_snooping,
        long_run_deviation,
    )
    from peak_fast.statistics.snooping import fold_of as fold_of
    from peak_fast.statistics.snooping import folded as folded
    from peak_fast.statistics.snooping import tester_of as tester_of
    from peak_fast.statistics.snooping import typical_block as typical_block
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
    from peak_fast.statistics.symmetric import (
        cscv,
        cscv_of_sums,
    )
    from peak_fast.statistics.symmetric_result import (
        CSCV,
    )

__all__ = [
    "CSCV",
    "Snooping",
    "Split",
    "adjusted_pvalues",
    "autocorrelations",
    "bootstrap_indices",
    "cluster_trials",
    "combinatorial_paths",
    "combinatorial_splits",
    "cscv",
    "cscv_of_sums",
    "data_snooping",
    "deflated_sharpe",
    "effective_trials",
    "expected_maximum",
    "fold_bounds",
    "haircut_sharpe",
    "kfold_splits",
    "long_run_deviation",
    "minimum_backtest_length",
    "minimum_track_record",
    "optimal_block_length",
    "probabilistic_sharpe",
    "resampled_means",
    "rows_of",
    "sharpe_power",
    "sharpe_scaling",
    "sharpe_standard_error",
    "sharpe_variance",
    "stationary_indices",
    "time_series_splits",
    "variance_of_maximum",
    "walk_forward_splits",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "blocks": ("check_blocks",),
    "bootstrap": (
        "block_of",
        "bootstrap_indices",
        "resampled_means",
        "stationary_indices",
    ),
    "clusters": (
        "cluster_trials",
        "effective_trials",
    ),
    "lengths": ("optimal_block_length",),
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
    "snooped": ("Snooping",),
    "snooping": (
        "data_snooping",
        "fold_of",
        "folded",
        "tester_of",
        "long_run_deviation",
        "typical_block",
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
    "symmetric": (
        "cscv",
        "cscv_of_sums",
    ),
    "symmetric_result": ("CSCV",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
