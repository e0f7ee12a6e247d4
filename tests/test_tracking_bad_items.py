"""One bad item, of any kind and in any store: its run keeps the rest and says what it lacks; everybody else goes on."""

import json
import math
import shutil
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from peak_fast.tracking import MLflowTracker, TrackingWarning, spool
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.updates import Creation, RunUpdate
from tests.tracking_stores import Front, Server, WriterInThisProcess, in_front, spool_files

STORES = ["bulk", "client", "files", "http"]
SURROGATE = "a\ud800b"
AWKWARD = [
    SURROGATE,
    "e\x00f",
    "line\nbreak",
    "é" * 300,
    "x" * 3_000,
    "a/../b",
    "/abs",
    "%s' OR 1=1 --",
    "",
    " ",
    "a|b:*?",
]


def runs_by_name(reader_of, uri, experiment):
    return {run.name: run for run in reader_of(uri).runs(experiment)}


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES, indirect=True)
@pytest.mark.parametrize("flushed", [False, True], ids=["at once", "one by one"])
def test_artifacts_without_a_place(store, flushed, experiment, reader_of, spool_dir, tmp_path):
    """A file where a folder must be, a folder where a file must be, twice each."""
    tracker = MLflowTracker(store, experiment)
    told = []
    with tracker.start_run("odd"):
        for name in ("report", "report/details.txt", "fine.txt", "a/b.txt", "a", "report/x/y.txt"):
            tracker.log_text(name, name)
            if flushed:
                with (
                    pytest.warns(TrackingWarning)
                    if name in ("report/details.txt", "a", "report/x/y.txt")
                    else _calm()
                ):
                    tracker.flush()
        tracker.log_metrics({"m": 1.0})
    with tracker.start_run("good"):
        tracker.log_metrics({"m": 2.0})
    if flushed:
        tracker.close()
    else:
        with pytest.warns(TrackingWarning, match="does not take a part of run") as told:
            tracker.close()
        assert len(told) == 3
    runs = runs_by_name(reader_of, store, experiment)
    assert {name: (run.metrics, run.status) for name, run in runs.items()} == {
        "odd": ({"m": 1.0}, "FINISHED"),
        "good": ({"m": 2.0}, "FINISHED"),
    }
    assert reader_of(store).artifacts(runs["odd"].run_id) == ["a/b.txt", "fine.txt", "report"]
    said = runs["odd"].tags["peak_fast.artifact_error"]
    assert all(name in said for name in ("report/details.txt", "report/x/y.txt", "a: "))
    assert "peak_fast.artifact_error" not in runs["good"].tags
    # What has no place in the store is kept.
    kept = {path.read_text() for path in spool_dir.glob("*/*.refused/*/*")}
    assert kept == {"report/details.txt", "a", "report/x/y.txt"}


class _calm:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES, indirect=True)
def test_awkward_names_of_everything(store, experiment, reader_of, spool_dir, tmp_path):
    tracker = MLflowTracker(store, experiment)
    log = [
        lambda name: tracker.log_params({name: 1, "fine": 1}),
        lambda name: tracker.log_params({"value": name}),
        lambda name: tracker.log_metrics({name: 1.0, "fine": 2.0}),
        lambda name: tracker.set_tags({name: "x", "fine": "y"}),
        lambda name: tracker.set_tags({"text": name}),
        lambda name: tracker.log_text("text", name),
        lambda name: tracker.log_figure(b"\x89PNG", name),
    ]
    with pytest.warns() if "mlruns" in store else _calm():  # a file store takes no name above 255 bytes
        for number, name in enumerate(AWKWARD):
            for part, call in enumerate(log):
                with tracker.start_run(f"{number}-{part}"):
                    call(name)
                    tracker.log_metrics({"there": 1.0})
        for name in AWKWARD:
            with tracker.start_run(name):
                tracker.log_metrics({"there": 1.0})
        with tracker.start_run("last"):
            tracker.log_metrics({"there": 1.0})
        tracker.close()
    runs = reader_of(store).runs(experiment)
    assert len(runs) == len(AWKWARD) * (len(log) + 1) + 1
    assert {run.status for run in runs} == {"FINISHED"}
    assert all(run.metrics["there"] == 1.0 for run in runs)
    assert [path for path in spool_files(spool_dir) if path.suffix == ".seg"] == []


