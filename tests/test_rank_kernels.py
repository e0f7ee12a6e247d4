"""Who is chosen of a row of scores, against a plain sort: any number of names, ties, what is infinite or not ranked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_kernels.entries import best_ranks

SHAPES = ("normal", "rounded", "few", "equal", "wide", "infinite", "descending")


def scores_of(shape, count, missing, generator):
    scores = generator.normal(0.0, 1.0, count)
    scores = {
        "normal": scores,
        "rounded": np.round(scores, 1),
        "few": np.round(3.0 * scores),
        "equal": np.full(count, 1.5),
        "wide": np.exp(60.0 * scores),
        "infinite": np.where(np.abs(scores) > 2.0, np.copysign(np.inf, scores), scores),
        "descending": -np.sort(-scores),
    }[shape]
    scores[generator.random(count) < missing] = np.nan
    return scores


@given(
    st.sampled_from(SHAPES), st.integers(1, 600), st.floats(0.0, 1.0), st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([1, -1]), st.integers(0, 2**32),
)  # fmt: skip
def test_the_best_are_those_of_a_sort(shape, count, share, missing, sign, seed):
    generator = np.random.default_rng(seed)
    scores, alphabet = scores_of(shape, count, missing, generator), generator.permutation(count)
    width = max(int(share * count), 1)
    there = [int(asset) for asset in alphabet if not np.isnan(scores[asset])]
    expected = sorted(there, key=lambda asset: -sign * scores[asset])[:width]
    for ordered in (0, 1):
        best, counts = np.full((1, width), -1), np.empty((1, 1), dtype=np.int64)
        best_ranks(scores[None], alphabet, np.array([0, count]), sign, width, ordered, best, counts)
        assert counts[0, 0] == len(there)
        found = best[0][: len(expected)].tolist()
        assert found == expected if ordered else sorted(found) == sorted(expected)
        assert (best[0][len(expected) :] == -1).all()


@pytest.mark.parametrize("wanted", [1, 2, 95, 96, 97, 255, 256, 257, 499, 500])
def test_groups_have_their_own_best(wanted):
    generator = np.random.default_rng(wanted)
    scores, bounds = generator.normal(0.0, 1.0, (3, 700)), np.array([0, 500, 700])
    best, counts = np.full((3, 2 * wanted), -1), np.empty((3, 2), dtype=np.int64)
    best_ranks(scores, np.arange(700), bounds, 1, wanted, 1, best, counts)
    for row in range(3):
        for group, (start, stop) in enumerate(((0, 500), (500, 700))):
            expected = (np.argsort(-scores[row, start:stop], kind="stable") + start)[:wanted]
            assert best[row, group * wanted :][: expected.size].tolist() == expected.tolist()
