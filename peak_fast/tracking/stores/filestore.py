"""Parameters, metrics and tags of a new run straight into the folder of an MLflow file store.

MLflow's client looks the run up for every key that it writes, by listing all runs of the experiment: the thousandth
run costs a quarter of a second.  The layout is a file per key and has not changed for years; all the same, the first
run of a process is read back through the client, and a difference sends everything through the client again.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Points = Iterable[tuple[str, float, int, int]]

_FOLDERS = ("params", "metrics", "tags")
# What a system says of a name that cannot be a file here: a folder or file of that name is there, or it is too long.
_NAME_ERRORS = frozenset(
    (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
)


def is_bad_name(error: BaseException) -> bool:
    """Whether an error speaks of the name of one file, and not of the disk: ``a/b`` beside ``a``, a long name."""
    return isinstance(error, OSError) and error.errno in _NAME_ERRORS


def problem(kind: str, key: str, value: str, error: BaseException) -> str:
    """What is said of a value that cannot be stored."""
    return f"{kind[:-1]} {key!r} = {value[:100]}: {type(error).__name__}"


def run_folder(run_id: str, artifacts: Path | None) -> Path | None:
    """Folder of a run whose artifacts lie at a path; None if this is not the usual layout."""
    if artifacts is None:
        return None
    folder = artifacts.parent
    usual = folder.name == run_id and (folder / "meta.yaml").exists()
    return folder if usual and all((folder / name).is_dir() for name in _FOLDERS) else None


def write_values(
    folder: Path, params: Mapping[str, str], metrics: Points, tags: Mapping[str, str]
) -> list[str]:
    """Write a new run's values as MLflow's file store does.

    Returns
    -------
    list of str
        What is to be said of values whose keys cannot be files here; all others are written.

    Raises
    ------
    OSError
        The disk does not take a file.
    """
    problems = []
    lines: dict[str, list[str]] = {}
    for key, value, timestamp, step in metrics:
        lines.setdefault(key, []).append(f"{timestamp} {value} {step}\n")
    contents = (params, {key: "".join(some) for key, some in lines.items()}, tags)
    for name, values in zip(_FOLDERS, contents, strict=True):
        for key, text in values.items():
            path = folder / name / key
            try:
                if "/" in key:
                    path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("w", encoding="utf-8", newline="") as file:
                    file.write(text)
            except OSError as error:
                if not is_bad_name(error):
                    raise
                shown = text if name != "metrics" else text.splitlines()[-1].split()[1]
                problems.append(problem(name, key, shown, error))
    return problems


def differs(run: Any, params: Mapping[str, str], metrics: Points, tags: Mapping[str, str]) -> bool:
    """Whether MLflow reads something else than was written; ``run`` is its ``Run``."""
    latest: dict[str, tuple[int, int, float]] = {}
    for key, value, timestamp, step in metrics:
        point = (step, timestamp, value)
        if key not in latest or point > latest[key]:
            latest[key] = point
    seen = run.data.metrics
    return (
        dict(run.data.params) != dict(params)
        or any(run.data.tags.get(key) != text for key, text in tags.items())
        or seen.keys() != latest.keys()
        or any(seen[key] != value and value == value for key, (_, _, value) in latest.items())
    )


def remove_values(folder: Path, tags: Iterable[str]) -> None:
    """Take back what :func:`write_values` wrote into a new run."""
    for name in ("params", "metrics"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(exist_ok=True)
    for key in tags:
        (folder / "tags" / key).unlink(missing_ok=True)
