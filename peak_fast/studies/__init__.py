"""Searches with Optuna's samplers on the compiled sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.studies.study import Study, StudyResult

__all__ = ["Study", "StudyResult"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "study": ("Study", "StudyResult"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
