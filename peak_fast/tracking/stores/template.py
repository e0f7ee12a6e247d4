"""New SQLite stores: each a copy of an empty database that MLflow made, with all its tables at once.

MLflow takes two seconds for the tables of a new database and commits them in many steps: killed in between it leaves
a file with which it never works again.  So it makes one elsewhere, once per MLflow version and in a process of its
own (it imports 200 MB), and that one is kept beside the spools.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peak_fast.errors import MissingDependencyError, require
from peak_fast.tracking.spool import check_folder, child_environment, spool_root, write_atomically
from peak_fast.tracking.stores.calls import lean
from peak_fast.tracking.stores.database import LOCK_TIMEOUT
from peak_fast.tracking.updates import StoreUnavailable
from peak_kernels.folders import make_private


def template_path() -> Path:
    """Where the empty database of the installed MLflow is kept: in a folder where nobody else can leave one."""
    import importlib.metadata  # a tenth of a writer's start, and most stores exist

    for name in ("mlflow", "mlflow-skinny"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            folder = spool_root() / f"mlflow-{importlib.metadata.version(name)}"
            make_private(folder)
            return check_folder(folder) / "template.db"
    raise MissingDependencyError(
        "there is no package 'mlflow'; install it with: pip install 'peak-fast[mlflow]'"
    )


def make_template() -> Path:
    """The empty database, which a process of its own makes unless it is there; an error ends with its words."""
    path = template_path()
    if not path.exists():
        command = [sys.executable, "-P", "-W", "ignore", "-m", __name__]
        process = subprocess.run(
            command, env=child_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if not path.exists():
            lines = process.stderr.decode(errors="replace").strip().splitlines() or [str(process.returncode)]
            raise StoreUnavailable(f"MLflow makes no new database: {lines[-1]}")
    return path


def create_database(path: Path, folder: str) -> bool:
    """Give a file that is missing or blank the tables of MLflow; False if it has tables.

    ``mlruns`` in ``folder`` is the default artifact root, as with MLflow's own client.
    """
    template = make_template()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        shutil.copyfile(template, temporary)
        with contextlib.closing(sqlite3.connect(temporary)) as made, made:
            made.execute(
                "UPDATE experiments SET artifact_location = :root || '/' || experiment_id, creation_time = :now, "
                "last_update_time = :now",
                {"root": (Path(folder) / "mlruns").as_posix(), "now": time.time_ns() // 1_000_000},
            )
        try:
            os.link(temporary, path)
            return True
        except OSError:  # a file is there, or the file system has no hard links
            return _fill(path, temporary)
    finally:
        temporary.unlink(missing_ok=True)


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
    """Let MLflow make the empty database, in a temporary folder: the work of a process of its own."""
    # Workspaces are an option of a server; the tables are the same.
    os.environ.pop("MLFLOW_ENABLE_WORKSPACES", None)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    lean(_make)


def _make() -> None:
    path = template_path()
    tracking = require("mlflow.tracking", extra="mlflow")
    sqlalchemy = require("sqlalchemy", extra="mlflow")
    # Only the finished file must survive a power cut.
    sqlalchemy.event.listen(
        sqlalchemy.engine.Engine, "connect", lambda link, _: link.execute("PRAGMA synchronous = OFF")
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        made = Path(name) / path.name
        tracking.MlflowClient(f"sqlite:///{made.as_posix()}").search_experiments(max_results=1)
        write_atomically(path, made.read_bytes(), durable=True)


if __name__ == "__main__":
    main()
