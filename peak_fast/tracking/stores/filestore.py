"""File stores: through MLflow's client, and new runs straight into the folders of an MLflow file store.

MLflow's client looks a run up for every key that it writes, by listing all runs of the experiment: the thousandth
run costs a quarter of a second.  The layout is a folder per run and a file per key; it is that of MLflow's first
version, and the last, as no new feature goes there any more.  A folder without ``meta.yaml`` is no run, so that file is
written last; until then everything can be written again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from peak_fast.errors import require
from peak_fast.tracking.spool import RunIds, local_path
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.files import has_no_place, write_artifacts
from peak_fast.tracking.stores.refusals import REFUSED, of_files
from peak_fast.tracking.updates import (
    CONTEXT_TAG,
    OWN_RUN_ID,
    PARENT_RUN_ID,
    RUN_NAME,
    Creation,
    Dataset,
    Refused,
    Rejection,
    RunUpdate,
)

_FOLDERS = ("params", "metrics", "tags")
_META = "meta.yaml"
# As MLflow's protocol numbers them.
_STATUSES = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
_LOCAL_SOURCE = 4


class FolderStore(ClientStore):
    """A file store.  New runs are written under their own ids; what is added to a run goes through the client."""

    def _folder(self, create: Creation) -> tuple[Path, str] | None:
        """Folder of an experiment and its artifact location; None if its artifacts do not lie beside its runs."""
        number = self._experiments.find(create.experiment)
        location = self._experiments.location(number)
        root = local_path(self._uri)
        folder = None if root is None else root / number
        usual = folder is not None and local_path(location) == folder and (folder / _META).exists()
        return (folder, location) if folder is not None and usual else None

    def _is_fresh(self, update: RunUpdate, ids: RunIds) -> bool:
        if not super()._is_fresh(update, ids) or update.create is None:
            return False
        try:
            found = self._folder(update.create)
        except Exception:  # which is said when the run is written
            return True
        return found is None or not (found[0] / update.run_id / _META).exists()

    def _begin(self, run_ids: set[str], ids: RunIds) -> None:
        """Nothing: only runs that are left to MLflow get other ids."""

    def _write_all(self, update: RunUpdate, ids: RunIds) -> list[Rejection]:
        if update.create is None or update.run_id not in self._fresh:
            return super()._write_all(update, ids)
        found = self._folder(update.create)
        if found is None:
            ids.begin([update.run_id])
            return super()._write_all(update, ids)
        folder, location = found
        parent = update.tags.get(PARENT_RUN_ID)
        if parent and not (folder / parent / _META).exists():
            update.tags[PARENT_RUN_ID] = self._parent(parent, update, ids)
        if update.create.experiment in self._experiments.renamed:
            update.tags[REFUSED] = f"experiment {update.create.experiment!r}"
        run = folder / update.run_id
        self._roots[update.run_id] = run / "artifacts"
        problems = write_artifacts(run / "artifacts", update.artifacts, self._written)
        if not write_run(folder, location, update.create, update):
            shutil.rmtree(run)
            raise Refused("a name of it cannot be that of a file")
        self._fresh.discard(update.run_id)
        self._own.add(update.run_id)
        return of_files(update.run_id, problems)


def write_run(folder: Path, location: str, create: Creation, update: RunUpdate) -> bool:
    """Write a new run as MLflow's file store does, without its artifacts; False where a key cannot be a file here.

    Raises
    ------
    OSError
        The disk does not take a file.
    """
    run = folder / update.run_id
    name = update.tags.get(RUN_NAME, create.name)
    tags = {OWN_RUN_ID: update.run_id, **update.defaults, **update.tags, RUN_NAME: name}
    for kind in (*_FOLDERS, "artifacts"):
        (run / kind).mkdir(parents=True, exist_ok=True)
    if not _write_values(run, update.params, update.metrics, tags):
        return False
    for dataset in update.inputs:
        _write_input(folder, run, dataset)
    status, end = update.end or ("RUNNING", None)
    _write_yaml(run, {
        "artifact_uri": f"{location.rstrip('/')}/{update.run_id}/artifacts",
        "deleted_time": None,
        "end_time": end,
        "entry_point_name": "",
        "experiment_id": folder.name,
        "lifecycle_stage": "active",
        "run_id": update.run_id,
        "run_name": name,
        "run_uuid": update.run_id,
        "source_name": "",
        "source_type": _LOCAL_SOURCE,
        "source_version": "",
        "start_time": create.start_ms,
        "status": _STATUSES[status],
        "tags": [],
        "user_id": create.user,
    })  # fmt: skip
    return True


def _write_values(
    run: Path,
    params: Mapping[str, str],
    metrics: Iterable[tuple[str, float, int, int]],
    tags: Mapping[str, str],
) -> bool:
    lines: dict[str, str] = {}
    for key, value, timestamp, step in metrics:
        lines[key] = f"{lines.get(key, '')}{timestamp} {value} {step}\n"
    try:
        for name, values in zip(_FOLDERS, (params, lines, tags), strict=True):
            place = f"{run}{os.sep}{name}{os.sep}"
            for key, text in values.items():
                if "/" in key:
                    Path(place + key).parent.mkdir(parents=True, exist_ok=True)
                with open(place + key, "wb") as file:  # noqa: PTH123 - forty times a run
                    file.write(text.encode())
    except OSError as error:
        if not has_no_place(error):
            raise
        return False
    return True


def _write_input(folder: Path, run: Path, dataset: Dataset) -> None:
    own = hashlib.md5(f"{dataset.name}{dataset.digest}".encode(), usedforsecurity=False).hexdigest()
    link = hashlib.md5(f"{own}{run.name}".encode(), usedforsecurity=False).hexdigest()
    if not (folder / "datasets" / own / _META).exists():
        fields = ("name", "digest", "source_type", "source", "schema", "profile")
        _write_yaml(folder / "datasets" / own, {name: getattr(dataset, name) for name in fields})
    # MLflow says the dataset's id twice.
    ends = {"source_type": "DATASET", "source_id": own, "destination_type": "RUN", "destination_id": own}
    _write_yaml(run / "inputs" / link, {**ends, "tags": {CONTEXT_TAG: dataset.context}})


def _write_yaml(folder: Path, content: dict[str, Any]) -> None:
    yaml = require("yaml", extra="mlflow")
    form = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{_META}.{os.getpid()}"
    text = yaml.dump(content, default_flow_style=False, allow_unicode=True, Dumper=form)
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(folder / _META)
