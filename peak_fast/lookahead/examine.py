"""The examination: baseline, cuts, what is no evidence, where a leak comes from.

Decisions up to a bar must not change when the bars behind it are taken away, or are others.  Both are tried: fewer bars
show whatever waits for a bar that is not there yet; other later values, at the same number of bars, show what replaces
a missing bar by a guess, and which column it is.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from peak_fast.lookahead.cuts import chosen_cuts
from peak_fast.lookahead.inputs import Inputs
from peak_fast.lookahead.report import CLEAN, LEAKS, RANDOM, UNCHECKED, LookaheadReport
from peak_fast.lookahead.search import Effort, Search
from peak_fast.lookahead.session import SLOW, Session
from peak_fast.lookahead.subjects import Subject


def examine(
    subject: Subject,
    inputs: Inputs,
    *,
    params: dict[str, Any] | None = None,
    effort: Effort | None = None,
    allow: Collection[str] = (),
    assumptions: Iterable[str] = (),
) -> LookaheadReport:
    """Whether a strategy's decisions, or the columns that it makes, depend on bars that come later.

    Parameters
    ----------
    allow
        Names of rows or input columns that may: what a model learns from, a calendar of events that was published.

    Raises
    ------
    PeakFastError
        The strategy cannot be run on the data as they are.
    """
    effort = effort or Effort()
    began = time.perf_counter()
    with Session(subject, inputs, allow) as session:
        session.begin(effort.watched, twice=effort.watched)
        number = effort.cuts or _cuts_for(session.quickest, effort.most)
        found = Search(session, effort)
        found.look(chosen_cuts(session.whole, inputs.count, number))
        facts = {
            "strategy": subject.name, "kind": subject.kind, "params": dict(params or {}), "bars": inputs.count,
            "cuts": found.tried or found.replaced, "runs": session.runs, "seconds": time.perf_counter() - began,
            "random": session.random, "state": session.kept, "assumptions": tuple(assumptions),
        }  # fmt: skip
        return _report(session, found, facts)


def _cuts_for(seconds: float, most: int) -> int:
    """Places to look at: fewer of a strategy whose runs take long."""
    return most if seconds < SLOW else max(6, int(most * SLOW / seconds))


def _report(session: Session, found: Search, facts: dict[str, Any]) -> LookaheadReport:
    """Verdict and notes."""
    leaks = found.leaks
    verdict = (
        LEAKS
        if leaks
        else RANDOM
        if session.random
        else CLEAN
        if found.tried or found.replaced
        else UNCHECKED
    )
    return LookaheadReport(
        verdict=verdict, leaks=tuple(leaks), calendar=tuple(found.calendar), hints=tuple(found.hints),
        notes=tuple(_notes(session, found)), **facts,
    )  # fmt: skip


def _notes(session: Session, found: Search) -> Iterable[str]:
    if session.random and session.seeded:
        yield "it draws from a global random generator without a seed; it was checked with one"
    elif session.random:
        yield "changes were only looked for above what equal runs differ by"
    for text in session.kept:
        yield f"it keeps something between calls, which was put back before each run of the check: {text}"
    for name in session.fitted:
        if not any(text.startswith(name) for text in session.kept):
            yield f"{name} is a model that was there before the check: what it was fitted on cannot be seen"
    for item in session.outside:
        yield (
            f"it reads the frame {item.name!r} from outside, which was cut off with the bars; how it was made is not "
            "seen"
        )
    for text, known in session.failures.items():
        yield f"a run with {known:,} bars known failed: {text}"
    if found.rounded:
        yield f"changes of {', '.join(found.rounded)} follow from rounding alone, and are no evidence"
    if not found.tried:
        yield "no run on fewer bars worked" + (
            ", so only other later values were tried" if found.replaced else ""
        )
