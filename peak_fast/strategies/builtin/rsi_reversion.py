"""Buy weakness: long below an oversold RSI, out again at the exit level."""

from __future__ import annotations

from peak_fast.params import Param
from peak_fast.strategies.conditions import Above, AtLeast, Row
from peak_fast.strategies.rules import RuleStrategy

_RSI = Row("rsi", "period")


def _level(name: str, default: float, low: float, high: float, description: str) -> Param:
    """A level of the RSI, which lies between 0 and 100."""
    return Param(
        name, "float", default, low=low, high=high, step=1.0, description=description, hard_low=0.0, hard_high=100.0
    )  # fmt: skip


STRATEGY = RuleStrategy(
    name="rsi_reversion",
    description="Long when the RSI falls below `oversold`, out when it is back above `exit_level`; shorts mirrored.",
    schema=(
        Param("period", "int", 14, low=2, high=100, description="bars of Wilder's RSI"),
        _level("oversold", 30.0, 1.0, 50.0, "enter long below"),
        _level("overbought", 70.0, 50.0, 99.0, "enter short above"),
        _level("exit_level", 50.0, 1.0, 99.0, "leave at"),
        Param("allow_short", "bool", False, description="also hold shorts"),
    ),
    constraints=("oversold < exit_level", "exit_level < overbought"),
    short_switch="allow_short",
    enter_long=Above(Row("constant", "oversold"), _RSI),
    leave_long=AtLeast(_RSI, Row("constant", "exit_level")),
    enter_short=Above(_RSI, Row("constant", "overbought")),
    leave_short=AtLeast(Row("constant", "exit_level"), _RSI),
)
