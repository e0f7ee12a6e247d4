"""Buy a new high of the last bars, leave at a new low of fewer bars."""

from __future__ import annotations

from peak_fast.params import Param
from peak_fast.strategies.conditions import Above, Row
from peak_fast.strategies.rules import RuleStrategy

_CLOSE = Row("close")

STRATEGY = RuleStrategy(
    name="donchian_breakout",
    description="Long when the close exceeds the highest high of the bars before, out below the lowest low.",
    schema=(
        Param("entry", "int", 20, low=2, high=200, description="bars of the entry channel"),
        Param("exit", "int", 10, low=2, high=200, description="bars of the exit channel"),
        Param("allow_short", "bool", False, description="also hold shorts"),
    ),
    short_switch="allow_short",
    enter_long=Above(_CLOSE, Row("highest_before", "entry")),
    leave_long=Above(Row("lowest_before", "exit"), _CLOSE),
    enter_short=Above(Row("lowest_before", "entry"), _CLOSE),
    leave_short=Above(_CLOSE, Row("highest_before", "exit")),
)
