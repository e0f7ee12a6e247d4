"""A cluster that grows from nothing and shrinks to nothing again (``python -m tests.cluster_adaptive``): what happened.

A process of its own, because Dask at times waits for ever for the end of a cluster whose workers came and went.
"""

from __future__ import annotations

import json
import os
import sys

import distributed

from peak_fast.cluster import Crew
from tests.cluster_work import Numbers, until

MOST, ITEMS, EACH = 3, 250, 0.01


def run():
    """The most workers of a run, and whether all its results were right; all are gone when it returns."""
    small = {"threads_per_worker": 1, "processes": False, "silence_logs": "CRITICAL"}
    cluster = distributed.LocalCluster(n_workers=0, **small, dashboard_address="127.0.0.1:0")
    cluster.adapt(minimum=0, maximum=MOST, interval="100ms", wait_count=3, target_duration="500ms")
    with distributed.Client(cluster, set_as_default=False) as client, Crew(client) as crew:
        most, found = 0, []
        for piece in crew.run(Numbers(EACH), [(0, ITEMS)], 1):
            most = max(most, len(cluster.scheduler.workers))
            found += piece.rows[:, 0].tolist()
        until(lambda: not cluster.scheduler.workers, "a cluster without workers")
    return {"most": most, "right": sorted(found) == list(range(ITEMS))}


if __name__ == "__main__":
    print(json.dumps(run()))
    sys.stdout.flush()
    os._exit(0)
