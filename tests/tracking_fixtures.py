"""Fixtures of the tracking tests: spool folders and real stores.  Loaded through ``pytest_plugins``.

MLflow is imported once per session (two seconds), its empty database is made once, and
SQLite tests share a database and tell themselves apart by their experiment.
"""

import importlib.util
import os
import shutil
import subprocess
import uuid
import warnings
from pathlib import Path

import pytest

from peak_fast.tracking.stores import template
from tests.tracking_stores import Reader, Server, free_port, use_spool


@pytest.fixture(scope="session")
def mlflow_module():
    """mlflow, imported with its own warnings ignored; tests that need it skip where it is missing."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip(
            "mlflow", reason="mlflow is not installed: pip install 'peak-fast[mlflow]'"
        )
        import mlflow.store.tracking.sqlalchemy_store
        import mlflow.tracking  # noqa: F401
    return module


@pytest.fixture(scope="session")
def empty_database(mlflow_module, tmp_path_factory):
    """Folder with MLflow's empty database, made once per session."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEAK_FAST_SPOOL_DIR", str(root))
        return template.make_template().parent


@pytest.fixture
def spool_dir(tmp_path, monkeypatch, empty_database):
    """A spool of this test's own; the current folder is the test's, too."""
    root = tmp_path / "spool"
    use_spool(monkeypatch, root, empty_database)
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """Folder of the SQLite database that tests share."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def reader_of(mlflow_module):
    """``reader_of(uri)``: a :class:`Reader`, one per store."""
    readers = {}

    def find(uri):
        if uri not in readers:
            readers[uri] = Reader(mlflow_module, uri)
        return readers[uri]

    return find


@pytest.fixture
def experiment():
    """An experiment name of this test's own."""
    return f"test-{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="session")
def server(mlflow_module, empty_database, tmp_path_factory):
    """A running ``mlflow server`` over SQLite with proxied artifacts."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEAK_FAST_SPOOL_DIR", str(empty_database.parent))
        template.create_database(folder / "server.db", str(folder))
    made = Server(folder)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def store(request, tmp_path, monkeypatch, spool_dir):
    """Address of a store: "bulk" and "client" are SQLite, "files" a folder, "http" the server."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr("peak_fast.tracking.caller.mlflow._warned_file_store", True)
    kind = request.param
    if kind == "client":
        monkeypatch.setenv("PEAK_FAST_BULK", "0")
    if kind == "http":
        return request.getfixturevalue("server").uri
    return str(tmp_path / "mlruns") if kind == "files" else f"sqlite:///{tmp_path}/m.db"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """URI of a PostgreSQL server of this session's own; skips where there is no server or no driver."""
    driver = next((name for name in ("psycopg2", "psycopg") if importlib.util.find_spec(name)), None)
    if driver is None:
        pytest.skip("no PostgreSQL driver: pip install psycopg2-binary")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    tools = found[-1].parent
    prefix = []
    if os.geteuid() == 0:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        prefix = ["runuser", "-u", "postgres", "--"]
    folder = Path(subprocess.check_output([*prefix, "mktemp", "-d"], text=True).strip())
    port = free_port()

    def run(*command):
        outcome = subprocess.run([*prefix, *command], cwd="/", capture_output=True, text=True, check=False)
        if outcome.returncode != 0:
            pytest.skip(f"PostgreSQL does not start: {outcome.stderr[-300:]}")

    run(str(tools / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "tester")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    log = str(folder / "log")
    run(str(tools / "pg_ctl"), "-D", str(folder / "data"), "-w", "-l", log, "-o", options, "start")
    run(str(tools / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "tester", "mlflow")
    yield f"postgresql+{driver}://tester:secret-word@127.0.0.1:{port}/mlflow"
    subprocess.run(
        [*prefix, str(tools / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop"],
        cwd="/",
        capture_output=True,
        check=False,
    )
    subprocess.run([*prefix, "rm", "-rf", str(folder)], cwd="/", check=False)
