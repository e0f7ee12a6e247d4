"""Buy weakness: long below an oversold RSI, out again at the exit level."""

from __future__ import annotations

from peak_fast._strategy import Above, AtLeast, Param, Row, RuleStrategy

_RSI = Row("rsi", "period")

STRATEGY = RuleStrategy(
    name="rsi_reversion",
    description="Long when the RSI falls below `oversold`, out when it is back above `exit_level`; shorts mirrored.",
    schema=(
        Param("period", "int", 14, low=2, high=100, description="bars of Wilder's RSI"),
        Param("oversold", "float", 30.0, low=1.0, high=50.0, step=1.0, description="enter long below"),
        Param("overbought", "float", 70.0, low=50.0, high=99.0, step=1.0, description="enter short above"),
        Param("exit_level", "float", 50.0, low=1.0, high=99.0, step=1.0, description="leave at"),
        Param("allow_short", "bool", False, description="also hold shorts"),
    ),
    constraints=("oversold < exit_level", "exit_level < overbought"),
    short_switch="allow_short",
    enter_long=Above(Row("constant", "oversold"), _RSI),
    leave_long=AtLeast(_RSI, Row("constant", "exit_level")),
    enter_short=Above(_RSI, Row("constant", "overbought")),
    leave_short=AtLeast(Row("constant", "exit_level"), _RSI),
)
