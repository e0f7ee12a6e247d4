"""Names of artifacts that a server's addresses would change: refused there, one by one, and taken by folders."""

import pytest

from peak_fast.tracking import MLflowTracker, TrackingWarning

NAMES = ["a", "a#b.txt", "half%2e%2e.txt", "100%.txt"]


def log_names(uri, experiment):
    tracker = MLflowTracker(uri, experiment)
    with tracker.start_run("names"):
        for name in NAMES:
            tracker.log_text(name, name)
    return tracker


def test_a_folder_takes_them(tmp_path, experiment, reader_of, spool_dir):
    uri = f"sqlite:///{tmp_path}/m.db"
    log_names(uri, experiment).close()
    (run,) = reader_of(uri).runs(experiment)
    assert reader_of(uri).artifacts(run.run_id) == sorted(NAMES)


@pytest.mark.slow
def test_a_server_does_not_and_the_others_go_on(server, experiment, reader_of, spool_dir):
    tracker = log_names(server.uri, experiment)
    with pytest.warns(TrackingWarning, match="use another name"):
        tracker.close()
    (run,) = reader_of(server.uri).runs(experiment)
    assert reader_of(server.uri).artifacts(run.run_id) == ["100%.txt", "a"]
    assert all(name in run.tags["peak_fast.artifact_error"] for name in NAMES[1:3])
    # What has no place in the store is kept.
    assert {path.read_text() for path in spool_dir.glob("*/*.refused/*/*")} == set(NAMES[1:3])
