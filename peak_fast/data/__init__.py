"""Price bars: what they are, how frames and files become bars, sample and random prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.data.alignment import aligned as aligned
    from peak_fast.data.alignment import aligned_table as aligned_table
    from peak_fast.data.alignment import calendar_of_bars as calendar_of_bars
    from peak_fast.data.alignment import calendar_of_column as calendar_of_column
    from peak_fast.data.alignment import columns_of as columns_of
    from peak_fast.data.alignment import fingerprint as fingerprint
    from peak_fast.data.alignment import in_line as in_line
    from peak_fast.data.alignment import is_frame as is_frame
    from peak_fast.data.alignment import untold as untold
    from peak_fast.data.bars import Bars
    from peak_fast.data.changed import bars_with as bars_with
    from peak_fast.data.changed import column_of as column_of
    from peak_fast.data.changed import fields_of as fields_of
    from peak_fast.data.changed import frame_of_kind as frame_of_kind
    from peak_fast.data.changed import frame_shown as frame_shown
    from peak_fast.data.changed import moved_times as moved_times
    from peak_fast.data.changed import names_of_frame as names_of_frame
    from peak_fast.data.changed import panel_with as panel_with
    from peak_fast.data.changed import temporal_columns as temporal_columns
    from peak_fast.data.changed import with_values as with_values
    from peak_fast.data.checks import not_positive as not_positive
    from peak_fast.data.columns import known_part as known_part
    from peak_fast.data.columns import numbers_of as numbers_of
    from peak_fast.data.dated_tables import DatedValues as DatedValues
    from peak_fast.data.dated_tables import dated_values as dated_values
    from peak_fast.data.files import read_table as read_table
    from peak_fast.data.frames import collect as collect
    from peak_fast.data.frames import table_of as table_of
    from peak_fast.data.frames import to_polars as to_polars
    from peak_fast.data.generated import synthetic
    from peak_fast.data.given import given_bars as given_bars
    from peak_fast.data.given import is_panel as is_panel
    from peak_fast.data.given import settled as settled
    from peak_fast.data.kept_rows import own_frame as own_frame
    from peak_fast.data.kept_rows import own_frames as own_frames
    from peak_fast.data.kinds import package_of as package_of
    from peak_fast.data.loading import load
    from peak_fast.data.matching import Calendar as Calendar
    from peak_fast.data.matching import check_zone as check_zone
    from peak_fast.data.matching import shown_time as shown_time
    from peak_fast.data.matching import sorted_times as sorted_times
    from peak_fast.data.options import read_options as read_options
    from peak_fast.data.panel import Panel
    from peak_fast.data.panel_groups import groups_of as groups_of
    from peak_fast.data.panel_saved import panel_about as panel_about
    from peak_fast.data.panel_saved import panel_table as panel_table
    from peak_fast.data.panel_saved import panel_times as panel_times
    from peak_fast.data.panel_saved import saved_panel as saved_panel
    from peak_fast.data.repriced import bars_over as bars_over
    from peak_fast.data.repriced import moved_bars as moved_bars
    from peak_fast.data.repriced import moved_panel as moved_panel
    from peak_fast.data.samples import SAMPLE_SYMBOLS, sample
    from peak_fast.data.time_values import as_time as as_time
    from peak_fast.data.times import time_of_day as time_of_day
    from peak_fast.data.weights import weight_rows as weight_rows
    from peak_fast.data.year_estimates import known_years as known_years

__all__ = ["SAMPLE_SYMBOLS", "Bars", "Panel", "load", "sample", "synthetic"]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "alignment": (
        "aligned",
        "aligned_table",
        "calendar_of_bars",
        "calendar_of_column",
        "columns_of",
        "fingerprint",
        "in_line",
        "is_frame",
        "untold",
    ),
    "bars": ("Bars",),
    "changed": (
        "bars_with",
        "column_of",
        "fields_of",
        "frame_of_kind",
        "frame_shown",
        "moved_times",
        "names_of_frame",
        "panel_with",
        "temporal_columns",
        "with_values",
    ),
    "checks": ("not_positive",),
    "columns": ("known_part", "numbers_of"),
    "dated_tables": ("DatedValues", "dated_values"),
    "files": ("read_table",),
    "frames": ("collect", "table_of", "to_polars"),
    "generated": ("synthetic",),
    "given": ("given_bars", "is_panel", "settled"),
    "kept_rows": ("own_frame", "own_frames"),
    "kinds": ("package_of",),
    "loading": ("load",),
    "matching": ("Calendar", "check_zone", "shown_time", "sorted_times"),
    "options": ("read_options",),
    "panel": ("Panel",),
    "panel_saved": ("panel_about", "panel_table", "panel_times", "saved_panel"),
    "panel_groups": ("groups_of",),
    "repriced": ("bars_over", "moved_bars", "moved_panel"),
    "samples": ("SAMPLE_SYMBOLS", "sample"),
    "time_values": ("as_time",),
    "times": ("time_of_day",),
    "weights": ("weight_rows",),
    "year_estimates": ("known_years",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
