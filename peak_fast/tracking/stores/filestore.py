"""Parameters, metrics and tags of a new run straight into the folder of an MLflow file store.

MLflow's client looks the run up for every key that it writes, by listing all runs of the experiment: the thousandth
run costs a quarter of a second.  The layout is a file per key; it is that of MLflow's first version, and the last,
as no new feature goes there any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from peak_fast.tracking.stores.files import has_no_place

_FOLDERS = ("params", "metrics", "tags")


def run_folder(run_id: str, artifacts: Path | None) -> Path | None:
    """Folder of a run whose artifacts lie at a path; None if this is not the usual layout."""
    if artifacts is None:
        return None
    folder = artifacts.parent
    usual = folder.name == run_id and (folder / "meta.yaml").exists()
    return folder if usual and all((folder / name).is_dir() for name in _FOLDERS) else None


def write_values(
    folder: Path,
    params: Mapping[str, str],
    metrics: Iterable[tuple[str, float, int, int]],
    tags: Mapping[str, str],
) -> bool:
    """Write a new run's values as MLflow's file store does; False where a key cannot be a file here.

    Raises
    ------
    OSError
        The disk does not take a file.
    """
    lines: dict[str, str] = {}
    for key, value, timestamp, step in metrics:
        lines[key] = f"{lines.get(key, '')}{timestamp} {value} {step}\n"
    try:
        for name, values in zip(_FOLDERS, (params, lines, tags), strict=True):
            for key, text in values.items():
                path = folder / name / key
                if "/" in key:
                    path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("w", encoding="utf-8", newline="") as file:
                    file.write(text)
    except OSError as error:
        if not has_no_place(error):
            raise
        return False
    return True
