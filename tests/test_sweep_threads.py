"""Threads that share work: each item once, the first error stops, tiles cover everything."""

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.sweep.run import threads as threads_of_sweeps
from peak_fast.sweep.run.threads import Team, cut


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 300])
def test_every_item_once(threads, count):
    seen = []
    with Team(threads) as team:
        team.share(seen.append, range(count))
        team.share(seen.append, range(count, 2 * count))
    assert sorted(seen) == list(range(2 * count))


def test_the_callers_thread_works_too():
    """Two threads: neither item ends before the other has begun."""
    both = threading.Barrier(2)
    names = []

    def work(item):
        both.wait(timeout=20)
        names.append(threading.current_thread() is threading.main_thread())

    with Team(2) as team:
        team.share(work, [0, 1])
    assert sorted(names) == [False, True]


def test_a_team_of_one_starts_no_thread():
    before = threading.active_count()
    with Team(1) as team:
        team.share(lambda item: None, range(10))
        assert threading.active_count() == before


@pytest.mark.parametrize("in_caller", [False, True])
def test_an_error_stops_the_others(in_caller):
    both = threading.Barrier(2)
    begun = []

    def work(item):
        begun.append(item)
        if item < 2:
            both.wait(timeout=20)
            if (threading.current_thread() is threading.main_thread()) == in_caller:
                raise ZeroDivisionError("mine")
        else:
            time.sleep(0.001)

    with Team(2) as team, pytest.raises(ZeroDivisionError, match="mine"):
        team.share(work, range(2_000))
    assert len(begun) < 2_000


@given(
    count=st.integers(0, 3000),
    largest=st.integers(1, 900),
    smallest=st.integers(0, 900),
    threads=st.integers(1, 9),
)
def test_tiles_cover_everything_in_order(count, largest, smallest, threads):
    tiles = cut(count, largest, smallest, threads)
    assert [number for first, last in tiles for number in range(first, last)] == list(range(count))
    sizes = [last - first for first, last in tiles]
    assert all(size <= largest for size in sizes)
    assert all(size >= min(smallest, largest) for size in sizes[:-1])


def test_tiles_shrink_towards_the_end():
    sizes = [last - first for first, last in cut(10_000, 800, 40, 2)]
    assert sizes[0] == 800
    assert sizes[-1] <= 40
    assert sizes == sorted(sizes, reverse=True)


def helpers():
    return [thread for thread in threading.enumerate() if type(thread) is threads_of_sweeps._Helper]


def test_teams_have_their_threads_from_those_before():
    with Team(3) as team:
        team.share(lambda item: time.sleep(0.001), range(50))
    before = set(helpers())
    assert before
    for _ in range(20):
        with Team(3) as team:
            team.share(lambda item: None, range(50))
    assert set(helpers()) <= before


def test_threads_without_work_end(monkeypatch):
    monkeypatch.setattr(threads_of_sweeps, "_STAY", 0.01)
    monkeypatch.setattr(threads_of_sweeps, "_idle", [])
    others = set(helpers())
    with Team(3) as team:
        team.share(lambda item: time.sleep(0.001), range(50))
        # Those of a team stay, however long the caller does something else.
        time.sleep(0.05)
        team.share(lambda item: None, range(50))
    for thread in set(helpers()) - others:
        thread.join(timeout=20)
        assert not thread.is_alive()
    assert threads_of_sweeps._idle == []


def test_an_error_of_a_thread_is_not_the_next_teams():
    seen = []
    both = threading.Barrier(2)

    def fails(item):
        both.wait(timeout=20)
        raise ZeroDivisionError(item)

    for _ in range(3):
        with Team(2) as team, pytest.raises(ZeroDivisionError):
            team.share(fails, [0, 1])
        with Team(2) as team:
            team.share(seen.append, range(40))
            team.begin(lambda: seen.append(40))()
    assert sorted(seen) == sorted(list(range(41)) * 3)


def test_work_beside_the_callers_says_what_it_raised():
    with Team(2) as team:
        wait = team.begin(lambda: [][0])
        with pytest.raises(IndexError):
            wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_threads_of_its_own():
    def share():
        seen = []
        with Team(2) as team:
            team.share(seen.append, range(100))
        return len(seen) == 100

    assert share()
    child = os.fork()
    if child == 0:
        os._exit(0 if share() else 1)
    assert os.waitpid(child, 0)[1] == 0
