"""Searches of pure noise raise their share of false alarms, and no more; planted edges are found more often."""

import math

import pytest

from bench.size import LEVEL, noise_search, planted_search, shares

SEARCHES = 1_000
ERROR = math.sqrt(LEVEL * (1 - LEVEL) / SEARCHES)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "search", [noise_search, lambda seed: planted_search(seed, 0.0)], ids=["sweeps", "matrices"]
)
def test_false_alarms(search):
    found = shares(search, SEARCHES)
    for name in ("reality check", "SPA", "steps"):
        assert abs(found[name] - LEVEL) <= 3 * ERROR, (name, found)
    assert found["DSR 2014"] <= LEVEL, found


@pytest.mark.nightly
def test_edges_are_found_the_more_often_the_larger_they_are():
    found = [shares(lambda seed, edge=edge: planted_search(seed, edge), 300) for edge in (0.5, 1.0, 2.0)]
    for name in ("reality check", "SPA", "steps"):
        weak, usual, strong = (share[name] for share in found)
        assert LEVEL / 2 < weak < usual < strong and strong > 0.8, (name, found)


def test_one_search_of_each_kind():
    found = shares(lambda seed: planted_search(seed, 6.0), 3)
    assert found["SPA"] == found["steps"] == found["DSR 2014"] == 1.0
    assert set(noise_search(1)) == set(found)
