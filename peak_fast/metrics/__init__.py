"""Statistics of returns, drawdowns and trades, and the catalog that says what each one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.metrics.catalog import CATALOG as CATALOG
    from peak_fast.metrics.catalog import COUNTS as COUNTS
    from peak_fast.metrics.catalog import FOLDED as FOLDED
    from peak_fast.metrics.catalog import HEADLINE as HEADLINE
    from peak_fast.metrics.catalog import METRICS as METRICS
    from peak_fast.metrics.catalog import PLACES as PLACES
    from peak_fast.metrics.catalog import Metric as Metric
    from peak_fast.metrics.catalog import higher_is_better as higher_is_better
    from peak_fast.metrics.catalog import is_fraction as is_fraction
    from peak_fast.metrics.catalog import is_signed_loss as is_signed_loss
    from peak_fast.metrics.catalog import is_summed as is_summed
    from peak_fast.metrics.catalog import shown_in as shown_in
    from peak_fast.metrics.periods import Every as Every
    from peak_fast.metrics.periods import Periods, period_returns, periods_of, rolling
    from peak_fast.metrics.returns import (
        DrawdownEpisode,
        alpha,
        average_loss,
        average_win,
        beta,
        cagr,
        calmar,
        capture,
        conditional_value_at_risk,
        deepest_episodes,
        downside_deviation,
        drawdown,
        drawdown_episodes,
        expectancy,
        exposure,
        gain_to_pain,
        geometric_mean,
        growth_curve,
        information_ratio,
        kelly_fraction,
        kurtosis,
        longest_streak,
        martin_ratio,
        max_drawdown,
        max_drawdown_duration,
        omega,
        payoff_ratio,
        probabilistic_sharpe_ratio,
        profit_factor,
        r_squared,
        recovery_factor,
        return_statistics,
        returns_from_equity,
        sharpe,
        skew,
        sortino,
        sqn,
        stability,
        tail_ratio,
        total_return,
        ulcer_index,
        value_at_risk,
        volatility,
        win_rate,
    )

__all__ = [
    "DrawdownEpisode",
    "Periods",
    "alpha",
    "average_loss",
    "average_win",
    "beta",
    "cagr",
    "calmar",
    "capture",
    "conditional_value_at_risk",
    "deepest_episodes",
    "downside_deviation",
    "drawdown",
    "drawdown_episodes",
    "expectancy",
    "exposure",
    "gain_to_pain",
    "geometric_mean",
    "growth_curve",
    "information_ratio",
    "kelly_fraction",
    "kurtosis",
    "longest_streak",
    "martin_ratio",
    "max_drawdown",
    "max_drawdown_duration",
    "omega",
    "payoff_ratio",
    "period_returns",
    "periods_of",
    "probabilistic_sharpe_ratio",
    "profit_factor",
    "r_squared",
    "recovery_factor",
    "return_statistics",
    "returns_from_equity",
    "rolling",
    "sharpe",
    "skew",
    "sortino",
    "sqn",
    "stability",
    "tail_ratio",
    "total_return",
    "ulcer_index",
    "value_at_risk",
    "volatility",
    "win_rate",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "catalog": (
        "CATALOG",
        "COUNTS",
        "FOLDED",
        "HEADLINE",
        "METRICS",
        "Metric",
        "PLACES",
        "higher_is_better",
        "is_fraction",
        "is_signed_loss",
        "is_summed",
        "shown_in",
    ),
    "periods": ("Every", "Periods", "period_returns", "periods_of", "rolling"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__, further=("returns",))
