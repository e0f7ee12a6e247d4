"""What a run's surroundings were: user, script, versions, git commit.  Found once per process and folder.

Reading ``.git`` directly takes 50 microseconds where ``git rev-parse`` takes milliseconds; only whether the
work tree is dirty needs git itself, which is started in the background and asked for its answer later.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

from peak_fast.version import __version__

GIT_TIMEOUT = 2.0
_PACKAGES = ("numpy", "numba", "polars", "pandas")


@functools.cache
def user_name() -> str:
    """Name of the user, or ``"unknown"``."""
    try:
        return getpass.getuser()
    except Exception:  # no name for this uid, as in many containers
        return "unknown"


def source_name() -> str:
    """Path of the script that runs, or the interpreter's name in a session without one."""
    first = sys.argv[0] if getattr(sys, "argv", None) else ""
    return first if first not in ("", "-c", "-m") else Path(sys.executable or "python").name


def version_tags() -> dict[str, str]:
    """Versions of Python, of this package and of the libraries that are loaded."""
    tags = {"version.python": platform.python_version(), "version.peak_fast": __version__}
    for name in _PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version:
            tags[f"version.{name}"] = str(version)
    return tags


@functools.lru_cache(maxsize=64)
def git_tags(folder: str) -> dict[str, str]:
    """Commit and branch of the repository that holds a folder, in MLflow's tag names; empty outside of one."""
    found = _git_folder(Path(folder))
    head = None if found is None else _text(found[0] / "HEAD")
    if found is None or head is None:
        return {}
    if not head.startswith("ref:"):
        return {"mlflow.source.git.commit": head}
    reference = head[4:].strip()
    commit = _commit_of(*found, reference)
    if commit is None:
        return {}
    return {
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.branch": reference.removeprefix("refs/heads/"),
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _git_folder(start: Path) -> tuple[Path, Path] | None:
    """The work tree's git folder and the one that it shares with other work trees."""
    for folder in (start, *start.parents):
        entry = folder / ".git"
        if entry.is_dir():
            return entry, entry
        if entry.is_file():
            git = folder / (_text(entry) or "").partition("gitdir:")[2].strip()
            return git, git / (_text(git / "commondir") or "")
    return None


def _commit_of(git: Path, common: Path, reference: str) -> str | None:
    for base in (git, common):
        commit = _text(base / reference)
        if commit is not None:
            return commit
    for line in (_text(common / "packed-refs") or "").splitlines():
        packed, _, name = line.partition(" ")
        if name == reference:
            return packed
    return None


class GitStatus:
    """Whether the work tree around a folder has changes that are not committed; asked in the background."""

    def __init__(self, folder: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answer: dict[str, str] | None = {}
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + GIT_TIMEOUT
        if not git_tags(folder):
            return
        # Neither a lock file nor a rewritten index: asking must not disturb the user's own git commands.
        command = ["git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]
        nothing = subprocess.DEVNULL
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing
            )
            self._answer = None

    def result(self, wait: bool) -> dict[str, str] | None:
        """The tag ``mlflow.source.git.dirty``; None while there is no answer, empty if there never will be.

        ``wait`` allows git two seconds in all, counted from its start.
        """
        with self._lock:
            if self._answer is None and self._process is not None:
                late = time.monotonic() > self._deadline
                if wait or late or self._process.poll() is not None:
                    self._answer = self._collect(self._process)
                    self._process = None
            return self._answer

    def _collect(self, process: subprocess.Popen[bytes]) -> dict[str, str]:
        try:
            output, _ = process.communicate(timeout=max(self._deadline - time.monotonic(), 0.05))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return {}
        if process.returncode != 0:
            return {}
        return {"mlflow.source.git.dirty": "true" if output.strip() else "false"}


_statuses: dict[str, GitStatus] = {}


def git_status(folder: str) -> GitStatus:
    """The question for a folder, asked once per process."""
    status = _statuses.get(folder)
    if status is None:
        status = _statuses.setdefault(folder, GitStatus(folder))
    return status


def collect_all() -> None:
    """At exit: no child process of ours is left without its status being read."""
    for status in _statuses.values():
        status.result(wait=True)


def forget() -> None:
    """In the child of a fork: the parent's child processes are not ours."""
    _statuses.clear()
