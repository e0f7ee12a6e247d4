"""Where machine code is kept, and for which sources it is valid.  Imports nothing heavy, numba least of all.

The folder is ``$PEAK_FAST_CACHE_DIR``, else numba's own ``NUMBA_CACHE_DIR``, else the user's cache folder.  A
folder that cannot be written never breaks a run: the kernels are then compiled in memory, once per process.
Each version of the sources has a folder of its own, so two installations that share a user never overwrite
each other's entries.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parents[__name__.count(".") - 1]
"""Root of this package, wherever in it this module lies."""


@functools.cache
def source_stamp() -> str:
    """Hash of all Python sources of this package, in its folders, too: the version of the machine code.

    Returns
    -------
    str
        16 hexadecimal digits.  Two installations with the same digits compute the same numbers.
    """
    digest = hashlib.blake2b(digest_size=8)
    sources = {path.relative_to(PACKAGE_DIR).as_posix(): path for path in PACKAGE_DIR.rglob("*.py")}
    for name, path in sorted(sources.items()):
        digest.update(name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def version_of(distribution: str) -> str:
    """Version of an installed distribution, without importing it."""
    return importlib.metadata.version(distribution)


def _user_cache_dir() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "peak_fast" / "kernels"


@functools.cache
def cache_dir() -> Path | None:
    """Folder of the compiled kernels, or None where no folder can be written."""
    explicit = os.environ.get("PEAK_FAST_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    try:
        base = Path(explicit) if explicit else _user_cache_dir()
        path = base / f"{source_stamp()}-{python}-numba{version_of('numba')}"
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (OSError, RuntimeError):
        return None
    return path
