"""Parameter sweeps: what to run, how it runs, where results are kept, how to look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peak_fast.sweep.grid import Grid
    from peak_fast.sweep.result import SweepResult
    from peak_fast.sweep.runner import Sweep, evaluate

__all__ = ["Grid", "Sweep", "SweepResult", "evaluate"]

_HOMES = {"Grid": "grid", "Sweep": "runner", "SweepResult": "result", "evaluate": "runner"}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
