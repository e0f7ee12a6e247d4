"""What runs a sweep's configurations: threads of this process, or the workers of a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

from peak_fast.sweep.progress import SweepProgress
from peak_fast.sweep.run.batch import default_threads
from peak_fast.sweep.run.budget import parse_memory
from peak_fast.sweep.run.ranges import Ranges, Work
from peak_fast.sweep.run.threads import Team


class Runner(Protocol):
    """What a sweep asks of whatever runs its configurations."""

    def tiles(
        self, bounds: Sequence[tuple[int, int]], shown: SweepProgress
    ) -> Generator[tuple[int, dict[str, Any]]]:
        """Number and result columns of each tile ``[start, stop)``, as they are finished."""

    def notes(self) -> list[str]:
        """Notes of the data and of what was run on them."""


@contextlib.contextmanager
def runner_of(
    work: Work, threads: int | None, memory: str | int | None, cluster: Any, *, stored: bool
) -> Iterator[Runner]:
    """Threads, or the workers of a cluster where one is given; ``stored``: tiles go to the disk."""
    if cluster is None:
        with Team(threads or default_threads()) as team:
            yield Ranges(work, team, parse_memory(memory), stored=stored)
        return
    from peak_fast.sweep.run.remote import RemoteRanges

    with crew_of(cluster, threads) as crew:
        yield RemoteRanges(work, crew, memory, stored=stored)


@contextlib.contextmanager
def crew_of(cluster: Any, threads: int | None = None) -> Iterator[Any]:
    """The workers of a cluster for several pieces of work, which take it as their ``cluster``; None without one."""
    if cluster is None:
        yield None
        return
    from peak_fast.cluster import crew_of

    with crew_of(cluster, threads) as crew:
        yield crew
