"""File stores: new experiments and runs straight into the folders of an MLflow file store, the rest through its client.

MLflow's client looks a run up for every key that it writes, by listing all runs of the experiment: the thousandth
run costs a quarter of a second.  The layout is a folder per run and a file per key; it is that of MLflow's first
version, and the last, as no new feature goes there any more.  A folder without ``meta.yaml`` is no run, so that file is
written last; until then everything can be written again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peak_fast.errors import require
from peak_fast.tracking.spool import RunIds, file_uri_path, local_path
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.files import has_no_place
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
_TRASH = ".trash"
# Names that MLflow may not find by a query, which is how it looks for them.
_ODD_NAME = re.compile(r"[\x00-\x1f'\"`\\%]")
# As MLflow's protocol numbers them.
_STATUSES = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
_LOCAL_SOURCE = 4


class Folders:
    """What MLflow's client says of the experiments of a file store, and that client for everything else.

    ``connect`` gives the client: to import it takes longer than to write a hundred runs.
    """

    def __init__(self, root: Path, connect: Callable[[], Any]) -> None:
        self._root = root
        self._connect = connect
        if not root.exists():
            self._create("0", "Default")
        (root / _TRASH).mkdir(exist_ok=True)

    @functools.cached_property
    def _client(self) -> Any:
        return self._connect()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_experiment_by_name(self, name: str) -> Any:
        """The newest experiment of a name, or None."""
        known = None if _ODD_NAME.search(name) else self._all()
        if known is None:
            return self._client.get_experiment_by_name(name)
        fitting = sorted(
            (found for found in known if found.name == name), key=lambda found: found.experiment_id
        )
        return max(fitting, key=lambda found: found.creation_time or 0, default=None)

    def get_experiment(self, experiment_id: str) -> Any:
        """The experiment of an id."""
        found = _experiment(self._root / experiment_id) or _experiment(self._root / _TRASH / experiment_id)
        return found or self._client.get_experiment(experiment_id)

    def create_experiment(self, name: str) -> str:
        """Id of a new experiment."""
        return self._create(str(10**17 + uuid.uuid4().int % (9 * 10**17)), name)

    def _create(self, number: str, name: str) -> str:
        now = time.time_ns() // 1_000_000
        _write_yaml(self._root / number, {
            "artifact_location": f"{self._root.absolute().as_uri()}/{number}",
            "creation_time": now,
            "experiment_id": number,
            "last_update_time": now,
            "lifecycle_stage": "active",
            "name": name,
        })  # fmt: skip
        return number

    def _all(self) -> list[SimpleNamespace] | None:
        """All experiments, deleted ones too; None where MLflow must say what to do about one."""
        folders = (folder for parent in (self._root, self._root / _TRASH) for folder in parent.iterdir())
        found = [_experiment(folder) for folder in folders if (folder / _META).exists()]
        known = [experiment for experiment in found if experiment is not None]
        return known if len(known) == len(found) else None


def _experiment(folder: Path) -> SimpleNamespace | None:
    """The experiment of a folder; None if there is none that MLflow can have left so."""
    yaml = require("yaml", extra="mlflow")
    try:
        with (folder / _META).open(encoding="utf-8") as file:
            found = SimpleNamespace(
                **{"creation_time": None, **yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))}
            )
        is_whole = found.experiment_id == folder.name and found.name and found.artifact_location
        return found if is_whole and found.lifecycle_stage else None
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError):
        return None


class FolderStore(ClientStore):
    """A file store.  New runs are written under their own ids; what is added to a run goes through the client."""

    _keeps_our_ids = True  # but of runs that are left to MLflow

    def _connect(self, contact: Callable[[], None] = lambda: None) -> Any:
        contact()
        try:
            return Folders(file_uri_path(self._uri), super()._connect)
        except OSError as error:
            raise self._away(error) from error

    def _folder(self, create: Creation) -> tuple[Path, str] | None:
        """Folder of an experiment and its artifact location; None if its artifacts do not lie beside its runs."""
        experiment = self._experiments.find(create.experiment)
        location = experiment.artifact_location
        folder = file_uri_path(self._uri) / experiment.experiment_id
        return (folder, location) if local_path(location) == folder and (folder / _META).exists() else None

    def _is_fresh(self, update: RunUpdate, ids: RunIds) -> bool:
        if not super()._is_fresh(update, ids) or update.create is None:
            return False
        try:
            found = self._folder(update.create)
        except Exception:  # which is said when the run is written
            return True
        return found is None or not (found[0] / update.run_id / _META).exists()

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
        problems = self._files.write(run / "artifacts", update.artifacts)
        try:
            _write_content(folder, update, update.create)
        except Refused:
            shutil.rmtree(run)
            raise
        _write_meta(folder, location, update, update.create)
        self._fresh.discard(update.run_id)
        self._own.add(update.run_id)
        return of_files(update.run_id, problems)


def _write_content(folder: Path, update: RunUpdate, create: Creation) -> None:
    """Write what a new run has, as MLflow's file store does; refused where a key cannot be a file here."""
    run = folder / update.run_id
    update.tags.setdefault(RUN_NAME, create.name)
    for kind in (*_FOLDERS, "artifacts"):
        (run / kind).mkdir(parents=True, exist_ok=True)
    tags = {OWN_RUN_ID: update.run_id, **update.defaults, **update.tags}
    _write_values(run, update, tags)
    for dataset in update.inputs:
        _write_input(folder, run, dataset)


def _write_meta(folder: Path, location: str, update: RunUpdate, create: Creation) -> None:
    """Write the file that makes a folder a run."""
    status, end = update.end or ("RUNNING", None)
    _write_yaml(folder / update.run_id, {
        "artifact_uri": f"{location.rstrip('/')}/{update.run_id}/artifacts",
        "deleted_time": None,
        "end_time": end,
        "entry_point_name": "",
        "experiment_id": folder.name,
        "lifecycle_stage": "active",
        "run_id": update.run_id,
        "run_name": update.tags[RUN_NAME],
        "run_uuid": update.run_id,
        "source_name": "",
        "source_type": _LOCAL_SOURCE,
        "source_version": "",
        "start_time": create.start_ms,
        "status": _STATUSES[status],
        "tags": [],
        "user_id": create.user,
    })  # fmt: skip


def _write_values(run: Path, update: RunUpdate, tags: Mapping[str, str]) -> None:
    lines: dict[str, str] = {}
    for key, value, timestamp, step in update.metrics:
        lines[key] = f"{lines.get(key, '')}{timestamp} {value} {step}\n"
    try:
        for name, values in zip(_FOLDERS, (update.params, lines, tags), strict=True):
            place = f"{run}{os.sep}{name}{os.sep}"
            for key, text in values.items():
                if "/" in key:
                    Path(place + key).parent.mkdir(parents=True, exist_ok=True)
                with open(place + key, "wb") as file:  # noqa: PTH123 - forty times a run
                    file.write(text.encode())
    except OSError as error:
        if not has_no_place(error):
            raise
        raise Refused("a name of it cannot be that of a file") from error


def _write_input(folder: Path, run: Path, dataset: Dataset) -> None:
    own = hashlib.md5(f"{dataset.name}{dataset.digest}".encode(), usedforsecurity=False).hexdigest()
    link = hashlib.md5(f"{own}{run.name}".encode(), usedforsecurity=False).hexdigest()
    if not (folder / "datasets" / own / _META).exists():
        _write_yaml(folder / "datasets" / own, dataset.content())
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
