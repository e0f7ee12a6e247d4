"""Proof that the bulk path leaves what MLflow's client leaves, once per MLflow version; and MLflow's empty database.

The same made-up runs are written twice into two fresh databases, by MLflow's client and by
:class:`~peak_fast.tracking.stores.bulk.BulkStore`; then every row of every table is compared, and the bulk one is
read back through the client.  The verdict is kept in the spool's folder under MLflow's version and a hash of
the bulk path's sources.  The package brings the verdict for the MLflow versions that it was tested with
(``proven.json``), so that the first flush on a machine does not wait for a self-test.

Beside the verdict lies an empty database, which MLflow itself made.  A new ``mlflow.db`` is a copy of it that gets
its name when it is complete: MLflow takes two seconds to make one, and a kill in between leaves tables with which it
never works again.
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
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peak_fast.errors import TrackingError
from peak_fast.tracking.base import logger
from peak_fast.tracking.spool import (
    FolderLock,
    RunIds,
    check_folder,
    child_environment,
    spool_root,
    write_atomically,
)
from peak_fast.tracking.stores.bulk import BulkStore, revision, schema_problem
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.database import LOCK_TIMEOUT, SqliteDatabase
from peak_fast.tracking.updates import OWN_RUN_ID, PARENT_RUN_ID, RUN_NAME, USER, Creation, Dataset, RunUpdate
from peak_kernels.folders import make_private

# Versions of MLflow with which these sources passed, and their schema; written by ``scripts/prove_mlflow.py``.
PROVEN = Path(__file__).with_name("proven.json")
TEMPLATE = "template.db"
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
    """

    revision: str
    problem: str | None


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
    found = _known()
    if found is None:
        problem = _in_process()
        found = _known() or Verdict("", f"the self-test did not run: {problem}")
    return found


def _in_process() -> str:
    """Run :func:`main` in a process of its own; the last line of its errors."""
    outcome = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-m", __name__],
        env=child_environment() | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    lines = outcome.stderr.decode(errors="replace").strip().splitlines() if outcome.stderr else []
    return lines[-1] if lines else str(outcome.returncode)


def _known() -> Verdict | None:
    try:
        return Verdict(**json.loads((check_folder(cache_folder()) / "verdict.json").read_bytes()))
    except (OSError, ValueError, TypeError, TrackingError):
        return _proven()


def _proven() -> Verdict | None:
    """The verdict that the package brings; ``PEAK_FAST_SELFTEST=1`` trusts nothing but a test on this machine."""
    try:
        content = json.loads(PROVEN.read_bytes())
    except (OSError, ValueError):
        return None
    if os.environ.get("PEAK_FAST_SELFTEST") == "1" or content.get("sources") != sources():
        return None
    return Verdict(content["revision"], None) if mlflow_version() in content["mlflow"] else None


def run(folder: Path) -> Verdict:
    """Run the self-test and keep its verdict, and the empty database, in a folder."""
    template = make_template(folder)
    with tempfile.TemporaryDirectory(prefix="peak-fast-selftest-") as name:
        work = Path(name)
        database, bulk = work / "client.db", work / "bulk.db"
        shutil.copyfile(template, database)
        shutil.copyfile(template, bulk)
        connection = SqliteDatabase(bulk)
        tested = revision(connection) or ""
        problem = schema_problem(connection)
        if problem is None:
            try:
                problem = _compare(work, ClientStore(_uri(database)), database, connection, bulk)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        connection.close()
    found = Verdict(tested, problem)
    write_atomically(folder / "verdict.json", json.dumps(asdict(found)).encode())
    if problem is not None:
        logger.warning("the bulk path is not used with this MLflow version: %s", problem)
    return found


def _uri(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process makes a database with the help of this folder."""
    make_private(folder)
    check_folder(folder)
    lock = FolderLock(folder)
    while not lock.acquire():
        time.sleep(0.01)
    try:
        yield
    finally:
        lock.release()


def make_template(folder: Path) -> Path:
    """The empty database in a folder; MLflow makes it elsewhere and in this process, unless it is there."""
    template = folder / TEMPLATE
    with _alone(folder), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        if not template.exists():
            made = Path(name) / TEMPLATE
            ClientStore(_uri(made)).prepare()
            write_atomically(template, made.read_bytes(), durable=True)
    return template


def create_database(path: Path, folder: str) -> bool:
    """Create an MLflow database as a copy of the empty one; False if somebody else just did.

    Parameters
    ----------
    folder
        Folder whose ``mlruns`` is the default artifact root, as with MLflow's own client.

    Raises
    ------
    OSError, sqlite3.Error
        The file cannot be written.
    MissingDependencyError, StoreUnavailable
        MLflow is not there, or does not make a database.
    """
    cache = cache_folder()
    if not (cache / TEMPLATE).exists() and mlflow_version() is not None:
        _in_process()
    template = make_template(cache)  # there, unless the process failed: then this one says why
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        shutil.copyfile(template, temporary)
        with contextlib.closing(sqlite3.connect(temporary)) as connection, connection:
            now = time.time_ns() // 1_000_000
            connection.execute(
                "UPDATE experiments SET artifact_location = ? || '/' || experiment_id, creation_time = ?, "
                "last_update_time = ?",
                ((Path(folder) / "mlruns").as_posix(), now, now),
            )
        with _alone(cache):
            return _place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _place(temporary: Path, path: Path) -> bool:
    """Give a complete database its name; one of that name without tables gets its content."""
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return _fill(path, temporary)
    except OSError:  # a file system without hard links
        if path.exists():
            return _fill(path, temporary)
        temporary.replace(path)
        return True


def _fill(path: Path, source: Path) -> bool:
    """Copy a database into one without tables, in one transaction; False if it has tables."""
    with (
        contextlib.closing(sqlite3.connect(path, LOCK_TIMEOUT, isolation_level=None)) as target,
        contextlib.closing(sqlite3.connect(source)) as origin,
    ):
        target.execute("BEGIN IMMEDIATE")  # closing without a commit forgets it, and so does a kill
        if target.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            return False
        for statement in origin.iterdump():
            if statement not in ("BEGIN TRANSACTION;", "COMMIT;"):
                target.execute(statement)
        target.commit()
    return True


def is_blank(path: Path) -> bool:
    """Whether there is no file, or one without content or tables, in which MLflow would make its own."""
    try:
        if not path.stat().st_size:
            return True
        with contextlib.closing(sqlite3.connect(path, LOCK_TIMEOUT)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    except sqlite3.Error:
        return False  # whoever opens it says why
    except OSError:
        return not path.exists()


def main() -> None:
    """Make the empty database and run the self-test, as far as they are not there: the work of a new process."""
    # Workspaces are an option of a server; the tables are the same.
    os.environ.pop("MLFLOW_ENABLE_WORKSPACES", None)
    folder = cache_folder()
    make_template(folder)
    if _known() is None:
        run(folder)


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
    main()
