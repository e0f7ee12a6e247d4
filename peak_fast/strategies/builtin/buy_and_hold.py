"""Long from the first bar on: the yardstick."""

from __future__ import annotations

from peak_fast.strategies.conditions import Above, Row
from peak_fast.strategies.rules import RuleStrategy

STRATEGY = RuleStrategy(
    name="buy_and_hold",
    description="Long from the first bar with a price to the end.",
    enter_long=Above(Row("close"), Row("constant", 0.0)),
)
