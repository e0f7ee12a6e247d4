"""Samples of blocks and their length: by hand, by definition, and against the samples of another package by seed."""

import json
import math

import numpy as np
import polars as pl
import pytest

from peak_fast import ConfigError, DataError
from peak_fast.statistics import (
    bootstrap_indices,
    long_run_deviation,
    optimal_block_length,
    resampled_means,
    stationary_indices,
)

TOLERANCE = 1e-9
KINDS = ("stationary", "circular", "moving")


def stored(oracles):
    """Files of statistics about resampling, with their series where it lies beside them."""
    for path in sorted((oracles / "stats").glob("*.json")):
        content = json.loads(path.read_text())
        table = path.with_name(f"{path.stem}_returns.parquet")
        if "sampler" in content or "optimal_block_length" in content:
            yield path.name, content, pl.read_parquet(table).to_numpy()[:, 0] if table.exists() else None


def test_samples_from_given_draws(oracles):
    compared = 0
    for file, content, _ in stored(oracles):
        for case in content.get("sampler", []):
            days = stationary_indices(case["start_indices"], case["uniforms"], 1 / case["p"])
            assert days.tolist() == case["result"], (file, case["n"])
            compared += 1
    if not compared:
        pytest.skip(f"no samples in {oracles / 'stats'}")


def streams(content):
    """Kind, block, seed, days, key of each stored stream of indices: the names of the keys say them."""
    for key in content:
        words = key.split("_")
        if words[0] in KINDS and len(words) > 4 and words[1].startswith("block") and words[3].startswith("n"):
            yield words[0], int(words[1][5:]), int(words[2][4:]), int(words[3][1:]), key


def test_samples_by_seed_are_those_of_the_other_package(oracles):
    compared = 0
    for file, content, series in stored(oracles):
        for kind, block, seed, size, key in streams(content):
            expected = content[key]
            found = bootstrap_indices(size, block, len(expected), seed, kind)
            assert found.tolist() == expected, (file, key)
            moments = content.get(f"{kind}_block{block}_seed{seed}_mean_std_50reps", [])
            drawn = (
                series[:size][bootstrap_indices(size, block, len(moments), seed, kind)] if moments else None
            )
            for (mean, deviation), sample in zip(moments, [] if drawn is None else drawn, strict=True):
                assert sample.mean() == pytest.approx(mean, rel=TOLERANCE)
                assert sample.std(ddof=1) == pytest.approx(deviation, rel=TOLERANCE)
            compared += 1
    if not compared:
        pytest.skip(f"no samples by seed in {oracles / 'stats'}")


MADE = {
    "returns": lambda x: x, "abs_returns": np.abs, "squared": lambda x: x * x, "first300": lambda x: x[:300],
}  # fmt: skip


def test_lengths_of_blocks(oracles):
    compared = 0
    for file, content, series in stored(oracles):
        cases = [
            (MADE[name](series), lengths)
            for name, lengths in content.get("optimal_block_length", {}).items()
            if name in MADE and series is not None
        ]
        cases += [
            (np.array(lengths["series"]), lengths)
            for lengths in content.values()
            if isinstance(lengths, dict) and "series" in lengths and "stationary" in lengths
        ]
        for values, lengths in cases:
            for kind in ("stationary", "circular"):
                assert optimal_block_length(values, kind) == pytest.approx(lengths[kind], rel=TOLERANCE), file
            compared += 1
    if not compared:
        pytest.skip(f"no lengths of blocks in {oracles / 'stats'}")


