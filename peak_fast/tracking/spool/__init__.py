"""The spool between caller and writer: files that survive both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    # All that these files make; `_HOMES` says what of it leaves the room.
    from peak_fast.tracking.spool.codec import *  # noqa: F403
    from peak_fast.tracking.spool.curves import *  # noqa: F403
    from peak_fast.tracking.spool.frames import *  # noqa: F403
    from peak_fast.tracking.spool.layout import *  # noqa: F403
    from peak_fast.tracking.spool.locks import *  # noqa: F403
    from peak_fast.tracking.spool.records import *  # noqa: F403
    from peak_fast.tracking.spool.run_ids import *  # noqa: F403
    from peak_fast.tracking.spool.segment import *  # noqa: F403
    from peak_fast.tracking.spool.spool import *  # noqa: F403
    from peak_fast.tracking.spool.uris import *  # noqa: F403

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "codec": ("encode",),
    "curves": ("ARTIFACT_PARTS", "Curve", "Part", "curve_points", "expand_curve", "reduce_curve"),
    "frames": ("frame_records", "frame_runs", "prefixed_frame"),
    "layout": ("layout_of", "spooled"),
    "locks": ("is_locked", "only_writer"),
    "records": ("FORMAT", "Kind", "MAGIC", "PACKED_MORE", "PICKLED", "Record", "has_record", "read_records"),
    "run_ids": ("RunIds",),
    "segment": ("SegmentWriter", "Subject"),
    "spool": (
        "Ack",
        "CONTACT",
        "SegmentPaths",
        "SpoolDamaged",
        "age_of",
        "check_file",
        "check_folder",
        "child_environment",
        "described_uri",
        "problem_of_spool",
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
        "sqlite_file",
        "store_key",
    ),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
