"""What a backtest leaves: records, statistics, metadata, and how they are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.results.ambiguity import Ambiguity
    from peak_fast.results.codes import CHILD as CHILD
    from peak_fast.results.codes import CLOSE as CLOSE
    from peak_fast.results.codes import KINDS as KINDS
    from peak_fast.results.codes import ORDER as ORDER
    from peak_fast.results.frames import decided_orders as decided_orders
    from peak_fast.results.frames import trade_array as trade_array
    from peak_fast.results.generations import check_folder as check_folder
    from peak_fast.results.generations import load_checked as load_checked
    from peak_fast.results.generations import make_flat as make_flat
    from peak_fast.results.generations import numbers_in as numbers_in
    from peak_fast.results.generations import numbers_of as numbers_of
    from peak_fast.results.generations import save_parts as save_parts
    from peak_fast.results.metadata import code_version as code_version
    from peak_fast.results.metadata import jsonable as jsonable
    from peak_fast.results.metadata import metadata_with as metadata_with
    from peak_fast.results.metadata import shared_metadata as shared_metadata
    from peak_fast.results.named_frames import NamedFrame as NamedFrame
    from peak_fast.results.named_frames import named as named
    from peak_fast.results.payments import charged as charged
    from peak_fast.results.payments import flow_notes as flow_notes
    from peak_fast.results.payments import money_weighted as money_weighted
    from peak_fast.results.payments import payment_rows as payment_rows
    from peak_fast.results.payments import payment_stats as payment_stats
    from peak_fast.results.payments import unit_values as unit_values
    from peak_fast.results.payments import units_of as units_of
    from peak_fast.results.result import BacktestResult
    from peak_fast.results.shown import Shown as Shown
    from peak_fast.results.shown import hash_of as hash_of
    from peak_fast.results.summary import rich_table as rich_table
    from peak_fast.results.summary import stats_of as stats_of
    from peak_fast.results.summary import written as written
    from peak_fast.results.views import Course as Course
    from peak_fast.results.views import levels_of as levels_of

__all__ = ["Ambiguity", "BacktestResult"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "frames": ("decided_orders", "trade_array"),
    "ambiguity": ("Ambiguity",),
    "generations": ("check_folder", "load_checked", "make_flat", "numbers_in", "numbers_of", "save_parts"),
    "codes": ("CHILD", "CLOSE", "KINDS", "ORDER"),
    "metadata": ("code_version", "jsonable", "metadata_with", "shared_metadata"),
    "named_frames": ("NamedFrame", "named"),
    "payments": (
        "charged",
        "flow_notes",
        "money_weighted",
        "payment_rows",
        "payment_stats",
        "unit_values",
        "units_of",
    ),
    "result": ("BacktestResult",),
    "shown": ("Shown", "hash_of"),
    "summary": ("rich_table", "stats_of", "written"),
    "views": ("Course", "levels_of"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
