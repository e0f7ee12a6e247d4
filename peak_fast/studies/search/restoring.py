"""What a sampler takes out of a study's storage, without executing it.

Optuna's CMA-ES keeps its state in the storage as a pickle, which can name any function to call.  Whoever may write
to a journal or a database could so run code in every process that goes on with the study.  Here only what such a
state consists of is rebuilt.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from peak_fast.errors import StoreError

# Names in the state of each optimizer of the package cmaes: its classes, and arrays and numbers of NumPy.
_ARRAYS = {"_reconstruct", "scalar"}
_ALLOWED = {
    **dict.fromkeys(("numpy._core.multiarray", "numpy.core.multiarray"), _ARRAYS),
    "numpy": {"ndarray", "dtype"},
    "cmaes._cma": {"CMA"},
    "cmaes._sepcma": {"SepCMA"},
    "cmaes._cmawm": {"CMAwM"},
}


class _StateUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _ALLOWED.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _restored(trial: Any, prefix: str) -> Any:
    """The optimizer that a trial keeps; None for a trial that keeps none.

    Raises
    ------
    StoreError
        What it keeps is damaged, or something else.
    """
    parts = {key: value for key, value in trial.system_attrs.items() if key.startswith(prefix)}
    if not parts:
        return None
    try:
        text = "".join(parts[f"{prefix}:{number}"] for number in range(len(parts)))
        return _StateUnpickler(io.BytesIO(bytes.fromhex(text))).load()
    except Exception as error:  # damaged bytes raise nearly anything
        raise StoreError(
            f"expected the state of CMA-ES in trial {trial.number} of the study; it is not used, because it is damaged "
            f"or was put there by somebody else ({error}); continue with another sampler, such as 'tpe'"
        ) from None


def without_code(sampler: Any) -> Any:
    """The sampler, which will restore its state of a storage without executing what is stored."""
    if hasattr(sampler, "_restore_optimizer") and hasattr(sampler, "_attr_key_optimizer"):

        def restore(completed_trials: Any) -> Any:
            prefix = sampler._attr_key_optimizer
            found = (_restored(trial, prefix) for trial in reversed(completed_trials))
            return next((optimizer for optimizer in found if optimizer is not None), None)

        sampler._restore_optimizer = restore
    # A sampler may hold another one: that of CMA-ES for what it cannot do, partial and fixed ones for the rest.
    for name in ("_base_sampler", "_independent_sampler"):
        if hasattr(sampler, name):
            without_code(getattr(sampler, name))
    return sampler
