"""Runs of one examination: each starts afresh, is counted, and is compared with the run over all bars."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from types import TracebackType
from typing import Any

import numpy as np

from peak_fast.lookahead.changes import KINDS
from peak_fast.lookahead.inputs import Inputs
from peak_fast.lookahead.outside import outside_of
from peak_fast.lookahead.rows import INNER, Difference, Row, Rows, apart, difference, tolerance
from peak_fast.lookahead.state import Dice, Memory
from peak_fast.lookahead.subjects import SIZES, Subject

SLOW = 0.05
"""Seconds of a run from which on less is tried."""
_JITTERS = (1.0, -1.0, 3.0)
_ABOVE_NOISE = 10.0
_OPENS = (("rise", ("open",)),)


class Session:
    """Runs of a subject.

    Attributes
    ----------
    whole
        What it gives for all bars.
    random
        Names of the rows that two equal runs did not share; empty: they were equal.
    seeded
        Whether equal runs are equal once the global random generators are set.
    spared
        Names of inputs whose later values may matter.
    outside
        Frames with times that it reads from outside, without those.
    kept
        What it kept between two calls, a text each.
    failures
        Errors of runs on fewer or other bars, by text with the number of bars that were known.
    runs, quickest
        Number of runs, and seconds of the quickest.
    kinds
        Changes that stand for a future that is not known.
    moved
        Names of the rows that a change moved, by place, kind and columns.
    truncates
        Whether the future is taken away by leaving bars out, else by changing them.
    """

    def __init__(self, subject: Subject, inputs: Inputs, spared: Collection[str] = ()) -> None:
        self.subject, self.inputs, self.spared = subject, inputs, set(spared)
        self.memory = None if subject.function is None else Memory(subject.function)
        self.fitted = () if self.memory is None else self.memory.fitted()
        frames = [] if self.memory is None else outside_of(self.memory.frames())
        self.outside = [item for item in frames if item.name not in self.spared]
        self.random: tuple[str, ...] = ()
        self.seeded = False
        self.kept: tuple[str, ...] = ()
        self.failures: dict[str, int] = {}
        self.runs = 0
        self.quickest = math.inf
        self.truncates = subject.truncates
        self.moved: dict[Any, set[str]] = {}
        self.kinds: tuple[str, ...] = KINDS
        self.whole: Rows = {}
        self._floor: dict[str, Any] = {}
        self._ignored: dict[str, Any] = {}

    def __enter__(self) -> Session:
        self._dice = Dice()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.memory is not None:
            self.memory.restore()
        self._dice.restore()

    def run(
        self, data: Any, watched: bool = False, known: int | None = None, only: str | None = None
    ) -> Rows:
        """What the subject gives for some data, starting without memory of earlier calls.

        With ``known`` frames from outside end where the first ``known`` bars do; ``only``: that one alone.
        """
        self.runs += 1
        limit = None if known is None else self.inputs.limit_us(known)
        cut = [item for item in self.outside if only in (None, item.name)] if limit is not None else []
        for item in cut:
            item.put(item.before(limit))  # type: ignore[arg-type]
        if self.seeded:
            self._dice.seed()
        began = time.perf_counter()
        try:
            return self.subject.rows(data, watched)
        finally:
            self.quickest = min(self.quickest, time.perf_counter() - began)
            for item in cut:
                item.put(item.value)
            if self.memory is not None:
                self.kept = self.kept or self.memory.changed()
                self.memory.restore()

    def tried(
        self, data: Any, known: int, watched: bool = False, ended: bool = False, only: str | None = None
    ) -> Rows | None:
        """As `run`; None where it fails, which is noted: fewer bars may not be enough.

        ``ended``: frames from outside, or ``only`` one of them, end with the known bars.
        """
        if data is None:
            return None
        try:
            return self.run(data, watched, known if ended else None, only)
        except Exception as error:  # whatever a function of a user raises
            text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
            self.failures.setdefault(text, known)
            return None

    def begin(self, watched: bool, twice: bool) -> None:
        """Run over all bars, and once more to see whether equal runs are equal."""
        self._set_whole(self.run(self.inputs.data, watched))
        if not twice:
            return
        self.random = self._unequal(watched)
        if self.random:
            self.seeded = True
            self._set_whole(self.run(self.inputs.data, watched))
            if self._unequal(watched):
                self.seeded = False
                self._measure_noise(watched)

    def _set_whole(self, rows: Rows) -> None:
        self.whole = rows
        self._floor = {name: tolerance(row.values) for name, row in rows.items()}

    def _unequal(self, watched: bool) -> tuple[str, ...]:
        """Rows that differ in another run over all bars."""
        again = self.run(self.inputs.data, watched)
        return tuple(found.name for found in self.compared(again, self.inputs.count))

    def _measure_noise(self, watched: bool) -> None:
        """Changes of a strategy that is random count from well above what equal runs differ by."""
        for _ in range(3):
            again = self.run(self.inputs.data, watched)
            for name, row in self.whole.items():
                other = again.get(name)
                if other is not None and other.values.shape == row.values.shape:
                    moved = np.abs(row.values - other.values)
                    most = float(np.nanmax(moved, initial=0.0))
                    self._floor[name] = max(self._floor[name], _ABOVE_NOISE * most)

    def compared(self, rows: Rows, known: int, roles: tuple[str, ...] | None = None) -> list[Difference]:
        """Rows that differ from those over all bars before bar ``known``."""
        found = []
        for name, row in self.whole.items():
            other = rows.get(name)
            if other is None or (roles is not None and row.role not in roles):
                continue
            if row.role == INNER and other.values.shape != row.values.shape:
                continue
            hit = difference(row, other, known, self._floor[name], self._ignored.get(name))
            if hit is not None:
                found.append(hit)
        return found

    def changed(
        self, known: int, kind: str = "mirror", columns: Any = None, watched: bool = False
    ) -> Rows | None:
        """What it gives where the bars from ``known`` on are others."""
        if columns is None and self.spared:
            columns = [name for name in self.inputs.columns if name not in self.spared]
        rows = self.tried(self.inputs.other(known, kind, columns), known, watched)
        if rows is not None and columns is not None and "open" in columns:
            # Another open at the fill is another size.
            rows.pop(SIZES, None)
        return rows

    def without(self, known: int, quiet: bool = False) -> Rows | None:
        """What it gives where only the first ``known`` bars are known: run on them alone, or with other later ones.

        ``quiet``: runs that fail are not noted.
        """
        noted = self.failures
        self.failures = dict(noted) if quiet else noted
        try:
            return self._without(known)
        finally:
            self.failures = noted

    def _without(self, known: int) -> Rows | None:
        if self.truncates:
            return self.tried(self.inputs.prefix(known), known, ended=True)
        rows = None
        for kind, columns in (*((kind, None) for kind in self.kinds), *_OPENS[: not self.subject.framed]):
            rows = self.changed(known, kind, columns)
            if rows is not None and self.compared(rows, known):
                return rows
        return rows

    def settle_rounding(self) -> None:
        """Leave out values that rounding decides.

        All bars are run with values that differ as if by rounding.  What changes then by itself is no evidence.
        """
        for sign in _JITTERS:
            rows = self.tried(self.inputs.jitter(sign), self.inputs.count, watched=self.is_watched)
            for name, row in self.whole.items() if rows is not None else ():
                other = rows.get(name) if rows is not None else None
                if other is None or other.values.shape != row.values.shape:
                    continue
                touchy = apart(row.values, other.values, self._floor[name] / _ABOVE_NOISE)
                self._ignored[name] = self._ignored.get(name, False) | touchy

    def is_touchy(self, name: str, place: int) -> bool:
        """Whether rounding decides a value."""
        touchy = self._ignored.get(name)
        return touchy is not None and bool(np.any(touchy[place]))

    def is_rounding(self, known: int, found: Difference) -> bool:
        """Whether the first ``known`` bars, with values that differ as if by rounding, show no such difference."""
        if not self.truncates:
            return False
        for sign in _JITTERS[:2]:
            rows = self.tried(self.inputs.jitter(sign).slice(0, known), known)
            hits = [] if rows is None else self.compared(rows, known)
            if not any(hit.name == found.name and hit.bar == found.bar for hit in hits):
                return True
        return False

    @property
    def is_slow(self) -> bool:
        """Whether runs take so long that less is tried."""
        return self.quickest > SLOW

    @property
    def is_watched(self) -> bool:
        """Whether variables are looked at."""
        return any(row.role == INNER for row in self.whole.values())

    def row(self, name: str) -> Row:
        """A row of the run over all bars."""
        return self.whole[name]
