"""Threads that share work: each item once, the first error stops, tiles cover everything."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
