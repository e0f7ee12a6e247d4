"""What `peak-fast doctor --cluster` says of workers."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

distributed = pytest.importorskip("distributed")

from peak_fast import SweepError  # noqa: E402
from peak_fast.cli.app import app  # noqa: E402
from peak_fast.cli.workers import is_sound, survey, table  # noqa: E402
from peak_fast.cluster import identity  # noqa: E402
from tests.cluster_work import local_cluster  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    """Two workers in this process."""
    with local_cluster(n_workers=2, processes=False, protocol="tcp") as cluster:
        yield cluster


def shown(cluster):
    return CliRunner().invoke(app, ["doctor", "--cluster", cluster.scheduler_address], env={"COLUMNS": "240"})


def test_workers_say_what_they_are_and_how_quick(cluster):
    rows = survey(cluster)
    assert len(rows) == 2 and all(
        is_sound(row) and row["speed"] > 100 and row["threads"] == 1 for row in rows
    )
    said = shown(cluster)
    assert said.exit_code == 0, said.output
    assert said.output.count("tcp://") == 2 and said.output.count("yes") == 2


def test_a_worker_that_differs_is_named_and_ends_with_an_error(cluster, monkeypatch):
    rows = survey(cluster)
    monkeypatch.setitem(rows[0], "identity", identity() | {"numba": "0.1"})
    assert [is_sound(row) for row in rows] == [False, True]
    from rich.console import Console

    console = Console(width=240, record=True, file=None, quiet=True)
    with console.capture() as text:
        console.quiet = False
        console.print(table(rows))
    assert "numba 0.1 there" in text.get()
    monkeypatch.setattr("peak_fast.cli.workers.survey", lambda cluster: rows)
    assert shown(cluster).exit_code == 1


def test_a_worker_that_fails_does_not_hide_the_others(cluster, monkeypatch):
    import peak_fast.sweep

    def broken(*args, **kwargs):
        raise RuntimeError("no room")

    monkeypatch.setattr(peak_fast.sweep, "Sweep", broken)
    rows = survey(cluster)
    assert [row["error"] for row in rows] == ["RuntimeError: no room"] * 2
    assert shown(cluster).exit_code == 1


def test_a_cluster_without_workers_or_scheduler_is_an_error():
    with local_cluster(n_workers=0, processes=False, protocol="tcp") as empty:
        said = shown(empty)
    assert isinstance(said.exception, SweepError) and "there is no worker" in str(said.exception)
