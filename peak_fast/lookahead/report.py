"""What a check of look-ahead found, in figures and in sentences."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from peak_fast.errors import StrategyError
from peak_fast.guard import guarded_class
from peak_fast.lookahead.rows import COLUMN, DECISION, INNER

CLEAN, LEAKS, RANDOM, UNCHECKED = "clean", "leaks", "random", "unchecked"


@guarded_class()
@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that depends on bars that come later.

    Attributes
    ----------
    what
        ``"decision"``, or the name of the column.
    kind
        ``"decision"``: what is traded; ``"column"``: what a function returns or adds to its frame beside it;
        ``"inner"``: a variable of the function.
    bar, time
        The first bar that was seen to change, and its time (UTC); None: the data have none.
    before, after
        Value there while the later bars are unknown, and with all of them; NaN: none.
    size
        Their distance; NaN where one is missing.
    columns
        Input columns whose later values matter; ``"time stamps"``, ``"number of bars"`` and the names of frames that
        the function reads from outside are such, too.
    smallest_prefix
        The smallest number of first bars that shows it: with so many the value at ``bar`` is ``before``.
    seen_with
        Number of first bars from which on it is another.
    changed
        Number of bars that changed, at the place that was looked at most closely.
    """

    what: str
    kind: str
    bar: int
    time: str | None
    before: float
    after: float
    size: float
    columns: tuple[str, ...]
    smallest_prefix: int
    seen_with: int
    changed: int

    def text(self) -> str:
        """One sentence."""
        label = {DECISION: "the decision", COLUMN: f"the column {self.what!r}"}.get(
            self.kind, f"the variable {self.what!r}"
        )
        label = label if self.what == DECISION or self.kind != DECISION else f"the decision ({self.what})"
        when = "" if self.time is None else f" ({self.time})"
        source = f"it comes from {_listed(self.columns)}"
        if self.kind == INNER:
            last = self.smallest_prefix - 1
            return (
                f"{label} at bar {self.bar}{when} is {_shown(self.after)}, and {_shown(self.before)} where the bars "
                f"behind {last} are others; {source}"
            )
        known = "1 bar is" if self.smallest_prefix == 1 else f"{self.smallest_prefix:,} bars are"
        said = f"{label} at bar {self.bar}{when} is {_shown(self.before)} while {known} known"
        return f"{said}, and {_shown(self.after)} once bar {self.seen_with - 1} is; {source}"


@guarded_class()
@dataclass(frozen=True, slots=True)
class LookaheadReport:
    """What `check_lookahead` found.

    Attributes
    ----------
    strategy, kind, params
        What was checked, and with which parameters.
    verdict
        ``"clean"``; ``"leaks"``; ``"random"``: two equal runs differ, and nothing above that was found;
        ``"unchecked"``: what was given cannot be run on fewer bars, or failed on all that were tried.
    leaks
        Decisions first.
    calendar
        What depends on later time stamps alone: right where the calendar is known beforehand.
    hints
        Variables that read later bars while no decision does: right for what a model learns from.
    assumptions
        What is assumed about fills, named and not a leak.
    notes
        What else there is to know: what the function keeps between calls, runs that failed, rounding.
    random
        Rows that differ between equal runs.
    state
        What the function kept between two calls.
    bars, cuts, runs, seconds
        Number of bars, of places at which the future was taken away, of runs, and how long all took.
    """

    strategy: str
    kind: str
    params: dict[str, Any]
    verdict: str
    leaks: tuple[Leak, ...] = ()
    calendar: tuple[Leak, ...] = ()
    hints: tuple[Leak, ...] = ()
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    bars: int = 0
    cuts: int = 0
    runs: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing was found, and something was looked at."""
        return self.verdict == CLEAN

    def summary(self) -> str:
        """All of it in plain sentences."""
        head = {
            CLEAN: f"{self.strategy}: no look-ahead found at {self.cuts} places of {self.bars:,} bars.",
            LEAKS: f"{self.strategy} looks ahead.",
            RANDOM: f"{self.strategy} is random by itself: two equal runs differ in {_listed(self.random)}.",
            UNCHECKED: f"{self.strategy} was not checked.",
        }[self.verdict]
        lines = [head, *(f"  {_sentence(leak.text())}" for leak in self.leaks)]
        lines += [
            f"  From later time stamps alone, right where the calendar is known beforehand: {leak.text()}."
            for leak in self.calendar
        ]
        lines += [
            f"  No decision follows from it, as is right for what a model learns from: {leak.text()}."
            for leak in self.hints
        ]
        lines += [f"  {_sentence(text)}" for text in (*self.assumptions, *self.notes)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, such as JSON takes; NaN is None."""
        made = {**asdict(self), "ok": self.ok}
        plain: dict[str, Any] = _plain(made)
        return plain

    def raise_on_leak(self) -> None:
        """Raise where there is a leak.

        Raises
        ------
        StrategyError
            With the first bar and the columns.
        """
        if self.leaks:
            more = f"; and {len(self.leaks) - 1} more" if len(self.leaks) > 1 else ""
            raise StrategyError(
                f"{self.strategy!r} looks ahead: {self.leaks[0].text()}{more}; expected decisions from the bars up to "
                "the one they are made at; check_lookahead(strategy, data, params).summary() says more"
            )

    def __str__(self) -> str:
        return self.summary()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _shown(value: float) -> str:
    return "missing" if math.isnan(value) else f"{value:.6g}"


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return "nothing that could be told"
    shown = [repr(name) if name not in ("time stamps", "number of bars") else f"the {name}" for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | type(None)) else str(value)
