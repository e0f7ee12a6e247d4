"""Locks of sweep stores: one writer, dead processes, other hosts, races."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from peak_fast.errors import StoreError
from peak_fast.sweep.store import lock as lock_module
from peak_fast.sweep.store.lock import FolderLock, process_start
from peak_fast.sweep.store.store import SweepStore
from tests.sweep_fakes import make_grid, make_key

# --- locks -------------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_with_the_first_ones_identity(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path, make_key(), grid) as store:
        with pytest.raises(StoreError, match=f"process {os.getpid()} on host .*close the other sweep"):
            SweepStore.open(tmp_path, make_key(), grid)
        for resume in (False, "restart"):
            with pytest.raises(StoreError, match="in use by"):
                SweepStore.open(tmp_path, make_key(), grid, resume=resume)
        assert store.folder == tmp_path
    assert not (tmp_path / "lock").exists()
    SweepStore.open(tmp_path, make_key(), grid).close()


def test_a_live_process_is_refused_and_a_dead_one_taken_over(tmp_path):
    grid = make_grid()
    code = (
        "import sys, time; from pathlib import Path; from peak_fast.sweep.store.lock import FolderLock; "
        "held = FolderLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=f"process {child.pid} on host"):
            SweepStore.open(tmp_path, make_key(), grid)
        child.kill()
        child.wait()
    assert (tmp_path / "lock").exists()
    taken = FolderLock(tmp_path / "lock")
    assert taken.taken_over["pid"] == child.pid
    taken.release()
    taken.release()


def write_lock(path, **changed):
    content = {
        "pid": os.getppid(),
        "host": lock_module.socket.gethostname(),
        "started": process_start(os.getppid()),
        "token": "00",
        "since": "2026-01-01T00:00:00+00:00",
    }
    path.write_text(json.dumps({**content, **changed}))


def test_a_reused_process_id_does_not_keep_a_lock(tmp_path):
    path = tmp_path / "lock"
    write_lock(path)
    with pytest.raises(StoreError, match=f"process {os.getppid()}"):
        FolderLock(path)
    write_lock(path, started="another time")
    FolderLock(path).release()
    write_lock(path, pid=os.getpid(), started=process_start(os.getpid()))  # an earlier life of this process
    FolderLock(path).release()


def test_a_lock_of_another_host_is_respected_and_a_torn_one_is_not(tmp_path):
    path = tmp_path / "lock"
    write_lock(path, host="elsewhere", pid=1)
    with pytest.raises(StoreError, match=r"host elsewhere.*delete"):
        FolderLock(path)
    for torn in ("", '{"pid": 12', "[]", '{"pid": "x"}'):
        path.write_text(torn)
        FolderLock(path).release()


def test_a_forgotten_lock_is_released_and_a_forked_child_keeps_the_parents(tmp_path):
    path = tmp_path / "lock"
    held = FolderLock(path)
    lock_module._release(path, held.token, os.getpid() + 1)  # what a forked child's exit would do
    assert path.exists()
    del held
    assert not path.exists()


def test_only_one_of_many_takes_a_stale_lock_over(tmp_path):
    path, winners, losers = tmp_path / "lock", [], []
    write_lock(path, started="another time")
    barrier = threading.Barrier(8)

    def contend():
        barrier.wait()
        try:
            winners.append(FolderLock(path))
        except StoreError:
            losers.append(1)

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(winners), len(losers)) == (1, 7)


def test_process_start_tells_processes_apart():
    own = process_start(os.getpid())
    assert own and own == process_start(os.getpid())
    time.sleep(0.05)  # start times are counted in hundredths of a second
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_start(child.pid) not in (own, None, "")
    child.communicate(b"\n")
    assert process_start(child.pid) is None
