"""Buy below the lower Bollinger band, leave at the middle."""

from __future__ import annotations

from peak_fast.params import Param
from peak_fast.strategies.conditions import Above, AtLeast, Row
from peak_fast.strategies.rules import RuleStrategy

_CLOSE, _MIDDLE = Row("close"), Row("sma", "period")

STRATEGY = RuleStrategy(
    name="bollinger",
    description="Long when the close is below the lower band, out at the middle band; shorts mirrored.",
    schema=(
        Param(
            "period",
            "int",
            20,
            low=2,
            high=200,
            hard_low=2,
            description="bars of the average and of the deviation",
        ),
        Param("width", "float", 2.0, low=0.5, high=5.0, step=0.1, description="band distance in deviations"),
        Param("allow_short", "bool", False, description="also hold shorts"),
    ),
    short_switch="allow_short",
    enter_long=Above(Row("bollinger_lower", "period", "width"), _CLOSE),
    leave_long=AtLeast(_CLOSE, _MIDDLE),
    enter_short=Above(_CLOSE, Row("bollinger_upper", "period", "width")),
    leave_short=AtLeast(_MIDDLE, _CLOSE),
)
