"""Files of many runs that several processes write at once."""

import errno
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from peak_fast import forks
from peak_fast.forks import sensible
from peak_fast.tracking import MLflowTracker, log_backtest
from peak_fast.tracking.caller import background
from peak_fast.tracking.stores import calls, files, open_store
from peak_fast.tracking.stores.files import write_shared
from peak_fast.tracking.updates import Artifact
from peak_fast.tracking.writer.writer import FolderWriter
from tests.tracking_fakes import FakeBars, fake_result

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only"),
    pytest.mark.filterwarnings("ignore:This process"),
]
RUNS = 7


def jobs_of(folder, load):
    """Runs with two files each, of which ``load`` makes the second."""
    return [
        (
            folder / f"run-{k}",
            [
                Artifact("a.txt", load=partial(bytes, b"a%d" % k)),
                Artifact("sub/b.txt", load=partial(load, k)),
            ],
        )
        for k in range(RUNS)
    ]


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected(second):
    found = {f"run-{k}/a.txt": b"a%d" % k for k in range(RUNS)}
    return found | {f"run-{k}/sub/b.txt": text for k in range(RUNS) if (text := second(k)) is not None}


def one_that_breaks(k):
    if k % 3 == 0:
        raise ValueError(f"no picture of {k}")
    return b"b%d" % k


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_every_file_is_there_and_every_problem_is_told(tmp_path, count):
    said = write_shared(jobs_of(tmp_path, one_that_breaks), count)
    for k, problems in zip(range(RUNS), said, strict=True):
        reasons = [(artifact.path, reason) for artifact, reason in problems]
        text = f"sub/b.txt: ValueError: no picture of {k}"
        assert reasons == ([("sub/b.txt", text)] if k % 3 == 0 else [])
    assert content(tmp_path) == expected(lambda k: None if k % 3 == 0 else b"b%d" % k)


def test_others_write_their_shares(tmp_path):
    write_shared(jobs_of(tmp_path, lambda k: str(os.getpid()).encode()), 2)
    writers = [int((tmp_path / f"run-{k}" / "sub" / "b.txt").read_bytes()) for k in range(RUNS)]
    assert set(writers[::2]) == {os.getpid()} and len(set(writers[1::2])) == 1
    assert writers[1] != os.getpid()
    with pytest.raises(ChildProcessError):
        os.waitpid(writers[1], os.WNOHANG)  # nobody is left


def test_the_share_of_one_that_is_killed_is_written_here(tmp_path):
    here = os.getpid()

    def load(k):
        if os.getpid() != here and k == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return b"b%d" % k

    said = write_shared(jobs_of(tmp_path, load), 2)
    assert said == [[]] * RUNS
    assert content(tmp_path) == expected(lambda k: b"b%d" % k)


