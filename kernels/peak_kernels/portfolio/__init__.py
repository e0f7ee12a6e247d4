"""Portfolios: many assets that share one account."""

from __future__ import annotations

from peak_kernels.doors import door

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES: dict[str, tuple[str, ...]] = {}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
