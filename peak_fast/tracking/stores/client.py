"""Updates through MLflow's public client: every store that has no bulk path.

A store of this kind chooses the run ids itself.  What makes a replay exact all the same:

* each run carries our id in the tag ``peak_fast.run_id``;
* the segment's ``.ids`` file says, before a run is created, that it is about to be, and afterwards which id it
  got.  Only a run between these two lines has to be looked up in the store;
* metric points of a run that an earlier process may have touched are compared with its history first.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from peak_fast.errors import require
from peak_fast.masking import masked
from peak_fast.tracking.sanitize import MAX_TAGS_PER_BATCH
from peak_fast.tracking.spool import RunIds, is_file_store, is_remote, local_path, sqlite_artifacts
from peak_fast.tracking.stores import filestore
from peak_fast.tracking.stores.files import make_durable, write_artifacts
from peak_fast.tracking.stores.refusals import REFUSED, is_final, log_values, refused_text, tell
from peak_fast.tracking.updates import (
    CONTEXT_TAG,
    OWN_RUN_ID,
    PARENT_RUN_ID,
    RUN_NAME,
    Creation,
    Dataset,
    Rejection,
    RunUpdate,
    StoreUnavailable,
    deleted_experiment,
)

# MLflow's own retries would block for four minutes on a dead server, and may repeat a request that was
# carried out.  The spool is the retry.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
_FILE_STORE_GATE = {"MLFLOW_ALLOW_FILE_STORE": "true"}


class _SharedEnvironment:
    """Environment variables that hold while at least one call of MLflow's client is under way.

    Threads overlap: the first one sets the variables, the last one puts back what was there.
    """

    def __init__(self, wanted: dict[str, str]) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._users = 0
        self._saved: dict[str, str | None] = {}

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._saved = {name: os.environ.get(name) for name in self._wanted}
                os.environ.update(self._wanted)
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            for name, value in self._saved.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


_CALLS = _SharedEnvironment(_ENVIRONMENT)
_FILE_CALLS = _SharedEnvironment(_FILE_STORE_GATE)


@contextlib.contextmanager
def client_environment(uri: str) -> Iterator[None]:
    """Environment variables for calls of MLflow's client, put back afterwards."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_CALLS)
        if is_file_store(uri):
            stack.enter_context(_FILE_CALLS)
        yield


@contextlib.contextmanager
def _artifact_root(uri: str) -> Iterator[None]:
    """Where MLflow's store puts the artifacts of new experiments: beside an SQLite file, as our own path does.

    MLflow's default is a folder of the current one.  The variable is that by which its server says the same.
    """
    root = sqlite_artifacts(uri)
    if root is None:
        yield
        return
    with _SharedEnvironment({"_MLFLOW_SERVER_ARTIFACT_ROOT": root}):
        yield


