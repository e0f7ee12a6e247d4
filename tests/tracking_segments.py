"""Segments of a spool to write to: by system calls, through a window."""

import pytest

from peak_fast.tracking import spool
from peak_fast.tracking.spool.segment import SegmentWriter
from peak_fast.tracking.writer.replay import SegmentReplay

HEADER = {"experiment": "e", "folder": "/", "mode": "background", "user": "u", "source": "s", "tags": {}}


@pytest.fixture
def writer(tmp_path, monkeypatch):
    """A segment that is written by system calls."""
    monkeypatch.setenv("PEAK_FAST_SPOOL_MAP", "0")
    made = SegmentWriter(tmp_path, HEADER)
    yield made
    made.close()


def heads(path):
    return [(record.kind, record.head) for record in spool.read_records(path)][2:]


def read_runs(folder):
    """Updates by the run's name, of all segments of a folder, whose owners are gone."""
    found = {}
    for path in spool.segments(folder):
        assert not SegmentReplay(path).paths.owned(), "its lock is left behind"
        replay = SegmentReplay(path)
        if not replay.read_header():
            continue
        for batch in replay.batches(orphan=True):
            for update in batch.updates:
                run = found.setdefault(update.run_id, update)
                assert run is update
        assert not replay._refused, replay._refused
    names = [update.create.name for update in found.values()]
    assert len(names) == len(set(names)), names
    return {update.create.name: update for update in found.values()}


# --- the window ------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(tmp_path):
    """A segment with a window, where the system has one."""
    made = SegmentWriter(tmp_path, HEADER)
    if not made.at[0]:
        pytest.skip("no window on this system or file system")
    yield made
    made.close()
