"""The best of a grid in each of several windows, from figures that come in parts, in whatever order."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from peak_fast.sweep import SweepProgress, watched
from peak_fast.validation.objectives import Objective
from peak_kernels.arrays import FloatArray

CHUNK = 4_096
"""Configurations whose figures are held at a time."""


@dataclass
class Best:
    """What one window chooses so far.

    Attributes
    ----------
    number
        Configuration of the grid; None where none could be chosen.
    value
        Its objective.
    eligible
        Configurations that could be chosen.
    """

    number: int | None = None
    value: float = math.nan
    eligible: int = 0

    def look(self, first: int, values: FloatArray, objective: Objective) -> bool:
        """Look at configurations from ``first`` on; whether one of them is better, of equal ones the first of all."""
        self.eligible += int(np.isfinite(values).sum())
        place = objective.best(values)
        if place is None:
            return False
        mine, theirs = objective.sign * values[place], objective.sign * self.value
        same = mine == theirs and self.number is not None and first + place < self.number
        if self.number is not None and not mine > theirs and not same:
            return False
        self.number, self.value = first + place, float(values[place])
        return True


class Scores(Protocol):
    """The objective of configurations of a grid in several windows, NaN for those that may not be chosen."""

    def of(self, first: int, last: int) -> Iterable[FloatArray]:
        """Objectives of configurations ``[first, last)`` in one window after the other."""

    def notes(self) -> list[str]:
        """What was noticed so far."""


class OpenedScores:
    """Scores on a worker."""

    def __init__(self, scores: Scores) -> None:
        self._scores = scores

    def rows(self, start: int, stop: int) -> FloatArray:
        """Objectives of configurations ``[start, stop)``, those of one in a row."""
        parts = [
            np.stack(list(self._scores.of(first, min(first + CHUNK, stop))), axis=1)
            for first in range(start, stop, CHUNK)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def notes(self) -> list[str]:
        """What was noticed so far."""
        return self._scores.notes()


def chosen_on(
    crew: Any, job: Any, count: int, windows: int, objective: Objective, notes: dict[str, None],
    shown: SweepProgress,
) -> list[Best]:  # fmt: skip
    """The best of ``count`` configurations in each of so many windows, from the workers of a cluster."""
    best = [Best() for _ in range(windows)]
    with contextlib.closing(watched(crew, job, [(0, count)], windows, shown)) as pieces:
        for piece in pieces:
            for one, values in zip(best, piece.rows.T, strict=True):
                one.look(piece.start, values, objective)
            shown.advance(piece.stop - piece.start)
    crew.tell(notes)
    return best


def chunks(count: int, shown: SweepProgress) -> Iterator[tuple[int, int]]:
    """Bounds of configurations that are looked at together here."""
    shown.waits("looking at the first configurations")
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count)
        yield first, last
        shown.waits(None)
        shown.advance(last - first)


def numbers_of(best: Sequence[Best]) -> list[int]:
    """Configurations that were chosen, each once, ascending."""
    return sorted({one.number for one in best if one.number is not None})
