"""What a record may name: a run, and files beside its segment.  The folder of the spool is no proof of who wrote it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from peak_fast.tracking.spool import SegmentPaths

# As MLflow takes them: no path, no word of its query language.
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)
_FILE = re.compile(r"[\w\-][\w.\- ]*")


def checked_id(run_id: Any) -> str:
    """A run id; anything else raises ValueError."""
    if type(run_id) is not str or not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"{run_id!r:.100} is no run id")
    return run_id


def spool_file(paths: SegmentPaths, name: Any) -> Path:
    """The file of a name beside a segment; a name that leads to something else of the user's raises ValueError."""
    if type(name) is not str or not _FILE.fullmatch(name) or (paths.files / name).is_symlink():
        raise ValueError(f"{name!r:.100} is no file of the spool")
    return paths.files / name
