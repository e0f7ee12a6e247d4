"""Folders whose content is executed or believed: made for their owner only, and refused where others may write.

Where the system does not tell owners and modes (Windows, whose user folders are private by their access lists),
nothing is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

CAN_TELL = hasattr(os, "geteuid")
"""Whether the system tells who owns a file and who may write it."""

_GROUP_OR_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only, whatever the umask.

    Folders that are there stay as they are.

    Raises
    ------
    OSError
        It cannot be made, or a file of that name stands there.
    """
    try:
        folder.mkdir(0o700)
    except FileNotFoundError:
        make_private(folder.parent)
        make_private(folder)
        return
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    if CAN_TELL and stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)  # an umask that takes rights from the owner


def is_ours(info: os.stat_result) -> bool:
    """Whether a file or folder can have been written by this user and the system's administrator only."""
    return not CAN_TELL or (info.st_uid in (os.geteuid(), 0) and not info.st_mode & _GROUP_OR_OTHERS)


def read_ours(path: Path) -> bytes:
    """Content of a file that nobody else can have written.

    Raises
    ------
    OSError
        There is none, or others can have written it.
    """
    with path.open("rb") as file:
        if not is_ours(os.fstat(file.fileno())):
            raise PermissionError(f"{path} can have been written by others")
        return file.read()


def problem_of(folder: Path) -> str | None:
    """Why others could put something into a folder, and what mends it; None where nobody can.

    The folder belongs to somebody else (the administrator aside), its group or others may write it, or others may
    write a folder above it, or above a symbolic link on the way to it, and so put another one in its place (the
    sticky bit, as on ``/tmp``, forbids that).  A folder that is not there has the problems of those above it.

    Raises
    ------
    OSError
        The folder or one above it cannot be looked at.
    """
    if not CAN_TELL:
        return None
    # Plain texts: this is asked at the start of every process.
    real, given = os.path.realpath(folder), os.path.abspath(folder)  # noqa: PTH100
    info = _looked_at(real)
    if info is not None and info.st_uid not in (os.geteuid(), 0):
        return f"{real} belongs to another user ({_name(info.st_uid)})"
    if info is not None and info.st_mode & _GROUP_OR_OTHERS:
        who = "everybody" if info.st_mode & stat.S_IWOTH else "its group"
        return f"{real} can be written by {who}; mend that with: chmod go-w {_quoted(real)}"
    for above in dict.fromkeys((*_above(real), *_above(given))):
        info = _looked_at(above)
        if info is not None and info.st_mode & stat.S_IWOTH and not info.st_mode & stat.S_ISVTX:
            mend = f"mend that with: chmod o-w {_quoted(above)}"
            return f"{above}, above {folder.name}, can be written by everybody; {mend}"
    return None


def _looked_at(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None


def _above(path: str) -> Iterator[str]:
    """The folders above a path, the nearest first."""
    while (above := os.path.dirname(path)) != path:  # noqa: PTH120
        yield above
        path = above


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"number {user}"


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
