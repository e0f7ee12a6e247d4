"""Storages of studies one by one: addresses, journals, bulk writes, PostgreSQL, gRPC."""

import contextlib
import gc
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import ConfigError, MissingDependencyError, StoreError  # noqa: E402
from peak_fast.masking import mask  # noqa: E402
from peak_fast.studies.storage import bulk  # noqa: E402
from peak_fast.studies.storage import storage as storage_module  # noqa: E402
from peak_fast.studies.storage.storage import open_storage, quiet_optuna  # noqa: E402
from tests.study_storages import (  # noqa: E402
    ROOT,
    STATE,
    address,
    by_state,
    check_two_workers_of_which_one_dies,
    check_values,
    complete_points,
    finish,
    start_worker,
)
from tests.study_worker import open_study  # noqa: E402

# --- addresses ---------------------------------------------------------------------------------------------


def test_passwords_are_masked():
    assert mask("postgresql://me:secret@host:5432/db") == "postgresql://me:***@host:5432/db"
    assert mask("sqlite:///a.db") == "sqlite:///a.db"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("study.db", ConfigError, r"write 'sqlite:///study\.db'"),
        ("sqlite:////no/such/folder/s.db", ConfigError, "existing folder for the SQLite file"),
        ("journal:///no/such/folder/s.log", ConfigError, "existing folder for the journal file"),
        ("grpc://localhost", (ConfigError, MissingDependencyError), "grpc"),
        (7, ConfigError, "got int"),
        ("oracle9://x/y", StoreError, "expected a database"),
    ],
)
def test_addresses_that_are_refused(given, error, words):
    with pytest.raises(error, match=words):
        open_storage(given)


def test_an_old_optuna_is_named(monkeypatch):
    monkeypatch.setattr(optuna, "__version__", "4.6.0")
    with pytest.raises(MissingDependencyError, match=r"expected optuna 5 or later; got 4\.6\.0"):
        open_storage(None)


@pytest.mark.parametrize(
    ("installed", "opened"),
    [
        (["psycopg2", "psycopg"], "postgresql+psycopg2://me@h/d"),
        (["psycopg"], "postgresql+psycopg://me@h/d"),
        ([], "postgresql://me@h/d"),
    ],
)
def test_postgresql_without_a_driver_means_the_one_that_is_installed(installed, opened, monkeypatch):
    monkeypatch.setattr(storage_module.importlib.util, "find_spec", lambda name: name in installed or None)
    assert storage_module.with_driver("postgresql://me@h/d") == opened
    assert storage_module.with_driver("postgresql+pg8000://me@h/d") == "postgresql+pg8000://me@h/d"


def test_a_database_that_does_not_answer_hides_the_password():
    pytest.importorskip("psycopg2")
    with pytest.raises(StoreError) as caught:
        open_storage("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    assert "me:***@127.0.0.1:1/db" in str(caught.value)


def test_an_open_optuna_storage_may_be_given(tmp_path):
    storage = optuna.storages.RDBStorage(address("sqlite", tmp_path))
    study = open_study(storage, "random")
    study.run(n_trials=20)
    assert by_state(study) == {"COMPLETE": 20}
    storage.engine.dispose()


@pytest.fixture
def connections():
    """Every connection that SQLAlchemy makes, in order: they live on here and can be asked whether they are open."""
    import sqlalchemy as sa

    made = []

    def keep(connection, _record):
        made.append(connection)

    sa.event.listen(sa.engine.Engine, "connect", keep)
    yield made
    sa.event.remove(sa.engine.Engine, "connect", keep)
    for connection in made:
        connection.close()


def is_open(connection):
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


def test_a_dropped_study_closes_its_connections(tmp_path, connections):
    study = open_study(address("sqlite", tmp_path), "random")
    study.run(n_trials=20)
    assert any(map(is_open, connections))  # the pool keeps one for the next call
    del study
    gc.collect()
    assert connections and not any(map(is_open, connections))


def test_a_database_that_cannot_be_a_study_s_is_closed_at_once(tmp_path, connections):
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as base:
        base.execute("CREATE TABLE version_info (x)")
    with pytest.raises(StoreError) as caught:
        open_storage(address("sqlite", tmp_path))
    assert connections and not any(
        map(is_open, connections)
    )  # while the error still holds what was half made
    del caught


def test_a_forked_process_leaves_its_parent_s_connections_open(tmp_path, connections):
    storage = open_storage(address("sqlite", tmp_path)).storage
    storage.get_all_studies()
    before = [connection for connection in connections if is_open(connection)]
    storage_module._close(storage._backend.engine, os.getpid() + 1)
    assert before and all(map(is_open, before))


# --- journal -----------------------------------------------------------------------------------------------


def test_a_torn_last_line_of_a_journal_is_cut(tmp_path):
    storage = address("journal", tmp_path)
    open_study(storage, "random").run(n_trials=16)
    path = tmp_path / "study.log"
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"gone","study_id":0,"datetime')
    study = open_study(storage, "random")
    study.run(n_trials=32)
    assert by_state(study)["COMPLETE"] == 32
    for line in path.read_text().splitlines():
        json.loads(line)
    check_values(study)


def test_a_journal_batch_is_visible_at_once_and_written_at_the_end(tmp_path):
    opened = open_storage(f"journal://{tmp_path}/study.log").storage
    other = open_storage(f"journal://{tmp_path}/study.log").storage
    path = tmp_path / "study.log"
    with quiet_optuna():
        study = optuna.create_study(storage=opened, study_name="a")
    before = path.read_bytes()
    with opened._backend.batch():
        trials = [study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}) for _ in range(5)]
        assert len(study.trials) == 5
        assert path.read_bytes() == before
        assert len(other.get_all_trials(0)) == 0
    assert len(other.get_all_trials(0)) == 5
    for trial in trials:
        study.tell(trial, trial.params["x"])
    assert [t.value for t in other.get_all_trials(0)] == [t.params["x"] for t in trials]
    with pytest.raises(ZeroDivisionError), opened._backend.batch():
        study.set_user_attr("before the error", 1)
        _ = 1 / 0
    assert other.get_study_user_attrs(0) == {"before the error": 1}


