"""Updates through MLflow's public client: every store that has no bulk path.

A store of this kind chooses the run ids itself.  What makes a replay exact all the same:

* each run carries our id in the tag ``peak_fast.run_id``;
* the segment's ``.ids`` file says, before a run is created, that it is about to be, and afterwards which id it
  got.  Only a run between these two lines has to be looked up in the store;
* in a database the bulk path may have written the run under our own id before, so that one is looked up, too;
* metric points of a run that was not written in one go are compared with its history first.
"""

from __future__ import annotations

import contextlib
import functools
import re
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from peak_fast.errors import require
from peak_fast.masking import masked
from peak_fast.tracking.spool import RunIds, is_file_store, is_remote, local_path, sqlite_file
from peak_fast.tracking.stores import refusals
from peak_fast.tracking.stores.calls import CALLS, SharedEnvironment, lean
from peak_fast.tracking.stores.experiments import Experiments
from peak_fast.tracking.stores.files import FileWriter
from peak_fast.tracking.stores.in_flight import IN_FLIGHT, PatientClient, patiently, side_by_side
from peak_fast.tracking.stores.refusals import is_failure, is_passing, is_refusal
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
    StoreUnavailable,
    deleted_experiment,
)

# What one request may hold.
MAX_PARAMS = 100
MAX_TAGS = 100
MAX_METRICS = 1_000 - MAX_PARAMS - MAX_TAGS
# What MLflow says of a run that is not there, whatever is asked of it.
_NO_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")

# MLflow's client puts names of artifacts into addresses as they are, and reads them so, too.
_MISREAD = re.compile(r"[#?]|%[0-9A-Fa-f]{2}")
_MISREAD_REASON = "through a server, MLflow takes # and % for signs of an address; use another name"


