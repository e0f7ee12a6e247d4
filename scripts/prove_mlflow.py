"""Prove that the bulk path leaves what MLflow's client leaves, for the installed MLflow, and write down that it does.

The same made-up runs are written twice into two fresh databases, by MLflow's client and by our own SQL; then every row
of every table is compared, and ours are read back through the client.  To be run with each new MLflow version::

    python scripts/prove_mlflow.py

The schema then stands in ``proven.json``, and databases of this schema take the bulk path.  The suite compares again
with whatever MLflow is installed (``tests/test_tracking_mlflow_store.py``).
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from peak_fast.tracking.spool import RunIds
from peak_fast.tracking.stores import bulk, template
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.database import Database
from peak_fast.tracking.updates import OWN_RUN_ID, PARENT_RUN_ID, RUN_NAME, USER, Creation, Dataset, RunUpdate

_START = 1_700_000_000_000


def main() -> int:
    """Compare, and write the schema into ``proven.json``; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["PEAK_FAST_SPOOL_DIR"] = name
        found, problem = compare(Path(name))
    if problem is not None:
        sys.stderr.write(f"the two ways differ: {problem}\n")
        return 1
    proven = json.loads(bulk.PROVEN.read_bytes())
    versions = {*proven.get(found, ()), importlib.metadata.version("mlflow")}
    proven[found] = sorted(versions, key=lambda text: [int(part) for part in text.split(".")])
    bulk.PROVEN.write_text(json.dumps(proven, indent=2) + "\n", encoding="utf-8", newline="\n")
    return 0


def compare(work: Path) -> tuple[str, str | None]:
    """Write the same runs both ways; the schema's revision, and the first difference or None."""
    paths = [work / "client.db", work / "bulk.db"]
    for path in paths:
        template.create_database(path, str(work))
    ids, client = RunIds(work / "ids"), ClientStore(uri_of(paths[0]))
    for updates in made_up_runs(work):
        client.apply(updates, ids)
    database = Database(uri_of(paths[1]))
    found = str(database.query("SELECT version_num FROM alembic_version")[0][0])
    store = bulk.BulkStore(database, uri_of(paths[1]))
    for _ in range(2):  # the second pass must change nothing
        for updates in made_up_runs(work):
            rejected = store.apply(updates)
            if rejected:
                return found, f"rejected: {rejected[0].reason}"
    store.close()
    numbers = range(1, 4)
    theirs = rows_of(paths[0], {ids.get(f"{n:032x}") or "": f"run{n}" for n in numbers})
    ours = rows_of(paths[1], {f"{n:032x}": f"run{n}" for n in numbers})
    return found, _difference(theirs, ours) or _read_back(paths[1])


def uri_of(path: Path) -> str:
    """URI of an SQLite file."""
    return f"sqlite:///{path.as_posix()}"


def made_up_runs(work: Path) -> list[list[RunUpdate]]:
    """Runs with everything that a run can have; the later lists continue runs of the first."""
    creation = [Creation("self-test", str(work), f"name {n}", _START + n, "someone") for n in range(3)]
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
    second = [RunUpdate(two, None, {"late": "yes"}, [*steps, *steps[:2]], {"text": "changed"}, [dataset])]
    third = [RunUpdate(two, None, {}, [("curve", 7.0, _START - 5, 1)], {}, [], [], ("FAILED", _START + 70))]
    return [first, second, third]


def rows_of(path: Path, names: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, with what must differ between two databases replaced."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    renamed = dict(names)
    for table, column, order in (
        ("datasets", "dataset_uuid", "name"),
        ("inputs", "input_uuid", "destination_id"),
    ):
        for row in connection.execute(f"SELECT {column}, {order} FROM {table}").fetchall():
            renamed[row[0]] = f"{table} of {names.get(row[1], row[1])}"
    result = {}
    for table in tables:
        rows = []
        for row in connection.execute(f"SELECT * FROM {table}"):
            entry = {key: _neutral(table, key, row[key], renamed) for key in row.keys()}  # noqa: SIM118
            if table != "tags" or entry["key"] != OWN_RUN_ID:
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
    for table in sorted({*expected, *found}):
        left, right = set(expected.get(table, ())), set(found.get(table, ()))
        if expected.get(table) != found.get(table):
            return f"table {table!r}: client only {[*(left - right)][:1]}, bulk only {[*(right - left)][:1]}"
    return None


def _read_back(path: Path) -> str | None:
    """Whether MLflow's client reads the bulk database as it should."""
    from mlflow import MlflowClient

    run = MlflowClient(uri_of(path)).get_run(f"{1:032x}")
    expected = ("name 0", "FINISHED", {"a": "1", "b.c": "[1, 2]"}, 1.5)
    seen = (run.info.run_name, run.info.status, dict(run.data.params), run.data.metrics.get("sharpe"))
    return None if seen == expected else f"read back {seen}, expected {expected}"


if __name__ == "__main__":
    sys.exit(main())
