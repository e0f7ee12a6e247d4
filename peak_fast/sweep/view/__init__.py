"""How the results of a sweep are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.sweep.view.display import headline as headline
    from peak_fast.sweep.view.display import html_table as html_table
    from peak_fast.sweep.view.display import rich_table as rich_table
    from peak_fast.sweep.view.export import memory_database as memory_database
    from peak_fast.sweep.view.export import pandas_frame as pandas_frame
    from peak_fast.sweep.view.export import query_table as query_table
    from peak_fast.sweep.view.export import save_table as save_table
    from peak_fast.sweep.view.export import write_table as write_table
    from peak_fast.sweep.view.finished import Finished as Finished
    from peak_fast.sweep.view.heatmap import TOO_FEW_AXES as TOO_FEW_AXES
    from peak_fast.sweep.view.heatmap import Aggregate as Aggregate
    from peak_fast.sweep.view.heatmap import draw_heatmap as draw_heatmap
    from peak_fast.sweep.view.heatmap import heatmap_data as heatmap_data
    from peak_fast.sweep.view.heatmap import two_parameters as two_parameters
    from peak_fast.sweep.view.pictures import draw_sweep as draw_sweep
    from peak_fast.sweep.view.plateau import plateau_rows as plateau_rows
    from peak_fast.sweep.view.ranks import best_configs as best_configs
    from peak_fast.sweep.view.ranks import check_trades as check_trades
    from peak_fast.sweep.view.ranks import none_traded as none_traded
    from peak_fast.sweep.view.ranks import traded as traded
    from peak_fast.sweep.view.texts import check_metric as check_metric
    from peak_fast.sweep.view.texts import format_metric as format_metric
    from peak_fast.sweep.view.texts import format_params as format_params

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "display": ("headline", "html_table", "rich_table"),
    "export": ("memory_database", "pandas_frame", "query_table", "save_table", "write_table"),
    "finished": ("Finished",),
    "heatmap": (
        "Aggregate",
        "TOO_FEW_AXES",
        "draw_heatmap",
        "heatmap_data",
        "two_parameters",
    ),
    "pictures": ("draw_sweep",),
    "plateau": ("plateau_rows",),
    "ranks": ("best_configs", "check_trades", "none_traded", "traded"),
    "texts": ("check_metric", "format_metric", "format_params"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
