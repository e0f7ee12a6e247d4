"""Whether folders and segments of the spool are this user's alone."""

from __future__ import annotations

import stat
from pathlib import Path

from peak_fast.errors import TrackingError
from peak_fast.tracking.updates import UnknownSpool
from peak_kernels.folders import is_ours, problem_of


def check_folder(folder: Path) -> Path:
    """The folder of a store, which may not be there yet.

    One that others may write is refused: what they put there would be stored as if this user had logged it.
    """
    problem = problem_of_spool(folder)
    if problem is not None:
        raise TrackingError(
            f"the spool of tracked runs is not used: {problem}; or set PEAK_FAST_SPOOL_DIR to a folder of your own"
        )
    return folder


def problem_of_spool(folder: Path) -> str | None:
    """Why others could put something into the folder of a store, or another folder in its place, and what mends it.

    None where nobody can.  They may write the folder of all stores only if it is sticky, as ``/tmp`` is.
    """
    problem, root = problem_of(folder), folder.parent
    if problem is None and not (root.exists() and root.stat().st_mode & stat.S_ISVTX):
        problem = problem_of(root)
    return problem


def check_file(path: Path) -> None:
    """Refuse a segment that others can have written, also while its folder was open to them."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    if not is_ours(info) or not stat.S_ISREG(info.st_mode):
        raise UnknownSpool(
            f"{path} can have been written by others, so that its runs are not stored; remove it, or, if it is "
            f"yours, take it over with: chmod 600 {path}"
        )
