"""Artifact files in a local artifact root."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

from peak_fast.tracking.updates import Artifact

_BAD_PART = re.compile(r'[\x00-\x1f<>:"|?*\\]')
SYNC_THREADS = 16
RENDER_THREADS = 2
_fdatasync = getattr(os, "fdatasync", os.fsync)


def clean_artifact_path(path: str) -> str:
    """A relative path below the artifact root: no ``..``, no drive, no characters that a file system
    refuses."""
    parts = [_BAD_PART.sub("_", part) for part in str(path).replace("\\", "/").split("/")]
    kept = ["_" if part.strip(". ") == "" else part[:200] for part in parts if part not in ("", ".")]
    return str(PurePosixPath(*kept)) if kept else "artifact"


def write_artifacts(root: Path, artifacts: Iterable[Artifact], written: list[Path]) -> list[str]:
    """Write artifacts below a local root, each under a temporary name first.

    Parameters
    ----------
    root
        Artifact root of the run; created if need be.
    written
        Gains the path of every file, for :func:`make_durable`.

    Returns
    -------
    list of str
        One message per artifact whose content could not be made or read (a figure that does not render must
        not lose its run).

    Raises
    ------
    OSError
        The disk refused; nothing is said about the artifacts after this one.
    """
    problems = []
    for artifact in artifacts:
        target = root / artifact.path
        try:
            data = None if artifact.source is not None else artifact.content()
        except Exception as error:
            problems.append(f"{artifact.path}: {type(error).__name__}: {error}")
            continue
        if artifact.source is not None and not artifact.source.exists() and target.exists():
            continue  # an earlier writer placed it and was stopped before it could say so
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name[:200]}.part")
        try:
            if data is None and artifact.source is not None:
                shutil.copyfile(artifact.source, temporary)
            else:
                temporary.write_bytes(data or b"")
            temporary.replace(target)
        except FileNotFoundError as error:
            problems.append(f"{artifact.path}: {error}")
            continue
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        written.append(target)
    return problems


def prepare(artifacts: Iterable[Artifact]) -> None:
    """Make the contents of artifacts ahead, by two threads: compressing pictures leaves Python's lock free.

    What cannot be made is left for :func:`write_artifacts`, which reports it.
    """
    waiting = [artifact for artifact in artifacts if artifact.load is not None]
    if len(waiting) < 2 * RENDER_THREADS:
        return
    with ThreadPoolExecutor(RENDER_THREADS) as pool:
        list(pool.map(_prepare, waiting))


def _prepare(artifact: Artifact) -> None:
    with contextlib.suppress(Exception):
        artifact.load = partial(bytes, artifact.content())


def make_durable(paths: Iterable[Path]) -> None:
    """Ask the disk to keep these files, and their names, through a power cut.

    Requests that are under way at one time share one commit of the file system's journal, so they are made by
    many threads at once (one after the other they took ten times as long).
    """
    files = list(paths)
    if not files:
        return
    folders = {path.parent for path in files} if os.name != "nt" else set()
    with ThreadPoolExecutor(min(SYNC_THREADS, len(files) + len(folders))) as pool:
        list(pool.map(_sync, [*files, *folders]))


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    except OSError:
        return
    try:
        _fdatasync(descriptor)
    except OSError:
        pass  # some network file systems do not offer it; the content is with their server
    finally:
        os.close(descriptor)