@pytest.mark.parametrize("store", ["bulk", "files"], indirect=True)
def test_awkward_names_of_experiments(store, experiment, reader_of, spool_dir):
    trackers = [MLflowTracker(store, f"{name}{experiment}") for name in AWKWARD]
    for number, tracker in enumerate(trackers):
        with tracker.start_run(f"there {number}"):
            tracker.log_metrics({"m": 1.0})
    for tracker in trackers:
        tracker.close()
    client = reader_of(store).client
    with reader_of(store)._quiet():
        ids = [found.experiment_id for found in client.search_experiments()]
        found = sorted(run.info.run_name for run in client.search_runs(ids))
    assert found == sorted(f"there {number}" for number in range(len(AWKWARD)))
    assert len(ids) > len(AWKWARD) - 2  # one may be the default's, and two may be cut to one name
    assert [path for path in spool_files(spool_dir) if path.suffix == ".seg"] == []


@pytest.mark.parametrize("store", ["bulk"], indirect=True)
def test_a_folder_of_artifacts_that_takes_nothing(
    store, experiment, reader_of, spool_dir, tmp_path, monkeypatch
):
    """A place that denies its artifacts keeps nothing else back, and they are not lost."""
    monkeypatch.setattr(Path, "write_bytes", _deny)
    tracker = MLflowTracker(store, experiment, mode="sync")
    with tracker.start_run("denied"):
        tracker.log_text("precious", "a.txt")
        tracker.log_metrics({"m": 1.0})
    with pytest.warns(TrackingWarning, match=r"a\.txt: PermissionError"):
        tracker.close()
    run = runs_by_name(reader_of, store, experiment)["denied"]
    assert (run.metrics, run.status) == ({"m": 1.0}, "FINISHED")
    assert "PermissionError" in run.tags["peak_fast.artifact_error"]
    assert [path.read_text() for path in spool_dir.glob("*/*.refused/*/*")] == ["precious"]


def _deny(*_):
    raise PermissionError(13, "Permission denied")


@pytest.fixture
def refusing(server, request):
    with in_front(Front, server, status=request.param) as uri:
        yield uri


@pytest.mark.slow
@pytest.mark.parametrize("refusing", [400, 403, 413, 500], indirect=True)
def test_a_server_that_refuses_one_item(refusing, experiment, reader_of, spool_dir, server):
    """As a proxy does that knows nothing of MLflow: no word of why, and 413 for a body that is too large."""
    word = Front.word.decode()
    tracker = MLflowTracker(refusing, experiment)
    with tracker.start_run("odd", tags={"before": "x"}):
        tracker.log_params({"a": 1, "p": word, "b": 2})
        tracker.log_metrics({"m": 1.0, word: 2.0})
        tracker.set_tags({"t": word, "u": "fine"})
        tracker.log_text("one", "one.txt")
        tracker.log_text(word, "two.txt")
    with tracker.start_run("good"):
        tracker.log_metrics({"m": 2.0})
    with pytest.warns(TrackingWarning, match="does not take a part of run"):
        tracker.close()
    runs = runs_by_name(reader_of, server.uri, experiment)
    odd = runs["odd"]
    assert (odd.params, odd.metrics, odd.status) == ({"a": "1", "b": "2"}, {"m": 1.0}, "FINISHED")
    assert (odd.tags["before"], odd.tags["u"], "t" in odd.tags) == ("x", "fine", False)
    assert reader_of(server.uri).artifacts(odd.run_id) == ["one.txt"]
    assert "two.txt" in odd.tags["peak_fast.artifact_error"]
    assert (runs["good"].metrics, runs["good"].status) == ({"m": 2.0}, "FINISHED")


