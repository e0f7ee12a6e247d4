"""Proof that the bulk path leaves what MLflow's client leaves, once per MLflow version.

The same made-up runs are written twice into two fresh databases, by MLflow's client and by
:class:`~peak_fast.tracking.bulk.BulkStore`; then every row of every table is compared, and the bulk one is
read back through the client.  The verdict is kept in the spool's folder under MLflow's version and a hash of
the bulk path's sources, beside an empty database of that version: a new ``mlflow.db`` starts as its copy,
because MLflow takes two seconds to create one.

The package brings the verdict for the MLflow versions that it was tested with, and the tables of their schema
(:mod:`~peak_fast.tracking.proven`), so that the first flush on a machine does not wait for a self-test.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peak_fast.tracking import proven
from peak_fast.tracking.base import logger
from peak_fast.tracking.bulk import BulkStore, revision, schema_problem
from peak_fast.tracking.client import ClientStore
from peak_fast.tracking.database import SqliteDatabase
from peak_fast.tracking.run_ids import RunIds
from peak_fast.tracking.spool import spool_root, write_atomically
from peak_fast.tracking.updates import OWN_RUN_ID, PARENT_RUN_ID, RUN_NAME, USER, Creation, Dataset, RunUpdate

_SOURCES = ("bulk.py", "database.py", "selftest.py")
_EXPERIMENT = "self-test"
_START = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of the self-test.

    Attributes
    ----------
    revision
        Schema revision that was tested.
    problem
        Why the bulk path must not be used; None if it may.
    template
        File name of the empty database in the cache folder.
    """

    revision: str
    problem: str | None
    template: str = "template.db"


