"""Sixty-four workers in one process, slow at times and lost at times: what a scheduler has to do for them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")

import dask  # noqa: E402
from distributed.diagnostics.plugin import SchedulerPlugin  # noqa: E402

from peak_fast.cluster import Crew  # noqa: E402
from peak_fast.cluster.pace import LEAST_SECONDS  # noqa: E402

WORKERS, LOST = 64, 6
EACH = 0.002
ITEMS = 60_000


@dataclass(frozen=True)
class Timed:
    """Work that takes time and nothing else: two milliseconds an item, and on some items a tenth of a second more."""

    def open(self, means):
        return self

    def rows(self, start, stop):
        numbers = np.arange(start, stop)
        time.sleep(EACH * len(numbers) + 0.1 * (numbers % 5_000 == 0).sum())
        return np.stack([numbers, numbers**2], axis=1).astype(float)

    def notes(self):
        return []


class Count(SchedulerPlugin):
    """Counts the tasks that a scheduler hands to workers."""

    name = "count"

    def __init__(self):
        self.handed = 0

    def transition(self, key, start, finish, *args, **kwargs):
        self.handed += finish == "processing"


@pytest.fixture
def cluster():
    small = {"n_workers": WORKERS, "threads_per_worker": 1, "processes": False, "silence_logs": "CRITICAL"}
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        distributed.LocalCluster(**small, dashboard_address="127.0.0.1:0") as cluster,
    ):
        yield cluster


def lose(cluster, count):
    """Close workers in the middle of what they do."""
    for worker in list(cluster.workers.values())[:count]:
        time.sleep(0.3)
        cluster.sync(worker.close, executor_wait=False, nanny=False)


def test_a_scheduler_sees_few_tasks_and_no_result_is_lost(cluster):
    count = Count()
    cluster.scheduler.add_plugin(count)
    losing = threading.Thread(target=lose, args=(cluster, LOST))
    with distributed.Client(cluster, set_as_default=False) as client, Crew(client) as crew:
        losing.start()
        found = np.full((ITEMS, 2), np.nan)
        for piece in crew.run(Timed(), [(0, ITEMS)], 2):
            assert np.isnan(found[piece.start : piece.stop]).all(), "twice"
            found[piece.start : piece.stop] = piece.rows
        losing.join()
        assert crew.workers == WORKERS - LOST
    numbers = np.arange(ITEMS)
    assert (found == np.stack([numbers, numbers**2], axis=1)).all()
    work = EACH * ITEMS + 0.1 * (ITEMS // 5_000)
    # One for each 0.2 s of work, and those with which a worker begins before anybody knows how quick it is.
    assert count.handed <= work / LEAST_SECONDS + 2 * WORKERS, count.handed