class ClientStore:
    """Applies updates run by run with ``MlflowClient``.

    Parameters
    ----------
    uri
        Resolved tracking URI.
    contact
        Called when mlflow is imported and the store is asked for the first time.

    Raises
    ------
    MissingDependencyError
        MLflow is not installed.
    StoreUnavailable
        The store cannot be opened.
    """

    def __init__(self, uri: str, contact: Callable[[], None] = lambda: None) -> None:
        self._uri = uri
        with client_environment(uri):
            tracking = require("mlflow.tracking", extra="mlflow")
            self._entities = require("mlflow.entities", extra="mlflow")
            contact()
            try:
                with _artifact_root(uri):
                    self._client = tracking.MlflowClient(tracking_uri=uri)
            except Exception as error:
                raise StoreUnavailable(self._text(error)) from error
        self._experiments: dict[str, str] = {}
        self._roots: dict[str, Path | None] = {}
        # Where a server wants the artifacts of runs that were created here.
        self._targets: dict[str, str] = {}
        self._own: set[str] = set()
        self._is_file_store = is_file_store(uri)
        # Folders of runs without values, and whether values may be written there; None: not known yet.
        self._new_folders: dict[str, Path] = {}
        self._direct: bool | None = None
        self._parents: dict[str, str] = {}

    def prepare(self) -> None:
        """Make the store create its tables or folders.

        Raises
        ------
        StoreUnavailable
            The store did not answer.
        """
        with client_environment(self._uri):
            try:
                self._client.search_experiments(max_results=1)
            except Exception as error:
                raise StoreUnavailable(self._text(error)) from error

    def read_run(self, run_id: str) -> Any:
        """An MLflow ``Run`` by the store's id."""
        with client_environment(self._uri):
            return self._client.get_run(run_id)

    def apply(self, updates: Sequence[RunUpdate], ids: RunIds) -> list[Rejection]:
        """Write updates; see the class.

        Raises
        ------
        StoreUnavailable
            The store did not answer; updates before the current one are in it.
        """
        rejections: list[Rejection] = []
        # Looked up anew each time: one may have been deleted or restored meanwhile.
        self._experiments.clear()
        with client_environment(self._uri):
            for update in updates:
                try:
                    self._apply_one(update, ids)
                except StoreUnavailable:
                    raise
                except Exception as error:
                    if not is_final(error):
                        raise StoreUnavailable(self._text(error)) from error
                    self._refuse_deleted(update, ids)
                    rejections.append(Rejection(update.run_id, self._text(error)))
        return rejections

    def _refuse_deleted(self, update: RunUpdate, ids: RunIds) -> None:
        """After a refusal: what went away with its experiment comes back with it, so it must wait.

        Raises
        ------
        ExperimentDeleted
            The run's experiment is deleted.
        StoreUnavailable
            The store did not answer.
        """
        try:
            if update.create is not None:
                self._experiments.clear()
                self._experiment(update.create)
                return
            run = self._client.get_run(ids.get(update.run_id) or update.run_id)
            experiment = self._client.get_experiment(run.info.experiment_id)
        except StoreUnavailable:
            raise
        except Exception as error:
            if not is_final(error):
                raise StoreUnavailable(self._text(error)) from error
            return
        if experiment.lifecycle_stage != "active":
            raise deleted_experiment(experiment.name, experiment.experiment_id)

    def upload(self, update: RunUpdate) -> list[str]:
        """Send the artifacts of a run that the store knows under our id.

        Raises
        ------
        StoreUnavailable
            The artifact store did not answer.
        """
        with client_environment(self._uri):
            try:
                return self._send_files(update.run_id, update)
            except Exception as error:
                raise StoreUnavailable(self._text(error)) from error

    def close(self) -> None:
        """Nothing is held open."""

    def _text(self, error: BaseException) -> str:
        return masked(f"{type(error).__name__}: {error}", self._uri)[:500]

    def _apply_one(self, update: RunUpdate, ids: RunIds) -> None:
        is_new = update.create is not None and ids.get(update.run_id) is None
        run_id = self._run(update, ids)
        if update.defaults:
            there = {} if is_new else self._client.get_run(run_id).data.tags
            update.tags = {k: v for k, v in update.defaults.items() if k not in there} | update.tags
        folder = self._new_folders.pop(run_id, None)
        if folder is None or not self._write_values(run_id, folder, update):
            metrics = update.metrics
            if metrics and run_id not in self._own:
                metrics = self._new_points(run_id, metrics)
            log_values(self._client, self._entities, run_id, update, metrics)
        if update.inputs:
            self._client.log_inputs(run_id, [self._input(dataset) for dataset in update.inputs])
        problems = self._write_files(run_id, update)
        if problems:
            self._client.set_tag(run_id, "peak_fast.artifact_error", "; ".join(problems)[:1_000])
        if update.end is not None:
            self._client.set_terminated(run_id, update.end[0], update.end[1])

    def _run(self, update: RunUpdate, ids: RunIds) -> str:
        """The store's id of the run, which is created if need be."""
        known = ids.get(update.run_id)
        parent = update.tags.get(PARENT_RUN_ID)
        if parent:
            update.tags[PARENT_RUN_ID] = self._parent(parent, update, ids)
        if known is not None:
            return known
        if update.create is None:
            return update.run_id  # a run of the user's, joined under the store's own id
        if ids.uncertain(update.run_id):
            found = self._find(update.run_id, update.create)
            if found is not None:
                ids.done(update.run_id, found)
                return found
        else:
            ids.begin(update.run_id)
        store_id, tags = self._create(update, update.create)
        ids.done(update.run_id, store_id)
        for key in tags:
            update.tags.pop(key, None)
        return store_id

    def _create(self, update: RunUpdate, create: Creation) -> tuple[str, list[str]]:
        """Create a run: the store's id, and the tags that it has now."""
        # One by one, each of them dear, in a file store; all in one request elsewhere.
        count = 0 if self._is_file_store else MAX_TAGS_PER_BATCH - 2
        names = [key for key in update.tags if key != RUN_NAME][:count]
        tags = {key: update.tags[key] for key in names}
        run = self._client.create_run(
            self._experiment(create),
            start_time=create.start_ms,
            tags={**tags, OWN_RUN_ID: update.run_id},
            run_name=update.tags.get(RUN_NAME, create.name),
        )
        store_id = str(run.info.run_id)
        self._own.add(store_id)
        root = self._roots[store_id] = local_path(run.info.artifact_uri)
        if str(run.info.artifact_uri).startswith("mlflow-artifacts:"):
            self._targets[store_id] = str(run.info.artifact_uri)
        if self._is_file_store and self._direct is not False:
            folder = filestore.run_folder(store_id, root)
            if folder is not None:
                self._new_folders[store_id] = folder
        return store_id, [*names, RUN_NAME]

    def _write_values(self, run_id: str, folder: Path, update: RunUpdate) -> bool:
        """Write a new run's values into its folder; False if MLflow would not read them from there."""
        problems = filestore.write_values(folder, update.params, update.metrics, update.tags)
        if problems:
            tell(run_id, problems)
            filestore.write_values(folder, {}, (), {REFUSED: refused_text(problems)})
        # A run with refused values says nothing about the layout.
        if self._direct is None and not problems:
            run = self._client.get_run(run_id)
            self._direct = not filestore.differs(run, update.params, update.metrics, update.tags)
            if not self._direct:
                filestore.remove_values(folder, update.tags)
        return self._direct is not False

    def _parent(self, parent: str, update: RunUpdate, ids: RunIds) -> str:
        """The store's id of a parent run, which may have been logged by another tracker or process."""
        known = ids.get(parent) or self._parents.get(parent)
        if known is None:
            known = (self._find(parent, update.create) if update.create else None) or parent
            self._parents[parent] = known
        return known

    def _find(self, run_id: str, create: Creation) -> str | None:
        experiment = self._experiment(create)
        found = self._client.search_runs([experiment], f"tags.`{OWN_RUN_ID}` = '{run_id}'", max_results=1)
        return str(found[0].info.run_id) if found else None

    def _experiment(self, create: Creation) -> str:
        known = self._experiments.get(create.experiment)
        if known is not None:
            return known
        experiment = self._client.get_experiment_by_name(create.experiment)
        if experiment is None:
            try:
                known = str(self._client.create_experiment(create.experiment))
            except Exception:
                experiment = self._client.get_experiment_by_name(create.experiment)
                if experiment is None:
                    raise
        if experiment is not None:
            if experiment.lifecycle_stage != "active":
                raise deleted_experiment(create.experiment, experiment.experiment_id)
            known = str(experiment.experiment_id)
        if known is None:
            raise StoreUnavailable(f"experiment {create.experiment!r} could not be created")
        self._experiments[create.experiment] = known
        return known

    def _new_points(
        self, run_id: str, metrics: list[tuple[str, float, int, int]]
    ) -> list[tuple[str, float, int, int]]:
        """The metric points that the store does not have; NaN equals NaN here."""
        have: set[tuple[str, str, int, int]] = set()
        for key in {point[0] for point in metrics}:
            try:
                history = self._client.get_metric_history(run_id, key)
            except Exception as error:
                if not is_final(error):
                    raise
                continue  # the store has none of this name, and will say why when it is written
            for metric in history:
                have.add((key, repr(float(metric.value)), int(metric.timestamp), int(metric.step)))
        return [p for p in metrics if (p[0], repr(float(p[1])), p[2], p[3]) not in have]

    def _input(self, dataset: Dataset) -> Any:
        entities = self._entities
        tag = entities.InputTag(CONTEXT_TAG, dataset.context)
        content = entities.Dataset(
            name=dataset.name,
            digest=dataset.digest,
            source_type=dataset.source_type,
            source=dataset.source,
            schema=dataset.schema,
            profile=dataset.profile,
        )
        return entities.DatasetInput(dataset=content, tags=[tag])

    def _write_files(self, run_id: str, update: RunUpdate) -> list[str]:
        if not update.artifacts:
            return []
        if run_id not in self._roots:
            self._roots[run_id] = local_path(self._client.get_run(run_id).info.artifact_uri)
        root = self._roots[run_id]
        # A path that a server names is a path of the server's machine.
        if root is None or is_remote(self._uri):
            return self._send_files(run_id, update)
        written: list[Path] = []
        problems = write_artifacts(root, update.artifacts, written)
        make_durable(written)
        return problems

    def _send_files(self, run_id: str, update: RunUpdate) -> list[str]:
        with tempfile.TemporaryDirectory(prefix="peak-fast-") as folder:
            problems = write_artifacts(Path(folder), update.artifacts, [])
            target = self._targets.pop(run_id, None)
            if target is None:
                self._client.log_artifacts(run_id, folder)
            else:
                # The client would ask the server once more where the run's artifacts go.
                registry = require("mlflow.store.artifact.artifact_repository_registry", extra="mlflow")
                repository = registry.get_artifact_repository(target, tracking_uri=self._uri)
                repository.log_artifacts(folder)
        return problems
