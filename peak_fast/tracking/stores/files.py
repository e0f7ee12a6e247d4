"""Artifact files in a local artifact root."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from peak_fast.forks import sensible, shared
from peak_fast.tracking.stores.calls import is_our_process
from peak_fast.tracking.updates import Artifact

_BAD_PART = re.compile(r'[\x00-\x1f<>:"|?*\\]')
# Bytes of a name that every file system and server takes, with something to spare for endings.
_MAX_NAME = 200
SYNC_THREADS = 16
# Files that take so much longer than a fork that they are worth one.
_WORTH = 64
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


Problems = list[tuple[Artifact, str]]
"""Artifacts that could not be written, and why."""


class FileWriter:
    """Writes artifacts into local folders.

    Attributes
    ----------
    written
        Paths of all files.
    """

    def __init__(self) -> None:
        self.written: list[Path] = []

    def write(self, root: Path, artifacts: Sequence[Artifact]) -> Problems:
        """Write artifacts below a local root, which is created if need be.

        Returns
        -------
        list of (Artifact, str)
            What could not be made, read or placed (a figure that does not render, a file where a folder must be), and
            why.

        Raises
        ------
        OSError
            The disk takes nothing now.
        """
        said = [(artifact, self._write(root / artifact.path, artifact)) for artifact in artifacts]
        return [(artifact, f"{artifact.path}: {reason}") for artifact, reason in said if reason]

    def make_durable(self) -> None:
        """Ask the disk to keep all files that were written, and their names, through a power cut.

        Requests that are under way at one time share one commit of the file system's journal, so they are made by
        many threads at once (one after the other they took ten times as long).
        """
        files, self.written = self.written, []
        paths = [*files, *({path.parent for path in files} if os.name != "nt" else ())]
        count = min(SYNC_THREADS, len(paths))
        if paths:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(_sync, [paths[k::count] for k in range(count)]))

    def _write(self, target: Path, artifact: Artifact) -> str | None:
        """Write one file, under a temporary name first; why that is not possible."""
        source, folder = artifact.source, target.parent
        if source is not None and not source.exists() and target.exists():
            return None  # an earlier writer placed it and was stopped before it could say so
        temporary = folder / f".{_digits(target.name.encode())}.part"
        try:
            data = b"" if artifact.load is None else artifact.load()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if source is not None:
                shutil.copyfile(source, temporary)
            else:
                temporary.write_bytes(data)
            temporary.replace(target)
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and not has_no_place(error):
                raise
            return f"{type(error).__name__}: {error}"
        self.written.append(target)
        return None


def write_shared(
    jobs: Sequence[tuple[Path, Sequence[Artifact]]], processes: int | None = None
) -> list[Problems]:
    """Write artifacts below local roots durably; what of each job :class:`FileWriter` could not write.

    Those of many runs are shared between processes, where this one is a writer's.
    """
    if processes is None:
        count = sum(len(artifacts) for _, artifacts in jobs)
        processes = sensible(count, _WORTH) if is_our_process() else 1
    files = FileWriter()

    def work(some: Sequence[tuple[Path, Sequence[Artifact]]]) -> list[list[tuple[int, str]]]:
        return [
            [(artifacts.index(artifact), reason) for artifact, reason in files.write(root, artifacts)]
            for root, artifacts in some
        ]

    said = shared(jobs, work, files.make_durable, processes)
    pairs = zip(jobs, said, strict=True)
    return [[(artifacts[k], reason) for k, reason in problems] for (_, artifacts), problems in pairs]


def _sync(paths: Sequence[Path]) -> None:
    for path in paths:
        # Some network file systems do not offer it; the content is with their server.
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
            try:
                _fdatasync(descriptor)
            finally:
                os.close(descriptor)
