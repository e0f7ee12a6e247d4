"""A power cut may take back what was not asked of the disk: the acknowledgement, and the last ids of a store."""

import shutil

import pytest

from peak_fast.tracking import MLflowTracker
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool import spool
from tests.tracking_stores import WriterInThisProcess

RUNS = 3


def log(tracker, part):
    """Finished runs and one that goes on through both parts; all kinds of values."""
    for number in range(RUNS):
        with tracker.start_run(f"run-{part}-{number}", tags={"kind": f"k{number}"}):
            tracker.log_params({"number": number})
            for step in range(3):
                tracker.log_metrics({"m": 10.0 * number - step, f"at{step}": 1.0}, step=step)
            tracker.log_text(f"{part} {number}", "notes/text.txt")


def seen(reader, experiment):
    """All that the store shows of an experiment."""
    found = {}
    runs = reader.runs(experiment)
    for run in runs:
        points = {key: reader.history(run.run_id, key) for key in run.metrics}
        files = reader.artifacts(run.run_id)
        tags = {key: text for key, text in run.tags.items() if not key.startswith("mlflow.log")}
        found[run.name] = (run.run_id, run.status, run.params, points, tags, files, run.start, run.end)
    assert len(found) == len(runs)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("store", ["bulk", "client", "files", "http"], indirect=True)
def test_an_acknowledgement_that_is_lost_changes_nothing(
    store, spool_dir, tmp_path, experiment, reader_of, monkeypatch
):
    """An older one, an empty one or none means that runs are written again, onto themselves.

    The spool as the cut leaves it is a copy, made while its owner lives and the store has everything.
    """
    monkeypatch.setattr("peak_fast.tracking.catch_up.start_writer", WriterInThisProcess)
    tracker = MLflowTracker(store, experiment)
    uri = tracker.tracking_uri
    with tracker.start_run("long"):
        tracker.log_metrics({"m": 1.0}, step=0)
        tracker.flush()
        (segment,) = spool_dir.glob("*/*.seg")
        older = segment.with_suffix(".ack").read_bytes()
        tracker.log_metrics({"m": 2.0}, step=1)
    log(tracker, "b")
    tracker.flush()
    expected = seen(reader_of(uri), experiment)
    assert len(expected) == RUNS + 1
    for kind, content in (("older", older), ("empty", b""), ("gone", None)):
        copy = tmp_path / kind
        shutil.copytree(
            segment.parent, copy / segment.parent.name, ignore=shutil.ignore_patterns("*.lock", "*.flush")
        )
        shutil.copymode(segment.parent, copy / segment.parent.name)
        ack = copy / segment.parent.name / segment.with_suffix(".ack").name
        ack.unlink() if content is None else ack.write_bytes(content)
        ids = ack.with_suffix(".ids")
        if kind == "gone" and ids.exists() and ids.stat().st_size:  # the last lines, too
            ids.write_bytes(b"".join(ids.read_bytes().splitlines(keepends=True)[:-2]))
        report = sync(root=copy)
        assert report.ok, str(report)
        assert sum(entry.pending_runs for entry in report.stores) > 0, "nothing was written again"
        assert seen(reader_of(uri), experiment) == expected, kind
        assert list(copy.glob("*/*.seg")) == []
    tracker.close()
    assert seen(reader_of(uri), experiment) == expected
    assert spool.segments(segment.parent) == []
