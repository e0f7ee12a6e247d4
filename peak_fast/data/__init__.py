"""Price bars: what they are, how frames and files become bars, sample and random prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peak_fast.data.bars import Bars
    from peak_fast.data.generated import synthetic
    from peak_fast.data.loading import load
    from peak_fast.data.samples import SAMPLE_SYMBOLS, sample

__all__ = ["SAMPLE_SYMBOLS", "Bars", "load", "sample", "synthetic"]

_HOMES = {
    "SAMPLE_SYMBOLS": "samples",
    "Bars": "bars",
    "load": "loading",
    "sample": "samples",
    "synthetic": "generated",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'peak_fast.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"peak_fast.data.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
