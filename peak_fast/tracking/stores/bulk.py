"""Many runs in one SQL transaction, through MLflow's own tables.

MLflow's client writes a run through 80 ORM statements and 12 commits; the same rows in one transaction cost
a twentieth.  The tables are not a public interface, so this path is taken only where three things hold:

* the database has the schema revision of the installed MLflow (``alembic_version``);
* every column that an insert must fill is one that is known here;
* a self-test (:mod:`peak_fast.tracking.stores.selftest`) has shown, for this MLflow version, that a
run written here
  leaves row for row what MLflow's client leaves.

Everything else goes through :class:`~peak_fast.tracking.stores.client.ClientStore`.

Applying an update twice changes nothing: runs, parameters and metric points are inserted "or ignored" under
MLflow's own primary keys, tags and status are set, the latest value of a metric only moves forward.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peak_fast.tracking.spool import local_path
from peak_fast.tracking.stores.database import Database
from peak_fast.tracking.stores.files import make_durable, prepare, write_artifacts
from peak_fast.tracking.updates import (
    CONTEXT_TAG,
    RUN_NAME,
    Creation,
    Dataset,
    Rejection,
    RunUpdate,
    StoreUnavailable,
    deleted_experiment,
)

# Columns that this module fills, by table.
_METRIC = frozenset(("key", "value", "timestamp", "step", "is_nan", "run_uuid"))
_TEXT = frozenset(("key", "value", "run_uuid"))
KNOWN: dict[str, frozenset[str]] = {
    "experiments": frozenset(
        ("experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time")
    )
    | {"workspace"},
    "runs": frozenset(
        (
            "run_uuid",
            "name",
            "source_type",
            "source_name",
            "entry_point_name",
            "user_id",
            "status",
            "start_time",
        )
    )
    | {"end_time", "deleted_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id"},
    "params": _TEXT,
    "tags": _TEXT,
    "metrics": _METRIC,
    "latest_metrics": _METRIC,
    "datasets": frozenset(
        ("dataset_uuid", "experiment_id", "name", "digest", "dataset_source_type", "dataset_source")
    )
    | {"dataset_schema", "dataset_profile"},
    "inputs": frozenset(
        ("input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step")
    ),
    "input_tags": frozenset(("input_uuid", "name", "value")),
}
_CHUNK = 400

# Sends the artifacts of one run through MLflow's client; returns a message for each that could not be made.
Uploader = Callable[[RunUpdate], list[str]]

_RUN_COLUMNS = (
    "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
    "deleted_time, source_version, lifecycle_stage, artifact_uri, experiment_id"
)
_KEEP = "ON CONFLICT DO NOTHING"
_SET_TAG = "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
_SET_LATEST = (
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, "
    "step = excluded.step, is_nan = excluded.is_nan "
    "WHERE (excluded.step, excluded.timestamp, excluded.value) "
    "> (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
)


def revision(database: Database) -> str | None:
    """The schema revision of an MLflow database; None for an empty one.

    Raises
    ------
    StoreUnavailable
        The database cannot be read.
    """
    if not database.columns("alembic_version"):
        return None
    rows = database.query("SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if len(rows) == 1 else None


def schema_problem(database: Database) -> str | None:
    """Why the tables cannot be filled by this module; None if they can."""
    for table, known in KNOWN.items():
        columns = database.columns(table)
        if not columns:
            return f"there is no table {table!r}"
        missing = [name for name, needed in columns.items() if needed and name not in known]
        if missing:
            return f"table {table!r} needs columns {missing}, which are not known here"
        unknown = known - set(columns) - {"workspace", "step"}
        if unknown:
            return f"table {table!r} lacks columns {sorted(unknown)}"
    return None


@dataclass(slots=True, frozen=True)
class _Run:
    """A run as it stands in the store."""

    experiment_id: int
    artifact_uri: str
    active: bool = True
    exists: bool = False


class BulkStore:
    """Applies updates in one transaction per call.

    Parameters
    ----------
    database
        A connection whose schema was checked (see the module's docstring).
    upload
        For runs whose artifact root is not a local folder.
    base
        Folder whose ``mlruns`` holds the artifacts of new experiments; that of the runs' owner if None.
    """

    def __init__(self, database: Database, upload: Uploader, base: Path | None = None) -> None:
        self._database = database
        self._upload = upload
        self._base = base
        self._experiments: dict[str, tuple[int, str]] = {}
        self._has_workspace = "workspace" in database.columns("experiments")
        self._inputs_have_step = "step" in database.columns("inputs")

    def apply(self, updates: Sequence[RunUpdate]) -> list[Rejection]:
        """Write updates durably: artifacts first, then all rows in one transaction.

        Returns
        -------
        list of Rejection
            Updates of runs that do not exist or are deleted, or that hold a value which no database takes.

        Raises
        ------
        StoreUnavailable
            Nothing of the transaction is in the store.
        """
        try:
            return self._apply(updates)
        except OSError as error:
            raise StoreUnavailable(f"artifact folder: {error}") from error
        except (ArithmeticError, TypeError, ValueError) as error:  # a value that the driver cannot hand over
            if len(updates) == 1:
                reason = f"{type(error).__name__}: {error}"
                return [Rejection(updates[0].run_id, reason[:500])]
            return [rejection for update in updates for rejection in self.apply([update])]

    def _apply(self, updates: Sequence[RunUpdate]) -> list[Rejection]:
        # Experiments are looked up anew each time: one may have been deleted or restored meanwhile.
        self._experiments.clear()
        places = self._places(updates)
        accepted = [update for update in updates if update.run_id in places]
        rejections = [
            Rejection(update.run_id, "the run does not exist in the store, or is deleted")
            for update in updates
            if update.run_id not in places
        ]
        self._write_files(accepted, places)
        self._database.begin()
        try:
            for update in accepted:
                if update.create is not None and update.create.experiment in self._experiments:
                    # Once more, as nobody can delete it from here on; once per experiment.
                    del self._experiments[update.create.experiment]
                    self._find_experiment(update.create.experiment)
            self._write_rows(accepted, places)
            self._database.commit()
        except BaseException:
            self._database.rollback()
            raise
        return rejections

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _places(self, updates: Sequence[RunUpdate]) -> dict[str, _Run]:
        """Where each run is or will be; runs that can take nothing are left out."""
        places = self._existing([update.run_id for update in updates])
        for update in updates:
            if update.create is not None and update.run_id not in places:
                experiment_id, root = self._experiment(update.create)
                uri = f"{root.rstrip('/')}/{update.run_id}/artifacts"
                places[update.run_id] = _Run(experiment_id, uri)
        return {run_id: run for run_id, run in places.items() if run.active}

    def _existing(self, run_ids: Sequence[str]) -> dict[str, _Run]:
        found: dict[str, _Run] = {}
        for start in range(0, len(run_ids), _CHUNK):
            chunk = run_ids[start : start + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            rows = self._database.query(
                "SELECT r.run_uuid, r.experiment_id, r.artifact_uri, r.lifecycle_stage, e.lifecycle_stage, e.name "
                "FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id "
                f"WHERE r.run_uuid IN ({marks})",
                chunk,
            )
            for row in rows:
                if (
                    row[3] != "active" and row[4] != "active"
                ):  # deleted with its experiment, and restored with it
                    raise deleted_experiment(row[5], row[1])
                found[row[0]] = _Run(row[1], row[2] or "", row[3] == "active", True)
        return found

    def _experiment(self, creation: Creation) -> tuple[int, str]:
        """Id and artifact root of the experiment, which is created if need be."""
        known = self._experiments.get(creation.experiment)
        if known is None:
            known = self._find_experiment(creation.experiment) or self._create_experiment(creation)
            self._experiments[creation.experiment] = known
        return known

    def _find_experiment(self, name: str) -> tuple[int, str] | None:
        scope = " AND workspace = 'default'" if self._has_workspace else ""
        rows = self._database.query(
            "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments "
            f"WHERE name = ?{scope}",
            (name,),
        )
        if not rows:
            return None
        if rows[0][2] != "active":
            raise deleted_experiment(name, rows[0][0])
        return int(rows[0][0]), str(rows[0][1])

    def _create_experiment(self, creation: Creation) -> tuple[int, str]:
        database = self._database
        database.begin()
        try:
            found = self._find_experiment(creation.experiment)
            if found is None:
                now = time.time_ns() // 1_000_000
                experiment_id = database.insert_returning(
                    "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) "
                    "VALUES (?, 'active', ?, ?)",
                    (creation.experiment, now, now),
                    "experiment_id",
                )
                root = ((self._base or Path(creation.folder)) / "mlruns").as_posix()
                found = (experiment_id, f"{root}/{experiment_id}")
                database.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                    (found[1], experiment_id),
                )
            database.commit()
        except BaseException:
            database.rollback()
            raise
        return found

    def _write_files(self, updates: Iterable[RunUpdate], places: dict[str, _Run]) -> None:
        written: list[Path] = []
        prepare(artifact for update in updates for artifact in update.artifacts)
        for update in updates:
            if not update.artifacts:
                continue
            root = local_path(places[update.run_id].artifact_uri)
            if root is not None:
                problems = write_artifacts(root, update.artifacts, written)
                if problems:
                    update.tags["peak_fast.artifact_error"] = "; ".join(problems)[:1_000]
        make_durable(written)

    def _write_rows(self, updates: Sequence[RunUpdate], places: dict[str, _Run]) -> None:
        self._insert_runs(updates, places)
        self._insert_values(updates)
        self._insert_inputs(updates, places)
        self._update_runs(updates, places)
        self._upload_files(updates, places)

    def _insert_runs(self, updates: Iterable[RunUpdate], places: dict[str, _Run]) -> None:
        rows = []
        for update in updates:
            create = update.create
            if create is None:
                continue
            place = places[update.run_id]
            name = update.tags.get(RUN_NAME) or create.name
            update.tags[RUN_NAME] = name
            status, end = update.end or ("RUNNING", None)
            rows.append(
                (update.run_id, name, "UNKNOWN", "", "", create.user, status, create.start_ms, end, None, "",
                 "active", place.artifact_uri, place.experiment_id)
            )  # fmt: skip
        self._database.insert(f"INSERT INTO runs ({_RUN_COLUMNS})", _KEEP, rows)

    def _insert_values(self, updates: Iterable[RunUpdate]) -> None:
        params, points, tags, defaults = [], [], [], []
        latest: dict[tuple[str, str], tuple[float, int, int, bool]] = {}
        for update in updates:
            run_id = update.run_id
            params += [(key, value, run_id) for key, value in update.params.items()]
            tags += [(key, value, run_id) for key, value in update.tags.items()]
            defaults += [(key, value, run_id) for key, value in update.defaults.items()]
            for key, value, timestamp, step in update.metrics:
                is_nan = math.isnan(value)
                number = 0.0 if is_nan else value
                points.append((key, number, timestamp, step, is_nan, run_id))
                known = latest.get((key, run_id))
                if known is None or (step, timestamp, number) > (known[2], known[1], known[0]):
                    latest[key, run_id] = (number, timestamp, step, is_nan)
        flag = {False: self._database.boolean(False), True: self._database.boolean(True)}
        database = self._database
        database.insert("INSERT INTO params (key, value, run_uuid)", _KEEP, params)
        database.insert("INSERT INTO tags (key, value, run_uuid)", _SET_TAG, tags)
        database.insert("INSERT INTO tags (key, value, run_uuid)", _KEEP, defaults)
        metric_columns = "(key, value, timestamp, step, is_nan, run_uuid)"
        rows = [(k, v, t, s, flag[n], r) for k, v, t, s, n, r in points]
        database.insert(f"INSERT INTO metrics {metric_columns}", _KEEP, rows)
        rows = [(k, v, t, s, flag[n], r) for (k, r), (v, t, s, n) in latest.items()]
        database.insert(f"INSERT INTO latest_metrics {metric_columns}", _SET_LATEST, rows)

    def _insert_inputs(self, updates: Iterable[RunUpdate], places: dict[str, _Run]) -> None:
        links, contexts = [], []
        known: dict[tuple[int, str, str], str] = {}
        for update in updates:
            place = places[update.run_id]
            for dataset in update.inputs:
                key = (place.experiment_id, dataset.name, dataset.digest)
                if key not in known:
                    known[key] = self._dataset(place.experiment_id, dataset)
                link = self._existing_link(known[key], update.run_id) if place.exists else None
                if link is None:
                    # The id is made from what it links: applying the update again finds the same row.
                    link = uuid.uuid5(uuid.NAMESPACE_OID, f"{known[key]}>{update.run_id}").hex
                    links.append((link, "DATASET", known[key], "RUN", update.run_id))
                contexts.append((link, CONTEXT_TAG, dataset.context))
        columns = "(input_uuid, source_type, source_id, destination_type, destination_id)"
        self._database.insert(f"INSERT INTO inputs {columns}", _KEEP, links)
        self._database.insert("INSERT INTO input_tags (input_uuid, name, value)", _KEEP, contexts)

    def _dataset(self, experiment_id: int, dataset: Dataset) -> str:
        """Id of a dataset of an experiment, which is created if need be."""
        self._database.insert(
            "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, "
            "dataset_source, dataset_schema, dataset_profile)",
            _KEEP,
            [(uuid.uuid4().hex, experiment_id, dataset.name, dataset.digest, dataset.source_type,
              dataset.source, dataset.schema, dataset.profile)],
        )  # fmt: skip
        rows = self._database.query(
            "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?",
            (experiment_id, dataset.name, dataset.digest),
        )
        return str(rows[0][0])

    def _existing_link(self, dataset_uuid: str, run_id: str) -> str | None:
        rows = self._database.query(
            "SELECT input_uuid FROM inputs WHERE source_type = 'DATASET' AND source_id = ? "
            "AND destination_type = 'RUN' AND destination_id = ?",
            (dataset_uuid, run_id),
        )
        return str(rows[0][0]) if rows else None

    def _update_runs(self, updates: Iterable[RunUpdate], places: dict[str, _Run]) -> None:
        """Name and status of runs that existed before; an ended run is not ended a second time."""
        for update in updates:
            if not places[update.run_id].exists:
                continue
            name = update.tags.get(RUN_NAME)
            if name:
                self._database.execute("UPDATE runs SET name = ? WHERE run_uuid = ?", (name, update.run_id))
            if update.end is not None:
                self._database.execute(
                    "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ? AND end_time IS NULL",
                    (*update.end, update.run_id),
                )

    def _upload_files(self, updates: Iterable[RunUpdate], places: dict[str, _Run]) -> None:
        """Send artifacts whose root is not a local folder; MLflow must know the runs by then."""
        remote = [u for u in updates if u.artifacts and local_path(places[u.run_id].artifact_uri) is None]
        if not remote:
            return
        self._database.commit()
        tags = []
        for update in remote:
            problems = self._upload(update)
            if problems:
                tags.append(("peak_fast.artifact_error", "; ".join(problems)[:1_000], update.run_id))
        self._database.begin()
        self._database.insert("INSERT INTO tags (key, value, run_uuid)", _SET_TAG, tags)
