"""The search of one examination: what changes, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peak_fast.lookahead.changes import KINDS
from peak_fast.lookahead.cuts import spread_cuts
from peak_fast.lookahead.inputs import TIMES
from peak_fast.lookahead.report import Leak
from peak_fast.lookahead.rows import COLUMN, DECISION, INNER, Difference
from peak_fast.lookahead.session import Session
from peak_fast.lookahead.subjects import SIZES
from peak_fast.lookahead.tracing import COUNT, Shortest, shortest, sources

_MOST_LEAKS = 8
_ORDER = {DECISION: 0, COLUMN: 1, INNER: 2}


@dataclass(frozen=True, slots=True)
class Effort:
    """How closely to look.

    Parameters
    ----------
    cuts
        Places at which the future is taken away; None: as many as a run's time allows.
    most
        So many at most, then.
    changed
        Places at which it is changed.
    watched
        Whether variables of functions are looked at.
    """

    cuts: int | None = None
    most: int = 24
    changed: int = 10
    watched: bool = True


CHEAP = Effort(most=20, changed=4, watched=False)


class Search:
    """What was found.

    Attributes
    ----------
    leaks, calendar, hints
        As of `LookaheadReport`.
    rounded
        Rows whose changes follow from rounding alone.
    tried, replaced
        Number of places at which the future was taken away, and at which it was changed.
    """

    def __init__(self, session: Session, effort: Effort) -> None:
        self._session, self._effort = session, effort
        session.kinds = KINDS if effort.watched else KINDS[:2]
        self._hits: dict[str, tuple[int, Difference]] = {}
        self._reach: dict[str, float] = {}
        self._settled = effort.watched
        self._spared = False
        self._places: list[int] = []
        self.leaks: list[Leak] = []
        self.calendar: list[Leak] = []
        self.hints: list[Leak] = []
        self.rounded: tuple[str, ...] = ()
        self.tried = 0
        self.replaced = 0

    def look(self, cuts: list[int]) -> None:
        """Take the future away, and change it, at these numbers of first bars, and trace what changes."""
        self._pass(cuts)
        if self._hits and not self._settled:
            # The cheap form compares equal runs only where something was found.
            self._settled = True
            self._session.begin(False, twice=True)
            self._hits.clear()
            self._pass(cuts)
        if self._hits:
            before = set(self._hits)
            self._settle()
            if DECISION in before and DECISION not in self._hits:
                self._pass(cuts)
            self.rounded = tuple(name for name in before if name not in self._hits)
        self._trace()
        decided = any(leak.kind == DECISION for leak in self.leaks)
        if (self.calendar or self._spared) and not decided and self._session.truncates:
            # What waits for a later time, or for what is allowed, hides what waits for a later price: that is
            # looked for by changes of prices alone.
            self._session.truncates = False
            self._hits.clear()
            self._pass(cuts)
            self._trace()

    def _pass(self, cuts: list[int]) -> None:
        session, effort = self._session, self._effort
        self.tried = self.replaced = 0
        for known in cuts:
            rows = session.without(known)
            self.tried += rows is not None
            self._take(rows, known)
            if DECISION in self._hits:
                break
        if self._hits and not effort.watched:
            return
        half = max(effort.changed // 2, 1)
        some = {*cuts[:: max(1, len(cuts) // half)], *spread_cuts(session.inputs.count, half)}
        for turn, known in enumerate(sorted(some)):
            rows = session.changed(known, KINDS[turn % len(KINDS)], watched=effort.watched)
            self.replaced += rows is not None
            self._take(rows, known)

    def _take(self, rows: Any, known: int) -> None:
        for hit in [] if rows is None else self._session.compared(rows, known):
            self._hits.setdefault(hit.name, (known, hit))
            if self._session.row(hit.name).role == INNER and known * 2 > self._session.inputs.count:
                reach = (known - hit.bar) / known
                self._reach[hit.name] = min(reach, self._reach.get(hit.name, 1.0))

    def _settle(self) -> None:
        """Drop what rounding explains: where it decides the first value, the place is looked at again without it."""
        before, self._hits = self._hits, {}
        self._session.settle_rounding()
        again = set()
        for name, (known, hit) in before.items():
            if self._session.is_touchy(name, hit.place):
                again.add(known)
            else:
                self._hits[name] = known, hit
        for known in sorted(again):
            self._take(self._session.without(known), known)
            for kind in KINDS:
                self._take(self._session.changed(known, kind, watched=self._effort.watched), known)

    def _trace(self) -> None:
        """Make leaks of what was found, decisions first."""
        role = {name: self._session.row(name).role for name in self._hits}
        named = sorted(
            (name for name in self._hits if name not in self._session.spared and not self._follows(name)),
            key=lambda name: (_ORDER[role[name]], name != DECISION, self._hits[name][1].bar),
        )
        known = {leak.what for leak in (*self.leaks, *self.hints)}
        for name in named[:_MOST_LEAKS]:
            leak = None if name in known else self._traced(name)
            if leak is not None:
                self._sort(leak)

    def _follows(self, name: str) -> bool:
        """Whether a row only follows another: an order that is given or not has a size or none."""
        return name == SIZES and DECISION in self._hits

    def _sort(self, leak: Leak) -> None:
        explains = any(other.kind == DECISION for other in self.leaks)
        if leak.columns == (TIMES,):
            self.calendar.append(leak)
        elif leak.kind != INNER or explains or self._is_grave(leak.what):
            self.leaks.append(leak)
        else:
            self.hints.append(leak)

    def _is_grave(self, name: str) -> bool:
        """Whether a variable is more than what a model learns from: it depends on all bars, near and far."""
        return not self._session.row(name).loose and self._reach.get(name, 0.0) > 0.5

    def _traced(self, name: str) -> Leak | None:
        session, (known, hit) = self._session, self._hits[name]
        row = session.row(name)
        # A variable mostly shares its reason with what was traced before.
        columns = sources(session, self._places[0], name) if row.role == INNER and self._places else ()
        if not columns and not (row.role == INNER and session.is_slow and self._places):
            columns = sources(session, known, name)
        small = None if row.role == INNER else self._shortest(known, name)
        best, known, needed = (
            (hit, known, session.inputs.count) if small is None else (small.found, *small[:2])
        )
        if not columns and small is not None:
            columns = sources(session, known, name)
        if set(columns or (COUNT,)) <= session.spared:
            self._spared = True
            return None
        self._places.append(self._hits[name][0])
        return Leak(
            name, row.role, best.bar, session.inputs.time_of(best.bar), best.before, best.after, best.size,
            columns or (COUNT,), known, needed, int(hit.changed.sum()),
        )  # fmt: skip

    def _shortest(self, known: int, name: str) -> Shortest | None:
        session = self._session
        small = shortest(session, known, name)
        if small is None and session.truncates:
            # Seen with other later bars alone.
            session.truncates = False
            small = shortest(session, known, name)
            session.truncates = True
        return small
