"""Portfolios: many assets, one purse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.portfolio.deciding import decided as decided
    from peak_fast.portfolio.lean import Bench as Bench
    from peak_fast.portfolio.ordered import measure_orders as measure_orders
    from peak_fast.portfolio.ordered import names_varied as names_varied
    from peak_fast.portfolio.placing import GivenOrders as GivenOrders
    from peak_fast.portfolio.placing import places_orders as places_orders
    from peak_fast.portfolio.result import PortfolioResult
    from peak_fast.portfolio.rules import GivenWeights as GivenWeights
    from peak_fast.portfolio.rules import Maker as Maker
    from peak_fast.portfolio.rules import Momentum, Rank, Rebalance, Score, Slots, Volatility, WeightFunction
    from peak_fast.portfolio.rules import rule_of as rule_of
    from peak_fast.portfolio.run import run_portfolio as run_portfolio
    from peak_fast.portfolio.setup import setup_of as setup_of
    from peak_fast.portfolio.targets import TargetWeights
    from peak_fast.portfolio.targets import target_weights as target_weights

__all__ = [
    "Momentum",
    "PortfolioResult",
    "Rank",
    "Rebalance",
    "Score",
    "Slots",
    "TargetWeights",
    "Volatility",
    "WeightFunction",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "deciding": ("decided",),
    "lean": ("Bench",),
    "ordered": ("measure_orders", "names_varied"),
    "placing": ("GivenOrders", "places_orders"),
    "result": ("PortfolioResult",),
    "rules": (
        "Momentum",
        "Rank",
        "Rebalance",
        "Score",
        "Slots",
        "Volatility",
        "WeightFunction",
        "Maker",
        "GivenWeights",
        "rule_of",
    ),
    "run": ("run_portfolio",),
    "setup": ("setup_of",),
    "targets": ("TargetWeights", "target_weights"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
