"""Other machines: numbered work in pieces on the workers of a Dask cluster, what it needs sent to each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.cluster.connecting import check_cluster as check_cluster
    from peak_fast.cluster.connecting import connected as connected
    from peak_fast.cluster.crew import Crew as Crew
    from peak_fast.cluster.crew import crew_of as crew_of
    from peak_fast.cluster.rounds import Piece as Piece
    from peak_fast.cluster.shelf import Means as Means
    from peak_fast.cluster.tasks import who as who
    from peak_fast.cluster.versions import difference as difference
    from peak_fast.cluster.versions import identity as identity

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "connecting": ("check_cluster", "connected"),
    "crew": ("Crew", "crew_of"),
    "rounds": ("Piece",),
    "shelf": ("Means",),
    "tasks": ("who",),
    "versions": ("difference", "identity"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
