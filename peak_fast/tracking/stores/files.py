"""Artifact files in a local artifact root."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

from peak_fast.tracking.updates import Artifact

_BAD_PART = re.compile(r'[\x00-\x1f<>:"|?*\\]')
# Bytes of a name that every file system and server takes, with something to spare for endings.
_MAX_NAME = 200
SYNC_THREADS = 16
RENDER_THREADS = 2
_fdatasync = getattr(os, "fdatasync", os.fsync)
# What a system says of a file that has no place; anything else (a full disk) says that there is none for any.
_NO_PLACE = frozenset(
    getattr(errno, name)
    for name in ("EISDIR", "ENOTDIR", "EEXIST", "ENOTEMPTY", "ENOENT", "ENAMETOOLONG", "ELOOP", "EINVAL", "EILSEQ",
                 "EACCES", "EPERM", "EROFS")
)  # fmt: skip


def has_no_place(error: BaseException) -> bool:
    """Whether an error speaks of one file that has no place here, and not of a disk that takes nothing."""
    return isinstance(error, OSError) and error.errno in _NO_PLACE


def clean_artifact_path(path: str) -> str:
    """A relative path below the artifact root: no ``..``, no drive, no characters that a file system refuses.

    A name that is too long is cut and gets digits of its hash, so that two long names stay two.
    """
    text = str(path).encode("utf-8", "replace").decode().replace("\\", "/")
    parts = [_BAD_PART.sub("_", part) for part in text.split("/")]
    kept = ["_" if part.strip(". ") == "" else _cut(part) for part in parts if part not in ("", ".")]
    return str(PurePosixPath(*kept)) if kept else "artifact"


def _cut(name: str) -> str:
    data = name.encode()
    if len(data) <= _MAX_NAME:
        return name
    suffix = PurePosixPath(name).suffix
    end = f"-{_digits(data)}{suffix if len(suffix.encode()) <= 20 else ''}"
    return data[: _MAX_NAME - len(end.encode())].decode(errors="ignore") + end


def _digits(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=4).hexdigest()


def write_artifacts(
    root: Path, artifacts: Iterable[Artifact], written: list[Path]
) -> list[tuple[Artifact, str]]:
    """Write artifacts below a local root, each under a temporary name first.

    Parameters
    ----------
    root
        Artifact root of the run; created if need be.
    written
        Gains the path of every file, for :func:`make_durable`.

    Returns
    -------
    list of (Artifact, str)
        What could not be made, read or placed (a figure that does not render, a file where a folder must be), and why.

    Raises
    ------
    OSError
        The disk takes nothing now.
    """
    problems = []
    for artifact in artifacts:
        target = root / artifact.path
        if artifact.source is not None and not artifact.source.exists() and target.exists():
            continue  # an earlier writer placed it and was stopped before it could say so
        try:
            data = None if artifact.source is not None else artifact.content()
        except Exception as error:
            problems.append((artifact, f"{artifact.path}: {type(error).__name__}: {error}"))
            continue
        temporary = target.with_name(f".{_digits(target.name.encode())}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if data is None and artifact.source is not None:
                shutil.copyfile(artifact.source, temporary)
            else:
                temporary.write_bytes(data or b"")
            temporary.replace(target)
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and not has_no_place(error):
                raise
            problems.append((artifact, f"{artifact.path}: {type(error).__name__}: {error}"))
            continue
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


@contextlib.contextmanager
def durable_meanwhile(paths: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """:func:`make_durable` beside what is done inside; the function that this gives waits for it."""
    with ThreadPoolExecutor(1) as helper:
        yield helper.submit(make_durable, paths).result if paths else lambda: None


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