class ClientStore:
    """Applies updates run by run with ``MlflowClient``.

    ``contact`` is called when mlflow is imported and the store is asked for the first time.
    """

    _keeps_our_ids = False

    def __init__(self, uri: str, contact: Callable[[], None] = lambda: None) -> None:
        self._uri = uri
        self._client = PatientClient(self._connect(contact))
        self._experiments = Experiments(self._client, uri)
        self._roots: dict[str, Path | None] = {}
        # Where a server wants the artifacts of runs that were created here.
        self._targets: dict[str, str] = {}
        # Runs of which the store has nothing but what was written here, in one go.
        self._own: set[str] = set()
        # New runs that nobody has asked the store to create.
        self._fresh: set[str] = set()
        self._parents: dict[str, str] = {}
        self._datasets: set[tuple[str, str]] = set()
        self._new_dataset = threading.Lock()
        self._files_at_once = IN_FLIGHT
        self._is_database = not (is_file_store(uri) or is_remote(uri))

    def _connect(self, contact: Callable[[], None] = lambda: None) -> Any:
        """MLflow's client of a store that answers."""
        # Where MLflow's store puts the artifacts of new experiments: beside an SQLite file, as our own path does.
        # Its default is a folder of the current one; this is the variable by which its server says the same.
        path = sqlite_file(self._uri)
        root = {} if path is None else {"_MLFLOW_SERVER_ARTIFACT_ROOT": (path.parent / "mlruns").as_posix()}
        with CALLS, SharedEnvironment(root):
            return lean(functools.partial(self._opened, contact))

    def _opened(self, contact: Callable[[], None]) -> Any:
        tracking = require("mlflow.tracking", extra="mlflow")
        contact()
        try:
            client = tracking.MlflowClient(tracking_uri=self._uri)
            client.search_experiments(max_results=1)  # makes the tables of an empty database
        except Exception as error:
            raise self._away(error) from error
        return client

    @functools.cached_property
    def _entities(self) -> Any:
        return require("mlflow.entities", extra="mlflow")

    def apply(self, updates: Sequence[RunUpdate], ids: RunIds) -> list[Rejection]:
        """Write updates, see :class:`Store`; when it raises, those before the current one are in the store."""
        # Looked up anew each time: one may have been deleted or restored meanwhile.
        self._experiments.forget()
        self._datasets.clear()

        def work(update: RunUpdate) -> list[Rejection]:
            return refusals.apply(
                lambda pieces: [found for piece in pieces for found in self._write(piece, ids)],
                [update],
                lambda run_id: self._tags(ids.get(run_id) or run_id),
            )

        with CALLS:
            self._files_at_once = max(IN_FLIGHT // max(len(updates), 1), 1)
            self._fresh = {update.run_id for update in updates if self._is_fresh(update, ids)}
            if not self._keeps_our_ids:
                ids.begin(self._fresh)  # before any of them is there
            self._files = FileWriter()
            try:
                if is_remote(self._uri):
                    return side_by_side(work, updates)
                return [rejection for update in updates for rejection in work(update)]
            finally:
                self._files.make_durable()
                ids.keep()

    def upload(self, update: RunUpdate) -> list[Rejection]:
        """Send the artifacts of a run that the store knows under our id."""
        with CALLS:
            try:
                return self._send_files(update.run_id, update)
            except Exception as error:
                if is_refusal(error):
                    raise Refused(self._text(error)) from error
                raise self._away(error) from error

    def close(self) -> None:
        """Nothing is held open."""

    def _text(self, error: BaseException) -> str:
        return masked(f"{type(error).__name__}: {error}", self._uri)[:500]

    def _away(self, error: BaseException) -> StoreUnavailable:
        if isinstance(error, StoreUnavailable):
            return error
        away = StoreUnavailable(self._text(error))
        away.passing = is_passing(error) or is_failure(error)
        return away

    def _there(self, run_id: str) -> Any:
        """A run of the store; None where it has none of this id."""
        try:
            return self._client.get_run(run_id)
        except Exception as error:
            if getattr(error, "error_code", "") in _NO_RUN:
                return None
            raise self._away(error) from error

    def _tags(self, run_id: str) -> dict[str, str]:
        run = self._there(run_id)
        return {} if run is None else dict(run.data.tags)

    def _write(self, update: RunUpdate, ids: RunIds) -> list[Rejection]:
        """Write all of an update; after :class:`Refused`, what comes after the refused part is not there yet."""
        try:
            return self._write_all(update, ids)
        except Exception as error:
            self._own.discard(ids.get(update.run_id) or update.run_id)
            if isinstance(error, Refused):
                raise
            if not is_refusal(error):
                raise self._away(error) from error
            if "Changing param values is not allowed" in str(error) and not update.pieces():
                return []  # one that was logged with another value keeps the first, which the tracker has said
            whole, doubtful = self._is_gone(update, ids), is_failure(error)
            raise Refused(self._text(error), whole=whole, doubtful=doubtful) from error

    def _is_gone(self, update: RunUpdate, ids: RunIds) -> bool:
        """After a refusal: whether the run is not there or deleted; the store takes other things.

        If not, the refusal says nothing, and :class:`StoreUnavailable` is raised.  A deleted experiment raises its own:
        what went away with it comes back with it, so it must wait.
        """
        known = ids.get(update.run_id)
        run_id = known or update.run_id
        try:
            if update.create is not None and known is None:
                self._experiments.forget()
                self._experiments.find(update.create.experiment)
                return False
            run = self._client.get_run(run_id)
            if run.info.lifecycle_stage == "active":
                if known is not None:
                    self._client.set_tag(run_id, OWN_RUN_ID, update.run_id)
                return False
            experiment = self._client.get_experiment(run.info.experiment_id)
        except Exception as error:
            if getattr(error, "error_code", "") in _NO_RUN:
                return True
            raise self._away(error) from error
        if experiment.lifecycle_stage != "active":
            raise deleted_experiment(experiment.name, experiment.experiment_id)
        return True

    def _write_all(self, update: RunUpdate, ids: RunIds) -> list[Rejection]:
        is_new = update.create is not None and ids.get(update.run_id) is None
        run_id = self._run(update, ids)
        is_new = is_new and run_id != update.run_id
        if update.defaults:
            there = {} if is_new else self._tags(run_id)
            update.tags = {k: v for k, v in update.defaults.items() if k not in there} | update.tags
        self._log_values(run_id, update)
        if update.inputs:
            self._log_inputs(run_id, update.inputs)
        rejections = self._write_files(run_id, update)
        if update.end is not None:
            self._client.set_terminated(run_id, update.end[0], update.end[1])
        return rejections

    def _log_values(self, run_id: str, update: RunUpdate) -> None:
        entities = self._entities
        params = [entities.Param(*item) for item in update.params.items()]
        tags = [entities.RunTag(*item) for item in update.tags.items()]
        points = [entities.Metric(*point) for point in self._new_points(run_id, update.metrics)]
        while params or tags or points:
            batch = (points[:MAX_METRICS], params[:MAX_PARAMS], tags[:MAX_TAGS])
            self._client.log_batch(run_id, *batch)
            del points[:MAX_METRICS], params[:MAX_PARAMS], tags[:MAX_TAGS]

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
        if update.run_id in self._fresh:
            self._fresh.discard(update.run_id)  # should this fail, it may be there all the same
        elif not ids.uncertain(update.run_id):
            return update.run_id  # the bulk path wrote it
        else:
            found = self._find(update.run_id, update.create)
            if found is not None:
                ids.done(update.run_id, found)
                return found
        return self._create(update, update.create, ids)

    def _is_fresh(self, update: RunUpdate, ids: RunIds) -> bool:
        """Whether a run is new and the store has not been asked to create it."""
        run_id = update.run_id
        if update.create is None or ids.get(run_id) is not None or ids.uncertain(run_id):
            return False
        return not (self._is_database and self._there(run_id))

    def _create(self, update: RunUpdate, create: Creation, ids: RunIds) -> str:
        names = [key for key in update.tags if key != RUN_NAME][: MAX_TAGS - 2]
        tags = {key: update.tags[key] for key in names}
        experiment = self._experiments.find(create.experiment)
        if create.experiment in self._experiments.renamed:
            tags[refusals.REFUSED] = f"experiment {create.experiment!r}"
        run = self._client.create_run(
            experiment.experiment_id,
            start_time=create.start_ms,
            # First, so that a run is found whose next tag the store refuses when the run is there already.
            tags={OWN_RUN_ID: update.run_id, **tags},
            run_name=update.tags.get(RUN_NAME, create.name),
        )
        store_id = str(run.info.run_id)
        ids.done(update.run_id, store_id)
        for key in (*names, RUN_NAME):
            update.tags.pop(key, None)
        self._own.add(store_id)
        self._place(store_id, str(run.info.artifact_uri))
        return store_id

    def _parent(self, parent: str, update: RunUpdate, ids: RunIds) -> str:
        """The store's id of a parent run, which may have been logged by another tracker or process."""
        known = ids.get(parent) or self._parents.get(parent)
        if known is None:
            known = (self._find(parent, update.create) if update.create else None) or parent
            self._parents[parent] = known
        return known

    def _find(self, run_id: str, create: Creation) -> str | None:
        number = self._experiments.find(create.experiment).experiment_id
        found = self._client.search_runs([number], f"tags.`{OWN_RUN_ID}` = '{run_id}'", max_results=1)
        return str(found[0].info.run_id) if found else None

    def _new_points(
        self, run_id: str, metrics: list[tuple[str, float, int, int]]
    ) -> list[tuple[str, float, int, int]]:
        """The metric points that the store does not have; NaN equals NaN here."""
        if not metrics or run_id in self._own:
            return metrics
        have: set[tuple[str, str, int, int]] = set()
        there = self._client.get_run(run_id).data.metrics
        for key in {point[0] for point in metrics if point[0] in there}:
            for metric in self._client.get_metric_history(run_id, key):
                have.add((key, repr(float(metric.value)), int(metric.timestamp), int(metric.step)))
        return [p for p in metrics if (p[0], repr(float(p[1])), p[2], p[3]) not in have]

    def _log_inputs(self, run_id: str, datasets: list[Dataset]) -> None:
        """A dataset that is new goes alone: of two runs that bring it at once, MLflow's server refuses one."""
        new = {(dataset.name, dataset.digest) for dataset in datasets} - self._datasets
        with self._new_dataset if new else contextlib.nullcontext():
            self._client.log_inputs(run_id, [self._input(dataset) for dataset in datasets])
        self._datasets |= new

    def _input(self, dataset: Dataset) -> Any:
        entities = self._entities
        tags = [entities.InputTag(CONTEXT_TAG, dataset.context)]
        return entities.DatasetInput(dataset=entities.Dataset(**dataset.content()), tags=tags)

    def _place(self, run_id: str, artifact_uri: str) -> Path | None:
        """Note where a run's artifacts go: a local folder, or through the server."""
        if artifact_uri.startswith("mlflow-artifacts:"):
            self._targets[run_id] = artifact_uri
        root = self._roots[run_id] = local_path(artifact_uri)
        return root

    def _write_files(self, run_id: str, update: RunUpdate) -> list[Rejection]:
        if not update.artifacts:
            return []
        if run_id not in self._roots:
            self._place(run_id, str(self._client.get_run(run_id).info.artifact_uri))
        root = self._roots[run_id]
        # A path that a server names is a path of the server's machine.
        if root is None or is_remote(self._uri):
            return self._send_files(run_id, update)
        return refusals.of_files(update.run_id, self._files.write(root, update.artifacts))

    def _send_files(self, run_id: str, update: RunUpdate) -> list[Rejection]:
        files = FileWriter()
        with tempfile.TemporaryDirectory(prefix="peak-fast-") as folder:
            target = self._targets.get(run_id)
            artifacts = update.artifacts
            misread = [] if target is None else [item for item in artifacts if _MISREAD.search(item.path)]
            problems = [(item, f"{item.path}: {_MISREAD_REASON}") for item in misread]
            kept = [item for item in artifacts if item not in misread]
            problems += files.write(Path(folder), kept)
            if target is None:
                self._client.log_artifacts(run_id, folder)
            else:
                # The client would ask the server once more where the run's artifacts go.
                registry = require("mlflow.store.artifact.artifact_repository_registry", extra="mlflow")
                repository = registry.get_artifact_repository(target, tracking_uri=self._uri)

                def send(file: Path) -> None:
                    place = file.parent.relative_to(folder).as_posix()
                    patiently(repository.log_artifact, str(file), None if place == "." else place)

                with ThreadPoolExecutor(self._files_at_once) as pool:
                    list(pool.map(send, files.written))
        return refusals.of_files(update.run_id, problems)
