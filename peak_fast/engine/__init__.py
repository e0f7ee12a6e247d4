"""The engine: strategies, settings and prices become results, on the fast path or through the order book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.engine.book import check_block_settings as check_block_settings
    from peak_fast.engine.counting import is_flat as is_flat
    from peak_fast.engine.counting import trial_context as trial_context
    from peak_fast.engine.counting import trial_hashes as trial_hashes
    from peak_fast.engine.counting import trial_parts as trial_parts
    from peak_fast.engine.engine import BacktestEngine

__all__ = ["BacktestEngine"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "book": ("check_block_settings",),
    "counting": ("is_flat", "trial_context", "trial_hashes", "trial_parts"),
    "engine": ("BacktestEngine",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
