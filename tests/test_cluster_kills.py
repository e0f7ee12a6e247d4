"""kill -9 of workers, client and scheduler while a sweep runs: the finished or resumed table is the undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

distributed = pytest.importorskip("distributed")

from peak_fast import SweepError  # noqa: E402
from tests.cluster_work import COUNT, ROOT, SECONDS, Cluster, environment, sweep, until  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


@pytest.fixture(scope="module")
def expected():
    return sweep(seconds=0.0).run(progress=False).frame.drop("seconds")


def same(frame, expected):
    return frame.drop("seconds").equals(expected)


def kill_workers(address, times, seed, done):
    """kill -9 of workers chosen by chance, until all kills are done or the work is."""
    chance = random.Random(seed)
    killed = 0
    with distributed.Client(scheduler_file=address, set_as_default=False) as client:
        while killed < times and not done.is_set():
            pids = client.run(os.getpid, on_error="ignore")
            if pids:
                pid = chance.choice(sorted(pids.values()))
                os.kill(pid, signal.SIGKILL)
                killed += 1
            done.wait(chance.uniform(0.2, 1.5))
    return killed


def run_while_workers_die(tmp_path, expected, times, seed):
    killed: list[int] = []
    done = threading.Event()
    with Cluster(tmp_path, 3) as cluster:
        killer = threading.Thread(
            target=lambda: killed.append(kill_workers(str(cluster.file), times, seed, done))
        )
        killer.start()
        try:
            found = sweep(seconds=SECONDS * times).run(cluster=str(cluster.file), progress=False)
        finally:
            done.set()
            killer.join()
    assert same(found.frame, expected)
    return killed[0]


def test_a_sweep_outlives_workers_that_are_killed(tmp_path, expected):
    assert run_while_workers_die(tmp_path, expected, 2, seed=1) == 2


@pytest.mark.nightly
def test_a_sweep_outlives_twenty_kills_of_workers(tmp_path, expected):
    killed = 0
    for seed in range(40):
        killed += run_while_workers_die(tmp_path / str(seed), expected, 5, seed)
        if killed >= 20:
            return
    raise AssertionError(f"{killed} kills")


def run_while_the_client_dies(tmp_path, expected, times, seed):
    chance = random.Random(seed)
    store = tmp_path / "store"
    with Cluster(tmp_path / "cluster", 2) as cluster:
        command = [sys.executable, "-m", "tests.cluster_work", str(store), str(cluster.file)]
        for _ in range(times):
            client = subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE)
            time.sleep(chance.uniform(1.0, 3.5))
            client.kill()
            client.communicate()
        found = sweep().run(store=store, cluster=str(cluster.file), progress=False)
    assert same(found.frame, expected) and len(found) == COUNT


def test_a_client_that_was_killed_goes_on_from_its_store(tmp_path, expected):
    run_while_the_client_dies(tmp_path, expected, 1, seed=2)


@pytest.mark.nightly
def test_a_client_that_was_killed_ten_times(tmp_path, expected):
    run_while_the_client_dies(tmp_path, expected, 10, seed=3)


def run_while_the_scheduler_dies(tmp_path, expected, times):
    store = tmp_path / "store"
    with Cluster(tmp_path / "cluster", 2) as cluster:
        for _ in range(times):
            begun = threading.Timer(2.0, cluster.kill, ["scheduler"])
            begun.start()
            with pytest.raises(SweepError, match=r"scheduler .*(continues|`dask scheduler`)"):
                sweep(seconds=0.2).run(store=store, cluster=str(cluster.file), progress=False)
            begun.join()
            cluster.kill("workers")
            cluster.start_scheduler()
            cluster.start_workers()
        # The name of the store holds the parameters, so what goes on is the same sweep.
        found = sweep(seconds=0.2).run(store=store, cluster=str(cluster.file), progress=False)
    assert same(found.frame, expected)


def test_a_scheduler_that_is_killed_is_an_error_and_the_store_goes_on(tmp_path, expected):
    run_while_the_scheduler_dies(tmp_path, expected, 1)


@pytest.mark.nightly
def test_a_scheduler_that_is_killed_three_times(tmp_path, expected):
    run_while_the_scheduler_dies(tmp_path, expected, 3)


def test_a_client_that_is_interrupted_leaves_a_store_that_goes_on_and_idle_workers(tmp_path, expected):
    store = tmp_path / "store"
    with Cluster(tmp_path / "cluster", 2) as cluster:
        command = [sys.executable, "-m", "tests.cluster_work", str(store), str(cluster.file)]
        client = subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
        until(lambda: list(store.glob("part-*.parquet")) or client.poll() is not None, "the first part", 90)
        client.send_signal(signal.SIGINT)
        said = client.communicate(timeout=60)[1]
        with distributed.Client(scheduler_file=str(cluster.file), set_as_default=False) as looking:
            until(lambda: not any(looking.processing().values()), "workers that are idle")
        found = sweep().run(store=store, cluster=str(cluster.file), progress=False)
    assert client.returncode == 130 and "the same call continues there" in said
    assert same(found.frame, expected)
