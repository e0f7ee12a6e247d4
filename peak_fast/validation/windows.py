"""Windows that walk forward: stretches to choose parameters on, each followed by one to try the choice on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from peak_fast.data import given_bars, is_panel
from peak_fast.errors import ConfigError, DataError
from peak_fast.guard import guarded
from peak_fast.statistics import walk_forward_splits
from peak_fast.validation.spans import Clock, Span, span_of


@dataclass(frozen=True, slots=True)
class Window:
    """One fold: bars ``[start, stop)`` to choose on, and the later ones to try the choice on.

    Attributes
    ----------
    train, test
        ``(start, stop)``, bars counted from 0, the stop exclusive.
    """

    train: tuple[int, int]
    test: tuple[int, int]


@guarded
def windows_of(
    data: Any,
    *,
    train: int | str,
    test: int | str,
    step: int | str | None = None,
    anchored: bool = False,
    purge: int | str = 0,
    embargo: int | str = 0,
    partial: bool = True,
    notes: list[str] | None = None,
) -> list[Window]:
    """The folds of a walk forward.

    The first training window begins at the first bar; test windows begin ``step`` apart.  A training window ends
    ``purge + embargo`` before its test window.

    Parameters
    ----------
    data
        `Bars`, a frame or a `Panel`.
    train, test
        Lengths in bars, or of the calendar from the first bar on: ``"3y"``, ``"6mo"``, ``"2w"``, ``"90d"``, ``"12h"``;
        both of one kind.
    step
        From one test window to the next; None: ``test``, so that each bar is tested once.
    anchored
        Whether all training windows begin at the first bar, so that they grow.
    purge, embargo
        Bars, or stretches of the calendar, between training and test: what a decision in training still reaches
        into, and a further distance.  In a walk forward both do the same.
    partial
        Whether a last test window that the data do not fill is kept.
    notes
        Gets what was left out, a sentence each.

    Raises
    ------
    ConfigError
        A length that is none, or lengths of two kinds.
    DataError
        The data are too short for one fold.
    """
    bars = data if is_panel(data) else given_bars(data)
    step = test if step is None else step
    lengths = [span_of(name, value) for name, value in (("train", train), ("test", test), ("step", step))]
    gaps = [span_of(name, value, 0) for name, value in (("purge", purge), ("embargo", embargo))]
    kinds = {isinstance(length, Span) for length in lengths}
    if len(kinds) > 1:
        raise ConfigError(
            f"train, test, step: expected all in bars or all of the calendar; got {train!r}, {test!r}, {step!r}"
        )
    said = [] if notes is None else notes
    if kinds == {True}:
        found = list(_by_calendar(bars, lengths, gaps, anchored))
    else:
        found = list(_by_bars(bars, lengths, gaps, anchored))
    count = len(bars)
    folds = _kept(found, count, partial, said)
    if not folds:
        raise DataError(
            f"walk forward: {count:,} bars are too few for one fold of train={train!r}, test={test!r} with "
            f"{purge!r} and {embargo!r} between them; expected shorter windows, or more bars"
        )
    return folds


def _by_bars(bars: Any, lengths: list[Any], gaps: list[Any], anchored: bool) -> Iterator[tuple[Window, int]]:
    """Windows counted in bars, and where each test window should end."""
    train, test, step = lengths
    if any(isinstance(gap, Span) for gap in gaps):
        raise ConfigError("purge, embargo: expected bars where the windows are in bars; got the calendar's")
    splits = walk_forward_splits(len(bars), train, test, step, anchored=anchored, gap=sum(gaps), partial=True)
    for split in splits:
        yield Window(split.train[0], split.test[0]), split.test[0][0] + test


def _by_calendar(
    bars: Any, lengths: list[Any], gaps: list[Any], anchored: bool
) -> Iterator[tuple[Window, int]]:
    """Windows of the calendar from the first bar on; where one should end past the data, that is a bar too many."""
    train, test, step = lengths
    clock, count, number = Clock(bars), len(bars), 0
    by_time = Span()
    for gap in gaps:
        by_time = by_time + gap if isinstance(gap, Span) else by_time
    in_bars = sum(gap for gap in gaps if not isinstance(gap, Span))
    while True:
        # Counted from the first bar each time, so that months of different lengths add up to years.
        begins = (step * number + train + by_time).after(clock.first)
        begin = clock.place(begins)
        if begin >= count:
            return
        end = max(clock.place((step * number + train).after(clock.first)) - in_bars, 0)
        start = 0 if anchored else clock.place((step * number).after(clock.first))
        ends = (step * number + train + by_time + test).after(clock.first)
        stop = clock.place(ends)
        # The data reach the end where the next bar would lie behind it.
        whole = stop < count or clock.reaches(ends)
        yield Window((start, end), (begin, stop)), stop if whole else stop + 1
        number += 1


def _kept(found: list[tuple[Window, int]], count: int, partial: bool, notes: list[str]) -> list[Window]:
    """Folds that have bars on both sides, and the last one where it may be short."""
    folds = []
    for number, (window, wanted) in enumerate(found, 1):
        trained, tested = window.train[1] - window.train[0], window.test[1] - window.test[0]
        if trained < 2 or tested < 1:
            notes.append(
                f"walk forward: window {number} is left out: {max(trained, 0)} bars of training, {tested} of test"
            )
        elif wanted > count and not partial:
            notes.append(f"walk forward: the last {tested:,} bars fill no test window and are left out")
        else:
            if wanted > count:
                notes.append(
                    f"walk forward: the last test window is short, {tested:,} bar{'s' * (tested != 1)}"
                )
            folds.append(window)
    return folds
