"""Sixty-four workers in one process, some slow, some lost (``python -m tests.cluster_scale``): prints what happened.

A process of its own, because Dask at times waits for ever for the end of a cluster some of whose workers were closed
before.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import dataclass

import dask
import distributed
import numpy as np
from distributed.diagnostics.plugin import SchedulerPlugin

from peak_fast.cluster import Crew

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


def lose(cluster, count):
    """Close workers in the middle of what they do."""
    for worker in list(cluster.workers.values())[:count]:
        time.sleep(0.3)
        cluster.sync(worker.close, executor_wait=False, nanny=False)


def run():
    """What came back and how many tasks that took."""
    small = {"n_workers": WORKERS, "threads_per_worker": 1, "processes": False, "silence_logs": "CRITICAL"}
    dask.config.set({"distributed.comm.timeouts.connect": "2s"})
    cluster = distributed.LocalCluster(**small, dashboard_address="127.0.0.1:0")
    count = Count()
    cluster.scheduler.add_plugin(count)
    losing = threading.Thread(target=lose, args=(cluster, LOST))
    crew = Crew(distributed.Client(cluster, set_as_default=False))
    losing.start()
    found, twice = np.full((ITEMS, 2), np.nan), 0
    for piece in crew.run(Timed(), [(0, ITEMS)], 2):
        twice += int((~np.isnan(found[piece.start : piece.stop, 0])).sum())
        found[piece.start : piece.stop] = piece.rows
    losing.join()
    numbers = np.arange(ITEMS)
    return {
        "right": bool((found == np.stack([numbers, numbers**2], axis=1)).all()),
        "twice": twice,
        "handed": count.handed,
        "workers": crew.workers,
    }


if __name__ == "__main__":
    print(json.dumps(run()))
    sys.stdout.flush()
    os._exit(0)
