"""Sixty-four workers, slow at times and lost at times: what a scheduler has to do for them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("distributed")

from peak_fast.cluster.pace import LEAST_SECONDS
from tests.cluster_scale import EACH, ITEMS, LOST, WORKERS
from tests.cluster_work import ROOT, environment


def test_a_scheduler_sees_few_tasks_and_no_result_is_lost():
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster_scale"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["right"] and not found["twice"]
    # The last look may be a second old.
    assert WORKERS - LOST <= found["workers"] <= WORKERS
    work = EACH * ITEMS + 0.1 * (ITEMS // 5_000)
    # One for each 0.2 s of work, and those with which a worker begins before anybody knows how quick it is.
    assert found["handed"] <= work / LEAST_SECONDS + 2 * WORKERS
