"""Parameter sweeps: what to run, how it runs, where results are kept, how to look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.sweep.counted import count_grid as count_grid
    from peak_fast.sweep.counted import hashes_of as hashes_of
    from peak_fast.sweep.evaluated import evaluate
    from peak_fast.sweep.evaluated import metrics_on as metrics_on
    from peak_fast.sweep.grid import Grid
    from peak_fast.sweep.progress import SweepProgress as SweepProgress
    from peak_fast.sweep.progress import check_mode as check_mode
    from peak_fast.sweep.result import SweepResult
    from peak_fast.sweep.returned import columns_at as columns_at
    from peak_fast.sweep.returned import return_tiles as return_tiles
    from peak_fast.sweep.returned import returns_on as returns_on
    from peak_fast.sweep.returned import sent as sent
    from peak_fast.sweep.run import PLANES as PLANES
    from peak_fast.sweep.run import History as History
    from peak_fast.sweep.run import Repeated as Repeated
    from peak_fast.sweep.run import Team as Team
    from peak_fast.sweep.run import WarmBatch as WarmBatch
    from peak_fast.sweep.run import check_metrics as check_metrics
    from peak_fast.sweep.run import closed_trades as closed_trades
    from peak_fast.sweep.run import crew_of as crew_of
    from peak_fast.sweep.run import cut as cut
    from peak_fast.sweep.run import default_threads as default_threads
    from peak_fast.sweep.run import folded_result as folded_result
    from peak_fast.sweep.run import make_batch as make_batch
    from peak_fast.sweep.run import parse_memory as parse_memory
    from peak_fast.sweep.run import stretches_of as stretches_of
    from peak_fast.sweep.run import watched as watched
    from peak_fast.sweep.runner import DEFAULT_METRICS as DEFAULT_METRICS
    from peak_fast.sweep.runner import Sweep
    from peak_fast.sweep.store import changes as changes
    from peak_fast.sweep.stretched import bare as bare
    from peak_fast.sweep.stretched import free_rate as free_rate
    from peak_fast.sweep.stretched import stretch_sums as stretch_sums
    from peak_fast.sweep.stretched import year_of as year_of
    from peak_fast.sweep.tracked import log_sweep as log_sweep
    from peak_fast.sweep.view import TOO_FEW_AXES as TOO_FEW_AXES
    from peak_fast.sweep.view import check_metric as check_metric
    from peak_fast.sweep.view import check_trades as check_trades
    from peak_fast.sweep.view import rich_table as rich_table

__all__ = ["Grid", "Sweep", "SweepResult", "evaluate"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "counted": ("count_grid", "hashes_of"),
    "evaluated": ("evaluate", "metrics_on"),
    "grid": ("Grid",),
    "progress": ("SweepProgress", "check_mode"),
    "result": ("SweepResult",),
    "returned": ("columns_at", "return_tiles", "returns_on", "sent"),
    "run": (
        "History",
        "PLANES",
        "Team",
        "WarmBatch",
        "check_metrics",
        "closed_trades",
        "crew_of",
        "default_threads",
        "folded_result",
        "parse_memory",
        "stretches_of",
        "watched",
        "Repeated",
        "cut",
        "make_batch",
    ),
    "runner": ("DEFAULT_METRICS", "Sweep"),
    "store": ("changes",),
    "stretched": ("bare", "free_rate", "stretch_sums", "year_of"),
    "tracked": ("log_sweep",),
    "view": ("TOO_FEW_AXES", "check_metric", "check_trades", "rich_table"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