@pytest.mark.slow
def test_a_server_over_a_file_store(experiment, reader_of, spool_dir, tmp_path, monkeypatch):
    """It answers 500 for a name that cannot be a file, and then has a half of what it was sent: also of a new run."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    server = Server(tmp_path, str(tmp_path / "served"))
    server.start()
    try:
        tracker = MLflowTracker(server.uri, experiment)
        with tracker.start_run("odd", tags={"t": 1, "t/u": 2, "v": 3}):
            tracker.log_params({"loss": 1, "loss/train": 2, "é" * 200: 3, "fine": 4})
            tracker.log_metrics({"m": 1.0, "m/x": 2.0, "k": 3.0})
        with tracker.start_run("good"):
            tracker.log_metrics({"m": 2.0})
        with pytest.warns(TrackingWarning, match="does not take a part of run") as told:
            tracker.close(120.0)
        runs = runs_by_name(reader_of, server.uri, experiment)
        assert len(reader_of(server.uri).runs(experiment)) == 2
        points = reader_of(server.uri).history(runs["odd"].run_id, "m")
    finally:
        server.stop()
    assert len(told) == 4
    odd = runs["odd"]
    assert (odd.params, odd.metrics, odd.status) == (
        {"loss": "1", "fine": "4"},
        {"m": 1.0, "k": 3.0},
        "FINISHED",
    )
    assert points == [(0, 1.0)], "a point is there twice"
    assert (odd.tags["t"], odd.tags["v"]) == ("1", "3")
    assert all(name in odd.tags["peak_fast.refused"] for name in ("loss/train", "m/x", "t/u", "param 'é"))
    assert (runs["good"].metrics, runs["good"].status) == ({"m": 2.0}, "FINISHED")


@pytest.mark.parametrize("refusing", [429, 502, 503], indirect=True)
def test_a_server_that_is_busy_refuses_nothing(refusing, experiment, spool_dir):
    tracker = MLflowTracker(refusing, experiment)
    tracker.start_run("waits")
    tracker.log_params({"p": Front.word.decode()})
    tracker.end_run()
    with pytest.raises(Exception, match="not all runs are in"):
        tracker.close(20.0)
    assert list(spool_dir.glob("*/*.seg"))
    assert not list(spool_dir.glob("*/*.rejected"))


# --- what a spool says that no tracker writes ---------------------------------------------------------------------


@pytest.fixture
def left(spool_dir, tmp_path, experiment, monkeypatch):
    """``left(*records)``: a segment of a dead process with one run, and these records about it; the store's URI."""
    monkeypatch.setattr("peak_fast.tracking.caller.background.INTERVAL", 0.0)
    monkeypatch.setattr("peak_fast.tracking.catch_up.start_writer", WriterInThisProcess)
    uri = f"sqlite:///{tmp_path}/left.db"

    def make(*records):
        tracker = MLflowTracker(uri, experiment)
        run_id = str.__str__(tracker.start_run("left"))
        for kind, *values in records:
            tracker._channel.append(kind, tuple(run_id if value is ... else value for value in values))
        tracker.log_metrics({"m": 1.0})
        path = tracker._channel.segment.paths.segment
        kept = path.with_suffix(".copy")
        shutil.copyfile(path, kept)
        tracker._channel.abandon()
        kept.replace(path)
        return uri

    return make


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../store.json", "..", ".", "", "a/b", "\x00", "link", 7, b"x"],
    ids=repr,
)
def test_a_record_names_files_of_the_spool_only(name, left, reader_of, experiment, spool_dir, tmp_path):
    (tmp_path / "private.txt").write_text("private")
    uri = left((spool.Kind.ARTIFACT, ..., 1, "copy.txt", name))
    if name == "link":
        (segment,) = spool_dir.glob("*/*.seg")
        folder = segment.with_suffix(".files")
        folder.mkdir(exist_ok=True)
        (folder / "link").symlink_to(tmp_path / "private.txt")
    report = sync()
    assert not report.complete
    assert "no file of the spool" in report.stores[0].rejected[0]
    run = reader_of(uri).run(experiment)
    assert run.metrics == {"m": 1.0}
    assert list(tmp_path.rglob("copy.txt")) == []


@pytest.mark.parametrize("run_id", ["../../up", "a/b", "", "x' OR '1'='1", None, 5, "é", "a" * 300])
def test_a_run_id_is_one(run_id, left, reader_of, experiment, tmp_path):
    uri = left(
        (spool.Kind.START, run_id, 1, "strange", None, None, False),
        (spool.Kind.PARAMS, run_id, 1, {"a": "b"}),
    )
    report = sync()
    assert not report.complete
    assert "is no run id" in str(report)
    assert reader_of(uri).run(experiment).metrics == {"m": 1.0}


