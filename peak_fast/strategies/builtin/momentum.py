"""Long while the price is higher than some bars ago."""

from __future__ import annotations

from peak_fast.params import Param
from peak_fast.strategies.conditions import Above, AtLeast, Row
from peak_fast.strategies.rules import RuleStrategy

_CHANGE = Row("roc", "period")

STRATEGY = RuleStrategy(
    name="momentum",
    description="Long while the change over `period` bars is above `threshold` percent; shorts mirrored.",
    schema=(
        Param("period", "int", 60, low=1, high=400, description="bars of the rate of change"),
        Param("threshold", "float", 0.0, low=0.0, high=50.0, step=0.5, description="percent"),
        Param("allow_short", "bool", False, description="also hold shorts"),
    ),
    short_switch="allow_short",
    enter_long=Above(_CHANGE, Row("constant", "threshold")),
    leave_long=AtLeast(Row("constant", "threshold"), _CHANGE),
    enter_short=Above(Row("negative", "threshold"), _CHANGE),
    leave_short=AtLeast(_CHANGE, Row("negative", "threshold")),
)
