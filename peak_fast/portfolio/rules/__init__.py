"""Rules that choose among many assets: scores, ranks, weights and the bars at which they decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.portfolio.rules.functions import GivenWeights as GivenWeights
    from peak_fast.portfolio.rules.functions import WeightFunction
    from peak_fast.portfolio.rules.functions import rule_of as rule_of
    from peak_fast.portfolio.rules.making import Maker as Maker
    from peak_fast.portfolio.rules.momentum import Momentum, Volatility
    from peak_fast.portfolio.rules.rank import Rank
    from peak_fast.portfolio.rules.rebalance import Rebalance
    from peak_fast.portfolio.rules.scores import Score
    from peak_fast.portfolio.rules.slots import Slots

__all__ = ["Momentum", "Rank", "Rebalance", "Score", "Slots", "Volatility", "WeightFunction"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "functions": ("GivenWeights", "WeightFunction", "rule_of"),
    "making": ("Maker",),
    "momentum": ("Momentum", "Volatility"),
    "rank": ("Rank",),
    "rebalance": ("Rebalance",),
    "scores": ("Score",),
    "slots": ("Slots",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
