"""Where the trials of a study are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.studies.storage.ledger import Ledger as Ledger
    from peak_fast.studies.storage.storage import OpenStorage as OpenStorage
    from peak_fast.studies.storage.storage import open_storage as open_storage
    from peak_fast.studies.storage.storage import quiet_optuna as quiet_optuna
    from peak_fast.studies.storage.storage import require_package as require_package
    from peak_fast.studies.storage.storage import told as told

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "ledger": ("Ledger",),
    "storage": ("OpenStorage", "open_storage", "quiet_optuna", "require_package", "told"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
