"""Secrets of generated addresses, from a tracker and a study to everything that these leave behind.

The writer works in this process, so that hundreds of addresses can be tried; a few are tried with a real one.
"""

import contextlib
import io
import logging
import os
import shutil
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from peak_fast import (
    BacktestConfig,
    BacktestEngine,
    MLflowTracker,
    PeakFastError,
    Sweep,
    masking,
    synthetic,
)
from peak_fast.errors import ConfigError
from peak_fast.studies.storage.storage import open_storage
from peak_fast.tracking.caller import background, launch
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool import spool_root
from peak_fast.tracking.writer.writer import main as write
from tests.secret_uris import DATABASES, SERVERS, Secret, leaks, secret_uris

SCHEMES = (*DATABASES, *SERVERS, "databricks")


class Seen:
    """Everything that anybody could see: messages, logs, standard error, arguments of processes."""

    def __init__(self):
        self.texts = []
        self.handler = logging.Handler()
        self.handler.emit = lambda record: self.texts.append(logging.Formatter().format(record))

    def add(self, *values):
        self.texts.extend(form for value in values for form in (str(value), repr(value)))

    def leaking(self):
        return [text for text in self.texts if leaks(text)]


@pytest.fixture(scope="module")
def seen():
    """Logs of this process, at every level."""
    found, root = Seen(), logging.getLogger()
    level = root.level
    root.addHandler(found.handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(found.handler)
    root.setLevel(level)


class WriterHere:
    """In place of a process: the writer's entry point is called in this one, with the arguments and the log of that."""

    def __init__(self, command, *, env, stderr, stdout=None, **options):
        self.args = command
        before, errors = Path.cwd(), sys.stderr
        place = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            for name, value in env.items():
                patch.setenv(name, value)
            sys.stderr = place
            try:
                self.returncode = write(command[command.index("-m") + 2 :])
            finally:
                sys.stderr = errors
                os.chdir(before)
        stderr.write(place.getvalue().encode("utf-8", "backslashreplace"))

    def poll(self):
        return self.returncode


@pytest.fixture
def writers(monkeypatch):
    """Commands of the writers that were called in this process."""
    commands = []

    class Process:
        PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL

        @staticmethod
        def Popen(command, **options):
            commands.append(command)
            return WriterHere(command, **options)

    monkeypatch.setattr(launch, "subprocess", Process)
    monkeypatch.setattr(
        background, "INTERVAL", 0.0
    )  # a writer of the thread would work beside that of the test
    monkeypatch.setattr(os, "nice", lambda more: more)  # for the rest of the tests, too
    return commands


def files_with_secrets(folder):
    """Names and contents below a folder, but the contents of segments that only their owner reads."""
    for path in folder.rglob("*"):
        if leaks(path.name):
            yield path.name
        private = path.suffix == ".seg" and path.stat().st_mode & 0o077 == 0
        if path.is_file() and not private and leaks(path.read_bytes().decode("utf-8", "replace")):
            yield f"{path.name}: {path.read_text(errors='replace')}"


def track(uri, mode, seen, timeout=20):
    """One tracked run, and everything that is said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _track(uri, mode, seen, timeout)
    seen.add(*(item.message for item in caught))


def _track(uri, mode, seen, timeout):
    try:
        tracker = MLflowTracker(uri, "secret", mode=mode)
        seen.add(tracker)
        with tracker.start_run("a") as run:
            tracker.log_metrics({"m": 1.0})
            tracker.log_params({"p": 1})
        seen.add(run)
        tracker.close(timeout)
    except PeakFastError as error:
        seen.add(error, "".join(traceback.format_exception(error)))


def few(examples):
    """How many addresses are tried; without shrinking, as each takes a while."""
    return settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def check_trackers(seen, writers, secret: Secret):
    masking._remembered.clear()  # as in a process that has worked with one address
    for mode in ("background", "sync"):
        track(secret.uri, mode, seen)
    seen.add(sync(dry_run=True), *writers)
    assert not seen.leaking()
    assert not list(files_with_secrets(spool_root()))
    assert not list(files_with_secrets(Path.cwd()))
    for folder in spool_root().glob("*-*"):
        if not folder.is_symlink():
            shutil.rmtree(folder)


def check_studies(seen, secret: Secret):
    pytest.importorskip("optuna")
    masking._remembered.clear()
    with warnings.catch_warnings(record=True) as caught, pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("always")
        patch.setattr("peak_fast.studies.storage.storage._GRPC_TIMEOUT_SECONDS", 0.01)
        try:
            seen.add(open_storage(secret.uri).label)
        except PeakFastError as error:
            seen.add(error, "".join(traceback.format_exception(error)))
    seen.add(*(item.message for item in caught))
    assert not seen.leaking()


@pytest.mark.slow
@few(40)
@given(secret_uris(SCHEMES))
def test_trackers_show_no_generated_secret(seen, writers, spool_dir, mlflow_module, secret):
    check_trackers(seen, writers, secret)


@few(100)
@given(secret_uris((*DATABASES, "grpc")))
def test_studies_show_no_generated_secret(seen, secret):
    check_studies(seen, secret)


@pytest.mark.nightly
@few(500)
@given(secret_uris(SCHEMES))
def test_trackers_show_none_of_many_generated_secrets(seen, writers, spool_dir, mlflow_module, secret):
    check_trackers(seen, writers, secret)


@pytest.mark.nightly
@few(500)
@given(secret_uris((*DATABASES, "grpc")))
def test_studies_show_none_of_many_generated_secrets(seen, secret):
    check_studies(seen, secret)


REFUSED = [
    "ann:Zq7x@host:5000", "Zq7x@host:5000", "htp://ann:Zq7x@host", "postgres://a:Zq7x@h/x", "sqlite:x.db?password=Zq7x",
    "sqlite:///:memory:?key=Zq7x", "ann:Zq7x/@x.db", "Zq7x:@host", "Zq7x:@host:5000/x",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_addresses_that_are_refused_are_not_repeated(text):
    with pytest.raises(ConfigError) as caught:
        MLflowTracker(text, "x")
    assert not leaks("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("address", ["postgresql://ann:Zq7x@h/x", "s3://k:Zq7x@b/x?sig=Zq7x"])
def test_an_address_is_no_folder(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bars = synthetic(100, seed=1)
    with pytest.raises(ConfigError) as caught:
        Sweep("ma_crossover", {"fast": [5], "slow": [20]}, bars).run(store=address)
    assert not leaks("".join(traceback.format_exception(caught.value)).replace(f"store={address!r}", ""))
    with pytest.raises(ConfigError):
        BacktestEngine().run(bars, "ma_crossover").save(address)
    assert list(tmp_path.iterdir()) == []


def test_settings_show_no_secret(tmp_path):
    uri = "postgresql://ann:Zq7x@h/x"
    settings = BacktestConfig(
        tracking={"enabled": True, "backend": "mlflow", "mlflow": {"tracking_uri": uri}}
    )
    assert "postgresql://ann:***@h/x" in repr(settings)
    assert not leaks(f"{settings!r} {settings} {settings.tracking.mlflow!r}")
    assert settings.tracking.mlflow.tracking_uri == uri
    inner = {"tracking_uri": [uri]}, {"tracking_uri": uri, "mode": "x"}, {uri: 1}, uri
    for wrong in (uri, *({"mlflow": table} for table in inner)):
        with pytest.raises(ConfigError) as caught:
            BacktestConfig(tracking=wrong)
        assert not leaks(str(caught.value))
    path = tmp_path / "settings.toml"
    path.write_text(f"[tracking]\nbackend = 'mlflow'\nmlflow.tracking_uri = '{uri}'\nmlflow.wrong = 1\n")
    with pytest.raises(ConfigError) as caught:
        BacktestConfig.from_toml(path)
    assert not leaks("".join(traceback.format_exception(caught.value)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "uri",
    ["postgresql://ann:Zq7x/Zq7x?Zq7x@127.0.0.1:1/x", "mysql+pymysql://ann:Zq7x/Zq7x@127.0.0.1:1/x",
     "http://ann:Zq7x%2FZq7x@127.0.0.1:1", "databricks://Zq7x@127.0.0.1:1"],
)  # fmt: skip
def test_a_writer_of_its_own_shows_no_secret(uri, spool_dir, monkeypatch, mlflow_module, seen):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "Zq7x-token")
    monkeypatch.setattr(
        "peak_fast.tracking.reach._PORTS", {}
    )  # nobody asks first: the libraries say what they say
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        launch.subprocess, "Popen", lambda command, **rest: started.append(command) or popen(command, **rest)
    )
    track(uri, "background", seen, timeout=30)
    seen.add(*started)
    assert started
    assert (next(spool_dir.glob("*/writer.log"))).stat().st_size > 0
    assert not seen.leaking()
    assert not list(files_with_secrets(spool_dir))


def test_the_way_to_sync_a_store_with_a_password_is_said(spool_dir, mlflow_module):
    uri = "postgresql://ann:Zq7x@127.0.0.1:1/x"
    track(uri, "background", Seen())
    (found,) = sync().stores
    assert "MLFLOW_TRACKING_URI" in found.error
    assert found.uri == "postgresql://ann:***@127.0.0.1:1/x"
