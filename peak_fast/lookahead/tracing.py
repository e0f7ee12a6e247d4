"""Where a leak comes from: the input column, the smallest number of bars that shows it, and how far it reaches."""

from __future__ import annotations

from typing import Any, NamedTuple

from peak_fast.lookahead.changes import KINDS
from peak_fast.lookahead.inputs import TIMES
from peak_fast.lookahead.rows import Difference, changes_of
from peak_fast.lookahead.session import Session

COUNT = "number of bars"
_QUICK = ("mirror", "rise", "calm")
"""Changes that are tried of a strategy whose runs take long."""
_STARTS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300, 450, 675, 1000, 1500, 2250, 3400, 5000)


class Shortest(NamedTuple):
    """The smallest case of a leak."""

    known: int
    """So many first bars are known."""
    needed: int
    """With so many the answer is another."""
    found: Difference


def sources(session: Session, known: int, name: str) -> tuple[str, ...]:
    """Inputs whose later values change a row before bar ``known``.

    Each column is changed alone, in several ways; where none matters alone, all together, at other places, too; then
    frames from outside are cut off, and times are moved.  What then is left is the number of bars.
    """
    columns = session.inputs.columns
    found = [column for column in columns if _is_moved(session, known, name, (column,))]
    if found:
        return tuple(found)
    for place in dict.fromkeys((known, session.inputs.count // 3, session.inputs.count * 2 // 3)):
        if place and _is_moved(session, place, name, None):
            alone = [column for column in columns if _is_moved(session, place, name, (column,))]
            return tuple(alone) or columns
    for item in session.outside:
        rows = session.tried(session.inputs.data, known, ended=True, only=item.name)
        if rows is not None and name in _names(session, rows, known):
            return (item.name,)
    for kind in ("later", "close"):
        rows = session.tried(session.inputs.moved(known, kind), known)
        if rows is not None and name in _names(session, rows, known):
            return (TIMES,)
    return ()


def _names(session: Session, rows: Any, known: int) -> set[str]:
    return {hit.name for hit in session.compared(rows, known)}


def _is_moved(session: Session, known: int, name: str, columns: tuple[str, ...] | None) -> bool:
    """Whether a row changes when later values of some columns do; what each run changed is remembered."""
    for kind in _QUICK if session.is_slow else KINDS:
        key = known, kind, columns
        if key not in session.moved:
            rows = session.changed(known, kind, columns, session.is_watched)
            session.moved[key] = set() if rows is None else _names(session, rows, known)
        if name in session.moved[key]:
            return True
    return False


def shortest(session: Session, known: int, name: str) -> Shortest | None:
    """The smallest number of first bars at which a row comes out otherwise than with all of them.

    Tried are growing numbers, then halves between the last that showed nothing and the first that did.
    """
    low, high, best = 0, known, None
    row = session.row(name)
    thin, few = (3, 2) if session.is_slow else (1, 8)
    changes = [] if row.bar_of is not None else (changes_of(row.values)[:few] + 1).tolist()
    starts = sorted({count for count in (*_STARTS[::thin], *changes) if 0 < count < known})
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
