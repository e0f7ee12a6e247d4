"""The spool: an append-only file per tracker that survives the death of everybody involved.

Layout, below :func:`spool_root`::

    <store>/                one folder per tracking store
        store.json          its URI (without credentials)
        writer.lock         held by the one writer process of this store
        <segment>.seg       records of one tracker of one process; locked by its owner while that lives
        <segment>.files/    copies of large artifact files
        <segment>.ack       up to where the store has confirmed, and the last error (written by the writer)
        <segment>.ids       run ids that the store chose (HTTP and file stores)
        <segment>.json      the same of a segment that is finished, for handles that are asked later
        <segment>.rejected  records that the store refuses for good, with the reasons

What a record is, :mod:`~peak_fast.tracking.spool.records` says.  A kill in mid-copy leaves no magic, one in mid-write a
file that ends too early: there readers stop.  Any other place that does not add up is damaged; what follows it is
found by its magic and its checksums.  A file whose owner lives or was killed may end in zeros, which were allocated
ahead.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import stat
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from peak_fast.errors import TrackingError
from peak_fast.files import sealed, unsealed
from peak_fast.masking import has_secrets, mask
from peak_fast.tracking.spool.locks import is_locked
from peak_fast.tracking.spool.records import FORMAT
from peak_fast.tracking.spool.uris import store_key
from peak_fast.tracking.updates import UnknownSpool
from peak_kernels.folders import is_ours, make_private, problem_of

# Touched in a store's folder by the writer when it turns to the store; not there while it starts.
CONTACT = "contact.lock"

# A segment that has no name yet after so many seconds, and no owner, never gets one.
_ABANDONED = 60.0
# Ids of finished segments are kept for handles that somebody may still ask.
KNOWN_SECONDS = 7 * 86_400.0

fdatasync = getattr(os, "fdatasync", os.fsync)


class SpoolDamaged(TrackingError):
    """A file of the spool does not say what it has to; nothing behind it is lost."""


def spool_root() -> Path:
    """Folder of all spools: ``$PEAK_FAST_SPOOL_DIR``, else ``tracking`` in ``$PEAK_FAST_CACHE_DIR`` or in the
    user's cache folder."""
    explicit = os.environ.get("PEAK_FAST_SPOOL_DIR")
    if explicit:
        return Path(explicit)
    cache = os.environ.get("PEAK_FAST_CACHE_DIR")
    if cache:
        return Path(cache) / "tracking"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "peak_fast" / "tracking"


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


def store_folder(uri: str, root: Path | None = None) -> Path:
    """The spool folder of a store, created with access for its owner only.

    ``store.json`` holds the URI, so that ``peak-fast sync`` can replay what a dead process left.  A URI with
    a password is kept without it: ``sync`` then needs the URI from its caller or from
    ``MLFLOW_TRACKING_URI``.  A folder that others may write is refused.
    """
    folder = check_folder((root or spool_root()) / store_key(uri))
    try:
        described_uri(folder)
    except SpoolDamaged:
        make_private(folder)
        content = {"uri": mask(uri), "needs_credentials": has_secrets(uri), "format": FORMAT}
        write_atomically(folder / "store.json", json.dumps(content).encode())
    return folder


def described_uri(folder: Path) -> tuple[str, bool]:
    """The URI of the store of a spool folder without credentials, and whether it needs some, by its ``store.json``."""
    path = folder / "store.json"
    try:
        content = json.loads(path.read_bytes())
        uri, needs_credentials = content["uri"], content["needs_credentials"]
        # The name of the folder is made of the URI: one that a disk changed does not fit any more.
        if not needs_credentials and store_key(uri) != folder.name:
            raise ValueError("its URI is not that of its folder")
        return uri, bool(needs_credentials)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpoolDamaged(
            f"{path} cannot be read ({type(error).__name__}: {error}); its runs wait: they are stored once a tracker "
            "of their store is made, or by `sync(tracking_uri=...)` with its URI"
        ) from error


def rejections(paths: SegmentPaths) -> list[tuple[str, str, str]]:
    """Run, reason and kind ("run" or "part") of what the store refused for good of a segment."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in paths.rejected.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                run_id, reason, *kind = json.loads(line)
                found.append((str(run_id), str(reason), str(kind[0]) if kind else "run"))
    return found


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file so that readers see the old content or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                fdatasync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def child_environment() -> dict[str, str]:
    """Environment of a child process that imports this package, as this one found it, and works in one thread."""
    root = Path(str(sys.modules["peak_fast"].__file__)).resolve().parents[1]
    search = [str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(search),
        # One thread is enough, and each pool of a library costs memory.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
    }


class SegmentPaths:
    """The files of one segment, see above; by ``request`` the owner asks to be confirmed now."""

    def __init__(self, segment: Path) -> None:
        self.segment = segment
        self.files = segment.with_suffix(".files")
        self.ack = segment.with_suffix(".ack")
        self.ids = segment.with_suffix(".ids")
        self.known = segment.with_suffix(".json")
        self.rejected = segment.with_suffix(".rejected")
        self.request = segment.with_suffix(".flush")

    def delete(self) -> None:
        """Remove everything but ``rejected`` and the ids; the segment first, as its absence means "all confirmed"."""
        self.segment.unlink(missing_ok=True)
        self.keep_ids()
        for path in (self.ack, self.request):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)

    def keep_ids(self) -> None:
        """Keep the ids that the store chose, if there are any, for those who ask after the segment is gone."""
        with contextlib.suppress(FileNotFoundError):
            if self.ids.stat().st_size:
                self.ids.replace(self.known)
            else:
                self.ids.unlink()

    def owned(self) -> bool:
        """Whether the tracker that writes this segment is alive."""
        return is_locked(self.segment)


def remove_strays(folder: Path) -> None:
    """Delete what belongs to segments that are gone: somebody was killed between two deletions."""
    for path in folder.iterdir():
        kind, gone = path.suffix, not path.with_suffix(".seg").exists()
        if kind == ".new":
            gone = age_of(path) > _ABANDONED and not is_locked(path)
        elif kind == ".json":
            gone = path.name != "store.json" and age_of(path) > KNOWN_SECONDS
        if not gone:
            continue
        if kind in (".ack", ".flush", ".new", ".json"):
            path.unlink(missing_ok=True)
        elif kind == ".ids":
            SegmentPaths(path.with_suffix(".seg")).keep_ids()
        elif kind == ".files":
            shutil.rmtree(path, ignore_errors=True)


def age_of(path: Path) -> float:
    """Seconds since a file was changed; endless for one that is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return math.inf


def segments(folder: Path) -> list[Path]:
    """The segments of a store in the order in which they were begun."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".seg")
    except FileNotFoundError:
        return []


@dataclass(slots=True)
class Ack:
    """What the writer says of a segment; times are nanoseconds since the epoch."""

    # Everything before it is in the store.
    offset: int = 0
    # When this was written.
    stamp: int = 0
    # Why the store did not take more; None if it took all.
    error: str | None = None
    # Number of records that the store refuses for good.
    rejected: int = 0
    # When the attempt began that ended with ``error``; 0: not said.
    begun: int = 0


def read_ack(path: Path) -> Ack:
    """The acknowledgement in a file; an empty one, by which everything is applied again, if there is no whole one."""
    try:
        return Ack(**unsealed(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return Ack()


def write_ack(path: Path, ack: Ack) -> None:
    """Write an acknowledgement atomically; one that a power cut takes leads to a second, harmless application."""
    write_atomically(path, sealed(asdict(ack)))
