"""Where a leak comes from: the input column, the smallest number of bars that shows it, and how far it reaches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from peak_fast.lookahead.changes import KINDS
from peak_fast.lookahead.inputs import TIMES
from peak_fast.lookahead.rows import INNER, Difference, changes_of
from peak_fast.lookahead.session import Session

COUNT = "number of bars"
_STARTS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300, 450, 675, 1000, 1500, 2250, 3400, 5000)


class Shortest(NamedTuple):
    """The smallest case of a leak."""

    known: int
    """So many first bars are known."""
    needed: int
    """With so many the answer is another."""
    found: Difference


def sources(session: Session, known: int, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Inputs whose later values change rows before bar ``known``, by the name of the row.

    Each column is changed alone, in up to three ways; where none matters alone, all together; then frames from outside
    are cut off, and times are moved.  What then is left is the number of bars.
    """
    wanted = set(names)
    found: dict[str, list[str]] = {name: [] for name in wanted}
    for column in session.inputs.columns:
        for name in _moved_by(session, known, wanted, [column]):
            found[name].append(column)
    for name in _moved_by(session, known, {name for name in wanted if not found[name]}, None):
        found[name] += session.inputs.columns
    for item in session.outside:
        left = {name for name in wanted if not found[name]}
        rows = session.tried(session.inputs.data, known, ended=True, only=item.name) if left else None
        for hit in [] if rows is None else session.compared(rows, known):
            if hit.name in left:
                found[hit.name].append(item.name)
    for kind in ("later", "close"):
        left = {name for name in wanted if not found[name]}
        if not left:
            break
        rows = session.tried(session.inputs.moved(known, kind), known)
        for hit in [] if rows is None else session.compared(rows, known):
            if hit.name in left:
                found[hit.name].append(TIMES)
    return {name: tuple(columns) for name, columns in found.items()}


def _moved_by(session: Session, known: int, wanted: set[str], columns: list[str] | None) -> set[str]:
    """Rows that change when later values of some columns do."""
    moved: set[str] = set()
    for kind in KINDS:
        if moved >= wanted:
            break
        watched = any(session.row(name).role == INNER for name in wanted)
        rows = session.changed(known, kind, columns, watched)
        if rows is not None:
            moved |= {hit.name for hit in session.compared(rows, known)} & wanted
    return moved


def shortest(session: Session, known: int, name: str) -> Shortest | None:
    """The smallest number of first bars at which a row comes out otherwise than with all of them.

    Tried are growing numbers, then halves between the last that showed nothing and the first that did.
    """
    low, high, best = 0, known, None
    row = session.row(name)
    changes = [] if row.bar_of is not None else changes_of(row.values)[:8].tolist()
    starts = sorted({count for count in (*_STARTS, *(bar + 1 for bar in changes)) if 0 < count < known})
    for count in (*starts, known):
        best = _shown(session, count, name)
        if best is not None:
            high = count
            break
        low = count
    if best is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        found = _shown(session, middle, name)
        if found is None:
            low = middle
        else:
            high, best = middle, found
    return Shortest(high, _needed(session, high, best), best)


def _shown(session: Session, known: int, name: str) -> Difference | None:
    rows = session.without(known, quiet=True)
    found = [] if rows is None else session.compared(rows, known)
    hit = next((hit for hit in found if hit.name == name), None)
    return None if hit is None or session.is_rounding(known, hit) else hit


def _needed(session: Session, known: int, found: Difference) -> int:
    """Bars that must be known for the value at the leaking bar to be another than with ``known`` of them."""
    step, low = 1, known
    count = session.inputs.count
    while low + step < count and not _other_at(session, low + step, known, found):
        low, step = low + step, step * 2
    high = min(low + step, count)
    while high - low > 1:
        middle = (low + high) // 2
        if _other_at(session, middle, known, found):
            high = middle
        else:
            low = middle
    return high


def _other_at(session: Session, count: int, known: int, found: Difference) -> bool:
    """Whether the value at the leaking bar is that over all bars once ``count`` bars are known."""
    if count >= session.inputs.count:
        return True
    rows = session.without(count, quiet=True)
    hits = [] if rows is None else session.compared(rows, found.bar + 1)
    hit = next((item for item in hits if item.name == found.name), None)
    return hit is None or (
        hit.before != found.before and not (hit.before != hit.before and found.before != found.before)
    )
