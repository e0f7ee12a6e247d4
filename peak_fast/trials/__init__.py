"""The registry of trials: how many configurations a project has tried, each counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.trials.file import MOST as MOST
    from peak_fast.trials.hashing import column_hashes as column_hashes
    from peak_fast.trials.hashing import context_hash as context_hash
    from peak_fast.trials.hashing import finished_hashes as finished_hashes
    from peak_fast.trials.hashing import vector_hashes as vector_hashes
    from peak_fast.trials.registry import NAME as NAME
    from peak_fast.trials.registry import TrialRegistry
    from peak_fast.trials.registry import registry_or_none as registry_or_none

__all__ = ["TrialRegistry"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "file": ("MOST",),
    "hashing": ("column_hashes", "context_hash", "finished_hashes", "vector_hashes"),
    "registry": ("NAME", "TrialRegistry", "registry_or_none"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
