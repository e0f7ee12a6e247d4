"""The spool between caller and writer: files that survive both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.tracking.spool.codec import encode as encode
    from peak_fast.tracking.spool.curves import ARTIFACT_PARTS as ARTIFACT_PARTS
    from peak_fast.tracking.spool.curves import FIGURE as FIGURE
    from peak_fast.tracking.spool.curves import FILLS as FILLS
    from peak_fast.tracking.spool.curves import NO_CURVE as NO_CURVE
    from peak_fast.tracking.spool.curves import PARTS as PARTS
    from peak_fast.tracking.spool.curves import POINTS as POINTS
    from peak_fast.tracking.spool.curves import REPORTS as REPORTS
    from peak_fast.tracking.spool.curves import SHEET as SHEET
    from peak_fast.tracking.spool.curves import TRADES as TRADES
    from peak_fast.tracking.spool.curves import VALUES as VALUES
    from peak_fast.tracking.spool.curves import curve_points as curve_points
    from peak_fast.tracking.spool.curves import expand_curve as expand_curve
    from peak_fast.tracking.spool.curves import reduce_curve as reduce_curve
    from peak_fast.tracking.spool.folders import check_file as check_file
    from peak_fast.tracking.spool.folders import check_folder as check_folder
    from peak_fast.tracking.spool.folders import problem_of_spool as problem_of_spool
    from peak_fast.tracking.spool.frames import frame_records as frame_records
    from peak_fast.tracking.spool.frames import frame_runs as frame_runs
    from peak_fast.tracking.spool.frames import prefixed_frame as prefixed_frame
    from peak_fast.tracking.spool.layout import layout_of as layout_of
    from peak_fast.tracking.spool.layout import spooled as spooled
    from peak_fast.tracking.spool.locks import FolderLock as FolderLock
    from peak_fast.tracking.spool.locks import is_locked as is_locked
    from peak_fast.tracking.spool.records import ARTIFACT as ARTIFACT
    from peak_fast.tracking.spool.records import BARS as BARS
    from peak_fast.tracking.spool.records import CLOSE as CLOSE
    from peak_fast.tracking.spool.records import END as END
    from peak_fast.tracking.spool.records import ENVIRONMENT as ENVIRONMENT
    from peak_fast.tracking.spool.records import FORMAT as FORMAT
    from peak_fast.tracking.spool.records import FROZEN as FROZEN
    from peak_fast.tracking.spool.records import HEADER as HEADER
    from peak_fast.tracking.spool.records import MAGIC as MAGIC
    from peak_fast.tracking.spool.records import METRICS as METRICS
    from peak_fast.tracking.spool.records import PACKED as PACKED
    from peak_fast.tracking.spool.records import PACKED_MORE as PACKED_MORE
    from peak_fast.tracking.spool.records import PARAMS as PARAMS
    from peak_fast.tracking.spool.records import PICKLED as PICKLED
    from peak_fast.tracking.spool.records import RESULT as RESULT
    from peak_fast.tracking.spool.records import RUNS as RUNS
    from peak_fast.tracking.spool.records import START as START
    from peak_fast.tracking.spool.records import STATIC as STATIC
    from peak_fast.tracking.spool.records import TAGS as TAGS
    from peak_fast.tracking.spool.records import UNREADABLE as UNREADABLE
    from peak_fast.tracking.spool.records import WHOLE as WHOLE
    from peak_fast.tracking.spool.records import Record as Record
    from peak_fast.tracking.spool.records import has_record as has_record
    from peak_fast.tracking.spool.records import read_records as read_records
    from peak_fast.tracking.spool.run_ids import RunIds as RunIds
    from peak_fast.tracking.spool.segment import SegmentWriter as SegmentWriter
    from peak_fast.tracking.spool.segment import Subject as Subject
    from peak_fast.tracking.spool.spool import CONTACT as CONTACT
    from peak_fast.tracking.spool.spool import Ack as Ack
    from peak_fast.tracking.spool.spool import SegmentPaths as SegmentPaths
    from peak_fast.tracking.spool.spool import SpoolDamaged as SpoolDamaged
    from peak_fast.tracking.spool.spool import child_environment as child_environment
    from peak_fast.tracking.spool.spool import described_uri as described_uri
    from peak_fast.tracking.spool.spool import read_ack as read_ack
    from peak_fast.tracking.spool.spool import rejections as rejections
    from peak_fast.tracking.spool.spool import remove_strays as remove_strays
    from peak_fast.tracking.spool.spool import segments as segments
    from peak_fast.tracking.spool.spool import spool_root as spool_root
    from peak_fast.tracking.spool.spool import store_folder as store_folder
    from peak_fast.tracking.spool.spool import write_ack as write_ack
    from peak_fast.tracking.spool.spool import write_atomically as write_atomically
    from peak_fast.tracking.spool.uris import SQL_SCHEMES as SQL_SCHEMES
    from peak_fast.tracking.spool.uris import URI_VARIABLE as URI_VARIABLE
    from peak_fast.tracking.spool.uris import file_uri_path as file_uri_path
    from peak_fast.tracking.spool.uris import is_file_store as is_file_store
    from peak_fast.tracking.spool.uris import is_remote as is_remote
    from peak_fast.tracking.spool.uris import local_path as local_path
    from peak_fast.tracking.spool.uris import resolve as resolve
    from peak_fast.tracking.spool.uris import scheme_of as scheme_of
    from peak_fast.tracking.spool.uris import server_address as server_address
    from peak_fast.tracking.spool.uris import sqlite_artifacts as sqlite_artifacts
    from peak_fast.tracking.spool.uris import sqlite_file as sqlite_file
    from peak_fast.tracking.spool.uris import sqlite_path as sqlite_path
    from peak_fast.tracking.spool.uris import store_key as store_key

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "codec": ("encode",),
    "curves": (
        "ARTIFACT_PARTS",
        "FIGURE",
        "FILLS",
        "NO_CURVE",
        "PARTS",
        "POINTS",
        "REPORTS",
        "SHEET",
        "TRADES",
        "VALUES",
        "curve_points",
        "expand_curve",
        "reduce_curve",
    ),
    "folders": ("check_file", "check_folder", "problem_of_spool"),
    "frames": ("frame_records", "frame_runs", "prefixed_frame"),
    "layout": ("layout_of", "spooled"),
    "locks": ("FolderLock", "is_locked"),
    "records": (
        "ARTIFACT",
        "BARS",
        "CLOSE",
        "END",
        "ENVIRONMENT",
        "FORMAT",
        "FROZEN",
        "HEADER",
        "MAGIC",
        "METRICS",
        "PACKED",
        "PACKED_MORE",
        "PARAMS",
        "PICKLED",
        "RESULT",
        "RUNS",
        "START",
        "STATIC",
        "TAGS",
        "UNREADABLE",
        "WHOLE",
        "Record",
        "has_record",
        "read_records",
    ),
    "run_ids": ("RunIds",),
    "segment": ("SegmentWriter", "Subject"),
    "spool": (
        "Ack",
        "CONTACT",
        "SegmentPaths",
        "SpoolDamaged",
        "child_environment",
        "described_uri",
        "read_ack",
        "rejections",
        "remove_strays",
        "segments",
        "spool_root",
        "store_folder",
        "write_ack",
        "write_atomically",
    ),
    "uris": (
        "SQL_SCHEMES",
        "URI_VARIABLE",
        "file_uri_path",
        "is_file_store",
        "is_remote",
        "local_path",
        "resolve",
        "scheme_of",
        "server_address",
        "sqlite_artifacts",
        "sqlite_file",
        "sqlite_path",
        "store_key",
    ),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
