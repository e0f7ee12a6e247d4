"""How a sweep runs: batches, threads, settings of its configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.sweep.run.batch import check_metrics as check_metrics
    from peak_fast.sweep.run.batch import default_threads as default_threads
    from peak_fast.sweep.run.batches import make_batch as make_batch
    from peak_fast.sweep.run.budget import parse_memory as parse_memory
    from peak_fast.sweep.run.curves import CurveBatch as CurveBatch
    from peak_fast.sweep.run.curves import returns_from as returns_from
    from peak_fast.sweep.run.ranges import Work as Work
    from peak_fast.sweep.run.remote import ColumnsJob as ColumnsJob
    from peak_fast.sweep.run.repeated import Repeated as Repeated
    from peak_fast.sweep.run.running import Runner as Runner
    from peak_fast.sweep.run.running import crew_of as crew_of
    from peak_fast.sweep.run.running import runner_of as runner_of
    from peak_fast.sweep.run.settings import SettingsTable as SettingsTable
    from peak_fast.sweep.run.stretches import PLANES as PLANES
    from peak_fast.sweep.run.stretches import StretchBatch as StretchBatch
    from peak_fast.sweep.run.stretches import closed_trades as closed_trades
    from peak_fast.sweep.run.stretches import folded_result as folded_result
    from peak_fast.sweep.run.stretches import stretches_of as stretches_of
    from peak_fast.sweep.run.threads import Team as Team
    from peak_fast.sweep.run.threads import cut as cut
    from peak_fast.sweep.run.warm import History as History
    from peak_fast.sweep.run.warm import WarmBatch as WarmBatch
    from peak_fast.sweep.run.watching import watched as watched

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "batch": ("check_metrics", "default_threads"),
    "batches": ("make_batch",),
    "budget": ("parse_memory",),
    "curves": ("CurveBatch", "returns_from"),
    "ranges": ("Work",),
    "remote": ("ColumnsJob",),
    "repeated": ("Repeated",),
    "running": ("Runner", "crew_of", "runner_of"),
    "settings": ("SettingsTable",),
    "stretches": ("PLANES", "StretchBatch", "closed_trades", "folded_result", "stretches_of"),
    "threads": ("Team", "cut"),
    "warm": ("History", "WarmBatch"),
    "watching": ("watched",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
