"""Where the next points come from: a numbered sequence, or an Optuna sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import (
    FAILED,
    INDEX,
    INTERRUPTED,
    REASON,
    SURPLUS,
    WORKER_DIED,
    Point,
    Space,
)
from peak_fast.studies.search.asking import Asker
from peak_fast.studies.search.samplers import SEQUENCES, build_sampler, generation_size
from peak_fast.studies.search.sequences import (
    Cursor,
    GridSequence,
    NumberedSequence,
    RandomSequence,
    SobolSequence,
)

_RETRIED = (SURPLUS, WORKER_DIED, INTERRUPTED)
_LARGEST_CHUNK = 4096
_QUICK_SECONDS = 0.25


class Proposer(Protocol):
    """Source of points."""

    def size(self, finished: int) -> int:
        """How many points make a generation, after so many finished trials."""

    def propose(self, count: int, rank: int) -> list[Point]:
        """New points; fewer when there are no more. ``rank`` spreads workers over a sequence."""

    def adopt(self, point: Point) -> None:
        """Take a point that came from elsewhere (queue, defaults) into the books."""

    def prunes(self, point: Point, step: int, value: float) -> bool:
        """Report an intermediate value; True when the trial is to be given up."""

    def tell(self, point: Point) -> None:
        """Take note of a point's end."""

    def learn(self, trial: Any) -> None:
        """Take note of a trial of the users' study that this process did not run."""

    def took(self, seconds: float) -> None:
        """Take note of how long a generation took."""


class SamplerProposer:
    """An Optuna sampler in generations.

    Parameters
    ----------
    asker
        The sampler at work.
    kind
        Its name, for the size of generations.
    batch
        Largest generation.
    dimensions
        Number of numeric parameters.
    """

    def __init__(self, asker: Asker, kind: str, batch: int, dimensions: int) -> None:
        self._asker = asker
        self._kind = kind
        self._batch = batch
        self._dimensions = dimensions

    def size(self, finished: int) -> int:
        """See ``Proposer``."""
        return generation_size(self._kind, self._batch, finished, self._dimensions)

    def propose(self, count: int, rank: int) -> list[Point]:
        """See ``Proposer``."""
        return self._asker.ask(count)

    def adopt(self, point: Point) -> None:
        """See ``Proposer``."""
        self._asker.start(point)

    def prunes(self, point: Point, step: int, value: float) -> bool:
        """See ``Proposer``."""
        return self._asker.prunes(point, step, value)

    def tell(self, point: Point) -> None:
        """See ``Proposer``."""
        self._asker.tell(point)

    def learn(self, trial: Any) -> None:
        """See ``Proposer``."""
        self._asker.learn(trial)

    def took(self, seconds: float) -> None:
        """See ``Proposer``."""


class SequenceProposer:
    """Grid, random or Sobol points, in chunks that grow while they are quick.

    Parameters
    ----------
    cursor
        The sequence.
    asker
        Keeps the trials that a pruner compares; None without a pruner.
    batch
        First chunk.
    """

    def __init__(self, cursor: Cursor, asker: Asker | None, batch: int) -> None:
        self._cursor = cursor
        self._asker = asker
        self._chunk = max(1, batch)
        self._batch = self._chunk

    def size(self, finished: int) -> int:
        """See ``Proposer``."""
        return self._batch if self._asker is not None else self._chunk

    def propose(self, count: int, rank: int) -> list[Point]:
        """See ``Proposer``."""
        points = self._cursor.take(count, skip=rank * count)
        if not points and rank:
            points = self._cursor.take(count)
        if self._asker is not None:
            for point in points:
                self._asker.start(point)
        return points

    def adopt(self, point: Point) -> None:
        """See ``Proposer``."""
        if self._asker is not None:
            self._asker.start(point)

    def prunes(self, point: Point, step: int, value: float) -> bool:
        """See ``Proposer``."""
        return self._asker is not None and self._asker.prunes(point, step, value)

    def tell(self, point: Point) -> None:
        """See ``Proposer``."""
        if self._asker is not None:
            self._asker.tell(point)
        if point.index is not None and point.state == FAILED and point.attrs.get(REASON) in _RETRIED:
            self._cursor.release(point.index)

    def learn(self, trial: Any) -> None:
        """See ``Proposer``."""
        index = trial.user_attrs.get(INDEX)
        lost = trial.state.name == FAILED and trial.user_attrs.get(REASON) in _RETRIED
        if index is not None and not lost:
            self._cursor.taken.add(index)
        if self._asker is not None:
            self._asker.learn(trial)

    def took(self, seconds: float) -> None:
        """See ``Proposer``."""
        if seconds < _QUICK_SECONDS:
            self._chunk = min(self._chunk * 2, _LARGEST_CHUNK)
        elif seconds > 2 * _QUICK_SECONDS:
            self._chunk = max(self._chunk // 2, 1)


def make_proposer(
    kind: str,
    sampler: Any,
    space: Space,
    objectives: tuple[Objective, ...],
    *,
    pruner: Any,
    batch: int,
    grid_values: int | None,
    grid_axes: Mapping[str, Sequence[Any]] | None = None,
    seeds: tuple[int, int],
    has_feasibility: bool,
) -> Proposer:
    """The source of points for a sampler.

    Parameters
    ----------
    kind
        Name of the sampler.
    sampler
        The same name, ``"auto"``, or an Optuna sampler to use.
    space, objectives, pruner, batch, grid_values, has_feasibility
        As in ``Study``.
    grid_axes
        Explicit values of some parameters of a grid.
    seeds
        The study's seed, which numbers the points of a sequence for all workers alike, and this worker's.
    """
    if kind in SEQUENCES:
        sequence: NumberedSequence
        if kind == "grid":
            sequence = GridSequence(space, grid_values, grid_axes)
        else:
            sequence = (RandomSequence if kind == "random" else SobolSequence)(space, seeds[0])
        asker = None
        if pruner is not None:
            from optuna.samplers import RandomSampler

            asker = Asker(space, objectives, RandomSampler(seed=seeds[1]), pruner, seeds[1])
        return SequenceProposer(Cursor(space, sequence), asker, batch)
    if isinstance(sampler, str):
        sampler = build_sampler(kind, space, objectives, seeds[1], batch, has_feasibility)
    numeric = sum(item.kind in ("int", "float") for item in space.schema)
    return SamplerProposer(Asker(space, objectives, sampler, pruner, seeds[1]), kind, batch, numeric)
