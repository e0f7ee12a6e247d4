"""How much of a result rests on assumptions about the inside of bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Ambiguity:
    """Bars whose outcome depends on the order of events inside them.

    Attributes
    ----------
    bars
        Bars in which stop and target of the open position (an open lot) were both reachable.
    final_equity
        Final equity of the run itself.
    worst, best
        Final equity when the price inside each bar moves against the position first, or with it.
    """

    bars: int
    final_equity: float
    worst: float
    best: float
