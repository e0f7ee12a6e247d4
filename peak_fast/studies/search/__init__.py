"""What a study asks next: samplers, sequences, narrowing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.studies.search.narrowing import narrow as narrow
    from peak_fast.studies.search.proposing import Proposer as Proposer
    from peak_fast.studies.search.proposing import make_proposer as make_proposer
    from peak_fast.studies.search.samplers import Choice as Choice
    from peak_fast.studies.search.samplers import as_grid as as_grid
    from peak_fast.studies.search.samplers import build_pruner as build_pruner
    from peak_fast.studies.search.samplers import check_kind as check_kind
    from peak_fast.studies.search.samplers import chosen as chosen
    from peak_fast.studies.search.samplers import pruning_style as pruning_style
    from peak_fast.studies.search.sequences import counted_size as counted_size
    from peak_fast.studies.search.warm import add_warm_start as add_warm_start

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "narrowing": ("narrow",),
    "proposing": ("Proposer", "make_proposer"),
    "samplers": ("Choice", "as_grid", "build_pruner", "check_kind", "chosen", "pruning_style"),
    "sequences": ("counted_size",),
    "warm": ("add_warm_start",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
