"""What this package was tested with: MLflow versions that passed the self-test, and the tables of their schema.

``proven.json`` names the versions, their schema revision and the hash of the sources that were tested;
``proven.sql`` makes an empty database of that revision in 30 ms, as MLflow does in two seconds.  Both are written by
``python -m peak_fast.tracking.proven``, which runs the self-test first; a test compares them with MLflow's own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

_VERDICTS = Path(__file__).with_suffix(".json")
_TABLES = Path(__file__).with_suffix(".sql")
_CONSTRAINTS = ("CONSTRAINT ", "CHECK ", "FOREIGN KEY", "PRIMARY KEY", "UNIQUE ")
_REVISION = re.compile(r"""^(down_)?revision\b[^=\n]*=\s*(?:\(\s*)?["'](\w+)["']""", re.MULTILINE)


def _content() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_VERDICTS.read_bytes())
        return found if _TABLES.exists() else {}
    except (OSError, ValueError):
        return {}


def revision() -> str | None:
    """Revision of the schema that :func:`create` makes; None if the files are not there."""
    found = _content().get("revision")
    return None if found is None else str(found)


def revision_of(version: str | None, sources: str) -> str | None:
    """Schema revision with which an MLflow version passed the self-test of these sources; None: not known.

    ``PEAK_FAST_SELFTEST=1`` trusts nothing but a test on this machine.
    """
    if os.environ.get("PEAK_FAST_SELFTEST") == "1":
        return None
    content = _content()
    passed = content.get("sources") == sources and version in content.get("mlflow", ())
    return str(content["revision"]) if passed else None


def create(path: Path) -> None:
    """Make an empty MLflow database of the known revision in a new file.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(_TABLES.read_text(encoding="utf-8"))
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error


def installed_revision() -> str | None:
    """Newest schema revision of the installed MLflow, read from its migrations; mlflow is not imported."""
    found = importlib.util.find_spec("mlflow")
    if found is None or not found.submodule_search_locations:
        return None
    own: set[str] = set()
    older: set[str] = set()
    for root in found.submodule_search_locations:
        for path in Path(root, "store", "db_migrations", "versions").glob("*.py"):
            for is_older, name in _REVISION.findall(path.read_text(encoding="utf-8")):
                (older if is_older else own).add(name)
    newest = own - older
    return newest.pop() if len(newest) == 1 else None


def dump(path: Path) -> str:
    """An empty database as a script, without what differs from one to the next."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = 'mlruns/0', creation_time = 0, last_update_time = 0"
        )
        statements = [_ordered(text) for text in connection.iterdump()]
    # MLflow creates the indexes of a table in any order
    indexes = sorted(text for text in statements if text.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX")))
    others = [text for text in statements if text not in indexes]
    return "\n".join((*others[:-1], *indexes, others[-1])) + "\n"


def _ordered(statement: str) -> str:
    """A statement that creates a table, with its constraints sorted: SQLAlchemy keeps some of them in sets."""
    if not statement.startswith("CREATE TABLE"):
        return statement
    body, end, rest = statement.rpartition("\n)")
    head, *items = body.split("\n\t")
    parts = [item.rstrip().removesuffix(",") for item in items]
    columns = [part for part in parts if not part.startswith(_CONSTRAINTS)]
    constraints = sorted(part for part in parts if part.startswith(_CONSTRAINTS))
    return "\n\t".join((head, ",\n\t".join((*columns, *constraints)))) + end + rest


def main() -> int:
    """Run the self-test and write down that the installed version passed it; the exit code."""
    from peak_fast.tracking import selftest

    _VERDICTS.unlink(missing_ok=True)  # the tables are to be MLflow's, not those written down before
    with tempfile.TemporaryDirectory() as name:
        found = selftest.run(Path(name))
        if found.problem is not None:
            sys.stderr.write(f"the self-test failed: {found.problem}\n")
            return 1
        _TABLES.write_text(dump(Path(name) / found.template), encoding="utf-8", newline="\n")
    content = {
        "mlflow": [selftest.mlflow_version()],
        "revision": found.revision,
        "sources": selftest.sources(),
    }
    _VERDICTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