def test_a_journal_batch_is_refused_when_another_process_wrote_meanwhile(tmp_path):
    storage = open_storage(f"journal://{tmp_path}/study.log").storage
    path = tmp_path / "study.log"
    with quiet_optuna():
        study = optuna.create_study(storage=storage, study_name="a")
    before = path.read_bytes()
    stranger = re.sub(rb',"crc32":"\w+"', b"", before.replace(b'"a"', b'"b"'))  # as Optuna itself writes it
    with pytest.raises(StoreError, match="another process wrote to it"), storage._backend.batch():
        study.set_user_attr("x", 1)
        (tmp_path / "study.log.lock").unlink()  # the lock of a process that seems dead is taken over
        path.write_bytes(before + stranger)
    assert path.read_bytes() == before + stranger
    again = open_storage(f"journal://{tmp_path}/study.log").storage
    assert [found.study_name for found in again.get_all_studies()] == ["a", "b"]


def test_heartbeats_and_batches_do_not_wait_for_each_other(tmp_path, monkeypatch):
    # Far longer than a busy machine takes.
    monkeypatch.setattr("peak_fast.studies.storage.storage._LOCK_GRACE_SECONDS", 240)
    storage = open_storage(f"journal://{tmp_path}/study.log").storage
    with quiet_optuna():
        study = optuna.create_study(storage=storage, study_name="a")
    stop = threading.Event()

    def beat():
        while not stop.is_set():
            study.set_user_attr("beat", time.time())

    thread = threading.Thread(target=beat)
    thread.start()
    started = time.monotonic()
    for number in range(100):
        with storage._backend.batch():
            study.set_user_attr(f"number {number}", number)
    seconds = time.monotonic() - started
    stop.set()
    thread.join()
    assert seconds < 200.0  # a deadlock would last as long as the grace period of the lock
    assert sum(key.startswith("number") for key in study.user_attrs) == 100


def test_a_journal_is_shared_with_optunas_own_backend(tmp_path):
    ours = open_study(address("journal", tmp_path), "random")
    ours.run(n_trials=20)
    path = str(tmp_path / "study.log")
    plain = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    theirs = optuna.load_study(study_name="shared", storage=plain)
    assert [t.values for t in theirs.trials] == [t.values for t in ours.optuna.trials]
    theirs.enqueue_trial({"fast": 9, "slow": 63})
    ours.run(n_trials=30)
    assert theirs.trials[20].params == {"fast": 9, "slow": 63}
    assert len(theirs.get_trials(states=(STATE.COMPLETE,))) == 30


def test_the_lock_of_a_dead_process_is_taken_over_even_with_a_relative_path(tmp_path, monkeypatch):
    import peak_fast.studies.storage.storage as module

    monkeypatch.setattr(module, "_LOCK_GRACE_SECONDS", 3)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.log").touch()
    (tmp_path / "study.log.lock").symlink_to(tmp_path / "study.log")
    started = time.monotonic()
    study = open_study("journal:study.log", "random")
    study.run(n_trials=8)
    assert time.monotonic() - started < 30
    assert by_state(study) == {"COMPLETE": 8}


# --- bulk writes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_bulk_writes_leave_the_same_tables_as_optunas_own_calls(sampler, tmp_path, monkeypatch):
    tables = {}
    for way in ("bulk", "plain"):
        folder = tmp_path / way
        folder.mkdir()
        with monkeypatch.context() as patch:
            if way == "plain":
                patch.setattr("peak_fast.studies.storage.ledger.writer_for", lambda storage: None)
            study = open_study(address("sqlite", folder), sampler, feasible="sharpe > 0.2")
            assert (study.run(n_trials=40).stopped) == "trials"
        tables[way] = dump(folder / "study.db")
    assert tables["bulk"] == tables["plain"]
    assert len(tables["bulk"]["trials"]) == 40