class TestSamples:
    def test_by_hand(self):
        # A block of 2 goes on where the uniform is above 1/2: 3, 0 (round the end), then 1, then 2.
        assert stationary_indices([3, 9 % 4, 1, 0], [0.9, 0.6, 0.5, 0.51], 2).tolist() == [3, 0, 1, 2]

    def test_blocks_of_one_day_are_their_starts(self):
        starts = [2, 0, 1]
        assert stationary_indices(starts, [0.5, 1.0, 0.3], 1).tolist() == starts

    @pytest.mark.parametrize("kind", KINDS)
    def test_days_are_in_the_data_and_seeds_repeat(self, kind):
        days = bootstrap_indices(37, 5, 200, 4, kind)
        assert days.shape == (200, 37) and days.min() == 0 and days.max() == 36
        assert (days == bootstrap_indices(37, 5, 200, 4, kind)).all()
        assert not (days == bootstrap_indices(37, 5, 200, None, kind)).all()

    def test_stationary_blocks_have_their_mean_length(self):
        days = bootstrap_indices(10_000, 20, 10, 1)
        breaks = ((np.diff(days, axis=1) % 10_000) != 1).mean()
        assert 1 / breaks == pytest.approx(20, rel=0.05)

    @pytest.mark.parametrize("shape", [(1, 1), (50, 1), (300, 17), (700, 40)])
    @pytest.mark.parametrize("kind", KINDS)
    def test_means_of_samples(self, shape, kind):
        returns = np.random.default_rng(9).normal(size=shape)
        days = bootstrap_indices(shape[0], 1 if shape[0] == 1 else 6, 25, 3, kind)
        assert resampled_means(returns, days) == pytest.approx(returns[days].mean(axis=1), abs=1e-13)

    def test_means_of_any_days(self):
        returns = np.random.default_rng(9).normal(size=(600, 3))
        days = np.array([np.zeros(600), np.full(600, 599), np.arange(600), np.arange(600)[::-1]], dtype=int)
        assert resampled_means(returns, days) == pytest.approx(returns[days].mean(axis=1), abs=1e-12)
        assert resampled_means(returns[:, 0], days[0])[0, 0] == pytest.approx(returns[0, 0])

    def test_wrong_arguments(self):
        with pytest.raises(ConfigError, match="1 or more"):
            bootstrap_indices(10, 0.5, 3)
        with pytest.raises(ConfigError, match="whole number up to 10"):
            bootstrap_indices(10, 2.5, 3, kind="circular")
        with pytest.raises(DataError, match="from 0 to 2"):
            stationary_indices([0, 1, 3], [0.1, 0.1, 0.1], 2)
        with pytest.raises(DataError, match="expected 5 days"):
            resampled_means(np.zeros((5, 1)), [[0, 1, 2, 3, 5]])


class TestLongRunDeviation:
    def by_definition(self, x, block):
        count, keep = x.size, 1 - 1 / block
        e = x - x.mean()
        total = e @ e / count
        for i in range(1, count):
            weight = (1 - i / count) * keep**i + i / count * keep ** (count - i)
            total += 2 * weight * (e[i:] @ e[:-i]) / count
        return math.sqrt(total)

    @pytest.mark.parametrize("block", [1, 1.5, 10, 1000])
    def test_the_pass_over_days_is_the_sum_over_lags(self, block):
        returns = np.cumsum(np.random.default_rng(2).normal(size=(90, 19)), axis=0)
        found = long_run_deviation(returns, block)
        assert found == pytest.approx([self.by_definition(x, block) for x in returns.T], rel=1e-9)
        assert long_run_deviation(returns[:, 3], block) == pytest.approx(found[3], rel=1e-12)

    def test_it_is_the_deviation_of_resampled_means(self):
        returns = np.convolve(np.random.default_rng(5).normal(size=400), np.ones(5), "valid")
        means = resampled_means(returns, bootstrap_indices(returns.size, 8, 20_000, 1))[:, 0]
        assert means.std() * math.sqrt(returns.size) == pytest.approx(
            long_run_deviation(returns, 8), rel=0.02
        )


class TestLength:
    def test_independent_returns_need_none(self):
        lengths = [optimal_block_length(np.random.default_rng(k).normal(size=2000)) for k in range(20)]
        assert np.median(lengths) < 4

    def test_more_dependence_needs_longer_blocks(self):
        noise, lengths = np.random.default_rng(1).normal(size=5000), []
        for rho in (0.1, 0.5, 0.9):
            x = noise.copy()
            for t in range(1, x.size):
                x[t] += rho * x[t - 1]
            lengths.append(optimal_block_length(x))
        assert lengths[0] < lengths[1] < lengths[2]

    def test_edges(self):
        assert optimal_block_length([0.1, 0.1, 0.1]) == 1
        assert optimal_block_length([0.1, 0.2]) == 1
        with pytest.raises(DataError, match="1 missing"):
            optimal_block_length([0.1, math.nan, 0.3])
        with pytest.raises(ConfigError, match="'stationary', 'circular'"):
            optimal_block_length([0.1, 0.2, 0.4], "moving")
