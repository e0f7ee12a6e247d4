"""Where there is nothing to find, walking forward finds nothing; where there is something, it does."""

import numpy as np
import pytest

from peak_fast import Bars
from peak_fast.statistics import combinatorial_splits
from peak_fast.validation import cross_validate, walk_forward
from tests.test_walk_forward import RULES

GRID = {"fast": [2, 4, 8, 16], "slow": [20, 30, 45, 60]}


def prices(returns):
    close = 100.0 * np.cumprod(1.0 + returns)
    open_ = np.concatenate(([100.0], close[:-1]))
    return Bars.from_frame(
        {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    )


def noise(seed, count=1_000):
    """Returns of mean 0, so that whoever trades without costs gains nothing on the mean."""
    return prices(np.random.default_rng(seed).normal(0.0, 0.01, count))


def waves(seed, count=1_000):
    """Returns that go on: trends that averages can follow."""
    generator = np.random.default_rng(seed)
    drift = np.zeros(count)
    for bar in range(1, count):
        drift[bar] = 0.97 * drift[bar - 1] + generator.normal(0.0, 0.001)
    return prices(drift + generator.normal(0.0, 0.01, count))


def efficiencies(make, worlds, positions, first=0):
    found = []
    for seed in range(first, first + worlds):
        walked = walk_forward(
            RULES,
            GRID,
            make(seed),
            train=400,
            test=100,
            objective="total_return",
            positions=positions,
            threads=1,
        )
        held = [choice for choice in walked.choices if choice.params is not None]
        gain = np.mean([choice.inside["annual_return"] for choice in held])
        found.append((np.mean([choice.outside["annual_return"] for choice in held]), gain))
    later, gain = np.array(found).T
    return later.mean() / gain.mean(), later.std(ddof=1) / np.sqrt(worlds) / gain.mean()


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_noise_has_no_efficiency(positions):
    share, error = efficiencies(noise, 200, positions)
    assert abs(share) < 3 * error < 0.3


@pytest.mark.nightly
@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_noise_has_no_efficiency_in_many_worlds(positions):
    share, error = efficiencies(noise, 2_000, positions, first=10_000)
    assert abs(share) < 3 * error < 0.1


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_trends_are_found_again(positions):
    share, error = efficiencies(waves, 40, positions)
    assert share > 4 * error and 0.3 < share < 1.2


def test_paths_through_noise_lie_around_zero():
    """The best in training gains there, and nothing where it tests."""
    inside, outside = [], []
    for seed in range(30):
        crossed = cross_validate(RULES, GRID, noise(seed), folds=6, test_folds=2, purge=60, threads=1)
        inside.append(np.mean([choice.value for choice in crossed.choices]))
        outside.append(np.nan_to_num(crossed.sharpes).mean())
    outside = np.array(outside)
    error = outside.std(ddof=1) / np.sqrt(len(outside))
    assert abs(outside.mean()) < 3 * error
    assert np.mean(inside) > outside.mean() + 3 * error
    assert len(combinatorial_splits(1_000, 6, 2, 60)) == 15
