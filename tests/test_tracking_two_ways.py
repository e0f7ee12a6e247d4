"""A segment that is written partly by SQL and partly through MLflow's client: each run is in the store once, whole.

A tracker lives longer than its writers, and each writer chooses its way anew: by ``PEAK_FAST_BULK``, and by what it
finds (a new version of MLflow, a schema that was changed).
"""

import pytest

from peak_fast.tracking import MLflowTracker
from peak_fast.tracking.caller import background
from peak_fast.tracking.spool import RunIds
from peak_fast.tracking.stores import open_store
from peak_fast.tracking.stores.bulk import BulkStore
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.writer import SegmentReplay

WAYS = {"sql": ("1", BulkStore), "client": ("0", ClientStore)}
BOTH = pytest.mark.parametrize(("first", "second"), [("sql", "client"), ("client", "sql")])


@pytest.fixture(params=["sqlite", "postgres"])
def tracker(request, spool_dir, tmp_path, monkeypatch, experiment):
    """A tracker whose segment is written by nobody but the test, until it is closed."""
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    uri = f"sqlite:///{tmp_path}/two.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    made = MLflowTracker(uri, experiment)
    made.start_run("first")
    background.unwatch(made._channel)
    yield made
    made.close()


@pytest.fixture
def write(tracker, monkeypatch):
    """``write(way)``: one writer's work on the segment, in this process; its paths."""
    channel = tracker._channel
    segment = channel.segment.paths.segment

    def write(way, *, last=False):
        switch, kind = WAYS[way]
        monkeypatch.setenv("PEAK_FAST_BULK", switch)
        if last:
            channel.drop()  # as for one that is forgotten: nobody starts a writer
        replay = SegmentReplay(segment)
        assert replay.read_header()
        store = open_store(channel.uri, channel.home)
        if way == "sql" and not isinstance(store, kind):
            pytest.skip("the schema of this MLflow is not one for SQL of our own")
        assert isinstance(store, kind)
        progress = replay.run(store, orphan=False)
        store.close()
        assert (progress.rejected, progress.refused, progress.done) == ([], [], last)
        return replay.paths

    yield write
    if segment.exists():
        write("sql", last=True)


def seen(tracker, reader_of):
    runs = reader_of(tracker.tracking_uri).runs(tracker.experiment_name)
    names = [run.name for run in runs]
    assert len(set(names)) == len(names), names
    return dict(zip(names, runs, strict=True))


@BOTH
def test_a_run_that_one_way_began_is_ended_by_the_other(first, second, tracker, write, reader_of):
    tracker.log_metrics({"value": 1.0}, step=0)
    write(first)
    tracker.log_metrics({"value": 2.0}, step=1)
    tracker.log_params({"late": "yes"})
    tracker.log_text("kept", "notes.txt")
    write(second)
    with tracker.start_run("child", nested=True):
        tracker.log_metrics({"value": 3.0})
    tracker.end_run("FAILED")
    write(first, last=True)
    runs = seen(tracker, reader_of)
    assert set(runs) == {"first", "child"}
    parent, reader = runs["first"], reader_of(tracker.tracking_uri)
    assert (parent.status, parent.params, parent.metrics) == ("FAILED", {"late": "yes"}, {"value": 2.0})
    assert reader.history(parent.run_id, "value") == [(0, 1.0), (1, 2.0)]
    assert reader.artifacts(parent.run_id) == ["notes.txt"]
    assert (runs["child"].status, runs["child"].metrics) == ("FINISHED", {"value": 3.0})
    assert runs["child"].tags["mlflow.parentRunId"] == parent.run_id


@BOTH
def test_what_was_written_and_not_confirmed_is_not_written_twice(first, second, tracker, write, reader_of):
    """The first writer was killed between the store's answer and its own word."""
    tracker.log_metrics({"value": 1.0}, step=0)
    tracker.end_run()
    with tracker.start_run("second"):
        tracker.log_metrics({"value": 1.0}, step=0)
        tracker.log_text("kept", "notes.txt")
    write(first).ack.unlink()
    write(second)
    runs = seen(tracker, reader_of)
    assert {name: run.status for name, run in runs.items()} == {"first": "FINISHED", "second": "FINISHED"}
    for run in runs.values():
        assert reader_of(tracker.tracking_uri).history(run.run_id, "value") == [(0, 1.0)]


def test_a_run_whose_id_was_not_noted_is_found(tracker, write, reader_of):
    """The first writer was killed after MLflow's client had made the run, before it had noted the id."""
    paths = write("client")
    paths.ack.unlink()
    paths.ids.write_bytes(paths.ids.read_bytes().splitlines(keepends=True)[0])
    tracker.end_run()
    write("sql")
    assert not RunIds(paths.ids).empty
    assert {name: run.status for name, run in seen(tracker, reader_of).items()} == {"first": "FINISHED"}


@BOTH
def test_who_asks_for_the_id_gets_that_of_the_store(first, second, tracker, write, reader_of):
    write(first)
    tracker.log_metrics({"value": 1.0})
    write(second)
    run = reader_of(tracker.tracking_uri).client.get_run(tracker.get_run_id())
    assert run.data.metrics == {"value": 1.0}
