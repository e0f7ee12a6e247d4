"""Many runs in one SQL transaction, through MLflow's own tables.

MLflow's client writes a run through 80 ORM statements and 12 commits; the same rows in one transaction cost
a twentieth.  The tables are not a public interface, so this path is taken only where both hold:

* the schema of the database (``alembic_version``) is one for which ``scripts/prove_mlflow.py`` has shown that a run
  written here leaves, row for row, what MLflow's client leaves; a test shows it again for the installed MLflow;
* every column that an insert must fill is one that is known here.

Everything else goes through :class:`~peak_fast.tracking.stores.client.ClientStore`.

A segment that somebody began through that client goes on through it, as its runs have other ids there.

Applying an update twice changes nothing: runs, parameters and metric points are inserted "or ignored" under
MLflow's own primary keys, tags and status are set, the latest value of a metric only moves forward.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peak_fast.tracking.spool import RunIds, local_path
from peak_fast.tracking.stores import refusals
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.database import Database, Row
from peak_fast.tracking.stores.files import write_shared
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

# Schemas with which these sources passed, each with the MLflow versions that were tried.
PROVEN = Path(__file__).with_name("proven.json")
_METRIC_COLUMNS = "key, value, timestamp, step, is_nan, run_uuid"
# Columns that this module fills or leaves alone, by table; of most tables, those of every row that it inserts.
KNOWN: dict[str, str] = {
    "experiments": "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time",
    "runs": "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
    "deleted_time, source_version, lifecycle_stage, artifact_uri, experiment_id",
    "params": "key, value, run_uuid",
    "tags": "key, value, run_uuid",
    "metrics": _METRIC_COLUMNS,
    "latest_metrics": _METRIC_COLUMNS,
    "datasets": "dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, "
    "dataset_profile",
    "inputs": "input_uuid, source_type, source_id, destination_type, destination_id",
    "input_tags": "input_uuid, name, value",
}
# Columns of some schemas only.
_OPTIONAL = frozenset(("workspace", "step"))

_KEEP = "ON CONFLICT DO NOTHING"
_SET_TAG = "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
_SET_LATEST = (
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, "
    "step = excluded.step, is_nan = excluded.is_nan "
    "WHERE (excluded.step, excluded.timestamp, excluded.value) "
    "> (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
)


def problem(database: Database) -> str | None:
    """Why the tables of a database cannot be filled by this module; None if they can."""
    if not database.columns("alembic_version"):
        return "it has no tables of MLflow"
    revisions = [row[0] for row in database.query("SELECT version_num FROM alembic_version")]
    if not set(revisions) or not set(revisions) <= json.loads(PROVEN.read_bytes()).keys():
        return f"its schema {revisions} is not one that this version of peak_fast was tested with"
    for table, names in KNOWN.items():
        columns, known = database.columns(table), {*names.split(", "), *_OPTIONAL}
        needed = {name for name, is_needed in columns.items() if is_needed}
        if not needed <= known or not known - _OPTIONAL <= columns.keys():
            return f"the columns of its table {table!r} are not those that are known here"
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

    ``database`` is a connection whose schema was checked (:func:`problem`).  ``uri`` serves runs whose artifact root is
    no local folder: their files go through MLflow's client.  ``mlruns`` in ``base`` holds the artifacts of new
    experiments; without it that in the folder of the runs' owner does.
    """

    def __init__(self, database: Database, uri: str, base: Path | None = None) -> None:
        self._database = database
        self._uri = uri
        self._base = base
        self._client: ClientStore | None = None
        self._experiments: dict[str, tuple[int, str]] = {}
        self._scope = " AND workspace = 'default'" if "workspace" in database.columns("experiments") else ""

    def apply(self, updates: Sequence[RunUpdate], ids: RunIds | None = None) -> list[Rejection]:
        """Write updates durably, see :class:`Store`: artifacts first, then all rows in one transaction."""
        if ids is not None and not ids.empty:
            return self._through_mlflow().apply(updates, ids)
        try:
            return refusals.apply(self._write, updates, self._tags)
        except OSError as error:
            raise StoreUnavailable(f"artifact folder: {error}") from error

    def _write(self, updates: Sequence[RunUpdate]) -> list[Rejection]:
        # Experiments are looked up anew each time: one may have been deleted or restored meanwhile.
        self._experiments.clear()
        places = self._places(updates)
        accepted = [update for update in updates if update.run_id in places]
        rejections = [
            Rejection(update.run_id, "the run does not exist in the store, or is deleted")
            for update in updates
            if update.run_id not in places
        ]
        rejections += self._write_files(accepted, places)  # no row before its files
        with self._database.transaction():
            for name in self._experiments:
                self._find_experiment(name)  # once more, as nobody can delete it from here on
            self._insert_runs(accepted, places)
            self._insert_values(accepted)
            self._insert_inputs(accepted, places)
            self._update_runs(accepted, places)
        for update in accepted:
            if update.artifacts and local_path(places[update.run_id].artifact_uri) is None:
                rejections += self._through_mlflow().upload(update)  # MLflow must know the run by then
        return rejections

    def _through_mlflow(self) -> ClientStore:
        if self._client is None:
            self._client = ClientStore(self._uri)
        return self._client

    def _tags(self, run_id: str) -> dict[str, str]:
        return dict(self._database.query("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,)))

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
        rows = self._database.query(
            "SELECT r.run_uuid, r.experiment_id, r.artifact_uri, r.lifecycle_stage, e.lifecycle_stage, e.name "
            "FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id "
            f"WHERE r.run_uuid IN ({', '.join('?' * len(run_ids))})",
            run_ids,
        )
        for run_id, experiment_id, uri, stage, experiment_stage, name in rows:
            if stage != "active" and experiment_stage != "active":  # deleted with it, and restored with it
                raise deleted_experiment(name, experiment_id)
            found[run_id] = _Run(experiment_id, uri or "", stage == "active", True)
        return found

    def _experiment(self, creation: Creation) -> tuple[int, str]:
        """Id and artifact root of the experiment, which is created if need be."""
        known = self._experiments.get(creation.experiment)
        if known is None:
            known = self._find_experiment(creation.experiment) or self._create_experiment(creation)
            self._experiments[creation.experiment] = known
        return known

    def _find_experiment(self, name: str) -> tuple[int, str] | None:
        rows = self._database.query(
            "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments "
            f"WHERE name = ?{self._scope}",
            (name,),
        )
        if not rows:
            return None
        if rows[0][2] != "active":
            raise deleted_experiment(name, rows[0][0])
        return int(rows[0][0]), str(rows[0][1])

    def _create_experiment(self, creation: Creation) -> tuple[int, str]:
        name, now = creation.experiment, time.time_ns() // 1_000_000
        root = ((self._base or Path(creation.folder)) / "mlruns").as_posix()
        database = self._database
        with database.transaction():
            found = self._find_experiment(name)
            if found is not None:
                return found
            columns = "name, lifecycle_stage, creation_time, last_update_time"
            database.execute(
                f"INSERT INTO experiments ({columns}) VALUES (?, 'active', ?, ?)", (name, now, now)
            )
            ((number,),) = database.query(
                f"SELECT experiment_id FROM experiments WHERE name = ?{self._scope}", (name,)
            )
            place = f"{root}/{number}"
            database.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (place, number)
            )
        return int(number), place

    @staticmethod
    def _write_files(updates: Iterable[RunUpdate], places: dict[str, _Run]) -> list[Rejection]:
        jobs = {
            update.run_id: (root, update.artifacts)
            for update in updates
            if (root := local_path(places[update.run_id].artifact_uri)) is not None and update.artifacts
        }
        said = zip(jobs, write_shared(list(jobs.values())), strict=True)
        return [found for run_id, problems in said for found in refusals.of_files(run_id, problems)]

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
        self._insert("runs", rows)

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
        self._insert("params", params)
        self._insert("tags", tags, _SET_TAG)
        self._insert("tags", defaults)
        self._insert("metrics", points)
        rows = [(k, v, t, s, n, r) for (k, r), (v, t, s, n) in latest.items()]
        self._insert("latest_metrics", rows, _SET_LATEST)

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
        self._insert("inputs", links)
        self._insert("input_tags", contexts)

    def _insert(self, table: str, rows: Sequence[Row], conflict: str = _KEEP) -> None:
        self._database.insert(f"INSERT INTO {table} ({KNOWN[table]})", conflict, rows)

    def _dataset(self, experiment_id: int, dataset: Dataset) -> str:
        """Id of a dataset of an experiment, which is created if need be."""
        self._insert("datasets", [(uuid.uuid4().hex, experiment_id, *dataset.content().values())])
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