@pytest.mark.parametrize(
    "record",
    [
        (spool.Kind.PARAMS, ..., 1),
        (spool.Kind.PARAMS, ..., 1, 5),
        (spool.Kind.METRICS, ..., 1, {"x": 1.0}, 0, 7),
        (spool.Kind.METRICS, ..., "now", {"x": 1.0}, 0, {}),
        (spool.Kind.METRICS, ..., 2**80, {"x": 1.0}, 0, {}),
        (spool.Kind.METRICS, ..., 1, {"x": "text"}, 0, {}),
        (spool.Kind.TAGS, ..., 1, "no"),
        (spool.Kind.RESULT, ..., 1, "bars", 1, None),
        (spool.Kind.BARS, None, 1),
        (spool.Kind.STATIC, None, 1, 2, 3),
        (spool.Kind.RUNS, None, 1, b"x" * 16, None, {}),
        (spool.Kind.ENVIRONMENT, None, 3),
        (99, None),
        (spool.Kind.ARTIFACT, ..., 1),
    ],
    ids=repr,
)
def test_a_record_that_no_tracker_writes_is_refused_alone(record, left, reader_of, experiment, spool_dir):
    uri = left(record)
    sync()
    run = reader_of(uri).run(experiment)
    assert (run.metrics["m"], run.status) == (1.0, "KILLED")
    assert list(spool_dir.glob("*/*.seg")) == []


# --- store.json ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["", '{"uri": "sql', "[]", "7", "null", '{"uri": 5, "needs_credentials": false}', "\udcff",
                '{"uri": "sqlite:////elsewhere.db", "needs_credentials": false}', None]
)  # fmt: skip
def test_a_damaged_description_hides_no_runs(content, left, reader_of, experiment, spool_dir):
    uri = left()
    (path,) = spool_dir.glob("*/store.json")
    if content is None:
        path.unlink()
    else:
        path.write_text(content, errors="surrogateescape")
    for dry_run in (True, False):
        report = sync(dry_run=dry_run)
        assert not report.complete
        (store,) = report.stores
        assert str(path) in store.error
        assert str(report).count("\n") == 0
    assert sync(tracking_uri=uri).complete
    assert reader_of(uri).run(experiment).metrics == {"m": 1.0}
    with MLflowTracker(uri, experiment, run_name="again") as tracker:
        tracker.log_metrics({"m": 2.0})
        assert json.loads(path.read_text())["uri"] == uri


@pytest.mark.parametrize("mode", ["background", "sync"])
def test_numbers_beyond_the_range_of_a_float(mode, spool_dir, tmp_path, experiment, reader_of):
    """They are told as they are: not infinite, not cut, and no error."""
    uri = f"sqlite:///{tmp_path}/big.db"
    big, huge = 10**400, 10**5_000
    tracker = MLflowTracker(uri, experiment, mode=mode)
    with tracker.start_run("big", tags={"at the start": huge}):
        tracker.log_params({"big": big, "huge": huge, "list": [huge], "set": {huge}, "deep": {"er": [big]}})
        tracker.log_metrics(
            {"big": big, "huge": -huge, "decimal": Decimal("1e400"), "fraction": Fraction(big, 3)}
        )
        tracker.log_metrics({"long": np.longdouble("1e4000"), "inf": math.inf, "fine": 1.0})
        with pytest.warns(TrackingWarning, match="64 bits"):
            tracker.log_metrics({"step": 1.0}, step=huge)
        tracker.set_tags({"big": big, "huge": huge})
        tracker.log_dict({"big": big, "huge": huge}, "big.json")
    tracker.close()
    run = reader_of(uri).run(experiment)
    assert run.params["big"] == str(big)
    assert run.params["deep.er"] == f"[{big}]"
    assert int(run.params["huge"], 16) == huge
    assert {name for name, value in run.metrics.items() if value == value} == {"fine", "step"}
    assert run.tags["big"] == str(big)
    assert int(run.tags["huge"], 16) == int(run.tags["at the start"], 16) == huge
    assert (run.tags["metric.decimal"], run.tags["metric.inf"]) == ("1E+400", "inf")
    assert run.tags["fraction"] == str(Fraction(big, 3))
    if np.finfo(np.longdouble).max > 1e308:
        assert run.tags["metric.long"] == "1e+4000"


def test_pieces_say_the_same_as_the_whole():
    update = RunUpdate(
        "r", Creation("e", "f", "n", 1, "u"), {"a": "1", "b": "2"}, [("m", 1.0, 1, 0)], {"t": "x"}
    )
    update.end = ("FINISHED", 2)

    def atoms(piece):
        parts = piece.pieces()
        return [piece] if not parts else [atom for part in parts for atom in atoms(part)]

    found = atoms(update)
    assert [str(atom) for atom in found] == [
        "run 'n'", "param 'a' = 1", "param 'b' = 2", "metric 'm' = 1.0", "tag 't' = x", "status ('FINISHED', 2)",
    ]  # fmt: skip
    assert {key: value for atom in found for key, value in atom.params.items()} == update.params