def dump(path):
    """All rows of a study's tables, without ids, times and worker names."""
    queries = {
        "trials": "select number, state from trials order by number",
        "params": "select number, param_name, param_value, distribution_json from trial_params "
        "join trials using (trial_id) order by number, param_name",
        "values": "select number, objective, value, value_type from trial_values "
        "join trials using (trial_id) order by number, objective",
        "user": "select number, key, value_json from trial_user_attributes join trials using (trial_id) "
        "where key != 'peak_fast:worker' order by number, key",
        "system": "select number, key, value_json from trial_system_attributes join trials using (trial_id) "
        "order by number, key",
    }
    with sqlite3.connect(path) as connection:
        rows = {name: connection.execute(query).fetchall() for name, query in queries.items()}
    connection.close()
    return rows


def test_bulk_writes_step_aside_when_the_schema_is_unknown(tmp_path, monkeypatch):
    storage = open_storage(address("sqlite", tmp_path)).storage
    assert bulk.writer_for(storage) is not None
    from optuna.storages._rdb import models

    monkeypatch.setattr(models, "SCHEMA_VERSION", 13)
    assert bulk.writer_for(storage) is None
    monkeypatch.undo()
    monkeypatch.delattr(models, "TrialValueModel")
    assert bulk.writer_for(storage) is None
    assert bulk.writer_for(optuna.storages.InMemoryStorage()) is None


def test_infinite_and_undefined_metrics_are_stored(tmp_path):
    import numpy as np

    from peak_fast.studies.study import Study
    from tests.study_worker import SCHEMA

    def evaluator(columns, bars, metrics):
        count = len(columns["fast"])
        return {
            "sharpe": np.arange(count, dtype=float),
            "profit_factor": np.full(count, np.inf),
            "sqn": np.full(count, np.nan),
        }

    options = {"storage": address("sqlite", tmp_path), "sampler": "random", "evaluator": evaluator, "seed": 1}
    study = Study(None, None, SCHEMA, metrics=["profit_factor", "sqn"], **options)
    study.run(n_trials=5)
    again = Study(None, None, SCHEMA, metrics=["profit_factor", "sqn"], **options)
    again.run(n_trials=8)
    frame = again.trials
    assert frame["profit_factor"].to_list() == [float("inf")] * 8
    assert frame["sqn"].is_nan().all()


@pytest.mark.parametrize(("module", "package"), [("grpc", "grpcio"), ("google.protobuf", "protobuf")])
def test_a_grpc_storage_names_the_package_that_is_missing(module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", object())
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=f"a gRPC storage needs .* pip install {package}$"):
        open_storage("grpc://127.0.0.1:13000")


def test_a_grpc_proxy_that_does_not_answer(monkeypatch):
    pytest.importorskip("grpc")
    monkeypatch.setattr(storage_module, "_GRPC_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(
        StoreError, match=r"gRPC proxy at grpc://127\.0\.0\.1:1; nothing answered within 0\.2"
    ):
        open_storage("grpc://127.0.0.1:1")


# --- servers -----------------------------------------------------------------------------------------------


@pytest.fixture
def database(postgres):
    """An empty database on the session's PostgreSQL server (Optuna and MLflow cannot share one)."""
    psycopg2 = pytest.importorskip("psycopg2")
    base = postgres.rpartition("/")[0]
    connection = psycopg2.connect(base.replace("+psycopg2", "") + "/postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        name = f"studies_{uuid.uuid4().hex}"
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    return f"{base}/{name}"


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_postgresql_with_two_workers_of_which_one_dies(database, sampler, tmp_path):
    check_two_workers_of_which_one_dies(database, 120, 0.002, sampler, tmp_path)
    plain = open_study(None, "random")
    stored = open_study(database, "random", study_name="second")
    for one in (plain, stored):
        one.run(n_trials=40)
    assert stored.trials.drop("seconds").equals(plain.trials.drop("seconds"))


def test_grpc_proxy(tmp_path):
    pytest.importorskip("grpc")
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import optuna, sys; from peak_fast.studies.storage import open_storage; "
        "optuna.storages.run_grpc_proxy_server("
        "open_storage(sys.argv[1]).storage, host='127.0.0.1', port=int(sys.argv[2]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, address("sqlite", tmp_path), str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        log = tmp_path / "log"
        workers = [start_worker(f"grpc://127.0.0.1:{port}", 60, "grid", 0.0, log) for _ in range(2)]
        for worker in workers:
            assert finish(worker)[0] == "trials"
    finally:
        server.terminate()
        server.wait(timeout=20)
    study = open_study(address("sqlite", tmp_path), "grid")
    assert by_state(study)["COMPLETE"] == 60
    assert set(complete_points(study).values()) == {1}