def mlflow_version() -> str | None:
    """Version of the installed MLflow without importing it; None if there is none."""
    for name in ("mlflow", "mlflow-skinny"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


def sources() -> str:
    """Hash of the sources that a verdict speaks of."""
    digest = hashlib.blake2b(digest_size=6)
    for name in _SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Folder of the verdict and the empty database for the installed MLflow and this bulk path."""
    return spool_root() / f"mlflow-{mlflow_version()}-{sources()}"


def verdict() -> Verdict:
    """The verdict for the installed MLflow: kept, brought by the package, or that of a self-test.

    The test takes three seconds and runs in a process of its own: it imports mlflow, 200 MB that a writer would
    otherwise keep.
    """
    folder = cache_folder()
    found = _read(folder) or _proven(folder)
    if found is not None:
        return found
    command = [sys.executable, "-P", "-W", "ignore", "-m", "peak_fast.tracking.selftest"]
    root = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    outcome = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": search, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    found = _read(folder)
    if found is not None:
        return found
    lines = outcome.stderr.decode(errors="replace").strip().splitlines()
    return Verdict("", f"the self-test did not run: {lines[-1] if lines else outcome.returncode}")


def _proven(folder: Path) -> Verdict | None:
    """The verdict that the package brings, with its empty database put into the folder; None if it has none."""
    known = proven.revision_of(mlflow_version(), sources())
    if known is None:
        return None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = Verdict(known, None)
    temporary = folder / f".template.{os.urandom(4).hex()}"
    try:
        proven.create(temporary)
        temporary.replace(folder / found.template)
    finally:
        temporary.unlink(missing_ok=True)
    write_atomically(folder / "verdict.json", json.dumps(asdict(found)).encode())
    return found


def _read(folder: Path) -> Verdict | None:
    try:
        found = json.loads((folder / "verdict.json").read_bytes())
        return Verdict(**found) if (folder / found["template"]).exists() else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def run(folder: Path) -> Verdict:
    """Run the self-test and keep its verdict in a folder."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="peak-fast-selftest-") as name:
        work = Path(name)
        database = work / "client.db"
        if proven.revision() == proven.installed_revision():
            proven.create(database)  # MLflow takes two seconds for the same tables
        reference = ClientStore(_uri(database))
        reference.prepare()
        fresh = work / "fresh.db"
        shutil.copyfile(database, fresh)
        bulk = work / "bulk.db"
        shutil.copyfile(database, bulk)
        connection = SqliteDatabase(bulk)
        tested = revision(connection) or ""
        problem = schema_problem(connection)
        if problem is None:
            try:
                problem = _compare(work, reference, database, connection, bulk)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        connection.close()
        found = Verdict(tested, problem)
        write_atomically(folder / found.template, fresh.read_bytes())
        write_atomically(folder / "verdict.json", json.dumps(asdict(found)).encode())
    if problem is not None:
        logger.warning("the bulk path is not used with this MLflow version: %s", problem)
    return found


def _uri(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"


def create_database(path: Path, folder: str) -> bool:
    """Create an MLflow database as a copy of the empty one; False if somebody else just did.

    Parameters
    ----------
    folder
        Folder whose ``mlruns`` is the default artifact root, as with MLflow's own client.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    found = verdict()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        shutil.copyfile(cache_folder() / found.template, temporary)
        connection = sqlite3.connect(temporary)
        now = int(Path(temporary).stat().st_mtime * 1000)
        connection.execute(
            "UPDATE experiments SET artifact_location = ? || '/' || experiment_id, creation_time = ?, "
            "last_update_time = ?",
            ((Path(folder) / "mlruns").as_posix(), now, now),
        )
        connection.commit()
        connection.close()
        return _place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _place(temporary: Path, path: Path) -> bool:
    """Give a file its name unless there is one of that name."""
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if path.exists():
            return False
        temporary.replace(path)
        return True


def _compare(
    work: Path, reference: ClientStore, database: Path, connection: SqliteDatabase, bulk: Path
) -> str | None:
    """Write the same runs both ways; the first difference, or None."""
    ids = RunIds(work / "ids")
    for updates in _updates(work):
        reference.apply(updates, ids)
    store = BulkStore(connection, lambda update: ["no artifacts are uploaded in the self-test"])
    for _ in range(2):  # the second pass must change nothing
        for updates in _updates(work):
            rejected = store.apply(updates)
            if rejected:
                return f"rejected: {rejected[0].reason}"
    names = {ids.get(f"{n:032x}") or "": f"run{n}" for n in range(1, 4)}
    own = {f"{n:032x}": f"run{n}" for n in range(1, 4)}
    problem = _difference(_rows(database, names), _rows(bulk, own))
    return problem or _read_back(bulk)


def _updates(work: Path) -> list[list[RunUpdate]]:
    """Made-up runs with everything that a run can have; the second list continues runs of the first."""
    creation = [Creation(_EXPERIMENT, str(work), f"name {n}", _START + n, "someone") for n in range(3)]
    dataset = Dataset("bars", "0123456789abcdef", "local", '{"uri": "bars"}', "{}", '{"num_rows": 3}')
    one, two, three = (f"{n:032x}" for n in range(1, 4))
    common = {USER: "someone", "mlflow.source.type": "LOCAL"}
    points = [("sharpe", 1.5, _START, 0), ("nan", math.nan, _START, 0), ("big", -1e300, _START, 3)]
    names = [{**common, RUN_NAME: f"name {n}"} for n in range(3)]
    first = [
        RunUpdate(one, creation[0], {"a": "1", "b.c": "[1, 2]"}, points, names[0], [dataset]),
        RunUpdate(two, creation[1], {"a": "x" * 6_000}, [], {**names[1], "text": "é" * 8_000}),
        RunUpdate(three, creation[2], {}, [], {**names[2], PARENT_RUN_ID: one}, [dataset]),
    ]
    first[0].end, first[2].end = ("FINISHED", _START + 50), ("KILLED", _START + 60)
    steps = [("curve", float(n % 4), _START + n % 2, n // 3) for n in range(12)]
    second = [
        RunUpdate(two, None, {"late": "yes"}, [*steps, *steps[:2]], {"text": "changed"}, [dataset]),
    ]
    third = [RunUpdate(two, None, {}, [("curve", 7.0, _START - 5, 1)], {}, [], [], ("FAILED", _START + 70))]
    return [first, second, third]


def _rows(path: Path, names: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, with what must differ between the two databases replaced."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    renamed = dict(names)
    for table, column in (("datasets", "dataset_uuid"), ("inputs", "input_uuid")):
        order = "name" if table == "datasets" else "destination_id"
        found = connection.execute(f"SELECT {column}, {order} FROM {table}").fetchall()
        for row in found:
            renamed[row[0]] = f"{table} of {names.get(row[1], row[1])}"
    result = {}
    for table in tables:
        rows = []
        for row in connection.execute(f"SELECT * FROM {table}"):
            entry = {key: _neutral(table, key, row[key], renamed) for key in row.keys()}  # noqa: SIM118
            if table == "tags" and entry["key"] == OWN_RUN_ID:
                continue
            rows.append(tuple(sorted((key, repr(value)) for key, value in entry.items())))
        result[table] = sorted(rows)
    connection.close()
    return result


def _neutral(table: str, column: str, value: Any, renamed: dict[str, str]) -> Any:
    if table == "experiments" and column in ("creation_time", "last_update_time", "artifact_location"):
        return type(value).__name__
    if isinstance(value, str):
        if column == "artifact_uri":
            return "/".join(renamed.get(part, part) for part in value.split("/")[-4:])
        return renamed.get(value, value)
    return value


def _difference(expected: dict[str, list[Any]], found: dict[str, list[Any]]) -> str | None:
    for table in sorted(set(expected) | set(found)):
        if expected.get(table) != found.get(table):
            left, right = set(expected.get(table, ())), set(found.get(table, ()))
            return (
                f"table {table!r}: client only {list(left - right)[:1]}, bulk only {list(right - left)[:1]}"
            )
    return None


def _read_back(path: Path) -> str | None:
    """Whether MLflow's client reads the bulk database as it should."""
    store = ClientStore(_uri(path))
    run = store.read_run(f"{1:032x}")
    expected = ("name 0", "FINISHED", {"a": "1", "b.c": "[1, 2]"}, 1.5)
    seen = (run.info.run_name, run.info.status, dict(run.data.params), run.data.metrics.get("sharpe"))
    return None if seen == expected else f"read back {seen}, expected {expected}"


if __name__ == "__main__":
    run(cache_folder())
