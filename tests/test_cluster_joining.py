"""Workers that join a cluster while it works, sound ones and others, and workers that come and go by themselves."""

import json
import subprocess
import sys
import threading

import pytest

from peak_fast import SweepError

distributed = pytest.importorskip("distributed")

from peak_fast.cluster import Crew, identity, tasks  # noqa: E402
from tests.cluster_work import ROOT, Numbers, environment, local_cluster, sweep, until  # noqa: E402

LATE = "late"
COUNT = 60
NO_PACKAGE = ModuleNotFoundError("No module named 'peak_fast'", name="peak_fast")


@pytest.fixture
def cluster():
    """One worker in this process."""
    with local_cluster(n_workers=1, processes=False, protocol="tcp") as cluster:
        yield cluster


@pytest.fixture
def wrong(monkeypatch):
    """Lets workers of the name `LATE` be what they should not be: of another version, or without the package."""

    def be(kind):
        who, run = tasks.who, tasks.run_piece

        def asked(keys, dask_worker):
            if str(dask_worker.name) != LATE:
                return who(keys, dask_worker)
            if kind == "package":
                raise NO_PACKAGE
            return who(keys, dask_worker) | {"identity": identity() | {"numba": "0.1"}}

        def told(*args):
            worker = distributed.get_worker()
            if str(worker.name) != LATE:
                return run(*args)
            if kind == "package":
                raise NO_PACKAGE
            return tasks.Reply(worker.address, theirs=identity() | {"numba": "0.1"})

        monkeypatch.setattr(tasks, "who", asked)
        monkeypatch.setattr(tasks, "run_piece", told)

    return be


def late_worker(cluster):
    """Start a worker in this process; its address."""

    async def start():
        worker = await distributed.Worker(cluster.scheduler_address, nthreads=1, name=LATE, dashboard=False)
        return worker

    return cluster.sync(start)


@pytest.mark.parametrize(
    ("kind", "said"), [("package", "No module named 'peak_fast'"), ("version", "0.1 there")]
)
def test_a_worker_that_joins_and_cannot_help_is_named_and_the_others_finish(
    cluster, wrong, tmp_path, kind, said
):
    wrong(kind)
    late, go = [], tmp_path / "go"
    with Crew(cluster) as crew:
        noted = threading.Thread(target=lambda: (until(lambda: crew.notes, "a note"), go.touch()))
        found = []
        for piece in crew.run(Numbers(0.001, COUNT // 2, str(go)), [(0, COUNT)], 1):
            found += piece.rows[:, 0].tolist()
            if not late:
                late.append(late_worker(cluster))
                noted.start()
        noted.join()
        assert sorted(found) == list(range(COUNT)) and crew.workers == 1
        (note,) = crew.notes
        assert (
            late[0].address in note and said in note and note.endswith("it came later and was given no work")
        )
        # What comes next knows it already.
        assert crew.table(Numbers(0.0), 5, 1, {}).shape == (5, 1) and len(crew.notes) == 1
    cluster.sync(late[0].close)


@pytest.mark.parametrize(("kind", "said"), [("package", "pip install 'peak-fast"), ("version", "0.1 there")])
def test_a_worker_that_cannot_help_from_the_beginning_is_one_error(cluster, wrong, kind, said):
    wrong(kind)
    late = late_worker(cluster)
    with Crew(cluster) as crew, pytest.raises(SweepError, match=said) as caught:
        list(crew.run(Numbers(0.01), [(0, COUNT)], 1))
    assert late.address in str(caught.value)
    cluster.sync(late.close)


def test_a_cluster_grows_from_nothing_shrinks_to_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster_adaptive"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["right"] and found["most"] >= 2


def test_a_second_interrupt_while_pieces_are_cancelled_is_not_lost(cluster, monkeypatch, tmp_path):
    """Whoever stops in the middle closes what gives the pieces by itself; a destructor would swallow the error."""
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    def interrupted(self, futures):
        if futures:
            raise KeyboardInterrupt("the second")

    def first(self, number, columns):
        raise KeyboardInterrupt("the first")

    monkeypatch.setattr(Crew, "cancel", interrupted)
    monkeypatch.setattr("peak_fast.sweep.store.SweepStore.write", first)
    with pytest.raises(KeyboardInterrupt, match="the second"):
        sweep(seconds=0.001).run(cluster=cluster, progress=False, store=tmp_path / "store")
    assert not lost
