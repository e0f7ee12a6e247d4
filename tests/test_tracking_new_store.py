"""A new SQLite store: made once by MLflow, elsewhere, and complete when it gets its name; whatever is killed."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from peak_fast.errors import TrackingError
from peak_fast.tracking import MLflowTracker
from peak_fast.tracking.caller import background, launch
from peak_fast.tracking.spool.spool import store_folder
from peak_fast.tracking.stores import bulk, template
from peak_fast.tracking.stores.database import Database

# Bytes of the database that MLflow is making when the writer is killed: at its begin, amid its migrations.
MOMENTS = (0, 100_000, 300_000)


def tables(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def wait_for_size(folder, size, process):
    """Until a database below a folder has some size; False where the process ended before."""
    while process.poll() is None:
        for path in folder.glob("**/*.db"):
            with contextlib.suppress(OSError):
                if path.stat().st_size >= size:
                    return True
        time.sleep(0.002)
    return False


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX")
@pytest.mark.parametrize("bulk", ["1", "0"])
def test_kills_while_mlflow_makes_the_database(bulk, tmp_path, monkeypatch, reader_of, experiment):
    making = tmp_path / "making"
    making.mkdir()
    monkeypatch.setenv("TMPDIR", str(making))
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("PEAK_FAST_BULK", bulk)
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    path = tmp_path / "store" / "new.db"
    uri = f"sqlite:///{path}"
    tracker = MLflowTracker(uri, experiment)
    with tracker.start_run("survives"):
        tracker.log_metrics({"value": 1.0})
    seen = 0
    for size in MOMENTS:
        for old in making.glob("*/*"):
            old.unlink()
        process = launch.start_writer(store_folder(uri), uri, str(tmp_path))
        seen += wait_for_size(making, size, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not path.exists()
    assert seen == len(MOMENTS)
    tracker.flush(120.0)
    tracker.close()
    (run,) = reader_of(uri).runs(experiment)
    assert (run.name, run.metrics) == ("survives", {"value": 1.0})
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []


MAKE = """
import sys
from pathlib import Path
from peak_fast.tracking.stores import template
print(template.create_database(Path(sys.argv[1]), "home"))
"""


def parts_of(path):
    """Tables with their columns and constraints in no order: MLflow's own order changes from process to process."""
    return [(name, sorted(re.split(r",?\s*\n\s*|, ", str(text)))) for name, text in tables(path)]


@pytest.mark.slow
def test_processes_that_make_one_store_at_once(tmp_path, monkeypatch, empty_database):
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path / "spool"))
    path = tmp_path / "one.db"
    command = [sys.executable, "-c", MAKE, str(path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate()[0].split()[-1] for process in processes]
    assert sorted(answers) == ["False", "False", "True"]
    assert parts_of(path) == parts_of(empty_database / "template.db")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["one.db", "spool"]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("before", [None, b"", "without tables"])
def test_a_blank_file_becomes_a_store(links, before, tmp_path, monkeypatch, spool_dir, empty_database):
    """An empty file is filled in one transaction; on a file system without hard links, too."""
    path = tmp_path / "blank.db"
    if before == "without tables":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE gone (x)")
            connection.execute("DROP TABLE gone")
        assert path.stat().st_size
    elif before is not None:
        path.write_bytes(before)
    if not links:
        monkeypatch.setattr(
            template.os, "link", lambda *_: (_ for _ in ()).throw(PermissionError("no links"))
        )
    assert template.is_blank(path)
    assert template.create_database(path, "home")
    assert not template.is_blank(path)
    assert not template.create_database(path, "elsewhere")
    assert tables(path) == tables(empty_database / "template.db")
    database = Database(f"sqlite:///{path}")
    assert bulk.problem(database) is None
    assert database.query("SELECT artifact_location FROM experiments") == [("home/mlruns/0",)]
    database.close()


@pytest.mark.parametrize("content", [b"not a database" * 100, "a table of somebody's"])
def test_what_is_there_is_left_alone(content, tmp_path, spool_dir, experiment):
    path = tmp_path / "theirs.db"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE theirs (x)")
            connection.execute("INSERT INTO theirs VALUES (7)")
    assert not template.is_blank(path)
    if isinstance(content, bytes):
        tracker = MLflowTracker(f"sqlite:///{path}", experiment)
        tracker.start_run("waits")
        with pytest.raises(TrackingError, match="nothing is lost"):
            tracker.close()
        assert Path(path).read_bytes() == content
        return
    assert not template.create_database(path, "home")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT x FROM theirs").fetchall() == [(7,)]
