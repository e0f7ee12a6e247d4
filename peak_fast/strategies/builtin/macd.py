"""Long while the MACD line is above its signal line."""

from __future__ import annotations

from peak_fast.params import Param
from peak_fast.strategies.conditions import Above, AtLeast, Row
from peak_fast.strategies.rules import RuleStrategy

_LINE = Row("macd", "fast", "slow", "signal")
_SIGNAL = Row("macd_signal", "fast", "slow", "signal")

STRATEGY = RuleStrategy(
    name="macd",
    description="Long while the MACD line is above its signal line; else flat, or short.",
    schema=(
        Param("fast", "int", 12, low=2, high=100, description="bars of the fast average"),
        Param("slow", "int", 26, low=3, high=200, description="bars of the slow average"),
        Param("signal", "int", 9, low=2, high=50, description="bars of the signal line"),
        Param("allow_short", "bool", False, description="also hold shorts"),
    ),
    constraints=("fast < slow",),
    short_switch="allow_short",
    enter_long=Above(_LINE, _SIGNAL),
    leave_long=AtLeast(_SIGNAL, _LINE),
    enter_short=Above(_SIGNAL, _LINE),
    leave_short=AtLeast(_LINE, _SIGNAL),
)
