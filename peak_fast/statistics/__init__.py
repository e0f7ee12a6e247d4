"""Statistics of a search: Sharpe ratios, multiple testing, resampling; pure functions of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.statistics.maxima import expected_maximum, variance_of_maximum
    from peak_fast.statistics.sharpe import (
        deflated_sharpe,
        minimum_backtest_length,
        minimum_track_record,
        probabilistic_sharpe,
        sharpe_power,
        sharpe_variance,
    )

__all__ = [
    "deflated_sharpe",
    "expected_maximum",
    "minimum_backtest_length",
    "minimum_track_record",
    "probabilistic_sharpe",
    "sharpe_power",
    "sharpe_variance",
    "variance_of_maximum",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "maxima": ("expected_maximum", "variance_of_maximum"),
    "sharpe": (
        "deflated_sharpe",
        "minimum_backtest_length",
        "minimum_track_record",
        "probabilistic_sharpe",
        "sharpe_power",
        "sharpe_variance",
    ),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
