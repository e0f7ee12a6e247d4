"""Strategies as four comparisons of indicator rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from peak_fast.arguments import wrong
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.guard import guarded_class
from peak_fast.params import Param
from peak_fast.strategies.base import check_parts, check_row
from peak_fast.strategies.conditions import Above, AtLeast, Condition


@guarded_class()
@dataclass(frozen=True, slots=True)
class RuleStrategy:
    """Four conditions over indicator rows; runs compiled, in single runs and in sweeps.

    Flat: enter long, else enter short.  Long: a short entry reverses, else ``leave_long``.  Short mirrored.
    At most one change of side a bar.

    Parameters
    ----------
    short_switch
        Name of a boolean parameter that turns the short side on; None: always on where conditions are given.
    """

    name: str
    schema: tuple[Param, ...] = ()
    enter_long: Condition | None = None
    leave_long: Condition | None = None
    enter_short: Condition | None = None
    leave_short: Condition | None = None
    constraints: tuple[Any, ...] = ()
    short_switch: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        check_parts(self)
        conditions: tuple[Any, ...] = self.conditions
        for condition in conditions:
            if condition is not None and not isinstance(condition, Above | AtLeast):
                remedy = "write Above(Row('close'), Row('sma', 20))"
                raise wrong(f"RuleStrategy {self.name!r}", "conditions", condition, remedy, StrategyError)
        known = [param.name for param in self.schema]
        for row in (row for item in conditions if item is not None for row in (item.x, item.y)):
            check_row(f"RuleStrategy {self.name!r}", row, known)
        if self.short_switch is not None and self.short_switch not in known:
            raise StrategyError(
                f"RuleStrategy {self.name!r}: short_switch names {self.short_switch!r}, which the schema does not "
                f"have; {did_you_mean(str(self.short_switch), known)}"
            )

    @property
    def conditions(self) -> tuple[Condition | None, ...]:
        """The four conditions in the order of the kernel."""
        return self.enter_long, self.leave_long, self.enter_short, self.leave_short

    def fingerprint(self) -> str:
        """Hash of the conditions and the names they use."""
        text = repr((self.name, self.conditions, self.short_switch))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
