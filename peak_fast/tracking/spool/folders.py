"""Whether a folder of the spool is this user's alone."""

from __future__ import annotations

from pathlib import Path

from peak_fast.errors import TrackingError
from peak_kernels.folders import problem_of


def check_folder(folder: Path) -> Path:
    """The folder of a store, which may not be there yet.

    Raises
    ------
    TrackingError
        Others may write it: what they put there would be stored as if this user had logged it.
    OSError
        It cannot be looked at.
    """
    problem = problem_of(folder)
    if problem is not None:
        raise TrackingError(
            f"the spool of tracked runs is not used: {problem}; or set PEAK_FAST_SPOOL_DIR to a folder of your own"
        )
    return folder
