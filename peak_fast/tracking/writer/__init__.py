"""The writer process: from the spool to the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.tracking.writer.replay import SegmentReplay as SegmentReplay
    from peak_fast.tracking.writer.unpack import backtest_params as backtest_params
    from peak_fast.tracking.writer.unpack import backtest_tags as backtest_tags
    from peak_fast.tracking.writer.unpack import figures_of as figures_of
    from peak_fast.tracking.writer.unpack import given_params as given_params

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "replay": ("SegmentReplay",),
    "unpack": ("backtest_params", "backtest_tags", "figures_of", "given_params"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