def test_a_system_that_has_no_more_processes(tmp_path, monkeypatch):
    def refuse():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    said = write_shared(jobs_of(tmp_path, lambda k: b"b%d" % k), 3)
    assert said == [[]] * RUNS
    assert content(tmp_path) == expected(lambda k: b"b%d" % k)


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_full_disk_is_told_by_this_process(tmp_path, monkeypatch, where):
    here = os.getpid()
    write = files.FileWriter._write

    def full(self, target, artifact):
        refused = "run-4/" if where == "here" else "run-1/"
        if refused in target.as_posix() and (where == "there" or os.getpid() == here):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, target, artifact)

    fork, forked = os.fork, []
    monkeypatch.setattr(os, "fork", lambda: forked.append(fork()) or forked[-1])
    monkeypatch.setattr(files.FileWriter, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        write_shared(jobs_of(tmp_path, lambda k: b"b"), 2)
    assert len(forked) == 1
    for process in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(process, os.WNOHANG)


FORKS = """
import os, signal, sys
from pathlib import Path
from peak_fast.tracking.stores.files import write_shared
from peak_fast.tracking.updates import Artifact
writer, folder = os.getpid(), Path(sys.argv[1])
def load():
    Path(folder, str(os.getpid())).touch()
    os.kill(writer, signal.SIGKILL)
    signal.pause()
jobs = [(folder, [Artifact("a", load=lambda: b"")]), (folder, [Artifact("b", load=load)])]
write_shared(jobs, 2)
"""


def is_running(process):
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_fork_ends_with_its_writer(tmp_path):
    process = subprocess.run([sys.executable, "-c", FORKS, str(tmp_path)], timeout=60)
    assert process.returncode == -signal.SIGKILL
    (child,) = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
    for _ in range(3_000):
        if not is_running(child):
            return
        threading.Event().wait(0.01)
    pytest.fail("it goes on")


def test_who_is_forked(monkeypatch):
    assert not calls.is_our_process()  # a process of a user's
    spec = SimpleNamespace(name="peak_fast.tracking.writer.__main__")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    assert calls.is_our_process()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)))
    monkeypatch.setattr(forks, "_threads", lambda: 1)
    assert [sensible(steps, 64) for steps in (0, 3, 60, 128, 300, 10_000)] == [1, 1, 1, 2, 4, 4]
    monkeypatch.setattr(forks, "_threads", lambda: 2)
    assert sensible(10_000, 64) == 1
    monkeypatch.setattr(forks, "_threads", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert sensible(10_000, 64) == 1


THREADS = """
import os, sys, threading
from pathlib import Path
from peak_fast.forks import sensible
from peak_fast.tracking.stores.files import write_shared
from peak_fast.tracking.updates import Artifact
os.sched_getaffinity = lambda _: set(range(9))
def load():
    import polars
    frame = polars.DataFrame({"a": range(20)})
    return frame.filter(polars.col("a") > 3).write_csv().encode()
def write(*names):
    write_shared([(Path(name), [Artifact("a", load=load)]) for name in names], count)
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
count = sensible(10_000, 64)
thread.start()
print(count, sensible(10_000, 64))
stop.set()
thread.join()
write("a", "b", "c")
print(threading.active_count(), sensible(10_000, 64))
"""


def test_threads_of_libraries(tmp_path):
    """A fork would wait for them for ever; those of Polars begin with the first job, and Python does not count them."""
    alone = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.run(
        [sys.executable, "-c", THREADS], cwd=tmp_path, env=os.environ | alone, timeout=60, capture_output=True
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == [b"4", b"1", b"1", b"1"]
    assert len({(tmp_path / name / "a").read_text() for name in "abc"}) == 1


def test_runs_of_a_writer_process(spool_dir, tmp_path, monkeypatch, experiment, reader_of):
    """As many runs as are shared where there is more than one core."""
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    uri = f"sqlite:///{tmp_path}/runs.db"
    bars = FakeBars(200)
    with MLflowTracker(uri, experiment) as tracker:
        for k in range(50):
            with tracker.start_run(f"run-{k}"):
                log_backtest(tracker, fake_result(bars=bars, fast=k % 10, n_trades=5))
    runs = reader_of(uri).runs(experiment)
    assert sorted(run.name for run in runs) == sorted(f"run-{k}" for k in range(50))
    for run in runs[::7]:
        assert len(reader_of(uri).artifacts(run.run_id)) == 3
    assert {run.status for run in runs} == {"FINISHED"}


def test_what_nobody_waits_for_is_written_in_small_steps(spool_dir, tmp_path, monkeypatch, experiment):
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    uri = f"sqlite:///{tmp_path}/runs.db"
    tracker = MLflowTracker(uri, experiment)
    channel = tracker._channel
    writer, seen = FolderWriter(channel.folder, channel.uri), []
    store = open_store(channel.uri, channel.home)
    monkeypatch.setattr(store, "apply", lambda updates, ids: seen[-1].append(len(updates)) or [])
    monkeypatch.setattr(writer, "_open", lambda home: store)
    for asked in (True, False, True):
        for k in range(45):
            with tracker.start_run(f"run-{k}"):
                tracker.log_params({"number": k})
        if asked and seen:
            (segment,) = spool_dir.glob("*/*.seg")
            segment.with_suffix(".flush").touch()
        seen.append([])
        writer.replay_all()
    assert seen == [[45], [20, 20, 5], [45]]
    tracker.close()
