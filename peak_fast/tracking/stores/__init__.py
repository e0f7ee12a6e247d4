"""MLflow's stores, each written in the quickest way that it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.tracking.stores.files import clean_artifact_path as clean_artifact_path
    from peak_fast.tracking.stores.stores import Store as Store
    from peak_fast.tracking.stores.stores import open_store as open_store

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {"files": ("clean_artifact_path",), "stores": ("Store", "open_store")}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
