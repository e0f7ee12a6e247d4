"""Look-ahead: whether what a strategy decides depends on bars that come later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.lookahead.doors import checked as checked
    from peak_fast.lookahead.doors import refuse_lookahead as refuse_lookahead
    from peak_fast.lookahead.report import Leak, LookaheadReport
    from peak_fast.lookahead.search import Effort as Effort

__all__ = ["Leak", "LookaheadReport"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "doors": ("checked", "refuse_lookahead"),
    "search": ("Effort",),
    "report": ("Leak", "LookaheadReport"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
