"""Long while a fast exponential moving average is above a slow one."""

from __future__ import annotations

from peak_fast.params import Param
from peak_fast.strategies.conditions import Above, AtLeast, Row
from peak_fast.strategies.rules import RuleStrategy

_FAST, _SLOW = Row("ema", "fast"), Row("ema", "slow")

STRATEGY = RuleStrategy(
    name="ema_crossover",
    description="Long while the fast exponential moving average is above the slow one; else flat, or short.",
    schema=(
        Param("fast", "int", 20, low=2, high=200, description="bars of the fast average"),
        Param("slow", "int", 50, low=3, high=400, description="bars of the slow average"),
        Param("allow_short", "bool", False, description="also hold shorts"),
    ),
    constraints=("fast < slow",),
    short_switch="allow_short",
    enter_long=Above(_FAST, _SLOW),
    leave_long=AtLeast(_SLOW, _FAST),
    enter_short=Above(_SLOW, _FAST),
    leave_short=AtLeast(_FAST, _SLOW),
)
