"""Where machine code is kept, and for which sources it is valid.  Imports nothing heavy, numba least of all.

The folder is ``$PEAK_FAST_CACHE_DIR``, else numba's own ``NUMBA_CACHE_DIR``, else the user's cache folder.  A
folder that cannot be written never breaks a run: the kernels are then compiled in memory, once per process.  Nor
does one that others may write, from which code would be executed that anybody put there; that is said.
Each version of the sources has a folder of its own, so two installations that share a user never overwrite
each other's entries.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from peak_kernels.folders import make_private, problem_of

PACKAGE_DIR = Path(__file__).resolve().parents[__name__.count(".") - 1]
"""Root of this package, wherever in it this module lies."""


def is_own(file: str) -> bool:
    """Whether a source file belongs to this package."""
    return Path(file).resolve().is_relative_to(PACKAGE_DIR)


@functools.cache
def source_stamp() -> str:
    """Hash of all Python sources of this package, in its folders, too: the version of the machine code.

    Returns
    -------
    str
        16 hexadecimal digits.  Two installations with the same digits compute the same numbers.
    """
    digest = hashlib.blake2b(digest_size=8)
    # Plain texts and calls of the system: this is asked at the start of every process.
    root = str(PACKAGE_DIR)
    for name, path in sorted(_sources(root, len(root) + 1)):
        with open(path, "rb") as file:  # noqa: PTH123
            digest.update(name.encode())
            digest.update(file.read())
    return digest.hexdigest()


def _sources(folder: str, skipped: int) -> Iterator[tuple[str, str]]:
    """Python files in a folder and in those below it: name below the package, with slashes, and path."""
    with os.scandir(folder) as items:
        for item in items:
            if item.name.endswith(".py"):
                yield item.path[skipped:].replace(os.sep, "/"), item.path
            elif "." not in item.name and item.name != "__pycache__" and item.is_dir():
                yield from _sources(item.path, skipped)


@functools.cache
def version_of(distribution: str) -> str:
    """Version of an installed distribution, without importing it."""
    version = _installed().get(distribution)
    if version is None:
        import importlib.metadata

        version = importlib.metadata.version(distribution)
    return version


@functools.cache
def _installed() -> dict[str, str]:
    """Versions of the distributions whose folders of metadata say them in their names, which costs a listing."""
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208
        except OSError:
            continue  # no folder, or an archive
        for name in names:
            if name.endswith(".dist-info") and name.count("-") == 2 and "_" not in name.split("-")[1]:
                distribution, version, _ = name.split("-")
                found.setdefault(distribution, version.removesuffix(".dist"))
    return found


def _user_cache_dir() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "peak_fast" / "kernels"


def cache_dir() -> Path | None:
    """Folder of the compiled kernels, or None where no folder can be written, or others may write it."""
    return _found()[0]


def cache_problem() -> str | None:
    """Why others may write to the folder that would be used, and what mends it; None where they may not."""
    return _found()[1]


@functools.cache
def _found() -> tuple[Path | None, str | None]:
    """The folder, and its problem; a problem is said once per process."""
    explicit = os.environ.get("PEAK_FAST_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    try:
        base = Path(explicit) if explicit else _user_cache_dir()
        path = base / f"{source_stamp()}-{python}-numba{version_of('numba')}"
        make_private(path)
        problem = problem_of(path)
        if problem is not None:
            _tell(problem)
            return None, problem
        can_write = _can_write(path)
    except (OSError, RuntimeError):
        return None, None
    return (path, None) if can_write else (None, None)


def _can_write(folder: Path) -> bool:
    """Whether files can be made in a folder.

    Raises
    ------
    OSError
        They cannot.
    """
    if os.name == "posix":
        return os.access(folder, os.W_OK | os.X_OK)
    import tempfile

    with tempfile.TemporaryFile(dir=folder):
        return True


def _tell(problem: str) -> None:
    """A line of the log, which Python shows where nobody has set it up; a warning could be made an error."""
    import logging

    logging.getLogger("peak_kernels").warning(
        "what has to be compiled is compiled in memory, anew in every process: %s; or set PEAK_FAST_CACHE_DIR to "
        "a folder of your own",
        problem,
    )
